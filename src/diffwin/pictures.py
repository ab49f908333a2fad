"""Pictures beside the ledger: one PNG a sample, named by numbers alone, never by the prompt's words.

Each base has a folder of its own, for a folder of a million files is slow to list, to copy and to delete.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from diffwin.trials import Trial


def picture_path(trial: Trial) -> str:
    """Path of a sample's picture in the run folder; level 0 is the base."""
    folder = hashlib.blake2b(trial.prompt.encode(), digest_size=6).hexdigest()
    return f"images/{folder}/base{trial.base:04d}/level{trial.level:04d}-repeat{trial.repeat:03d}.png"


def save_pictures(folder: Path, trials: Sequence[Trial], pictures: NDArray[np.uint8]) -> list[str]:
    """Write uint8 RGB pictures (n, h, w, 3) as PNG; returns their paths relative to the run folder."""
    paths = [picture_path(trial) for trial in trials]
    for path, picture in zip(paths, pictures, strict=True):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(folder / path, compress_level=1)
    return paths


def load_pictures(folder: Path, paths: Sequence[str]) -> NDArray[np.uint8]:
    """Read pictures of one size back, shape (n, h, w, 3)."""
    return np.stack([np.asarray(Image.open(folder / path).convert("RGB")) for path in paths])
