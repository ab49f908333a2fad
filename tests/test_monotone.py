"""The monotone fit against scipy's, its crossings, and the test of monotonicity."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import isotonic_regression

from diffwin.monotone import crossings, falls, isotonic
from diffwin.trials import ALL
from simulated import grid, readings


def test_isotonic_equals_scipy() -> None:
    rng = np.random.default_rng(0)
    curves, weights = rng.random((50, 9)), rng.integers(1, 6, 9).astype(float)
    ours = isotonic(curves, weights)
    for row, curve in zip(ours, curves, strict=True):
        np.testing.assert_allclose(row, isotonic_regression(curve, weights=weights).x, atol=1e-12)


def test_crossings_interpolate_and_mark_the_ends() -> None:
    axis = np.array([-2.0, 0.0, 1.0])
    curves = np.array([[0.0, 0.4, 0.9], [0.6, 0.7, 0.8], [0.0, 0.1, 0.2], [0.0, 0.5, 0.5]])
    assert crossings(axis, curves, 0.5).tolist() == pytest.approx([0.2, -np.inf, np.inf, 0.0])


def test_a_rising_curve_is_seldom_called_falling_and_a_falling_one_is() -> None:
    drawn = [readings(24, 4, seed, grid(12, -9, 2)) for seed in range(200)]
    called = sum(bool(falls(each, ALL)) for each in drawn)
    assert called <= 200 * 0.01 + 4 * np.sqrt(200 * 0.01)
    upside_down = replace(drawn[0], counts=drawn[0].counts[:, ::-1])
    assert "survival falls" in falls(upside_down, ALL)
