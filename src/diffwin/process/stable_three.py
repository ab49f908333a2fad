"""Stable Diffusion 3 and 3.5: what StableDiffusion3Pipeline loads; flow matching, told by up to three encoders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import pad

from diffwin.errors import BadInput
from diffwin.process.additions import lay_over, load_vae
from diffwin.process.choices import Choices, Source
from diffwin.process.configured import Configured
from diffwin.process.decoder import Decoder
from diffwin.process.flow import FlowSchedule
from diffwin.process.prompts import Conditions, Embedding, PenultimateReader, Reader, T5Reader, check_together
from diffwin.process.schedules import read_schedule
from diffwin.process.trained import Denoiser, TextToImage, latent_shape, usual_shape
from diffwin.process.weights import importing, load_part, load_tokenizer, part_named, place

T5_TOKENS = 256


@dataclass(frozen=True)
class Parts:
    """The modules of a pipeline that diffwin needs; the T5 encoder, the largest of the three, may be left out."""

    transformer: Any
    vae: Any
    clips: tuple[PenultimateReader, PenultimateReader]
    t5: T5Reader | None


class _Three:
    """Two CLIP encoders side by side, T5 after them; zeros stand where there is no T5."""

    def __init__(self, parts: Parts) -> None:
        self._clips, self._t5 = parts.clips, parts.t5
        self._width = int(parts.transformer.config.joint_attention_dim)
        self._readers: list[Reader] = [*parts.clips, *([parts.t5] if parts.t5 else [])]
        self.limit = max(reader.limit for reader in self._readers)

    def check(self, prompt: str, where: str = "--prompt") -> None:
        check_together(self._readers, prompt, where)

    def embed(self, prompt: str) -> Embedding:
        first, second = (reader.embed(prompt) for reader in self._clips)
        clip = torch.cat([first["states"], second["states"]], dim=-1)
        t5 = self._t5.embed(prompt)["states"] if self._t5 else clip.new_zeros(T5_TOKENS, self._width)
        states = torch.cat([pad(clip, (0, self._width - clip.shape[-1])), t5])
        return {"states": states, "pooled": torch.cat([first["pooled"], second["pooled"]])}


class StableDiffusion3Process(TextToImage):
    """States are latents (c, h, w)."""

    def __init__(self, source: Source, parts: Parts, schedule: Configured, choices: Choices) -> None:
        conditions = Conditions(_Three(parts), choices.negative_prompt)
        decoder, config = Decoder(parts.vae, choices), parts.transformer.config
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
        encoder = load_part(CLIPTextModelWithProjection, folder, f"text_encoder{end}", "model")
        encoder = lay_over(source, "stable_three", f"text_encoder{end}", encoder)
        return PenultimateReader(
            load_tokenizer(folder, f"tokenizer{end}"), place(encoder, choices.device, choices.dtype)
        )

    def t5() -> T5Reader | None:
        if not part_named(folder, "text_encoder_3"):
            return None
        encoder = place(load_part(T5EncoderModel, folder, "text_encoder_3", "model"), choices.device, choices.dtype)
        return T5Reader(load_tokenizer(folder, "tokenizer_3", "T5TokenizerFast"), encoder, T5_TOKENS, masked=False)

    parts = Parts(
        transformer=lay_over(
            source, "stable_three", "transformer", load_part(SD3Transformer2DModel, folder, "transformer")
        ),
        vae=load_vae(AutoencoderKL, source),
        clips=(clip(""), clip("_2")),
        t5=t5(),
    )
    return StableDiffusion3Process(source, parts, schedule, choices)
