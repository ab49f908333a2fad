"""The switch test: what another prompt does to an attribute's share, by where on the way it acts.

The effect of an arm on a label is the mean over bases of 1[label after] - 1[label before], each picture beside its own
untouched twin from the same noise. Intervals come from resampling bases, the same resamples for every arm, and hold for
a whole family of numbers at once (max-T, Westfall and Young 1993, as in `order.joint`).

An effect is a difference of two shares, and both are read by one probe. With its matrix M = P(read | true) the true
shares are q M^-1 of those read (Rogan and Gladen 1978), so the corrected effect on label k is the mean over bases of
B[label after] - B[label before] with B the column k of M^-1. It needs the errors to be as they were measured, but not
to be independent of what was read before. Each resample of bases goes with a matrix drawn from what is known of M.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffwin.correction import Correction
from diffwin.intervene.intervals import Design, Place
from diffwin.levels import FloatArray
from diffwin.order import NORMAL, joint
from diffwin.survival import RESAMPLES, resample, t_quantile
from diffwin.window import CONFIDENCE, FEWEST_BASES

Ints = NDArray[np.int64]


class Verdict(StrEnum):
    """What the switch test says of a window."""

    CONFIRMED = "confirmed"
    NOT_CONFIRMED = "not confirmed"
    NO_ROOM = "no room"
    TOO_FEW = "too few"


@dataclass(frozen=True)
class Measured:
    """A number with the interval that holds for its whole family at once."""

    value: float
    low: float
    high: float

    def above(self, other: Measured) -> bool:
        """Whether the intervals are apart, this one above."""
        return self.low > other.high

    def within(self, least: float, most: float) -> Measured:
        """The same with the interval held inside what the number can be."""
        return Measured(self.value, max(self.low, least), min(self.high, most))


@dataclass(frozen=True, eq=False)
class Twins:
    """The readings of one attribute's feature: before (bases,), after (arms, bases); -1 where a label is missing.

    Arms stand in the order of `Design.spans`; those that slide may lack the later bases.
    """

    label: int
    before: Ints
    after: Ints

    @property
    def moved(self) -> FloatArray:
        """1[label after] - 1[label before], (arms, bases); NaN where either is missing."""
        return self.moved_to(self.label)

    def moved_to(self, label: int) -> FloatArray:
        """The same of any label."""
        told = (self.after >= 0) & (self.before >= 0)
        return np.where(told, (self.after == label).astype(float) - (self.before == label), np.nan)

    @property
    def bases(self) -> Ints:
        """How many bases each arm rests on, (arms,)."""
        return np.asarray(np.isfinite(self.moved).sum(axis=1), np.int64)


@dataclass(frozen=True, eq=False)
class SwitchTest:
    """One attribute. effects: of every interval of the design that slides; compared: of those that are compared.

    window and throughout: of acting in the whole window, and at all steps. inside: the effect about the decision.
    outside: the mean of the equal intervals outside. gaps: inside less the mean of those on each side there is.
    corrected: the same without the probe's errors, where they are known and can be undone.
    """

    design: Design
    effects: tuple[Measured, ...]
    compared: tuple[Measured, ...]
    window: Measured
    throughout: Measured
    inside: Measured
    outside: Measured | None
    gaps: dict[Place, Measured]
    bases: int
    verdict: Verdict
    corrected: SwitchTest | None = None

    @property
    def apart(self) -> bool:
        """Whether the intervals of inside and outside do not touch, inside above."""
        return self.outside is not None and self.inside.above(self.outside)


def switch_tests(
    twins: Sequence[Twins],
    designs: Sequence[Design],
    corrections: Sequence[Correction | None] | None = None,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> list[SwitchTest]:
    """The switch tests of several attributes, generated from the same bases; each corrected by its `corrections`.

    The effects of all attributes are one family of intervals, what verdicts rest on is another, and corrected numbers
    are families of their own.
    """
    if not twins:
        return []
    bases = len(twins[0].before)
    weights = np.concatenate([np.ones((1, bases)), resample(bases, resamples, seed)])
    raw = _judged([means(each.moved, weights) for each in twins], twins, designs, [1.0] * len(twins))
    known = {at: each for at, each in enumerate(corrections or ()) if each is not None}
    if not known:
        return raw
    inverses = [each.inverses(resamples, seed) for each in known.values()]
    draws = [_corrected(twins[at], weights, each) for at, each in zip(known, inverses, strict=True)]
    steps = [float(np.ptp(each.inverse[:, twins[at].label])) for at, each in known.items()]
    corrected = _judged(draws, [twins[at] for at in known], [designs[at] for at in known], steps)
    beside = dict(zip(known, corrected, strict=True))
    return [replace(each, corrected=beside.get(at)) for at, each in enumerate(raw)]


def _corrected(twins: Twins, weights: FloatArray, inverses: FloatArray) -> FloatArray:
    """Effects without the probe's errors (1 + R, arms), with an inverse (1 + R, labels, labels) for each row."""
    change = np.stack([means(twins.moved_to(label), weights) for label in range(inverses.shape[1])], axis=2)
    return np.asarray(np.einsum("raj,rj->ra", change, inverses[:, :, twins.label]))


