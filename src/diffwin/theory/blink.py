"""Critical windows by total variation (Li, Karan & Chen 2025, "Blink of an eye"; Li & Chen 2024).

Of a mixture, take sub-populations S_after within S_before, and the rest. In OU time t, noisier as it grows,

    T_before = inf{t : TV(p_t^after, p_t^before) <= eps and TV(p_t^before, p_t^rest) >= 1 - eps^2}
    T_after  = sup{t : TV(p_t^after, p_t^rest) >= 1 - eps^2}.

Noise that has passed T_before has forgotten which part of S_before a sample came from; noise short of T_after leaves it
in S_after. Here for components at +-mu, S_after one and S_before both; `subpopulations` does it for any labelled world.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import erfinv

from diffwin.levels import ou_time
from diffwin.theory.pair import log_snr_of_separation


@dataclass(frozen=True)
class Thresholds:
    """T_before and T_after on one axis of noise: OU time, unless another is named."""

    before: float
    after: float


def exact_thresholds(mu: float, eps: float, std: float = 1.0) -> Thresholds:
    """Of components at +-mu with variance std^2, for eps in (0, 1/2).

    TV of the two is erf(D / (2 sqrt 2)), and of one from both half of it: D is 2 sqrt(2) erfinv(2 eps) at T_before and
    2 sqrt(2) erfinv(1 - eps^2) at T_after. A threshold that is passed even when clean is 0.
    """
    at = 2 * np.sqrt(2) * erfinv(np.array([2 * eps, 1 - eps**2]))
    before, after = ou_time(log_snr_of_separation(at, 2 * mu, std))
    return Thresholds(float(before), float(after))


def printed_thresholds(mu: float, eps: float) -> Thresholds:
    """The sufficient bounds printed for std 1: ln|mu| + ln 2 + ln(1/eps), and ln|mu| - ln ln(1 / (2 eps^2)).

    The latter lies below the exact T_after, as a bound should, only for eps up to .3056.
    """
    log_mu = np.log(mu)
    return Thresholds(float(log_mu + np.log(2 / eps)), float(log_mu - np.log(np.log(1 / (2 * eps**2)))))


def printed_thresholds_among(distances: ArrayLike, eps: float) -> Thresholds:
    """The sufficient bounds printed for one of K components of unit variance within all (example 2).

    From its distances to the others, (K - 1,): ln max + ln(1/eps), and ln min - ln(8 ln(K / eps)) / 2. Short of
    the latter a regeneration stays with the component but for eps, which asks less than the definition of T_after.
    """
    apart = np.asarray(distances, np.float64)
    after = np.log(apart.min()) - np.log(8 * np.log((len(apart) + 1) / eps)) / 2
    return Thresholds(float(np.log(apart.max() / eps)), float(after))


def regeneration_bound(eps: float, rest: float, target: float) -> float:
    """How far a regeneration from between the thresholds can be from S_target, in total variation.

    For S_init within S_target: eps (1 + max(1, W) / sqrt 2) with W = rest / target, the ratio of their weights.
    """
    return float(eps * (1 + max(1.0, rest / target) / np.sqrt(2)))
