"""Stable Diffusion 3 and 3.5: what StableDiffusion3Pipeline loads; flow matching, told by up to three encoders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import pad

from diffwin.errors import BadInput
from diffwin.process.additions import load_laid, load_vae
from diffwin.process.choices import Choices, Source
from diffwin.process.configured import Configured, read_config
from diffwin.process.decoder import Decoder
from diffwin.process.flow import FlowSchedule
from diffwin.process.prompts import Conditions, Embedding, PenultimateReader, Several, T5Reader, text_encoder
from diffwin.process.schedules import read_schedule
from diffwin.process.trained import Denoiser, TextToImage, latent_shape, usual_shape
from diffwin.process.weights import importing, load_tokenizer, part_folder, part_named

T5_TOKENS = 256


@dataclass(frozen=True)
class Parts:
    """The modules of a pipeline that diffwin needs."""

    transformer: Any
    vae: Any
    conditions: Conditions


class _Three(Several):
    """Two CLIP encoders side by side, T5 after them; zeros stand where there is no T5, the largest of the three."""

    def __init__(self, clips: Sequence[PenultimateReader], t5: T5Reader | None, width: int) -> None:
        """`width` is that of the states that the transformer reads."""
        super().__init__([*clips, *([t5] if t5 else [])])
        self._clips, self._t5, self._width = clips, t5, width

    def embed(self, prompt: str) -> Embedding:
        first, second = (reader.embed(prompt) for reader in self._clips)
        clip = torch.cat([first["states"], second["states"]], dim=-1)
        t5 = self._t5.embed(prompt)["states"] if self._t5 else clip.new_zeros(T5_TOKENS, self._width)
        states = torch.cat([pad(clip, (0, self._width - clip.shape[-1])), t5])
        return {"states": states, "pooled": torch.cat([first["pooled"], second["pooled"]])}


class StableDiffusion3Process(TextToImage):
    """States are latents (c, h, w)."""

    def __init__(self, source: Source, parts: Parts, schedule: Configured, choices: Choices) -> None:
        conditions, decoder, config = parts.conditions, Decoder(parts.vae, choices), parts.transformer.config
        shape = latent_shape(usual_shape(config), choices, decoder, config.patch_size)

        def told(ids: torch.Tensor) -> dict[str, Any]:
            text = conditions.embeddings(ids)
            return {"encoder_hidden_states": text["states"], "pooled_projections": text["pooled"]}

        if isinstance(schedule, FlowSchedule):
            tokens = shape[1] * shape[2] // config.patch_size**2
            schedule = schedule.model_copy(update={"tokens": tokens})
        network = Denoiser(parts.transformer, choices, told, shape)
        pipeline = "StableDiffusion3Pipeline"
        super().__init__(source, pipeline, schedule, network, choices, decoder=decoder, conditions=conditions)


def load(source: Source, choices: Choices) -> StableDiffusion3Process:
    """From a folder in the layout of StableDiffusion3Pipeline.save_pretrained."""
    with importing():
        from diffusers import AutoencoderKL, SD3Transformer2DModel
        from transformers import CLIPTextModelWithProjection, T5EncoderModel
    folder = source.folder
    schedule = read_schedule(folder)

    def clip(end: str) -> PenultimateReader:
        if not part_named(folder, f"text_encoder{end}"):
            raise BadInput(f"it has no text_encoder{end}", where=source.name, cure="only the T5 encoder may be absent")
        encoder = text_encoder(CLIPTextModelWithProjection, source, "stable_three", f"text_encoder{end}", choices)
        return PenultimateReader(load_tokenizer(folder, f"tokenizer{end}"), encoder)

    def t5() -> T5Reader | None:
        if not part_named(folder, "text_encoder_3"):
            return None
        encoder = text_encoder(T5EncoderModel, source, "stable_three", "text_encoder_3", choices)
        return T5Reader(load_tokenizer(folder, "tokenizer_3", "T5TokenizerFast"), encoder, T5_TOKENS, masked=False)

    width = int(read_config(part_folder(folder, "transformer") / "config.json").get("joint_attention_dim", 4096))
    parts = Parts(
        conditions=Conditions(_Three([clip(""), clip("_2")], t5(), width), choices),
        transformer=load_laid(SD3Transformer2DModel, source, "stable_three", "transformer", choices.dtype),
        vae=load_vae(AutoencoderKL, source, choices.dtype),
    )
    return StableDiffusion3Process(source, parts, schedule, choices)
