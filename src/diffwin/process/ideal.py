"""Processes of worlds with an exact posterior: the ideal denoiser as the engine's network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from diffwin.errors import BadInput
from diffwin.process.diffusion import Diffusion, Identity
from diffwin.process.engine import Settings
from diffwin.process.solvers import Walk
from diffwin.worlds.base import Feature, World
from diffwin.worlds.exact import Survival, exact_survival, exact_survivals


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
        walk: Walk,
        world: World,
        features: dict[str, Feature],
        settings: Settings,
        *,
        seed: int,
    ) -> None:
        super().__init__(identity, walk, PosteriorMean(world), settings, seed=seed)
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
