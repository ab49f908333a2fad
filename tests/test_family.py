"""The two-component family: its shape against quadrature, and recovery of what made the data."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logit

from diffwin import family
from diffwin.estimate import estimate
from diffwin.trials import ALL
from diffwin.window import VALUES, fresh_counts
from simulated import exact_crossing, exact_survival, grid, readings


@pytest.mark.parametrize("prior", [0.5, 0.3, 0.1, 0.02])
def test_the_shape_is_the_normalised_survival(prior: float) -> None:
    d = np.array([0.1, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0])
    exact = [(exact_survival(each, prior) - prior) / (1 - prior) for each in d]
    found = family._shape(np.log(d), np.full(len(d), logit(prior)))[0]
    np.testing.assert_allclose(found, exact, atol=2e-4)  # of the table, far below any count's error


def test_both_groups_and_all_share_one_normalised_curve() -> None:
    for d in (0.5, 2.0, 4.0):
        rare, common = (exact_survival(d, prior) for prior in (0.2, 0.8))
        together = 0.2 * rare + 0.8 * common
        floor = 0.2**2 + 0.8**2
        assert (rare - 0.2) / 0.8 == pytest.approx((common - 0.8) / 0.2, abs=1e-9)
        assert (together - floor) / (1 - floor) == pytest.approx((rare - 0.2) / 0.8, abs=1e-9)


@pytest.mark.parametrize(("prior", "group"), [(0.5, ALL), (0.2, ALL), (0.3, "left"), (0.3, "right")])
def test_a_large_sample_recovers_the_crossings(prior: float, group: str) -> None:
    where = grid(20, -9, 1)
    drawn = readings(6000, 4, 5, where, prior)
    found = estimate(drawn, where)
    curve = found.raw[group]
    fits = family.fit(curve, fresh_counts(curve), np.zeros(len(curve.floor)))
    exact = [exact_crossing(value, prior=prior) for value in VALUES]
    error = fits.crossings(VALUES)[1:].std(axis=0)
    assert np.all(np.abs(fits.crossings(VALUES)[0] - exact) <= 4 * error)
    assert abs(fits.log_width[0]) <= 4 * fits.log_width[1:].std()


def test_a_fitted_curve_passes_its_crossings() -> None:
    where = grid(12, -9, 1)
    curve = estimate(readings(60, 4, 2, where), where).raw[ALL]
    fits = family.fit(curve, fresh_counts(curve), np.zeros(len(curve.floor)))
    np.testing.assert_allclose(fits.normalised(fits.crossings(VALUES)[0]), VALUES, atol=1e-3)


def test_components_that_cease_to_part_are_told_from_those_that_do_not() -> None:
    """At |mu| = 2 and unit variance the separation ends at 4, well within the window; the fit has to follow it."""
    where = grid(24, -8, 8)
    curve = estimate(readings(6000, 4, 5, where, mu=2.0), where).raw[ALL]
    fits = family.fit(curve, fresh_counts(curve), np.zeros(len(curve.floor)))
    exact = [exact_crossing(value, mu=2.0) for value in VALUES]
    error = fits.crossings(VALUES)[1:].std(axis=0)
    assert fits.saturation[0] > 0.99
    assert np.all(np.abs(fits.crossings(VALUES)[0] - exact) <= 4 * error)
    np.testing.assert_allclose(fits.normalised(fits.crossings(VALUES)[0]), VALUES, atol=1e-3)
