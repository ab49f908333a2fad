"""How alike two pictures are: pixel by pixel, and in features of which small shifts and hues change little.

Two distances are made one by a ruler, by which pictures are called the same or not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diffwin.levels import FloatArray

Pixels = NDArray[np.uint8]
Bools = NDArray[np.bool_]

_BLOCK = 64
SIDE = 16
"""The structure space looks at pictures of at most so many pixels a side."""


@dataclass(frozen=True, eq=False)
class Space:
    """`embed` maps uint8 RGB (n, h, w, 3) to unit vectors (n, d); a distance is 1 less their cosine.

    `model` and `pretrained` name a CLIP model as a probe's definition does; None for a space that needs none.
    `embed_texts` maps texts into the same space, where the space has a place for them.
    """

    name: str
    embed: Callable[[Pixels], FloatArray]
    model: str | None = None
    pretrained: str | None = None
    embed_texts: Callable[[Sequence[str]], FloatArray] | None = None


def structure(pictures: Pixels) -> FloatArray:
    """Pictures averaged to SIDE pixels a side, less their mean, as unit vectors: cosines are correlations."""
    tall, wide = (max(1, -(-size // SIDE)) for size in pictures.shape[1:3])
    kept = pictures[:, : pictures.shape[1] // tall * tall, : pictures.shape[2] // wide * wide].astype(np.float64)
    blocks = kept.reshape(len(kept), kept.shape[1] // tall, tall, kept.shape[2] // wide, wide, 3).mean(axis=(2, 4))
    flat = blocks.reshape(len(kept), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    return np.asarray(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12))


def pixel_distance(pictures: Pixels, others: Pixels) -> FloatArray:
    """(n,) root mean square difference of pictures (n, h, w, 3), pair by pair, as a share of the range of a pixel."""
    apart = pictures.astype(np.float32) - others.astype(np.float32)
    return np.asarray(np.sqrt(np.square(apart).mean(axis=(1, 2, 3), dtype=np.float64)) / 255)


def pixel_distances(pictures: Pixels, others: Pixels) -> FloatArray:
    """(n, m) the same of every pair."""
    blocks = [others[at : at + _BLOCK] for at in range(0, len(others), _BLOCK)]
    rows = [[pixel_distance(block, picture[None]) for block in blocks] for picture in pictures]
    return np.array([np.concatenate(row) for row in rows]).reshape(len(pictures), len(others))


@dataclass(frozen=True, eq=False)
class Ruler:
    """Distances in two spaces made one: the larger of the two, each in units of its usual value between strangers.

    threshold: at or below it, two pictures are the same; false_rate: the share of strangers that pass at most; chances:
    how many regenerations of non-members it was set on.
    """

    pixel: float
    feature: float
    threshold: float
    false_rate: float
    chances: int

    def joint(self, pixel: FloatArray, feature: FloatArray) -> FloatArray:
        """The larger of both distances, each in its unit."""
        return np.asarray(np.maximum(pixel / self.pixel, feature / self.feature))

    def same(self, pixel: FloatArray, feature: FloatArray) -> Bools:
        return np.asarray(self.joint(pixel, feature) <= self.threshold)
