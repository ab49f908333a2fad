"""Two components of one covariance: how survival depends on the noise, in closed form.

At a level of noise the two are a distance D apart in units of their width there. Everything follows from the overlap

    erased(D, w) = integral of p q / (w p + (1 - w) q)

of the two densities p and q, N(+-D/2, 1) along the line that joins them, with prior weights w and 1 - w: survival of
the group of weight w is 1 - (1 - w) erased, of the other 1 - w erased, and what is normalised by chance is 1 - erased
for both and for all together. Noise is given as log-SNR = ln(alpha^2 / sigma^2). Everything is float64 and vectorised.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq, minimize_scalar
from scipy.special import logit, ndtr

from diffwin.levels import FloatArray

EVEN = 0.5
DECIDED_AT = 2.0
"""D at the speciation time of Biroli et al. (2024): survival of even components is .775 there, and their density turns
from one mode into two."""

_NODES = np.arange(-96, 97)
_SMALLEST, _LARGEST = 1e-6, 1e4


def separation(apart: ArrayLike, log_snr: ArrayLike, std: ArrayLike = 1.0) -> FloatArray:
    """D of components `apart` from each other with variance std^2 in every direction.

    D = alpha d / sqrt(alpha^2 std^2 + sigma^2), which in OU time is d e^-t / sqrt(1 - (1 - std^2) e^-2t) (Biroli et
    al. 2024). Shapes broadcast.
    """
    noise = np.exp(-np.asarray(log_snr, np.float64))
    return np.asarray(np.asarray(apart, np.float64) / np.sqrt(np.square(std) + noise))


def separation_of(difference: ArrayLike, covariance: ArrayLike, log_snr: ArrayLike) -> FloatArray:
    """D of components whose means differ by a vector (d,) and share a covariance (d, d), at each log-SNR (n,).

    D^2 = alpha^2 delta^T (alpha^2 C + sigma^2 I)^-1 delta, the Mahalanobis distance at that level.
    """
    variance, axes = np.linalg.eigh(np.asarray(covariance, np.float64))
    return separation_along(np.asarray(difference, np.float64) @ axes, variance, log_snr)


def separation_along(difference: ArrayLike, variance: ArrayLike, log_snr: ArrayLike) -> FloatArray:
    """The same along the principal axes of C: the difference (d,) and the variances there, (d,) or one for all."""
    noise = np.exp(-np.asarray(log_snr, np.float64))[..., None]
    return np.asarray(np.sqrt((np.square(difference) / (np.asarray(variance) + noise)).sum(axis=-1)))


def log_snr_of_separation(at: ArrayLike, apart: ArrayLike, std: ArrayLike = 1.0) -> FloatArray:
    """The log-SNR where D is `at`; +inf where clean components are nearer than that."""
    noise = np.square(np.asarray(apart, np.float64) / np.asarray(at, np.float64)) - np.square(std)
    with np.errstate(divide="ignore"):
        return np.asarray(-np.log(np.maximum(noise, 0.0)))


def erasable(log_snr: float, std: float = 1.0, at: float = DECIDED_AT) -> float:
    """The widest separation that a schedule ending at this log-SNR can erase: D comes down to `at` there."""
    return float(at * np.sqrt(std**2 + np.exp(-log_snr)))


def erased(d: ArrayLike, w: ArrayLike = EVEN) -> FloatArray:
    """Overlap of two components at D with prior weights w and 1 - w: 1 at D = 0, falling to 0.

    With y = D z / 2 + logit(w) / 2 it is e^(-D^2/8) E[sech y] / (2 sqrt(w (1 - w))), z ~ N(0, 1), by the trapezoidal
    rule about the integrand's peak, which errs by less than 1e-11 of the value for D to 1e3.
    """
    d, a = np.broadcast_arrays(np.asarray(d, np.float64), 0.5 * logit(np.asarray(w, np.float64)))
    d, a = d[..., None], a[..., None]
    with np.errstate(divide="ignore", invalid="ignore"):
        peak = -np.sign(a) * np.fmin(d / 2, 2 * np.abs(a) / d)
    step = 0.6 / np.maximum(1.0, d)
    z = np.nan_to_num(peak) + step * _NODES
    y = np.abs(d * z / 2 + a)
    # ln sech y = ln 2 - y - ln(1 + e^-2y), and ln 1 / (2 sqrt(w (1 - w))) = ln cosh a
    log_terms = -(z**2) / 2 - d**2 / 8 - y - np.log1p(np.exp(-2 * y)) + np.logaddexp(a, -a)
    return np.asarray((np.exp(log_terms) * step).sum(axis=-1) / np.sqrt(2 * np.pi))


def survival(d: ArrayLike, w: ArrayLike = EVEN) -> FloatArray:
    """Survival of the group of prior w under an exact stochastic sampler: E sigmoid(D^2/2 + D z + logit w).

    z ~ N(0, 1). Two draws from one posterior agree with probability E sum_s p(s | x_t)^2 (Li & Chen 2024); even weights
    give the clone probability of Biroli et al. (2024).
    """
    return np.asarray(1 - (1 - np.asarray(w, np.float64)) * erased(d, w))


def overall_survival(d: ArrayLike, w: ArrayLike = EVEN) -> FloatArray:
    """Survival of both groups together, each by its weight; a stochastic branch agrees as often."""
    w = np.asarray(w, np.float64)
    return np.asarray(1 - 2 * w * (1 - w) * erased(d, w))


def normalised_survival(d: ArrayLike, w: ArrayLike = EVEN) -> FloatArray:
    """(survival - floor) / (1 - floor), the same for either group (floor w) and for both (w^2 + (1 - w)^2)."""
    return np.asarray(1 - erased(d, w))


def deterministic_survival(d: ArrayLike) -> FloatArray:
    """Survival of either of two even components, far apart when clean, under the probability flow: Phi(D / 2).

    The flow sends each half of the line to its own component; renoising decides the half. Its branches agree always.
    """
    return np.asarray(ndtr(np.asarray(d, np.float64) / 2))


def hypercube_survival(sizes: ArrayLike, log_snr: ArrayLike, std: float = 1.0) -> FloatArray:
    """Survival of each feature of the mixture with means sum_k +-a_k e_k, even weights: S(2 a_k e^-t) for std 1.

    `sizes` (K,), `log_snr` (n,); shape (n, K). The features are independent, so each is a pair of its own.
    """
    levels = np.asarray(log_snr, np.float64)[..., None]
    return survival(separation(2 * np.asarray(sizes, np.float64), levels, std))


def separation_at(level: float, w: float = EVEN) -> float:
    """D at which the normalised survival is `level`, between 0 and 1."""
    return float(np.exp(brentq(lambda u: float(normalised_survival(np.exp(u), w)) - level, -14.0, 8.0, xtol=1e-13)))


def crossing(level: float, apart: float, std: float = 1.0, w: float = EVEN) -> float:
    """log-SNR at which the normalised survival of a pair passes `level`; +inf if it never does."""
    return float(log_snr_of_separation(separation_at(level, w), apart, std))


@dataclass(frozen=True)
class Steepest:
    """Where a curve is steepest: `separation` D, and the slope there."""

    separation: float
    slope: float


def steepest(w: float = EVEN) -> Steepest:
    """Where the survival of the group of weight w falls fastest in OU time, for components of unit variance.

    There D = d e^-t, so |dS/dt| = D dS/dD; along log-SNR, far above the components' own width, it is half of that.
    """
    found = minimize_scalar(lambda u: -_slope(float(np.exp(u)), w), bounds=(-3.0, 3.0), options={"xatol": 1e-9})
    return Steepest(float(np.exp(found.x)), -float(found.fun))


def _slope(d: float, w: float) -> float:
    """D dS/dD, by a central difference whose error is below 1e-9."""
    step = 1e-3
    u = np.array([-2, -1, 1, 2]) * step
    return float(survival(d * np.exp(u), w) @ np.array([1, -8, 8, -1]) / (12 * step))


def total_variation(d: ArrayLike) -> FloatArray:
    """Total variation between two Gaussians of one covariance at Mahalanobis distance D: 2 Phi(D / 2) - 1."""
    return np.asarray(2 * ndtr(np.asarray(d, np.float64) / 2) - 1)


def information_rate(apart: ArrayLike, log_snr: ArrayLike, std: ArrayLike = 1.0, w: ArrayLike = EVEN) -> FloatArray:
    """dI(component; x_t) / d log-SNR, in nats.

    By the I-MMSE relation (Guo, Shamai & Verdu 2005) dI / d(D^2) is half the mean of p(1 - p), p the posterior, which
    is w (1 - w) erased(D, w): information comes in at the rate at which what is still erased meets the growth of D^2.
    """
    w = np.asarray(w, np.float64)
    d = separation(apart, log_snr, std)
    growth = 1 / (1 + np.square(std) * np.exp(np.asarray(log_snr, np.float64)))
    return np.asarray(0.5 * d**2 * growth * w * (1 - w) * erased(d, w))
