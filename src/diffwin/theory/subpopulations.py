"""Critical windows of any labelled world: the thresholds of Li, Karan & Chen (2025) by their definition.

A sub-population is given by what of each atom's weight belongs to it, an array (K,) of at most `world.weights`. Total
variation between two of them is one minus their overlap, the integral of min(p, q), which is a mean over noisy points
drawn from both in equal shares; the posterior over atoms is all it needs, in log space and float64. The same draws
serve every level, so the overlap is smooth in the log-SNR and its crossings can be solved for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.spatial.distance import cdist
from scipy.special import ndtr

from diffwin.levels import FloatArray, ou_time
from diffwin.theory.blink import Thresholds, printed_thresholds
from diffwin.theory.pair import separation, total_variation
from diffwin.worlds.base import Feature, World
from diffwin.worlds.exact import Draws, mean_and_error
from diffwin.worlds.mixture import GaussianMixture

_NOISE, _CLEAN, _STEP = -40.0, 40.0, 0.02


@dataclass(frozen=True)
class Threshold:
    """A level as OU time and log-SNR, with the standard error of the latter: 0 where it is in closed form."""

    ou_time: float
    log_snr: float
    standard_error: float = 0.0

    @classmethod
    def at(cls, log_snr: float, standard_error: float = 0.0) -> Threshold:
        return cls(float(ou_time(log_snr)), log_snr, standard_error)


@dataclass(frozen=True)
class CriticalWindow:
    """T_before and T_after of S_after in S_before; None where no level satisfies the definition.

    `pairwise` are sufficient bounds from the pairs of components; `printed` those that the paper prints for two
    even components of unit variance. Each is None for a world to which it does not apply.
    """

    eps: float
    before: Threshold | None
    after: Threshold | None
    pairwise: Thresholds | None = None
    printed: Thresholds | None = None


def members(world: World, feature: Feature, *labels: str) -> FloatArray:
    """The sub-population that has one of these labels, (K,)."""
    chosen = [feature.labels.index(label) for label in labels]
    return np.asarray(world.weights * feature.table[:, chosen].sum(axis=1))


class Overlap:
    """The integral of min(p, q) of two sub-populations that share nothing, at any level: 1 - TV(p, q)."""

    def __init__(self, world: World, one: FloatArray, other: FloatArray, draws: int = 20_000, seed: int = 0) -> None:
        shares = np.stack([one / one.sum(), other / other.sum()], axis=1)
        self._tables = shares / world.weights[:, None]
        self._exact = _gaussian_pair(world, one, other)
        self._draws = Draws(world, draws if self._exact is None else 1, seed, weights=shares.sum(axis=1))

    def __call__(self, log_snr: float) -> tuple[float, float]:
        """The overlap and its standard error: 0 for two components of one std, which have a closed form.

        An overlap below about 10 / draws rests on a handful of draws, and its standard error says little.
        """
        if self._exact is not None:
            return float(_pair_overlap(separation(self._exact[0], log_snr, self._exact[1]))), 0.0
        densities = self._draws.shares(log_snr, self._tables)
        return mean_and_error(2 * densities.min(axis=2) / densities.sum(axis=2), np.ones(len(densities)))

    def crossing(self, overlap: float) -> Threshold:
        """Where the overlap, which falls as the log-SNR rises, comes down to this; +inf if it never does."""
        found = _root(lambda at: overlap - self(at)[0])
        error = self(found)[1] if np.isfinite(found) else 0.0
        if not error:
            return Threshold.at(found)
        slope = (self(found + _STEP)[0] - self(found - _STEP)[0]) / (2 * _STEP)
        return Threshold.at(found, error / abs(slope))


def between(
    world: World, one: FloatArray, other: FloatArray, log_snr: float, draws: int = 20_000, seed: int = 0
) -> tuple[float, float]:
    """TV between two sub-populations at a log-SNR with its standard error; `one` may lie within `other`."""
    share, apart = _apart(one, other)
    if _empty(apart, world):
        return 0.0, 0.0
    value, error = Overlap(world, one, apart, draws, seed)(log_snr)
    return share * (1 - value), share * error


def critical_window(
    world: World, after: FloatArray, before: FloatArray, eps: float, draws: int = 20_000, seed: int = 0
) -> CriticalWindow:
    """T_before and T_after of S_after, a part of S_before, for eps in (0, 1)."""
    return CriticalWindow(
        eps,
        _before(world, after, before, eps, draws, seed),
        _after(world, after, eps, draws, seed),
        pairwise_bounds(world, after, before, eps),
        _printed(world, eps),
    )


def _before(world: World, after: FloatArray, before: FloatArray, eps: float, draws: int, seed: int) -> Threshold | None:
    """The cleanest level that hides S_after in S_before, if S_before still stands out from the rest there."""
    share, apart = _apart(after, before)
    rest = np.maximum(world.weights - before, 0.0)
    hidden = Overlap(world, after, apart, draws, seed).crossing(1 - eps / share)
    if _empty(rest, world):
        return hidden
    told = Overlap(world, before, rest, draws, seed).crossing(eps**2)
    return hidden if told.log_snr <= min(hidden.log_snr, _CLEAN) else None


def _after(world: World, after: FloatArray, eps: float, draws: int, seed: int) -> Threshold | None:
    """The noisiest level at which S_after stands out from everything else."""
    rest = np.maximum(world.weights - after, 0.0)
    if _empty(rest, world):
        return None
    told = Overlap(world, after, rest, draws, seed).crossing(eps**2)
    return told if np.isfinite(told.log_snr) else None


def pairwise_bounds(world: World, after: FloatArray, before: FloatArray, eps: float) -> Thresholds | None:
    """Sufficient bounds of a mixture whose components share one std, from its pairs alone; in OU time.

    TV(after, before) is at most what S_before has besides S_after times the largest TV of a pair, and the overlap of
    S_after and the rest at most the sum over pairs of the larger weight times the pair's overlap. So T_before is no
    later than the one and T_after no earlier than the other; an earliest T_after of 0 says nothing.
    """
    std, rest = _std(world), np.maximum(world.weights - after, 0.0)
    if std is None or _empty(rest, world):
        return None
    share, left = _apart(after, before)
    widest = _distances(world, after, left).max(initial=0.0)
    one, other = after[after > 0] / after.sum(), rest[rest > 0] / rest.sum()
    larger, apart = np.maximum(one[:, None], other), _distances(world, after, rest)
    hidden = _root(lambda at: share * float(total_variation(separation(widest, at, std))) - eps)
    told = _root(lambda at: eps**2 - float((larger * _pair_overlap(separation(apart, at, std))).sum()))
    return Thresholds(*(float(t) for t in ou_time([hidden, told])))


def _root(rising: Callable[[float], float]) -> float:
    """Where a function that rises with the log-SNR passes 0; +inf if it is still below when all but clean."""
    return float(brentq(rising, _NOISE, _CLEAN, xtol=1e-7)) if rising(_CLEAN) > 0 else np.inf


def _apart(one: FloatArray, other: FloatArray) -> tuple[float, FloatArray]:
    """TV(one, other) = share TV(one, apart) with one and apart disjoint: what `other` has besides `one`, and its share.

    Two that share nothing are (1, other). ValueError if they overlap in part.
    """
    if not np.any((one > 0) & (other > 0)):
        return 1.0, other
    if np.any(one > other * (1 + 1e-12)):
        raise ValueError("sub-populations must be one within the other, or share nothing")
    left = np.maximum(other - one, 0.0)
    return float(left.sum() / other.sum()), left


def _empty(mass: FloatArray, world: World) -> bool:
    return bool(mass.sum() <= 1e-12 * world.weights.sum())


def _pair_overlap(d: FloatArray) -> FloatArray:
    """The integral of min(p, q) of two Gaussians at D: 2 Phi(-D / 2), which 1 - TV would round off."""
    return np.asarray(2 * ndtr(-d / 2))


def _std(world: World) -> float | None:
    """The std that every component of a mixture shares, or None."""
    return world.common_std if isinstance(world, GaussianMixture) else None


def _distances(world: World, one: FloatArray, other: FloatArray) -> FloatArray:
    """Between the means of the components of two sub-populations."""
    assert isinstance(world, GaussianMixture)
    return np.asarray(cdist(world.means[one > 0], world.means[other > 0]))


def _gaussian_pair(world: World, one: FloatArray, other: FloatArray) -> tuple[float, float] | None:
    """(distance, std) of two sub-populations that are one component each, of one std."""
    std = _std(world)
    if std is None or np.count_nonzero(one) != 1 or np.count_nonzero(other) != 1:
        return None
    return float(_distances(world, one, other)[0, 0]), std


def _printed(world: World, eps: float) -> Thresholds | None:
    """The paper's bounds for two even components of unit variance."""
    if _std(world) != 1.0 or len(world.weights) != 2 or not np.allclose(world.weights, 0.5):
        return None
    first, second = np.diag(world.weights)
    return printed_thresholds(float(_distances(world, first, second)[0, 0]) / 2, eps)
