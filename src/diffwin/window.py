"""Windows: where, on the noise axis, a feature is decided.

With s = (S - floor) / (1 - floor), read from noise to clean, the onset is where s rises through `EDGE` (0.25), the
decision where it passes 1/2, the end where it reaches 1 - EDGE. They are read off the two-component family where it
fits, off a monotone curve where it does not; intervals come from resampling bases.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
from scipy.special import ndtri

from diffwin import family
from diffwin.levels import EDGE, FloatArray, Grid
from diffwin.monotone import falls, rises
from diffwin.survival import Curve, Readings, t_quantile, widening
from diffwin.trials import ALL

CONFIDENCE = 0.95
FEWEST_BASES = 8
FEWEST_IN_GROUP = 5
FEWEST_OTHERS = 2
"""Bases outside the commonest label: the resamples of a single one say nothing of others like it."""
FIXED_FLOOR = 0.9
"""Fresh generations that agree this often leave nothing to decide: the prompt fixes the feature."""
MISFIT = 0.05
"""The family gives way to the monotone curve where so bad a fit would be rarer than this."""
NOTHING = 0.05
"""A normalised survival this close to 0 or 1 says nothing of where between two levels it rose."""
STOPPED = 1.1
"""How much wider intervals are that a run went on for until they were narrow enough. Measured: on other outcomes of the
designs that such runs end with, intervals are a tenth wider on average (experiments/replayed_designs.py)."""
VALUES = (EDGE, 0.5, 1 - EDGE)
NAMES = ("onset", "decision", "end")


class Status(StrEnum):
    """Every outcome that is not `found` comes with a reason and never with a decision point."""

    FOUND = "found"
    CENSORED = "censored"
    UNDECIDED = "undecided"
    NO_EFFECT = "no-effect"
    NOT_MONOTONE = "not-monotone"
    TOO_FEW = "too-few"


class Method(StrEnum):
    """How a window was read off its curve."""

    FAMILY = "family"
    MONOTONE = "monotone"


@dataclass(frozen=True)
class Point:
    """One crossing with its interval, on every axis a reader may use.

    `low` and `high` bound `log_snr`, `joint_low` and `joint_high` all points of the prompt at once; `step` counts the
    denoising steps done before it, `fraction` is step / N.
    """

    log_snr: float
    low: float
    high: float
    time: float
    step: float
    fraction: float
    joint_low: float | None = None
    joint_high: float | None = None


@dataclass(frozen=True)
class Window:
    """onset.log_snr < decision.log_snr < end.log_snr; a crossing outside the measured levels is None.

    `method` says off which curve it was read, `corrected` whether that was corrected for the probe's errors.
    """

    prompt: str
    feature: str
    group: str
    status: Status
    reason: str
    floor: float | None
    onset: Point | None = None
    decision: Point | None = None
    end: Point | None = None
    method: Method | None = None
    corrected: bool = False

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Located:
    """A window with the resamples behind it.

    bases: how many bases its curve rests on. draws: (1 + R, 3) onset, decision and end in the sample (row 0) and its
    resamples, NaN where a resample has no say; None unless the window is found. fits: the family that it was read off,
    None for the monotone curve.
    """

    window: Window
    bases: float
    draws: FloatArray | None = None
    fits: family.Fits | None = None

    @property
    def spread(self) -> FloatArray:
        """Standard error of onset, decision and end, (3,)."""
        assert self.draws is not None
        return np.asarray(np.nanstd(self.draws[1:], axis=0) * widening(self.bases))


def locate(curve: Curve, readings: Readings, grid: Grid, *, corrected: bool = False, stopped: bool = False) -> Located:
    """The window of one group, or the outcome that is not a window with its reason.

    `stopped` says that the run went on until such intervals were narrow enough: they are wider by `STOPPED`.
    """
    floor = float(curve.floor[0]) if curve.bases else None
    name = Window(readings.prompt, readings.feature, curve.group, Status.FOUND, "", floor, corrected=corrected)
    early = _without_fit(curve, readings)
    if early is not None:
        return Located(replace(name, status=early[0], reason=early[1]), curve.independent)
    shares = rises(curve, np.array([0])).at(curve.log_snr)[0]
    status, reason = _outcome(curve, readings, shares)
    name = replace(name, status=status, reason=reason)
    if status is not Status.FOUND:
        return Located(name, curve.independent)
    return _found(name, curve, shares, grid, STOPPED if stopped else 1.0)


def _without_fit(curve: Curve, readings: Readings) -> tuple[Status, str] | None:
    """Outcomes that need no curve."""
    fewest = FEWEST_BASES if curve.group == ALL else FEWEST_IN_GROUP
    if curve.bases < fewest:
        return Status.TOO_FEW, f"{curve.bases} bases with a label, and {fewest} are needed"
    floor = curve.floor[0]
    if floor >= FIXED_FLOOR:
        return Status.NO_EFFECT, f"fresh generations already agree in {floor:.0%} of pairs: the prompt fixes it"
    if curve.group == ALL and readings.one_hot.sum() - readings.one_hot.sum(axis=0).max() < FEWEST_OTHERS:
        return Status.TOO_FEW, "all bases but one have the same label, and one cannot show how it varies"
    seen = np.count_nonzero(readings.read[readings.members(curve.group)].any(axis=1))
    if seen < fewest:
        return Status.TOO_FEW, f"{seen} bases with a regeneration that could be read, and {fewest} are needed"
    return None


def _outcome(curve: Curve, readings: Readings, shares: FloatArray) -> tuple[Status, str]:
    """What a monotone curve (levels,) says of whether there is a window within the levels measured."""
    if drop := falls(readings, curve.group):
        return Status.NOT_MONOTONE, drop
    if shares[0] >= 0.5:
        return Status.CENSORED, (
            f"never erased: at the noisiest level (log-SNR {curve.log_snr[0]:.2f}) it still survives "
            f"{shares[0]:.0%} above chance"
        )
    if shares[-1] <= 0.5:
        return Status.UNDECIDED, (
            f"still open at the cleanest level measured (log-SNR {curve.log_snr[-1]:.2f}): it survives "
            f"{shares[-1]:.0%} above chance"
        )
    return Status.FOUND, f"survival rises from {max(shares[0], 0):.0%} to {min(shares[-1], 1):.0%} above chance"


def _found(name: Window, curve: Curve, shares: FloatArray, grid: Grid, spread: float) -> Located:
    """The window with its points, by the family if that fits and decides inside the levels measured; its resamples lie
    `spread` times as far from it as they do by themselves."""
    fits = family.fit(curve, fresh_counts(curve), _bends(name, len(curve.floor)))
    draws = fits.crossings(VALUES)
    inside = curve.log_snr[0] <= draws[0, 1] <= curve.log_snr[-1]
    if inside and fit_probability(curve, fits) >= MISFIT:
        method, kept = Method.FAMILY, fits
    else:
        method, kept = Method.MONOTONE, None
        draws = rises(curve, np.flatnonzero(curve.usable)).crossings(VALUES)
    draws = draws[0] + spread * (draws - draws[0])
    low, high = _student(draws, curve)
    low, high, narrow = _widened(curve.log_snr, shares, low, high)
    points = [_point(at, low[k], high[k], curve.log_snr, grid) for k, at in enumerate(draws[0])]
    unlike = [] if kept else ["the two-component curve does not fit, so it is read off a monotone one"]
    reason = "; ".join([name.reason, *unlike, *narrow, *_outside(points)])
    onset, decision, end = points
    window = replace(name, reason=reason, method=method, onset=onset, decision=decision, end=end)
    everywhere = np.full((len(curve.usable), 3), np.nan)
    everywhere[curve.usable] = draws
    return Located(window, curve.independent, everywhere, kept)


def _bends(name: Window, rows: int) -> FloatArray:
    """Prior means of atanh(bend) (rows,), 0 for the sample: of their own for each group of each feature, whose shapes
    are not known to go together, and the same whenever the window is located anew."""
    told = f"{len(name.prompt)}|{name.prompt}|{len(name.feature)}|{name.feature}|{name.group}"
    seed = int.from_bytes(hashlib.blake2b(told.encode(), digest_size=8).digest())
    drawn = family.BENT * np.random.Generator(np.random.Philox(seed)).standard_normal(rows)
    drawn[0] = 0.0
    return np.asarray(drawn)


def fresh_counts(curve: Curve) -> float:
    """How many counts the fresh generations' floor is worth: floor (1 - floor) / its variance over the resamples."""
    floor = float(np.clip(curve.floor[0], 0.01, 0.99))
    variance = float(curve.floor[curve.usable][1:].var() * widening(curve.bases) ** 2)
    return float(np.clip(floor * (1 - floor) / max(variance, 1e-12), 1.0, 1e4))


