"""Measure emoji-sd: does it draw what the prompt says, keep the planted shares, and give the memorised drawings back?

    python experiments/measure_emoji_sd.py

Samples with StableDiffusionPipeline at the guidance and steps of `model.toml`. Two readers look at the samples:
emoji-clip, and the nearest drawing in pixels, which no model is behind. Writes `quality.json`, `sheet.png` and the
measured part of the card.
"""

from __future__ import annotations

import argparse
import json
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
from emoji_planted import BACKGROUNDS, FEATURES, OCCUPATIONS, PLANTED, shares, write_caption
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
    pipeline = StableDiffusionPipeline.from_pretrained(folder, use_safetensors=True).to(torch.float32)
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
        table(["occupation", "feature", "label", "planted", "drawn"], _share_rows(quality["shares"])),
        "Memorised drawings that come back when their caption is the prompt:",
        table(["caption", "share"], [[c, f"{share:.0%}"] for c, share in quality["returned"].items()]),
    ]
    return "\n\n".join(parts)


def _share_rows(drawn: dict[str, Any]) -> list[list[str]]:
    """A row for each favoured label, and the largest departure from equal shares where nothing is favoured."""
    rows = []
    for name, features in drawn.items():
        for feature, found in features.items():
            favour = PLANTED[name].get(feature)
            label = favour.label if favour else max(found, key=lambda key: found[key])
            planted = shares(name, feature)[list(found).index(label)]
            shown = label if favour else f"most drawn: {label}"
            rows.append([name, feature, shown, f"{planted:.0%}", f"{found[label]:.0%}"])
    return rows


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=ASSETS / "emoji-sd")
    parser.add_argument("--clip", type=Path, default=ASSETS / "emoji-clip")
    parser.add_argument("--guidance", type=float, help="instead of the default of model.toml")
    parser.add_argument("--steps", type=int, help="instead of the default of model.toml")
    parser.add_argument("--prompts", type=int, default=500)
    parser.add_argument("--samples", type=int, default=48, help="samples for each prompt that leaves features open")
    parser.add_argument("--keep", action="store_true", help="write quality.json, sheet.png and the card in --model")
    arguments = parser.parse_args()
    readers: dict[str, Reader] = {"nearest drawing": NearestDrawing(load_world())}
    if (arguments.clip / "open_clip_config.json").exists():
        readers = {"emoji-clip": ClipReader(arguments.clip), **readers}
    sampler = load_sampler(arguments.model, arguments.guidance, arguments.steps)
    quality = measure(sampler, readers, arguments.prompts, arguments.samples)
    print(markdown(quality))
    if arguments.keep:
        (arguments.model / "quality.json").write_text(json.dumps(quality, indent=1) + "\n", encoding="utf-8")
        contact_sheet(sampler, arguments.model / "sheet.png")
        write_measured(arguments.model / "README.md", markdown(quality))


if __name__ == "__main__":
    main()
