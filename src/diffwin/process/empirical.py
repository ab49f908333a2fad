"""The ideal score of a finite image set: its posterior is exact, for real images, with no network.

P(image i | x_t) = softmax_i(ln w_i - |x_t - alpha x_i|^2 / 2 sigma^2), and E[x_0 | x_t] is the images' mean under it:
the denoiser that a model of unlimited capacity would learn from this set.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax

from diffwin.levels import FloatArray, Grid
from diffwin.process.base import Samples, State
from diffwin.process.diffusion import Identity
from diffwin.process.engine import Settings
from diffwin.process.ideal import Feature, IdealDiffusion

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]


class ImageSet:
    """Weighted points (n, d), float32, usually images in [-1, 1].

    Distances come from one float32 product. Subtracting the mean image and leaving out |x_t|^2, which every image
    shares, keeps the rounding far below the differences that decide.
    """

    def __init__(self, points: ArrayLike, weights: ArrayLike | None = None) -> None:
        points = np.asarray(points, np.float32)
        given = np.ones(len(points)) if weights is None else np.asarray(weights, np.float64)
        self.weights: FloatArray = given / given.sum()
        self.centre: Floats = (self.weights @ points).astype(np.float32)
        self.offsets: Floats = points - self.centre
        self.square = np.einsum("nd,nd->n", self.offsets, self.offsets, dtype=np.float64)
        with np.errstate(divide="ignore"):
            self._log_weights: FloatArray = np.log(self.weights)

    def responsibilities(self, x: Floats, alpha: ArrayLike, sigma: ArrayLike) -> FloatArray:
        """P(image | x_t), shape (m, n), for x (m, d) and sigma > 0."""
        a = np.broadcast_to(np.asarray(alpha, np.float64), len(x))[:, None]
        variance = np.broadcast_to(np.asarray(sigma, np.float64) ** 2, len(x))[:, None]
        nearness = a * self._product(x, a) - 0.5 * a**2 * self.square
        return np.asarray(softmax(self._log_weights + nearness / variance, axis=1))

    def posterior_mean(self, x: Floats, alpha: ArrayLike, sigma: ArrayLike) -> Floats:
        """E[x_0 | x_t], shape (m, d)."""
        share = self.responsibilities(x, alpha, sigma).astype(np.float32)
        return np.asarray(share @ self.offsets + self.centre, np.float32)

    def nearest(self, x: Floats) -> NDArray[np.int64]:
        """The image nearest to each point, shape (m,)."""
        return np.asarray(np.argmax(self._product(x, np.ones((len(x), 1))) - 0.5 * self.square, axis=1))

    def place(self, atoms: NDArray[np.int64], rng: np.random.Generator) -> Floats:
        return self.offsets[atoms] + self.centre

    def _product(self, x: Floats, alpha: FloatArray) -> FloatArray:
        """(x_t - alpha centre) . (x_i - centre), shape (m, n)."""
        y = x - alpha.astype(np.float32) * self.centre
        return np.asarray(y @ self.offsets.T, np.float64)


def to_unit(images: Pixels) -> Floats:
    """uint8 (n, h, w, c) to [-1, 1], float32 (n, c h w)."""
    return (images.transpose(0, 3, 1, 2).reshape(len(images), -1) / np.float32(127.5) - 1).astype(np.float32)


class ImageSetProcess(IdealDiffusion):
    """An image set as a process; a state is (c, h, w) in [-1, 1], a sample is uint8 RGB (h, w, 3)."""

    world: ImageSet

    def __init__(
        self,
        identity: Identity,
        grid: Grid,
        world: ImageSet,
        shape: tuple[int, int, int],
        features: dict[str, Feature],
        *,
        seed: int,
        slots: int | None = None,
        eta: float = 0.0,
    ) -> None:
        super().__init__(identity, grid, world, features, Settings(shape, slots=slots or 64), seed=seed, eta=eta)

    def render(self, states: Sequence[State]) -> Samples:
        """uint8 RGB (n, h, w, 3); a grey set fills the three channels alike."""
        channels, height, width = self.engine.settings.shape
        if not states:
            return np.zeros((0, height, width, 3), np.uint8)
        pixels = np.rint((np.stack([state.numpy() for state in states]) + 1) * 127.5).clip(0, 255).astype(np.uint8)
        return np.repeat(pixels.transpose(0, 2, 3, 1), 3 // channels, axis=3)

    def read_truth(self, samples: Samples, feature: str) -> NDArray[np.float64]:
        """The labels of the nearest image of the set."""
        own = samples[..., : self.engine.settings.shape[0]]
        return self.feature(feature).table[self.world.nearest(to_unit(own))]
