"""The curve that a window is read off, as it is drawn."""

from __future__ import annotations

import numpy as np
import pytest

from diffwin.estimate import estimate, fitted_table
from diffwin.survival import standard_error
from diffwin.trials import ALL
from diffwin.window import Method
from simulated import exact_survival, grid, readings, separation


def test_the_fitted_curve_is_the_exact_one_up_to_chance() -> None:
    where = grid(12)
    drawn = readings(200, 4, 3, where)
    found = estimate(drawn, where, groups=[ALL])
    table = fitted_table([found])
    exact = [exact_survival(float(d)) for d in separation(table["log_snr"].to_numpy())]
    assert found.located[ALL].window.method is Method.FAMILY
    assert np.abs(table["survival"] - exact).max() < 4 * standard_error(drawn, ALL).max()


@pytest.mark.parametrize("method", Method)
def test_every_crossing_lies_on_the_fitted_curve(method: Method, monkeypatch: pytest.MonkeyPatch) -> None:
    if method is Method.MONOTONE:
        monkeypatch.setattr("diffwin.window.MISFIT", 2.0)  # no fit is that good
    where = grid(12)
    found = estimate(readings(40, 3, 1, where), where)
    table = fitted_table([found]).set_index(["group", "log_snr"])["survival"]
    for group, located in found.located.items():
        window, fits = located.window, located.fits
        floor = float(found.used[group].floor[0] if fits is None else fits.floor[0])
        assert window.method is method
        assert window.onset is not None
        assert window.decision is not None
        for point, share in ((window.onset, 0.25), (window.decision, 0.5)):
            assert table[group, point.log_snr] == pytest.approx(floor + (1 - floor) * share, abs=2e-3)


def test_without_a_window_there_is_no_fitted_curve() -> None:
    where = grid(12)
    assert fitted_table([estimate(readings(4, 2, 1, where), where)]).empty
    assert list(fitted_table([]).columns) == ["prompt", "feature", "group", "log_snr", "survival"]
