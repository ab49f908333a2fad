"""Labelled grey pictures in the IDX files of MNIST and of the sets that took over its format."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

GZIP = b"\x1f\x8b"


class Labelled(NamedTuple):
    """`images` uint8 (n, 28, 28) and `labels` int64 (n,), indices of the classes."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def first(self, labels: tuple[int, ...], each: int) -> Labelled:
        """The first `each` pictures of some labels, in the order of the file."""
        rows = np.sort(np.concatenate([np.flatnonzero(self.labels == label)[:each] for label in labels]))
        return Labelled(self.images[rows], self.labels[rows])


def read_idx(path: Path) -> NDArray[np.uint8]:
    """An array of bytes in the IDX format: two zero bytes, type 8, the number of axes, their big-endian lengths."""
    raw = path.read_bytes()
    raw = gzip.decompress(raw) if raw.startswith(GZIP) else raw
    axes = raw[3]
    shape = np.frombuffer(raw, ">u4", axes, offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * axes).reshape(shape)


def read_original(folder: Path, part: str) -> Labelled:
    """The `train` (60,000 pictures) or `t10k` (10,000) part of the four original files in `folder`, packed or not."""

    def read(name: str) -> NDArray[np.uint8]:
        plain = folder / f"{part}-{name}-ubyte"
        return read_idx(plain if plain.exists() else plain.with_name(f"{plain.name}.gz"))

    return Labelled(read("images-idx3"), read("labels-idx1").astype(np.int64))
