"""How the variance of a window's points follows from what is regenerated: what an allocator lessens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from diffwin import family
from diffwin.design import Design
from diffwin.estimate import Estimate
from diffwin.levels import FloatArray, Grid
from diffwin.survival import Curve, Readings
from diffwin.window import VALUES, Located, fresh_counts

NEAR = (0.15, 0.85)
"""Beyond these normalised survivals a level is left to the exploration: what it says of the decision hangs on the
family's being right far from it."""
DRAWS = 16
"""Curves, of the sample and its resamples, over which a variance is averaged."""
LIKELY = 0.1
"""What the correlation between regenerations of one base is taken for before there are pairs enough to tell."""
LIKELY_PAIRS = 100
WORTH = np.array([0.3, 1.0, 0.7])
"""What the variances of onset, decision and end count."""
VAGUE = 1e-6
"""What is known of a centre beforehand, as information, so that a curve that no regeneration tells of can be unsure."""


@dataclass(frozen=True, eq=False)
class Target:
    """The points of one group, and what is known of how their variance follows from a design.

    For regenerations with mean S and variance V at each level, correlated by `rho` within a base, the estimate that
    weighs levels by information I = sum_l n_l J_l J_l' / V_l has variance c' I^-1 M I^-1 c, c the gradient of the
    decision and M the variance of the score (the sandwich of Liang and Zeger 1986 with an exchangeable correlation).
    """

    prompt: str
    group: str
    grid: Grid
    near: tuple[int, ...]
    belongs: FloatArray  # (bases,): 1 for those of the group; beyond them, as many as its share
    share: float
    slopes: FloatArray  # (draws, levels of the grid + 1, 4): d survival / d theta
    variances: FloatArray  # (draws, levels + 1)
    gradients: FloatArray  # (draws, 3, 4): d (onset, decision, end) / d theta
    floor: FloatArray  # (draws,): variance of one fresh count, floor (1 - floor)
    fresh: float  # fresh counts that a base is worth
    rho: float

    @classmethod
    def of(cls, estimate: Estimate, group: str, grid: Grid) -> Target:
        located, curve, readings = estimate.located[group], estimate.used[group], estimate.readings
        theta = _draws(located, curve)
        x = np.where(np.isfinite(grid.log_snr), grid.log_snr, 50.0)
        slopes = _jacobian(lambda at: family.survival(at, x, group), theta)
        a, b = curve.scale
        share = np.clip(a + b * family.survival(theta, x, group), 0.01, 0.99)
        gradients = _jacobian(lambda at: family.crossings(at, VALUES, group), theta)
        low, high = family.crossings(theta, NEAR, group).mean(axis=0)
        near = tuple(level for level in range(1, grid.top + 1) if low <= x[level] <= high)
        floor = expit(theta[:, 2])
        belongs = np.zeros(len(readings.base_labels))
        belongs[readings.members(group)] = 1.0
        return cls(
            readings.prompt, group, grid, near, belongs, float(belongs.mean()), slopes, share * (1 - share) / b**2,
            gradients, floor * (1 - floor), fresh_counts(curve) / curve.bases, correlation(readings),
        )  # fmt: skip

    def variance(self, design: Design) -> FloatArray:
        """Predicted variance of onset, decision and end in log-SNR squared, (3,), averaged over the draws."""
        belongs = np.pad(self.belongs, (0, design.bases - len(self.belongs)), constant_values=self.share)
        each = design.counts.T.astype(float)  # (levels, bases)
        counts = each @ belongs
        weights = self.slopes / self.variances[..., None]
        information = (weights * counts[:, None]).swapaxes(1, 2) @ self.slopes
        information[:, 0, 0] += VAGUE
        information[:, 1, 1] += 1.0
        information[:, 3, 3] += family.BENT**-2
        fresh = self.fresh * belongs.sum() * self.floor
        information[:, 2, 2] += fresh
        to = np.linalg.solve(information, self.gradients.swapaxes(1, 2))  # (draws, theta, points)
        scores = (weights @ to).swapaxes(1, 2) * np.sqrt(self.variances)[:, None, :]  # (draws, points, levels)
        alone = scores**2 @ counts
        together = (scores @ each) ** 2 @ belongs  # of all regenerations of a base, were they one
        beforehand = to[:, 0] ** 2 * VAGUE + to[:, 2] ** 2 * fresh[:, None] + (to[:, 3] / family.BENT) ** 2
        found = (1 - self.rho) * alone + self.rho * together + beforehand
        return np.asarray(np.sqrt(found).mean(axis=0) ** 2)

    def loss(self, design: Design) -> float:
        """What an allocator lessens: the variances of onset, decision and end together.

        The decision's alone would lie as near the decision as it can, and a window that looked narrow at first would
        never be looked at outside it and stay too narrow.
        """
        return float(self.variance(design) @ WORTH)


def _draws(located: Located, curve: Curve) -> FloatArray:
    """The family (draws, 4) through onset, decision and end of the sample and some of its resamples."""
    assert located.draws is not None
    told = np.flatnonzero(np.isfinite(located.draws).all(axis=1) & (curve.floor < 1))
    picked = told[np.linspace(0, len(told) - 1, min(DRAWS, len(told))).astype(int)]
    floor = np.clip(curve.floor[picked], 0.01, 0.99)
    return family.through(located.draws[picked], VALUES, np.asarray(logit(floor)), located.window.group)


def _jacobian(of: Callable[[FloatArray], FloatArray], theta: FloatArray, step: float = 1e-3) -> FloatArray:
    """(rows, n, 4): d of (rows, n) / d theta (rows, 4), by central differences."""
    moved = [(of(theta + move) - of(theta - move)) / (2 * step) for move in step * np.eye(4)]
    return np.stack(moved, axis=2)


def correlation(readings: Readings) -> float:
    """Correlation between regenerations of one base, over all levels where some survive and some do not.

    Each outcome less its level's mean, divided by its standard deviation; the mean product of pairs within a base,
    drawn towards `LIKELY` while there are few pairs.
    """
    read, survived = readings.read.astype(float), readings.survived.astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = survived.sum(axis=0) / read.sum(axis=0)
        inside = (mean > 0.02) & (mean < 0.98)
        residual = ((survived - read * mean) / np.sqrt(mean * (1 - mean)))[:, inside]
    trials = read[:, inside].sum(axis=1)
    products = residual.sum(axis=1) ** 2 - (residual_squares(survived, read, mean))[:, inside].sum(axis=1)
    pairs = (trials**2 - trials).sum()
    return float(np.clip((products.sum() + LIKELY * LIKELY_PAIRS) / (pairs + LIKELY_PAIRS), 0.0, 0.9))


def residual_squares(survived: FloatArray, read: FloatArray, mean: FloatArray) -> FloatArray:
    """Sum over the regenerations of a base and level of their squared standardised residuals."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((survived * (1 - mean) ** 2 + (read - survived) * mean**2) / (mean * (1 - mean)))
