"""The gap between the two ways to start a regeneration: none for one law, seen and covered for two."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from diffwin.errors import BadInput
from diffwin.levels import Grid
from diffwin.reversibility import Gap, gap, gaps
from diffwin.survival import Readings
from diffwin.trials import Mode
from simulated import exact_crossing, grid, readings


def pair(where: Grid, seed: int, mu: float = 10.0) -> tuple[Readings, Readings]:
    """Renoise and branch from the same bases; `mu` is the separation that the branch run sees."""
    first = readings(60, 4, seed, where, mode=Mode.RENOISE)
    second = readings(60, 4, seed, where, mu=mu, mode=Mode.BRANCH)
    return first, replace(second, prompt=first.prompt)


def measured(where: Grid, seed: int, mu: float = 10.0) -> Gap:
    return gap(*pair(where, seed, mu), where, seed=seed)


def test_one_law_seldom_shows_a_gap() -> None:
    where, runs = grid(8, -8, 0), 60
    reversible = [measured(where, seed).reversible for seed in range(runs)]
    assert np.mean(reversible) >= 0.95 - 4 * np.sqrt(0.05 * 0.95 / runs)


def test_two_laws_show_one_and_its_shift() -> None:
    where = grid(12, -9, 1)
    found = measured(where, 0, mu=25.0)
    assert not found.reversible
    assert found.largest["gap"] < 0  # the branch keeps more at the same level
    assert found.shift is not None
    exact = exact_crossing(0.5, 10.0) - exact_crossing(0.5, 25.0)
    assert found.shift[1] <= exact <= found.shift[2]
    assert list(found.levels.columns) == ["log_snr", "renoise", "branch", "gap", "low", "high"]


def test_other_bases_are_refused_and_other_features_passed_over() -> None:
    where = grid(6, -8, 0)
    first, second = pair(where, 0)
    with pytest.raises(BadInput, match="bases of side are not the same"):
        gap(first, replace(second, base_labels=1 - second.base_labels), where)
    assert list(gaps([first], [replace(second, feature="other")], where)) == []
    assert [each.feature for each in gaps([first], [second], where)] == ["side"]
