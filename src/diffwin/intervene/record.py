"""What the ledger of an intervention holds, arm by arm."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from diffwin.intervene.arms import Arm
from diffwin.intervene.effects import Ints
from diffwin.ledger import Ledger
from diffwin.levels import FloatArray
from diffwin.pictures import load_pictures
from diffwin.probes.likeness import Pixels

LIKENESS, AGREEMENT = "likeness", "agreement"
"""Cosines of a picture with its untouched twin, and with the prompt that it was generated for."""


def measure_name(what: str, arm: Arm, space: str) -> str:
    """The name under which the ledger keeps one kind of number of an arm's pictures."""
    return json.dumps([what, space, arm.address], ensure_ascii=False)


class Record:
    """The labels read in each arm's pictures, what else was measured on them, and the pictures.

    `space` names that in which likeness was measured; None where it was not.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.folder: Path = ledger.folder
        seen, made = ledger.observations().dropna(subset=["label"]), ledger.samples()
        self._labels = {
            key: dict(zip(rows["base"], rows["label"].astype(int), strict=True))
            for key, rows in seen.groupby(["prompt", "feature"])
        }
        there = made[made["image"].notna() & made["missing"].isna()]
        self._images = dict(zip(zip(there["prompt"], there["base"], strict=True), there["image"], strict=True))
        self._measures = {
            name: {int(image): value for image, _, _, value in ledger.measures(name)} for name in ledger.measured()
        }
        self.space: str | None = ledger.get("space")
        self.missing = int(made["missing"].notna().sum())
        self.evaluations = int(made["evaluations"].sum())

    def labels(self, arm: Arm, feature: str, bases: Sequence[int]) -> Ints:
        """The index of each base's label, (bases,), -1 where it is missing."""
        held = self._labels.get((arm.address, feature), {})
        return np.array([held.get(base, -1) for base in bases], np.int64)

    def measured(self, what: str, arm: Arm, space: str | None, bases: Sequence[int]) -> FloatArray:
        """One kind of number of each base's picture, (bases,), NaN where there is none."""
        held = self._measures.get(measure_name(what, arm, space or ""), {})
        return np.array([held.get(base, np.nan) for base in bases], np.float64)

    def has_picture(self, arm: Arm, base: int) -> bool:
        return (arm.address, base) in self._images

    def path(self, arm: Arm, base: int) -> str:
        """Where a picture lies in the folder."""
        return str(self._images[arm.address, base])

    def pictures(self, of: Sequence[tuple[Arm, int]]) -> Pixels:
        """Pictures of arms and bases that have one, (n, h, w, 3)."""
        return load_pictures(self.folder, [self.path(arm, base) for arm, base in of])
