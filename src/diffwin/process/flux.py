"""Flux: what FluxPipeline loads; flow matching on latents packed two by two, with guidance distilled into it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from diffwin.errors import BadInput
from diffwin.families import BY_KIND
from diffwin.process.additions import load_laid, load_vae
from diffwin.process.choices import SIDE, Choices, Source
from diffwin.process.configured import Configured
from diffwin.process.decoder import Decoder
from diffwin.process.flow import FlowSchedule
from diffwin.process.prompts import Conditions, Embedding, PooledReader, Several, T5Reader, text_encoder
from diffwin.process.schedules import read_schedule
from diffwin.process.trained import Denoiser, Shape, TextToImage, Told, latent_shape
from diffwin.process.weights import importing, load_tokenizer

T5_TOKENS = 512


@dataclass(frozen=True)
class Parts:
    """The modules of a pipeline that diffwin needs."""

    transformer: Any
    vae: Any
    conditions: Conditions


class _Both(Several):
    """T5's states, CLIP's pooled text."""

    def embed(self, prompt: str) -> Embedding:
        clip, t5 = (reader.embed(prompt) for reader in self._readers)
        return clip | t5


class PackedDenoiser(Denoiser):
    """A transformer over tokens of two by two latents, at a time from 0 to 1."""

    def __init__(self, module: Any, choices: Choices, told: Told, shape: Shape) -> None:
        super().__init__(module, choices, told, shape)
        self._places = _places(shape).to(choices.device, choices.dtype)

    def __call__(self, x: torch.Tensor, time: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self._forward(
            pack(x).to(self.module.dtype),
            timestep=time.to(self.module.dtype) / 1000,
            img_ids=self._places,
            **self.told(condition),
            return_dict=False,
        )[0]
        return unpack(out.to(x.dtype), x.shape[-2:])


class FluxProcess(TextToImage):
    """States are latents (c, h, w), not packed."""

    tells_guidance = True

    def __init__(self, source: Source, parts: Parts, schedule: Configured, choices: Choices) -> None:
        config = parts.transformer.config
        if not config.guidance_embeds and choices.guidance not in (1.0, BY_KIND["flux"].guidance):
            raise BadInput(f"{source.name} is not told any guidance", where="--guidance", cure="leave it out")
        conditions, decoder = parts.conditions, Decoder(parts.vae, choices)
        shape = latent_shape((config.in_channels // 4, SIDE, SIDE), choices, decoder, 2)

        def told(ids: torch.Tensor) -> dict[str, Any]:
            text = conditions.embeddings(ids)
            weight = text["pooled"].new_full((len(ids),), choices.guidance, dtype=torch.float32)
            return {
                "encoder_hidden_states": text["states"],
                "pooled_projections": text["pooled"],
                "txt_ids": text["pooled"].new_zeros(text["states"].shape[1], 3),
                "guidance": weight if config.guidance_embeds else None,
            }

        if isinstance(schedule, FlowSchedule):
            schedule = schedule.model_copy(update={"tokens": shape[1] * shape[2] // 4, "even": True})
        network = PackedDenoiser(parts.transformer, choices, told, shape)
        super().__init__(source, "FluxPipeline", schedule, network, choices, decoder=decoder, conditions=conditions)
        self.guidance = choices.guidance if config.guidance_embeds else 1.0


def pack(x: torch.Tensor) -> torch.Tensor:
    """Latents (rows, c, h, w) as tokens (rows, h w / 4, 4 c)."""
    rows, channels, height, width = x.shape
    parts = x.reshape(rows, channels, height // 2, 2, width // 2, 2).permute(0, 2, 4, 1, 3, 5)
    return parts.reshape(rows, height * width // 4, channels * 4)


def unpack(tokens: torch.Tensor, size: tuple[int, ...]) -> torch.Tensor:
    """Tokens (rows, h w / 4, 4 c) as latents (rows, c, h, w)."""
    (rows, _, width_of), (height, width) = tokens.shape, size
    parts = tokens.reshape(rows, height // 2, width // 2, width_of // 4, 2, 2).permute(0, 3, 1, 4, 2, 5)
    return parts.reshape(rows, width_of // 4, height, width)


def _places(shape: Shape) -> torch.Tensor:
    """Row and column of each token, (tokens, 3) with an unused first column."""
    height, width = shape[1] // 2, shape[2] // 2
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([torch.zeros_like(rows), rows, columns], dim=-1).reshape(-1, 3).float()


def load(source: Source, choices: Choices) -> FluxProcess:
    """From a folder in the layout of FluxPipeline.save_pretrained."""
    choices.need_no_negative_prompt(source.name)
    with importing():
        from diffusers import AutoencoderKL, FluxTransformer2DModel
        from transformers import CLIPTextModel, T5EncoderModel
    folder = source.folder
    schedule = read_schedule(folder)
    words, spelling = load_tokenizer(folder), load_tokenizer(folder, "tokenizer_2", "T5TokenizerFast")
    clip = PooledReader(words, text_encoder(CLIPTextModel, source, "flux", "text_encoder", choices, words))
    encoder = text_encoder(T5EncoderModel, source, "flux", "text_encoder_2", choices, spelling)
    t5 = T5Reader(spelling, encoder, T5_TOKENS, masked=False)
    parts = Parts(
        conditions=Conditions(_Both([clip, t5]), choices),
        transformer=load_laid(FluxTransformer2DModel, source, "flux", "transformer", choices.dtype),
        vae=load_vae(AutoencoderKL, source, choices.dtype),
    )
    return FluxProcess(source, parts, schedule, choices)
