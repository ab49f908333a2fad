"""Unconditional pixel models: what DDPMPipeline and DDIMPipeline load (a UNet2DModel and a scheduler)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from diffwin.errors import BadInput
from diffwin.process.base import Samples, State
from diffwin.process.choices import Choices, Source
from diffwin.process.configured import Configured
from diffwin.process.continuous import ScoreSchedule
from diffwin.process.decoder import check_size, from_rgb, to_rgb
from diffwin.process.schedule import clip_of
from diffwin.process.schedules import read_schedule
from diffwin.process.trained import Denoiser, MeanDenoiser, TrainedDiffusion, VarianceDenoiser
from diffwin.process.weights import importing, load_part


class DDPMProcess(TrainedDiffusion):
    """States are pixels (c, h, w): in [-1, 1], or in [0, 1] for a score network."""

    def __init__(self, source: Source, unet: Any, schedule: Configured, choices: Choices) -> None:
        choices.need_own_size(source.name)
        _check_channels(source.name, int(unet.config.in_channels), int(unet.config.out_channels))
        clip = clip_of(schedule, choices.solver)
        self._from_zero = isinstance(schedule, ScoreSchedule)
        network = _denoiser(unet, schedule, choices)
        super().__init__(source, "DDPMPipeline", schedule, network, choices, clip=clip)

    def encode(self, pictures: Samples) -> list[State]:
        channels, height, width = self.engine.settings.shape
        check_size(self.name, pictures, (height, width))
        pixels = from_rgb(pictures, channels=channels)
        return list(pixels / 2 + 0.5 if self._from_zero else pixels)

    def render(self, states: Sequence[State]) -> Samples:
        """uint8 RGB (n, h, w, 3); grey is repeated, and a state that is not finite is black."""
        pixels = torch.stack(list(states))
        return to_rgb(2 * pixels - 1 if self._from_zero else pixels)


def load(source: Source, choices: Choices) -> DDPMProcess:
    """From a folder, with or without subfolders for its parts."""
    choices.need_no_prompt(source.name)
    with importing():
        from diffusers import UNet2DModel
    schedule = read_schedule(source.folder)
    return DDPMProcess(source, load_part(UNet2DModel, source.folder, "unet", choices.dtype), schedule, choices)


def _denoiser(unet: Any, schedule: Configured, choices: Choices) -> Denoiser:
    """A network that gives a variance is asked for it by one solver alone, and by one that was trained to be."""
    if unet.config.out_channels == unet.config.in_channels:
        return Denoiser(unet, choices)
    learned = choices.solver == "ddpm" and getattr(schedule, "variance_type", None) == "learned_range"
    return (VarianceDenoiser if learned else MeanDenoiser)(unet, choices)


def _check_channels(name: str, taken: int, given: int) -> None:
    if given not in (taken, 2 * taken):
        raise BadInput(
            f"the network gives {given} channels for {taken}",
            where=name,
            cure="give one that predicts a picture, with or without a variance beside it",
        )
    if taken not in (1, 3):
        raise BadInput(f"its samples have {taken} channels", where=name, cure="give a model of grey or RGB pictures")
