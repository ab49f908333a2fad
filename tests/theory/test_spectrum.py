"""Spectral predictions: the published table, and eigenvalues against covariances."""

from __future__ import annotations

import numpy as np
import pytest

from diffwin.levels import log_snr_at
from diffwin.theory import spectrum
from diffwin.theory.conventions import speciation_time
from diffwin.theory.probe_error import observed_survival, probe_slope
from diffwin.worlds.base import Feature
from diffwin.worlds.image_set import ImageSet
from diffwin.worlds.mixture import GaussianMixture

TABLE = [(7.66, 1.02, 446), (16.72, 1.41, 526), (3.05, 0.56, 329), (12.11, 1.25, 495), (60.52, 2.05, 635)]


@pytest.mark.parametrize(("eigenvalue", "time", "step"), TABLE)
def test_the_published_table(eigenvalue: float, time: float, step: int) -> None:
    """MNIST, CIFAR, ImageNet16, ImageNet32 and LSUN, on DDPM's linear schedule of 1000 steps."""
    found = spectrum.spectral_time(eigenvalue)
    assert found == pytest.approx(time, abs=5e-3)
    alpha_bar = np.cumprod(1 - np.linspace(1e-4, 0.02, 1000))
    assert spectrum.first_step_beyond(alpha_bar, found) == step
    assert spectrum.spectral_log_snr(eigenvalue) == pytest.approx(float(log_snr_at(found)))


def test_data_within_the_noise_have_no_prediction() -> None:
    assert spectrum.spectral_log_snr(0.8) is None


@pytest.mark.parametrize(("dimension", "time"), [(256, 1.29879), (1024, 1.97755), (4096, 2.66707)])
def test_collapse_times(dimension: int, time: float) -> None:
    assert spectrum.collapse_time(20_000, dimension) == pytest.approx(time, abs=6e-6)


@pytest.mark.parametrize("options", [{"std": [0.5, 2.0]}, {"covariance": [[2.0, 0.6], [0.6, 0.5]]}])
def test_the_top_eigenvalue_of_a_mixture_is_that_of_its_samples(options: dict[str, object]) -> None:
    mixture = GaussianMixture([1.0, 3.0], [[1.0, -2.0], [0.5, 3.0]], **options)  # type: ignore[arg-type]
    values = [np.linalg.eigvalsh(np.cov(mixture.sample(4000, np.random.default_rng(seed)).T))[-1] for seed in range(20)]
    error = np.std(values, ddof=1) / np.sqrt(len(values))
    assert abs(np.mean(values) - spectrum.top_eigenvalue(mixture)) < 4 * error


@pytest.mark.parametrize("dimension", [3, 40])
def test_the_top_eigenvalue_of_an_image_set(dimension: int) -> None:
    rng = np.random.default_rng(0)
    points, weights = rng.standard_normal((12, dimension)), rng.uniform(1, 2, 12)
    covariance = np.cov(points.T, aweights=weights, bias=True)
    found = spectrum.top_eigenvalue(ImageSet(points, weights))
    assert found == pytest.approx(np.linalg.eigvalsh(covariance)[-1], rel=1e-5)


def test_between_means_of_a_pair_is_its_distance() -> None:
    """Components at +-mu: Lambda is mu^2 between the means and mu^2 + std^2 in all, both near speciation."""
    mixture = GaussianMixture([1, 1], [[20.0, 0.0], [-20.0, 0.0]], std=0.5)
    assert spectrum.top_between(mixture, Feature.of(["a", "b"])) == pytest.approx(400)
    assert spectrum.top_eigenvalue(mixture) == pytest.approx(400.25)
    assert spectrum.spectral_time(400.25) == pytest.approx(float(speciation_time(20.0, 0.5)), abs=2e-3)


def test_published_accuracies_leave_a_probe_this_much_of_a_curve() -> None:
    assert probe_slope([1 - 0.962, 1 - 0.592]) == pytest.approx([0.854, 0.034], abs=5e-4)
    assert observed_survival(1.0, 0.1) == pytest.approx(0.82)
    assert observed_survival(0.5, 0.3) == pytest.approx(0.5)
