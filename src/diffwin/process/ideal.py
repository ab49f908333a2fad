"""Worlds with an exact posterior: what mixtures and image sets share.

Such a world is a set of atoms with weights, the components of a mixture or the images of a set. Seeing a noisy point
it knows P(atom | x_t), so the denoiser E[x_0 | x_t] and the survival of every label follow with no network.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from diffwin.errors import BadInput
from diffwin.levels import FloatArray, Grid
from diffwin.process.diffusion import Diffusion, Identity
from diffwin.process.engine import Settings
from diffwin.process.solvers import build

Points = NDArray[Any]
"""Points (n, d), in the world's own floating type."""

_CHUNK = 256


class World(Protocol):
    """Atoms with weights (K,), and what a noisy point x_t = alpha x_0 + sigma z (n, d) says of them.

    `alpha` and `sigma` are numbers or arrays (n,), one for each point.
    """

    weights: FloatArray

    def place(self, atoms: NDArray[np.int64], rng: np.random.Generator) -> Points:
        """A finished sample x_0 of each of these atoms, shape (n, d)."""

    def responsibilities(self, x: Points, alpha: ArrayLike, sigma: ArrayLike) -> FloatArray:
        """P(atom | x_t), shape (n, K)."""

    def posterior_mean(self, x: Points, alpha: ArrayLike, sigma: ArrayLike) -> Points:
        """E[x_0 | x_t], shape (n, d)."""


@dataclass(frozen=True, eq=False)
class Feature:
    """What an atom says of one feature: `table` is P(label | atom), shape (K, labels), rows sum to one."""

    labels: tuple[str, ...]
    table: FloatArray

    @classmethod
    def of(cls, values: ArrayLike) -> Feature:
        """From one label for each atom; labels keep the order in which they first appear."""
        values = [str(value) for value in np.asarray(values)]
        labels = tuple(dict.fromkeys(values))
        return cls(labels, np.eye(len(labels))[[labels.index(value) for value in values]])

    def without_empty(self) -> Feature:
        """The same without the labels that no atom has."""
        held = self.table.any(axis=0)
        return Feature(tuple(np.array(self.labels)[held].tolist()), self.table[:, held])


@dataclass(frozen=True)
class Survival:
    """Exact survival of a feature at one log-SNR, up to its Monte-Carlo standard error.

    `groups` holds (value, standard error) of each label s: P(label(x_0') = s | label(x_0) = s).
    """

    value: float
    standard_error: float
    groups: dict[str, tuple[float, float]] = field(default_factory=dict)


def vp_grid(min_log_snr: float, max_log_snr: float, steps: int) -> Grid:
    """Variance preserving levels even in log-SNR; level 0 is clean, and time is OU time, -ln(alpha)."""
    levels = np.linspace(max_log_snr, min_log_snr, steps)
    alpha = np.concatenate([[1.0], np.sqrt(expit(levels))])
    sigma = np.concatenate([[0.0], np.sqrt(expit(-levels))])
    return Grid(alpha, sigma, np.concatenate([[0.0], 0.5 * np.log1p(np.exp(-levels))]))


def noised(world: World, log_snr: float, draws: int, seed: int) -> Iterator[Points]:
    """`draws` points x_t at a log-SNR, in chunks (n, d); atoms are drawn systematically, so each has its share."""
    rng = np.random.default_rng(seed)
    alpha, sigma = np.sqrt(expit(log_snr)), np.sqrt(expit(-log_snr))
    share = (np.arange(draws) + rng.random()) / draws
    atoms = np.searchsorted(np.cumsum(world.weights)[:-1], share, side="right")
    for start in range(0, draws, _CHUNK):
        x0 = world.place(atoms[start : start + _CHUNK], rng)
        yield (alpha * x0 + sigma * rng.standard_normal(x0.shape)).astype(x0.dtype)


def exact_survivals(
    world: World, features: Mapping[str, Feature], log_snr: float, draws: int = 4096, seed: int = 0
) -> dict[str, Survival]:
    """For each feature E sum_s p(s | x_t)^2 and, for each label s, E p(s | x_t)^2 / p(s), by Monte Carlo over x_t.

    Two draws from one posterior agree on s with probability p(s | x_t)^2 (Li & Chen 2024). Standard errors treat the
    draws as independent, which is cautious: they are stratified over the atoms.
    """
    alpha, sigma = np.sqrt(expit(log_snr)), np.sqrt(expit(-log_snr))
    seen: dict[str, list[FloatArray]] = {name: [] for name in features}
    for x in noised(world, log_snr, draws, seed):
        shares = world.responsibilities(x, alpha, sigma)
        for name, feature in features.items():
            seen[name].append(shares @ feature.table)
    return {name: _survival(world, features[name], np.concatenate(chunks)) for name, chunks in seen.items()}


def exact_survival(world: World, feature: Feature, log_snr: float, draws: int = 4096, seed: int = 0) -> Survival:
    """The same of one feature."""
    return exact_survivals(world, {"": feature}, log_snr, draws, seed)[""]


def _survival(world: World, feature: Feature, posterior: FloatArray) -> Survival:
    """From P(label | x_t) of many draws (draws, labels)."""
    both = posterior**2
    groups = _mean(both / (world.weights @ feature.table))
    value, error = _mean(both.sum(axis=1))
    named = zip(feature.labels, *groups, strict=True)
    return Survival(float(value), float(error), {label: (float(v), float(e)) for label, v, e in named})


def _mean(values: FloatArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean over the first axis and its standard error."""
    return values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(len(values))


@dataclass(frozen=True, eq=False)
class PosteriorMean:
    """The ideal denoiser of a world as the engine's network: E[x_0 | x_t], at OU time t."""

    world: World

    def __call__(self, x: torch.Tensor, time: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        t = time.cpu().numpy()
        alpha, sigma = np.exp(-t), np.sqrt(-np.expm1(-2 * t))
        mean = self.world.posterior_mean(x.flatten(1).cpu().numpy(), alpha, sigma)
        return torch.from_numpy(mean).reshape(x.shape).to(x)


class IdealDiffusion(Diffusion):
    """A world walked by the engine under its own exact score; a kind of world adds `render` and `read_truth`."""

    def __init__(
        self,
        identity: Identity,
        grid: Grid,
        world: World,
        features: dict[str, Feature],
        settings: Settings,
        *,
        seed: int,
        eta: float = 0.0,
    ) -> None:
        table = build(grid, identity.solver, "sample", eta=eta)
        super().__init__(identity, grid, table, PosteriorMean(world), settings, seed=seed)
        self.world, self.features = world, features
        self.feature_labels = {name: feature.labels for name, feature in features.items()}

    def feature(self, name: str) -> Feature:
        """A feature of this world; BadInput with the list for any other."""
        if name not in self.features:
            known = ", ".join(self.features)
            raise BadInput(f"{self.name} has no feature {name!r}", where="--probe", cure=f"choose one of {known}")
        return self.features[name]

    def exact_survival(self, feature: str, log_snr: float, draws: int = 4096, seed: int = 0) -> Survival:
        """Exact survival of one feature: what a run of this world must reproduce."""
        return exact_survival(self.world, self.feature(feature), log_snr, draws, seed)

    def exact_survivals(self, log_snr: float, draws: int = 4096, seed: int = 0) -> dict[str, Survival]:
        """The same of every feature, from one set of draws."""
        return exact_survivals(self.world, self.features, log_snr, draws, seed)
