"""How sharp a picture is."""

from __future__ import annotations

import numpy as np

from diffwin.levels import FloatArray
from diffwin.probes.likeness import Pixels

_GREY = np.array([0.299, 0.587, 0.114])


def sharpness(pictures: Pixels) -> FloatArray:
    """Mean absolute Laplacian of the luminance of uint8 RGB pictures (n, h, w, 3), (n,): how much of each is edges."""
    grey = pictures @ _GREY / 255
    inner = grey[:, 1:-1, 1:-1]
    around = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:]
    return np.asarray(np.abs(around - 4 * inner).mean(axis=(1, 2)))
