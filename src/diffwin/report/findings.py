"""Everything a report is written from: plain tables, no model, no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from diffwin.information import Information
from diffwin.order import Pair
from diffwin.theory.curves import ExactCurve
from diffwin.window import Window


@dataclass(frozen=True)
class Findings:
    """One finished run.

    exact: the features that are read without error, so that there is nothing to correct.
    order: every pair of located features, both ways round; information: of each window found with both edges.
    curves: the columns of curves.csv (prompt, feature, group, level, log_snr, time, survival, low, high, floor, bases,
        trials, missing, corrected, corrected_low, corrected_high, ...); group is a label or `all`; level 0 is not
        listed (survival is 1 there by definition).
    fitted: prompt, feature, group, log_snr (rising), survival: the curve that each window found was read off.
    predicted: by feature the exact curve of `all`, then of each label; empty where theory cannot say.
    trials: one row an image and feature: prompt, base, level, repeat, feature, label (what the probe read), base_label,
        survived (bool), probability (of the base's label), image (path relative to the run folder, or None for a world
        without pictures), base_image. Rows of level 0 are the bases themselves.
    missing: one row a missing observation: prompt, base, level, repeat, feature, reason.
    settings: what stands in the report's settings table, in order.
    screened: what reading regenerations before their end did, in words; '' where none was.
    """

    title: str
    model: str
    prompts: Sequence[str]
    features: Sequence[str]
    labels: dict[str, tuple[str, ...]]
    sensitive: frozenset[str]
    exact: frozenset[str]
    steps: int
    level_log_snr: Sequence[float]
    windows: Sequence[Window]
    order: Sequence[Pair]
    information: Sequence[Information]
    curves: pd.DataFrame
    fitted: pd.DataFrame
    predicted: Mapping[str, Sequence[ExactCurve]]
    trials: pd.DataFrame
    missing: pd.DataFrame
    settings: dict[str, str]
    caveats: Sequence[str]
    screened: str = ""
