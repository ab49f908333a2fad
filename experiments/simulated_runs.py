"""Adaptive runs on worlds whose law is exact, with no sampler: what an allocator does, in a second.

A regeneration costs one network row a level, as with any solver of one evaluation a step, unless its cost is flat.
Repeats come in antithetic pairs, as in a run: the second has the noise of the first with its sign turned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from diffwin.allocate import Adaptive, Aim
from diffwin.design import Design
from diffwin.estimate import Estimate, estimate
from diffwin.levels import Grid
from diffwin.survival import RESAMPLES, Readings
from diffwin.trials import ALL
from diffwin.worlds.base import Feature
from exact_runs import ExactRuns
from simulated import separation

LOOK = 100
"""Resamples while only deciding what comes next, as in a run."""

MOST = 16_384
"""Bases that a world has at most."""


class World(Protocol):
    """Something that can be regenerated from. `read` gives the same outcome for the same trial, however often."""

    grid: Grid

    def read(self, design: Design) -> list[Readings]:
        """What the probes would read of a design's bases and regenerations."""


@dataclass(frozen=True, eq=False)
class SimulatedRun:
    """What a run ended with; `looks` is how often the data were looked at."""

    readings: list[Readings]
    estimates: list[Estimate]
    design: Design
    rows: int
    looks: int


def simulate(world: World, aim: Aim, seed: int, cost: Callable[[int], int] = lambda level: level) -> SimulatedRun:
    """A run that is allocated until the aim is met."""
    allocator = Adaptive(world.grid, cost, aim)
    designs: dict[str, Design] | None = allocator.first([""])
    stopped = aim.precision is not None
    asked = {"groups": [ALL] if aim.groups is None else None, "stopped": stopped}
    looks = 0
    while designs is not None:
        design, looks = designs[""], looks + 1
        readings = world.read(design)
        resamples = RESAMPLES if stopped else LOOK
        seen = [estimate(each, world.grid, seed=seed, resamples=resamples, **asked) for each in readings]
        designs = allocator.next(designs, seen)
    final = [estimate(each, world.grid, seed=seed, **asked) for each in readings]
    return SimulatedRun(readings, final, design, allocator.spent({"": design}), looks)


@dataclass(eq=False)
class Pairs:
    """Independent features, each of two Gaussian components at +-mu (see simulated.py), as in a hypercube.

    features: {name: (mu, prior of the first label)}.
    """

    grid: Grid
    features: Mapping[str, tuple[float, float]]
    seed: int
    _drawn: dict[tuple[str, int, int], NDArray[np.bool_]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rng = np.random.default_rng((self.seed, 0))
        priors = np.array([prior for _, prior in self.features.values()])
        self._labels = (rng.random((len(priors), MOST)) >= priors[:, None]).astype(np.int64)
        self._own = rng.standard_normal((len(priors), MOST))

    def read(self, design: Design) -> list[Readings]:
        return [self._read(k, name, design) for k, name in enumerate(self.features)]

    def _read(self, k: int, name: str, design: Design) -> Readings:
        levels, labels = np.array(design.levels, np.int64), self._labels[k, : design.bases]
        read = design.counts[:, levels]
        survived = np.zeros_like(read)
        for at, level in enumerate(levels):
            for repeat in range(int(read[:, at].max())):
                kept = self._kept(k, name, int(level), repeat)[: design.bases]
                survived[:, at] += kept & (repeat < read[:, at])
        counts = np.where(labels[:, None, None] == np.arange(2), survived[:, :, None], (read - survived)[:, :, None])
        at, none = self.grid.log_snr[levels], np.zeros(len(levels), np.int64)
        return Readings("", name, ("left", "right"), labels, counts, survived * 1.0, none, levels, at)

    def _kept(self, k: int, name: str, level: int, repeat: int) -> NDArray[np.bool_]:
        """Whether each base keeps its label in one repeat, (MOST,)."""
        key = name, level, repeat
        if key not in self._drawn:
            rng, sign = np.random.default_rng((self.seed, 1, k, level, repeat // 2)), 1 - 2 * (repeat % 2)
            log_snr, (mu, prior) = self.grid.log_snr[level], self.features[name]
            z, luck = sign * rng.standard_normal(MOST), rng.random(MOST)
            along = np.sqrt(expit(log_snr)) * self._own[k] + np.sqrt(expit(-log_snr)) * z
            d = separation(log_snr, mu)
            odds = d * d / 2 + d * along + logit(prior) * np.where(self._labels[k] == 0, 1, -1)
            self._drawn[key] = (luck if sign > 0 else 1 - luck) < expit(odds)
        return self._drawn[key]


@dataclass(eq=False)
class Drawings:
    """An image set under its exact posterior: all its features, read in the same regenerations."""

    runs: ExactRuns
    seed: int
    _back: dict[int, NDArray[np.int64]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.grid, self._rng = self.runs.grid, np.random.default_rng(self.seed)
        self._atoms = self._rng.choice(len(self.runs.world.weights), size=MOST, p=self.runs.world.weights)

    def read(self, design: Design) -> list[Readings]:
        levels, atoms = np.array(design.levels, np.int64), self._atoms[: design.bases]
        back = np.full((design.bases, len(levels), int(design.counts.max())), -1)
        for at, level in enumerate(levels):
            counts = design.counts[:, level]
            drawn = self._drawn(int(level), counts)[: design.bases, : back.shape[2]]
            wanted = np.arange(drawn.shape[1]) < counts[:, None]
            back[:, at, : drawn.shape[1]] = np.where(wanted, drawn, -1)
        return [self._read(name, each, atoms, back, levels) for name, each in self.runs.features.items()]

    def _drawn(self, level: int, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Numbers of the drawings that come back from a level, (bases, repeats), -1 where none was asked for yet.

        Pairs are drawn together, and what was drawn once stays.
        """
        before = self._back.get(level, np.zeros((0, 0), np.int64))
        size = max(len(before), len(counts)), max(before.shape[1], 2 * ((int(counts.max()) + 1) // 2))
        held = np.full(size, -1)
        held[: len(before), : before.shape[1]] = before
        for pair in range(size[1] // 2):
            new = np.flatnonzero((counts > 2 * pair) & (held[: len(counts), 2 * pair] < 0))
            if len(new):
                drawn = self.runs.pairs(self._rng, self._atoms[new], float(self.grid.log_snr[level]))
                held[new, 2 * pair : 2 * pair + 2] = drawn.T
        self._back[level] = held
        return held

    def _read(
        self, name: str, feature: Feature, atoms: NDArray[np.int64], back: NDArray[np.int64], levels: NDArray[np.int64]
    ) -> Readings:
        label = feature.table.argmax(axis=1)
        told = np.where(back >= 0, label[back], -1)[..., None] == np.arange(len(feature.labels))
        counts = told.sum(axis=2)
        agreement = np.take_along_axis(counts, label[atoms][:, None, None], axis=2)[:, :, 0] * 1.0
        none, at = np.zeros(len(levels), np.int64), self.grid.log_snr[levels]
        return Readings("", name, feature.labels, label[atoms], counts, agreement, none, levels, at)
