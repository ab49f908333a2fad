"""Three conventions for one decision, which differ."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from diffwin.levels import log_snr_at
from diffwin.theory import conventions, pair
from diffwin.worlds.mixture import GaussianMixture


@pytest.mark.parametrize(("mu", "std"), [(10.0, 1.0), (3.0, 0.2), (4.0, 2.0)])
def test_speciation_is_where_d_is_two(mu: float, std: float) -> None:
    t = conventions.speciation_time(mu, std)
    assert t == pytest.approx(0.5 * np.log(mu**2 + 1 - std**2))
    d = pair.separation(2 * mu, log_snr_at(t), std)
    assert d == pytest.approx(pair.DECIDED_AT)
    assert pair.survival(d) == pytest.approx(0.775200, abs=6e-7)


def test_components_nearer_than_their_width_have_no_speciation() -> None:
    assert conventions.speciation_time(0.5, 2.0) == -np.inf


def test_the_conventions_have_the_known_values() -> None:
    assert conventions.speciation_time(7.0) == pytest.approx(np.log(7.0))
    assert conventions.drift_instability_time(7.0) == pytest.approx(0.5 * np.log(2 * 49))
    assert conventions.symmetry_breaking() == pytest.approx(0.643594, abs=5e-7)
    t = conventions.drift_instability_time(1.0, 0.0)
    assert t == pytest.approx(0.440687, abs=5e-7)
    assert conventions.vp_linear_time(t) == pytest.approx(0.292642, abs=5e-7)


@pytest.mark.parametrize(("mu", "std"), [(1.0, 0.0), (3.0, 0.5), (2.0, 1.0), (5.0, 2.0)])
def test_the_drift_turns_at_the_instability(mu: float, std: float) -> None:
    """Slope at the centre of x + 2 grad ln p_t, the score by Tweedie's formula from the mixture's denoiser."""
    mixture = GaussianMixture([1, 1], [[mu], [-mu]], std=max(std, 1e-6))
    t, x = conventions.drift_instability_time(mu, std), 1e-5

    def slope(t: float) -> float:
        alpha, sigma = np.exp(-t), np.sqrt(-np.expm1(-2 * t))
        score = (alpha * mixture.posterior_mean(np.array([[x]]), alpha, sigma)[0, 0] - x) / sigma**2
        return 1 + 2 * score / x

    assert slope(t) == pytest.approx(0, abs=1e-5)
    assert slope(t - 0.1) > 0 > slope(t + 0.1)


@pytest.mark.parametrize("w", [0.5, 0.3, 0.02])
def test_bimodality_is_two_peaks_of_the_density(w: float) -> None:
    y = np.linspace(-8, 8, 160_001)
    for d in np.arange(1.05, 6, 0.1):
        density = w * norm.pdf(y - d / 2) + (1 - w) * norm.pdf(y + d / 2)
        peaks = np.count_nonzero((density[1:-1] > density[:-2]) & (density[1:-1] > density[2:]))
        assert bool(conventions.is_bimodal(d, w)) == (peaks == 2), d
