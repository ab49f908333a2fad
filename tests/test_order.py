"""The order of decisions and joint intervals, on features whose exact decisions are known."""

from __future__ import annotations

import numpy as np
import pytest

from diffwin.estimate import estimate
from diffwin.levels import Grid
from diffwin.order import Pair, order, with_joint_intervals
from diffwin.trials import ALL
from diffwin.window import Located
from simulated import exact_crossing, grid, readings


def located(mus: dict[str, float], where: Grid, seed: int, bases: int = 60, repeats: int = 4) -> list[Located]:
    """Independent features of the same bases, one a separation."""
    drawn = [
        readings(bases, repeats, 1000 * seed + i, where, mu=mu, feature=f) for i, (f, mu) in enumerate(mus.items())
    ]
    return [estimate(each, where, seed=seed, groups=[ALL]).located[ALL] for each in drawn]


def pair(pairs: list[Pair], first: str, second: str) -> Pair:
    return next(each for each in pairs if (each.first, each.second) == (first, second))


def test_a_larger_separation_is_decided_earlier() -> None:
    pairs = order(located({"big": 30.0, "small": 3.0}, grid(16, -11, 3), 0))
    early = pair(pairs, "big", "small")
    assert early.settled
    assert early.probability > 0.999
    assert early.low <= exact_crossing(0.5, 3.0) - exact_crossing(0.5, 30.0) <= early.high
    late = pair(pairs, "small", "big")
    assert late.probability == pytest.approx(1 - early.probability)
    assert (late.low, late.high) == pytest.approx((-early.high, -early.low))


def test_equal_features_are_seldom_called() -> None:
    where, runs = grid(12, -8, 1), 40
    called = [order(located({"a": 10.0, "b": 10.0}, where, seed))[0].settled for seed in range(runs)]
    assert np.mean(called) <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / runs)


def test_joint_intervals_hold_the_single_ones_and_cover_together() -> None:
    mus = {"a": 20.0, "b": 10.0, "c": 5.0}
    where, runs, hits = grid(12, -10, 2), 30, 0
    for seed in range(runs):
        windows = with_joint_intervals(located(mus, where, seed))
        points = [window.decision for window in windows]
        assert all(p is not None and p.joint_low <= p.low <= p.high <= p.joint_high for p in points)
        exact = [exact_crossing(0.5, mu) for mu in mus.values()]
        hits += all(p.joint_low <= x <= p.joint_high for p, x in zip(points, exact, strict=True))
    assert hits / runs >= 0.95 - 4 * np.sqrt(0.05 * 0.95 / runs)


def test_nothing_found_has_no_order() -> None:
    where = grid(8, -9, 2)
    nothing = estimate(readings(4, 2, 0, where), where).located[ALL]
    assert order([nothing, nothing]) == []
    assert with_joint_intervals([nothing]) == [nothing.window]
