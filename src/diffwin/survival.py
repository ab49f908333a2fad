"""Survival: how often a feature of the base is still there after erasing to a level and regenerating.

S(t) = P[label(x0') = label(x0)]; for an exact sampler E sum_s p(s | x_t)^2. It is 1 at level 0 and falls to the chance
floor sum_s p(s)^2 (for the bases of one label s: p(s)), never to 0. Repeats of one base are correlated, so the base is
the unit of every interval.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from diffwin.levels import FloatArray

ALL = "all"
"""The group of every base, whatever its label."""


@dataclass(frozen=True, eq=False)
class Readings:
    """What one probe read for one prompt.

    base_labels: (bases,) index of each base's label, -1 where it is missing.
    survived: (bases, levels) number of regenerations whose label is the base's.
    read: (bases, levels) number of regenerations with a label.
    missing: (levels,) number of regenerations without one.
    levels: (levels,) ascending grid levels; log_snr: (levels,) falling.
    """

    prompt: str
    feature: str
    labels: tuple[str, ...]
    base_labels: NDArray[np.int64]
    survived: NDArray[np.int64]
    read: NDArray[np.int64]
    missing: NDArray[np.int64]
    levels: NDArray[np.int64]
    log_snr: FloatArray

    def of_group(self, group: str) -> Group:
        """The bases of one label, or every base for `all`."""
        if group == ALL:
            return Group(self, group, np.flatnonzero(self.base_labels >= 0))
        return Group(self, group, np.flatnonzero(self.base_labels == self.labels.index(group)))

    @property
    def groups(self) -> tuple[str, ...]:
        """`all`, then the labels that some base has."""
        present = [label for i, label in enumerate(self.labels) if np.any(self.base_labels == i)]
        return (ALL, *present)

    @cached_property
    def _one_hot(self) -> FloatArray:
        """(bases, labels), rows of missing bases zero."""
        return np.asarray(self.base_labels[:, None] == np.arange(len(self.labels)), np.float64)

    def floor(self, group: str, weights: FloatArray) -> FloatArray:
        """Chance survival under base weights (resamples, bases), shape (resamples,): fresh generations that agree.

        For `all` the unbiased pair estimate of sum_s p(s)^2 (a base is never paired with itself), for a label p(s).
        """
        counts = weights @ self._one_hot
        total = counts.sum(axis=1)
        if group != ALL:
            return np.asarray(counts[:, self.labels.index(group)] / total)
        itself = (weights**2) @ self._one_hot.sum(axis=1)
        pairs = np.maximum(total**2 - itself, np.finfo(float).tiny)
        return np.asarray(((counts**2).sum(axis=1) - itself) / pairs)


@dataclass(frozen=True, eq=False)
class Group:
    """The bases of one group; every curve is a weighted mean over them."""

    readings: Readings
    group: str
    members: NDArray[np.int64]

    @property
    def size(self) -> int:
        return len(self.members)

    @cached_property
    def _counts(self) -> tuple[FloatArray, FloatArray]:
        readings = self.readings
        return readings.survived[self.members].astype(float), readings.read[self.members].astype(float)

    def curve(self, weights: FloatArray) -> FloatArray:
        """Survival under base weights (resamples, bases of the run), shape (resamples, levels); NaN without data."""
        survived, read = self._counts
        mine = weights[:, self.members]
        with np.errstate(invalid="ignore"):
            return np.asarray((mine @ survived) / (mine @ read))

    def floor(self, weights: FloatArray) -> FloatArray:
        return self.readings.floor(self.group, weights)

    @property
    def ones(self) -> FloatArray:
        """The weights of the sample itself, shape (1, bases)."""
        return np.ones((1, len(self.readings.base_labels)))

    @property
    def trials(self) -> NDArray[np.int64]:
        return np.asarray(self._counts[1].sum(axis=0), np.int64)

    def standard_error(self) -> FloatArray:
        """Standard error of each level's survival from the variance between bases (a ratio estimate), (levels,)."""
        survived, read = self._counts
        bases = np.maximum((read > 0).sum(axis=0), 1)
        residual = survived - self.curve(self.ones)[0] * read
        correction = bases / np.maximum(bases - 1, 1)
        return np.asarray(np.sqrt(correction * (residual**2).sum(axis=0)) / np.maximum(read.sum(axis=0), 1.0))

    def interval(self, confidence: float = 0.95) -> tuple[FloatArray, FloatArray]:
        """Wilson interval of each level's survival at the effective sample size of the clustered data.

        n_eff = S (1 - S) / Var(S), with the variance between bases (Kish 1965), kept between the number of bases and
        the number of trials, so that a level where everything survived still has an honest width.
        """
        survival, variance = self.curve(self.ones)[0], self.standard_error() ** 2
        read = self._counts[1]
        bases = np.maximum((read > 0).sum(axis=0), 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            effective = np.where(variance > 0, survival * (1 - survival) / variance, bases)
        effective = np.clip(effective, bases, np.maximum(read.sum(axis=0), 1.0))
        z = stats.t.ppf(0.5 + confidence / 2, np.maximum(bases - 1, 1))
        return _wilson(survival, effective, z)


def _wilson(share: FloatArray, count: FloatArray, z: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Wilson (1927) score interval of a share."""
    centre = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return np.clip(centre - half, 0.0, 1.0), np.clip(centre + half, 0.0, 1.0)


def resample(bases: int, count: int, seed: int) -> FloatArray:
    """Bootstrap weights of whole bases, shape (count, bases): multinomial, so a base comes with all its repeats."""
    generator = np.random.Generator(np.random.Philox(seed))
    return generator.multinomial(bases, np.full(bases, 1 / bases), size=count).astype(np.float64)


def readings_of(
    observations: pd.DataFrame, labels: Mapping[str, Sequence[str]], level_log_snr: Sequence[float]
) -> list[Readings]:
    """What each feature's probe read for each prompt, from a ledger's observations.

    observations: columns prompt, base, level, repeat, feature, label (index; NaN where missing); level 0 is the base.
    """
    axis = np.asarray(level_log_snr, np.float64)
    return [
        _readings(str(prompt), str(feature), tuple(labels[str(feature)]), rows, axis)
        for (prompt, feature), rows in observations.groupby(["prompt", "feature"], sort=True)
    ]


def _readings(prompt: str, feature: str, labels: tuple[str, ...], rows: pd.DataFrame, axis: FloatArray) -> Readings:
    is_base = (rows["level"] == 0).to_numpy()
    bases, trials = rows[is_base], rows[~is_base]
    index = pd.Index(bases["base"].to_numpy())
    base_labels = bases["label"].fillna(-1).to_numpy().astype(np.int64)
    levels = np.unique(trials["level"].to_numpy()).astype(np.int64)
    shape = (len(index), len(levels))
    survived, read, missing = np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    base = index.get_indexer(pd.Index(trials["base"]))
    level = np.searchsorted(levels, trials["level"].to_numpy())
    label = trials["label"].fillna(-1).to_numpy().astype(np.int64)
    known = (label >= 0) & (base_labels[base] >= 0)
    np.add.at(read, (base[known], level[known]), 1)
    np.add.at(missing, (base[~known], level[~known]), 1)
    same = known & (label == base_labels[base])
    np.add.at(survived, (base[same], level[same]), 1)
    return Readings(prompt, feature, labels, base_labels, survived, read, missing.sum(axis=0), levels, axis[levels])


CURVE_COLUMNS = (
    "prompt", "feature", "group", "level", "log_snr", "time", "survival", "low", "high", "floor", "bases", "trials",
    "missing",
)  # fmt: skip


def curve_table(readings: Iterable[Readings], time: Sequence[float]) -> pd.DataFrame:
    """Every curve, one row a level, in the contract's columns; `time` is the model time of each grid level."""
    frames = [_curve(each.of_group(name), np.asarray(time)) for each in readings for name in each.groups]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(CURVE_COLUMNS))


def _curve(group: Group, time: FloatArray) -> pd.DataFrame:
    readings = group.readings
    low, high = group.interval()
    values = {
        "level": readings.levels,
        "log_snr": readings.log_snr,
        "time": time[readings.levels],
        "survival": group.curve(group.ones)[0],
        "low": low,
        "high": high,
        "floor": float(group.floor(group.ones)[0]) if group.size else np.nan,
        "bases": group.size,
        "trials": group.trials,
        "missing": readings.missing if group.group == ALL else 0,
    }
    frame = pd.DataFrame(values)
    for position, name in enumerate(("prompt", "feature", "group")):
        frame.insert(position, name, (readings.prompt, readings.feature, group.group)[position])
    return frame