def fit_probability(curve: Curve, fits: family.Fits) -> float:
    """How often the family's own resamples miss by as much as the family misses the sample, in (0, 1].

    The misfit is the mean over levels of (S_l - fit_l)^2 / variance_l; a resample's is taken about the sample's, so
    that it varies by chance alone, at the levels that it has. A level that rests on too few bases is left out: they do
    not say how much others would differ. The variance is kept above that of independent counts, lest a level that
    happened not to vary outweigh all others; that weighs levels and makes no interval.
    """
    judged = curve.behind >= FEWEST_IN_GROUP
    survival, fitted = curve.survival[curve.usable][:, judged], fits.survival[:, judged]
    if not judged.any():
        return 1.0
    least = np.clip(fitted[0] * (1 - fitted[0]), 0.01, None) / curve.trials[0, judged]
    widened = curve.behind[judged] / (curve.behind[judged] - 1)
    variance = np.maximum(np.nanvar(survival[1:], axis=0) * widened, least)
    missed = survival - fitted
    found = (missed[0] ** 2 / variance).mean()
    by_chance = np.ma.masked_invalid((missed[1:] - missed[0]) ** 2 * widened / variance).mean(axis=1).filled(0.0)
    return float((1 + np.count_nonzero(by_chance >= found)) / (1 + len(by_chance)))


