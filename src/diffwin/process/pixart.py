"""PixArt-Alpha and PixArt-Sigma: what their pipelines load; a transformer on Stable Diffusion's latents, told by T5."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from diffwin.process.additions import load_vae
from diffwin.process.choices import Choices, Source
from diffwin.process.configured import Configured, read_config
from diffwin.process.decoder import Decoder
from diffwin.process.prompts import Conditions, Embedding, T5Reader, text_encoder
from diffwin.process.schedules import read_schedule
from diffwin.process.trained import MeanDenoiser, TextToImage, latent_shape, usual_shape
from diffwin.process.weights import importing, load_part, load_tokenizer

T5_TOKENS = {"PixArtAlphaPipeline": 120, "PixArtSigmaPipeline": 300}
_SIZED = 128  # Alpha's transformers of so many latents a side are told the size of the picture


@dataclass(frozen=True)
class Parts:
    """The modules of a pipeline that diffwin needs, and the pipeline's name."""

    pipeline: str
    transformer: Any
    vae: Any
    conditions: Conditions


class _LowerCase(T5Reader):
    """PixArt was trained on captions in lower case."""

    def embed(self, prompt: str) -> Embedding:
        return super().embed(prompt.lower().strip())


class PixArtProcess(TextToImage):
    """States are latents (c, h, w); the variance that the network predicts is left alone, as the pipeline leaves it."""

    def __init__(self, source: Source, parts: Parts, schedule: Configured, choices: Choices) -> None:
        # what the scheduler says of pixels and of a variance to come does not hold here
        schedule = schedule.model_copy(update={"clip_sample": False, "variance_type": "fixed_small"})
        conditions, decoder = parts.conditions, Decoder(parts.vae, choices)
        config = parts.transformer.config
        shape = latent_shape(usual_shape(config), choices, decoder, config.patch_size)
        sized = parts.pipeline == "PixArtAlphaPipeline" and config.sample_size == _SIZED

        def told(ids: torch.Tensor) -> dict[str, Any]:
            text = conditions.embeddings(ids)
            height, width = (float(decoder.enlarges * n) for n in shape[1:])
            size = text["states"].new_tensor([[height, width]]).expand(len(ids), -1) if sized else None
            ratio = text["states"].new_tensor([[height / width]]).expand(len(ids), -1) if sized else None
            return {
                "encoder_hidden_states": text["states"],
                "encoder_attention_mask": text["mask"],
                "added_cond_kwargs": {"resolution": size, "aspect_ratio": ratio},
            }

        network = MeanDenoiser(parts.transformer, choices, told, shape)
        super().__init__(source, parts.pipeline, schedule, network, choices, decoder=decoder, conditions=conditions)


def load(source: Source, choices: Choices) -> PixArtProcess:
    """From a folder in the layout of PixArtSigmaPipeline.save_pretrained, or Alpha's."""
    with importing():
        from diffusers import AutoencoderKL, PixArtTransformer2DModel
        from transformers import T5EncoderModel
    folder = source.folder
    schedule = read_schedule(folder)
    pipeline = str(read_config(folder / "model_index.json")["_class_name"])
    encoder = text_encoder(T5EncoderModel, source, "pixart", "text_encoder", choices)
    spelling = load_tokenizer(folder, kind="T5TokenizerFast")
    t5 = _LowerCase(spelling, encoder, T5_TOKENS[pipeline], masked=True)
    older = ("Transformer2DModel",)
    parts = Parts(
        pipeline,
        conditions=Conditions(t5, choices),
        transformer=load_part(PixArtTransformer2DModel, folder, "transformer", choices.dtype, also=older),
        vae=load_vae(AutoencoderKL, source, choices.dtype),
    )
    return PixArtProcess(source, parts, schedule, choices)
