"""Survival: how often a feature of the base is still there after erasing to a level and regenerating.

S(t) = P[label(x0') = label(x0)]; for an exact sampler E sum_s p(s | x_t)^2. It is 1 at level 0 and falls to the chance
floor sum_s p(s)^2 (for the bases of one label s: p(s)), never to 0. Repeats of one base are correlated, so the base is
the unit of every interval.

Trials need not form a grid: a level may be measured on some of the bases, and more often than another. Survival of all
bases is therefore put together from that of each label with the labels' shares of all bases (poststratification,
Holt and Smith 1979); where every base has the same number of regenerations this is their plain mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtrit

from diffwin.levels import FloatArray
from diffwin.trials import ALL

RESAMPLES = 500


@dataclass(frozen=True, eq=False)
class Readings:
    """What one probe read for one prompt.

    base_labels: (bases,) index of each base's label, -1 where it is missing.
    counts: (bases, levels, labels) number of regenerations read as each label.
    agreement: (bases, levels) sum over regenerations of the chance that two labels drawn from the probabilities of
        the base and of the regeneration are the same.
    missing: (levels,) number of regenerations without a label, or of a base without one.
    levels: (levels,) ascending grid levels; log_snr: (levels,) falling.
    """

    prompt: str
    feature: str
    labels: tuple[str, ...]
    base_labels: NDArray[np.int64]
    counts: NDArray[np.int64]
    agreement: FloatArray
    missing: NDArray[np.int64]
    levels: NDArray[np.int64]
    log_snr: FloatArray

    @cached_property
    def read(self) -> NDArray[np.int64]:
        """(bases, levels) number of regenerations that can be compared with their base."""
        return np.asarray(self.counts.sum(axis=2) * (self.base_labels >= 0)[:, None], np.int64)

    @cached_property
    def survived(self) -> NDArray[np.int64]:
        """(bases, levels) number of regenerations whose label is the base's."""
        label = np.maximum(self.base_labels, 0)[:, None, None]
        same = np.take_along_axis(self.counts, label, axis=2)[:, :, 0]
        return np.asarray(same * (self.base_labels >= 0)[:, None], np.int64)

    @cached_property
    def one_hot(self) -> FloatArray:
        """(bases, labels), rows of missing bases zero."""
        return np.asarray(self.base_labels[:, None] == np.arange(len(self.labels)), np.float64)

    @property
    def groups(self) -> tuple[str, ...]:
        """`all`, then the labels that some base has."""
        present = [label for i, label in enumerate(self.labels) if np.any(self.base_labels == i)]
        return (ALL, *present)

    def behind(self, group: str) -> FloatArray:
        """(levels,) how many bases a level rests on: (sum n)^2 / sum n^2 over their regenerations (Kish 1965)."""
        read = self.read[self.members(group)].astype(float)
        return np.asarray(read.sum(axis=0) ** 2 / np.maximum((read**2).sum(axis=0), 1.0))

    def members(self, group: str) -> NDArray[np.int64]:
        """The bases of one label, or every base with a label for `all`."""
        if group == ALL:
            return np.flatnonzero(self.base_labels >= 0)
        return np.flatnonzero(self.base_labels == self.labels.index(group))

    @property
    def ones(self) -> FloatArray:
        """The weights of the sample itself, shape (1, bases)."""
        return np.ones((1, len(self.base_labels)))