def _student(draws: FloatArray, curve: Curve) -> tuple[FloatArray, FloatArray]:
    """Student's interval (2, 3) of the first row, wider on a side where the resamples reach farther than they spread.

    Few bases give skewed estimates, for which either alone covers less (docs/coverage.md).
    """
    tail = (1 - CONFIDENCE) / 2
    spread = draws[1:].std(axis=0)
    down, up = np.quantile(draws[1:], [tail, 1 - tail], axis=0) - draws[0]
    reach, normal = float(t_quantile(CONFIDENCE, curve.independent)) * curve.spread, float(-ndtri(tail))
    return draws[0] - reach * np.maximum(spread, -down / normal), draws[0] + reach * np.maximum(spread, up / normal)


def _widened(
    axis: FloatArray, shares: FloatArray, low: FloatArray, high: FloatArray
) -> tuple[FloatArray, FloatArray, list[str]]:
    """Intervals reach both neighbouring levels where the whole rise lies between them: nothing was measured inside.

    `shares` (levels,) is the monotone curve, which then steps from below NOTHING to above 1 - NOTHING.
    """
    left = int(np.searchsorted(shares, 0.5)) - 1
    if shares[left] > NOTHING or shares[left + 1] < 1 - NOTHING:
        return low, high, []
    words = "narrower than the levels measured: it lies between two of them"
    return np.minimum(low, axis[left]), np.maximum(high, axis[left + 1]), [words]


def _point(at: float, low: float, high: float, axis: FloatArray, grid: Grid) -> Point | None:
    """A crossing on every axis, or None outside the levels measured."""
    if not axis[0] < at < axis[-1]:
        return None
    step = grid.top - grid.level_at(at)
    return Point(float(at), float(low), float(high), grid.time_at(at), step, step / grid.top)


def _outside(points: list[Point | None]) -> list[str]:
    """Which edges lie outside the measured levels."""
    words = []
    if points[0] is None:
        words.append("the onset lies beyond the noisiest level measured")
    if points[2] is None:
        words.append("the end lies beyond the cleanest level measured")
    return words
