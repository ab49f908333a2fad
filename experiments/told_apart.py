"""How well two sub-populations of a world can be told apart in noise, from samples of both."""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from diffwin.levels import FloatArray
from diffwin.theory.subpopulations import Threshold
from diffwin.worlds.base import World

_CHUNK = 1024
_NEAR = 0.1


class ToldApart:
    """Total variation as the success of the likelihood-ratio test: P(says one | one) - P(says one | other).

    `one` and `other` (K,) are what of each atom's weight belongs to each. The samples are noised by the forward kernel
    and judged by the world's posterior; the same noise serves every level.
    """

    def __init__(self, world: World, one: FloatArray, other: FloatArray, draws: int, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        shares = np.stack([one / one.sum(), other / other.sum()], axis=1)
        self._tables = shares / world.weights[:, None]
        atoms = np.concatenate([rng.choice(len(shares), size=draws, p=share) for share in shares.T])
        self._blocks = [world.follow(part, rng) for part in np.split(atoms, range(_CHUNK, len(atoms), _CHUNK))]

    def __call__(self, log_snr: float) -> tuple[float, float]:
        """The total variation measured at a level, and its standard error."""
        alpha, sigma = float(np.sqrt(expit(log_snr))), float(np.sqrt(expit(-log_snr)))
        densities = np.concatenate([posterior(alpha, sigma) @ self._tables for posterior in self._blocks])
        says_one = (densities[:, 0] > densities[:, 1]).reshape(2, -1)
        share = says_one.mean(axis=1)
        error = np.sqrt((share * (1 - share)).sum() / says_one.shape[1])
        return float(share[0] - share[1]), float(error)

    def crossing(self, value: float, low: float, high: float) -> Threshold:
        """The log-SNR between `low` and `high` where it passes a value, with its standard error."""
        at = float(brentq(lambda level: self(level)[0] - value, low, high, xtol=1e-4))
        slope = (self(at + _NEAR)[0] - self(at - _NEAR)[0]) / (2 * _NEAR)
        return Threshold.at(at, self(at)[1] / slope)
