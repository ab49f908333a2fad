"""Windows located from simulated readings against their exact crossings; every outcome that is not a window."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import isotonic_regression

from diffwin.survival import ALL
from diffwin.window import EDGE, Status, crossings, isotonic, locate
from simulated import exact_crossing, grid, readings


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


def test_a_large_run_locates_the_exact_points() -> None:
    where = grid(40)
    window = locate(readings(4000, 4, 0, where).of_group(ALL), where)
    assert window.status is Status.FOUND
    for point, value in ((window.onset, EDGE), (window.decision, 0.5), (window.end, 1 - EDGE)):
        assert point is not None
        spacing = 14 / 39  # linear interpolation between levels this far apart bends the curve a little
        assert abs(point.log_snr - exact_crossing(value)) <= 0.1 * spacing + (point.high - point.low)
        assert point.low <= point.log_snr <= point.high
        assert point.step == pytest.approx(point.fraction * where.top)
    assert window.onset.log_snr < window.decision.log_snr < window.end.log_snr


def test_decision_intervals_cover_the_exact_point() -> None:
    where, runs = grid(16, -9, 0), 300
    exact = exact_crossing(0.5)
    hits = 0
    for seed in range(runs):
        window = locate(readings(32, 4, seed, where).of_group(ALL), where, seed=seed)
        assert window.decision is not None
        hits += window.decision.low <= exact <= window.decision.high
    # a first bound, four standard errors below 93 %: the table of coverage is a larger simulation
    assert hits / runs >= 0.93 - 4 * np.sqrt(0.95 * 0.05 / runs)


def test_outcomes_that_are_not_windows() -> None:
    where = grid(8, -9, 2)
    drawn = readings(40, 4, 1, where)
    every = drawn.read.copy()
    cases = {
        Status.NO_EFFECT: replace(drawn, base_labels=np.zeros(40, np.int64)),
        Status.CENSORED: replace(drawn, survived=every),
        Status.UNDECIDED: replace(drawn, survived=every // 2),
        Status.NOT_MONOTONE: replace(drawn, survived=drawn.survived[:, ::-1]),
        Status.TOO_FEW: replace(drawn, base_labels=np.where(np.arange(40) < 4, drawn.base_labels, -1)),
    }
    for status, case in cases.items():
        window = locate(case.of_group(ALL), where)
        assert window.status is status
        assert window.reason
        assert window.decision is window.onset is window.end is None


def test_a_group_without_bases_is_too_few() -> None:
    where = grid(8)
    drawn = replace(readings(20, 2, 0, where), labels=("left", "right", "nobody"))
    window = locate(drawn.of_group("nobody"), where)
    assert window.status is Status.TOO_FEW
    assert "0 bases" in window.reason


def test_an_onset_beyond_the_noisiest_level_is_none() -> None:
    where = grid(8, exact_crossing(0.35), 4)
    window = locate(readings(500, 4, 0, where).of_group(ALL), where)
    assert window.status is Status.FOUND
    assert window.onset is None
    assert "onset" in window.reason


def test_one_level_is_not_a_window() -> None:
    where = grid(2, -20, 30)
    drawn = readings(40, 2, 0, where)
    one = replace(
        drawn,
        survived=drawn.survived[:, :1],
        read=drawn.read[:, :1],
        missing=drawn.missing[:1],
        levels=drawn.levels[:1],
        log_snr=drawn.log_snr[:1],
    )
    assert locate(one.of_group(ALL), where).status in (Status.CENSORED, Status.UNDECIDED)
