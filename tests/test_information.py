"""Information along the noise against the closed forms of two components."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import entr

from diffwin.estimate import estimate
from diffwin.information import information, information_table
from diffwin.theory.pair import information_rate
from diffwin.trials import ALL
from simulated import MU, grid, readings


def test_the_rate_is_that_of_the_world() -> None:
    where = grid(20, -11, 3)
    drawn = readings(6000, 4, 0, where, prior=0.3)
    found = information(estimate(drawn, where, groups=[ALL]))
    assert found is not None
    share = drawn.one_hot.mean(axis=0)
    assert found.entropy == pytest.approx(entr(share).sum())
    exact = information_rate(2 * MU, found.log_snr, w=0.3)
    # six thousand bases locate the window to about 0.03, which moves the rate by as much of its slope
    np.testing.assert_allclose(found.rate, exact, atol=0.04 * exact.max())
    assert found.centre == pytest.approx(found.log_snr[np.argmax(exact)], abs=0.3)
    assert found.before + found.inside + found.after == pytest.approx(1)
    assert found.inside > max(found.before, found.after)


def test_bounds_hold_what_is_known() -> None:
    where = grid(20, -11, 3)
    found = information(estimate(readings(2000, 4, 1, where), where, groups=[ALL]))
    assert found is not None
    known = np.concatenate([[0], np.cumsum((found.rate[1:] + found.rate[:-1]) / 2 * np.diff(found.log_snr))])
    assert np.all(found.low <= found.high + 1e-12)
    assert np.all(known >= found.low - 0.02)
    assert np.all(known <= found.high + 0.02)
    table = information_table([found])
    assert list(table.columns) == ["prompt", "feature", "log_snr", "low", "high", "rate"]
    assert len(table) == len(found.log_snr)


def test_nothing_found_tells_nothing() -> None:
    where = grid(8, -9, 2)
    drawn = readings(20, 2, 0, where)
    assert information(estimate(replace(drawn, base_labels=np.zeros(20, np.int64)), where)) is None
    assert information_table([]).empty
