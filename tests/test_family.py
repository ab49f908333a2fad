"""The two-component family: its shape against quadrature, and recovery of what made the data."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logit

from diffwin import family
from diffwin.estimate import estimate
from diffwin.survival import Curve, Readings
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


BENDS = np.linspace(-1.4, 1.4, 15)


def test_a_bend_is_undone_exactly() -> None:
    u, bend = np.meshgrid(np.linspace(-4, 4, 33), np.tanh(BENDS))
    np.testing.assert_allclose(family._straight(family._bent(u, bend), bend), u, atol=1e-12)


@pytest.mark.parametrize("group", [ALL, "left"])
def test_a_curve_is_drawn_through_its_crossings(group: str) -> None:
    theta = np.stack([-5 + BENDS, BENDS / 4, np.full(15, -0.6), BENDS], axis=1)
    points = family.crossings(theta, VALUES, group)
    again = family.crossings(family.through(points, VALUES, theta[:, 2], group), VALUES, group)
    np.testing.assert_allclose(again, points, atol=0.02)


def _of_two_scales(log_snr: np.ndarray) -> np.ndarray:
    """Normalised survival of a world that is decided three quarters at one scale and a quarter at a later one."""
    at = np.array([[-5.5, 0.0, 0.0, 0.0], [-3.0, 0.0, 0.0, 0.0]])
    early, late = 2 * family.survival(at, log_snr, ALL) - 1
    return np.asarray(0.75 * early + 0.25 * late)


@pytest.mark.parametrize(("bent", "off"), [(family.BENT, (0.0, 0.05)), (1e-3, (0.1, 0.3))])
def test_a_bend_follows_a_world_of_two_scales(
    bent: float, off: tuple[float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where curves cannot bend, the decision of such a world is off by more than intervals are wide."""
    monkeypatch.setattr(family, "BENT", bent)
    x = np.linspace(-9, 1, 21)
    survival = 0.5 + 0.5 * _of_two_scales(x)
    many = np.full((1, len(x)), 400.0)
    curve = Curve(ALL, np.ones(len(x), bool), x, survival[None], np.array([0.5]), many, many[0], 400)
    found = family.fit(curve, 1e4, np.zeros(1)).crossings([0.5])[0, 0]
    fine = np.linspace(-9, 1, 10_001)
    exact = np.interp(0.5, _of_two_scales(fine), fine)
    assert off[0] <= abs(found - exact) <= off[1]


def _bent_run(bend: float, seed: int, every: int = 1) -> Readings:
    """Readings, at every so many levels, of two even labels whose survival is a bent curve around log-SNR -4."""
    rng, where, bases = np.random.default_rng(seed), grid(16, -9, 1), 60
    levels = np.arange(1, where.top + 1, every)
    log_snr = where.log_snr[levels]
    share = family.survival(np.array([[-4.0, 0.0, 0.0, bend]]), log_snr, ALL)[0]
    survived = rng.binomial(2, share, size=(bases, len(share)))
    labels = rng.integers(2, size=bases)
    mine = labels[:, None, None] == np.arange(2)
    counts = np.where(mine, survived[:, :, None], 2 - survived[:, :, None])
    none = np.zeros(len(levels), np.int64)
    return Readings("", "bent", ("left", "right"), labels, counts, survived * 1.0, none, levels, log_snr)


def test_intervals_hold_in_worlds_that_are_bent_as_is_expected() -> None:
    runs, hits = 80, 0
    for seed, bend in enumerate(family.BENT * np.random.default_rng(7).standard_normal(runs)):
        point = estimate(_bent_run(bend, seed), grid(16, -9, 1), seed=seed, groups=[ALL]).located[ALL].window.decision
        exact = family.crossings(np.array([[-4.0, 0.0, 0.0, bend]]), [0.5], ALL)[0, 0]
        hits += point is not None and point.low <= exact <= point.high
    assert hits / runs >= 0.93 - 4 * np.sqrt(0.95 * 0.05 / runs)


def test_what_the_data_leave_open_of_the_shape_widens_intervals() -> None:
    curve = estimate(_bent_run(0.0, 0, every=5), grid(16, -9, 1), groups=[ALL]).raw[ALL]
    drawn = family.BENT * np.random.default_rng(1).standard_normal(len(curve.floor))
    known, unsure = (
        family.fit(curve, fresh_counts(curve), bends).crossings([0.5])[1:, 0].std()
        for bends in (np.zeros(len(drawn)), drawn)
    )
    assert unsure > 1.05 * known