@dataclass(frozen=True, eq=False)
class Tables:
    """Weighted sums of one feature under R sets of base weights, from which every group's curve and floor follow.

    kept, read: (R, levels, labels) share of base weight that kept its label, and whose survival is known, by label.
    counted: (R, levels, labels) weighted number of regenerations behind them.
    share: (R, labels) base weight of each label; itself: (R,) what a base paired with itself adds to sum share^2;
    squares: (R,) sum of squared base weights.
    """

    labels: tuple[str, ...]
    kept: FloatArray
    read: FloatArray
    counted: FloatArray
    share: FloatArray
    itself: FloatArray
    squares: FloatArray

    @classmethod
    def of(cls, readings: Readings, weights: FloatArray) -> Tables:
        """Tables under base weights (R, bases)."""
        by_label = readings.one_hot[:, None, :]
        survived, counted = (
            np.tensordot(weights, by_label * counts[:, :, None], axes=1)
            for counts in (readings.survived, readings.read)
        )
        share = weights @ readings.one_hot
        each = per_trial(counted, share)
        squares = np.asarray(weights**2 @ readings.one_hot.sum(axis=1))
        return cls(readings.labels, survived * each, counted * each, counted, share, squares, squares)

    def survival(self, group: str) -> FloatArray:
        """Survival of a group, (R, levels); NaN without data."""
        kept, read = self._of(self.kept, group), self._of(self.read, group)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(kept / read)

    def floor(self, group: str) -> FloatArray:
        """Chance survival (R,): how often fresh generations agree.

        For `all` the unbiased pair estimate of sum_s p(s)^2 (a base is never paired with itself), for a label p(s).
        """
        total = self.share.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            if group != ALL:
                return np.asarray(self.share[:, self.labels.index(group)] / total)
            pairs = np.maximum(total**2 - self.squares, np.finfo(float).tiny)
            return np.asarray(((self.share**2).sum(axis=1) - self.itself) / pairs)

    def trials(self, group: str) -> FloatArray:
        """Regenerations behind a group's survival, (R, levels).

        For `all` as many as would vary as little if all counted alike: (sum p)^2 / sum p^2 / n, over labels of share p
        with n regenerations each.
        """
        if group != ALL:
            return self.counted[:, :, self.labels.index(group)]
        each = per_trial(self.counted, self.share)
        spread = (each**2 * self.counted).sum(axis=2)
        return np.asarray((each * self.counted).sum(axis=2) ** 2 / np.where(spread > 0, spread, 1.0))

    def _of(self, table: FloatArray, group: str) -> FloatArray:
        return np.asarray(table.sum(axis=2) if group == ALL else table[:, :, self.labels.index(group)])


def per_trial(counted: FloatArray, share: FloatArray) -> FloatArray:
    """What a regeneration counts, so that each label has its share (R, labels) at every level, (R, levels, labels)."""
    return np.divide(share[:, None, :], counted, out=np.zeros_like(counted), where=counted > 0)


