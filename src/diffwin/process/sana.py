"""Sana: what SanaPipeline loads; a linear transformer on strongly compressed latents, told by a language model."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import torch

from diffwin.process.additions import load_laid, load_vae
from diffwin.process.choices import Choices, Source
from diffwin.process.configured import Configured
from diffwin.process.decoder import Decoder
from diffwin.process.prompts import Conditions, Embedding, TextEncoder, TokenReader, text_encoder
from diffwin.process.schedules import read_schedule
from diffwin.process.trained import MeanDenoiser, Shape, TextToImage, Told, latent_shape, usual_shape
from diffwin.process.weights import importing, load_tokenizer

TOKENS = 300
"""States of a prompt that the network is told."""


@dataclass(frozen=True)
class Parts:
    """The modules of a pipeline that diffwin needs."""

    transformer: Any
    vae: Any
    conditions: Conditions


class GemmaReader(TokenReader):
    """A language model's states of an instruction and the prompt after it: the first one, and the last TOKENS - 1.

    The pipeline asks the model to enhance the prompt, and lets the network see what it makes of that (Xie et al. 2024,
    section 3.1); a negative prompt stands alone.
    """

    def __init__(self, tokenizer: Any, encoder: TextEncoder, instruction: str = "") -> None:
        tokenizer.padding_side = "right"
        self._instruction = instruction
        # the pipeline's own count: two marks fewer than the instruction has with its beginning
        own = len(tokenizer.encode(instruction)) - 2 if instruction else 0
        super().__init__(tokenizer, encoder, own + TOKENS)

    def _spelt(self, prompt: str) -> str:
        return self._instruction + prompt.lower().strip()

    @torch.inference_mode()
    def embed(self, prompt: str) -> Embedding:
        read = self._tokens(prompt)
        states = self.encoder.module(read.input_ids, attention_mask=read.attention_mask)[0][0]
        seen = [0, *range(self.limit - TOKENS + 1, self.limit)]
        return {"states": states[seen], "mask": read.attention_mask[0, seen]}


class ScaledDenoiser(MeanDenoiser):
    """A transformer that is told its own multiple of the time."""

    def __init__(self, module: Any, choices: Choices, told: Told, shape: Shape) -> None:
        super().__init__(module, choices, told, shape)
        self._scale = float(module.config.timestep_scale)

    def __call__(self, x: torch.Tensor, time: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        return super().__call__(x, time * self._scale, condition)


class SanaProcess(TextToImage):
    """States are latents (c, h, w) of a 32 times smaller picture."""

    def __init__(self, source: Source, parts: Parts, schedule: Configured, choices: Choices) -> None:
        conditions, decoder, config = parts.conditions, Decoder(parts.vae, choices), parts.transformer.config
        shape = latent_shape(usual_shape(config), choices, decoder, config.patch_size)

        def told(ids: torch.Tensor) -> dict[str, Any]:
            text = conditions.embeddings(ids)
            return {"encoder_hidden_states": text["states"], "encoder_attention_mask": text["mask"]}

        network = ScaledDenoiser(parts.transformer, choices, told, shape)
        super().__init__(source, "SanaPipeline", schedule, network, choices, decoder=decoder, conditions=conditions)


def instruction() -> str:
    """What diffusers' pipeline puts before a prompt, by its own default."""
    from diffusers import SanaPipeline

    lines = inspect.signature(SanaPipeline.__call__).parameters["complex_human_instruction"].default
    return "\n".join(lines)


def load(source: Source, choices: Choices) -> SanaProcess:
    """From a folder in the layout of SanaPipeline.save_pretrained."""
    with importing():
        from diffusers import AutoencoderDC, SanaTransformer2DModel
        from transformers import Gemma2Model
    folder = source.folder
    schedule = read_schedule(folder)
    tokenizer = load_tokenizer(folder, kind="GemmaTokenizerFast")
    encoder = text_encoder(Gemma2Model, source, "sana", "text_encoder", choices)
    instructed, alone = GemmaReader(tokenizer, encoder, instruction()), GemmaReader(tokenizer, encoder)
    parts = Parts(
        conditions=Conditions(instructed, choices, negative=alone),
        transformer=load_laid(SanaTransformer2DModel, source, "sana", "transformer", choices.dtype),
        vae=load_vae(AutoencoderDC, source, choices.dtype),
    )
    return SanaProcess(source, parts, schedule, choices)
