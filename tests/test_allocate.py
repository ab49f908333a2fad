"""Designs grow only, and an adaptive run spends its rows where intervals narrow."""

from __future__ import annotations

import json

import numpy as np
import pytest

from diffwin.allocate import GROWTH, PAIRS, Adaptive, Aim, Even
from diffwin.design import BLOCK, PAIR, Design
from diffwin.errors import BadInput
from diffwin.estimate import Estimate, estimate
from diffwin.survival import Readings
from diffwin.target import Target, correlation
from diffwin.trials import ALL
from simulated import exact_crossing, grid, readings
from simulated_runs import Pairs, simulate

GRID = grid(23)
NOTHING = np.zeros((0, 3), np.int64)


def _cost(level: int) -> int:
    return level


def _lacking(design: Design, done: np.ndarray = NOTHING) -> list[list[int]]:
    return [trial for part in design.lacking(done) for trial in part.tolist()]


def test_an_even_design_is_every_base_at_every_level() -> None:
    design = Design.even(5, 23, (3, 8), 2)
    assert design.rows(_cost) == 5 * (23 + 2 * (3 + 8))
    trials = _lacking(design)
    assert trials == [[base, level, repeat] for level in (8, 3) for base in range(5) for repeat in range(2)]
    assert Even([design]).next({"a": design}, []) is None


def test_a_design_outlives_its_record() -> None:
    design = Design.even(4, 23, (), 0).looked_at((2, 9), 3).with_pairs(9, 2).with_bases(2)
    again = Design.of(json.loads(json.dumps(design.as_dict())))
    np.testing.assert_array_equal(again.counts, design.counts)


def test_enlarged_designs_hold_all_that_was_there() -> None:
    design = Design.even(6, 23, (), 0).looked_at((2, 9), 3)
    grown = design.with_pairs(9, 4).with_bases(3).with_pairs(9, 4).looked_at((2, 9), 5)
    first, then = ({tuple(trial) for trial in _lacking(each)} for each in (design, grown))
    assert first < then
    assert {tuple(trial) for trial in _lacking(grown, np.array(sorted(first)))} == then - first


def test_what_is_done_is_not_lacking_whatever_else_is_there() -> None:
    design = Design.even(3, 23, (4,), 2)
    done = np.array([(0, 0, 0), (0, 4, 1), (2, 4, 0), (2, 4, 7), (9, 23, 0)])
    assert _lacking(design, done) == [[0, 4, 0], [1, 4, 0], [1, 4, 1], [2, 4, 1]]
    assert _lacking(Design.even(3, 23, (), 0), done) == []


