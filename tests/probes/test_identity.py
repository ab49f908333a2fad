"""Probes of identity: the picture itself, one near it, and any other; faults in their definitions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from diffwin.errors import BadInput
from diffwin.probes.definition import OTHER, load_definition
from diffwin.probes.identity import IdentityProbe
from diffwin.probes.likeness import Ruler, pixel_distance, pixel_distances, structure
from diffwin.probes.spaces import choose_space

HEAD = """
name = "mine"
version = 1
kind = "identity"
feature = "identity"
description = "One of mine."
source = "Made up."
references = "mine.npz"
threshold = 0.2
units = [0.3, 0.5]
"""
LABELS = '[[label]]\nname = "first"\npictures = [0, 2]\n[[label]]\nname = "second"\npictures = [1]\n'


@pytest.fixture
def held(tmp_path: Path) -> NDArray[np.uint8]:
    images = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), np.uint8)
    np.savez(tmp_path / "mine.npz", images=images)
    return images


def probe(folder: Path, text: str = HEAD + LABELS) -> IdentityProbe:
    (folder / "mine.toml").write_text(text)
    return IdentityProbe(load_definition(str(folder / "mine.toml")), device="cpu")


def test_pictures_are_read_as_themselves_or_as_none(held: NDArray[np.uint8], tmp_path: Path) -> None:
    near = np.clip(held.astype(int) + np.random.default_rng(1).integers(-9, 10, held.shape), 0, 255).astype(np.uint8)
    other = np.random.default_rng(2).integers(0, 256, (1, 16, 16, 3), np.uint8)
    read = probe(tmp_path).read(np.concatenate([held, near, other]))
    assert read.argmax(axis=1).tolist() == [0, 1, 0, 0, 1, 0, 2]
    assert probe(tmp_path).labels == ("first", "second", OTHER)


def test_both_spaces_must_agree() -> None:
    ruler = Ruler(pixel=0.5, feature=0.1, threshold=1.0, false_rate=0.01, chances=100)
    assert ruler.same(np.array([0.4, 0.6, 0.4]), np.array([0.05, 0.05, 0.2])).tolist() == [True, False, False]


def test_distances_of_pictures() -> None:
    black, white = np.zeros((1, 4, 4, 3), np.uint8), np.full((1, 4, 4, 3), 255, np.uint8)
    half = black.copy()
    half[:, :2] = 255
    assert pixel_distance(black, white) == pytest.approx([1.0])
    assert pixel_distance(half, black) == pytest.approx([0.5**0.5])
    assert pixel_distances(np.concatenate([black, white]), white) == pytest.approx(np.array([[1.0], [0.0]]))


def test_structure_does_not_see_brightness(held: NDArray[np.uint8]) -> None:
    dim = (held // 2 + 20).astype(np.uint8)
    assert np.sum(structure(held) * structure(dim), axis=1) == pytest.approx(np.ones(3), abs=1e-3)
    assert np.linalg.norm(structure(held), axis=1) == pytest.approx(np.ones(3))
    assert np.isfinite(structure(np.zeros((1, 40, 33, 3), np.uint8))).all()


COLOURS = '[[label]]\nname = "red"\nrgb = "#ff0000"\n[[label]]\nname = "blue"\nrgb = "#0000ff"\n'
BAD = {
    "no threshold": (HEAD.replace("threshold = 0.2", "") + LABELS, "threshold"),
    "no such file": (HEAD.replace("mine.npz", "yours.npz") + LABELS, "yours.npz"),
    "no such picture": (HEAD + LABELS.replace("[1]", "[7]"), "no picture 7"),
    "a label without pictures": (HEAD + '[[label]]\nname = "first"\n', "no pictures"),
    "the label of the rest": (HEAD + LABELS.replace("second", OTHER), "stands twice"),
    "another kind's keys": (HEAD.replace('"identity"\nfeature', '"colour"\nfeature') + COLOURS, "references"),
}


@pytest.mark.parametrize("case", BAD, ids=BAD.keys())
def test_faults_are_one_line(case: str, held: NDArray[np.uint8], tmp_path: Path) -> None:
    text, words = BAD[case]
    with pytest.raises(BadInput, match=words) as fault:
        probe(tmp_path, text)
    assert "\n" not in str(fault.value)


def test_pictures_are_compared_as_the_first_probe_by_clip_sees_them_or_by_structure() -> None:
    def name(*probes: str) -> str:
        return choose_space(None, probes, usual=False, device="cpu").name

    assert name("truth:shape", "background-colour") == "structure"
    assert name("background-colour", "emoji-gender") == "CLIP, emoji-clip"
    assert choose_space("structure", ["emoji-gender"], usual=True, device="cpu").name == "structure"
    with pytest.raises(BadInput, match="reads no CLIP features"):
        choose_space("background-colour", [], usual=True, device="cpu")
