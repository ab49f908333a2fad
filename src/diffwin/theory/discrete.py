"""The same questions for text: strings that are masked, and walks that are cut short.

Thresholds are those of `blink`, for one of two even halves within the whole. The axis of noise is the share of tokens
erased for a masked string, and the number of steps kept for a walk, of which fewer are more noise. What Li, Karan and
Chen (2025) print are their examples 3 and 5.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit
from scipy.stats import binom

from diffwin.levels import FloatArray
from diffwin.theory.blink import Thresholds


def masking_survival(erased: ArrayLike, distance: ArrayLike) -> FloatArray:
    """Two equally likely strings at a Hamming distance, each token erased with this probability: S = 1 - t^h / 2.

    Which string it was is lost only if all h tokens that differ are erased, and then half the regenerations err.
    """
    return np.asarray(1 - np.power(np.asarray(erased, np.float64), distance) / 2)


def masking_decision(distance: ArrayLike) -> FloatArray:
    """The erased share t at which half of what survives above chance is left, S = 3/4: 2^(-1/h)."""
    return np.asarray(np.power(2.0, -1 / np.asarray(distance, np.float64)))


def masking_thresholds(distance: int, eps: float) -> Thresholds:
    """T_before and T_after as shares erased, for eps in (0, 1/2).

    Total variation of the two is 1 - t^h, and of one from both half of it: (1 - 2 eps)^(1/h) and eps^(2/h).
    """
    return Thresholds(float((1 - 2 * eps) ** (1 / distance)), float(eps ** (2 / distance)))


def printed_masking_thresholds(distance: int, eps: float) -> Thresholds:
    """As printed: (1 - eps)^(1/h), which is sufficient, and eps^(2/h), which is exact."""
    return Thresholds(float((1 - eps) ** (1 / distance)), float(eps ** (2 / distance)))


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


def walk_thresholds(bias: float, eps: float) -> Thresholds:
    """T_before and T_after as steps kept: the most that hide the direction, the fewest that tell it."""
    before = _first(lambda kept: walk_total_variation(kept, bias) > 2 * eps) - 1
    return Thresholds(before, _first(lambda kept: walk_total_variation(kept, bias) >= 1 - eps**2))


def printed_walk_thresholds(bias: float, eps: float) -> Thresholds:
    """As printed, with Delta = bias / 2: eps^2 / Delta^2 - 2 and ln(2 / eps^2) / (2 Delta^2) steps kept.

    Printed for eps^2 below (1/2 - Delta) (1/2 + Delta) / 1000, and for walks that stop nowhere sooner than that.
    """
    delta = bias / 2
    return Thresholds(eps**2 / delta**2 - 2, float(np.log(2 / eps**2) / (2 * delta**2)))


def _first(holds: Callable[[int], bool]) -> int:
    """The least count that satisfies what every greater one does too."""
    high = 1
    while not holds(high):
        high *= 2
    return bisect_left(range(high), True, key=holds)
