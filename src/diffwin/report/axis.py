"""The reader's axis: the fraction of the denoising steps done, from noise (0) to image (1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from diffwin.levels import FloatArray
from diffwin.window import Point


@dataclass(frozen=True)
class Axis:
    """Fractions of a generation of `steps` steps; `log_snr` holds one value a level, index 0 the clean end."""

    steps: int
    log_snr: Sequence[float]

    def of_level(self, level: float) -> float:
        """Fraction of the steps done when a generation stands at `level`: (N - level) / N."""
        return (self.steps - level) / self.steps if self.steps else 1.0

    def of_log_snr(self, value: float) -> float:
        """Fraction at a log-SNR, by linear interpolation between levels; a value off the grid gets the grid's end."""
        return 0.0 if np.isnan(value) else float(self.along(np.array([value]))[0])

    def along(self, log_snr: FloatArray) -> FloatArray:
        """The same of many values (n,)."""
        levels, known = self._finite()
        if not len(levels) or not self.steps:
            return np.zeros(len(log_snr))
        return np.asarray(np.clip(1 - np.interp(-log_snr, -known, levels) / self.steps, 0.0, 1.0))

    def interval(self, point: Point) -> tuple[float, float]:
        """The interval of a crossing as fractions, (earlier, later)."""
        return self.of_log_snr(point.low), self.of_log_snr(point.high)

    def ticks(self, room: float) -> list[tuple[float, str]]:
        """Whole log-SNR values with their fractions, no two closer than `room`, clean end left out if infinite."""
        _, known = self._finite()
        if not len(known):
            return []
        chosen: list[tuple[float, str]] = []
        for value in range(int(np.ceil(known.min())), int(np.floor(known.max())) + 1):
            at = self.of_log_snr(value)
            if not chosen or at - chosen[-1][0] >= room:
                chosen.append((at, f"{value}".replace("-", "\N{MINUS SIGN}")))
        return chosen

    def _finite(self) -> tuple[np.ndarray, np.ndarray]:
        values = np.asarray(self.log_snr, np.float64)
        levels = np.arange(len(values), dtype=np.float64)
        finite = np.isfinite(values)
        return levels[finite], values[finite]
