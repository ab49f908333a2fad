"""Everything a report is written from: plain tables, no model, no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from diffwin.order import Pair
from diffwin.window import Window


@dataclass(frozen=True)
class Findings:
    """One finished run.

    curves: the contract's columns (prompt, feature, group, level, log_snr, time, survival, low, high, floor, bases,
        trials, missing); group is a label or `all`; level 0 is not listed (survival is 1 there by definition).
    trials: one row an image and feature: prompt, base, level, repeat, feature, label (what the probe read), base_label,
        survived (bool), probability (of the base's label), image (path relative to the run folder, or None for a world
        without pictures), base_image. Rows of level 0 are the bases themselves.
    missing: one row a missing observation: prompt, base, level, repeat, feature, reason.
    settings: what stands in the report's settings table, in order.
    """

    title: str
    model: str
    prompts: Sequence[str]
    features: Sequence[str]
    labels: dict[str, tuple[str, ...]]
    sensitive: frozenset[str]
    steps: int
    level_log_snr: Sequence[float]
    windows: Sequence[Window]
    order: Sequence[Pair]
    curves: pd.DataFrame
    trials: pd.DataFrame
    missing: pd.DataFrame
    settings: dict[str, str]
    caveats: Sequence[str]
