"""Exact survival of any label of a world, by Monte Carlo over noisy points with the standard error stated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from diffwin.levels import FloatArray
from diffwin.worlds.base import Feature, World

_CHUNK = 256


@dataclass(frozen=True)
class Survival:
    """Exact survival of a feature at one log-SNR, up to its Monte-Carlo standard error.

    `groups` holds (value, standard error) of each label s: P(label(x_0') = s | label(x_0) = s).
    """

    value: float
    standard_error: float
    groups: dict[str, tuple[float, float]] = field(default_factory=dict)


class Draws:
    """Finished samples of a world with noise to mix in, the same at every level, so that curves over levels are smooth.

    `weights` (K,) are the shares of the atoms among the samples, those of the world if not given. Atoms are drawn
    systematically, each with its share to within one draw, in an order of their own: an image set is often listed label
    by label in turn, and every other atom would else be drawn once more than its neighbours. Every sample is seen in
    its noise and in the opposite noise (antithetic variates), which leaves a fraction of the variance.
    """

    def __init__(self, world: World, draws: int = 4096, seed: int = 0, *, weights: FloatArray | None = None) -> None:
        rng = np.random.default_rng(seed)
        share = world.weights if weights is None else weights / weights.sum()
        shuffled = rng.permutation(len(share))
        place = (np.arange(draws) + rng.random()) / draws
        self.world = world
        self.atoms: NDArray[np.int64] = shuffled[np.searchsorted(np.cumsum(share[shuffled])[:-1], place, side="right")]
        blocks = np.split(self.atoms, range(_CHUNK, draws, _CHUNK))
        self._blocks = [(atoms, world.follow(atoms, rng)) for atoms in blocks]

    def blocks(self, log_snr: float) -> Iterator[tuple[NDArray[np.int64], FloatArray]]:
        """Some of the draws at a time: their atoms (b,), and P(atom | x_t) in the noise and its opposite, (b, 2, K)."""
        alpha, sigma = float(np.sqrt(expit(log_snr))), float(np.sqrt(expit(-log_snr)))
        for atoms, posterior in self._blocks:
            yield atoms, np.stack([posterior(alpha, sigma), posterior(alpha, -sigma)], axis=1)

    def shares(self, log_snr: float, tables: FloatArray) -> FloatArray:
        """P(atom | x_t) @ tables for tables (K, columns), (draws, 2, columns)."""
        return np.concatenate([posterior @ tables for _, posterior in self.blocks(log_snr)])

    def survivals(self, features: Mapping[str, Feature], log_snr: float) -> dict[str, Survival]:
        """For each feature E sum_s p(s | x_t)^2 and, for each label s, E[p(s | x_t) | label(x_0) = s].

        Two draws from one posterior agree on s with probability p(s | x_t)^2 (Li & Chen 2024). Standard errors treat
        the draws as independent, which is cautious: they are stratified over the atoms.
        """
        tables = np.concatenate([feature.table for feature in features.values()], axis=1)
        ends = np.cumsum([len(feature.labels) for feature in features.values()])
        posteriors = np.split(self.shares(log_snr, tables), ends[:-1], axis=2)
        named = zip(features.items(), posteriors, strict=True)
        return {
            name: survival_of(feature.labels, feature.table[self.atoms], posterior)
            for (name, feature), posterior in named
        }


def exact_survivals(
    world: World, features: Mapping[str, Feature], log_snr: float, draws: int = 4096, seed: int = 0
) -> dict[str, Survival]:
    """Survival of each feature and label at one log-SNR; for a curve, keep one `Draws` for all its levels."""
    return Draws(world, draws, seed).survivals(features, log_snr)


def exact_survival(world: World, feature: Feature, log_snr: float, draws: int = 4096, seed: int = 0) -> Survival:
    """The same of one feature."""
    return exact_survivals(world, {"": feature}, log_snr, draws, seed)[""]


def survival_of(
    labels: Sequence[str], own: FloatArray, posterior: FloatArray, weights: FloatArray | None = None
) -> Survival:
    """From P(label | x_t) of many draws (draws, 2, labels) and P(label | x_0) of the same (draws, labels).

    `weights` (draws,) make up for draws that are not in the world's own shares.
    """
    weights = np.ones(len(own)) if weights is None else weights
    value, error = mean_and_error(np.square(posterior).sum(axis=2), weights)
    of_label = [mean_and_error(posterior[..., k], weights * own[:, k]) for k in range(len(labels))]
    return Survival(value, error, dict(zip(labels, of_label, strict=True)))


def mean_and_error(values: FloatArray, weights: FloatArray) -> tuple[float, float]:
    """Weighted mean of values (draws, 2) over draws and opposites, and its standard error; weights (draws,)."""
    pairs, total = values.mean(axis=1), max(float(weights.sum()), np.finfo(float).tiny)
    mean = float(weights @ pairs) / total
    return mean, float(np.sqrt(np.square(weights) @ np.square(pairs - mean))) / total
