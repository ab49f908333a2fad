"""What trained families share: a diffusers network, on the schedule it was trained on, as a process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from diffwin.errors import BadInput
from diffwin.process.base import Samples, State
from diffwin.process.choices import Choices, Source
from diffwin.process.configured import Configured
from diffwin.process.decoder import Decoder, check_size
from diffwin.process.diffusion import Diffusion, Identity
from diffwin.process.engine import Settings
from diffwin.process.prompts import Conditions
from diffwin.process.record import provenance
from diffwin.process.weights import place

Told = Callable[[torch.Tensor], dict[str, Any]]
"""What a network is told besides x and time, from condition ids (rows,): the text, a class, a size."""
Shape = tuple[int, int, int]
"""Channels, height and width of a state."""


class Denoiser:
    """A network of diffusers in its own dtype between float32 states."""

    gives_variance = False
    """Whether twice as many channels come out as go in, the second half for the size of the next step's noise."""

    def __init__(self, module: Any, choices: Choices, told: Told = lambda _: {}, shape: Shape | None = None) -> None:
        self.module, self.told = place(module, choices.device), told
        self.shape = shape or usual_shape(module.config)
        self._forward = torch.compile(self.module, dynamic=False) if choices.compiled else self.module

    def __call__(self, x: torch.Tensor, time: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        given = x.to(self.module.dtype, memory_format=torch.channels_last)
        out: torch.Tensor = self._forward(given, timestep=time.float(), **self.told(condition), return_dict=False)[0]
        return out.to(x.dtype, memory_format=torch.contiguous_format)


def usual_shape(config: Any) -> Shape:
    """The shape of a state that a network's configuration gives."""
    size = config.sample_size
    height, width = (size, size) if isinstance(size, int) else size
    return int(config.in_channels), int(height), int(width)


def latent_shape(usual: Shape, choices: Choices, decoder: Decoder, multiple: int = 1) -> Shape:
    """That of the size chosen, which must be a multiple of `multiple` latents; or else the usual one."""
    if choices.size is None:
        return usual
    unit = decoder.enlarges * multiple
    if any(n < unit or n % unit for n in choices.size):
        raise BadInput(
            f"size is {choices.size[1]}x{choices.size[0]}", where="--size", cure=f"give multiples of {unit} pixels"
        )
    height, width = (n // decoder.enlarges for n in choices.size)
    return usual[0], height, width


class VarianceDenoiser(Denoiser):
    """A network that predicts a variance too, for a solver that uses it."""

    gives_variance = True


class MeanDenoiser(Denoiser):
    """A network that predicts a variance too, which its pipeline or the solver has no use for."""

    def __call__(self, x: torch.Tensor, time: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        return super().__call__(x, time, condition)[:, : x.shape[1]].contiguous()


class TrainedDiffusion(Diffusion):
    """A denoiser walked as chosen, under the name of its source; a family adds `render` and what it reads."""

    def __init__(
        self,
        source: Source,
        pipeline: str,
        schedule: Configured,
        network: Denoiser,
        choices: Choices,
        *,
        clip: float | None = None,
        others: Mapping[str, torch.dtype] | None = None,
    ) -> None:
        """`others` are the dtypes of what is beside the network, by name, for the record."""
        self.tokens = tuple(each.asked.token for each in source.laid("embedding") if each.asked.token)
        record = provenance(source, pipeline, schedule, tells_guidance=self.tells_guidance)
        dtypes = {"network": network.module.dtype} | dict(others or {})
        told = ", ".join(f"{name} {str(dtype).removeprefix('torch.')}" for name, dtype in dtypes.items())
        identity = Identity(source.name, record | {"dtypes": told})
        chosen = schedule.walk(choices.solver, choices.steps, choices.eta)
        if chosen.table.spread is not None and not network.gives_variance:
            raise BadInput(
                "its scheduler says learned_range and its network gives no variance",
                where=source.name,
                cure="choose another --solver than ddpm",
            )
        settings = Settings(network.shape, slots=choices.slots, clip=clip, device=choices.device, even=choices.compiled)
        super().__init__(identity, chosen, network, settings, seed=choices.seed, guidance=choices.guidance)


class LatentDiffusion(TrainedDiffusion):
    """States are latents (c, h, w), scaled as the pipeline scales them; an autoencoder shows them."""

    def __init__(
        self,
        source: Source,
        pipeline: str,
        schedule: Configured,
        network: Denoiser,
        choices: Choices,
        *,
        decoder: Decoder,
        clip: float | None = None,
        others: Mapping[str, torch.dtype] | None = None,
    ) -> None:
        self._decoder = decoder
        others = {"autoencoder": decoder.dtype} | dict(others or {})
        super().__init__(source, pipeline, schedule, network, choices, clip=clip, others=others)

    def encode(self, pictures: Samples) -> list[State]:
        _, height, width = self.engine.settings.shape
        check_size(self.name, pictures, (self._decoder.enlarges * height, self._decoder.enlarges * width))
        return self._decoder.encode(pictures)

    def render(self, states: Sequence[State]) -> Samples:
        """uint8 RGB (n, h, w, 3); a state that is not finite is black."""
        return self._decoder.decode(states)


class TextToImage(LatentDiffusion):
    """Latents made to a prompt."""

    takes_prompt = True

    def __init__(
        self,
        source: Source,
        pipeline: str,
        schedule: Configured,
        network: Denoiser,
        choices: Choices,
        *,
        decoder: Decoder,
        conditions: Conditions,
    ) -> None:
        self._conditions = conditions
        told = {"text": conditions.dtype}
        super().__init__(source, pipeline, schedule, network, choices, decoder=decoder, others=told)

    def check_prompt(self, prompt: str) -> None:
        self._conditions.check(prompt)

    def condition(self, prompt: str) -> int:
        return self._conditions.of(prompt)
