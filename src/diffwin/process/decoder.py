"""Finished states as pictures and back: pixels in [-1, 1] as they are, latents through an autoencoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from diffwin.errors import BadInput
from diffwin.process.base import Samples, State
from diffwin.process.choices import Choices
from diffwin.process.memory import Portions
from diffwin.process.streams import beside
from diffwin.process.weights import place

_PIXELS = 8 * 512 * 512  # decoding more at once runs out of memory on ordinary devices


def decoding_dtype(config: Mapping[str, Any], dtype: torch.dtype) -> torch.dtype:
    """That of the network, or float32 for an autoencoder that overflows in float16 (its force_upcast)."""
    return torch.float32 if dtype == torch.float16 and config.get("force_upcast", True) else dtype


class Decoder:
    """An autoencoder between latents and pictures, in its own dtype."""

    def __init__(self, vae: Any, choices: Choices) -> None:
        self.dtype, self.device = vae.dtype, choices.device
        self.vae = place(vae, self.device)
        self._factor, self._centre = _scaling(vae.config)
        self.enlarges = 2 ** (len(sizes_of(vae.config)) - 1)
        self._portions: Portions | None = None
        self._encoded: Portions | None = None

    @torch.inference_mode()
    def decode(self, states: Sequence[State]) -> Samples:
        """uint8 RGB (n, h, w, 3), as many at a time as fit in memory; a state that is not finite is black."""
        if self._portions is None:
            height, width = (self.enlarges * n for n in states[0].shape[-2:])
            self._portions = _portions("decoder", height, width)
        with beside(self.device):
            return to_rgb(self._portions(self._decode, torch.stack(list(states)).to(self.device)))

    def _decode(self, states: torch.Tensor) -> torch.Tensor:
        latents = (states * self._factor.to(states) + self._centre.to(states)).to(self.dtype)
        pixels: torch.Tensor = self.vae.decode(latents, return_dict=False)[0]
        finite = latents.isfinite().flatten(1).all(1)
        return torch.where(finite[:, None, None, None], pixels, -1.0)

    @torch.inference_mode()
    def encode(self, pictures: Samples) -> list[State]:
        """Latents (c, h, w) of uint8 RGB (n, H, W, 3), float32: the mean of the encoder's law, scaled."""
        if self._encoded is None:
            self._encoded = _portions("encoder", *pictures.shape[1:3])
        with beside(self.device):
            return list(self._encoded(self._encode, from_rgb(pictures, channels=3).to(self.device)).cpu())

    def _encode(self, pixels: torch.Tensor) -> torch.Tensor:
        encoded = self.vae.encode(pixels.to(self.dtype))
        latents: torch.Tensor = encoded.latent if hasattr(encoded, "latent") else encoded.latent_dist.mode()
        return (latents.float() - self._centre.to(pixels)) / self._factor.to(pixels)


def _portions(what: str, height: int, width: int) -> Portions:
    return Portions(what, max(1, _PIXELS // (height * width)))


def from_rgb(pictures: Samples, *, channels: int) -> torch.Tensor:
    """uint8 RGB (n, h, w, 3) to (n, channels, h, w) in [-1, 1]; one channel is the mean of the three."""
    pixels = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1
    return pixels if channels == 3 else pixels.mean(dim=1, keepdim=True)


def check_size(name: str, pictures: Samples, size: tuple[int, int]) -> None:
    """BadInput for pictures (n, h, w, 3) that are not of the size (h, w) that a model makes."""
    height, width = pictures.shape[1:3]
    if (height, width) != size:
        raise BadInput(
            f"pictures of {width}x{height} pixels; {name} makes {size[1]}x{size[0]}",
            where="pictures",
            cure=f"crop and resize them to {size[1]}x{size[0]} first",
        )


def sizes_of(config: Any) -> Sequence[int]:
    """Channels at each size of the picture, by the names that AutoencoderKL and AutoencoderDC have for them."""
    return config.get("block_out_channels") or config.get("encoder_block_out_channels") or ()


def _scaling(config: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """(f, m) of latents = f state + m, each (channels or 1, 1, 1): a scale, a shift, or each channel's own."""
    scale = torch.tensor(1 / float(config.scaling_factor))
    mean, std = config.get("latents_mean"), config.get("latents_std")
    if mean is None or std is None:
        return scale.reshape(1, 1, 1), torch.tensor(float(config.get("shift_factor") or 0.0)).reshape(1, 1, 1)
    return torch.tensor(std).reshape(-1, 1, 1) * scale, torch.tensor(mean).reshape(-1, 1, 1)


def to_rgb(pixels: torch.Tensor) -> Samples:
    """(n, 1 or 3, h, w) in [-1, 1] to uint8 (n, h, w, 3), rounded as diffusers' pipelines do; not finite is black."""
    unit = (pixels.float() / 2 + 0.5).clamp(0, 1).nan_to_num(0.0)
    coloured = unit.expand(-1, 3, -1, -1).permute(0, 2, 3, 1)
    return (coloured * 255).round().to(torch.uint8).cpu().numpy().astype(np.uint8, copy=False)
