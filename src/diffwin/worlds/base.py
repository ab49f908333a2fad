"""What worlds with an exact posterior share.

Such a world is a set of atoms with weights, the components of a mixture or the images of a set. Seeing a noisy point
it knows P(atom | x_t), so the denoiser E[x_0 | x_t] and the survival of every label follow with no network.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffwin.levels import FloatArray

Points = NDArray[Any]
"""Points (n, d), in the world's own floating type."""

Posterior = Callable[[float, float], FloatArray]
"""P(atom | alpha x_0 + sigma z), shape (n, K), of fixed x_0 and z; a negative sigma turns the noise round."""


class World(Protocol):
    """Atoms with weights (K,), and what a noisy point x_t = alpha x_0 + sigma z (n, d) says of them.

    `alpha` and `sigma` are numbers or arrays (n,), one for each point.
    """

    weights: FloatArray

    def place(self, atoms: NDArray[np.int64], rng: np.random.Generator) -> Points:
        """A finished sample x_0 of each of these atoms, shape (n, d)."""

    def follow(self, atoms: NDArray[np.int64], rng: np.random.Generator) -> Posterior:
        """Draw x_0 of each of these atoms and noise z once; what is then seen of them at any level, cheaply."""

    def responsibilities(self, x: Points, alpha: ArrayLike, sigma: ArrayLike) -> FloatArray:
        """P(atom | x_t), shape (n, K)."""

    def posterior_mean(self, x: Points, alpha: ArrayLike, sigma: ArrayLike) -> Points:
        """E[x_0 | x_t], shape (n, d)."""


@dataclass(frozen=True, eq=False)
class Feature:
    """What an atom says of one feature: `table` is P(label | atom), shape (K, labels), rows sum to one."""

    labels: tuple[str, ...]
    table: FloatArray

    @classmethod
    def of(cls, values: ArrayLike) -> Feature:
        """From one label for each atom; labels keep the order in which they first appear."""
        values = [str(value) for value in np.asarray(values)]
        labels = tuple(dict.fromkeys(values))
        return cls(labels, np.eye(len(labels))[[labels.index(value) for value in values]])

    def without_empty(self) -> Feature:
        """The same without the labels that no atom has."""
        held = self.table.any(axis=0)
        return Feature(tuple(np.array(self.labels)[held].tolist()), self.table[:, held])
