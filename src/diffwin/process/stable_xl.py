"""Stable Diffusion XL: what StableDiffusionXLPipeline loads; two text encoders and the sizes of the picture.

The refiner is a model of its own that finishes what this one began, and is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from diffwin.errors import BadInput
from diffwin.process.additions import load_laid, load_vae
from diffwin.process.choices import Choices, Source
from diffwin.process.configured import Configured, read_config
from diffwin.process.decoder import Decoder
from diffwin.process.prompts import Conditions, Embedding, PenultimateReader, Several, text_encoder
from diffwin.process.schedules import read_schedule
from diffwin.process.trained import Denoiser, TextToImage, latent_shape, usual_shape
from diffwin.process.weights import importing, load_tokenizer


@dataclass(frozen=True)
class Parts:
    """The modules of a pipeline that diffwin needs."""

    unet: Any
    vae: Any
    conditions: Conditions


class _Pair(Several):
    """Two CLIP encoders side by side: states joined by width, the pooled text of the second."""

    def embed(self, prompt: str) -> Embedding:
        first, second = (reader.embed(prompt) for reader in self._readers)
        return {"states": torch.cat([first["states"], second["states"]], dim=-1), "pooled": second["pooled"]}


class StableDiffusionXLProcess(TextToImage):
    """Told the size of the picture as its original and its target size, uncropped, as the pipeline is by default."""

    def __init__(self, source: Source, parts: Parts, schedule: Configured, choices: Choices) -> None:
        _check_parts(source.name, parts)
        conditions, decoder = parts.conditions, Decoder(parts.vae, choices)
        shape = latent_shape(usual_shape(parts.unet.config), choices, decoder)

        def told(ids: torch.Tensor) -> dict[str, Any]:
            text = conditions.embeddings(ids)
            height, width = (decoder.enlarges * n for n in shape[1:])
            sizes = text["pooled"].new_tensor([height, width, 0, 0, height, width]).expand(len(ids), -1)
            added = {"text_embeds": text["pooled"], "time_ids": sizes}
            return {"encoder_hidden_states": text["states"], "added_cond_kwargs": added}

        network = Denoiser(parts.unet, choices, told, shape)
        pipeline = "StableDiffusionXLPipeline"
        super().__init__(source, pipeline, schedule, network, choices, decoder=decoder, conditions=conditions)


def load(source: Source, choices: Choices) -> StableDiffusionXLProcess:
    """From a folder in the layout of StableDiffusionXLPipeline.save_pretrained."""
    with importing():
        from diffusers import AutoencoderKL, UNet2DConditionModel
        from transformers import CLIPTextModel, CLIPTextModelWithProjection
    folder = source.folder
    index = read_config(folder / "model_index.json")
    if index.get("text_encoder", [None])[0] is None:
        raise BadInput("it has no first text encoder", where=source.name, cure="a refiner is one; give the base model")
    schedule = read_schedule(folder)

    def reader(kind: Any, end: str) -> PenultimateReader:
        words = load_tokenizer(folder, f"tokenizer{end}")
        encoder = text_encoder(kind, source, "stable_xl", f"text_encoder{end}", choices, words)
        return PenultimateReader(words, encoder)

    pair = _Pair([reader(CLIPTextModel, ""), reader(CLIPTextModelWithProjection, "_2")])
    parts = Parts(
        conditions=Conditions(pair, choices, blank=bool(index.get("force_zeros_for_empty_prompt", True))),
        unet=load_laid(UNet2DConditionModel, source, "stable_xl", "unet", choices.dtype),
        vae=load_vae(AutoencoderKL, source, choices.dtype),
    )
    return StableDiffusionXLProcess(source, parts, schedule, choices)


def _check_parts(name: str, parts: Parts) -> None:
    """BadInput for a UNet that wants more than latents, a time, text and sizes."""
    unet, latent, width = parts.unet.config, parts.vae.config.latent_channels, parts.conditions.width
    faults = {
        f"its UNet takes {unet.in_channels} channels and its latents have {latent}": unet.in_channels != latent,
        f"its UNet reads text of width {unet.cross_attention_dim}, not {width}": unet.cross_attention_dim != width,
        "its UNet does not take the sizes of a picture": unet.addition_embed_type != "text_time",
    }
    for fault, there in faults.items():
        if there:
            raise BadInput(fault, where=name, cure="give a plain text-to-image Stable Diffusion XL model")
