"""Thresholds of a pair, exact and as printed, and the theorem that uses them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from diffwin.levels import log_snr_at
from diffwin.theory import blink, pair
from diffwin.worlds.base import Feature
from diffwin.worlds.exact import exact_survival
from diffwin.worlds.mixture import GaussianMixture


@pytest.mark.parametrize(("eps", "after", "before"), [(0.1, 1.3564, 3.6756), (0.05, 1.1962, 4.3767)])
def test_exact_thresholds(eps: float, after: float, before: float) -> None:
    found = blink.exact_thresholds(10.0, eps)
    assert (found.after, found.before) == pytest.approx((after, before), abs=6e-5)


def test_printed_bounds() -> None:
    found = blink.printed_thresholds(10.0, 0.1)
    assert (found.after, found.before) == pytest.approx((0.9385, 5.2983), abs=6e-5)


@pytest.mark.parametrize("std", [0.3, 1.0])
def test_thresholds_are_where_total_variation_says(std: float) -> None:
    eps, mu = 0.07, 4.0
    found = blink.exact_thresholds(mu, eps, std)
    between = pair.total_variation(pair.separation(2 * mu, log_snr_at([found.before, found.after]), std))
    assert between[0] / 2 == pytest.approx(eps)  # one component from both of them is half as far
    assert between[1] == pytest.approx(1 - eps**2)


def test_the_printed_t_after_is_a_bound_up_to_eps_3056() -> None:
    def slack(eps: float) -> float:
        return blink.exact_thresholds(10.0, eps).after - blink.printed_thresholds(10.0, eps).after

    assert slack(0.3056) > 0 > slack(0.3057)
    assert blink.printed_thresholds(10.0, 0.3).before > blink.exact_thresholds(10.0, 0.3).before


def test_the_theorem_holds_for_a_regenerated_mixture() -> None:
    """Three 1-D components: S_init the first, S_target the first two, the rest far away. The regeneration's law

    q(x') = p(x') E[p_init(x_t) / p(x_t) | x'] is integrated on a grid, and compared with the target's.
    """
    means, weights, std = np.array([-9.0, -8.0, 9.0]), np.array([0.3, 0.3, 0.4]), 0.7
    x = np.linspace(-14, 14, 1401)
    step = x[1] - x[0]
    clean = norm.pdf(x[:, None], means, std)
    p, target = clean @ weights, clean[:, :2].mean(axis=1)
    eps = []
    for t in (0.3, 0.8, 1.2, 1.6):
        alpha, variance = np.exp(-t), 1 - np.exp(-2 * t)
        noisy = norm.pdf(x[:, None], alpha * means, np.sqrt(alpha**2 * std**2 + variance))
        ratio = noisy[:, 0] / (noisy @ weights)
        kernel = norm.pdf(x[None], alpha * x[:, None], np.sqrt(variance))
        law = p * (kernel @ ratio) * step
        assert law.sum() * step == pytest.approx(1, abs=1e-3)
        measured = np.abs(law - target).sum() * step / 2
        init_to_target = np.abs(noisy[:, 0] - noisy[:, :2].mean(axis=1)).sum() * step / 2
        to_rest = np.abs(noisy[:, :2].mean(axis=1) - noisy[:, 2]).sum() * step / 2
        eps.append(max(init_to_target, np.sqrt(max(1 - to_rest, 0.0))))  # the least eps for which the premise holds
        assert measured <= blink.regeneration_bound(eps[-1], rest=0.4, target=0.6)
    assert min(eps) < 0.15  # the bound says something at the best of these levels


def test_a_heavy_rest_weakens_the_bound() -> None:
    assert blink.regeneration_bound(0.1, rest=0.5, target=0.5) == pytest.approx(0.1 * (1 + 1 / np.sqrt(2)))
    assert blink.regeneration_bound(0.1, rest=0.9, target=0.1) == pytest.approx(0.1 * (1 + 9 / np.sqrt(2)))


def test_the_printed_t_before_among_many_is_a_bound() -> None:
    """Four components, and one of them within all: TV(one, all) is at most 3/4 of that to the farthest."""
    eps, distances = 0.1, np.array([3.0, 8.0, 5.0])
    found = blink.printed_thresholds_among(distances, eps)
    assert found.before == pytest.approx(np.log(80))
    assert 0.75 * pair.total_variation(pair.separation(8.0, log_snr_at(found.before))) < eps


def test_the_printed_t_after_among_many_keeps_regenerations() -> None:
    """Of K components on a simplex, where all are as near: what leaves is at most eps, at any K."""
    eps = 0.1
    for count in (2, 5, 12):
        world = GaussianMixture(np.ones(count), 20 * np.eye(count))
        distances = np.full(count - 1, 20 * np.sqrt(2))
        at = float(log_snr_at(blink.printed_thresholds_among(distances, eps).after))
        found = exact_survival(world, Feature.of(np.arange(count)), at)
        assert 1 - found.value < eps - 4 * found.standard_error
