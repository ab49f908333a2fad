"""Measure how well `emoji-clip` reads drawings it was never trained on.

    python experiments/measure_emoji_clip.py

Zero-shot through open_clip: the label phrases in every template, averaged, renormalised, softmax with the model's own
logit scale. The pictures are the held-out drawings on all backgrounds, plain and distorted. Writes confusion.json (what
the probes correct with) and the tables of the card.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional

from cards import table, write_measured
from emoji_data import World, background_colours, composite, load_world
from emoji_distort import spoil
from emoji_phrases import LABELS, TEMPLATES, label_captions
from train_emoji_clip import ASSET, drawing_attributes

Counts = dict[str, NDArray[np.int64]]
"""Per feature (labels, labels): row the true label, column the one read."""


@dataclass(frozen=True)
class Pictures:
    """`images` uint8 (n, 64, 64, 3) with `attributes` (n, 4), label indices in the order of LABELS."""

    images: NDArray[np.uint8]
    attributes: NDArray[np.int64]


def held_out_pictures(world: World, every: int = 1) -> Pictures:
    """Each `every`-th held-out drawing on each background."""
    rows = np.flatnonzero(world.held_out)[::every]
    colours = background_colours()
    pairs = [(row, ground) for row in rows for ground in range(len(colours))]
    images = np.stack([composite(world.drawings[row], colours[ground]) for row, ground in pairs])
    labels = drawing_attributes(world)
    return Pictures(images, np.array([[*labels[row], ground] for row, ground in pairs]))


def distorted(pictures: Pictures, copies: int, seed: int = 0) -> Pictures:
    """`copies` of each picture with the damage that generated pictures have."""
    torch.manual_seed(seed)
    images = torch.from_numpy(pictures.images).float().div(255).permute(0, 3, 1, 2).repeat(copies, 1, 1, 1)
    spoilt = np.rint(255 * spoil(images).permute(0, 2, 3, 1).numpy()).astype(np.uint8)
    return Pictures(spoilt, np.tile(pictures.attributes, (copies, 1)))


class Reader:
    """The model in `folder` with the embedded labels of every feature."""

    def __init__(self, folder: Path) -> None:
        self.model, self.preprocess = open_clip.create_model_from_pretrained(f"local-dir:{folder}")
        self.model.eval()
        self.tokenize = open_clip.get_tokenizer(f"local-dir:{folder}")
        with torch.no_grad():
            self.heads = {feature: self._head(feature) for feature in LABELS}

    def _head(self, feature: str) -> torch.Tensor:
        """Unit embeddings (labels, d): the mean over templates."""
        texts = [self.tokenize(label_captions(feature, template)) for template in TEMPLATES]
        read = torch.stack([self.model.encode_text(tokens, normalize=True) for tokens in texts])
        return functional.normalize(read.mean(dim=0), dim=1)

    @torch.no_grad()
    def read(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
        """Probabilities (n, labels) of each feature for uint8 (n, 64, 64, 3)."""
        pixels = torch.stack([self.preprocess(Image.fromarray(image)) for image in images])
        seen = torch.cat([self.model.encode_image(part, normalize=True) for part in pixels.split(64)])
        scale = self.model.logit_scale.exp()
        return {f: (scale * seen @ head.T).softmax(dim=1).double().numpy() for f, head in self.heads.items()}


def count(truth: NDArray[np.int64], read: NDArray[np.int64], labels: int) -> NDArray[np.int64]:
    """Counts (labels, labels): row the true label, column the one read."""
    matrix = np.zeros((labels, labels), np.int64)
    np.add.at(matrix, (truth, read), 1)
    return matrix


def count_all(reader: Reader, pictures: Pictures) -> Counts:
    """The counts of every feature."""
    read = reader.read(pictures.images)
    return {f: count(pictures.attributes[:, k], read[f].argmax(axis=1), len(LABELS[f])) for k, f in enumerate(LABELS)}


def confusion(counts: Counts, source: str) -> dict[str, dict[str, object]]:
    """Rows as shares P(read | true), with the number of pictures behind each."""
    return {
        feature: {
            "labels": list(LABELS[feature]),
            "matrix": (matrix / matrix.sum(axis=1, keepdims=True).clip(min=1)).round(6).tolist(),
            "counts": matrix.sum(axis=1).tolist(),
            "source": source,
        }
        for feature, matrix in counts.items()
    }


def accuracy(matrix: NDArray[np.int64]) -> float:
    return float(np.trace(matrix) / matrix.sum())


def markdown(plain: Counts, damaged: Counts, by_occupation: str) -> str:
    """The tables of the card."""
    accuracies = [[f, f"{accuracy(plain[f]):.1%}", f"{accuracy(damaged[f]):.1%}"] for f in LABELS]
    parts = [table(["feature", "held-out drawings", "the same, distorted"], accuracies)]
    for feature in ("gender", "skin-tone"):
        parts.append(f"{feature.capitalize()} of the distorted pictures (row true, column read, counts):")
        rows = zip(LABELS[feature], damaged[feature].tolist(), strict=True)
        parts.append(table(["", *LABELS[feature]], [[label, *row] for label, row in rows]))
    return "\n\n".join([*parts, "Gender by occupation, read right:", by_occupation])


def gender_by_occupation(reader: Reader, plain: Pictures, damaged: Pictures) -> str:
    """A table of how often the gender is read right, an occupation a row."""
    right = [
        reader.read(pictures.images)["gender"].argmax(axis=1) == pictures.attributes[:, 1]
        for pictures in (plain, damaged)
    ]
    rows = []
    for k, name in enumerate(LABELS["occupation"]):
        here = [hits[p.attributes[:, 0] == k] for hits, p in zip(right, (plain, damaged), strict=True)]
        if len(here[0]):
            rows.append([name, f"{here[0].mean():.1%}", f"{here[1].mean():.1%}", len(here[0]) // 8])
    return table(["occupation", "plain", "distorted", "drawings"], rows)


def measure(model: Path, out: Path, every: int, copies: int) -> None:
    """Read the pictures, print the accuracies, write confusion.json and the card's tables in `out`."""
    reader = Reader(model)
    pictures = held_out_pictures(load_world(), every)
    worse = distorted(pictures, copies)
    plain, damaged = count_all(reader, pictures), count_all(reader, worse)
    tables = markdown(plain, damaged, gender_by_occupation(reader, pictures, worse))
    print(tables)
    source = f"{len(pictures.images) // 8} held-out drawings on 8 backgrounds, each distorted {copies} times"
    (out / "confusion.json").write_text(json.dumps(confusion(damaged, source)) + "\n")
    write_measured(out / "README.md", tables)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=ASSET, help="folder of the model")
    parser.add_argument("--out", type=Path, default=ASSET, help="folder of confusion.json and the card")
    parser.add_argument("--copies", type=int, default=8, help="distorted copies of each picture")
    parser.add_argument("--quick", action="store_true", help="a few pictures, nothing kept")
    options = parser.parse_args()
    start = time.perf_counter()
    if options.quick:
        with tempfile.TemporaryDirectory() as name:
            measure(options.model, Path(name), every=9, copies=1)
    else:
        measure(options.model, options.out, every=1, copies=options.copies)
    print(f"done in {(time.perf_counter() - start) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
