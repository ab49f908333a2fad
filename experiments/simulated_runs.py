"""Adaptive runs on features whose law is exact, with no sampler: what an allocator does, in a second.

Each feature is a pair of Gaussian components at +-mu (see simulated.py) of one world, independent of the others, as in
a hypercube. A regeneration costs one network row a level, as with any solver of one evaluation a step. Repeats come in
antithetic pairs, as in a run: the second has the noise of the first with its sign turned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy.special import expit, logit

from diffwin.allocate import Adaptive, Aim, Design
from diffwin.estimate import Estimate, estimate
from diffwin.levels import FloatArray, Grid
from diffwin.survival import RESAMPLES, Readings
from diffwin.trials import ALL
from simulated import separation

LOOK = 100
"""Resamples while only deciding what comes next, as in a run."""


@dataclass(frozen=True, eq=False)
class SimulatedRun:
    """What a run ended with; `looks` is how often the data were looked at."""

    readings: list[Readings]
    estimates: list[Estimate]
    design: Design
    rows: int
    looks: int


def simulate(
    where: Grid, features: Mapping[str, tuple[float, float]], aim: Aim, seed: int, *, flat: bool = False
) -> SimulatedRun:
    """A run of features given as {name: (mu, prior of the first label)}, allocated until the aim is met.

    A sample costs a row a level, or one row whatever its level where the cost is `flat`.
    """
    allocator = Adaptive(where, (lambda level: 1) if flat else (lambda level: level), aim)
    worlds = [_World(where, name, mu, prior, (seed, k)) for k, (name, (mu, prior)) in enumerate(features.items())]
    designs: dict[str, Design] | None = allocator.first([""])
    looks = 0
    while designs is not None:
        design, looks = designs[""], looks + 1
        readings = [world.read(design) for world in worlds]
        resamples = LOOK if aim.precision is None else RESAMPLES
        seen = [estimate(each, where, seed=seed, groups=[ALL], resamples=resamples) for each in readings]
        designs = allocator.next(designs, seen)
    final = [estimate(each, where, seed=seed, groups=[ALL]) for each in readings]
    return SimulatedRun(readings, final, design, allocator.spent({"": design}), looks)


@dataclass(eq=False)
class _World:
    """One feature's regenerations; those of a level are drawn for all bases at once and keep as the design grows."""

    grid: Grid
    name: str
    mu: float
    prior: float
    seed: tuple[int, int]
    most: int = 16_384
    drawn: dict[tuple[int, int], FloatArray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rng = np.random.default_rng((*self.seed, 0))
        self.labels = (rng.random(self.most) >= self.prior).astype(np.int64)
        self.own = rng.standard_normal(self.most)

    def read(self, design: Design) -> Readings:
        levels, bases = np.array(design.levels, np.int64), design.bases
        survived = np.stack([self._survived(design.counts[:, level], int(level)) for level in levels], axis=1)
        read, mine = design.counts[:, levels], self.labels[:bases, None, None] == np.arange(2)
        counts = np.where(mine, survived[:, :, None], (read - survived)[:, :, None])
        at, none = self.grid.log_snr[levels], np.zeros(len(levels), np.int64)
        return Readings("", self.name, ("left", "right"), self.labels[:bases], counts, survived * 1.0, none, levels, at)

    def _survived(self, counts: np.ndarray, level: int) -> np.ndarray:
        kept = [self._kept(level, repeat)[: len(counts)] & (repeat < counts) for repeat in range(int(counts.max()))]
        return np.asarray(np.sum(kept, axis=0), np.int64)

    def _kept(self, level: int, repeat: int) -> np.ndarray:
        """Whether each base keeps its label in one repeat, (most,)."""
        key = level, repeat
        if key not in self.drawn:
            rng, sign = np.random.default_rng((*self.seed, 1, level, repeat // 2)), 1 - 2 * (repeat % 2)
            log_snr = self.grid.log_snr[level]
            z, luck = sign * rng.standard_normal(self.most), rng.random(self.most)
            along = np.sqrt(expit(log_snr)) * self.own + np.sqrt(expit(-log_snr)) * z
            d = separation(log_snr, self.mu)
            odds = d * d / 2 + d * along + logit(self.prior) * np.where(self.labels == 0, 1, -1)
            self.drawn[key] = (luck if sign > 0 else 1 - luck) < expit(odds)
        return self.drawn[key]
