"""Readings drawn from the law of two Gaussian components, where survival and windows are known exactly.

At separation D between two classes the posterior of the true class is sigmoid(D^2/2 + D z) with z ~ N(0, 1) drawn once
a base and level; a regeneration keeps the label with that probability. Survival is S(D), with D = 2 |mu| e^{-t} for
components at +-mu of unit variance.
"""

from __future__ import annotations

import numpy as np
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import norm

from diffwin.levels import FloatArray, Grid
from diffwin.survival import Readings

MU = 10.0


def grid(levels: int = 24, low: float = -10.0, high: float = 4.0) -> Grid:
    """Variance-preserving levels even in log-SNR."""
    log_snr = np.concatenate([[40.0], np.linspace(high, low, levels)])
    alpha = np.sqrt(expit(log_snr))
    return Grid(alpha, np.sqrt(expit(-log_snr)), np.arange(levels + 1.0))


def separation(log_snr: FloatArray | float, mu: float = MU) -> FloatArray:
    """D_t = 2 |mu| alpha, for unit variance (so that the noised variance is one)."""
    return np.asarray(2 * mu * np.sqrt(expit(log_snr)))


def exact_survival(d: float, prior: float = 0.5) -> float:
    """S(D, w) = E sigmoid(D^2/2 + D z + logit w)."""
    shift = np.log(prior / (1 - prior))
    lost = quad(lambda z: expit(-(d * d / 2 + d * z + shift)) * norm.pdf(z), -12, 12, points=[-d / 2])[0]
    return float(1 - lost)


def exact_crossing(value: float, mu: float = MU, prior: float = 0.5) -> float:
    """The log-SNR at which the normalised survival (S - prior) / (1 - prior) passes `value`."""

    def excess(x: float) -> float:
        return (exact_survival(float(separation(x, mu)), prior) - prior) / (1 - prior) - value

    return float(brentq(excess, -14, 8))


def readings(
    bases: int,
    repeats: int,
    seed: int,
    where: Grid | None = None,
    prior: float = 0.5,
    mu: float = MU,
    feature: str = "side",
) -> Readings:
    """Two labels with shares `prior` and 1 - `prior`; the repeats of one base and level share their x_t."""
    where = where or grid()
    rng = np.random.default_rng(seed)
    levels = np.arange(1, where.top + 1)
    log_snr = where.log_snr[levels]
    labels = (rng.random(bases) >= prior).astype(np.int64)
    logit = np.log(prior / (1 - prior)) * np.where(labels == 0, 1, -1)
    d = separation(log_snr, mu)
    keeps = expit(d**2 / 2 + d * rng.standard_normal((bases, where.top)) + logit[:, None])
    survived = rng.binomial(repeats, keeps)
    mine = labels[:, None, None] == np.arange(2)
    counts = np.where(mine, survived[:, :, None], repeats - survived[:, :, None])
    none = np.zeros(where.top, np.int64)
    return Readings("", feature, ("left", "right"), labels, counts, survived.astype(float), none, levels, log_snr)