def test_a_design_of_many_bases_is_listed_whole_part_by_part() -> None:
    design = Design.even(2 * BLOCK + 5, 3, (1, 3), 2)
    wanted = [[base, level, repeat] for level in (3, 1) for base in range(design.bases) for repeat in range(2)]
    gone = np.random.default_rng(0).permutation(np.array(wanted))[: len(wanted) // 3]
    kept = {tuple(trial) for trial in gone.tolist()}
    assert _lacking(design, gone) == [trial for trial in wanted if tuple(trial) not in kept]
    assert max(map(len, design.lacking(NOTHING))) == 2 * BLOCK


def test_pairs_go_to_the_bases_that_have_the_fewest() -> None:
    design = Design.even(6, 23, (), 0).looked_at((2, 9), 2)
    np.testing.assert_array_equal(design.with_pairs(9, 4).counts[:, 9], [1, 1, PAIR, PAIR, PAIR, PAIR])
    np.testing.assert_array_equal(design.with_pairs(5, 4).counts[:, 5], [0, 0, PAIR, PAIR, PAIR, PAIR])


def test_a_budget_that_does_not_pay_for_a_look_is_refused() -> None:
    with pytest.raises(BadInput, match="first look"):
        Adaptive(GRID, _cost, Aim(100)).first(["a"])


def test_bases_that_differ_are_told_from_bases_that_do_not() -> None:
    def of(kept: np.ndarray) -> Readings:
        labels, none = np.zeros(len(kept), np.int64), np.zeros(1, np.int64)
        counts = np.stack([kept, 6 - kept], axis=1)[:, None, :]
        return Readings("", "f", ("a", "b"), labels, counts, kept[:, None] * 1.0, none, np.array([1]), np.zeros(1))

    rng, bases = np.random.default_rng(0), 4000
    share = rng.beta(2, 2, bases)  # correlation within a base: var(share) / (mean (1 - mean)) = 1/5
    assert correlation(of(rng.binomial(6, share))) == pytest.approx(0.2, abs=0.03)
    assert correlation(of(rng.binomial(6, 0.5, bases))) == pytest.approx(0.0, abs=0.02)


def test_a_curve_that_no_regeneration_tells_of_is_unsure() -> None:
    measured = estimate(readings(40, 2, 0, GRID), GRID, groups=[ALL])
    target = Target.of(measured, ALL, GRID)
    looked = target.variance(Design.even(40, GRID.top, GRID.spread(9), 2))
    blind = target.variance(Design.even(40, GRID.top, (), 0))
    assert (looked < 1).all()
    assert (blind > 1e5).all()


@pytest.mark.parametrize(("short", "grows"), [(1.01, GROWTH[0]), (1.15, 1.15**2 - 1), (5.0, GROWTH[1])])
def test_a_round_is_as_large_as_what_is_lacking(short: float, grows: float) -> None:
    """By the square of how much too wide the interval is, within bounds."""
    bases = Design.even(60, GRID.top, GRID.spread(9), 2)
    found = estimate(Pairs(GRID, {"side": (10.0, 0.5)}, 3).read(bases)[0], GRID, groups=[ALL])
    width = Adaptive(GRID, _cost, Aim(10**9, 1.0)).shortfall(found, ALL, bases)
    allocator = Adaptive(GRID, _cost, Aim(10**9, width / short))
    enlarged = allocator.next({"": bases}, [found])
    assert enlarged is not None
    spent, dearest = bases.rows(_cost), PAIR * PAIRS * _cost(GRID.top)
    added = enlarged[""].rows(_cost) - spent
    assert grows * spent - dearest < added <= grows * spent


@pytest.fixture(scope="module")
def adaptive_run() -> tuple[int, Readings]:
    """A run of two components at mu = 10, and what it spent."""
    aim = Aim(budget=12_000)
    run = simulate(Pairs(GRID, {"side": (10.0, 0.5)}, 3), aim, seed=3)
    return run.rows, run.readings[0]


def test_the_budget_is_nearly_spent_and_never_exceeded(adaptive_run: tuple[int, Readings]) -> None:
    assert 0.9 * 12_000 < adaptive_run[0] <= 12_000


def test_most_regenerations_stand_near_the_decision(adaptive_run: tuple[int, Readings]) -> None:
    read = adaptive_run[1].read.sum(axis=0)
    near = np.abs(adaptive_run[1].log_snr - exact_crossing(0.5)) < 1.5
    assert read[near].sum() > 0.5 * read.sum()


def test_the_interval_is_half_as_wide_as_an_even_grids_for_the_same_rows(adaptive_run: tuple[int, Readings]) -> None:
    rows, adaptive = adaptive_run
    repeats = 4
    bases = round(rows / (23 + repeats * sum(range(1, 24))))
    even = readings(max(bases, 10), repeats, seed=3, where=GRID)
    halves = []
    for each in (adaptive, even):
        window = estimate(each, GRID, groups=[ALL]).located[ALL].window
        assert window.decision is not None
        halves.append((window.decision.high - window.decision.low) / 2)
    assert halves[0] < halves[1] / 1.5


@pytest.mark.parametrize("seed", range(6))
def test_a_run_goes_on_however_little_its_first_look_cost_and_showed(seed: int) -> None:
    """Where a sample costs one row, the first look costs less than one of the moves that follow it; and on a long axis
    it may find the feature alive at the noisiest level by chance."""
    world = Pairs(grid(121, -18.0, 12.0), {"side": (30.0, 0.5)}, seed)
    run = simulate(world, Aim(budget=600), seed, cost=lambda level: 1)
    assert 0.9 * 600 < run.rows <= 600


def _half(each: Estimate, group: str) -> float:
    decision = each.located[group].window.decision
    assert decision is not None
    return (decision.high - decision.low) / 2


def test_every_label_is_known_as_precisely_as_was_asked_for() -> None:
    world = Pairs(GRID, {"side": (10.0, 0.3)}, 5)
    alone, together = (simulate(world, Aim(400_000, 0.4, groups=groups), seed=5) for groups in (None, 0.4))
    assert together.rows > alone.rows
    [each] = together.estimates
    assert max(_half(each, group) for group in (ALL, "left", "right")) <= 0.4
    without = estimate(alone.readings[0], GRID)
    assert _half(without, ALL) <= 0.4 < max(_half(without, group) for group in ("left", "right"))
