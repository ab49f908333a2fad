"""World files as processes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from diffwin.errors import BadInput
from diffwin.process.empirical import ImageSetProcess
from diffwin.process.world import load_world
from worlds import SET, TWO, write


def test_settings_reach_the_process(tmp_path: Path) -> None:
    made = load_world(write(tmp_path, 'name = "twins"\nsolver = "euler"\n' + TWO), seed=9, slots=3)
    assert (made.name, made.solver, made.stochastic) == ("twins", "euler", False)
    assert (made.seed, made.engine.settings.slots) == (9, 3)
    noisy = load_world(tmp_path / "world.toml", solver="ddim", eta=0.5)
    assert (noisy.solver, noisy.stochastic) == ("ddim", True)


def test_grey_images_are_shown_in_three_equal_channels(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 4, 5), dtype=np.uint8)
    np.savez(tmp_path / "set.npz", images=pixels, kind=np.array(["a", "b", "a"]))
    made = load_world(write(tmp_path, SET))
    assert isinstance(made, ImageSetProcess)
    assert made.engine.settings.shape == (1, 4, 5)
    states = [g.state for g in made.sample([])]
    assert made.render(states).shape == (0, 4, 5, 3)
    state = torch.from_numpy((made.world.offsets + made.world.centre)[1].reshape(1, 4, 5))
    shown = made.render([state])
    np.testing.assert_array_equal(shown[0], np.repeat(pixels[1][..., None], 3, axis=2))
    np.testing.assert_array_equal(made.read_truth(shown, "kind"), [[0, 1]])


def test_unknown_solver_bad_steps_and_missing_file(tmp_path: Path) -> None:
    path = write(tmp_path, TWO)
    with pytest.raises(BadInput, match="unknown solver 'pndm'"):
        load_world(path, solver="pndm")
    with pytest.raises(BadInput, match="--steps: steps is 0"):
        load_world(path, steps=0)
    with pytest.raises(BadInput, match="No such file"):
        load_world(tmp_path / "none.toml")
    with pytest.raises(BadInput, match=r"model\.toml: No such file"):
        load_world(tmp_path)
