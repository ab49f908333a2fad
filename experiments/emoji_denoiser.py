"""The denoiser of emoji-sd: a UNet with cross-attention, trained with its text encoder on precomputed latents."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from data_parallel import rank, size, synchronised, train
from emoji_autoencoder import encode
from emoji_data import World
from emoji_planted import BACKGROUNDS
from trainer import Budget


@dataclass(frozen=True)
class LatentPool:
    """Latents of augmented pictures, addressed as the stream addresses them.

    `drawings` (300, 8, copies, 4, 16, 16), zero where held out; `memorised` (8, 4, 16, 16).
    """

    drawings: Tensor
    memorised: Tensor

    def pick(self, drawing: np.ndarray, background: np.ndarray, rng: np.random.Generator) -> Tensor:
        """Latents (n, 4, 16, 16) for rows of `World.draw`, with a random augmentation each."""
        copies = rng.integers(self.drawings.shape[2], size=len(drawing))
        ordinary = drawing < len(self.drawings)
        rows = self.drawings[np.where(ordinary, drawing, 0), background, copies]
        rows[~ordinary] = self.memorised[drawing[~ordinary] - len(self.drawings)]
        return rows


def build_pool(world: World, vae: AutoencoderKL, copies: int) -> LatentPool:
    """Encode `copies` augmentations of every trained drawing on every background, and the memorised ones unchanged."""
    rng = np.random.default_rng(2)
    drawings = torch.zeros(len(world.drawings), len(BACKGROUNDS), copies, 4, 16, 16)
    for drawing in np.flatnonzero(~world.held_out):
        pictures = [world.image(int(drawing), b, rng) for b in range(len(BACKGROUNDS)) for _ in range(copies)]
        drawings[drawing] = encode(vae, np.stack(pictures)).unflatten(0, (len(BACKGROUNDS), copies))
    return LatentPool(drawings, encode(vae, world.memorised).contiguous())


def build_unet(channels: tuple[int, ...], text_width: int, heads: int) -> UNet2DConditionModel:
    """A UNet for 16x16 latents: one layer a block, cross-attention everywhere but at full size, where it costs most.

    The pooled text is also added to the time embedding, as DeepFloyd IF does: skin tone and gender move the loss so
    little that cross-attention at 4x4 alone did not learn them. As in Stable Diffusion 1.x, `attention_head_dim`
    in its configuration is the number of heads.
    """
    smaller = len(channels) - 1
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=4,
        out_channels=4,
        down_block_types=("DownBlock2D", *("CrossAttnDownBlock2D",) * smaller),
        up_block_types=(*("CrossAttnUpBlock2D",) * smaller, "UpBlock2D"),
        block_out_channels=channels,
        layers_per_block=1,
        cross_attention_dim=text_width,
        attention_head_dim=heads,
        addition_embed_type="text",
        addition_embed_type_num_heads=heads,
        norm_num_groups=16,
    )


def build_scheduler() -> DDPMScheduler:
    """Stable Diffusion's scaled-linear schedule, carried on to beta 0.02.

    Its own end, 0.012, leaves the mean of a latent channel, and so the background colour, readable at the noisiest
    level; 0.02 ends at log-SNR -8.3.
    """
    return DDPMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.02,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        steps_offset=1,
        clip_sample=False,
    )


class Denoiser(nn.Module):
    """UNet and text encoder, trained as one: (noisy latents, timesteps, token ids) to predicted v."""

    def __init__(self, unet: UNet2DConditionModel, text: CLIPTextModel) -> None:
        super().__init__()
        self.unet = unet
        self.text = text

    def forward(self, noisy: Tensor, timesteps: Tensor, tokens: Tensor) -> Tensor:
        states = self.text(tokens).last_hidden_state
        return self.unet(noisy, timesteps, encoder_hidden_states=states, return_dict=False)[0]


@dataclass(frozen=True)
class DenoiserPlan:
    """How the denoiser is trained."""

    budget: Budget
    batch: int
    rate: float
    folder: Path
    compiled: bool


def train_denoiser(
    world: World, pool: LatentPool, tokenizer: CLIPTokenizer, denoiser: Denoiser, plan: DenoiserPlan
) -> Denoiser:
    """Minimise the mean squared error of v over the stream; returns the averaged denoiser in eval mode."""
    rng = np.random.default_rng((3, rank()))
    torch.manual_seed(3 + rank())
    device = denoiser.unet.device
    scheduler = build_scheduler()
    if plan.compiled:
        denoiser.unet.compile()
    network = synchronised(denoiser)
    rows = plan.batch // size()

    def loss() -> Tensor:
        draws = world.draw(rng, rows)
        latents = pool.pick(draws.drawing, draws.background, rng).to(device)
        tokens = tokenize(tokenizer, draws.captions).to(device)
        timesteps = spread_timesteps(rng, rows).to(device)
        noise = torch.randn_like(latents)
        noisy = scheduler.add_noise(latents, noise, timesteps)
        target = scheduler.get_velocity(latents, noise, timesteps)
        return nn.functional.mse_loss(network(noisy, timesteps, tokens), target)

    return train(denoiser, loss, plan.budget, plan.folder, rate=plan.rate, average_decay=0.999)


def tokenize(tokenizer: CLIPTokenizer, captions: list[str]) -> Tensor:
    """Token ids (n, 32), padded to the full length as StableDiffusionPipeline pads them."""
    return tokenizer(captions, padding="max_length", truncation=True, return_tensors="pt").input_ids


def spread_timesteps(rng: np.random.Generator, n: int) -> Tensor:
    """`n` training timesteps, one in each n-th of 0..999: uniform, with less variance than independent draws."""
    return torch.from_numpy((rng.random(n) + np.arange(n)) / n * 1000).long()
