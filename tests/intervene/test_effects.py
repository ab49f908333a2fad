"""The switch test on simulated pictures whose effects are known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from diffwin.correction import Correction
from diffwin.intervene.effects import Measured, SwitchTest, Twins, Verdict, measured, switch_tests
from diffwin.intervene.intervals import Design, Interval, Place
from diffwin.survival import resample

INTERVALS = tuple(Interval(start, start - 2) for start in (12, 10, 8, 6, 4, 2))
PLACES = (Place.NOISIER, Place.NOISIER, Place.INSIDE, Place.INSIDE, Place.CLEANER, Place.CLEANER)
SHARE = 0.3


def plan(*places: Place) -> Design:
    """Intervals that are compared, of which none slides."""
    return Design((), (), tuple(zip(places, INTERVALS, strict=True)), Interval(8, 4), Interval(12, 0))


PLAN = plan(*PLACES)


def simulated(effects: tuple[float, ...], bases: int, rng: np.random.Generator) -> Twins:
    """Label 1 at a share of .3; each arm gives it to so many of the others that its share moves by the effect."""
    before = (rng.random(bases) < SHARE).astype(np.int64)
    turned = rng.random((len(effects), bases)) < np.array(effects)[:, None] / (1 - SHARE)
    return Twins(1, before, np.where(turned, 1, before))


def attempt(effects: tuple[float, ...], bases: int, seed: int) -> SwitchTest:
    rng = np.random.default_rng(seed)
    [found] = switch_tests([simulated(effects, bases, rng)], [PLAN], seed=seed)
    return found


def test_effects_are_recovered_and_a_window_that_acts_is_confirmed() -> None:
    effects = (0.0, 0.0, 0.4, 0.3, 0.05, 0.0, 0.6, 0.65)
    found = attempt(effects, 400, seed=1)
    for each, true in zip((*found.compared, found.window, found.throughout), effects, strict=True):
        error = np.sqrt(true * (1 - true) / 400)  # a picture moves by 0 or 1
        assert abs(each.value - true) <= 4 * error
        assert each.low <= true <= each.high
    assert found.outside is not None
    assert found.inside.value == pytest.approx(np.mean([e.value for e in found.compared[2:4]]))
    assert found.outside.value == pytest.approx(np.mean([found.compared[i].value for i in (0, 1, 4, 5)]))
    assert found.verdict is Verdict.CONFIRMED
    assert found.apart
    assert set(found.gaps) == {Place.NOISIER, Place.CLEANER}


def test_an_effect_as_large_on_one_side_confirms_nothing() -> None:
    found = attempt((0.35, 0.35, 0.35, 0.35, 0.0, 0.0, 0.5, 0.5), 400, seed=2)
    assert found.gaps[Place.CLEANER].low > 0
    assert found.verdict is Verdict.NOT_CONFIRMED


def test_windows_that_do_nothing_are_confirmed_no_more_often_than_promised() -> None:
    """Three attributes without any difference: one confirmed in 5 % of studies at most (joint intervals)."""
    rng, false, studies = np.random.default_rng(3), 0, 200
    for study in range(studies):
        twins = [simulated((0.2,) * 8, 60, rng) for _ in range(3)]
        found = switch_tests(twins, [PLAN] * 3, seed=study, resamples=200)
        false += any(each.verdict is Verdict.CONFIRMED for each in found)
    assert false / studies <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / studies)


def test_joint_intervals_hold_all_effects_at_once_as_often_as_promised() -> None:
    rng, held, studies = np.random.default_rng(4), 0, 200
    true = (0.1, 0.2, 0.3, 0.4, 0.2, 0.1, 0.5, 0.6)
    for study in range(studies):
        twins = [simulated(true, 80, rng) for _ in range(2)]
        found = switch_tests(twins, [PLAN] * 2, seed=study, resamples=300)
        bars = [[*each.compared, each.window, each.throughout] for each in found]
        held += all(bar.low <= t <= bar.high for mine in bars for bar, t in zip(mine, true, strict=True))
    assert held / studies >= 0.95 - 4 * np.sqrt(0.05 * 0.95 / studies)


def test_few_bases_and_no_intervals_outside_give_no_verdict() -> None:
    assert attempt((0.0,) * 8, 6, seed=5).verdict is Verdict.TOO_FEW
    rng = np.random.default_rng(6)
    inside = plan(*[Place.INSIDE] * 5, Place.ACROSS)
    [found] = switch_tests([simulated((0.3,) * 8, 50, rng)], [inside])
    assert found.verdict is Verdict.NO_ROOM
    assert found.outside is None
    assert not found.apart


def test_one_side_is_enough_where_there_is_no_other() -> None:
    rng = np.random.default_rng(7)
    early = plan(Place.INSIDE, Place.INSIDE, Place.ACROSS, Place.CLEANER, Place.CLEANER, Place.CLEANER)
    [found] = switch_tests([simulated((0.4, 0.4, 0.2, 0, 0, 0, 0.5, 0.5), 200, rng)], [early])
    assert set(found.gaps) == {Place.CLEANER}
    assert found.verdict is Verdict.CONFIRMED


def test_missing_labels_count_nowhere() -> None:
    before = np.array([0, 0, 0, 0, 1, 1, -1, 0])
    after = np.tile(np.array([1, 1, 0, 0, 1, 0, 1, -1]), (8, 1))
    twins = Twins(1, before, after)
    assert set(twins.bases) == {6}
    [found] = switch_tests([twins], [PLAN])
    assert found.window.value == pytest.approx((2 - 1) / 6)
    assert found.verdict is Verdict.TOO_FEW


def test_what_never_changed_is_not_certain() -> None:
    draws = np.concatenate([np.ones((1, 50)), resample(50, 100, 0)]) @ np.zeros((50, 1))
    [never] = measured(draws, 50)
    assert never.value == 0
    assert never.high >= 1.9 / 50  # of 50 that did not change, the next one well may


def test_no_attributes_give_no_tests() -> None:
    assert switch_tests([], []) == []


def test_a_curve_on_fewer_pictures_takes_nothing_from_the_verdict() -> None:
    rng = np.random.default_rng(8)
    twins = simulated((0.2, 0.2, 0.0, 0.4, 0.0, 0.4, 0.5), 200, rng)
    twins.after[:2, 50:] = -1
    some = (Interval(12, 9), Interval(9, 6))
    where = tuple(zip((Place.NOISIER, Place.INSIDE, Place.CLEANER), INTERVALS[:3], strict=True))
    [found] = switch_tests([twins], [Design(some, (Place.NOISIER, Place.INSIDE), where, some[0], Interval(12, 0))])
    assert found.bases == 200
    assert found.verdict is Verdict.CONFIRMED
    wide, narrow = found.effects[0], found.compared[1]
    assert wide.high - wide.low > 1.3 * (narrow.high - narrow.low)


def test_an_interval_is_held_inside_what_a_share_can_be() -> None:
    assert Measured(0.99, 0.96, 1.02).within(0, 1) == Measured(0.99, 0.96, 1.0)
    assert Measured(0.01, -0.02, 0.04).within(0, 1) == Measured(0.01, 0.0, 0.04)


MATRIX = np.array([[0.80, 0.05, 0.15], [0.02, 0.93, 0.05], [0.10, 0.08, 0.82]])
"""P(read | true) of three labels."""
SAMPLES = 400
"""Samples behind each row, as the probe's error was measured."""
MISREAD = (0.0, 0.1, 0.4, 0.3, 0.05, 0.0, 0.6, 0.65)


