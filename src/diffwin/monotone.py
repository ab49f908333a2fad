"""Monotone curves: the least-squares fit, where it crosses a value, and whether survival is monotone at all."""

from __future__ import annotations

import numpy as np
from scipy import stats

from diffwin.levels import FloatArray
from diffwin.survival import Readings, Tables, influence


def isotonic(axis: FloatArray, curves: FloatArray, weights: FloatArray) -> FloatArray:
    """Least-squares non-decreasing fit of each row of `curves` (rows, levels) with weights of that shape.

    By the min-max formula (Barlow et al. 1972), fit_k = max_{i <= k} min_{j >= k} mean(i..j), which takes every row
    at once. A level of weight 0 lies on the line between its neighbours along the ascending `axis`.
    """
    levels = curves.shape[1]
    zero = np.zeros((len(curves), 1))
    sums = np.concatenate([zero, np.cumsum(np.where(weights > 0, curves, 0.0) * weights, axis=1)], axis=1)
    mass = np.concatenate([zero, np.cumsum(weights, axis=1)], axis=1)
    i, j = np.arange(levels), np.arange(levels)
    with np.errstate(divide="ignore", invalid="ignore"):
        means = (sums[:, None, 1:] - sums[:, :-1, None]) / (mass[:, None, 1:] - mass[:, :-1, None])
    means = np.where(j[None, None, :] >= i[None, :, None], means, np.inf)
    least = np.minimum.accumulate(means[:, :, ::-1], axis=2)[:, :, ::-1]  # min over j >= k, for each i
    least = np.where(j[None, None, :] >= i[None, :, None], least, -np.inf)
    fitted = np.asarray(least.max(axis=1))
    for row in np.flatnonzero((weights == 0).any(axis=1)):
        known = weights[row] > 0
        fitted[row] = np.interp(axis, axis[known], fitted[row, known])
    return fitted


def crossings(axis: FloatArray, curves: FloatArray, value: float) -> FloatArray:
    """Where each non-decreasing row of `curves` (rows, levels) first reaches `value` on the ascending `axis`.

    -inf where the row starts at or above it, +inf where it never gets there; linear between levels.
    """
    reached = curves >= value
    first = np.where(reached.any(axis=1), reached.argmax(axis=1), curves.shape[1])
    inside = (first > 0) & (first < curves.shape[1])
    right = np.where(inside, first, 1 if curves.shape[1] > 1 else 0)
    left = np.maximum(right - 1, 0)
    rows = np.arange(len(curves))
    low, high = curves[rows, left], curves[rows, right]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(high > low, (value - low) / (high - low), 0.0)
    found = axis[left] + share * (axis[right] - axis[left])
    return np.where(inside, found, np.where(first == 0, -np.inf, np.inf))


def falls(readings: Readings, group: str, significance: float = 0.01) -> str:
    """A sentence if survival falls from a noisier level to a cleaner one by more than chance allows, else ''.

    t-tests of every pair of levels, Bonferroni-corrected, for falls above a tenth. What both levels share of their
    bases is paired; degrees of freedom are those of the level that rests on fewer.
    """
    bases, survival = readings.behind(group), Tables.of(readings, readings.ones).survival(group)[0]
    levels = np.flatnonzero(bases > 1)  # of a single base nobody knows how much another would differ
    clean, noisy = (levels[k] for k in np.triu_indices(len(levels), k=1))
    if not len(clean):
        return ""
    moved, unseen = influence(readings, group), _unseen_variance(readings, group)
    fewer = np.minimum(bases[noisy], bases[clean])
    variance = ((moved[:, noisy] - moved[:, clean]) ** 2).sum(axis=0) * fewer / (fewer - 1)
    error = np.sqrt(variance + unseen[noisy] + unseen[clean])
    fall = survival[noisy] - survival[clean]
    bound = np.maximum(0.1, error * stats.t.isf(significance / len(clean), fewer - 1))
    if not np.any(fall > bound):
        return ""
    worst = int(np.argmax(fall - bound))
    return (
        f"survival falls by {fall[worst]:.0%} from log-SNR {readings.log_snr[noisy[worst]]:.2f} "
        f"to the cleaner {readings.log_snr[clean[worst]]:.2f}"
    )


def _unseen_variance(readings: Readings, group: str) -> FloatArray:
    """Variance (levels,) of a survival where all regenerations came out alike, which shows none; 0 elsewhere.

    That of as many independent counts, of a share with half a base added to either outcome.
    """
    members, bases = readings.members(group), readings.behind(group)
    survived, read = readings.survived[members].sum(axis=0), readings.read[members].sum(axis=0)
    share = 0.5 / (bases + 1)
    alike = (survived == 0) | (survived == read)
    return np.where(alike, share * (1 - share) / np.maximum(read, 1), 0.0)
