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
