"""When a regeneration may be read before it is finished, from the model's estimate of the finished sample.

At a few levels the probes read the model's x0hat of a regeneration under way. Where they are confident, the rest of the
walk would seldom change what they say; how seldom is measured in the run itself, on regenerations that are carried to
the end whatever is read on the way. For each such level the least confidence is chosen at which, at 95 % confidence,
every feature's reading agrees with that of the finished sample in more than `SHARE` of them. Thresholds are tried from
the strictest down, to the first that fails, so that none is chosen by luck (fixed-sequence testing; Angelopoulos et
al. 2021, "Learn then test"). A share of later regenerations is carried to the end all the same, and says how often the
screen was wrong. Readings that differ in one regeneration of a hundred move survival by 0.01 at most, and a decision of
two components by 0.06 in log-SNR (their survival rises by 0.161 a unit where it is steepest).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import beta

from diffwin.levels import FloatArray
from diffwin.trials import Trial

LOOKS = (1 / 3, 1 / 6, 1 / 12)
"""Where to look, as shares of the steps that are left."""
SHARE = 0.99
"""The share of readings that must agree with those of finished samples, at `CONFIDENCE`."""
CONFIDENCE = 0.95
CHECKED = 0.1
"""The share of regenerations that is carried to the end to check the screen."""
LADDER = (0.9999, 0.999, 0.998, 0.995, 0.99, 0.98, 0.95, 0.9, 0.8, 0.7)
"""Thresholds on the probability of the likeliest label, of the least confident probe."""
_LIKELY, _LIKELY_PAIRS = 0.1, 100
"""What the correlation between regenerations of a base is taken for, and how many pairs it takes to say otherwise."""

ADDRESS = ["prompt", "base", "level", "repeat"]

Thresholds = dict[int, float]
"""The least confidence that ends a regeneration, by the level where it is looked at."""


def levels(top: int) -> tuple[int, ...]:
    """The levels that are looked at, noisiest first."""
    return tuple(sorted({level for share in LOOKS if (level := int(share * top)) > 0}, reverse=True))


def is_check(seed: int, trial: Trial) -> bool:
    """Whether a trial is carried to the end to check the screen: by its address, so that no reading has a say."""
    told = f"screen|{seed}|{trial.base}|{trial.level}|{trial.repeat}|{trial.prompt}"
    drawn = int.from_bytes(hashlib.blake2b(told.encode(), digest_size=8).digest())
    return drawn < CHECKED * 2**64


def confidence(readings: Mapping[str, FloatArray]) -> float:
    """The probability of the likeliest label, of the least confident probe; 0 where one abstains, or none has read."""
    told = [float(each.max()) if np.isfinite(each).all() else 0.0 for each in readings.values()]
    return min(told, default=0.0)


def calibrate(notes: pd.DataFrame, features: Sequence[str]) -> Thresholds:
    """A threshold for each level that has one, from the notes of regenerations that were carried to the end.

    `notes`: `ADDRESS`, look, feature, confidence (the least of all probes) and agrees, a row a feature. Where a
    regeneration could have ended at a noisier look, it does not count at a cleaner one, which it would not have seen.
    Nor does one in which some of the `features` were not read.
    """
    found: Thresholds = {}
    agrees = notes.pivot_table(index=[*ADDRESS, "look"], columns="feature", values="agrees", aggfunc="first")
    sure = notes.groupby([*ADDRESS, "look"])["confidence"].first().reindex(agrees.index)
    left = agrees.reindex(columns=list(features)).assign(sure=sure).dropna().reset_index()
    for look in sorted(left["look"].unique(), reverse=True):
        here = left[left["look"] == look]
        threshold = _threshold(here["sure"].to_numpy(), here[list(features)].to_numpy(bool), _clusters(here))
        if threshold is not None:
            found[int(look)] = threshold
            ended = pd.MultiIndex.from_frame(here.loc[here["sure"] >= threshold, ADDRESS])
            left = left[~pd.MultiIndex.from_frame(left[ADDRESS]).isin(ended)]
    return found


def _clusters(trials: pd.DataFrame) -> NDArray[np.int64]:
    """(n,) which base a trial started from, as numbers."""
    return np.asarray(trials.groupby(["prompt", "base"]).ngroup(), np.int64)


def _threshold(sure: FloatArray, agrees: NDArray[np.bool_], clusters: NDArray[np.int64]) -> float | None:
    """The least of `LADDER` down to which every feature agrees often enough; None if not even the first does.

    sure, clusters: (n,), agrees: (n, features). A step with too few trials to tell even if all agree is passed over:
    that hangs on how many there are alone.
    """
    passed = None
    for threshold in LADDER:
        kept = sure >= threshold
        if least_share(np.ones(int(kept.sum()), bool), clusters[kept]) <= SHARE:
            continue
        if min(least_share(each, clusters[kept]) for each in agrees[kept].T) <= SHARE:
            break
        passed = threshold
    return passed


def least_share(agrees: NDArray[np.bool_], clusters: NDArray[np.int64]) -> float:
    """Lower confidence bound of the share of trials (n,) that agree (Clopper and Pearson 1934).

    Trials of one base count for fewer, 1 + (m - 1) rho to one, for m a base and a correlation rho (Kish 1965), which is
    drawn towards `_LIKELY` while there are few pairs to tell it from.
    """
    if not agrees.any():
        return 0.0
    sizes, share = np.bincount(clusters).astype(float), float(agrees.mean())
    pairs, products = float((sizes**2 - sizes).sum()), 0.0
    if 0 < share < 1:
        residual = (agrees - share) / np.sqrt(share * (1 - share))
        products = float((np.bincount(clusters, residual) ** 2).sum() - (residual**2).sum())
    rho = np.clip((products + _LIKELY * _LIKELY_PAIRS) / (pairs + _LIKELY_PAIRS), 0, 1)
    n = len(agrees) / (1 + (float((sizes**2).sum()) / len(agrees) - 1) * rho)
    return float(beta.ppf(1 - CONFIDENCE, share * n, (1 - share) * n + 1))


@dataclass(frozen=True)
class Screened:
    """What a screen did to a run.

    ended: regenerations that ended at each level, of `regenerations`; saved: network rows; checked: how many that were
    to end were carried on; disagreed: readings of theirs that the finished sample does not bear out, by feature.
    """

    share: float
    regenerations: int
    ended: dict[int, int]
    saved: int
    checked: int
    disagreed: dict[str, int]

    @classmethod
    def of(cls, ended: pd.DataFrame, notes: pd.DataFrame, regenerations: int) -> Screened:
        """`ended`: level, look, evaluations, a row a regeneration; `notes` as for `calibrate`, with `due`."""
        due = notes[notes["due"] == 1]
        levels, counts = np.unique(ended["look"].to_numpy(np.int64), return_counts=True)
        saved = (ended["evaluations"] * ended["look"] / (ended["level"] - ended["look"])).sum()
        return cls(
            SHARE,
            regenerations,
            dict(zip(levels.tolist(), counts.tolist(), strict=True)),
            round(float(saved)),
            len(due.drop_duplicates(ADDRESS)),
            {str(feature): int((~each.astype(bool)).sum()) for feature, each in due.groupby("feature")["agrees"]},
        )

    def as_dict(self) -> dict[str, Any]:
        ended = {str(level): count for level, count in self.ended.items()}
        told = {name: getattr(self, name) for name in ("share", "regenerations", "saved", "checked", "disagreed")}
        return {**told, "ended": ended}


def ended_shares(ended: pd.DataFrame, made: pd.DataFrame) -> dict[tuple[str, int], float]:
    """The share of the regenerations of a prompt from a level that were read before their end.

    ended: prompt, level, a row a regeneration; made: prompt, base, level, samples.
    """
    every = made.groupby(["prompt", "level"])["samples"].sum()
    share = (ended.groupby(["prompt", "level"]).size() / every).dropna().reset_index(name="share")
    keys = zip(share["prompt"].astype(str), share["level"].astype(int), strict=True)
    return dict(zip(keys, share["share"].tolist(), strict=True))


def marked(rows: pd.DataFrame, ended: pd.DataFrame) -> pd.DataFrame:
    """Rows of samples with `screened`: the level at which a screen ended each, whose picture and readings are then of
    the model's estimate there; nothing where it was finished."""
    looks = ended[[*ADDRESS, "look"]].rename(columns={"look": "screened"})
    return rows.merge(looks.astype({"screened": "Int64"}), on=ADDRESS, how="left")


def words(told: Mapping[str, Any]) -> str:
    """`Screened.as_dict` in a sentence or two, for the terminal and the report."""
    ended: Mapping[str, int] = told["ended"]
    if not ended:
        return f"Screened: no reading was yet sure enough to end one of {told['regenerations']:,} regenerations early."
    where = f"level{'s' * (len(ended) > 1)} {_listed(sorted(ended, key=int))}"
    text = (
        f"Screened: {sum(ended.values()):,} of {told['regenerations']:,} regenerations were read before their end, in "
        f"the model's estimate at {where}, which saved {told['saved']:,} network rows."
    )
    if not told["checked"]:
        return f"{text} None was carried on as a check yet."
    wrong = [f"the {feature} of {count}" for feature, count in told["disagreed"].items() if count]
    found = f"{_listed(wrong)} came out otherwise" if wrong else "all readings came out the same"
    return f"{text} Of {told['checked']:,} carried on as a check, {found}."


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
