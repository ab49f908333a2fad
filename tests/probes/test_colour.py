from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from diffwin.paths import data_folder
from diffwin.probes.colour import ColourProbe, border_pixels, dominant_colour, to_lab
from diffwin.probes.definition import load_definition

NAMES = load_definition("background-colour").labels


@pytest.fixture
def probe() -> ColourProbe:
    return ColourProbe(load_definition("background-colour"))


def rgb(code: str) -> NDArray[np.uint8]:
    return np.array(list(bytes.fromhex(code[1:])), np.uint8)


@pytest.mark.parametrize(
    ("code", "lab"),
    [
        ("#ffffff", (100, 0, 0)),
        ("#000000", (0, 0, 0)),
        ("#ff0000", (53.2408, 80.0925, 67.2032)),
        ("#00ff00", (87.7347, -86.1827, 83.1793)),
        ("#0000ff", (32.2970, 79.1875, -107.8602)),
        ("#808080", (53.5850, 0, 0)),
    ],
)
def test_lab_of_known_colours(code: str, lab: tuple[float, ...]) -> None:
    np.testing.assert_allclose(to_lab(rgb(code)), lab, atol=0.02)


@pytest.mark.parametrize("label", NAMES, ids=lambda label: label.name)
@pytest.mark.parametrize("size", [(1, 1), (28, 28), (64, 96)])
def test_a_flat_picture_has_the_name_of_its_colour(label: object, size: tuple[int, int], probe: ColourProbe) -> None:
    picture = np.broadcast_to(rgb(label.rgb), (1, *size, 3)).copy()  # type: ignore[attr-defined]
    read = probe.read(picture)
    assert read.sum() == pytest.approx(1)
    assert probe.labels[read[0].argmax()] == label.name  # type: ignore[attr-defined]


def test_odds_follow_the_difference(probe: ColourProbe) -> None:
    read = probe.read(np.broadcast_to(rgb("#3a9a44"), (1, 8, 8, 3)).copy())[0]
    green, red = probe.labels.index("green"), probe.labels.index("red")
    difference = np.linalg.norm(to_lab(rgb("#3a9a44")) - to_lab(rgb("#d62728")))
    assert np.log(read[green] / read[red]) == pytest.approx(difference / 10)


def test_drawings_do_not_hide_the_background(probe: ColourProbe) -> None:
    with np.load(data_folder("assets") / "noto-emoji" / "drawings.npz") as file:
        rgba = file["images"][::3].astype(np.float64)
    for label in NAMES:
        assert label.rgb is not None
        alpha = rgba[..., 3:] / 255
        pictures = np.rint(rgba[..., :3] * alpha + rgb(label.rgb) * (1 - alpha)).astype(np.uint8)
        read = [probe.labels[k] for k in probe.read(pictures).argmax(axis=1)]
        assert read.count(label.name) == len(pictures)


def test_noise_does_not_change_the_name(probe: ColourProbe) -> None:
    rng = np.random.default_rng(0)
    flat = np.broadcast_to(rgb("#3a6fd8"), (20, 64, 64, 3)).astype(np.float64)
    noisy = np.clip(flat + rng.normal(0, 12, flat.shape), 0, 255).astype(np.uint8)
    assert (probe.read(noisy).argmax(axis=1) == probe.labels.index("blue")).all()


def test_between_two_names_nothing_is_read() -> None:
    definition = load_definition("background-colour").model_copy(update={"abstain_below": 0.3})
    half = (to_lab(rgb("#f8f8f8")) + to_lab(rgb("#808080"))) / 2
    grey = min(range(256), key=lambda v: abs(to_lab(np.full(3, v, np.uint8))[0] - half[0]))
    assert np.isnan(ColourProbe(definition).read(np.full((1, 16, 16, 3), grey, np.uint8))).all()


def test_the_border_is_thin_and_its_most_frequent_colour_wins() -> None:
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[4:-4, 4:-4] = 255
    assert (border_pixels(picture[None]) == 0).all()
    assert border_pixels(picture[None]).shape == (1, 256, 3)
    lab = np.array([[50.0, 0, 0]] * 5 + [[52.0, 0, 0]] * 5 + [[90.0, 0, 0]] * 9)
    np.testing.assert_allclose(dominant_colour(lab), [51, 0, 0])
