"""The ideal score of a finite image set: its posterior is exact, for real images, with no network.

P(image i | x_t) = softmax_i(ln w_i - |x_t - alpha x_i|^2 / 2 sigma^2), and E[x_0 | x_t] is the images' mean under it:
the denoiser that a model of unlimited capacity would learn from this set.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax

from diffwin.levels import FloatArray
from diffwin.worlds.base import Posterior

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

    def follow(self, atoms: NDArray[np.int64], rng: np.random.Generator) -> Posterior:
        """What is seen of each of these images in noise, shape (m, n), at any alpha and sigma.

        (x_t - alpha centre) . (x_i - centre) is linear in alpha and sigma, so two products serve every level.
        """
        own = self.offsets[atoms] @ self.offsets.T
        noise = rng.standard_normal((len(atoms), self.offsets.shape[1]), np.float32) @ self.offsets.T

        def posterior(alpha: float, sigma: float) -> FloatArray:
            nearness = (alpha / sigma) ** 2 * (own - 0.5 * self.square) + alpha / sigma * noise.astype(np.float64)
            return np.asarray(softmax(self._log_weights + nearness, axis=1))

        return posterior

    def _product(self, x: Floats, alpha: FloatArray) -> FloatArray:
        """(x_t - alpha centre) . (x_i - centre), shape (m, n)."""
        y = x - alpha.astype(np.float32) * self.centre
        return np.asarray(y @ self.offsets.T, np.float64)


def to_unit(images: Pixels) -> Floats:
    """uint8 (n, h, w, c) to [-1, 1], float32 (n, c h w)."""
    return (images.transpose(0, 3, 1, 2).reshape(len(images), -1) / np.float32(127.5) - 1).astype(np.float32)
