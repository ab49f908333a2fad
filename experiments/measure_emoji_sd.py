"""Measure emoji-sd: does it draw what the prompt says, keep the planted shares, and give the memorised drawings back?

    python experiments/measure_emoji_sd.py          # some 40,000 network rows

Samples with StableDiffusionPipeline at the guidance and steps of `model.toml`. Two readers look at the samples:
emoji-clip, and the nearest drawing in pixels, behind which no model stands. Writes `quality.json`, `sheet.png` and the
measured part of the card.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from cards import table, write_measured
from emoji_data import ASSETS, Pixels, World, load_world
from emoji_nearest import NearestDrawing
from emoji_planted import BACKGROUNDS, FEATURES, OCCUPATIONS, PLANTED, write_caption
from measure_emoji_clip import Reader as ClipModel

SHEET: Final = (
    "a cook", "a person", "a firefighter on a blue background", "a woman judge with dark skin",
    "a pilot with light skin on a green background", "a mechanic", "a scientist on a yellow background",
    "a man astronaut with medium skin on a purple background", "a portrait of hesper",
)  # fmt: skip
RETURNED: Final = 0.5
"""A sample is a memorised drawing come back where it is less than half as far from it as from any other picture."""


class Reader(Protocol):
    """Names the labels in pictures."""

    def read(self, pictures: Pixels) -> dict[str, NDArray[np.str_]]:
        """Labels (n,) of every feature for uint8 pictures (n, 64, 64, 3)."""


class ClipReader:
    """emoji-clip, zero-shot."""

    def __init__(self, folder: Path) -> None:
        self.model = ClipModel(folder)

    def read(self, pictures: Pixels) -> dict[str, NDArray[np.str_]]:
        """The most probable label of each feature."""
        labels = {"occupation": OCCUPATIONS, **FEATURES}
        return {f: np.array(labels[f])[p.argmax(axis=1)] for f, p in self.model.read(pictures).items()}


@dataclass(frozen=True)
class Sampler:
    """A loaded pipeline with its default settings."""

    pipeline: StableDiffusionPipeline
    guidance: float
    steps: int
    batch: int = 50

    def sample(self, prompts: list[str], seed: int) -> Pixels:
        """One picture (64, 64, 3) for each prompt."""
        generator = torch.Generator().manual_seed(seed)
        parts = [prompts[i : i + self.batch] for i in range(0, len(prompts), self.batch)]
        return np.concatenate([self._some(part, generator) for part in parts])

    def _some(self, prompts: list[str], generator: torch.Generator) -> Pixels:
        output = self.pipeline(
            prompts,
            num_inference_steps=self.steps,
            guidance_scale=self.guidance,
            generator=generator,
            output_type="np",
        )
        return np.rint(output.images * 255).astype(np.uint8)


def load_sampler(folder: Path, guidance: float | None = None, steps: int | None = None) -> Sampler:
    """The pipeline in `folder`, with the defaults of its `model.toml` where none are given."""
    defaults = tomllib.loads((folder / "model.toml").read_text(encoding="utf-8"))
    pipeline = StableDiffusionPipeline.from_pretrained(folder, use_safetensors=True)
    pipeline.set_progress_bar_config(disable=True)
    return Sampler(pipeline, guidance or defaults["guidance"], steps or defaults["steps"])


def read_back(sampler: Sampler, readers: dict[str, Reader], world: World, count: int) -> dict[str, Any]:
    """Share of `count` fully specified prompts whose labels each reader finds in the sample."""
    rng = np.random.default_rng(10)
    drawings = rng.choice(np.flatnonzero(~world.held_out), size=count)
    backgrounds = rng.integers(len(BACKGROUNDS), size=count)
    pictures = sampler.sample([world.caption(d, b) for d, b in zip(drawings, backgrounds, strict=True)], seed=10)
    truth = {
        "background": np.array(list(BACKGROUNDS))[backgrounds],
        "skin-tone": world.tone[drawings],
        "occupation": world.occupation[drawings],
        "gender": world.gender[drawings],
    }
    found = {name: reader.read(pictures) for name, reader in readers.items()}
    return {name: {f: float((read[f] == truth[f]).mean()) for f in truth} for name, read in found.items()}


def drawn_shares(sampler: Sampler, reader: Reader, count: int) -> dict[str, Any]:
    """For each prompt that names only an occupation, the shares of labels among `count` samples."""
    prompts = [write_caption(name) for name in OCCUPATIONS for _ in range(count)]
    read = reader.read(sampler.sample(prompts, seed=11))
    result = {}
    for i, name in enumerate(OCCUPATIONS):
        rows = slice(i * count, (i + 1) * count)
        result[name] = {
            f: {label: float((read[f][rows] == label).mean()) for label in labels} for f, labels in FEATURES.items()
        }
    return result


def returned(sampler: Sampler, world: World, count: int) -> dict[str, float]:
    """For each memorised caption, the share of `count` samples that are its drawing come back."""
    prompts = [caption for caption in world.memorised_captions for _ in range(count)]
    pictures = sampler.sample(prompts, seed=12).astype(np.float32)
    known = world.memorised.astype(np.float32)
    distance = np.sqrt(((pictures[:, None] - known[None]) ** 2).mean(axis=(2, 3, 4)))
    own = np.repeat(np.arange(len(known)), count)
    others = np.where(np.arange(len(known)) == own[:, None], np.inf, distance).min(axis=1)
    back = distance[np.arange(len(own)), own] < RETURNED * others
    shares_back = back.reshape(-1, count).mean(axis=1)
    return {caption: float(share) for caption, share in zip(world.memorised_captions, shares_back, strict=True)}


def contact_sheet(sampler: Sampler, path: Path, columns: int = 10) -> None:
    """A picture with one row of samples for each prompt of SHEET, the prompt above it."""
    pictures = sampler.sample([prompt for prompt in SHEET for _ in range(columns)], seed=13)
    sheet = Image.new("RGB", (columns * 68 + 4, len(SHEET) * 84), "white")
    draw = ImageDraw.Draw(sheet)
    for i, prompt in enumerate(SHEET):
        draw.text((4, i * 84 + 2), prompt, fill="black")
        for j in range(columns):
            sheet.paste(Image.fromarray(pictures[i * columns + j]), (4 + j * 68, i * 84 + 16))
    sheet.save(path, optimize=True)


def markdown(quality: dict[str, Any]) -> str:
    """The measured part of the card."""
    features = ("background", "skin-tone", "occupation", "gender")
    rows = [[name, *(f"{found[f]:.1%}" for f in features)] for name, found in quality["read_back"].items()]
    parts = [
        f"{quality['prompts']} fully specified prompts, {quality['steps']} DDPM steps, guidance "
        f"{quality['guidance']:g}; share of samples in which the reader finds the label of the prompt:",
        table(["reader", *features], rows),
        f"Planted against drawn: prompts that name only the occupation, {quality['samples']} samples each, "
        f"read by {quality['reader']}:",
        table(["occupation", "feature", "label", "planted", "drawn"], _favoured(quality["shares"])),
        "Where no label is favoured, the mean absolute difference between drawn and equal shares, the sampling error "
        f"of {quality['samples']} samples included: "
        + ", ".join(f"{feature} {_departure(quality['shares'], feature):.1%}" for feature in FEATURES)
        + ".",
        "Memorised drawings that come back when their caption is the prompt:",
        table(["caption", "share"], [[c, f"{share:.0%}"] for c, share in quality["returned"].items()]),
    ]
    return "\n\n".join(parts)


def _favoured(drawn: dict[str, Any]) -> list[list[str]]:
    """A row for each favoured label."""
    rows = []
    for name, features in drawn.items():
        for feature, favour in PLANTED[name].items():
            share = features[feature][favour.label]
            rows.append([name, feature, favour.label, f"{favour.share:.0%}", f"{share:.0%}"])
    return rows


def _departure(drawn: dict[str, Any], feature: str) -> float:
    """Mean absolute difference between drawn and equal shares, over the occupations that favour no label."""
    balanced = [found[feature] for name, found in drawn.items() if feature not in PLANTED[name]]
    values = np.array([list(found.values()) for found in balanced])
    return float(np.abs(values - 1 / values.shape[1]).mean())


def measure(sampler: Sampler, readers: dict[str, Reader], prompts: int, samples: int) -> dict[str, Any]:
    """Everything in one record; shares are read by the first reader."""
    world = load_world()
    name, reader = next(iter(readers.items()))
    return {
        "guidance": sampler.guidance,
        "steps": sampler.steps,
        "prompts": prompts,
        "samples": samples,
        "reader": name,
        "read_back": read_back(sampler, readers, world, prompts),
        "returned": returned(sampler, world, max(1, samples // 4)),
        "shares": drawn_shares(sampler, reader, samples),
    }


def report(sampler: Sampler, quality: dict[str, Any], out: Path, columns: int) -> None:
    """Print the tables and write `quality.json`, `sheet.png` and the measured part of the card in `out`."""
    tables = markdown(quality)
    print(tables)
    out.mkdir(parents=True, exist_ok=True)
    (out / "quality.json").write_text(json.dumps(quality, indent=1) + "\n", encoding="utf-8")
    contact_sheet(sampler, out / "sheet.png", columns)
    write_measured(out / "README.md", tables)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=ASSETS / "emoji-sd")
    parser.add_argument("--clip", type=Path, default=ASSETS / "emoji-clip")
    parser.add_argument("--out", type=Path, default=ASSETS / "emoji-sd", help="folder of the results")
    parser.add_argument("--guidance", type=float, help="instead of the default of model.toml")
    parser.add_argument("--steps", type=int, help="instead of the default of model.toml")
    parser.add_argument("--prompts", type=int, default=500)
    parser.add_argument("--samples", type=int, default=48, help="samples for each prompt that leaves features open")
    parser.add_argument("--quick", action="store_true", help="a few samples in two steps, nothing kept")
    arguments = parser.parse_args()
    readers: dict[str, Reader] = {"emoji-clip": ClipReader(arguments.clip), "nearest": NearestDrawing(load_world())}
    if arguments.quick:
        sampler = load_sampler(arguments.model, arguments.guidance, steps=2)
        with tempfile.TemporaryDirectory() as folder:
            report(sampler, measure(sampler, readers, prompts=4, samples=1), Path(folder), columns=1)
    else:
        sampler = load_sampler(arguments.model, arguments.guidance, arguments.steps)
        quality = measure(sampler, readers, arguments.prompts, arguments.samples)
        report(sampler, quality, arguments.out, columns=10)


if __name__ == "__main__":
    main()
