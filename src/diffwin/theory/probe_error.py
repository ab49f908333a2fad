"""What a probe that errs sees of a survival curve."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from diffwin.levels import FloatArray


def observed_survival(survival: ArrayLike, error: ArrayLike) -> FloatArray:
    """2 e (1 - e) + (1 - 2e)^2 S: two labels, each image misread with probability e whatever its label."""
    e = np.asarray(error, np.float64)
    return np.asarray(2 * e * (1 - e) + probe_slope(e) * np.asarray(survival, np.float64))


def probe_slope(error: ArrayLike) -> FloatArray:
    """How much of a rise in survival such a probe sees: (1 - 2e)^2."""
    return np.asarray((1 - 2 * np.asarray(error, np.float64)) ** 2)
