"""The noise axis: a grid of levels from the finished sample to noise.

Level 0 is the clean end and level N is noise; a generation walks from N down to 0. At level i a sample is
x_i = alpha_i x_0 + sigma_i eps, and its log-SNR is ln(alpha_i^2 / sigma_i^2).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from diffwin.errors import BadInput

FloatArray = NDArray[np.float64]

EDGE = 0.25
"""The onset of a window is where normalised survival rises through this, its end where it reaches 1 - EDGE."""


def log_snr(alpha: ArrayLike, sigma: ArrayLike) -> FloatArray:
    """ln(alpha^2 / sigma^2), elementwise; +inf where sigma = 0 and -inf where alpha = 0."""
    with np.errstate(divide="ignore"):
        return 2.0 * (np.log(np.asarray(alpha, np.float64)) - np.log(np.asarray(sigma, np.float64)))


@dataclass(frozen=True, eq=False)
class Grid:
    """Levels 0..N of one process: `alpha`, `sigma` and the model's own `time`, each of shape (N + 1,)."""

    alpha: FloatArray
    sigma: FloatArray
    time: FloatArray

    def __post_init__(self) -> None:
        for name in ("alpha", "sigma", "time"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), np.float64))
        if not len(self.alpha) == len(self.sigma) == len(self.time) >= 2:
            raise BadInput("a grid needs one alpha, sigma and time a level, and two levels at least")
        if not np.all(np.diff(self.log_snr) < 0):
            raise BadInput("the levels of a grid must grow noisier", where="grid", cure="ask for fewer steps")

    @property
    def top(self) -> int:
        """N, the index of the noisiest level, which is also the number of steps of a full generation."""
        return len(self.alpha) - 1

    @cached_property
    def log_snr(self) -> FloatArray:
        """ln(alpha^2 / sigma^2) of each level, shape (N + 1,), falling."""
        return log_snr(self.alpha, self.sigma)

    def spread(self, count: int, low: float = -12.0, high: float = 6.0) -> tuple[int, ...]:
        """At most `count` levels in 1..N, near even in log-SNR between `low` and `high`, the noisiest included.

        Features of pictures are decided between about -12 (small pictures, in pixels) and 6; a level outside would
        cost and tell nothing.
        """
        if count < 1:
            raise BadInput(f"levels is {count}", where="--levels", cure="ask for one level or more")
        if count >= self.top:
            return tuple(range(1, self.top + 1))
        inside = self.log_snr[1:]
        ends = max(low, float(inside.min())), min(high, float(inside.max()))
        targets = np.linspace(*ends, count)
        chosen = {1 + int(np.argmin(np.abs(inside - target))) for target in targets}
        spare = [level for level in range(1, self.top + 1) if level not in chosen]
        while len(chosen) < count and spare:
            chosen.add(spare.pop(self._widest(chosen, spare)))
        return tuple(sorted(chosen))

    def _widest(self, chosen: set[int], spare: list[int]) -> int:
        """Position in `spare` of the level farthest in log-SNR from every chosen one."""
        taken = self.log_snr[sorted(chosen)]
        return int(np.argmax([np.min(np.abs(self.log_snr[level] - taken)) for level in spare]))

    def time_at(self, value: float) -> float:
        """Model time at a log-SNR, by linear interpolation between levels."""
        return float(self._interpolate(self.time, value))

    def level_at(self, value: float) -> float:
        """Fractional level at a log-SNR, by linear interpolation between levels."""
        return float(self._interpolate(np.arange(self.top + 1, dtype=np.float64), value))

    def _interpolate(self, of: FloatArray, value: float) -> np.float64:
        finite = np.isfinite(self.log_snr)
        return np.float64(np.interp(-value, -self.log_snr[finite], of[finite]))


def vp_grid(min_log_snr: float, max_log_snr: float, steps: int) -> Grid:
    """Variance preserving levels even in log-SNR; level 0 is clean, and time is OU time, -ln(alpha)."""
    levels = np.linspace(max_log_snr, min_log_snr, steps)
    alpha = np.concatenate([[1.0], np.sqrt(expit(levels))])
    sigma = np.concatenate([[0.0], np.sqrt(expit(-levels))])
    return Grid(alpha, sigma, np.concatenate([[0.0], ou_time(levels)]))


def ou_time(log_snr: ArrayLike) -> FloatArray:
    """t at which x_t = e^-t x_0 + sqrt(1 - e^-2t) z has this log-SNR: t = ln(1 + e^-log_snr) / 2."""
    return np.asarray(0.5 * np.logaddexp(0.0, -np.asarray(log_snr, np.float64)))


def log_snr_at(ou_time: ArrayLike) -> FloatArray:
    """log-SNR at OU time t > 0: -ln(e^2t - 1)."""
    t = np.asarray(ou_time, np.float64)
    return np.asarray(-2 * t - np.log(-np.expm1(-2 * t)))
