"""Monotone curves of any shape: a mixture of rises, and a test of whether survival is monotone at all.

What a world decides at several scales rises several times. Its normalised survival is taken for a mixture of rises of
one shape, that of two components with the feature's own floor but steeper, with centres anywhere:
sum_j a_j g(x - c_j) with a_j >= 0 and sum_j a_j <= 1. The least-squares shares a_j estimate the distribution of the
centres whatever it is (Laird 1978); few of them are not zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls
from scipy.special import stdtrit

from diffwin.family import shaping_prior
from diffwin.levels import FloatArray
from diffwin.survival import Curve, Readings, Tables, influence
from diffwin.theory.pair import normalised_survival

STEEPNESS = 0.8
"""Width of one rise beside that of two components: hardly any world decides all at once in less. One of twenty labels
is decided in three quarters of the log-SNR that one of two takes."""
BEYOND = 3.0
"""Rises are sought this far in log-SNR beyond the levels measured, and crossings are told so far."""
_SPACING, _FINE = 0.5, 0.05
_SUM = 1e3
_LEAST = 0.01


@dataclass(frozen=True, eq=False)
class Rises:
    """Normalised survival as a mixture, one a row.

    axis: (levels,) ascending log-SNR of the levels measured. prior: of the rarer component. centres: (n,). shares:
    (rows, 1 + n + 1) of what has risen before the noisiest centre, of each rise, and of what never does; rows sum to
    one.
    """

    axis: FloatArray
    prior: float
    centres: FloatArray
    shares: FloatArray

    def at(self, log_snr: FloatArray) -> FloatArray:
        """Normalised survival at any log-SNR (n,), (rows, n)."""
        return np.asarray(self.shares @ _columns(log_snr, self.centres, self.prior).T)

    def crossings(self, values: Sequence[float]) -> FloatArray:
        """Log-SNR at which each row reaches each value, (rows, values); at most `BEYOND` outside the axis."""
        reach = np.arange(self.axis[0] - BEYOND, self.axis[-1] + BEYOND + _FINE, _FINE)
        fine = np.union1d(reach, self.axis)
        curves = np.maximum.accumulate(self.at(fine), axis=1)
        return np.stack([_first(fine, curves, value) for value in values], axis=1)


def rises(curve: Curve, rows: NDArray[np.int64]) -> Rises:
    """The mixtures of some rows of a curve, the sample among them as the first.

    Levels weigh as counts of the sample's fitted share would, so that what chance made of a share weighs nothing.
    """
    axis = curve.log_snr
    centres = np.arange(axis[0] - BEYOND, axis[-1] + BEYOND, _SPACING)
    prior = round(float(shaping_prior(curve.floor[:1], curve.group)[0]), 2)
    columns = _columns(axis, centres, prior)
    trials, floor = curve.trials[rows], curve.floor[rows]
    curves = np.where(trials > 0, curve.normalised[rows], 0.0)
    a, b = curve.scale
    variance = np.full(len(axis), 0.25)
    for _ in range(3):
        weights = np.sqrt(trials / variance) * b * (1 - floor)[:, None]
        fitted = columns @ _shares(columns, curves[0], weights[0])
        counted = np.clip(a + b * (floor[0] + (1 - floor[0]) * fitted), 0.0, 1.0)
        variance = np.maximum(counted * (1 - counted), _LEAST)
    weights = np.sqrt(trials / variance) * b * (1 - floor)[:, None]
    shares = [_shares(columns, each, weight) for each, weight in zip(curves, weights, strict=True)]
    return Rises(axis, prior, centres, np.array(shares))


def _shares(columns: FloatArray, curve: FloatArray, weights: FloatArray) -> FloatArray:
    """Non-negative least-squares shares of one row; that they sum to one is a row of its own that outweighs all."""
    total = np.full(columns.shape[1], _SUM * max(float(weights.max()), 1.0))
    shares = nnls(np.vstack([columns * weights[:, None], total]), np.append(curve * weights, total[0]))[0]
    return np.asarray(shares / shares.sum())


def _columns(log_snr: FloatArray, centres: FloatArray, prior: float) -> FloatArray:
    """What each part of a mixture adds at each log-SNR, (n, 1 + centres + 1)."""
    at, rise = _rise(prior)
    inner = np.interp((log_snr[:, None] - centres) / STEEPNESS, at, rise)
    return np.column_stack([np.ones(len(log_snr)), inner, np.zeros(len(log_snr))])


@lru_cache(maxsize=100)
def _rise(prior: float) -> tuple[FloatArray, FloatArray]:
    """The rise of two components along log-SNR, which passes 1/2 at 0 and goes from 0 to 1."""
    log_d = np.linspace(-4.5, 3.0, 301)
    rise = normalised_survival(np.exp(log_d), prior)
    return 2 * (log_d - np.interp(0.5, rise, log_d)), (rise - rise[0]) / (rise[-1] - rise[0])


def _first(axis: FloatArray, curves: FloatArray, value: float) -> FloatArray:
    """Where each non-decreasing row of `curves` (rows, n) first reaches `value`, or the end of the axis."""
    reached = curves >= value
    right = np.where(reached.any(axis=1), reached.argmax(axis=1), len(axis) - 1)
    left, rows = np.maximum(right - 1, 0), np.arange(len(curves))
    low, high = curves[rows, left], curves[rows, right]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(high > low, np.clip((value - low) / (high - low), 0.0, 1.0), 1.0)
    return np.asarray(axis[left] + share * (axis[right] - axis[left]))


def falls(readings: Readings, group: str, significance: float = 0.01) -> str:
    """A sentence if survival falls from a noisier level to a cleaner one by more than chance allows, else ''.

    t-tests of every pair of levels, Bonferroni-corrected, for falls above a tenth. What both levels share of their
    bases is paired; degrees of freedom are those of the level that rests on fewer. The variance between bases is kept
    above that of as many independent counts of the share that both levels have if they do not differ, since a few
    regenerations that all came out alike would show none.
    """
    bases, survival = readings.behind(group), Tables.of(readings, readings.ones).survival(group)[0]
    levels = np.flatnonzero(bases > 1)  # of a single base nobody knows how much another would differ
    clean, noisy = (levels[k] for k in np.triu_indices(len(levels), k=1))
    if not len(clean):
        return ""
    moved, read = influence(readings, group), readings.read[readings.members(group)].sum(axis=0)
    fewer = np.minimum(bases[noisy], bases[clean])
    variance = ((moved[:, noisy] - moved[:, clean]) ** 2).sum(axis=0) * fewer / (fewer - 1)
    both = (survival[noisy] * read[noisy] + survival[clean] * read[clean]) / (read[noisy] + read[clean])
    alike = both * (1 - both) * (1 / read[noisy] + 1 / read[clean])
    bound = np.maximum(0.1, np.sqrt(np.maximum(variance, alike)) * -stdtrit(fewer - 1, significance / len(clean)))
    fall = survival[noisy] - survival[clean]
    if not np.any(fall > bound):
        return ""
    worst = int(np.argmax(fall - bound))
    return (
        f"survival falls by {fall[worst]:.0%} from log-SNR {readings.log_snr[noisy[worst]]:.2f} "
        f"to the cleaner {readings.log_snr[clean[worst]]:.2f}"
    )
