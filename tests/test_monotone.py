"""Mixtures of rises on curves of several scales, and the test of monotonicity."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from diffwin.estimate import estimate
from diffwin.levels import FloatArray, Grid
from diffwin.monotone import falls, rises
from diffwin.survival import Curve, Readings
from diffwin.trials import ALL
from diffwin.window import VALUES
from simulated import exact_survival, grid, readings, separation, uneven

WHERE = grid(14, -12, 4)


def two_scales(log_snr: FloatArray) -> FloatArray:
    """Survival of four even labels of which half is decided early and half late, floor 1/4."""
    early, late = (np.array([exact_survival(d) for d in separation(log_snr, mu)]) for mu in (60.0, 3.0))
    return np.asarray(early * late)


def drawn(where: Grid, bases: int, repeats: int, seed: int) -> Readings:
    """Regenerations that keep one of four labels by `two_scales`."""
    rng = np.random.default_rng(seed)
    keeps = two_scales(where.log_snr[1:])
    labels = rng.integers(0, 4, bases)
    kept = rng.binomial(repeats, keeps, (bases, where.top))
    counts = np.zeros((bases, where.top, 4), np.int64)
    np.put_along_axis(counts, labels[:, None, None], kept[:, :, None], axis=2)
    np.put_along_axis(counts, (labels[:, None, None] + 1) % 4, (repeats - kept)[:, :, None], axis=2)
    axis = np.arange(1, where.top + 1)
    none = np.zeros(where.top, np.int64)
    return Readings("", "f", ("a", "b", "c", "d"), labels, counts, kept * 1.0, none, axis, where.log_snr[1:])


def curve_of(where: Grid, bases: int, seed: int) -> Curve:
    return estimate(drawn(where, bases, 4, seed), where, groups=[ALL]).raw[ALL]


def test_a_curve_of_two_scales_is_met_where_the_family_cannot() -> None:
    curve = curve_of(WHERE, 4000, 0)
    fitted = rises(curve, np.arange(len(curve.survival)))
    exact = (two_scales(curve.log_snr) - 0.25) / 0.75
    at = fitted.at(curve.log_snr)
    assert np.all(np.abs(at[0] - exact) <= 4 * at[1:].std(axis=0) + 0.01)
    fine = np.linspace(-12, 4, 161)
    truth = [np.interp(value, (two_scales(fine) - 0.25) / 0.75, fine) for value in VALUES]
    points = fitted.crossings(VALUES)
    assert np.all(np.abs(points[0] - truth) <= 4 * points[1:].std(axis=0))


def test_rises_only_rise_and_stay_between_0_and_1() -> None:
    curve = curve_of(WHERE, 12, 1)
    told = rises(curve, np.arange(20)).at(np.linspace(-20, 12, 300))
    assert np.all(np.diff(told, axis=1) >= -1e-9)
    assert np.all((told >= -1e-9) & (told <= 1 + 1e-9))


def test_crossings_lie_where_the_curve_reaches_the_values() -> None:
    fitted = rises(curve_of(WHERE, 200, 2), np.arange(5))
    points = fitted.crossings(VALUES)
    for row, mine in enumerate(points):
        np.testing.assert_allclose(fitted.at(mine)[row], VALUES, atol=0.01)


def test_a_level_without_regenerations_says_nothing() -> None:
    curve = curve_of(WHERE, 100, 3)
    survival, trials = curve.survival.copy(), curve.trials.copy()
    survival[:, 5], trials[:, 5] = np.nan, 0.0
    kept = np.arange(14) != 5
    gap = replace(curve, survival=survival, trials=trials)
    without = replace(
        curve, log_snr=curve.log_snr[kept], survival=curve.survival[:, kept], trials=curve.trials[:, kept]
    )
    rows = np.arange(10)
    np.testing.assert_allclose(rises(gap, rows).at(curve.log_snr), rises(without, rows).at(curve.log_snr), atol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_shares_beyond_what_can_be_are_met_as_near_as_may_be(seed: int) -> None:
    curve = curve_of(WHERE, 40, seed)
    above = replace(curve, survival=np.ones_like(curve.survival))
    np.testing.assert_allclose(rises(above, np.arange(3)).at(curve.log_snr), 1.0, atol=1e-3)
    below = replace(curve, survival=np.zeros_like(curve.survival))
    np.testing.assert_allclose(rises(below, np.arange(3)).at(curve.log_snr), 0.0, atol=1e-3)


def test_a_rising_curve_is_seldom_called_falling_and_a_falling_one_is() -> None:
    where = grid(12, -9, 2)
    even = [readings(24, 4, seed, where) for seed in range(200)]
    called = sum(bool(falls(each, ALL)) for each in even)
    assert called <= 200 * 0.01 + 4 * np.sqrt(200 * 0.01)
    scattered = [readings(24, uneven(24, where, -4.0, s, near=200), s, where) for s in range(200)]
    called = sum(bool(falls(each, ALL)) for each in scattered)
    assert called <= 200 * 0.01 + 4 * np.sqrt(200 * 0.01)
    upside_down = replace(even[0], counts=even[0].counts[:, ::-1])
    assert "survival falls" in falls(upside_down, ALL)
    # measured on some bases here and on others there, which no base can compare
    halves = np.where(np.arange(24)[:, None] < 12, [4, 0] * 6, [0, 4] * 6)
    apart = readings(24, halves, 0, where)
    assert "survival falls" in falls(replace(apart, counts=apart.counts[:, ::-1]), ALL)


def test_a_few_regenerations_that_all_survived_are_no_fall() -> None:
    where = grid(3, -6, -2)
    few = readings(60, np.where(np.arange(60)[:, None] < 15, [2, 2, 1], [2, 2, 0]), 0, where)
    survived = np.where(np.arange(60)[:, None] < 42, [2, 2, 1], [0, 0, 0])  # 70 % of 120, and 15 of 15
    mine = few.base_labels[:, None, None] == np.arange(2)
    lost = few.read - np.minimum(survived, few.read)
    survived = np.minimum(survived, few.read)
    alike = replace(few, counts=np.where(mine, survived[:, :, None], lost[:, :, None]))
    assert alike.survived[:, 2].sum() == alike.read[:, 2].sum() == 15
    assert not falls(alike, ALL)


def test_rises_are_as_steep_as_those_of_many_labels() -> None:
    """Of twenty labels in one component each, which are decided faster than two; no rise is wider than that."""
    x = WHERE.log_snr[:0:-1]
    fine = np.linspace(x[0], x[-1], 2001)
    one_of_twenty = (np.array([exact_survival(d, 0.05) for d in separation(fine, 30.0)]) - 0.05) / 0.95
    survival = (0.05 + 0.95 * np.interp(x, fine, one_of_twenty))[None]
    many = np.full((1, len(x)), 1e4)
    curve = Curve(ALL, np.ones(len(x), bool), x, survival, np.array([0.05]), many, many[0], 10_000)
    found = rises(curve, np.array([0])).crossings(VALUES)[0]
    np.testing.assert_allclose(found, np.interp(VALUES, one_of_twenty, fine), atol=0.06)