@dataclass(frozen=True, eq=False)
class Curve:
    """Survival of one group, in the order of generation, with the resamples that say how sure it is.

    measured: (levels of the readings,) which levels the group was regenerated at; only these are on the curve.
    log_snr: (levels,) ascending. survival: (1 + R, levels) and floor: (1 + R,), row 0 the sample, the others resamples
    of whole bases. trials: (1 + R, levels) regenerations behind each level, 0 where a resample has none and its
    survival is NaN. behind: (levels,) how many bases a level rests on. bases: how many bases were resampled.
    scale: (a, b), so that a + b S is a share of counted regenerations: (0, 1) unless S is corrected for the probe.
    """

    group: str
    measured: NDArray[np.bool_]
    log_snr: FloatArray
    survival: FloatArray
    floor: FloatArray
    trials: FloatArray
    behind: FloatArray
    bases: int
    scale: tuple[float, float] = (0.0, 1.0)

    @classmethod
    def of(cls, tables: Tables, readings: Readings, group: str) -> Curve:
        """The curve of a group from tables whose first row is the sample."""
        trials = tables.trials(group)
        measured = trials[0] > 0
        ascending = np.flatnonzero(measured)[::-1]
        return cls(
            group,
            measured,
            readings.log_snr[ascending],
            tables.survival(group)[:, ascending],
            tables.floor(group),
            trials[:, ascending],
            readings.behind(group)[ascending],
            len(readings.members(group)),
        )

    @cached_property
    def normalised(self) -> FloatArray:
        """(S - floor) / (1 - floor), shape (1 + R, levels); NaN where a resample has no say."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray((self.survival - self.floor[:, None]) / (1 - self.floor[:, None]))

    @cached_property
    def usable(self) -> NDArray[np.bool_]:
        """(1 + R,): a resample may hold no base of this group, or one label only, and then says nothing."""
        told = np.isfinite(self.normalised) & (self.trials > 0)
        return np.asarray(told.any(axis=1) & (self.floor < 1))

    @cached_property
    def independent(self) -> float:
        """How many bases the curve rests on: those behind its levels, on average over the regenerations."""
        return float(np.average(self.behind, weights=self.trials[0])) if len(self.behind) else float(self.bases)

    @property
    def spread(self) -> float:
        """By how much the spread of the resamples is widened: a resample of n bases varies as n - 1 of n."""
        return float(widening(self.independent))

    def among_levels(self, values: FloatArray) -> FloatArray:
        """Values (levels,) at the levels of the readings, least noisy first; NaN where nothing was measured."""
        placed = np.full(len(self.measured), np.nan)
        placed[self.measured] = values[::-1]
        return placed


def widening(bases: FloatArray | float) -> FloatArray:
    """sqrt(n / (n - 1)) of n bases."""
    return np.asarray(np.sqrt(bases / np.maximum(np.subtract(bases, 1), 1)))


def t_quantile(confidence: float, bases: FloatArray | float) -> FloatArray:
    """Two-sided Student quantile with a degree of freedom less than there are bases."""
    return np.asarray(stdtrit(np.maximum(np.subtract(bases, 1), 1), 0.5 + confidence / 2))


def resample(bases: int, count: int, seed: int) -> FloatArray:
    """Bootstrap weights of whole bases, shape (count, bases): multinomial, so a base comes with all its repeats."""
    generator = np.random.Generator(np.random.Philox(seed))
    return generator.multinomial(bases, np.full(bases, 1 / bases), size=count).astype(np.float64)


def with_resamples(readings: Readings, seed: int, count: int = RESAMPLES) -> FloatArray:
    """Base weights (1 + count, bases): the sample, then its resamples, the same for every feature of a prompt."""
    return np.concatenate([readings.ones, resample(len(readings.base_labels), count, seed)])


def influence(readings: Readings, group: str) -> FloatArray:
    """What each base of a group adds to the deviation of each level's survival, (members, levels); columns sum to 0.

    The derivative along the base's weight of the poststratified ratio of `Tables.survival`: the base moves the survival
    of its own label, and the share that this label has of all.
    """
    members = readings.members(group)
    survived, read = readings.survived[members].astype(float), readings.read[members].astype(float)
    own = readings.one_hot[members]
    counted = own.T @ read  # (labels, levels)
    held = own.sum(axis=0)[:, None] * (counted > 0)
    total = np.maximum(held.sum(axis=0), 1.0)
    rate = own.T @ survived / np.maximum(counted, 1.0)
    whole = (held * rate).sum(axis=0) / total
    label = own.argmax(axis=1)
    within = (survived - rate[label] * read) * (held / np.maximum(counted, 1.0) / total)[label]
    return np.asarray(within + (rate[label] - whole) * (held[label] > 0) / total)


def standard_error(readings: Readings, group: str) -> FloatArray:
    """Standard error of each level's survival from the variance between bases, (levels,)."""
    bases = readings.behind(group)
    return np.asarray(widening(bases) * np.sqrt((influence(readings, group) ** 2).sum(axis=0)))


