"""Random models of a few thousand parameters, saved in the layouts that real ones have."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import tiny_pipelines

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

        unclipped = {"clip_sample": False} if scheduler == "DDPMScheduler" else {}
        settings = {**unclipped, **tiny_pipelines.STABLE, "steps_offset": 1, **schedule}
        made = getattr(diffusers, scheduler)(**settings)
        folder = tmp_path_factory.mktemp("stable")
        return tiny_pipelines.save("stable-diffusion", folder, scheduler=made, **_ADDITIONS[addition])

    return make


@pytest.fixture(scope="session")
def tiny_ddpm(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    """tiny_ddpm(channels=..., prediction_type=..., ...) saves a DDPMPipeline and returns its folder."""

    def make(*, channels: int = 1, out_channels: int | None = None, **schedule: Any) -> Path:
        from diffusers import DDPMScheduler

        made, unet = DDPMScheduler(**schedule), {"channels": channels, "out_channels": out_channels}
        return tiny_pipelines.save("ddpm", tmp_path_factory.mktemp("ddpm"), scheduler=made, **unet)

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
