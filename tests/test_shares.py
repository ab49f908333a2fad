"""Shares: Wilson's interval where the probe makes no errors, and coverage where it does."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from diffwin.correction import Correction
from diffwin.estimate import BLIND, UNMEASURED
from diffwin.levels import FloatArray
from diffwin.shares import OTHERWISE, Shares

EXACT = Correction(np.eye(2))


def of(first: int, second: int, missing: int = 0, known: Correction | None = EXACT) -> Shares:
    return Shares.of("a cook", "gender", ("woman", "man"), [0] * first + [1] * second + [-1] * missing, known)


@pytest.mark.parametrize(("first", "second"), [(54, 6), (0, 30), (30, 0), (1, 1), (17, 83)])
def test_without_errors_the_interval_is_wilsons(first: int, second: int) -> None:
    wilson = binomtest(first, first + second).proportion_ci(method="wilson")
    assert of(first, second).interval(0) == pytest.approx((wilson.low, wilson.high), abs=1e-9)


MATRIX = np.array([[0.86, 0.04, 0.10], [0.05, 0.85, 0.10], [0.08, 0.07, 0.85]])


@pytest.mark.parametrize("truth", [(0.9, 0.05, 0.05), (1 / 3, 1 / 3, 1 / 3), (0.7, 0.15, 0.15)])
def test_corrected_intervals_hold_the_true_share(truth: tuple[float, ...]) -> None:
    rng, p, runs, samples = np.random.default_rng(3), np.array(truth), 600, 150
    held, together = np.zeros(3), 0
    for _ in range(runs):
        measured = np.array([rng.multinomial(samples, row) / samples for row in MATRIX])
        read = rng.choice(3, 60, p=p @ MATRIX)
        shares = Shares.of("a cook", "gender", ("a", "b", "c"), read, Correction(measured, (samples,) * 3))
        held += [_within(shares.interval(k), p[k]) for k in range(3)]
        together += all(_within(shares.interval(k, at_once=3), p[k]) for k in range(3))
    least = 0.95 - 4 * np.sqrt(0.95 * 0.05 / runs)  # four standard errors
    assert (held / runs >= least).all()
    assert together / runs >= least


def _within(interval: tuple[float, float], share: float) -> bool:
    return interval[0] - 1e-9 <= share <= interval[1] + 1e-9


def test_a_correction_recovers_the_shares_behind_many_readings() -> None:
    truth: FloatArray = np.array([0.2, 0.5, 0.3])
    read = np.repeat(np.arange(3), np.round(truth @ MATRIX * 1_000_000).astype(int))
    shares = Shares.of("a cook", "gender", ("a", "b", "c"), read, Correction(MATRIX))
    assert shares.share == pytest.approx(truth, abs=1e-5)
    assert shares.shown.sum() == pytest.approx(1)


def test_a_p_value_agrees_with_the_interval() -> None:
    shares = of(48, 12)
    low, high = shares.interval(0)
    assert shares.beyond(0, low, low) == pytest.approx(0.05, abs=1e-9)
    assert shares.beyond(0, high, high) == pytest.approx(0.05, abs=1e-9)
    assert shares.beyond(0, 0.5, low - 0.05) < 0.05 < shares.beyond(0, 0.5, low + 0.01)
    assert of(60, 0).beyond(0, 0.4, 0.6) < 1e-6
    assert of(0, 60).beyond(0, 0.4, 0.6) < 1e-6
    assert of(60, 0).beyond(0, 0.9, 1.0) == 1.0


def test_missing_pictures_are_granted_to_the_hypothesis() -> None:
    whole, holed = of(48, 12), of(48, 12, missing=20)
    assert holed.lost == pytest.approx(0.25)
    assert holed.beyond(0, 0.4, 0.6) > whole.beyond(0, 0.4, 0.6)
    low, high = holed.granting_missing(0)
    assert low == pytest.approx(whole.interval(0)[0] * 0.75)
    assert high == pytest.approx(whole.interval(0)[1] * 0.75 + 0.25)


def test_no_picture_says_nothing() -> None:
    empty = of(0, 0, missing=3)
    assert (empty.interval(0), empty.beyond(0, 0.4, 0.6), empty.lost) == ((0.0, 1.0), 1.0, 1.0)


def test_a_probe_that_cannot_be_corrected_is_named() -> None:
    assert of(5, 5, known=None).uncorrected == UNMEASURED
    assert of(5, 5, known=Correction(np.array([[0.5, 0.5], [0.49, 0.51]]))).uncorrected == BLIND
    assert of(5, 5).uncorrected == ""


def test_readings_that_no_shares_explain_are_left_uncorrected() -> None:
    # a probe that reads four women in five would not read sixty of sixty
    known = Correction(np.array([[0.8, 0.2], [0.1, 0.9]]), (500, 500))
    surprising = of(60, 0, known=known)
    assert surprising.uncorrected == OTHERWISE
    assert surprising.interval(0) == of(60, 0).interval(0)
    assert of(47, 13, known=known).uncorrected == ""
    assert of(0, 0, known=known).uncorrected == ""
    # so few that they may be chance: not contradicted, but no interval of no width either
    few = of(12, 0, known=known)
    assert few.uncorrected == ""
    assert few.interval(0) == pytest.approx(of(12, 0).interval(0))
