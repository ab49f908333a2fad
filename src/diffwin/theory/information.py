"""Information about a label in a noisy sample: its rate along the noise axis, and bounds from survival."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import entr, expit, softmax

from diffwin.levels import FloatArray

_WIDTHS, _PER_WIDTH = 10.0, 12


def points_information_rate(
    points: ArrayLike, weights: ArrayLike, groups: Sequence[int], log_snr: ArrayLike
) -> FloatArray:
    """dI(group; x_t) / d log-SNR in nats, for point masses (K,) on a line, by quadrature; shape of `log_snr`.

    The I-MMSE relation (Guo, Shamai & Verdu 2005) with and without the group known gives half the signal-to-noise ratio
    times E |E[x_0 | x_t, group] - E[x_0 | x_t]|^2. Each point in a group of its own gives the rate of x_0 itself.
    """
    x, w = np.asarray(points, np.float64), np.asarray(weights, np.float64)
    member = np.asarray(groups)[:, None] == np.unique(groups)
    rates = [_rate(x, w / w.sum(), member, at) for at in np.atleast_1d(np.asarray(log_snr, np.float64))]
    return np.reshape(np.array(rates), np.shape(log_snr))


def _rate(x: FloatArray, w: FloatArray, member: np.ndarray, log_snr: float) -> float:
    alpha, sigma = np.sqrt(expit(log_snr)), np.sqrt(expit(-log_snr))
    low, high = alpha * x.min() - _WIDTHS * sigma, alpha * x.max() + _WIDTHS * sigma
    y, step = np.linspace(low, high, int(np.ceil((high - low) / sigma * _PER_WIDTH)) + 1, retstep=True)
    square = -((y[:, None] - alpha * x) ** 2) / (2 * sigma**2)
    share = np.asarray(softmax(np.log(w) + square, axis=1))
    density = np.exp(square) @ w / np.sqrt(2 * np.pi * sigma**2)
    mass = share @ member
    with np.errstate(invalid="ignore"):
        centre = np.where(mass > 0, (share * x) @ member / mass, 0.0)
    spread = (mass * (centre - (share @ x)[:, None]) ** 2).sum(axis=1)
    return float(0.5 * np.exp(log_snr) * (density * spread).sum() * step)


def per_ou_time(rate: ArrayLike, log_snr: ArrayLike) -> FloatArray:
    """A rate per unit of log-SNR as one per unit of OU time towards the clean end: times 2 / (1 - e^-2t)."""
    return np.asarray(2 * np.asarray(rate) / expit(-np.asarray(log_snr, np.float64)))


def information_bounds(survival: ArrayLike, prior: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Lower and upper bound on I(label; x_t) in nats, from overall survival P and the label's prior (L,).

    H - h(P) - (1 - P) ln(L - 1) <= I <= H + ln P, with h the binary entropy (Fano's and Jensen's inequalities; Liu et
    al.). Exact samplers only: their P is E sum_s p(s | x_t)^2.
    """
    p, prior = np.asarray(survival, np.float64), np.asarray(prior, np.float64)
    entropy = entr(prior / prior.sum()).sum()
    spread = (1 - p) * np.log(max(len(prior) - 1, 1))
    return np.maximum(entropy - entr(p) - entr(1 - p) - spread, 0.0), np.minimum(entropy + np.log(p), entropy)
