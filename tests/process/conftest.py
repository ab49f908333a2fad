"""Random models of a few thousand parameters, saved in the layouts that real ones have."""

from __future__ import annotations

import json
import string
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

STABLE_SCHEDULE = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "steps_offset": 1}
Maker = Callable[..., Path]


@pytest.fixture(scope="session")
def tiny_stable(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    """tiny_stable(scheduler=..., prediction_type=..., ...) saves a StableDiffusionPipeline and returns its folder.

    `addition` names what the UNet is told besides time and text; what is left goes to the scheduler. The folder is to
    be read only.
    """

    @cache
    def make(*, scheduler: str = "DDPMScheduler", addition: str | None = None, **schedule: Any) -> Path:
        import diffusers

        folder = tmp_path_factory.mktemp("stable")
        unclipped = {"clip_sample": False} if scheduler == "DDPMScheduler" else {}
        made = getattr(diffusers, scheduler)(**{**unclipped, **STABLE_SCHEDULE, **schedule})
        _stable_pipeline(folder, made, addition).save_pretrained(folder)
        return folder

    return make


@pytest.fixture(scope="session")
def tiny_ddpm(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    """tiny_ddpm(channels=..., prediction_type=..., ...) saves a DDPMPipeline and returns its folder."""

    def make(*, channels: int = 1, out_channels: int | None = None, **schedule: Any) -> Path:
        from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel

        torch.manual_seed(1)
        unet = UNet2DModel(
            sample_size=8,
            in_channels=channels,
            out_channels=out_channels or channels,
            block_out_channels=(8, 16),
            down_block_types=("DownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "UpBlock2D"),
            layers_per_block=1,
            norm_num_groups=4,
            attention_head_dim=8,
        )
        folder = tmp_path_factory.mktemp("ddpm")
        DDPMPipeline(unet, DDPMScheduler(**schedule)).save_pretrained(folder)
        return folder

    return make


_ADDITIONS: dict[str | None, dict[str, Any]] = {
    None: {},
    "text": {"addition_embed_type": "text", "addition_embed_type_num_heads": 4},
    "text_time": {
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 64,
    },
    "class": {"class_embed_type": "timestep"},
}


def _stable_pipeline(folder: Path, scheduler: Any, addition: str | None) -> Any:
    from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel

    torch.manual_seed(0)
    tokenizer = _tokenizer(folder)
    unet = UNet2DConditionModel(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        block_out_channels=(8, 16),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=1,
        norm_num_groups=4,
        attention_head_dim=4,
        cross_attention_dim=16,
        **_ADDITIONS[addition],
    )
    vae = AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=16,
    )
    return StableDiffusionPipeline(
        vae=vae,
        text_encoder=_text_encoder(len(tokenizer)),
        tokenizer=tokenizer,
        unet=unet,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def _text_encoder(words: int) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel

    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=words,
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=16,
            bos_token_id=words - 2,
            eos_token_id=words - 1,
            pad_token_id=words - 1,
        )
    ).eval()


def _tokenizer(folder: Path) -> Any:
    """A CLIP tokenizer that spells: one token a letter, and the pair "co" as one."""
    from transformers import CLIPTokenizer

    letters = list(string.ascii_lowercase)
    tokens = [*letters, *(letter + "</w>" for letter in letters), "co", "<|startoftext|>", "<|endoftext|>"]
    place = folder / "spelling"
    place.mkdir()
    (place / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}))
    (place / "merges.txt").write_text("#version: 0.2\nc o\n")
    return CLIPTokenizer(str(place / "vocab.json"), str(place / "merges.txt"), model_max_length=16)
