"""The ideal score of an image set: the posterior against brute force, the walk against the exact survival."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from diffwin.process.empirical import ImageSetProcess
from diffwin.process.world import load_world
from diffwin.trials import Base, Mode, Trial
from diffwin.worlds.image_set import to_unit

WORLD = """
kind = "image-set"
images = "drawings.npz"
[backgrounds]
blue = "#2f6bff"
black = "#000000"
"""


def drawings(folder: Path) -> Path:
    """Six drawings of 8x8: a large or small square (size) of three greys (shade), on two backgrounds."""
    rng = np.random.default_rng(0)
    pixels = np.zeros((6, 8, 8, 4), np.uint8)
    sizes, shades = ["large", "small"] * 3, ["dark", "dark", "middle", "middle", "light", "light"]
    for image, size, shade in zip(pixels, sizes, shades, strict=True):
        edge = 1 if size == "large" else 3
        grey = {"dark": 60, "middle": 90, "light": 120}[shade]
        image[edge : 8 - edge, edge : 8 - edge, :3] = grey + rng.integers(0, 10, (8 - 2 * edge, 8 - 2 * edge, 3))
        image[edge : 8 - edge, edge : 8 - edge, 3] = 255
    np.savez(folder / "drawings.npz", images=pixels, size=np.array(sizes), shade=np.array(shades))
    (folder / "model.toml").write_text(WORLD, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> ImageSetProcess:
    made = load_world(drawings(tmp_path_factory.mktemp("set")), seed=2)
    assert isinstance(made, ImageSetProcess)
    return made


def test_every_image_is_nearest_to_itself(process: ImageSetProcess) -> None:
    images = process.world.offsets + process.world.centre
    np.testing.assert_array_equal(process.world.nearest(images), np.arange(12))


def test_a_generation_is_an_image_of_the_set_with_its_labels(process: ImageSetProcess) -> None:
    samples = process.render([g.state for g in process.sample([Base("", i) for i in range(30)])])
    assert samples.shape == (30, 8, 8, 3)
    assert samples.dtype == np.uint8
    kept = to_unit(samples)
    images = process.world.offsets + process.world.centre
    nearest = process.world.nearest(kept)
    assert np.abs(kept - images[nearest]).max() <= 2 / 255 + 1e-6
    for name, feature in process.features.items():
        truth = process.read_truth(samples, name)
        np.testing.assert_array_equal(truth, feature.table[nearest])
        np.testing.assert_array_equal(truth.sum(axis=1), 1.0)


def test_exact_survival_runs_from_the_floor_to_one(process: ImageSetProcess) -> None:
    clean, noise = (process.exact_survival("shade", at, draws=600) for at in (12.0, float(process.grid.log_snr[-1])))
    assert clean.value == pytest.approx(1.0)
    assert abs(noise.value - 1 / 3) < 4 * noise.standard_error + 1e-3
    assert noise.groups.keys() == {"dark", "middle", "light"}


BIAS = 0.01  # of the default solver and steps, measured with 20,000 samples


def test_the_walk_reproduces_the_exact_survival_of_every_label(process: ImageSetProcess) -> None:
    bases = {g.base.index: g.state for g in process.sample([Base("", i) for i in range(240)])}
    levels = [round(process.grid.level_at(at)) for at in (-6.0, -3.5, -1.5)]
    trials = [Trial("", i, level, 0) for i in bases for level in levels]
    again = dict(process.regenerate(trials, lambda trial: bases[trial.base], Mode.RENOISE))
    before, after = process.render(list(bases.values())), process.render([again[trial] for trial in trials])
    at = np.array([trial.level for trial in trials])
    for name, feature in process.features.items():
        old, new = process.read_truth(before, name), process.read_truth(after, name)
        for level in levels:
            exact = process.exact_survival(name, float(process.grid.log_snr[level]), draws=2400)
            for s, label in enumerate(feature.labels):
                kept = new[at == level][old[:, s] > 0.5, s]
                value, error = exact.groups[label]
                tolerance = 4 * np.sqrt(error**2 + value * (1 - value) / len(kept)) + BIAS
                assert abs(kept.mean() - value) < tolerance, (name, label, level)
