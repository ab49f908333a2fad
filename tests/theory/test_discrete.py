"""Masked strings and biased walks, by enumeration."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from diffwin.theory import discrete, pair


@pytest.mark.parametrize("h", [1, 2, 4])
def test_masking_by_enumeration(h: int) -> None:
    t = 0.7
    kept = 0.0
    for erased in product([True, False], repeat=h):
        chance = np.prod([t if gone else 1 - t for gone in erased])
        kept += chance * (0.5 if all(erased) else 1.0)
    assert discrete.masking_survival(t, h) == pytest.approx(kept)


def test_the_decision_of_a_mask_is_at_three_quarters() -> None:
    h = np.array([1, 2, 5, 50])
    np.testing.assert_allclose(discrete.masking_decision(h), 2.0 ** (-1 / h))
    np.testing.assert_allclose(discrete.masking_survival(discrete.masking_decision(h), h), 0.75)


def test_a_walk_by_enumeration() -> None:
    bias, kept = 0.4, 5
    survival = apart = 0.0
    for steps in product([1, -1], repeat=kept):
        right = np.prod([(1 + bias * step) / 2 for step in steps])
        left = np.prod([(1 - bias * step) / 2 for step in steps])
        survival += right * right / (right + left)
        apart += abs(right - left) / 2
    assert discrete.walk_survival(kept, bias) == pytest.approx(survival)
    assert discrete.walk_total_variation(kept, bias) == pytest.approx(apart)


def test_a_long_walk_of_small_bias_is_a_gaussian_pair() -> None:
    kept, bias = 2500, 0.04
    d = 2 * bias * np.sqrt(kept)
    assert discrete.walk_survival(kept, bias) == pytest.approx(float(pair.survival(d)), abs=2e-3)
    assert discrete.walk_total_variation(kept, bias) == pytest.approx(float(pair.total_variation(d)), abs=2e-3)


def test_a_walk_of_which_nothing_is_kept_is_a_fair_coin() -> None:
    assert discrete.walk_survival(0, 0.3) == 0.5


@pytest.mark.parametrize("h", [1, 7])
def test_masking_thresholds_are_where_total_variation_says(h: int) -> None:
    eps = 0.1
    found, printed = discrete.masking_thresholds(h, eps), discrete.printed_masking_thresholds(h, eps)
    assert (1 - found.before**h) / 2 == pytest.approx(eps)
    assert 1 - found.after**h == pytest.approx(1 - eps**2)
    assert printed.after == pytest.approx(found.after)
    assert printed.before > found.before


@pytest.mark.parametrize(("bias", "eps"), [(0.1, 0.1), (0.5, 0.2)])
def test_walk_thresholds_are_the_last_and_the_first(bias: float, eps: float) -> None:
    found = discrete.walk_thresholds(bias, eps)
    apart = [discrete.walk_total_variation(kept, bias) for kept in range(int(found.after) + 1)]
    assert max(kept for kept, d in enumerate(apart) if d / 2 <= eps) == found.before
    assert min(kept for kept, d in enumerate(apart) if d >= 1 - eps**2) == found.after


def test_the_printed_bounds_of_a_walk_are_bounds() -> None:
    """Where the paper allows them: eps^2 < (1/2 - Delta) (1/2 + Delta) / 1000."""
    bias, eps = 0.02, 0.015
    found, printed = discrete.walk_thresholds(bias, eps), discrete.printed_walk_thresholds(bias, eps)
    assert printed.before < found.before < found.after < printed.after