def _judged(
    draws: Sequence[FloatArray], twins: Sequence[Twins], designs: Sequence[Design], steps: Sequence[float]
) -> list[SwitchTest]:
    """Tests from effects (1 + R, arms) an attribute; `steps` are what one base that moves adds, times their number."""
    rests = [each.bases.astype(float) for each in twins]
    jumps = np.repeat(steps, [len(each) for each in rests])
    effects = measured(np.concatenate(draws, axis=1), np.concatenate(rests), jumps)
    fewest = [int(each[len(plan.sliding) :].min()) for each, plan in zip(rests, designs, strict=True)]
    named = [_summaries(each, plan) for each, plan in zip(draws, designs, strict=True)]
    stacked = np.stack([column for each in named for column in each.values()], axis=1)
    judged = measured(stacked, min(fewest), np.repeat(steps, [len(each) for each in named]))
    found = []
    for names, plan, few in zip(named, designs, fewest, strict=True):
        mine, effects = effects[: len(plan.spans)], effects[len(plan.spans) :]
        told, judged = dict(zip(names, judged, strict=False)), judged[len(names) :]
        found.append(_test(plan, mine, told, few))
    return found


def _test(plan: Design, effects: Sequence[Measured], told: dict[str, Measured], bases: int) -> SwitchTest:
    slide, gaps = len(plan.sliding), {side: told[side] for side in _SIDES if side in told}
    return SwitchTest(
        plan, tuple(effects[:slide]), tuple(effects[slide:-2]), effects[-2], effects[-1],
        told[Place.INSIDE], told.get(_OUTSIDE), gaps, bases, _verdict(gaps, bases),
    )  # fmt: skip


_SIDES = (Place.NOISIER, Place.CLEANER)
_OUTSIDE = "outside"


def means(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Weighted means over bases of (arms, bases), (1 + R, arms); a missing value counts nowhere."""
    told = np.isfinite(values)
    total = weights @ np.where(told, values, 0.0).T
    return np.asarray(total / np.maximum(weights @ told.T.astype(float), 1e-12))


def _summaries(draws: FloatArray, plan: Design) -> dict[str, FloatArray]:
    """Effects (1 + R,) inside and on average outside, and inside less each side that has intervals."""
    first = len(plan.sliding)
    by_place = {
        place: draws[:, [first + i for i, (each, _) in enumerate(plan.compared) if each is place]]
        for place in (Place.INSIDE, *_SIDES)
    }
    inside = by_place[Place.INSIDE].mean(axis=1)
    sides = {side: by_place[side] for side in _SIDES if by_place[side].size}
    found = {str(Place.INSIDE): inside}
    if sides:
        found[_OUTSIDE] = np.concatenate(list(sides.values()), axis=1).mean(axis=1)
    return found | {str(side): inside - effects.mean(axis=1) for side, effects in sides.items()}


def _verdict(gaps: dict[Place, Measured], bases: int) -> Verdict:
    """Confirmed where the effect inside exceeds that on every side there is."""
    if bases < FEWEST_BASES:
        return Verdict.TOO_FEW
    if not gaps:
        return Verdict.NO_ROOM
    return Verdict.CONFIRMED if all(gap.low > 0 for gap in gaps.values()) else Verdict.NOT_CONFIRMED


def measured(draws: FloatArray, bases: FloatArray | float, steps: ArrayLike = 1.0) -> list[Measured]:
    """Each column of (1 + R, columns), the sample in row 0, with an interval that holds for all columns at once.

    `bases` is how many bases the columns rest on, one number or (columns,); `steps` (columns,) what one base that
    changes adds to their sum, 1 unless told otherwise, and 0 where a column does not count bases.

    The half-width of a column that counts is Wilson's (1927), z sqrt(se^2 + z^2 step^2 / 4 n^2): where few bases
    changed, resamples of them vary too little, and that none did does not show that none would.
    """
    jumps = np.asarray(steps, np.float64)
    spread, reach = joint(draws, bases)
    z = reach * t_quantile(CONFIDENCE, bases) / NORMAL
    half = z * np.sqrt(spread**2 + (jumps * z / (2 * np.maximum(bases, 1))) ** 2)
    return [Measured(float(v), float(v - h), float(v + h)) for v, h in zip(draws[0], half, strict=True)]
