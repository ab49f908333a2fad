"""Stable Diffusion 1.x and 2.x: what StableDiffusionPipeline loads, without its safety checker and watermark."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import pad

from diffwin.errors import BadInput
from diffwin.process.additions import load_laid, load_vae
from diffwin.process.choices import Choices, Source
from diffwin.process.configured import Configured
from diffwin.process.decoder import Decoder
from diffwin.process.prompts import Conditions, PromptReader, text_encoder
from diffwin.process.schedules import read_schedule
from diffwin.process.trained import Denoiser, TextToImage, latent_shape, usual_shape
from diffwin.process.weights import importing, load_tokenizer


@dataclass(frozen=True)
class Parts:
    """The modules of a pipeline that diffwin needs."""

    unet: Any
    vae: Any
    conditions: Conditions


class StableDiffusionProcess(TextToImage):
    """States are latents (c, h, w), scaled as the pipeline scales them."""

    def __init__(self, source: Source, parts: Parts, schedule: Configured, choices: Choices) -> None:
        _check_parts(source.name, parts)
        width = parts.unet.config.time_cond_proj_dim
        self.tells_guidance = width is not None
        if self.tells_guidance:
            choices.need_no_negative_prompt(source.name)
        # the pipeline itself sets these two, whatever its configuration says
        schedule = schedule.model_copy(update={"steps_offset": 1, "clip_sample": False})
        conditions = parts.conditions
        weight = None if width is None else guidance_embedding(choices.guidance, width)

        def told(ids: torch.Tensor) -> dict[str, Any]:
            text = conditions.embeddings(ids)["states"]
            told_weight = None if weight is None else weight.to(text).expand(len(ids), -1)
            return {"encoder_hidden_states": text, "timestep_cond": told_weight}

        decoder = Decoder(parts.vae, choices)
        shape = latent_shape(usual_shape(parts.unet.config), choices, decoder)
        network = Denoiser(parts.unet, choices, told, shape)
        pipeline = "LatentConsistencyModelPipeline" if self.tells_guidance else "StableDiffusionPipeline"
        super().__init__(source, pipeline, schedule, network, choices, decoder=decoder, conditions=conditions)


def guidance_embedding(weight: float, width: int) -> torch.Tensor:
    """What a network distilled for guidance w is told of it, (1, width): sines and cosines of 1000 (w - 1)."""
    half = width // 2
    rates = torch.exp(torch.arange(half) * (-math.log(10000.0) / (half - 1)))
    angles = 1000 * (weight - 1) * rates
    return pad(torch.cat([angles.sin(), angles.cos()]), (0, width % 2))[None]


def load(source: Source, choices: Choices) -> StableDiffusionProcess:
    """From a folder in the layout of StableDiffusionPipeline.save_pretrained."""
    with importing():
        from diffusers import AutoencoderKL, UNet2DConditionModel
        from transformers import CLIPTextModel
    folder = source.folder
    schedule = read_schedule(folder)
    words = load_tokenizer(folder)
    reader = PromptReader(words, text_encoder(CLIPTextModel, source, "stable", "text_encoder", choices, words))
    parts = Parts(
        conditions=Conditions(reader, choices),
        unet=load_laid(UNet2DConditionModel, source, "stable", "unet", choices.dtype),
        vae=load_vae(AutoencoderKL, source, choices.dtype),
    )
    return StableDiffusionProcess(source, parts, schedule, choices)


def _check_parts(name: str, parts: Parts) -> None:
    """BadInput for a UNet that wants more than latents, a time and a text."""
    # The pooled text ("text") is made from the text states; the other additions want inputs of their own.
    unet, latent, width = parts.unet.config, parts.vae.config.latent_channels, parts.conditions.width
    faults = {
        f"its UNet takes {unet.in_channels} channels and its latents have {latent}": unet.in_channels != latent,
        f"its UNet gives {unet.out_channels} channels for {unet.in_channels}": unet.out_channels != unet.in_channels,
        f"its UNet reads text of width {unet.cross_attention_dim}, not {width}": unet.cross_attention_dim != width,
        "its UNet wants further conditions": (
            unet.addition_embed_type not in (None, "text") or unet.class_embed_type is not None
        ),
    }
    for fault, there in faults.items():
        if there:
            raise BadInput(fault, where=name, cure="give a plain text-to-image Stable Diffusion 1.x or 2.x model")