def misread(labels: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """What a probe with these errors reads, independently from picture to picture."""
    return np.asarray((rng.random(labels.shape)[..., None] > MATRIX.cumsum(axis=1)[labels]).sum(axis=-1), np.int64)


def drawn(effects: tuple[float, ...], bases: int, rng: np.random.Generator) -> Twins:
    """Three labels with shares .5, .3, .2, label 1 given to so many of the others that its share moves by an effect."""
    before = rng.choice(3, bases, p=[0.5, SHARE, 0.2])
    turned = rng.random((len(effects), bases)) < np.array(effects)[:, None] / (1 - SHARE)
    return Twins(1, misread(before, rng), misread(np.where(turned, 1, before), rng))


def measured_errors(rng: np.random.Generator) -> Correction:
    """The matrix as labelled pictures show it."""
    return Correction(np.array([rng.multinomial(SAMPLES, row) / SAMPLES for row in MATRIX]), (SAMPLES,) * 3)


def bars(test: SwitchTest) -> list[Measured]:
    return [*test.compared, test.window, test.throughout]


def test_effects_that_were_misread_are_recovered() -> None:
    """Readings shrink the effects; corrected by the true matrix they are those planted, within 4 standard errors."""
    rng = np.random.default_rng(9)
    [found] = switch_tests([drawn(MISREAD, 4000, rng)], [PLAN], [Correction(MATRIX)], resamples=200)
    assert found.corrected is not None
    most = np.abs(np.linalg.inv(MATRIX)[:, 1]).max()
    for read, better, true in zip(bars(found), bars(found.corrected), MISREAD, strict=True):
        assert abs(better.value - true) <= 4 * 2 * most / np.sqrt(4000)
        if true >= 0.3:
            assert read.value < true - 0.03
            assert read.high < better.value
    assert found.corrected.verdict is Verdict.CONFIRMED


def test_corrected_intervals_hold_all_effects_at_once_as_often_as_promised() -> None:
    rng, held, read_held, studies = np.random.default_rng(10), 0, 0, 200
    for study in range(studies):
        twins, known = drawn(MISREAD, 120, rng), measured_errors(rng)
        [found] = switch_tests([twins], [PLAN], [known], seed=study, resamples=300)
        assert found.corrected is not None
        held += all(bar.low <= t <= bar.high for bar, t in zip(bars(found.corrected), MISREAD, strict=True))
        read_held += all(bar.low <= t <= bar.high for bar, t in zip(bars(found), MISREAD, strict=True))
    assert held / studies >= 0.95 - 4 * np.sqrt(0.05 * 0.95 / studies)
    assert read_held < held


def test_correcting_confirms_no_window_that_does_nothing() -> None:
    rng, false, studies = np.random.default_rng(11), 0, 200
    for study in range(studies):
        [found] = switch_tests([drawn((0.2,) * 8, 60, rng)], [PLAN], [measured_errors(rng)], seed=study, resamples=200)
        false += found.corrected is not None and found.corrected.verdict is Verdict.CONFIRMED
    assert false / studies <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / studies)


def test_a_probe_without_errors_corrects_nothing() -> None:
    rng = np.random.default_rng(12)
    [found] = switch_tests([simulated((0.2,) * 8, 50, rng)], [PLAN], [Correction(np.eye(2))])
    assert found.corrected is not None
    for read, better in zip(bars(found), bars(found.corrected), strict=True):
        assert (better.value, better.low, better.high) == pytest.approx((read.value, read.low, read.high))


def test_only_what_is_known_is_corrected_and_what_was_read_stays_as_it_is() -> None:
    rng = np.random.default_rng(13)
    twins = [drawn(MISREAD, 80, rng), drawn(MISREAD, 80, rng)]
    first, second = switch_tests(twins, [PLAN] * 2, [None, Correction(MATRIX)], resamples=100)
    plain = switch_tests(twins, [PLAN] * 2, resamples=100)
    assert first.corrected is None
    assert second.corrected is not None
    assert [bars(each) for each in (first, second)] == [bars(each) for each in plain]
