"""MNIST as Biroli et al. (2024) took it: the first 5,000 training pictures each of the digits 1 and 8.

Their code keeps pictures in the order of the file until it has so many of each digit, pads them to 32 x 32 (which adds
pixels that never vary) and subtracts one mean grey; pixels are in [0, 1] and not standardised.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from idx_data import Labelled, read_original

DIGITS = {1: "one", 8: "eight"}
EACH = 5000


CLASSES = tuple(DIGITS.values())


def read_pair(folder: Path, part: str = "train", each: int = EACH) -> Labelled:
    """The 10,000 pictures, or those of another part, from a folder that holds the four original files of MNIST."""
    return read_original(folder, part).first(tuple(DIGITS), each)


def names(labels: NDArray[np.int64]) -> NDArray[np.str_]:
    """The words for some digits."""
    return np.array([DIGITS[int(label)] for label in labels])
