"""The same regenerations through diffusers' own pipelines: what diffwin is compared with.

`batch` is how many go through at once. 1 is the published protocol, one image after another with its prompt read anew;
as many as a level has is the strongest loop that can be written over StableDiffusionImg2ImgPipeline: prompt embeddings
made once, latents in and out, one batch a level. Neither is given an image that went through the autoencoder, or a
progress bar.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from diffusers import DDPMScheduler, StableDiffusionImg2ImgPipeline, StableDiffusionPipeline
from numpy.typing import NDArray


@dataclass(eq=False)
class Official:
    """A model's parts in both pipelines, at one prompt; states are latents on the model's device."""

    unet: Any
    vae: Any
    text_encoder: Any
    tokenizer: Any
    scheduler: dict[str, Any]
    prompt: str
    steps: int
    guidance: float
    batch: int
    seed: int = 0
    decoded_at_once: int = 8

    def _pipeline(self, kind: Any) -> Any:
        pipeline = kind(
            vae=self.vae,
            text_encoder=self.text_encoder,
            tokenizer=self.tokenizer,
            unet=self.unet,
            scheduler=DDPMScheduler.from_config({**self.scheduler, "steps_offset": 1, "clip_sample": False}),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    @cached_property
    def _fresh(self) -> Any:
        return self._pipeline(StableDiffusionPipeline)

    @cached_property
    def _again(self) -> Any:
        return self._pipeline(StableDiffusionImg2ImgPipeline)

    @cached_property
    def _generator(self) -> torch.Generator:
        return torch.Generator(self.unet.device).manual_seed(self.seed)

    @cached_property
    def _embeddings(self) -> tuple[torch.Tensor, torch.Tensor | None]:
        found: tuple[torch.Tensor, torch.Tensor | None] = self._fresh.encode_prompt(
            self.prompt, self.unet.device, 1, self.guidance > 1
        )
        return found

    def _text(self, count: int) -> dict[str, Any]:
        if self.batch == 1:
            return {"prompt": self.prompt}
        names = ("prompt_embeds", "negative_prompt_embeds")
        pairs = zip(names, self._embeddings, strict=True)
        return {name: each.expand(count, -1, -1) for name, each in pairs if each is not None}

    def _options(self, count: int) -> dict[str, Any]:
        return {
            **self._text(count),
            "num_inference_steps": self.steps,
            "guidance_scale": self.guidance,
            "generator": self._generator,
            "output_type": "latent",
        }

    def bases(self, count: int) -> torch.Tensor:
        """Fresh generations, latents (count, c, h, w)."""
        size = self.unet.config.sample_size * 2 ** (len(self.vae.config.block_out_channels) - 1)
        made = []
        for start in range(0, count, self.batch):
            options = self._options(min(self.batch, count - start))
            made.append(self._fresh(**options, height=size, width=size).images)
        return torch.cat(made)

    def regenerate(self, clean: torch.Tensor, level: int) -> torch.Tensor:
        """Each of (n, c, h, w) erased to a level and regenerated."""
        # img2img rounds strength * steps down; half a step more is the level itself
        strength = min((level + 0.5) / self.steps, 1.0)
        parts = clean.split(self.batch)
        return torch.cat([self._again(**self._options(len(p)), image=p, strength=strength).images for p in parts])

    @torch.inference_mode()
    def decode(self, latents: torch.Tensor) -> NDArray[np.uint8]:
        """uint8 RGB (n, h, w, 3)."""
        shown = []
        for part in latents.split(min(self.batch, self.decoded_at_once)):
            pixels = self.vae.decode(part.to(self.vae.dtype) / self.vae.config.scaling_factor, return_dict=False)[0]
            unit = (pixels.float() / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1)
            shown.append((unit * 255).round().to(torch.uint8).cpu().numpy())
        return np.concatenate(shown)
