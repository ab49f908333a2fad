"""The process that walks a Gaussian mixture."""

from __future__ import annotations

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
        return self.world.label_posterior(samples, self.feature(feature))