def interval(readings: Readings, group: str, confidence: float = 0.95) -> tuple[FloatArray, FloatArray]:
    """Wilson interval of each level's survival at the effective sample size of the clustered data.

    n_eff = S (1 - S) / Var(S), with the variance between bases (Kish 1965), kept between the number of bases behind a
    level and the number of trials, so that a level where everything survived still has an honest width.
    """
    bases, trials = np.maximum(readings.behind(group), 1.0), readings.read[readings.members(group)].sum(axis=0)
    share = Tables.of(readings, readings.ones).survival(group)[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        effective = share * (1 - share) / standard_error(readings, group) ** 2
    effective = np.where(np.isfinite(effective), np.clip(effective, bases, np.maximum(trials, 1)), bases)
    return _wilson(share, effective, t_quantile(confidence, bases))


def _wilson(share: FloatArray, count: FloatArray, z: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Wilson (1927) score interval of a share."""
    centre = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return np.clip(centre - half, 0.0, 1.0), np.clip(centre + half, 0.0, 1.0)


def readings_of(
    observations: pd.DataFrame | Iterable[pd.DataFrame],
    labels: Mapping[str, Sequence[str]],
    level_log_snr: Sequence[float],
) -> list[Readings]:
    """What each feature's probe read for each prompt, from a ledger's observations.

    observations: columns prompt, base, level, repeat, feature, label (index; NaN where missing), probabilities (bytes
    of float64); level 0 is the base. One table, or the parts of one in which no base comes after its regenerations:
    a part is counted and let go, so that memory grows with bases and levels, not with repeats.
    """
    axis = np.asarray(level_log_snr, np.float64)
    tallies: dict[tuple[str, str], _Tally] = {}
    for part in [observations] if isinstance(observations, pd.DataFrame) else observations:
        for (prompt, feature), rows in part.groupby(["prompt", "feature"], sort=False):
            key = str(prompt), str(feature)
            if key not in tallies:
                tallies[key] = _Tally(tuple(labels[key[1]]), len(axis))
            tallies[key].add(rows)
    return [tallies[key].readings(*key, axis) for key in sorted(tallies)]


class _Tally:
    """Counts the observations of one prompt and feature as they pass.

    A cell is (base, level, label + 1) of regenerations as one number; where their label is missing that is -1.
    """

    def __init__(self, labels: tuple[str, ...], levels: int) -> None:
        self._labels, self._shape = labels, (levels, len(labels) + 1)
        # of each base, ascending: index, label and probabilities
        self._bases, self._base_labels = np.zeros(0, np.int64), np.zeros(0, np.int64)
        self._shares = np.zeros((0, len(labels)))
        # cells, how many regenerations each holds, and the sum of their agreement with their base
        self._counted: list[tuple[NDArray[np.int64], NDArray[np.int64], FloatArray]] = []

    def add(self, rows: pd.DataFrame) -> None:
        """Count observations whose bases are among them or came before."""
        base, level = rows["base"].to_numpy(np.int64), rows["level"].to_numpy(np.int64)
        label, shares = _indices(rows), _probabilities(rows, len(self._labels))
        again = level > 0
        self._add_bases(base[~again], label[~again], shares[~again])
        at, known = self._find(base[again])
        same = np.zeros(len(at))
        same[known] = (shares[again][known] * self._shares[at[known]]).sum(axis=1)
        cell = (base[again] * self._shape[0] + level[again]) * self._shape[1] + label[again] + 1
        cells, which, counts = np.unique(cell, return_inverse=True, return_counts=True)
        self._counted.append((cells, counts.astype(np.int64), np.asarray(np.bincount(which, same), np.float64)))

    def _add_bases(self, base: NDArray[np.int64], label: NDArray[np.int64], shares: FloatArray) -> None:
        joined = np.concatenate([self._bases, base])
        ascending = np.argsort(joined)
        self._bases = joined[ascending]
        self._base_labels = np.concatenate([self._base_labels, label])[ascending]
        self._shares = np.concatenate([self._shares, shares])[ascending]

    def _find(self, base: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """The position of each base, and whether it is there and has a label."""
        if not len(self._bases):
            return np.zeros(len(base), np.int64), np.zeros(len(base), np.bool_)
        at = np.minimum(np.searchsorted(self._bases, base), len(self._bases) - 1)
        return at, (self._bases[at] == base) & (self._base_labels[at] >= 0)

    def readings(self, prompt: str, feature: str, axis: FloatArray) -> Readings:
        cells, number, same = (np.concatenate(column) for column in zip(*self._counted, strict=True))
        rest, label = np.divmod(cells, self._shape[1])
        base, level = np.divmod(rest, self._shape[0])
        levels, level = np.unique(level, return_inverse=True)
        at, known = self._find(base)
        known &= label > 0
        counts = np.zeros((len(self._bases), len(levels), len(self._labels)), np.int64)
        np.add.at(counts, (at[known], level[known], label[known] - 1), number[known])
        agreement = np.zeros(counts.shape[:2])
        np.add.at(agreement, (at[known], level[known]), same[known])
        missing = np.bincount(level[~known], number[~known], len(levels)).astype(np.int64)
        return Readings(
            prompt, feature, self._labels, self._base_labels, counts, agreement, missing, levels, axis[levels]
        )


def _indices(rows: pd.DataFrame) -> NDArray[np.int64]:
    """The label of each row, -1 where it is missing."""
    return rows["label"].astype(np.float64).fillna(-1).to_numpy().astype(np.int64)


def _probabilities(rows: pd.DataFrame, labels: int) -> FloatArray:
    """(rows, labels), zero where the probe abstained."""
    nothing = np.zeros(labels).tobytes()
    packed = b"".join(p if p is not None else nothing for p in rows["probabilities"])
    return np.frombuffer(packed, "<f8").reshape(len(rows), labels)
