"""Stable Diffusion 1.x and 2.x: what StableDiffusionPipeline loads, without its safety checker and watermark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from diffwin.errors import BadInput
from diffwin.process.base import Samples, State
from diffwin.process.choices import Choices, Source
from diffwin.process.ddpm import side, to_rgb
from diffwin.process.diffusion import Diffusion, Identity
from diffwin.process.engine import Settings
from diffwin.process.prompts import Conditions, PromptReader
from diffwin.process.record import provenance
from diffwin.process.schedule import Schedule, prior_scale, walk
from diffwin.process.solvers import is_stochastic
from diffwin.process.weights import importing, load_part, load_tokenizer, part_folder, place

_CHUNK_PIXELS = 8 * 512 * 512  # decoding more at once runs out of memory on ordinary devices
_CHUNK_MOST = 8


@dataclass(frozen=True)
class Parts:
    """The modules of a pipeline that diffwin needs."""

    unet: Any
    vae: Any
    text_encoder: Any
    tokenizer: Any


class StableDiffusionProcess(Diffusion):
    """States are latents (c, h, w), scaled as the pipeline scales them."""

    takes_prompt = True

    def __init__(self, source: Source, parts: Parts, schedule: Schedule, choices: Choices) -> None:
        _check_parts(source.name, parts)
        # the pipeline itself sets these two, whatever its configuration says
        schedule = schedule.model_copy(update={"steps_offset": 1, "clip_sample": False})
        grid, table = walk(schedule, choices.solver, choices.steps, choices.eta)
        settings = Settings(
            shape=(int(parts.unet.config.in_channels), *side(parts.unet.config.sample_size)),
            slots=choices.slots,
            guidance=choices.guidance,
            prior_scale=prior_scale(schedule, choices.solver, grid),
            device=choices.device,
        )
        identity = Identity(
            source.name,
            choices.solver,
            is_stochastic(choices.solver, choices.eta),
            provenance(source, "StableDiffusionPipeline", schedule),
        )
        encoder = place(parts.text_encoder, choices.device, choices.dtype)
        self._reader = PromptReader(parts.tokenizer, encoder)
        self._conditions = Conditions(self._reader, choices.negative_prompt)
        self._decoder = Decoder(parts.vae, choices)
        network = LatentNetwork(place(parts.unet, choices.device, choices.dtype), self._conditions)
        super().__init__(identity, grid, table, network, settings, seed=choices.seed)

    def check_prompt(self, prompt: str) -> None:
        self._reader.check(prompt)

    def condition(self, prompt: str) -> int:
        return self._conditions.of(prompt)

    def render(self, states: Sequence[State]) -> Samples:
        """uint8 RGB (n, h, w, 3); a state that is not finite is black."""
        return self._decoder.decode(states)


class LatentNetwork:
    """A UNet2DConditionModel in its own dtype between float32 states."""

    def __init__(self, unet: Any, conditions: Conditions) -> None:
        self.unet, self.conditions = unet, conditions

    def __call__(self, x: torch.Tensor, time: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        given = x.to(self.unet.dtype, memory_format=torch.channels_last)
        text = self.conditions.embeddings(condition)
        out: torch.Tensor = self.unet(given, time.float(), encoder_hidden_states=text, return_dict=False)[0]
        return out.to(x.dtype, memory_format=torch.contiguous_format)


class Decoder:
    """The autoencoder's decoding half; float32 where float16 would overflow."""

    def __init__(self, vae: Any, choices: Choices) -> None:
        overflows = choices.dtype == torch.float16 and bool(vae.config.get("force_upcast", True))
        self.dtype = torch.float32 if overflows else choices.dtype
        self.device = choices.device
        self.vae = place(vae, self.device, self.dtype)
        self.scale = float(vae.config.scaling_factor)
        self.enlarges = 2 ** (len(vae.config.block_out_channels) - 1)

    @torch.inference_mode()
    def decode(self, states: Sequence[State]) -> Samples:
        """Latents to pictures, a chunk at a time."""
        height, width = (self.enlarges * n for n in states[0].shape[-2:])
        size = max(1, min(_CHUNK_MOST, _CHUNK_PIXELS // (height * width)))
        shown = [to_rgb(self._decode(states[i : i + size])) for i in range(0, len(states), size)]
        return np.concatenate(shown)

    def _decode(self, states: Sequence[State]) -> torch.Tensor:
        latents = torch.stack(list(states)).to(self.device, self.dtype) / self.scale
        pixels: torch.Tensor = self.vae.decode(latents, return_dict=False)[0]
        finite = latents.isfinite().flatten(1).all(1)
        return torch.where(finite[:, None, None, None], pixels, -1.0)


def load_stable(source: Source, choices: Choices) -> StableDiffusionProcess:
    """From a folder in the layout of StableDiffusionPipeline.save_pretrained."""
    with importing():
        from diffusers import AutoencoderKL, UNet2DConditionModel
        from transformers import CLIPTextModel
    folder = source.folder
    schedule = Schedule.read(part_folder(folder, "scheduler") / "scheduler_config.json")
    parts = Parts(
        unet=load_part(UNet2DConditionModel, folder, "unet"),
        vae=load_part(AutoencoderKL, folder, "vae"),
        text_encoder=load_part(CLIPTextModel, folder, "text_encoder", "model"),
        tokenizer=load_tokenizer(folder),
    )
    return StableDiffusionProcess(source, parts, schedule, choices)


def _check_parts(name: str, parts: Parts) -> None:
    """BadInput for a UNet that wants more than latents, a time and a text."""
    # The pooled text ("text") is made from the text states; the other additions want inputs of their own.
    unet, latent, width = parts.unet.config, parts.vae.config.latent_channels, parts.text_encoder.config.hidden_size
    faults = {
        f"its UNet takes {unet.in_channels} channels and its latents have {latent}": unet.in_channels != latent,
        f"its UNet gives {unet.out_channels} channels for {unet.in_channels}": unet.out_channels != unet.in_channels,
        f"its UNet reads text of width {unet.cross_attention_dim}, not {width}": unet.cross_attention_dim != width,
        "its UNet is distilled for a built-in guidance": unet.time_cond_proj_dim is not None,
        "its UNet wants further conditions": (
            unet.addition_embed_type not in (None, "text") or unet.class_embed_type is not None
        ),
    }
    for fault, there in faults.items():
        if there:
            raise BadInput(fault, where=name, cure="give a plain text-to-image Stable Diffusion 1.x or 2.x model")
