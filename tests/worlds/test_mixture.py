"""Mixtures against closed forms: densities, posteriors, survival."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from diffwin.levels import log_snr_at
from diffwin.theory import pair
from diffwin.worlds.base import Feature
from diffwin.worlds.exact import exact_survival
from diffwin.worlds.mixture import GaussianMixture

TWO = Feature.of(["left", "right"])

COVARIANCES = [[[2.0, 0.6], [0.6, 0.5]], [[0.3, -0.1], [-0.1, 1.5]]]


def two(separation: float, share: float = 0.5, std: float = 1.0, dimension: int = 1) -> GaussianMixture:
    """Components +-separation / 2 along the first axis; the first has weight `share`."""
    means = np.zeros((2, dimension))
    means[:, 0] = separation / 2, -separation / 2
    return GaussianMixture([share, 1 - share], means, std=std)


@pytest.mark.parametrize("kind", ["isotropic", "unequal", "full"])
def test_density_and_responsibilities_are_those_of_the_definition(kind: str) -> None:
    means, weights = np.array([[1.0, -2.0], [0.5, 3.0]]), np.array([0.3, 0.7])
    stds = {"isotropic": [0.8, 0.8], "unequal": [0.5, 1.7]}.get(kind)
    covariances = np.array(COVARIANCES) if stds is None else np.stack([np.eye(2) * s**2 for s in stds])
    mixture = (
        GaussianMixture(weights, means, covariance=covariances)
        if stds is None
        else GaussianMixture(weights, means, std=stds)
    )
    x = np.random.default_rng(0).normal(size=(50, 2)) * 3
    alpha, sigma = 0.6, 0.9
    joint = np.stack(
        [
            w * multivariate_normal(alpha * m, alpha**2 * c + sigma**2 * np.eye(2)).pdf(x)
            for w, m, c in zip(weights, means, covariances, strict=True)
        ],
        axis=1,
    )
    np.testing.assert_allclose(mixture.log_density(x, alpha, sigma), np.log(joint.sum(axis=1)), rtol=1e-12)
    expected = joint / joint.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(mixture.responsibilities(x, alpha, sigma), expected, rtol=1e-9, atol=1e-300)


@pytest.mark.parametrize("options", [{"std": 0.7}, {"std": [0.5, 1.7]}, {"covariance": COVARIANCES}])
def test_posterior_mean_obeys_tweedie(options: dict[str, object]) -> None:
    """E[x_0 | x_t] = (x_t + sigma^2 grad ln p_t(x_t)) / alpha, the gradient by central differences."""
    mixture = GaussianMixture([0.3, 0.7], [[1.0, -2.0], [0.5, 3.0]], **options)  # type: ignore[arg-type]
    x = np.random.default_rng(1).normal(size=(20, 2)) * 2
    alpha, sigma = np.linspace(0.2, 0.95, 20), np.linspace(1.1, 0.3, 20)
    step = 1e-5 * np.eye(2)
    gradient = np.stack(
        [(mixture.log_density(x + e, alpha, sigma) - mixture.log_density(x - e, alpha, sigma)) / 2e-5 for e in step],
        axis=1,
    )
    expected = (x + sigma[:, None] ** 2 * gradient) / alpha[:, None]
    np.testing.assert_allclose(mixture.posterior_mean(x, alpha, sigma), expected, atol=1e-6)


def test_nothing_overflows_however_far_apart_or_high() -> None:
    mixture = two(2e5, std=1e-3, dimension=16_384)
    x = np.random.default_rng(0).normal(size=(3, 16_384)) * [[1e-3], [1.0], [1e5]]
    for alpha, sigma in ((1.0, 0.0), (0.7, 0.7), (1e-8, 1.0)):
        assert np.isfinite(mixture.log_density(x, alpha, sigma)).all()
        np.testing.assert_allclose(mixture.responsibilities(x, alpha, sigma).sum(axis=1), 1.0)
        assert np.isfinite(mixture.posterior_mean(x, alpha, sigma)).all()


@pytest.mark.parametrize("options", [{"std": [0.5, 2.0]}, {"covariance": COVARIANCES}])
def test_samples_have_the_moments_of_the_mixture(options: dict[str, object]) -> None:
    means = np.array([[1.0, -2.0], [0.5, 3.0]])
    mixture = GaussianMixture([1.0, 3.0], means, **options)  # type: ignore[arg-type]
    x = mixture.sample(40_000, np.random.default_rng(2))
    within = np.array(options.get("covariance", [np.eye(2) * 0.25, np.eye(2) * 4.0]))
    centre = np.array([0.25, 0.75]) @ means
    between = np.einsum("k,ki,kj->ij", [0.25, 0.75], means - centre, means - centre)
    covariance = np.einsum("k,kij->ij", [0.25, 0.75], within) + between
    np.testing.assert_array_less(np.abs(x.mean(axis=0) - centre), 4 * np.sqrt(np.diag(covariance) / len(x)))
    products = np.einsum("ni,nj->nij", x - centre, x - centre)
    error = 4 * products.std(axis=0) / np.sqrt(len(x))
    np.testing.assert_array_less(np.abs(products.mean(axis=0) - covariance), error)


@pytest.mark.parametrize(
    ("share", "d", "expected"),
    [
        (0.5, 0.5, 0.529473),
        (0.5, 1.0, 0.602027),
        (0.5, 1.5, 0.690366),
        (0.5, 2.0, 0.775200),
        (0.5, 3.0, 0.901379),
        (0.5, 4.0, 0.965701),
        (0.5, 6.0, 0.997924),
        (0.3, 0.5, 0.335546),
        (0.3, 1.0, 0.428674),
        (0.3, 2.0, 0.668926),
        (0.3, 3.0, 0.852756),
        (0.3, 4.0, 0.948406),
        (0.1, 0.5, 0.121318),
        (0.1, 1.0, 0.193488),
        (0.1, 2.0, 0.470164),
        (0.1, 3.0, 0.746044),
        (0.1, 4.0, 0.907173),
    ],
)
def test_exact_survival_of_two_components(share: float, d: float, expected: float) -> None:
    assert pair.survival(d, share) == pytest.approx(expected, abs=1e-6)
    # unit variance keeps Gamma = 1, so D_t = separation * alpha; at log-SNR 0 alpha^2 = 1/2
    found = exact_survival(two(d * np.sqrt(2), share), TWO, 0.0, draws=20_000)
    value, error = found.groups["left"]
    assert abs(value - expected) < 4 * error
    overall = share * expected + (1 - share) * pair.survival(d, 1 - share)
    assert abs(found.value - overall) < 4 * found.standard_error


@pytest.mark.parametrize("std", [0.2, 1.0, 3.0])
def test_the_decision_point_of_two_components(std: float) -> None:
    """D_t = 2 at t_S = 0.5 ln(mu^2 + 1 - s^2) for components at +-mu with variance s^2 (Biroli et al. 2024)."""
    mu = 10.0
    found = exact_survival(two(2 * mu, std=std), TWO, float(log_snr_at(0.5 * np.log(mu**2 + 1 - std**2))), draws=20_000)
    assert abs(found.value - 0.775200) < 4 * found.standard_error


def test_the_decision_point_of_a_common_covariance() -> None:
    """D_t^2 = e^{-2t} d^T (e^{-2t} C + (1 - e^{-2t}) I)^-1 d."""
    t, covariance, apart = 0.7, np.array(COVARIANCES[0]), np.array([3.0, -2.0])
    mixture = GaussianMixture([1, 1], np.stack([apart / 2, -apart / 2]), covariance=covariance)
    shrink = np.exp(-2 * t)
    d = np.sqrt(shrink * apart @ np.linalg.solve(shrink * covariance + (1 - shrink) * np.eye(2), apart))
    found = exact_survival(mixture, TWO, float(log_snr_at(t)), draws=20_000)
    assert abs(found.value - pair.survival(d)) < 4 * found.standard_error


@pytest.mark.parametrize("mu", [3.0, 30.0])
@pytest.mark.parametrize("dimension", [1, 40])
@pytest.mark.parametrize(
    ("survival", "offset"), [(0.9, -0.40053), (0.75, 0.08076), (0.6, 0.70523), (0.95, -0.60630), (0.55, 1.10172)]
)
def test_the_curve_only_shifts_with_the_separation(mu: float, dimension: int, survival: float, offset: float) -> None:
    found = exact_survival(two(2 * mu, dimension=dimension), TWO, float(log_snr_at(np.log(mu) + offset)), draws=8000)
    assert abs(found.value - survival) < 4 * found.standard_error


def corners(sizes: Sequence[float] = (30.0, 10.0, 3.0)) -> tuple[GaussianMixture, dict[str, Feature]]:
    signs = np.array(list(product((1, -1), repeat=len(sizes))))
    features = {f"axis{k}": Feature.of(np.where(signs[:, k] > 0, "plus", "minus")) for k in range(len(sizes))}
    return GaussianMixture(np.ones(len(signs)), signs * np.array(sizes)), features


@pytest.mark.parametrize(("feature", "t"), [("axis0", 3.4012), ("axis1", 2.3026), ("axis2", 1.0986)])
def test_each_feature_of_the_hypercube_has_its_own_decision_point(feature: str, t: float) -> None:
    mixture, features = corners()
    found = exact_survival(mixture, features[feature], float(log_snr_at(t)), draws=20_000)
    assert abs(found.value - 0.775200) < 4 * found.standard_error
