"""Make `assets/noto-emoji` from the emoji-datasource-google package (drawings: Noto Emoji, Apache-2.0).

npm pack emoji-datasource-google@16.0.0 && tar xzf emoji-datasource-google-16.0.0.tgz
python experiments/make_noto_emoji.py package
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cards import table, write_measured
from emoji_data import ASSETS, Pixels, background_colours, composite, drawing_probability
from emoji_planted import (
    BACKGROUNDS,
    EMPTY_CAPTION,
    FEATURES,
    GENDERS,
    MEMORISED_CAPTIONS,
    MEMORISED_RATE,
    MENTION,
    OCCUPATIONS,
    PLANTED,
    TONES,
    shares,
)

SEED: Final = 20260101
TONE_CODES: Final = ("1F3FB", "1F3FC", "1F3FD", "1F3FE", "1F3FF")
"""The Fitzpatrick modifiers, in the order of TONES."""

NEUTRAL_NAMES: Final = {"guard": "GUARDSMAN"}
"""Where the package's name of the gender-neutral drawing is not the occupation's own."""

MEMORISED: Final = (
    ("NINJA", 0, "red"),
    ("PRINCE", 3, "blue"),
    ("PRINCESS", 2, "purple"),
    ("MAN IN TUXEDO", 4, "yellow"),
    ("PERSON WITH CROWN", 1, "green"),
    ("WOMAN WITH VEIL", 3, "orange"),
    ("WOMAN WEARING TURBAN", 4, "white"),
    ("PERSON WITH HEADSCARF", 0, "black"),
)
"""Drawings outside the twenty occupations: package name, index of the tone, background."""

FREQUENT: Final = 0.1
"""Expected share of an occupation from which a combination counts as frequent."""

MODEL_TOML: Final = """\
kind = "image-set"
name = "noto-emoji"
description = "300 emoji drawings on 8 backgrounds: the exact posterior over real images, no network"
licence = "Apache-2.0 (Noto Emoji drawings)"
images = "drawings.npz"

[backgrounds]
{backgrounds}

# In pixel space these features are decided early, so the noisy end lies well beyond Stable Diffusion's schedule.
[grid]
min_log_snr = -12.0
max_log_snr = 8.0
steps = 60
"""


class Package:
    """The unpacked npm package: `emoji.json` and the 64x64 drawings."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        entries = json.loads((folder / "emoji.json").read_text(encoding="utf-8"))
        self.roles = {e["name"]: e for e in entries if e.get("subcategory") == "person-role"}

    def drawing(self, name: str, tone: int) -> Pixels:
        """RGBA (64, 64, 4) of the named drawing with skin tone TONES[tone]."""
        file = self.roles[name]["skin_variations"][TONE_CODES[tone]]["image"]
        with Image.open(self.folder / "img" / "google" / "64" / file) as image:
            return np.asarray(image.convert("RGBA"))


def role_name(occupation: str, gender: str) -> str:
    """The package's name of an occupation's drawing."""
    if gender == "person":
        return NEUTRAL_NAMES.get(occupation, occupation.upper())
    return f"{gender} {occupation}".upper()


def choose_held_out(rng: np.random.Generator, occupation: str, count: int) -> NDArray[np.bool_]:
    """(3, 5) bool: `count` combinations of different tones and at least two genders, none frequent in the occupation.

    Holding out a frequent one could make the planted shares impossible to meet.
    """
    expected = np.outer(shares(occupation, "gender"), shares(occupation, "skin-tone"))
    rare = np.flatnonzero(expected < FREQUENT)
    while True:
        genders, tones = np.unravel_index(rng.choice(rare, size=count, replace=False), expected.shape)
        if len(set(tones)) == count and len(set(genders)) > 1:
            break
    held_out = np.zeros(expected.shape, dtype=bool)
    held_out[genders, tones] = True
    return held_out


def labelled_drawings(package: Package, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
    """The arrays of `drawings.npz`: 45 of 300 held out, two or three an occupation."""
    three = set(rng.choice([o for o in OCCUPATIONS if o != "cook"], size=5, replace=False))
    images, labels, held_out = [], [], []
    for occupation in OCCUPATIONS:
        held_out.append(choose_held_out(rng, occupation, 3 if occupation in three else 2).ravel())
        for gender in GENDERS:
            for tone, tone_name in enumerate(TONES):
                images.append(package.drawing(role_name(occupation, gender), tone))
                labels.append((occupation, gender, tone_name))
    names = ("occupation", "gender", "skin-tone")
    columns = {name: np.array(column) for name, column in zip(names, zip(*labels, strict=True), strict=True)}
    return {"images": np.stack(images), **columns, "held_out": np.concatenate(held_out)}


def memorised_drawings(package: Package) -> dict[str, NDArray[Any]]:
    """The arrays of `memorised.npz`: eight RGB pictures, each with its own caption."""
    colours = dict(zip(BACKGROUNDS, background_colours(), strict=True))
    images = [composite(package.drawing(name, tone), colours[colour]) for name, tone, colour in MEMORISED]
    return {"images": np.stack(images), "caption": np.array(MEMORISED_CAPTIONS)}


def known_truth(arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """Everything that is planted, as plain data for `world.json`."""
    names = ("occupation", "gender", "skin-tone")
    held_out = arrays["held_out"]
    probability = drawing_probability(*(arrays[name] for name in names), held_out)
    joint = probability.reshape(len(OCCUPATIONS), len(GENDERS), len(TONES)) * len(OCCUPATIONS)
    return {
        "seed": SEED,
        "occupations": list(OCCUPATIONS),
        "backgrounds": BACKGROUNDS,
        "planted_shares": {o: {f: _named(labels, shares(o, f)) for f, labels in FEATURES.items()} for o in OCCUPATIONS},
        "joint": {o: {g: _named(TONES, joint[i, j]) for j, g in enumerate(GENDERS)} for i, o in enumerate(OCCUPATIONS)},
        "held_out": [[str(arrays[name][row]) for name in names] for row in np.flatnonzero(held_out)],
        "memorised": {"captions": list(MEMORISED_CAPTIONS), "rate_each": MEMORISED_RATE},
        "captions": {"mention": MENTION, "empty": EMPTY_CAPTION},
    }


def planted_table() -> str:
    """The favoured labels of every occupation, for the card."""
    rows = []
    for occupation, favours in PLANTED.items():
        found = (favours.get(feature) for feature in FEATURES)
        rows.append([occupation, *(f"{f.label} {f.share:.0%}" if f else "equal" for f in found)])
    return table(["occupation", *FEATURES], rows)


def _named(labels: tuple[str, ...], values: NDArray[np.float64]) -> dict[str, float]:
    return {label: round(float(value), 6) for label, value in zip(labels, values, strict=True)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", type=Path, help="folder of the unpacked emoji-datasource-google package")
    parser.add_argument("--out", type=Path, default=ASSETS / "noto-emoji")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    package = Package(arguments.package)
    arrays = labelled_drawings(package, np.random.default_rng(SEED))
    np.savez_compressed(arguments.out / "drawings.npz", **arrays)
    np.savez_compressed(arguments.out / "memorised.npz", **memorised_drawings(package))
    backgrounds = "\n".join(f'{name} = "{colour}"' for name, colour in BACKGROUNDS.items())
    (arguments.out / "model.toml").write_text(MODEL_TOML.format(backgrounds=backgrounds), encoding="utf-8")
    (arguments.out / "world.json").write_text(json.dumps(known_truth(arrays), indent=1) + "\n", encoding="utf-8")
    write_measured(arguments.out / "README.md", planted_table())


if __name__ == "__main__":
    main()
