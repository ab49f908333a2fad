"""The same questions for text: strings that are masked, and walks that are cut short."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit
from scipy.stats import binom

from diffwin.levels import FloatArray


def masking_survival(erased: ArrayLike, distance: ArrayLike) -> FloatArray:
    """Two equally likely strings at a Hamming distance, each token erased with this probability: S = 1 - t^h / 2.

    Which string it was is lost only if all h tokens that differ are erased, and then half the regenerations err.
    """
    return np.asarray(1 - np.power(np.asarray(erased, np.float64), distance) / 2)


def masking_decision(distance: ArrayLike) -> FloatArray:
    """The erased share t at which half of what survives above chance is left, S = 3/4: 2^(-1/h)."""
    return np.asarray(np.power(2.0, -1 / np.asarray(distance, np.float64)))


def walk_survival(kept: int, bias: float) -> float:
    """Survival of the direction of a biased random walk of which the first `kept` steps are kept.

    The walk draws a direction with a fair coin, then each step goes that way with probability (1 + bias) / 2, as a
    language model that leans to one of two answers (the setting of Li, Karan & Chen 2025). Exact, over the binomial
    number of steps the right way; many steps of a small bias tend to a pair at D = 2 bias sqrt(kept).
    """
    right = np.arange(kept + 1)
    log_odds = (2 * right - kept) * 2 * np.arctanh(bias)
    return float(binom.pmf(right, kept, (1 + bias) / 2) @ expit(log_odds))


def walk_total_variation(kept: int, bias: float) -> float:
    """Total variation between the first `kept` steps of walks of either direction, exactly."""
    right = np.arange(kept + 1)
    apart = binom.pmf(right, kept, (1 + bias) / 2) - binom.pmf(right, kept, (1 - bias) / 2)
    return float(np.abs(apart).sum() / 2)
