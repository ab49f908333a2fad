"""Two components in closed form, against the definition by quadrature and numbers with known truth.

Tolerances are half a unit in the last printed place.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import expit, logit
from scipy.stats import norm

from diffwin.levels import log_snr_at, ou_time
from diffwin.theory import pair

PRINTED = [
    *((0.5, d, s) for d, s in [(0.5, 0.529473), (1.0, 0.602027), (1.5, 0.690366), (2.0, 0.775200), (3.0, 0.901379)]),
    *((0.5, d, s) for d, s in [(4.0, 0.965701), (6.0, 0.997924)]),
    *((0.3, d, s) for d, s in [(0.5, 0.335546), (1.0, 0.428674), (2.0, 0.668926), (3.0, 0.852756), (4.0, 0.948406)]),
    *((0.1, d, s) for d, s in [(0.5, 0.121318), (1.0, 0.193488), (2.0, 0.470164), (3.0, 0.746044), (4.0, 0.907173)]),
]


@pytest.mark.parametrize(("w", "d", "printed"), PRINTED)
def test_stochastic_survival(w: float, d: float, printed: float) -> None:
    assert pair.survival(d, w) == pytest.approx(printed, abs=6e-7)


@pytest.mark.parametrize("w", [1e-6, 0.1, 0.5, 0.97])
@pytest.mark.parametrize("d", [0.03, 1.0, 4.0, 11.0])
def test_survival_is_the_mean_of_its_definition(d: float, w: float) -> None:
    def integrand(z: float) -> float:
        return float(expit(-(d**2 / 2 + d * z + logit(w))) * norm.pdf(z))

    corner = -d / 2 - logit(w) / d
    marks = np.clip([-d, corner, corner - 2 / d, corner + 2 / d, 0.0], -37, 37)
    lost, error = quad(integrand, -38, 38, points=np.unique(marks), epsabs=1e-14, epsrel=1e-12, limit=400)
    assert 1 - pair.survival(d, w) == pytest.approx(lost, abs=max(10 * error, 1e-14), rel=1e-9)


def test_nothing_overflows_and_the_ends_are_chance_and_certainty() -> None:
    d = np.array([0.0, 1e-9, 50.0, 1e3])
    for w in (1e-9, 0.3, 0.5, 1 - 1e-9):
        np.testing.assert_allclose(pair.survival(d, w), [w, w, 1, 1], rtol=1e-9, atol=1e-15)
        assert np.isfinite(pair.erased(d, w)).all()
    tail = pair.erased(np.array([20.0, 40.0]))
    assert tail[1] / tail[0] == pytest.approx(np.exp(-(40**2 - 20**2) / 8) / 2, rel=0.01)  # e^(-D^2/8) / D


def test_shapes_broadcast() -> None:
    assert pair.survival(np.ones((3, 1)), np.array([0.2, 0.5])).shape == (3, 2)
    assert pair.separation(np.ones(4), np.zeros((2, 1))).shape == (2, 4)


def test_normalised_survival_is_one_curve_for_either_group_and_both() -> None:
    d, w = np.linspace(0, 7, 30), 0.23
    one = (pair.survival(d, w) - w) / (1 - w)
    other = (pair.survival(d, 1 - w) - (1 - w)) / w
    floor = w**2 + (1 - w) ** 2
    for curve in (one, other, (pair.overall_survival(d, w) - floor) / (1 - floor)):
        np.testing.assert_allclose(curve, pair.normalised_survival(d, w), atol=1e-12)
    np.testing.assert_allclose(
        pair.overall_survival(d, w), w * pair.survival(d, w) + (1 - w) * pair.survival(d, 1 - w), atol=1e-12
    )


def test_deterministic_survival() -> None:
    assert pair.deterministic_survival(2.0) == pytest.approx(0.841345, abs=5e-7)


@pytest.mark.parametrize(("t", "stochastic", "deterministic"), [(3, 0.9176, 0.9444), (4, 0.6319, 0.7211)])
def test_the_law_at_mu_32(t: float, stochastic: float, deterministic: float) -> None:
    d = pair.separation(64.0, log_snr_at(t))
    assert pair.survival(d) == pytest.approx(stochastic, abs=5e-5)
    assert pair.deterministic_survival(d) == pytest.approx(deterministic, abs=5e-5)


def test_the_law_at_mu_32_at_its_decision() -> None:
    d = pair.separation(64.0, log_snr_at(np.log(32)))
    assert (pair.survival(d), pair.deterministic_survival(d)) == pytest.approx((0.7752, 0.8413), abs=5e-5)


@pytest.mark.parametrize(
    ("survival", "offset"), [(0.9, -0.40053), (0.75, 0.08076), (0.6, 0.70523), (0.95, -0.60630), (0.55, 1.10172)]
)
@pytest.mark.parametrize("mu", [3.0, 1000.0])
def test_crossings_of_unit_components_lie_at_fixed_offsets_from_ln_mu(
    survival: float, offset: float, mu: float
) -> None:
    at = pair.crossing(2 * survival - 1, apart=2 * mu)
    assert ou_time(at) - np.log(mu) == pytest.approx(offset, abs=6e-6)
    assert pair.survival(pair.separation(2 * mu, at)) == pytest.approx(survival, abs=1e-10)


def test_the_steepest_point() -> None:
    found = pair.steepest()
    assert found.slope == pytest.approx(0.32204, abs=5e-6)
    assert np.log(2 / found.separation) == pytest.approx(-0.11294, abs=5e-6)


@pytest.mark.parametrize("std", [0.0, 0.3, 1.0, 2.0])
def test_separation_is_that_of_ou_time(std: float) -> None:
    t, apart = np.linspace(0.01, 5, 40), 7.0
    gamma = 1 - (1 - std**2) * np.exp(-2 * t)
    np.testing.assert_allclose(pair.separation(apart, log_snr_at(t), std), apart * np.exp(-t) / np.sqrt(gamma))
    np.testing.assert_allclose(
        pair.log_snr_of_separation(pair.separation(apart, log_snr_at(t), std), apart, std), log_snr_at(t), atol=1e-8
    )


def test_separation_under_a_common_covariance() -> None:
    covariance, apart, t = np.array([[2.0, 0.6], [0.6, 0.5]]), np.array([3.0, -2.0]), np.array([0.2, 0.7, 2.0])
    expected = []
    for shrink in np.exp(-2 * t):
        within = shrink * covariance + (1 - shrink) * np.eye(2)
        expected.append(np.sqrt(shrink * apart @ np.linalg.solve(within, apart)))
    np.testing.assert_allclose(pair.separation_of(apart, covariance, log_snr_at(t)), expected)
    np.testing.assert_allclose(
        pair.separation_of(apart, 4 * np.eye(2), log_snr_at(t)),
        pair.separation(np.linalg.norm(apart), log_snr_at(t), 2.0),
    )


def test_components_too_near_never_cross() -> None:
    assert pair.crossing(0.5, apart=1.0) == np.inf
    assert np.isfinite(pair.crossing(0.5, apart=1.0, std=0.1))


def test_what_a_schedule_can_erase() -> None:
    """Stable Diffusion's ends at alpha_bar .00466, which erases separations up to 29; DDPM's at OU time 5.059."""
    stable = np.cumprod(1 - np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2)[-1]
    ddpm = np.cumprod(1 - np.linspace(1e-4, 0.02, 1000))[-1]
    assert stable == pytest.approx(0.00466, abs=5e-6)
    assert -0.5 * np.log([stable, ddpm]) == pytest.approx([2.684, 5.059], abs=5e-4)
    assert pair.erasable(float(logit(stable))) == pytest.approx(29, abs=0.5)
    assert pair.separation(pair.erasable(-3.0, std=0.4), -3.0, 0.4) == pytest.approx(2.0)


def test_the_hypercube_decides_each_axis_at_its_own_time() -> None:
    sizes = np.array([30.0, 10.0, 3.0])
    times = [3.4012, 2.3026, 1.0986]
    np.testing.assert_allclose(np.log(sizes), times, atol=5e-5)
    curves = pair.hypercube_survival(sizes, log_snr_at(np.log(sizes)))
    np.testing.assert_allclose(np.diag(curves), 0.775200, atol=6e-7)
    np.testing.assert_allclose(curves[0, 1:], pair.survival(2 * sizes[1:] / 30))


def test_total_variation_is_half_the_l1_distance() -> None:
    y = np.linspace(-15, 15, 30_001)
    half = np.abs(norm.pdf(y - 1.3) - norm.pdf(y + 1.3)).sum() * (y[1] - y[0]) / 2
    assert pair.total_variation(2.6) == pytest.approx(half, abs=1e-7)


@pytest.mark.parametrize(("std", "w"), [(0.2, 0.5), (1.0, 0.3), (1.5, 0.9)])
def test_the_information_rate_adds_up_to_the_information(std: float, w: float) -> None:
    apart, axis = 6.0, np.linspace(-14, 14, 2801)
    gained = pair.information_rate(apart, axis, std, w).sum() * (axis[1] - axis[0])
    d = apart / std
    y = np.linspace(-20, d + 20, 40_001)
    p, q = norm.pdf(y - d), norm.pdf(y)
    mixed = w * p + (1 - w) * q
    share = np.clip(w * p / mixed, 1e-300, 1 - 1e-16)
    left = -(mixed * (share * np.log(share) + (1 - share) * np.log1p(-share))).sum() * (y[1] - y[0])
    prior = -(w * np.log(w) + (1 - w) * np.log1p(-w))
    assert gained == pytest.approx(prior - left, abs=2e-5)
