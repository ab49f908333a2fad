"""When a pair is "decided" by conventions that do not agree: each under its own name, in OU time.

Components at +-mu with variance std^2, even weights; alpha = e^-t, sigma^2 = 1 - e^-2t. `diffwin.levels` turns OU time
into log-SNR.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logit

from diffwin.levels import FloatArray


def speciation_time(mu: ArrayLike, std: ArrayLike = 1.0) -> FloatArray:
    """Where D = 2: ln(|mu|^2 + 1 - std^2) / 2 (Biroli et al. 2024); -inf if clean components are nearer."""
    with np.errstate(divide="ignore"):
        return np.asarray(0.5 * np.log(np.maximum(np.square(mu) + 1 - np.square(std), 0.0)))


def drift_instability_time(mu: ArrayLike, std: ArrayLike = 1.0) -> FloatArray:
    """Where the centre stops being a stable point of the reverse drift x + 2 grad ln p_t(x).

    Raya & Ambrogioni (2023) break symmetry there. With u = e^-2t it solves (1 - std^2)^2 u^2 + 2 |mu|^2 u = 1; for
    std 1 it is ln(2 |mu|^2) / 2.
    """
    square = np.square(np.asarray(mu, np.float64))
    root = np.sqrt(square**2 + (1 - np.square(std)) ** 2)
    return np.asarray(0.5 * np.log(square + root))


def symmetry_breaking(mu: ArrayLike = 1.0) -> FloatArray:
    """theta_c = e^-t at that instability for point masses at +-mu: sqrt(sqrt(2) - 1) for +-1."""
    return np.asarray(np.exp(-drift_instability_time(mu, 0.0)))


def vp_linear_time(ou_time: ArrayLike, beta_min: float = 0.1, beta_max: float = 20.0) -> FloatArray:
    """Time in [0, 1] of the VP process with linear beta (Song et al. 2021), whose -ln alpha is the OU time."""
    rise = beta_max - beta_min
    t = np.asarray(ou_time, np.float64)
    return np.asarray((np.sqrt(beta_min**2 + 4 * rise * t) - beta_min) / rise)


def is_bimodal(d: ArrayLike, w: ArrayLike = 0.5) -> FloatArray:
    """Whether w N(D/2, 1) + (1 - w) N(-D/2, 1) has two modes (Robertson & Fryer 1969); for even weights, D > 2.

    With h = D / 2 > 1 it has if |logit w| < 2 ln(h - sqrt(h^2 - 1)) + 2 h sqrt(h^2 - 1).
    """
    half = np.maximum(np.asarray(d, np.float64) / 2, 1.0)
    root = np.sqrt(half**2 - 1)
    room = 2 * np.log(half - root) + 2 * half * root
    return np.asarray((np.asarray(d) > 2) & (np.abs(logit(np.asarray(w, np.float64))) < room))
