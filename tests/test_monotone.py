"""The monotone fit against scipy's, its crossings, and the test of monotonicity."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import isotonic_regression

from diffwin.monotone import crossings, falls, isotonic
from diffwin.trials import ALL
from simulated import grid, readings, uneven


def test_isotonic_equals_scipy() -> None:
    rng = np.random.default_rng(0)
    axis, curves, weights = np.arange(9.0), rng.random((50, 9)), rng.integers(1, 6, (50, 9)).astype(float)
    for row, curve, weight in zip(isotonic(axis, curves, weights), curves, weights, strict=True):
        np.testing.assert_allclose(row, isotonic_regression(curve, weights=weight).x, atol=1e-12)


def test_isotonic_draws_a_line_over_what_was_not_measured() -> None:
    rng = np.random.default_rng(1)
    axis, curves, weights = np.cumsum(rng.random(9)), rng.random((50, 9)), rng.integers(0, 3, (50, 9)).astype(float)
    weights[:, 4] += 1  # something is measured in every row
    for row, curve, weight in zip(
        isotonic(axis, np.where(weights > 0, curves, np.nan), weights), curves, weights, strict=True
    ):
        known = weight > 0
        alone = isotonic_regression(curve[known], weights=weight[known]).x
        np.testing.assert_allclose(row, np.interp(axis, axis[known], alone), atol=1e-12)


def test_crossings_interpolate_and_mark_the_ends() -> None:
    axis = np.array([-2.0, 0.0, 1.0])
    curves = np.array([[0.0, 0.4, 0.9], [0.6, 0.7, 0.8], [0.0, 0.1, 0.2], [0.0, 0.5, 0.5]])
    assert crossings(axis, curves, 0.5).tolist() == pytest.approx([0.2, -np.inf, np.inf, 0.0])


def test_a_rising_curve_is_seldom_called_falling_and_a_falling_one_is() -> None:
    where = grid(12, -9, 2)
    drawn = [readings(24, 4, seed, where) for seed in range(200)]
    called = sum(bool(falls(each, ALL)) for each in drawn)
    assert called <= 200 * 0.01 + 4 * np.sqrt(200 * 0.01)
    scattered = [readings(24, uneven(24, where, -4.0, s, near=200), s, where) for s in range(200)]
    called = sum(bool(falls(each, ALL)) for each in scattered)
    assert called <= 200 * 0.01 + 4 * np.sqrt(200 * 0.01)
    upside_down = replace(drawn[0], counts=drawn[0].counts[:, ::-1])
    assert "survival falls" in falls(upside_down, ALL)
    # measured on some bases here and on others there, which no base can compare
    halves = np.where(np.arange(24)[:, None] < 12, [4, 0] * 6, [0, 4] * 6)
    apart = readings(24, halves, 0, where)
    assert "survival falls" in falls(replace(apart, counts=apart.counts[:, ::-1]), ALL)
