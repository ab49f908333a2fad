"""The survival of one prompt as it is to be drawn: points, the fitted curve, what theory predicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from diffwin.levels import FloatArray
from diffwin.report.axis import Axis
from diffwin.theory.curves import ExactCurve
from diffwin.trials import ALL
from diffwin.window import Window

UNEVEN: Final = 1.5
"""Levels whose numbers of regenerations differ by more than this are drawn as points of unlike size."""

_POINT, _LARGEST, _SMALLEST = 24.0, 56.0, 7.0
"""Areas of points in square points: where all levels are alike, and the range where they are not."""

_POINTS: Final = 120
_READ: Final = ("survival", "low", "high")
_CORRECTED: Final = ("corrected", "corrected_low", "corrected_high")


@dataclass(frozen=True, eq=False)
class Drawn:
    """One group of one feature of one prompt, ready to be drawn, from noise to image.

    x, y, low, high (n,): the points, as fractions of the steps and shares; area (n,) of each in square points.
    line_x, line_y: the fitted curve, or the points joined where no window was found; fitted says which.
    theory: x and y of survival as theory predicts it, or None.
    """

    x: FloatArray
    y: FloatArray
    low: FloatArray
    high: FloatArray
    area: FloatArray
    line_x: FloatArray
    line_y: FloatArray
    fitted: bool
    floor: float | None
    theory: tuple[FloatArray, FloatArray] | None


@dataclass(frozen=True, eq=False)
class Survey:
    """The survival of one prompt: `curves`, `fitted` and `predicted` of `Findings`, and its windows."""

    curves: pd.DataFrame
    fitted: pd.DataFrame
    predicted: Mapping[tuple[str, str], ExactCurve]
    windows: Sequence[Window]
    axis: Axis

    @property
    def features(self) -> frozenset[str]:
        """Those with something measured."""
        return frozenset(self._known["feature"])

    def labels(self, feature: str) -> list[str]:
        """The labels of a feature with something measured."""
        mine = self._known[self._known["feature"] == feature]
        return [str(group) for group in mine["group"].unique() if group != ALL]

    def bases(self, feature: str, group: str) -> int:
        return int(self._of(self.curves, feature, group)["bases"].max())

    @property
    def _known(self) -> pd.DataFrame:
        return self.curves[self.curves["survival"].notna()]

    @property
    def uneven(self) -> bool:
        """Whether the levels differ much in how many regenerations lie behind them."""
        trials = self.curves.loc[self.curves["group"] == ALL, "trials"]
        trials = trials[trials > 0]
        return bool(len(trials) and trials.max() > UNEVEN * trials.min())

    def corrected(self, feature: str) -> bool:
        return any(window.corrected for window in self.windows if window.feature == feature)

    def drawn(self, feature: str, group: str) -> Drawn:
        """One group, corrected for the probe where its window is."""
        rows = self._of(self.curves, feature, group).dropna(subset=["survival"])
        rows = rows.sort_values("level", ascending=False)
        names = _CORRECTED if self._moved(rows, feature) else _READ
        y, low, high = (np.clip(rows[name].to_numpy(float), 0, 1) for name in names)
        log_snr = rows["log_snr"].to_numpy(float)
        x = self.axis.along(log_snr)
        line = self._of(self.fitted, feature, group)
        fitted = bool(len(line))
        at = line["log_snr"].to_numpy(float) if fitted else log_snr
        line_y = line["survival"].to_numpy(float) if fitted else y
        floor = self._floor(rows, feature, group)
        theory = self._theory(feature, group, log_snr)
        return Drawn(x, y, low, high, self._areas(rows), self.axis.along(at), line_y, fitted, floor, theory)

    def _theory(self, feature: str, group: str, log_snr: FloatArray) -> tuple[FloatArray, FloatArray] | None:
        """What theory predicts between the noisiest and the cleanest of some levels, as fractions and shares."""
        curve = self.predicted.get((feature, group))
        if curve is None or len(log_snr) < 2:
            return None
        at = np.linspace(log_snr[0], log_snr[-1], _POINTS)
        return self.axis.along(at), curve.at(at)

    def height(self, window: Window) -> float | None:
        """Survival on the fitted curve at the decision."""
        line = self._of(self.fitted, window.feature, window.group)
        if window.decision is None or line.empty:
            return None
        return float(np.interp(window.decision.log_snr, line["log_snr"], line["survival"]))

    def _of(self, table: pd.DataFrame, feature: str, group: str) -> pd.DataFrame:
        return table[(table["feature"] == feature) & (table["group"] == group)]

    def _moved(self, rows: pd.DataFrame, feature: str) -> bool:
        """Whether the correction moves these points; where the probe makes no errors, they stay what was counted."""
        return self.corrected(feature) and not rows["corrected"].equals(rows["survival"].rename("corrected"))

    def _floor(self, rows: pd.DataFrame, feature: str, group: str) -> float | None:
        told = [w.floor for w in self.windows if (w.feature, w.group) == (feature, group) and w.floor is not None]
        known = [*told, *rows["floor"].dropna()]
        return float(known[0]) if known else None

    def _areas(self, rows: pd.DataFrame) -> FloatArray:
        trials = rows["trials"].to_numpy(float)
        if not self.uneven:
            return np.full(len(trials), _POINT)
        most = float(self.curves.loc[self.curves["group"] == rows["group"].iloc[0], "trials"].max())
        return np.clip(_LARGEST * trials / max(most, 1.0), _SMALLEST, None)
