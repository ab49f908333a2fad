"""Windows located from simulated readings against their exact crossings; every outcome that is not a window."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from diffwin.estimate import estimate
from diffwin.levels import EDGE, Grid
from diffwin.survival import Readings
from diffwin.trials import ALL, Mode
from diffwin.window import STOPPED, Method, Status, Window
from simulated import exact_crossing, grid, readings, uneven


def window(drawn: Readings, where: Grid, group: str = ALL, seed: int = 0) -> Window:
    return estimate(drawn, where, seed=seed, groups=[group]).located[group].window


def counted(drawn: Readings, survived: np.ndarray) -> Readings:
    """The same bases with other numbers of survivors (bases, levels)."""
    mine = drawn.base_labels[:, None, None] == np.arange(2)
    lost = drawn.counts.sum(axis=2) - survived
    return replace(drawn, counts=np.where(mine, survived[:, :, None], lost[:, :, None]))


def test_a_large_run_locates_the_exact_points() -> None:
    where = grid(40)
    found = window(readings(4000, 4, 0, where), where)
    assert found.status is Status.FOUND
    for point, value in ((found.onset, EDGE), (found.decision, 0.5), (found.end, 1 - EDGE)):
        assert point is not None
        assert abs(point.log_snr - exact_crossing(value)) <= 2 * (point.high - point.low)  # four standard errors
        assert point.high - point.low < 0.3
        assert point.step == pytest.approx(point.fraction * where.top)
    assert found.onset.log_snr < found.decision.log_snr < found.end.log_snr


def test_decision_intervals_cover_the_exact_point() -> None:
    where, runs = grid(16, -9, 0), 60
    exact = exact_crossing(0.5)
    hits = 0
    for seed in range(runs):
        found = window(readings(32, 4, seed, where), where, seed=seed)
        assert found.decision is not None
        hits += found.decision.low <= exact <= found.decision.high
    # a first bound, four standard errors below 93 %: docs/coverage.md holds the larger simulation
    assert hits / runs >= 0.93 - 4 * np.sqrt(0.95 * 0.05 / runs)


def test_a_run_that_its_intervals_stopped_has_wider_ones() -> None:
    where = grid(16, -9, 0)
    free, stopped = (estimate(readings(32, 4, 0, where), where, stopped=each).located[ALL] for each in (False, True))
    np.testing.assert_allclose(stopped.spread, STOPPED * free.spread)
    for name in ("onset", "decision", "end"):
        one, other = getattr(free.window, name), getattr(stopped.window, name)
        assert one.log_snr == other.log_snr
        assert other.low - one.log_snr == pytest.approx(STOPPED * (one.low - one.log_snr))
        assert other.high - one.log_snr == pytest.approx(STOPPED * (one.high - one.log_snr))


@pytest.mark.parametrize(("mode", "group"), [(Mode.RENOISE, ALL), (Mode.RENOISE, "left"), (Mode.BRANCH, ALL)])
def test_intervals_cover_where_the_levels_were_measured_unevenly(mode: Mode, group: str) -> None:
    where, runs = grid(10), 60
    hits, method = 0, []
    for seed in range(runs):
        mu = float(np.exp(np.random.default_rng((seed, 2)).uniform(np.log(5), np.log(30))))
        exact = exact_crossing(0.5, mu)
        drawn = readings(40, uneven(40, where, exact, seed), seed, where, mu=mu, mode=mode)
        found = window(drawn, where, group, seed=seed)
        method.append(found.method)
        hits += found.decision is not None and found.decision.low <= exact <= found.decision.high
    assert hits / runs >= 0.95 - 4 * np.sqrt(0.95 * 0.05 / runs)
    assert method.count(Method.FAMILY) / runs >= 0.95 - 4 * np.sqrt(0.95 * 0.05 / runs)


def test_a_few_regenerations_at_a_level_do_not_undo_a_window() -> None:
    where = grid(8, -9, 2)
    repeats = np.full((40, 8), 4)
    repeats[1:, [0, 3, 7]] = 0  # one base at the ends and in the middle
    found = estimate(readings(40, repeats, 0, where), where)
    assert [each.window.status for each in found.located.values()] == [Status.FOUND] * 3
    # most resamples lack that base, and none is thrown away for it
    assert np.isfinite(found.located[ALL].draws).all()  # type: ignore[arg-type]


def test_outcomes_that_are_not_windows() -> None:
    where = grid(8, -9, 2)
    drawn = readings(40, 4, 1, where)
    every = drawn.read.copy()
    cases = {
        Status.NO_EFFECT: replace(drawn, base_labels=np.zeros(40, np.int64)),
        Status.CENSORED: counted(drawn, every),
        Status.UNDECIDED: counted(drawn, every // 2),
        Status.NOT_MONOTONE: counted(drawn, drawn.survived[:, ::-1]),
        Status.TOO_FEW: replace(drawn, base_labels=np.where(np.arange(40) < 4, drawn.base_labels, -1)),
    }
    few = np.where(np.arange(40)[:, None] < 4, 9, 0)
    for status, case in [*cases.items(), (Status.TOO_FEW, readings(40, few, 1, where))]:
        found = window(case, where)
        assert found.status is status
        assert found.reason
        assert found.decision is found.onset is found.end is found.method is None


def test_a_single_base_of_another_label_is_too_few() -> None:
    where = grid(8, -9, 2)
    drawn = readings(8, 4, 0, where)
    lonely = replace(drawn, base_labels=np.array([0, 0, 0, 0, 0, 0, 0, 1]))
    assert window(lonely, where).status is Status.TOO_FEW
    assert "all bases but one" in window(lonely, where).reason
    assert window(replace(drawn, base_labels=np.array([0] * 6 + [1] * 2)), where).status is not Status.TOO_FEW


def test_a_curve_outside_the_family_is_read_off_the_monotone_one() -> None:
    where = grid(16, -9, 2)
    drawn = readings(400, 8, 3, where)
    # two steps with a plateau between them: no location and scale make the family so
    steps = np.where(where.log_snr[1:] > 0, 1.0, np.where(where.log_snr[1:] > -6, 0.75, 0.5))
    rng = np.random.default_rng(0)
    found = window(counted(drawn, rng.binomial(8, np.broadcast_to(steps, (400, 16)))), where)
    assert found.status is Status.FOUND
    assert found.method is Method.MONOTONE
    assert "does not fit" in found.reason
    assert found.onset is not None
    assert found.end is not None
    assert found.onset.low <= -6 + 0.75
    assert found.end.high >= -0.75
    assert window(drawn, where).method is Method.FAMILY


def test_a_window_between_two_levels_says_so_and_reaches_both() -> None:
    where = grid(6, -35, 30)  # the window lies between the levels at -9 and 4
    found = window(readings(40, 4, 0, where), where)
    assert "narrower than the levels" in found.reason
    assert found.decision is not None
    assert found.decision.low <= -9
    assert found.decision.high >= 4 - 1e-9


def test_an_onset_beyond_the_noisiest_level_is_none() -> None:
    where = grid(8, exact_crossing(0.35), 4)
    found = window(readings(500, 4, 0, where), where)
    assert found.status is Status.FOUND
    assert found.onset is None
    assert "onset" in found.reason


def test_one_level_is_not_a_window() -> None:
    drawn = readings(40, 2, 0, grid(2, -20, 30))
    one = replace(
        drawn,
        counts=drawn.counts[:, :1],
        agreement=drawn.agreement[:, :1],
        missing=drawn.missing[:1],
        levels=drawn.levels[:1],
        log_snr=drawn.log_snr[:1],
    )
    assert window(one, grid(2, -20, 30)).status in (Status.CENSORED, Status.UNDECIDED)
