"""Unconditional pixel models: what DDPMPipeline and DDIMPipeline load (a UNet2DModel and a scheduler)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from diffwin.errors import BadInput
from diffwin.process.base import Samples, State
from diffwin.process.choices import Choices, Source
from diffwin.process.diffusion import Diffusion, Identity
from diffwin.process.engine import Settings
from diffwin.process.record import provenance
from diffwin.process.schedule import Schedule, prior_scale, walk
from diffwin.process.solvers import is_stochastic
from diffwin.process.weights import importing, load_part, part_folder, place

_CLIPS = {"ddpm", "ddim"}  # the schedulers of the other solvers have no clip_sample


class DDPMProcess(Diffusion):
    """States are pixels (c, h, w) in [-1, 1]."""

    def __init__(self, source: Source, unet: Any, schedule: Schedule, choices: Choices) -> None:
        channels = int(unet.config.in_channels)
        _check_channels(source.name, channels, int(unet.config.out_channels))
        grid, table = walk(schedule, choices.solver, choices.steps, choices.eta)
        clips = schedule.clip_sample and choices.solver in _CLIPS
        settings = Settings(
            shape=(channels, *side(unet.config.sample_size)),
            slots=choices.slots,
            clip=schedule.clip_sample_range if clips else None,
            prior_scale=prior_scale(schedule, choices.solver, grid),
            device=choices.device,
        )
        identity = Identity(
            source.name,
            choices.solver,
            is_stochastic(choices.solver, choices.eta),
            provenance(source, "DDPMPipeline", schedule),
        )
        network = PixelNetwork(place(unet, choices.device, choices.dtype))
        super().__init__(identity, grid, table, network, settings, seed=choices.seed)

    def render(self, states: Sequence[State]) -> Samples:
        """uint8 RGB (n, h, w, 3); grey is repeated, and a state that is not finite is black."""
        return to_rgb(torch.stack(list(states)))


class PixelNetwork:
    """A UNet2DModel in its own dtype between float32 states."""

    def __init__(self, unet: Any) -> None:
        self.unet = unet

    def __call__(self, x: torch.Tensor, time: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        given = x.to(self.unet.dtype, memory_format=torch.channels_last)
        out: torch.Tensor = self.unet(given, time.float(), return_dict=False)[0]
        return out.to(x.dtype, memory_format=torch.contiguous_format)


def load_ddpm(source: Source, choices: Choices) -> DDPMProcess:
    """From a folder, with or without subfolders for its parts."""
    choices.need_no_prompt(source.name)
    with importing():
        from diffusers import UNet2DModel
    schedule = Schedule.read(part_folder(source.folder, "scheduler") / "scheduler_config.json")
    return DDPMProcess(source, load_part(UNet2DModel, source.folder, "unet"), schedule, choices)


def side(sample_size: int | Sequence[int]) -> tuple[int, int]:
    """Height and width that a UNet's sample_size stands for."""
    if isinstance(sample_size, int):
        return sample_size, sample_size
    height, width = sample_size
    return int(height), int(width)


def to_rgb(pixels: torch.Tensor) -> Samples:
    """(n, 1 or 3, h, w) in [-1, 1] to uint8 (n, h, w, 3), rounded as diffusers' pipelines do."""
    unit = (pixels.float() / 2 + 0.5).clamp(0, 1).nan_to_num(0.0)
    coloured = unit.expand(-1, 3, -1, -1).permute(0, 2, 3, 1)
    return (coloured * 255).round().to(torch.uint8).cpu().numpy().astype(np.uint8, copy=False)


def _check_channels(name: str, taken: int, given: int) -> None:
    if given != taken:
        raise BadInput(
            f"the network gives {given} channels for {taken}",
            where=name,
            cure="diffwin supports fixed variances (fixed_small, fixed_large), not learned ones",
        )
    if taken not in (1, 3):
        raise BadInput(f"its samples have {taken} channels", where=name, cure="give a model of grey or RGB pictures")
