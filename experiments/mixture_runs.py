"""Gaussian mixtures nobody chose, as world files, and their runs under the exact posterior without a sampler."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from diffwin.levels import FloatArray, Grid
from diffwin.survival import Readings
from diffwin.worlds.base import Feature
from diffwin.worlds.mixture import GaussianMixture
from diffwin.worlds.read import read_world

FATES = ("apart", "nested", "overlapping", "concentric", "far", "lopsided")


def random_world(seed: int) -> str:
    """The text of a world file: two to sixteen components in one to 64 dimensions, with one to three label sets.

    Its fate is drawn too. `apart`: means scattered at 3 to 300 standard deviations. `nested`: clusters of them, two
    scales. `overlapping`: at less than 2, so that some labels are never sure. `concentric`: one mean and several
    widths. `far`: beyond what the noisiest level measured erases. `lopsided`: nearly all weight on one component.
    """
    rng = np.random.default_rng((seed, 7))
    fate = rng.choice(FATES, p=[0.4, 0.25, 0.1, 0.1, 0.05, 0.1])
    count, dimension = int(rng.integers(2, 17)), int(rng.choice([1, 2, 3, 8, 64]))
    spreads = np.ones(count) if rng.random() < 0.5 else np.exp(rng.normal(0, 0.5, count))
    size = float(np.exp(rng.uniform(np.log(3), np.log(300))))
    means, cluster = rng.normal(size=(count, dimension)), rng.integers(0, max(2, count // 3), count)
    cluster[:2] = 0, 1
    if fate == "nested":
        centres = rng.normal(size=(cluster.max() + 1, dimension)) * rng.uniform(4, 12)
        means = means + centres[cluster]
    elif fate == "overlapping":
        size = rng.uniform(0.5, 2)
    elif fate == "concentric":
        size, spreads = 0.0, np.exp(np.linspace(0, rng.uniform(2, 4), count))
    elif fate == "far":
        size = 3e4
    weights = rng.dirichlet(np.full(count, rng.choice([0.7, 2.0, 20.0]))) + 0.005
    if fate == "lopsided":
        weights[0] = 30
    names = {f"set{k}": rng.integers(0, rng.integers(2, 6), count) for k in range(rng.integers(1, 4))}
    for told in names.values():
        told[rng.permutation(count)[:2]] = 0, 1
    if fate == "nested":
        names["cluster"] = cluster
    lines = ['kind = "gaussian-mixture"', f"dimension = {dimension}", f'description = "{fate}"']
    for k in range(count):
        labels = ", ".join(f'{name} = "{"abcdefgh"[told[k]]}"' for name, told in names.items())
        mean = np.round(size * means[k], 4).tolist()
        lines += ["[[component]]", f"weight = {weights[k] / weights.sum():.5f}", f"mean = {mean}"]
        lines += [f"std = {spreads[k]:.4f}", f"labels = {{{labels}}}"]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, eq=False)
class MixtureRuns:
    """A mixture with its features and levels."""

    world: GaussianMixture
    features: dict[str, Feature]
    grid: Grid

    @classmethod
    def of(cls, path: Path) -> MixtureRuns:
        read = read_world(path)
        assert isinstance(read.world, GaussianMixture)
        return cls(read.world, read.features, read.grid())

    def readings(self, bases: int, repeats: int, levels: int, seed: int) -> Iterator[Readings]:
        """One renoise run: the label of the component that made each base and each regeneration."""
        rng = np.random.default_rng(seed)
        measured = np.array(self.grid.spread(levels))
        atoms = rng.choice(len(self.world.weights), size=bases, p=self.world.weights)
        x0 = np.repeat(self.world.place(atoms, rng), repeats, axis=0)
        at = self.grid.log_snr[measured]
        back = np.stack([self._regenerate(rng, x0, float(each)).reshape(bases, repeats) for each in at], axis=1)
        for name, feature in self.features.items():
            label = feature.table.argmax(axis=1)
            counts = (label[back][..., None] == np.arange(len(feature.labels))).sum(axis=2)
            agreement = (label[back] == label[atoms][:, None, None]).sum(axis=2).astype(float)
            none = np.zeros(len(measured), np.int64)
            yield Readings("", name, feature.labels, label[atoms], counts, agreement, none, measured, at)

    def _regenerate(self, rng: np.random.Generator, x0: FloatArray, log_snr: float) -> NDArray[np.int64]:
        """Components drawn from the posterior of each point (n, d) in fresh noise, (n,)."""
        alpha, sigma = float(np.sqrt(expit(log_snr))), float(np.sqrt(expit(-log_snr)))
        share = self.world.responsibilities(alpha * x0 + sigma * rng.standard_normal(x0.shape), alpha, sigma)
        return np.asarray((rng.random((len(x0), 1)) > share.cumsum(axis=1)[:, :-1]).sum(axis=1), np.int64)
