"""One look at a world along the whole noise axis, from which its curves and its trees are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diffwin.levels import FloatArray
from diffwin.worlds.base import Feature
from diffwin.worlds.exact import Draws
from diffwin.worlds.image_set import ImageSet
from diffwin.worlds.mixture import GaussianMixture
from diffwin.worlds.read import own_range

SPACING = 0.25
"""Of the axis in log-SNR: crossings of a spline through it are right to 1e-5 (measured on pairs)."""

ATOMS = 64
"""A world of no more atoms is seen atom by atom, a larger one label by label."""

_MOST_DRAWS = 2**14
_MOST_SHARES = 2**26
_MOST_PRODUCTS = 2**23
_FEW, _SETTLED = 256, 0.002


@dataclass(frozen=True, eq=False)
class Panorama:
    """What the same draws show at every level of `log_snr` (levels,), which rises.

    `members` (K, columns) says which atoms a column stands for: each atom's own, or the labels of each feature in turn.
    `shares` (levels, draws, 2, columns), float32, is the posterior of each column in the noise and in its opposite, and
    `own` (draws, columns) what the finished sample itself belongs to; `itself` (levels, draws, 2) is the posterior of
    the very atom it came from. Half of the draws are shared out evenly among the columns, so that a rare one is seen
    too; `weights` (draws,) make up for it in every mean.
    """

    world: GaussianMixture | ImageSet
    features: Mapping[str, Feature]
    log_snr: FloatArray
    members: FloatArray
    shares: NDArray[np.float32]
    own: FloatArray
    itself: FloatArray
    weights: FloatArray

    @property
    def by_atom(self) -> bool:
        return len(self.world.weights) <= ATOMS

    def columns(self, feature: str) -> FloatArray:
        """Which columns make up each label of a feature, (columns, labels)."""
        if self.by_atom:
            return self.features[feature].table
        names = [(name, label) for name, each in self.features.items() for label in each.labels]
        return np.array(
            [[pair == (feature, label) for label in self.features[feature].labels] for pair in names], float
        )


def look(
    world: GaussianMixture | ImageSet,
    features: Mapping[str, Feature],
    *,
    ends: tuple[float, float] | None = None,
    draws: int | None = None,
    seed: int = 0,
) -> Panorama:
    """A panorama between `ends` in log-SNR; if not given, of all levels at which anything changes.

    `draws` defaults to as many as take seconds and a few hundred MB; each is seen twice.
    """
    if len(world.weights) <= ATOMS:
        members: FloatArray = np.eye(len(world.weights))
    else:
        members = np.concatenate([feature.table for feature in features.values()], axis=1)
    low, high = ends or _busy(world, members, seed)
    axis = np.linspace(low, high, max(int(np.ceil((high - low) / SPACING)), 8) + 1)
    shares_of_columns = world.weights[:, None] * members
    proposal = (world.weights + (shares_of_columns / shares_of_columns.sum(axis=0)).mean(axis=1)) / 2
    seen = Draws(world, draws or _draws(world, members.shape[1] * len(axis)), seed, weights=proposal)
    levels = [_level(seen, float(at), members) for at in axis]
    shares, itself = np.stack([level[0] for level in levels]), np.stack([level[1] for level in levels])
    weights = (world.weights / proposal)[seen.atoms]
    return Panorama(world, features, axis, members, shares, members[seen.atoms], itself, weights)


def _level(seen: Draws, log_snr: float, members: FloatArray) -> tuple[NDArray[np.float32], FloatArray]:
    """One level of `shares` and `itself`."""
    shares, itself = [], []
    for atoms, posterior in seen.blocks(log_snr):
        shares.append((posterior @ members).astype(np.float32))
        itself.append(posterior[np.arange(len(atoms)), :, atoms])
    return np.concatenate(shares), np.concatenate(itself)


def _busy(world: GaussianMixture | ImageSet, members: FloatArray, seed: int) -> tuple[float, float]:
    """From the noisiest to the cleanest level at which some column is still being decided, by a few draws."""
    axis = np.arange(*own_range(world))
    seen = Draws(world, _FEW, seed)
    seen_of = np.array([np.square(seen.shares(float(at), members)).mean(axis=(0, 1)) for at in axis])
    room = np.maximum(seen_of[-1] - seen_of[0], 1e-9)
    rising = ((seen_of - seen_of[0]) / room > _SETTLED) & ((seen_of[-1] - seen_of) / room > _SETTLED)
    busy = axis[rising.any(axis=1)]
    return (float(busy[0]) - 2, float(busy[-1]) + 2) if len(busy) else own_range(world)


def _draws(world: GaussianMixture | ImageSet, shares: int) -> int:
    """How many, for `shares` numbers a draw."""
    most = min(_MOST_PRODUCTS // len(world.weights), _MOST_SHARES // (2 * shares), _MOST_DRAWS)
    return max(most, 1000)
