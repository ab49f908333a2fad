"""The noise axis."""

from __future__ import annotations

import numpy as np
import pytest

from diffwin.errors import BadInput
from diffwin.levels import Grid, log_snr


def grid(low: float = -8.0, high: float = 6.0, steps: int = 29) -> Grid:
    """Variance preserving levels even in log-SNR, with the clean sample as level 0; time is the log-SNR's negative."""
    levels = np.linspace(high, low, steps)
    alpha = np.concatenate([[1.0], np.sqrt(1 / (1 + np.exp(-levels)))])
    sigma = np.concatenate([[0.0], np.sqrt(1 / (1 + np.exp(levels)))])
    return Grid(alpha, sigma, np.concatenate([[-high - 1], -levels]))


def test_log_snr_of_the_ends() -> None:
    np.testing.assert_array_equal(log_snr([1.0, 0.0], [0.0, 1.0]), [np.inf, -np.inf])


def test_a_grid_knows_its_log_snr_and_its_top() -> None:
    levels = grid()
    assert levels.top == 29
    assert levels.log_snr[0] == np.inf
    np.testing.assert_allclose(levels.log_snr[1:], np.linspace(6, -8, 29), atol=1e-9)


@pytest.mark.parametrize("sigma", [[0.0, 0.5, 0.4], [0.0, 0.5, 0.5], [0.0, np.nan, 0.5]])
def test_levels_that_do_not_grow_noisier_are_refused(sigma: list[float]) -> None:
    with pytest.raises(BadInput, match="grow noisier"):
        Grid(np.ones(3), np.array(sigma), np.arange(3.0))


@pytest.mark.parametrize("length", [0, 1])
def test_a_grid_needs_two_levels(length: int) -> None:
    with pytest.raises(BadInput, match="two levels"):
        Grid(np.ones(length), np.zeros(length), np.zeros(length))


def test_a_grid_needs_columns_of_one_length() -> None:
    with pytest.raises(BadInput, match="one alpha, sigma and time"):
        Grid(np.ones(3), np.array([0.0, 0.1]), np.arange(3.0))


@pytest.mark.parametrize("count", [1, 2, 5, 12, 28])
def test_spread_gives_so_many_different_levels_the_noisiest_included(count: int) -> None:
    chosen = grid().spread(count)
    assert len(set(chosen)) == count
    assert list(chosen) == sorted(chosen)
    assert chosen[-1] == 29
    assert chosen[0] >= 1


def test_spread_is_near_even_in_log_snr() -> None:
    levels = grid(steps=281)
    gaps = np.diff(levels.log_snr[list(levels.spread(8))])
    assert np.abs(gaps + 2.0).max() <= 0.05 + 1e-9


def test_spread_takes_every_level_of_a_short_grid() -> None:
    assert grid(steps=3).spread(10) == (1, 2, 3)


@pytest.mark.parametrize("count", [0, -3])
def test_spread_refuses_fewer_than_one(count: int) -> None:
    with pytest.raises(BadInput, match="--levels"):
        grid().spread(count)


def test_positions_interpolate_between_levels() -> None:
    levels = grid()
    assert levels.level_at(6.0) == pytest.approx(1.0)
    assert levels.level_at(5.75) == pytest.approx(1.5)
    assert levels.time_at(-3.3) == pytest.approx(3.3)
    assert levels.level_at(-100.0) == pytest.approx(29.0)
