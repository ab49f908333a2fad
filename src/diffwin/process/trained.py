"""What every trained family shares: a diffusers network, on the schedule it was trained on, as a process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from diffwin.process.choices import Choices, Source
from diffwin.process.diffusion import Diffusion, Identity
from diffwin.process.engine import Settings
from diffwin.process.record import provenance
from diffwin.process.schedule import Schedule, walk
from diffwin.process.weights import place


class Denoiser:
    """A network of diffusers in its own dtype between float32 states.

    `told` gives its further arguments from the condition ids (rows,): the text, a class, a size.
    """

    def __init__(
        self, module: Any, choices: Choices, told: Callable[[torch.Tensor], dict[str, Any]] = lambda _: {}
    ) -> None:
        self.module, self.told = place(module, choices.device, choices.dtype), told
        self._forward = torch.compile(self.module, dynamic=False) if choices.compiled else self.module

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of a state."""
        config = self.module.config
        size = config.sample_size
        height, width = (size, size) if isinstance(size, int) else size
        return int(config.in_channels), int(height), int(width)

    def __call__(self, x: torch.Tensor, time: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        given = x.to(self.module.dtype, memory_format=torch.channels_last)
        out: torch.Tensor = self._forward(given, timestep=time.float(), **self.told(condition), return_dict=False)[0]
        return out.to(x.dtype, memory_format=torch.contiguous_format)


class TrainedDiffusion(Diffusion):
    """A denoiser walked as chosen, under the name of its source; a family adds `render` and what it reads."""

    def __init__(
        self,
        source: Source,
        pipeline: str,
        schedule: Schedule,
        network: Denoiser,
        choices: Choices,
        *,
        clip: float | None = None,
    ) -> None:
        identity = Identity(source.name, provenance(source, pipeline, schedule))
        chosen = walk(schedule, choices.solver, choices.steps, choices.eta)
        settings = Settings(network.shape, slots=choices.slots, clip=clip, device=choices.device, even=choices.compiled)
        super().__init__(identity, chosen, network, settings, seed=choices.seed, guidance=choices.guidance)
