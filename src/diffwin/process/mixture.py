"""The process that walks a Gaussian mixture."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from diffwin.process.base import Samples, State
from diffwin.process.diffusion import Identity
from diffwin.process.engine import Settings
from diffwin.process.ideal import IdealDiffusion
from diffwin.process.solvers import Walk
from diffwin.worlds.base import Feature
from diffwin.worlds.mixture import GaussianMixture


class MixtureProcess(IdealDiffusion):
    """A Gaussian mixture as a process; a finished sample is a point (d,), float64."""

    world: GaussianMixture

    def __init__(
        self,
        identity: Identity,
        walk: Walk,
        world: GaussianMixture,
        features: dict[str, Feature],
        *,
        seed: int,
        slots: int | None = None,
    ) -> None:
        room = int(np.clip(2**21 // world.dimension, 16, 1024))  # 16 MiB of state
        settings = Settings((world.dimension,), slots=slots or room, dtype=torch.float64)
        super().__init__(identity, walk, world, features, settings, seed=seed)

    def render(self, states: Sequence[State]) -> Samples:
        """The points themselves, (n, d) float64."""
        return np.stack([state.numpy() for state in states]) if states else np.zeros((0, self.world.dimension))

    def read_truth(self, samples: Samples, feature: str) -> NDArray[np.float64]:
        """The label of the component that made each sample, drawn from P(component | sample).

        The draw is a function of the point alone, so that it has one label in every run. Where components overlap,
        labels then survive as the exact E sum_s p(s | x_t)^2 has it; the likeliest label would survive more often.
        """
        share = self.world.responsibilities(samples).cumsum(axis=1)[:, :-1]
        drawn = (_uniform(samples / self.world.smallest_std)[:, None] > share).sum(axis=1)
        return np.asarray(self.feature(feature).table[drawn])


def _uniform(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """A number in [0, 1) for each point (n, d), the same for points that differ by rounding only."""
    digests = [hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in points.round(3) + 0.0]
    return np.asarray(np.frombuffer(b"".join(digests), np.uint64) / 2.0**64)
