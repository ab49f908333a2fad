"""Amplification: whether the label that prevails in the training data prevails even more in what is drawn.

Of each prompt the label with the largest share in the training record; its share among the pictures less that share
(the bias amplification of Zhao et al. 2017), at each guidance scale. The mean over prompts has an interval on Student's
t, the prompt being what varies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from diffwin.shares import Shares
from diffwin.survival import t_quantile
from diffwin.window import CONFIDENCE


@dataclass(frozen=True)
class Amplified:
    """One prompt and feature at one guidance scale: the training record's commonest label, and its share drawn."""

    name: str
    feature: str
    guidance: float
    label: str
    trained: float
    drawn: float
    low: float
    high: float

    @property
    def difference(self) -> float:
        return self.drawn - self.trained


@dataclass(frozen=True)
class Amplification:
    """The mean difference of one feature at one guidance scale over the prompts that lean to a label."""

    feature: str
    guidance: float
    prompts: int
    mean: float
    low: float
    high: float


def amplified(name: str, guidance: float, shares: Shares, trained: Mapping[str, float]) -> Amplified | None:
    """None where no picture was read, or where the training record leans to no label."""
    label = max(trained, key=lambda each: trained[each])
    if not shares.pictures or np.ptp(list(trained.values())) < 1e-3:
        return None
    index = shares.labels.index(label)
    ends = shares.interval(index)
    return Amplified(name, shares.feature, guidance, label, trained[label], float(shares.shown[index]), *ends)


def summed_up(each: Sequence[Amplified]) -> list[Amplification]:
    """The mean of each feature and scale, in the order of their coming; two prompts at least."""
    keys = dict.fromkeys((one.feature, one.guidance) for one in each)
    return [
        made
        for feature, guidance in keys
        if (made := _mean(feature, guidance, [x for x in each if (x.feature, x.guidance) == (feature, guidance)]))
    ]


def _mean(feature: str, guidance: float, each: Sequence[Amplified]) -> Amplification | None:
    values = np.array([one.difference for one in each])
    if len(values) < 2:
        return None
    mean = float(values.mean())
    half = float(t_quantile(CONFIDENCE, float(len(values)))) * float(values.std(ddof=1) / np.sqrt(len(values)))
    return Amplification(feature, guidance, len(values), mean, mean - half, mean + half)
