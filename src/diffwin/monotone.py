"""Monotone curves: the least-squares fit, where it crosses a value, and whether survival is monotone at all."""

from __future__ import annotations

import numpy as np
from scipy import stats

from diffwin.levels import FloatArray
from diffwin.survival import Readings


def isotonic(curves: FloatArray, weights: FloatArray) -> FloatArray:
    """Least-squares non-decreasing fit of each row of `curves` (rows, levels); weights (levels,).

    By the min-max formula (Barlow et al. 1972), fit_k = max_{i <= k} min_{j >= k} mean(i..j), which takes every row
    at once.
    """
    levels = curves.shape[1]
    zero = np.zeros((len(curves), 1))
    sums = np.concatenate([zero, np.cumsum(curves * weights, axis=1)], axis=1)
    mass = np.concatenate([[0.0], np.cumsum(weights)])
    i, j = np.arange(levels), np.arange(levels)
    with np.errstate(divide="ignore", invalid="ignore"):
        means = (sums[:, None, 1:] - sums[:, :-1, None]) / (mass[None, None, 1:] - mass[None, :-1, None])
    means = np.where(j[None, None, :] >= i[None, :, None], means, np.inf)
    least = np.minimum.accumulate(means[:, :, ::-1], axis=2)[:, :, ::-1]  # min over j >= k, for each i
    least = np.where(j[None, None, :] >= i[None, :, None], least, -np.inf)
    return np.asarray(least.max(axis=1))


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

    Paired t-tests over bases of every pair of levels, Bonferroni-corrected, for falls above a tenth.
    """
    members = readings.members(group)
    clean, noisy = np.triu_indices(len(readings.levels), k=1)
    if not len(clean) or len(members) < 2:
        return ""
    with np.errstate(invalid="ignore"):
        shares = readings.survived[members] / readings.read[members]
    fall = np.ma.masked_invalid(shares[:, noisy] - shares[:, clean])
    count = np.maximum(fall.count(axis=0), 2)
    mean = fall.mean(axis=0).filled(0.0)
    error = np.sqrt(((fall - mean) ** 2).sum(axis=0).filled(np.inf) / (count - 1) / count)
    bound = np.maximum(0.1, error * stats.t.isf(significance / len(clean), count - 1))
    if not np.any(mean > bound):
        return ""
    worst = int(np.argmax(mean - bound))
    return (
        f"survival falls by {mean[worst]:.0%} from log-SNR {readings.log_snr[noisy[worst]]:.2f} "
        f"to the cleaner {readings.log_snr[clean[worst]]:.2f}"
    )
