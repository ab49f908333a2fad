"""Thresholds of labelled worlds against closed forms and quadrature, and the theorem on a mixture."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from diffwin.levels import FloatArray, log_snr_at
from diffwin.theory import blink, pair
from diffwin.theory.subpopulations import between, critical_window, members, pairwise_bounds
from diffwin.worlds.base import Feature
from diffwin.worlds.image_set import ImageSet
from diffwin.worlds.mixture import GaussianMixture

SIDE = Feature.of(["left", "right"])


def on_a_line(world: GaussianMixture, mass: FloatArray, alpha: float, y: FloatArray) -> FloatArray:
    """Density of a sub-population of a 1-D mixture at points y (n,)."""
    std = np.sqrt(alpha**2 * world.variance + 1 - alpha**2)
    return np.asarray(norm.pdf(y[:, None], alpha * world.means[:, 0], std) @ (mass / mass.sum()))


@pytest.mark.parametrize(("eps", "after", "before"), [(0.1, 1.3564, 3.6756), (0.05, 1.1962, 4.3767)])
def test_a_pair_has_the_exact_thresholds_and_the_printed_bounds(eps: float, after: float, before: float) -> None:
    world = GaussianMixture([1, 1], [[10.0, 0.0], [-10.0, 0.0]])
    found = critical_window(world, members(world, SIDE, "left"), world.weights, eps)
    assert found.after is not None
    assert found.before is not None
    assert (found.after.ou_time, found.before.ou_time) == pytest.approx((after, before), abs=6e-5)
    assert found.after.standard_error == found.before.standard_error == 0.0
    assert found.printed == blink.printed_thresholds(10.0, eps)


def test_total_variation_of_mixtures_is_that_of_quadrature() -> None:
    world = GaussianMixture([1, 2, 3, 1], [[-6.0], [-3.0], [2.0], [7.0]], std=[0.5, 1.0, 1.5, 0.2])
    colour = Feature.of(["red", "red", "blue", "green"])
    red, warm = members(world, colour, "red"), members(world, colour, "red", "green")
    y = np.linspace(-16, 16, 32_001)
    for log_snr in (-4.0, -2.0, 0.0):
        alpha = float(1 / np.sqrt(1 + np.exp(-log_snr)))
        for one, other in ((red, members(world, colour, "blue")), (red, warm), (red, world.weights)):
            expected = np.abs(on_a_line(world, one, alpha, y) - on_a_line(world, other, alpha, y)).sum() * 5e-4
            value, error = between(world, one, other, log_snr, draws=6000)
            assert abs(value - expected) < 4 * error + 2e-5  # an overlap as small rests on a handful of draws


def test_a_population_is_no_distance_from_itself_and_may_not_overlap_in_part() -> None:
    world = GaussianMixture([1, 1], [[1.0], [-1.0]])
    assert between(world, world.weights, world.weights, 0.0) == (0.0, 0.0)
    with pytest.raises(ValueError, match="one within the other"):
        between(world, np.array([0.5, 0.1]), np.array([0.1, 0.5]), 0.0)


def test_thresholds_by_monte_carlo_are_those_of_the_closed_form() -> None:
    """Split each component of a pair in two equal halves: the world is the same, and no closed form applies."""
    eps, halves = 0.1, GaussianMixture([1, 1, 1, 1], [[10.0], [10.0], [-10.0], [-10.0]])
    side = Feature.of(["left", "left", "right", "right"])
    found = critical_window(halves, members(halves, side, "left"), halves.weights, eps, draws=20_000)
    exact = blink.exact_thresholds(10.0, eps)
    for threshold, expected in ((found.before, exact.before), (found.after, exact.after)):
        assert threshold is not None
        assert 0 < threshold.standard_error < 0.1
        assert abs(threshold.log_snr - log_snr_at(expected)) < 4 * threshold.standard_error


def nested() -> tuple[GaussianMixture, Feature, Feature]:
    """Two far pairs on a line."""
    world = GaussianMixture([1, 2, 1, 1], [[-122.0], [-118.0], [118.0], [122.0]], std=0.5)
    return world, Feature.of(["west", "west", "east", "east"]), Feature.of(["a", "b", "c", "d"])


def test_the_window_of_a_part_lies_between_its_thresholds() -> None:
    world, side, own = nested()
    west, first = members(world, side, "west"), members(world, own, "a")
    eps = 0.1
    found = critical_window(world, first, west, eps)
    assert found.before is not None
    for log_snr, hidden in ((found.before.log_snr - 0.3, True), (found.before.log_snr + 0.3, False)):
        value, error = between(world, first, west, log_snr)
        assert bool(value + 4 * error < eps) == hidden
        assert bool(value - 4 * error > eps) != hidden
    value, error = between(world, west, world.weights - west, found.before.log_snr)
    assert value > 1 - eps**2
    assert found.after is not None
    assert found.after.ou_time < found.before.ou_time


def test_no_level_may_satisfy_the_definition() -> None:
    """The rest is as near as the other half of S_before: what hides one hides both."""
    world = GaussianMixture([1, 1, 1], [[-6.0], [0.0], [6.0]])
    one, first_two = np.array([1, 0, 0]) / 3, np.array([1, 1, 0]) / 3
    assert critical_window(world, one, first_two, 0.1).before is None


@pytest.mark.parametrize("eps", [0.05, 0.2])
def test_pairwise_bounds_hold(eps: float) -> None:
    world, side, own = nested()
    west, first = members(world, side, "west"), members(world, own, "a")
    bounds, found = pairwise_bounds(world, first, west, eps), critical_window(world, first, west, eps)
    assert bounds is not None
    assert found.before is not None
    assert found.after is not None
    assert bounds.before >= found.before.ou_time - 4 * found.before.standard_error
    assert bounds.after <= found.after.ou_time + 4 * found.after.standard_error


def test_the_theorem_holds_at_the_levels_it_names() -> None:
    """Noise a sample of S_init to between the thresholds and regenerate; the law of the outcome on a grid."""
    world, side, own = nested()
    west, first = members(world, side, "west"), members(world, own, "a")
    eps, y = 0.1, np.linspace(-128, 128, 2561)
    window = critical_window(world, first, west, eps, draws=4000)
    told = critical_window(world, west, world.weights, eps, draws=4000).after
    assert window.before is not None
    assert told is not None
    assert window.before.ou_time < told.ou_time
    bound = blink.regeneration_bound(eps, rest=1 - west.sum(), target=west.sum())
    step, clean = y[1] - y[0], on_a_line(world, world.weights, 1.0, y)
    for t in np.linspace(window.before.ou_time, told.ou_time, 4):
        alpha = float(np.exp(-t))
        noisy = np.linspace(-122 * alpha - 6, 122 * alpha + 6, 2001)
        ratio = on_a_line(world, first, alpha, noisy) / on_a_line(world, world.weights, alpha, noisy)
        kernel = norm.pdf(noisy, alpha * y[:, None], np.sqrt(1 - alpha**2))
        law = clean * (kernel @ ratio) * (noisy[1] - noisy[0])
        apart = np.abs(law - on_a_line(world, west, 1.0, y)).sum() * step / 2
        assert law.sum() * step == pytest.approx(1, abs=1e-3)
        assert apart <= bound


def test_images_have_thresholds_too() -> None:
    """Two point masses d apart are a pair of D = d e^(log_snr / 2)."""
    world = ImageSet([[3.0, 0.0], [-3.0, 0.0]])
    found = critical_window(world, world.weights * [1, 0], world.weights, 0.1, draws=20_000)
    assert found.before is not None
    assert found.pairwise is None
    exact = blink.exact_thresholds(3.0, 0.1, std=0.0)
    assert abs(found.before.log_snr - log_snr_at(exact.before)) < 4 * found.before.standard_error
    d = pair.separation(6.0, found.before.log_snr, 0.0)
    assert pair.total_variation(d) / 2 == pytest.approx(0.1, abs=0.02)
