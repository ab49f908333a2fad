"""One set of draws for every level: the same posteriors as a fresh draw at each, and no torch."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy.special import expit

from diffwin.worlds.base import Feature, World
from diffwin.worlds.exact import Draws, exact_survivals
from diffwin.worlds.image_set import ImageSet
from diffwin.worlds.mixture import GaussianMixture

COVARIANCES = [[[2.0, 0.6], [0.6, 0.5]], [[0.3, -0.1], [-0.1, 1.5]], [[1.0, 0.0], [0.0, 1.0]]]
WORLDS: dict[str, World] = {
    "isotropic": GaussianMixture([1, 2, 1], [[3.0, 1.0], [-2.0, 0.0], [0.5, 4.0]], std=0.7),
    "unequal": GaussianMixture([1, 2, 1], [[3.0, 1.0], [-2.0, 0.0], [0.5, 4.0]], std=[0.2, 1.0, 3.0]),
    "full": GaussianMixture([1, 2, 1], [[3.0, 1.0], [-2.0, 0.0], [0.5, 4.0]], covariance=COVARIANCES),
    "images": ImageSet([[3.0, 1.0], [-2.0, 0.0], [0.5, 4.0]], [1, 2, 1]),
}


@pytest.mark.parametrize("kind", WORLDS)
@pytest.mark.parametrize("log_snr", [-12.0, -2.0, 1.0, 9.0])
def test_following_a_draw_is_looking_at_its_noisy_point(kind: str, log_snr: float) -> None:
    world, atoms = WORLDS[kind], np.arange(3).repeat(20)
    alpha, sigma = np.sqrt(expit(log_snr)), np.sqrt(expit(-log_snr))
    followed = world.follow(atoms, np.random.default_rng(1))(alpha, sigma)
    rng = np.random.default_rng(1)
    x0 = world.place(atoms, rng)
    z = rng.standard_normal(x0.shape) if kind != "images" else rng.standard_normal(x0.shape, np.float32)
    np.testing.assert_allclose(followed, world.responsibilities(alpha * x0 + sigma * z, alpha, sigma), atol=1e-5)


@pytest.mark.parametrize("kind", WORLDS)
def test_survival_rises_smoothly_on_one_set_of_draws(kind: str) -> None:
    draws, feature = Draws(WORLDS[kind], 3000, seed=2), {"f": Feature.of(["a", "b", "a"])}
    curve = np.array([draws.survivals(feature, at)["f"].value for at in np.arange(-8.0, 6.0, 0.1)])
    assert curve[0] == pytest.approx(0.5, abs=0.02)
    assert np.all(np.diff(curve) > -1e-3)
    assert np.abs(np.diff(curve, 2)).max() < 5e-3


def test_every_atom_has_its_share_of_the_draws() -> None:
    counts = np.bincount(Draws(WORLDS["isotropic"], 1000, seed=3).atoms)
    np.testing.assert_allclose(counts, [250, 500, 250], atol=1)
    one = Draws(WORLDS["isotropic"], 1000, seed=3, weights=np.array([0.0, 0.0, 3.0]))
    assert set(one.atoms) == {2}


def test_labels_in_turn_have_their_share_of_the_draws() -> None:
    """Of three draws for two atoms, every other atom has two: never all those of one label."""
    world = ImageSet(np.arange(400.0)[:, None], np.ones(400))
    odd = np.array([(Draws(world, 600, seed).atoms % 2).mean() for seed in range(20)])
    # the 200 draws beyond one an atom fall on either label, with at most the error of independent ones
    assert np.abs(odd - 0.5).max() <= 4 * 0.5 * np.sqrt(200) / 600


def test_several_features_share_the_draws() -> None:
    features = {"f": Feature.of(["a", "b", "a"]), "g": Feature.of(["x", "y", "z"])}
    both = exact_survivals(WORLDS["unequal"], features, 0.0, draws=500)
    assert both["g"] == exact_survivals(WORLDS["unequal"], {"g": features["g"]}, 0.0, draws=500)["g"]
    assert both["f"].groups.keys() == {"a", "b"}


def test_worlds_bring_in_no_torch() -> None:
    code = "import sys, diffwin.worlds.read, diffwin.worlds.exact; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
