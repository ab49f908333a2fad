"""The ideal posterior of an image set against brute force and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from diffwin.worlds.base import Feature
from diffwin.worlds.exact import exact_survival
from diffwin.worlds.image_set import ImageSet


@pytest.mark.parametrize("log_snr", [-12.0, -6.0, -2.0, 3.0, 8.0])
@pytest.mark.parametrize("dimension", [3, 12_288])
def test_the_posterior_in_float32_is_that_of_float64(log_snr: float, dimension: int) -> None:
    rng = np.random.default_rng(3)
    # near one another and far from zero, as images of one kind are: the hard case for a product of float32
    points = (0.7 + 0.02 * rng.standard_normal((40, dimension))).astype(np.float32)
    weights = rng.uniform(0.5, 2.0, 40)
    alpha, sigma = np.sqrt(1 / (1 + np.exp(-log_snr))), np.sqrt(1 / (1 + np.exp(log_snr)))
    x = (alpha * points[:20] + sigma * rng.standard_normal((20, dimension))).astype(np.float32)
    distance = ((x.astype(np.float64)[:, None] - alpha * points.astype(np.float64)) ** 2).sum(axis=2)
    expected = softmax(np.log(weights) - distance / (2 * sigma**2), axis=1)
    world = ImageSet(points, weights)
    found = world.responsibilities(x, alpha, sigma)
    np.testing.assert_allclose(found, expected, atol=2e-3)
    mean = expected @ points.astype(np.float64)
    np.testing.assert_allclose(world.posterior_mean(x, alpha, sigma), mean, atol=1e-4)


def test_each_point_may_have_its_own_level() -> None:
    rng = np.random.default_rng(4)
    world = ImageSet(rng.standard_normal((9, 5)))
    x = rng.standard_normal((4, 5)).astype(np.float32)
    alpha, sigma = np.array([0.1, 0.5, 0.9, 0.99]), np.array([0.99, 0.8, 0.4, 0.1])
    together = world.posterior_mean(x, alpha, sigma)
    for i in range(4):
        np.testing.assert_allclose(world.posterior_mean(x[[i]], alpha[i], sigma[i])[0], together[i], atol=1e-6)


def test_survival_of_a_lone_pair_is_that_of_two_point_masses() -> None:
    """Two images d apart: D_t = d alpha / sigma, here 2 at log-SNR 0, where S = .775200."""
    world = ImageSet([[1.0, 0.0], [-1.0, 0.0]])
    found = exact_survival(world, Feature.of(["a", "b"]), 0.0, draws=20_000)
    assert abs(found.value - 0.775200) < 4 * found.standard_error
    for value, error in found.groups.values():
        assert abs(value - 0.775200) < 4 * error


def test_weights_are_the_shares_of_the_images() -> None:
    world = ImageSet([[4.0], [-4.0]], weights=[3.0, 1.0])
    found = exact_survival(world, Feature.of(["a", "b"]), -20.0, draws=400)
    assert found.value == pytest.approx(0.75**2 + 0.25**2, abs=0.01)
