"""Exact curves and their crossings, with errors that hold."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from diffwin.levels import log_snr_at
from diffwin.theory import pair
from diffwin.theory.curves import ALL, atom_curve, exact_curves
from diffwin.theory.panorama import look
from diffwin.worlds.base import Feature
from diffwin.worlds.image_set import ImageSet
from diffwin.worlds.mixture import GaussianMixture

SIDE = {"side": Feature.of(["left", "right"])}
LEVELS = (0.25, 0.5, 0.75)


@pytest.mark.parametrize(("mu", "std", "w"), [(3.0, 1.0, 0.5), (300.0, 1.0, 0.5), (8.0, 0.1, 0.2), (4.0, 2.0, 0.7)])
def test_a_pair_crosses_where_its_closed_form_does(mu: float, std: float, w: float) -> None:
    world = GaussianMixture([w, 1 - w], [[mu], [-mu]], std=std)
    for curve in exact_curves(look(world, SIDE))["side"]:
        for level in LEVELS:
            found, expected = curve.crossing(level), pair.crossing(level, 2 * mu, std, w)
            assert found.log_snr == pytest.approx(expected, abs=1e-5)
            assert abs(found.log_snr - expected) <= found.error < 1e-3


def test_a_shared_covariance_and_two_images_are_pairs_too() -> None:
    covariance = np.array([[2.0, 0.6], [0.6, 0.5]])
    world = GaussianMixture([1, 1], [[6.0, -4.0], [-6.0, 4.0]], covariance=covariance)
    curve = exact_curves(look(world, SIDE))["side"][0]
    expected = pair.survival(pair.separation_of([12.0, -8.0], covariance, curve.log_snr))
    np.testing.assert_allclose(curve.survival, expected)
    images = exact_curves(look(ImageSet([[3.0, 0.0], [0.0, 4.0]]), SIDE))["side"][1]
    np.testing.assert_allclose(images.survival, pair.survival(pair.separation(5.0, images.log_snr, 0.0)), atol=1e-6)
    assert not images.standard_error.any()


def test_crossings_by_monte_carlo_keep_to_their_error() -> None:
    """The hypercube is no pair to the code, but each of its axes is one to the mathematics."""
    signs = np.array([[i, j, k] for i in (1, -1) for j in (1, -1) for k in (1, -1)])
    sizes = np.array([30.0, 10.0, 3.0])
    features = {f"axis{k}": Feature.of(signs[:, k]) for k in range(3)}
    curves = exact_curves(look(GaussianMixture(np.ones(8), signs * sizes), features, draws=4000, seed=5))
    for k, size in enumerate(sizes):
        for curve in curves[f"axis{k}"]:
            for level in LEVELS:
                found = curve.crossing(level)
                assert 0 < found.error < 0.05
                assert abs(found.log_snr - pair.crossing(level, 2 * size)) < 4 * found.error


def test_the_decision_of_a_survival_of_775_is_at_ln_mu() -> None:
    curve = exact_curves(look(GaussianMixture([1, 1], [[10.0], [-10.0]]), SIDE))["side"][0]
    assert curve.at(log_snr_at(np.array([np.log(10.0)])))[0] == pytest.approx(0.775200, abs=1e-5)


def test_floors_and_groups() -> None:
    world = GaussianMixture([1, 2, 1], [[-9.0], [0.0], [9.0]])
    curves = exact_curves(
        look(world, {"f": Feature.of(["a", "b", "a"]), "one": Feature.of(["x", "x", "x"])}, draws=2000)
    )
    assert [(c.group, c.floor) for c in curves["f"]] == [(ALL, 0.5), ("a", 0.5), ("b", 0.5)]
    for curve in curves["f"]:
        assert curve.survival[0] == pytest.approx(curve.floor, abs=0.01)
        assert curve.survival[-1] == pytest.approx(1, abs=1e-3)
    certain = curves["one"][0]
    assert certain.floor == 1.0
    assert np.isnan(certain.normalised).all()


def test_what_is_not_crossed_is_infinite() -> None:
    world = GaussianMixture([1, 1], [[0.4], [-0.4]])
    assert exact_curves(look(world, SIDE))["side"][0].crossing(0.5).log_snr == np.inf
    narrow = exact_curves(look(GaussianMixture([1, 1], [[9.0], [-9.0]]), SIDE, ends=(0.0, 3.0)))["side"][0]
    assert narrow.crossing(0.5).log_snr == -np.inf


def test_a_training_image_comes_back_as_the_exact_posterior_says() -> None:
    """Of two images the image is its own label; of many, what is left of it is the softmax of the distances."""
    two = look(ImageSet([[3.0, 0.0], [0.0, 4.0]]), SIDE)
    whole, label = atom_curve(two, "image"), exact_curves(two)["side"][0]
    assert whole.floor == label.floor == 0.5
    for level in LEVELS:
        found = whole.crossing(level)
        assert abs(found.log_snr - label.crossing(level).log_snr) < 4 * found.error
    rng = np.random.default_rng(4)
    points = rng.standard_normal((40, 6)).astype(np.float32)
    curve = atom_curve(look(ImageSet(points), {"odd": Feature.of(np.arange(40) % 2)}, draws=4000), "image")
    alpha, sigma = 0.6, 0.8
    x = alpha * points[:, None] + sigma * rng.standard_normal((40, 400, 6))
    distance = ((x[:, :, None] - alpha * points) ** 2).sum(axis=3)
    itself = softmax(-distance / (2 * sigma**2), axis=2)[np.arange(40), :, np.arange(40)]
    value = curve.at(np.array([2 * np.log(alpha / sigma)]))[0]
    error = np.hypot(itself.std() / np.sqrt(itself.size), curve.standard_error.max())
    assert abs(value - itself.mean()) < 4 * error


def test_a_rare_label_is_reckoned_too() -> None:
    """A pair with one component in two halves, so that no closed form is used; the label's prior is 1 in 5,000."""
    w = 2e-4
    world = GaussianMixture([w / 2, w / 2, 1 - w], [[12.0], [12.0], [-12.0]])
    rare = exact_curves(look(world, {"side": Feature.of(["rare", "rare", "usual"])}))["side"][1]
    assert rare.floor == pytest.approx(w)
    for level in LEVELS:
        found = rare.crossing(level)
        assert 0 < found.error < 0.1
        assert abs(found.log_snr - pair.crossing(level, 24.0, w=w)) < 4 * found.error
