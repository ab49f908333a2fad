"""A Gaussian mixture: density, posterior and denoiser in closed form.

Component k of x_t = alpha x_0 + sigma z is N(alpha mu_k, alpha^2 C_k + sigma^2 I). Everything is float64 and the
densities stay in log space, so any separation, dimension or weight is safe.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp, softmax

from diffwin.levels import FloatArray
from diffwin.worlds.base import Posterior

_LOG_TAU = float(np.log(2 * np.pi))


class GaussianMixture:
    """sum_k w_k N(mu_k, C_k), with C_k = std_k^2 I or any positive definite matrix.

    `weights` (K,), normalised here; `means` (K, d); `std` a number or (K,); `covariance` (d, d) or (K, d, d), which
    replaces `std`. `variance` is std^2 (K,) with `axes` None, or that along the principal `axes` (K, d, d) of each
    component, (K, d). Points x are (n, d); `alpha` and `sigma` are numbers or (n,), and (1, 0) is the clean density.
    """

    def __init__(
        self, weights: ArrayLike, means: ArrayLike, *, std: ArrayLike = 1.0, covariance: ArrayLike | None = None
    ) -> None:
        self.means: FloatArray = np.atleast_2d(np.asarray(means, np.float64))
        total = np.asarray(weights, np.float64)
        self.weights: FloatArray = total / total.sum()
        count, self.dimension = self.means.shape
        self.variance: FloatArray
        self.axes: FloatArray | None = None
        if covariance is None:
            self.variance = np.broadcast_to(np.asarray(std, np.float64) ** 2, (count,))
        else:
            full = np.broadcast_to(np.asarray(covariance, np.float64), (count, self.dimension, self.dimension))
            self.variance, self.axes = np.linalg.eigh(full)
        with np.errstate(divide="ignore"):
            self._log_weights: FloatArray = np.log(self.weights)

    @property
    def smallest_std(self) -> float:
        """Along any axis of any component."""
        return float(np.sqrt(self.variance.min()))

    @property
    def largest_std(self) -> float:
        """Along any axis of any component."""
        return float(np.sqrt(self.variance.max()))

    @property
    def common_std(self) -> float | None:
        """The std that every component has along every axis; None if there is no such."""
        return None if self.axes is not None or np.ptp(self.variance) > 0 else float(np.sqrt(self.variance[0]))

    def log_density(self, x: FloatArray, alpha: ArrayLike = 1.0, sigma: ArrayLike = 0.0) -> FloatArray:
        """ln p_t(x), shape (n,)."""
        return np.asarray(logsumexp(self._log_joint(x, *_per_point(x, alpha, sigma)), axis=1))

    def responsibilities(self, x: FloatArray, alpha: ArrayLike = 1.0, sigma: ArrayLike = 0.0) -> FloatArray:
        """P(component | x_t), shape (n, K)."""
        return np.asarray(softmax(self._log_joint(x, *_per_point(x, alpha, sigma)), axis=1))

    def posterior_mean(self, x: FloatArray, alpha: ArrayLike, sigma: ArrayLike) -> FloatArray:
        """E[x_0 | x_t] = sum_k P(k | x_t) (mu_k + alpha C_k (alpha^2 C_k + sigma^2 I)^-1 (x_t - alpha mu_k))."""
        alpha, sigma = _per_point(x, alpha, sigma)
        share = np.asarray(softmax(self._log_joint(x, alpha, sigma), axis=1))
        if self.axes is None:
            gain = alpha[:, None] * self.variance / self._noisy_variance(alpha, sigma)
            kept: FloatArray = (share * gain).sum(axis=1, keepdims=True)
            return x * kept + (share * (1 - alpha[:, None] * gain)) @ self.means
        mean = share @ self.means
        for k, axes in enumerate(self.axes):
            along, variance = self._along(x, k, alpha, sigma)
            mean += share[:, [k]] * ((alpha[:, None] * self.variance[k] / variance * along) @ axes.T)
        return mean

    def place(self, atoms: NDArray[np.int64], rng: np.random.Generator) -> FloatArray:
        """A draw of each of these components, shape (n, d)."""
        z = rng.standard_normal((len(atoms), self.dimension))
        if self.axes is None:
            return self.means[atoms] + np.sqrt(self.variance[atoms])[:, None] * z
        spread = np.sqrt(self.variance)[:, None, :] * self.axes
        return np.asarray(self.means[atoms] + np.einsum("nij,nj->ni", spread[atoms], z))

    def sample(self, count: int, rng: np.random.Generator) -> FloatArray:
        """`count` draws of the mixture, shape (count, d)."""
        return self.place(rng.choice(len(self.weights), size=count, p=self.weights), rng)

    def follow(self, atoms: NDArray[np.int64], rng: np.random.Generator) -> Posterior:
        """What is seen of a draw of each of these components in noise, shape (n, K), at any alpha and sigma."""
        x0 = self.place(atoms, rng)
        z = rng.standard_normal(x0.shape)
        if self.axes is not None:
            return lambda alpha, sigma: self.responsibilities(alpha * x0 + sigma * z, alpha, sigma)
        ones = np.ones(len(x0))
        apart, across = self._square_distance(x0, ones), (z * x0).sum(axis=1, keepdims=True) - z @ self.means.T
        noise = (z**2).sum(axis=1, keepdims=True)

        def posterior(alpha: float, sigma: float) -> FloatArray:
            square = alpha**2 * apart + 2 * alpha * sigma * across + sigma**2 * noise
            return self._shares(square, alpha * ones, sigma * ones)

        return posterior

    def _shares(self, square: FloatArray, alpha: FloatArray, sigma: FloatArray) -> FloatArray:
        """P(component | x_t), from squared distances (n, K); isotropic components."""
        variance = self._noisy_variance(alpha, sigma)
        log_joint = self._log_weights - 0.5 * (square / variance + self.dimension * np.log(variance))
        return np.asarray(softmax(log_joint, axis=1))

    def _log_joint(self, x: FloatArray, alpha: FloatArray, sigma: FloatArray) -> FloatArray:
        """ln w_k N(x; alpha mu_k, alpha^2 C_k + sigma^2 I), shape (n, K); alpha and sigma (n,)."""
        if self.axes is None:
            variance = self._noisy_variance(alpha, sigma)
            scaled = self._square_distance(x, alpha) / variance
            return np.asarray(self._log_weights - 0.5 * (scaled + self.dimension * (np.log(variance) + _LOG_TAU)))
        columns = []
        for k in range(len(self.means)):
            along, variance = self._along(x, k, alpha, sigma)
            columns.append(-0.5 * (along**2 / variance + np.log(variance) + _LOG_TAU).sum(axis=1))
        return np.asarray(self._log_weights + np.stack(columns, axis=1))

    def _noisy_variance(self, alpha: FloatArray, sigma: FloatArray) -> FloatArray:
        """alpha^2 std_k^2 + sigma^2, shape (n, K)."""
        return alpha[:, None] ** 2 * self.variance + sigma[:, None] ** 2

    def _square_distance(self, x: FloatArray, alpha: FloatArray) -> FloatArray:
        """|x - alpha mu_k|^2, shape (n, K), as one product of matrices."""
        a = alpha[:, None]
        square = (x**2).sum(axis=1, keepdims=True) - 2 * a * (x @ self.means.T) + a**2 * (self.means**2).sum(axis=1)
        return np.asarray(np.maximum(square, 0.0))

    def _along(self, x: FloatArray, k: int, alpha: FloatArray, sigma: FloatArray) -> tuple[FloatArray, FloatArray]:
        """x - alpha mu_k along the principal axes of C_k, and its variance there, each (n, d)."""
        assert self.axes is not None
        along = (x - alpha[:, None] * self.means[k]) @ self.axes[k]
        return along, alpha[:, None] ** 2 * self.variance[k] + sigma[:, None] ** 2


def _per_point(x: FloatArray, alpha: ArrayLike, sigma: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """alpha and sigma for each point, (n,)."""
    shape = (len(x),)
    return np.broadcast_to(np.asarray(alpha, float), shape), np.broadcast_to(np.asarray(sigma, float), shape)
