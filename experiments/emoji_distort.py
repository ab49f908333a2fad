"""Random distortions that make a reader of drawings robust to generated ones: moved, blurred, blotchy, off-colour.

All functions take and return float tensors in [0, 1], shape (n, channels, height, width).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional


def move(drawings: Tensor) -> Tensor:
    """Mirror, rotate by up to 6 degrees, scale by up to 10 %, shift by up to 3 pixels of 64; the border is repeated."""
    n = len(drawings)
    angle = math.radians(6) * between(n, -1, 1)
    scale = between(n, 0.9, 1.1)
    mirror = torch.where(torch.rand(n) < 0.5, -1.0, 1.0)
    cos, sin = scale * angle.cos(), scale * angle.sin()
    x, y = between(n, -3 / 32, 3 / 32), between(n, -3 / 32, 3 / 32)
    rows = [torch.stack([cos * mirror, -sin, x], dim=1), torch.stack([sin * mirror, cos, y], dim=1)]
    grid = functional.affine_grid(torch.stack(rows, dim=1).to(drawings), list(drawings.shape), align_corners=False)
    moved = functional.grid_sample(drawings, grid, padding_mode="border", align_corners=False)
    return sometimes(0.8, moved, drawings)


def compose(drawings: Tensor, colours: Tensor) -> Tensor:
    """RGBA drawings with premultiplied colour (n, 4, h, w) over one colour each (n, 3), as RGB; blotchy backgrounds."""
    n, _, height, _ = drawings.shape
    ground = colours + 0.04 * torch.randn(n, 3).to(colours)
    flat = ground[..., None, None].expand(-1, -1, height, height)
    spoilt = flat + sometimes(0.5, blotches(drawings[:, :3], 0.25), torch.zeros_like(flat))
    return drawings[:, :3] + (1 - drawings[:, 3:]) * spoilt


def spoil(images: Tensor) -> Tensor:
    """Each kind of damage to a random part of the images; the result is clipped to [0, 1]."""
    images = images + sometimes(0.4, blotches(images, 0.08), torch.zeros_like(images))
    images = sometimes(0.3, coarsen(images), images)
    images = sometimes(0.3, blur(images), images)
    images = sometimes(0.15, blur(blur(images)), images)
    images = sometimes(0.7, recolour(images), images)
    noisy = images + between(len(images), 0, 0.07).to(images)[:, None, None, None] * torch.randn(images.shape).to(
        images
    )
    return sometimes(0.5, noisy, images).clamp(0, 1)


def between(n: int, low: float, high: float) -> Tensor:
    """`n` uniform numbers in [low, high)."""
    return low + (high - low) * torch.rand(n)


def sometimes(rate: float, changed: Tensor, images: Tensor) -> Tensor:
    """`changed` for a random share `rate` of the rows, the rest as in `images`."""
    chosen = torch.rand(len(images), 1, 1, 1) < rate
    return torch.where(chosen.to(images.device), changed, images)


def blotches(like: Tensor, size: float) -> Tensor:
    """Smooth coloured noise of standard deviation up to `size`, as a decoder makes from slightly wrong latents."""
    cells = int(torch.randint(3, 17, ()))
    coarse = torch.randn(len(like), 3, cells, cells).to(like)
    amplitude = between(len(like), 0, size).to(like)[:, None, None, None]
    return amplitude * functional.interpolate(coarse, size=like.shape[-2:], mode="bilinear", align_corners=False)


def coarsen(images: Tensor) -> Tensor:
    """Down to between 24 and 48 pixels and up again."""
    size = int(torch.randint(24, 49, ()))
    small = functional.interpolate(images, size=(size, size), mode="bilinear", antialias=True)
    return functional.interpolate(small, size=images.shape[-2:], mode="bilinear")


def blur(images: Tensor) -> Tensor:
    """The binomial filter 1-2-1 along both axes."""
    taps = torch.tensor([1.0, 2.0, 1.0]).to(images) / 4
    kernel = (taps[:, None] * taps).expand(images.shape[1], 1, 3, 3)
    return functional.conv2d(functional.pad(images, (1, 1, 1, 1), mode="replicate"), kernel, groups=images.shape[1])


def recolour(images: Tensor) -> Tensor:
    """Slightly other contrast (12 %), brightness (0.04) and channel gains (4 %)."""
    n = len(images)
    gain = between(n, 0.88, 1.12)[:, None] * (1 + 0.08 * (torch.rand(n, 3) - 0.5))
    shift = between(n, -0.04, 0.04)
    return (images - 0.5) * gain.to(images)[..., None, None] + 0.5 + shift.to(images)[:, None, None, None]
