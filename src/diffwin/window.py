"""Windows: where, on the noise axis, a feature is decided.

With s = (S - floor) / (1 - floor), read from noise to clean, the onset is where s rises through `edge` (0.25), the
decision where it passes 1/2, the end where it reaches 1 - edge. The curve is made monotone first (isotonic regression,
Barlow et al. 1972); intervals come from resampling bases.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from scipy import stats

from diffwin.levels import FloatArray, Grid
from diffwin.survival import ALL, Group, resample

EDGE = 0.25
CONFIDENCE = 0.95
RESAMPLES = 1000
FEWEST_BASES = 8
FEWEST_IN_GROUP = 5
FIXED_FLOOR = 0.9
"""Fresh generations that agree this often leave nothing to decide: the prompt fixes the feature."""


class Status(StrEnum):
    """Every outcome that is not `found` comes with a reason and never with a decision point."""

    FOUND = "found"
    CENSORED = "censored"
    UNDECIDED = "undecided"
    NO_EFFECT = "no-effect"
    NOT_MONOTONE = "not-monotone"
    TOO_FEW = "too-few"


@dataclass(frozen=True)
class Point:
    """One crossing with its interval, on every axis a reader may use.

    `low` and `high` bound `log_snr`; `step` counts the denoising steps done before it, `fraction` is step / N.
    """

    log_snr: float
    low: float
    high: float
    time: float
    step: float
    fraction: float


@dataclass(frozen=True)
class Window:
    """onset.log_snr < decision.log_snr < end.log_snr; a crossing outside the measured levels is None."""

    prompt: str
    feature: str
    group: str
    status: Status
    reason: str
    floor: float | None
    onset: Point | None = None
    decision: Point | None = None
    end: Point | None = None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def isotonic(curves: FloatArray, weights: FloatArray) -> FloatArray:
    """Least-squares non-decreasing fit of each row of `curves` (resamples, levels); weights (levels,).

    By the min-max formula, fit_k = max_{i <= k} min_{j >= k} mean(i..j), which takes every row at once.
    """
    levels = curves.shape[1]
    zero = np.zeros((len(curves), 1))
    sums = np.concatenate([zero, np.cumsum(curves * weights, axis=1)], axis=1)
    mass = np.concatenate([[0.0], np.cumsum(weights)])
    i, j = np.arange(levels), np.arange(levels)
    with np.errstate(divide="ignore", invalid="ignore"):
        means = (sums[:, None, 1:] - sums[:, :-1, None]) / (mass[None, None, 1:] - mass[None, :-1, None])
    means = np.where(j[None, None, :] >= i[None, :, None], means, np.inf)
    least = np.minimum.accumulate(means[:, :, ::-1], axis=2)[:, :, ::-1]  # min over j >= k, for each i
    least = np.where(j[None, None, :] >= i[None, :, None], least, -np.inf)
    return np.asarray(least.max(axis=1))


def crossings(axis: FloatArray, curves: FloatArray, value: float) -> FloatArray:
    """Where each non-decreasing row of `curves` (resamples, levels) first reaches `value` on the ascending `axis`.

    -inf where the row starts at or above it, +inf where it never gets there; linear between levels.
    """
    reached = curves >= value
    first = np.where(reached.any(axis=1), reached.argmax(axis=1), curves.shape[1])
    inside = (first > 0) & (first < curves.shape[1])
    right = np.where(inside, first, 1 if curves.shape[1] > 1 else 0)
    left = np.maximum(right - 1, 0)
    rows = np.arange(len(curves))
    low, high = curves[rows, left], curves[rows, right]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(high > low, (value - low) / (high - low), 0.0)
    found = axis[left] + share * (axis[right] - axis[left])
    return np.where(inside, found, np.where(first == 0, -np.inf, np.inf))


def locate(group: Group, grid: Grid, *, seed: int = 0) -> Window:
    """The window of one group, or the outcome that is not a window with its reason."""
    readings = group.readings
    name = (readings.prompt, readings.feature, group.group)
    floor = float(group.floor(group.ones)[0]) if group.size else None
    early = _without_fit(group, floor)
    if early is not None:
        return Window(*name, *early, floor=floor)
    fits = _Fits.of(group, seed)
    status, reason = fits.outcome()
    if status is not Status.FOUND:
        return Window(*name, status, reason, floor)
    points = [fits.point(value, grid) for value in (EDGE, 0.5, 1 - EDGE)]
    return Window(*name, status, _found_reason(fits, points), floor, *points)


def _without_fit(group: Group, floor: float | None) -> tuple[Status, str] | None:
    """Outcomes that need no curve."""
    fewest = FEWEST_BASES if group.group == ALL else FEWEST_IN_GROUP
    if group.size < fewest or floor is None:
        return Status.TOO_FEW, f"{group.size} bases with a label, and {fewest} are needed"
    if floor >= FIXED_FLOOR:
        return Status.NO_EFFECT, f"fresh generations already agree in {floor:.0%} of pairs: the prompt fixes it"
    if np.any(group.trials == 0):
        return Status.TOO_FEW, "a level has no regeneration that could be read"
    return None


@dataclass(frozen=True, eq=False)
class _Fits:
    """Normalised monotone curves on ascending log-SNR: row 0 of the sample, the others of its resamples."""

    axis: FloatArray
    fits: FloatArray
    drop: str

    @classmethod
    def of(cls, group: Group, seed: int) -> _Fits:
        weights = np.concatenate([group.ones, resample(group.ones.shape[1], RESAMPLES, seed)])
        curves, floors = group.curve(weights), group.floor(weights)
        # a resample may hold no base of this group, or one label only: it says nothing
        usable = np.isfinite(curves).all(axis=1) & np.isfinite(floors) & (floors < 1)
        shares = (curves[usable] - floors[usable, None]) / (1 - floors[usable, None])
        ascending = slice(None, None, -1)
        axis = group.readings.log_snr[ascending]
        return cls(axis, isotonic(shares[:, ascending], group.trials[ascending].astype(float)), _falls(group))

    def outcome(self) -> tuple[Status, str]:
        noisiest, cleanest = self.fits[0, 0], self.fits[0, -1]
        if self.drop:
            return Status.NOT_MONOTONE, self.drop
        if noisiest >= 0.5:
            return Status.CENSORED, (
                f"never erased: at the noisiest level (log-SNR {self.axis[0]:.2f}) it still survives "
                f"{noisiest:.0%} above chance"
            )
        if cleanest < 0.5:
            return Status.UNDECIDED, (
                f"still open at the cleanest level measured (log-SNR {self.axis[-1]:.2f}): it survives "
                f"{cleanest:.0%} above chance"
            )
        return Status.FOUND, ""

    def point(self, value: float, grid: Grid) -> Point | None:
        """The crossing with its percentile interval, which is cut at the measured levels."""
        found = crossings(self.axis, self.fits, value)
        if not np.isfinite(found[0]):
            return None
        tails = (1 - CONFIDENCE) / 2
        low, high = np.quantile(np.clip(found, self.axis[0], self.axis[-1]), [tails, 1 - tails])
        at = float(found[0])
        step = grid.top - grid.level_at(at)
        return Point(at, float(low), float(high), grid.time_at(at), step, step / grid.top)


def _falls(group: Group, significance: float = 0.01) -> str:
    """A sentence if survival falls from a noisier level to a cleaner one by more than chance allows, else ''.

    Paired t-tests over bases of every pair of levels, Bonferroni-corrected, for falls above a tenth.
    """
    readings, members = group.readings, group.members
    with np.errstate(invalid="ignore"):
        shares = readings.survived[members] / readings.read[members]
    pairs = [(i, j) for i in range(len(readings.levels)) for j in range(i + 1, len(readings.levels))]
    for clean, noisy in pairs:
        fall = shares[:, noisy] - shares[:, clean]
        fall = fall[np.isfinite(fall)]
        error = fall.std(ddof=1) / np.sqrt(len(fall)) if len(fall) > 1 else np.inf
        if (
            fall.size
            and fall.mean() > 0.1
            and fall.mean() > error * stats.t.isf(significance / len(pairs), len(fall) - 1)
        ):
            return (
                f"survival falls by {fall.mean():.0%} from log-SNR {readings.log_snr[noisy]:.2f} "
                f"to the cleaner {readings.log_snr[clean]:.2f}"
            )
    return ""


def _found_reason(fits: _Fits, points: list[Point | None]) -> str:
    """What was seen, and which edges lie outside the measured levels."""
    words = [f"survival rises from {fits.fits[0, 0]:.0%} to {fits.fits[0, -1]:.0%} above chance"]
    if points[0] is None:
        words.append("the onset lies beyond the noisiest level measured")
    if points[2] is None:
        words.append("the end lies beyond the cleanest level measured")
    return "; ".join(words)
