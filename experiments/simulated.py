"""Readings drawn from the law of two Gaussian components, where survival and windows are known exactly.

At separation D between two classes the posterior of the true class is sigmoid(D^2/2 + D z) with z ~ N(0, 1), and a
regeneration keeps the label with that probability. Survival is S(D), with D = 2 |mu| e^{-t} for components at +-mu of
unit variance. In mode `branch` z is drawn once a base and level; in mode `renoise` it is alpha z_0 + sigma z_1 with z_0
drawn once a base and z_1 for every regeneration, as noise on a sample of such a component is.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import expit, logit
from scipy.stats import norm

from diffwin.levels import FloatArray, Grid
from diffwin.survival import Readings
from diffwin.trials import Mode

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


@lru_cache
def exact_separation(value: float, prior: float = 0.5) -> float:
    """The D at which the normalised survival (S - prior) / (1 - prior) passes `value`."""
    return float(brentq(lambda d: (exact_survival(d, prior) - prior) / (1 - prior) - value, 1e-3, 20))


def exact_crossing(value: float, mu: float = MU, prior: float = 0.5) -> float:
    """The log-SNR at which it does, ln(alpha^2 / (1 - alpha^2)) with D = 2 |mu| alpha."""
    return float(logit((exact_separation(value, prior) / (2 * mu)) ** 2))


def readings(
    bases: int,
    repeats: int | NDArray[np.int64],
    seed: int,
    where: Grid | None = None,
    prior: float = 0.5,
    mu: float = MU,
    feature: str = "side",
    mode: Mode = Mode.BRANCH,
) -> Readings:
    """Two labels with shares `prior` and 1 - `prior`; `repeats` is one number or that of each (bases, levels)."""
    where = where or grid()
    rng = np.random.default_rng(seed)
    levels = np.arange(1, where.top + 1)
    log_snr = where.log_snr[levels]
    labels = (rng.random(bases) >= prior).astype(np.int64)
    log_odds = logit(prior) * np.where(labels == 0, 1, -1)
    d = separation(log_snr, mu)
    taken = np.broadcast_to(repeats, (bases, where.top))
    most = int(taken.max())
    z = _noise(rng, bases, most, np.sqrt(expit(log_snr)), mode)
    keeps = expit((d**2 / 2)[:, None] + d[:, None] * z + log_odds[:, None, None])
    kept = rng.random((bases, where.top, most)) < keeps
    survived = (kept & (np.arange(most) < taken[:, :, None])).sum(axis=2)
    mine = labels[:, None, None] == np.arange(2)
    counts = np.where(mine, survived[:, :, None], (taken - survived)[:, :, None])
    none = np.zeros(where.top, np.int64)
    return Readings("", feature, ("left", "right"), labels, counts, survived.astype(float), none, levels, log_snr)


def uneven(bases: int, where: Grid, at: float, seed: int, *, scattered: int = 12, near: int = 700) -> NDArray[np.int64]:
    """Repeats (bases, levels) of a run that looked about and then settled near log-SNR `at`.

    `scattered` regenerations of different bases at every level, and `near` spread over all bases at each of the two
    levels around `at`.
    """
    rng = np.random.default_rng((seed, 3))
    log_snr = where.log_snr[1:]
    repeats = np.zeros((bases, where.top), np.int64)
    for level in range(where.top):
        repeats[rng.choice(bases, size=min(scattered, bases), replace=False), level] = 1
    cleaner = int(np.clip(np.count_nonzero(log_snr > at), 1, where.top - 1)) - 1
    for level in (cleaner, cleaner + 1):
        repeats[:, level] += near // bases + (rng.permutation(bases) < near % bases)
    return repeats


def _noise(rng: np.random.Generator, bases: int, repeats: int, alpha: FloatArray, mode: Mode) -> FloatArray:
    """Noise along the axis between the components, broadcasting to (bases, levels, repeats)."""
    if mode is Mode.BRANCH:
        return rng.standard_normal((bases, len(alpha), 1))
    own, added = rng.standard_normal((bases, 1, 1)), rng.standard_normal((bases, len(alpha), repeats))
    return alpha[:, None] * own + np.sqrt(1 - alpha**2)[:, None] * added
