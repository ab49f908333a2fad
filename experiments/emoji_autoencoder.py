"""The autoencoder of emoji-sd: 64x64 RGB to 4x16x16 latents of unit spread."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

from data_parallel import rank, size, synchronised, train
from emoji_data import World
from emoji_planted import BACKGROUNDS
from trainer import Budget

KL_WEIGHT = 2e-6


def build_autoencoder(channels: tuple[int, ...]) -> AutoencoderKL:
    """A small AutoencoderKL that halves the side len(channels) - 1 times."""
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * len(channels),
        up_block_types=("UpDecoderBlock2D",) * len(channels),
        block_out_channels=channels,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=8,
        mid_block_add_attention=False,
        sample_size=64,
        scaling_factor=1.0,
    )


class Reconstruction(nn.Module):
    """The autoencoder with its loss: absolute plus squared error, and a little of the Kullback-Leibler divergence."""

    def __init__(self, vae: AutoencoderKL) -> None:
        super().__init__()
        self.vae = vae

    def forward(self, pictures: Tensor) -> Tensor:
        """Loss of pictures (n, 3, 64, 64) in [-1, 1]."""
        posterior = self.vae.encode(pictures).latent_dist
        error = self.vae.decode(posterior.sample()).sample - pictures
        return error.abs().mean() + error.square().mean() + KL_WEIGHT * posterior.kl().mean()


def train_autoencoder(
    world: World,
    channels: tuple[int, ...],
    budget: Budget,
    folder: Path,
    device: torch.device,
    compiled: bool = False,
    batch: int = 8,
) -> AutoencoderKL:
    """Train on every drawing that is not held out, on every background; returns it with normalised latents."""
    rng = np.random.default_rng((0, rank()))
    model = Reconstruction(build_autoencoder(channels)).to(device, memory_format=torch.channels_last)
    if compiled:
        model.compile()
    network = synchronised(model)

    def loss() -> Tensor:
        return network(to_tensor(uniform_pictures(world, rng, batch // size()), device))

    trained = train(model, loss, budget, folder, rate=2e-3, weight_decay=0.0, average_decay=0.995).vae
    pictures, _ = world.examples(np.random.default_rng(1), 512)
    normalise_latents(trained, to_tensor(pictures, device))
    return trained


def uniform_pictures(world: World, rng: np.random.Generator, n: int) -> np.ndarray:
    """`n` augmented pictures (n, 64, 64, 3) uint8; every drawing, also a memorised one, and background as likely."""
    extra = len(world.drawings) + np.arange(len(world.memorised))
    drawings = rng.choice(np.concatenate([np.flatnonzero(~world.held_out), extra]), size=n)
    backgrounds = rng.integers(len(BACKGROUNDS), size=n)
    return np.stack([world.image(int(d), int(b), rng) for d, b in zip(drawings, backgrounds, strict=True)])


def to_tensor(pictures: np.ndarray, device: torch.device) -> Tensor:
    """uint8 (n, 64, 64, 3) to float (n, 3, 64, 64) in [-1, 1], channels last in memory."""
    values = torch.from_numpy(pictures).to(device).permute(0, 3, 1, 2)
    return (values.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def encode(vae: AutoencoderKL, pictures: np.ndarray, batch: int = 64) -> Tensor:
    """Posterior means (n, 4, 16, 16) on the CPU of uint8 pictures (n, 64, 64, 3)."""
    parts = [pictures[i : i + batch] for i in range(0, len(pictures), batch)]
    return torch.cat([vae.encode(to_tensor(part, vae.device)).latent_dist.mean.cpu() for part in parts])


@torch.no_grad()
def normalise_latents(vae: AutoencoderKL, pictures: Tensor) -> None:
    """Fold a scale and a shift per latent channel into the 1x1 convolutions on both sides of the latent.

    The posterior means then have mean 0 and standard deviation 1 in every channel over `pictures` (n, 3, 64, 64),
    reconstructions stay as they were, and `scaling_factor` is 1, so any pipeline reads them rightly.
    """
    means = vae.encode(pictures).latent_dist.mean
    shift, scale = means.mean(dim=(0, 2, 3)), means.std(dim=(0, 2, 3))
    channels = len(scale)
    before, after = vae.quant_conv, vae.post_quant_conv
    before.weight[:channels] /= scale[:, None, None, None]
    before.bias[:channels] = (before.bias[:channels] - shift) / scale
    before.bias[channels:] -= 2 * scale.log()
    after.bias += after.weight[:, :, 0, 0] @ shift
    after.weight *= scale[None, :, None, None]
