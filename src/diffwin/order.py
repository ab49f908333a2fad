"""What is decided before what: simultaneous intervals of all points of a prompt, and the order of its features.

All features of a prompt are read in the same bases, so one set of resamples moves them together; the largest
studentised deviation over everything at once (max-T, Westfall and Young 1993) gives intervals that hold jointly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri, stdtr

from diffwin.levels import FloatArray
from diffwin.survival import t_quantile, widening
from diffwin.trials import ALL
from diffwin.window import CONFIDENCE, NAMES, Located, Window

NORMAL = float(ndtri(0.5 + CONFIDENCE / 2))
"""What one interval reaches in standard errors when there are many bases."""


@dataclass(frozen=True)
class Pair:
    """Whether feature `first` is decided before `second` (at lower log-SNR, earlier in the generation).

    `probability` that it is; `difference` = decision of `second` - decision of `first` in log-SNR with an interval
    that holds for all pairs of the prompt at once; `settled` where that excludes zero.
    """

    prompt: str
    first: str
    second: str
    probability: float
    difference: float
    low: float
    high: float
    settled: bool


def order(located: Sequence[Located]) -> list[Pair]:
    """Every ordered pair of found features of one prompt, from windows of all bases together."""
    found = [each for each in located if each.draws is not None and each.window.group == ALL]
    pairs = [(a, b) for a in found for b in found if a is not b]
    if not pairs:
        return []
    draws = np.stack([_decisions(b) - _decisions(a) for a, b in pairs], axis=1)
    bases = min(each.bases for each in found)
    spread, reach = joint(draws, bases)
    reach *= float(t_quantile(CONFIDENCE, bases)) / NORMAL
    made = []
    for k, (a, b) in enumerate(pairs):
        gap, error = float(draws[0, k]), float(spread[k])
        low, high = gap - reach * error, gap + reach * error
        chance = float(stdtr(bases - 1, gap / error)) if error > 0 else float(np.heaviside(gap, 0.5))
        names = (a.window.prompt, a.window.feature, b.window.feature)
        made.append(Pair(*names, chance, gap, low, high, bool(low > 0 or high < 0)))
    return made


def with_joint_intervals(located: Sequence[Located]) -> list[Window]:
    """The windows of one prompt, their points with intervals that hold for all of them at once."""
    found = [each for each in located if each.draws is not None]
    if not found:
        return [each.window for each in located]
    draws = np.concatenate([each.draws for each in found if each.draws is not None], axis=1)
    _, reach = joint(draws, max(each.bases for each in found))
    return [each.window if each.draws is None else _with_joint(each, reach) for each in located]


def _with_joint(located: Located, reach: float) -> Window:
    """Points with `reach` standard errors to both sides, and never less than their own interval."""
    points = {}
    for name, error in zip(NAMES, located.spread, strict=True):
        point = getattr(located.window, name)
        if point is not None:
            heavy = float(t_quantile(CONFIDENCE, located.bases)) / NORMAL
            low = min(point.low, point.log_snr - reach * heavy * float(error))
            high = max(point.high, point.log_snr + reach * heavy * float(error))
            points[name] = replace(point, joint_low=low, joint_high=high)
    return replace(located.window, **points)


def joint(draws: FloatArray, bases: FloatArray | float) -> tuple[FloatArray, float]:
    """Standard error of each column of (1 + R, columns), and how many of them hold for all columns at once.

    `bases` is how many bases the columns rest on, one number or (columns,).
    """
    spread = np.nanstd(draws[1:], axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        studentised = np.abs(draws[1:] - draws[0]) / spread
    largest = np.nanmax(np.where(np.isfinite(studentised), studentised, 0.0), axis=1)
    return spread * widening(bases), max(float(np.quantile(largest, CONFIDENCE)), NORMAL)


def _decisions(located: Located) -> FloatArray:
    assert located.draws is not None
    return located.draws[:, 1]
