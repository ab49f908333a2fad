"""Correction for the probe's errors: exact on exact tables, covering where the raw curve does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from diffwin.correction import Correction, corrected_tables
from diffwin.estimate import BLIND, REPEATED, UNMEASURED, estimate
from diffwin.levels import Grid
from diffwin.survival import Tables
from diffwin.trials import ALL
from diffwin.window import Status
from misread_labels import PROBES, MisreadWorld, misread
from simulated import exact_crossing, grid, readings

TWO = np.array([[0.8, 0.2], [0.3, 0.7]])


def test_symmetric_errors_follow_the_closed_form() -> None:
    e, survival = 0.1, 0.83
    matrix = np.array([[1 - e, e], [e, 1 - e]])
    true = np.array([[survival, 1 - survival], [1 - survival, survival]]) / 2
    read = matrix.T @ true @ matrix
    assert np.trace(read) == pytest.approx(2 * e * (1 - e) + (1 - 2 * e) ** 2 * survival)
    inverse = Correction(matrix).inverse
    np.testing.assert_allclose(inverse.T @ read @ inverse, true, atol=1e-12)


def test_without_errors_the_tables_are_the_raw_ones() -> None:
    drawn = readings(20, 3, 0, grid(5, -6, 2))
    weights = np.random.default_rng(0).integers(0, 3, (7, 20)).astype(float)
    raw, same = Tables.of(drawn, weights), corrected_tables(drawn, weights, np.broadcast_to(np.eye(2), (7, 2, 2)))
    for group in (ALL, "left", "right"):
        np.testing.assert_allclose(same.survival(group), raw.survival(group), atol=1e-12)
        np.testing.assert_allclose(same.floor(group), raw.floor(group), atol=1e-12)


def test_corrected_survival_is_the_true_one_on_average() -> None:
    where = grid(6, -8, 2)
    drawn = readings(400, 4, 1, where, prior=0.3)
    inverses = Correction(TWO).inverse[None]
    found = [corrected_tables(misread(drawn, TWO, seed), drawn.ones, inverses).survival(ALL)[0] for seed in range(60)]
    truth = Tables.of(drawn, drawn.ones).survival(ALL)[0]
    error = np.std(found, axis=0) / np.sqrt(len(found))
    assert np.all(np.abs(np.mean(found, axis=0) - truth) <= 4 * error)


def test_corrected_windows_cover_and_raw_ones_do_not() -> None:
    where, runs = grid(14, -9, 1), 40
    exact = exact_crossing(0.75)
    hits = {"raw": 0, "corrected": 0}
    for seed in range(runs):
        drawn = misread(readings(200, 4, seed, where), TWO, seed)
        for name, correction in (("raw", None), ("corrected", Correction(TWO, (2000, 2000)))):
            end = estimate(drawn, where, correction, seed=seed, groups=[ALL]).located[ALL].window.end
            hits[name] += end is not None and end.low <= exact <= end.high
    assert hits["corrected"] / runs >= 0.95 - 4 * np.sqrt(0.05 * 0.95 / runs)
    assert hits["raw"] / runs < 0.5


@pytest.mark.parametrize("probe", PROBES)
def test_a_probe_right_in_60_of_100_over_five_labels_is_undone(probe: str) -> None:
    world, runs = MisreadWorld(probe), 16
    pairs = [world.windows(seed) for seed in range(runs)]
    raw, corrected = (np.mean([world.held(window) for window in each], axis=0) for each in zip(*pairs, strict=True))
    assert np.all(corrected >= 0.95 - 4 * np.sqrt(0.05 * 0.95 / runs))
    assert raw[2] == 0  # its end is hidden by misreadings altogether
    assert raw.mean() < 0.5
    assert not any(window.corrected for window, _ in pairs)
    assert sum(window.corrected for _, window in pairs) >= runs - 2  # `errors_repeat` is a test that may err


def test_doubt_about_the_matrix_widens_the_interval() -> None:
    where = grid(14, -9, 1)
    drawn = misread(readings(200, 4, 0, where), TWO, 0)
    widths = []
    for counts in ((10_000, 10_000), (60, 60)):
        end = estimate(drawn, where, Correction(TWO, counts), groups=[ALL]).located[ALL].window.end
        assert end is not None
        widths.append(end.high - end.low)
    assert widths[1] > 1.1 * widths[0]


def test_a_correction_that_cannot_be_made_is_not_and_says_why() -> None:
    where: Grid = grid(10, -8, 4)
    drawn = readings(60, 4, 0, where)
    blind = Correction(np.full((2, 2), 0.5))
    assert estimate(drawn, where, blind).uncorrected == BLIND
    assert estimate(drawn, where).uncorrected == UNMEASURED
    # a probe that reads a picture twice alike: perfect agreement at the cleanest levels, whatever its matrix says
    same = estimate(drawn, where, Correction(TWO, (500, 500)))
    assert same.uncorrected == REPEATED
    assert not same.located[ALL].window.corrected
    fixed = replace(drawn, base_labels=np.zeros(60, np.int64))
    assert estimate(fixed, where, Correction(TWO, (500, 500))).located[ALL].window.status is Status.NO_EFFECT
    assert estimate(drawn, where, Correction(np.eye(2))).located[ALL].window.corrected
