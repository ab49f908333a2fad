"""The background's colour: what most of a picture's border looks like, by name.

sRGB (IEC 61966-2-1) to CIELAB with white point D65; differences are Euclidean in CIELAB (CIE 1976), where about
2.3 is just noticeable.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from diffwin.probes.defined import DefinedProbe, softmax
from diffwin.probes.definition import Definition

BORDER: Final = 1 / 16
"""Width of the border, as a share of the shorter side."""
PIXELS: Final = 256
"""Border pixels looked at, evenly spaced along the border."""
ALIKE: Final = 10.0
"""Pixels this close in CIELAB count as one colour."""
SOFTNESS: Final = 10.0
"""Difference in CIELAB that divides the odds of a name by e."""

_TO_XYZ: Final = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)

Floats = NDArray[np.float64]


class ColourProbe(DefinedProbe):
    """Softmax over named colours of the difference to the border's dominant colour."""

    def __init__(self, definition: Definition) -> None:
        super().__init__(definition)
        codes = [label.rgb for label in definition.labels if label.rgb]
        self._named = to_lab(np.array([list(bytes.fromhex(code[1:])) for code in codes], np.uint8))

    def probabilities(self, pictures: NDArray[np.uint8]) -> Floats:
        dominant = np.stack([dominant_colour(lab) for lab in to_lab(border_pixels(pictures))])
        difference = np.linalg.norm(dominant[:, None] - self._named[None], axis=-1)
        return softmax(-difference / SOFTNESS)


def border_pixels(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """At most PIXELS pixels (n, p, 3), evenly spaced over the borders of pictures (n, h, w, 3)."""
    height, width = pictures.shape[1:3]
    depth = max(1, round(BORDER * min(height, width)))
    rows, columns = np.ogrid[:height, :width]
    nearest = np.minimum(np.minimum(rows, height - 1 - rows), np.minimum(columns, width - 1 - columns))
    row, column = np.nonzero(nearest < depth)
    chosen = np.linspace(0, len(row) - 1, min(PIXELS, len(row))).round().astype(int)
    return pictures[:, row[chosen], column[chosen]]


def dominant_colour(lab: Floats) -> Floats:
    """The mean of the pixels like the one that most pixels are like: (p, 3) to (3,).

    A mean or median over all would mix the background with shoulders that reach the border.
    """
    alike = cdist(lab, lab, "sqeuclidean") <= ALIKE**2
    return np.asarray(lab[alike[alike.sum(axis=1).argmax()]].mean(axis=0))


def to_lab(rgb: NDArray[np.uint8]) -> Floats:
    """sRGB (..., 3) in 0..255 to CIELAB (..., 3): L* in 0..100, a* and b*."""
    value = rgb.astype(np.float64) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    xyz = linear @ _TO_XYZ.T / _TO_XYZ.sum(axis=1)  # white is (1, 1, 1)
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)
