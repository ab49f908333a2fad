"""Runs of an image set under its exact posterior, with neither solver nor pixels: what a perfect sampler would give."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from diffwin.levels import FloatArray, Grid
from diffwin.paths import data_folder
from diffwin.survival import Readings
from diffwin.worlds.base import Feature
from diffwin.worlds.exact import Draws
from diffwin.worlds.image_set import ImageSet
from diffwin.worlds.read import read_world


@dataclass(frozen=True, eq=False)
class ExactRuns:
    """An image set with its features and levels."""

    world: ImageSet
    features: dict[str, Feature]
    grid: Grid

    @classmethod
    def of(cls, name: str) -> ExactRuns:
        """A shipped image set."""
        read = read_world(data_folder("assets") / name)
        assert isinstance(read.world, ImageSet)
        return cls(read.world, read.features, read.grid())

    def crossings(self, values: Sequence[float], draws: int) -> dict[str, FloatArray]:
        """Log-SNR at which each feature's exact normalised survival passes each value."""
        seen = Draws(self.world, draws)
        axis = self.grid.log_snr[:0:-1]
        curves = [seen.survivals(self.features, at) for at in axis]
        found = {}
        for name, feature in self.features.items():
            floor = float(((self.world.weights @ feature.table) ** 2).sum())
            survival = np.array([curve[name].value for curve in curves])
            found[name] = np.interp(values, np.maximum.accumulate((survival - floor) / (1 - floor)), axis)
        return found

    @cached_property
    def _factor(self) -> NDArray[np.float32]:
        """F with F F^T the inner products of the images, so that F z is distributed as they are with noise."""
        size, axes = np.linalg.eigh((self.world.offsets @ self.world.offsets.T).astype(np.float64))
        kept = size > size.max() * 1e-9
        return np.asarray(axes[:, kept] * np.sqrt(size[kept]), np.float32)

    def readings(self, bases: int, repeats: int, levels: int, seed: int) -> Iterator[Readings]:
        """One renoise run: the readings of every feature in the same regenerations."""
        rng = np.random.default_rng(seed)
        measured = np.array(self.grid.spread(levels))
        atoms = rng.choice(len(self.world.weights), size=bases, p=self.world.weights)
        each = np.repeat(atoms, repeats)
        drawn = [self._draw(rng, each, float(self.grid.log_snr[k]), (1,))[0] for k in measured]
        back = np.stack([atoms.reshape(bases, repeats) for atoms in drawn], axis=1)
        for name, feature in self.features.items():
            label = feature.table.argmax(axis=1)
            counts = (label[back][..., None] == np.arange(len(feature.labels))).sum(axis=2)
            agreement = (label[back] == label[atoms][:, None, None]).sum(axis=2).astype(float)
            none = np.zeros(len(measured), np.int64)
            at = self.grid.log_snr[measured]
            yield Readings("", name, feature.labels, label[atoms], counts, agreement, none, measured, at)

    def pairs(self, rng: np.random.Generator, atoms: NDArray[np.int64], log_snr: float) -> NDArray[np.int64]:
        """Two regenerations of each atom (n,), the second with the first's noise turned, (2, n)."""
        return self._draw(rng, atoms, log_snr, (1, -1))

    def _draw(
        self, rng: np.random.Generator, atoms: NDArray[np.int64], log_snr: float, signs: Sequence[int]
    ) -> NDArray[np.int64]:
        """Atoms drawn from the posterior of each atom in fresh noise, (signs, n)."""
        own = self.world.offsets[atoms] @ self.world.offsets.T - 0.5 * self.world.square
        ratio = np.sqrt(expit(log_snr) / expit(-log_snr))
        noise = rng.standard_normal((len(atoms), self._factor.shape[1]), np.float32) @ self._factor.T
        luck = rng.random((len(atoms), 1))
        prior = np.log(np.maximum(self.world.weights, 1e-300))
        back = []
        for sign in signs:
            share = softmax(prior + ratio**2 * own + sign * ratio * noise, axis=1).cumsum(axis=1)
            chosen = ((luck if sign > 0 else 1 - luck) * share[:, -1:] > share).sum(axis=1)
            back.append(np.minimum(chosen, share.shape[1] - 1))
        return np.stack(back)
