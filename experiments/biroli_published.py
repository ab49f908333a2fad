"""What Biroli, Bonnaire, de Bortoli and Mezard measured in "Dynamical regimes of diffusion models" (2024).

The clone experiment: two clones of one generation are let go at time t, each with noise of its own; phi(t) is how often
they end in the same class. The numbers are those that the authors saved beside their code
(github.com/tbonnair/Dynamical-Regimes-of-Diffusion-Models, MIT licence, copyright 2024 Tony Bonnaire), to four places.
The paper is arXiv 2402.18491.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MIXTURE_PAIRS, MIXTURE_STEPS, MIXTURE_LAST = 10_000, 1000, 10.0
"""Pairs of clones a time, and Euler steps of the reverse process over OU times from 10 to 0."""

MIXTURE_TIMES = np.arange(1.0, 10.5, 0.5)
"""OU times at which the clones of a mixture were let go."""

MIXTURE_PHI: dict[int, tuple[float, ...]] = {
    256: (
        1.0, 0.9994, 0.9775, 0.8620, 0.7012, 0.5925, 0.5343, 0.5201, 0.5027, 0.5051, 0.4978, 0.5033, 0.4992, 0.5146,
        0.5039, 0.4878, 0.4960, 0.4970, 0.5062,
    ),
    1024: (
        1.0, 1.0, 1.0, 0.9944, 0.9122, 0.7651, 0.6216, 0.5580, 0.5245, 0.5147, 0.5002, 0.4995, 0.4873, 0.4938,
        0.5048, 0.5019, 0.4983, 0.4892, 0.4929,
    ),
    4096: (
        1.0, 1.0, 1.0, 1.0, 0.9984, 0.9575, 0.8217, 0.6736, 0.5719, 0.5396, 0.5055, 0.5020, 0.4963, 0.5011,
        0.4983, 0.5007, 0.5030, 0.4950, 0.5032,
    ),
    16384: (
        1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.9854, 0.8876, 0.7295, 0.6111, 0.5420, 0.5170, 0.5106, 0.5025,
        0.4999, 0.5022, 0.4992, 0.4958, 0.5010,
    ),
}  # fmt: skip
"""phi at `MIXTURE_TIMES` by dimension d, for components at +-(1, ..., 1) with unit variance."""


def mixture_rows() -> int:
    """Score evaluations behind one curve: one walk down to t, then two to the end, for every pair and time."""
    walks = 1 + MIXTURE_TIMES / MIXTURE_LAST
    return round(MIXTURE_PAIRS * MIXTURE_STEPS * float(walks.sum()))


@dataclass(frozen=True)
class DataSet:
    """A data set of two classes: its top eigenvalue, speciation time and DDPM step as printed, and phi of its clones.

    `phi` are 4,000 pairs or more a step of `IMAGE_STEPS`, standard error at most 0.007.
    """

    name: str
    eigenvalue: float
    time: float
    step: int
    phi: tuple[float, ...]

    @property
    def curve(self) -> NDArray[np.float64]:
        return np.array(self.phi)


IMAGE_STEPS = np.arange(1000, 0, -50)
"""Training timesteps of DDPM's linear schedule at which the clones of a picture were let go; 1000 is the start."""

DATA_SETS = (
    DataSet(
        "MNIST", 7.66, 1.02, 446,
        (0.4982, 0.5020, 0.5145, 0.4923, 0.4918, 0.5015, 0.5211, 0.5361, 0.5747, 0.6062,
         0.6771, 0.7412, 0.8232, 0.9050, 0.9540, 0.9808, 0.9955, 0.9987, 0.9998, 0.9998),
    ),
    DataSet(
        "CIFAR", 16.72, 1.41, 526,
        (0.4993, 0.4948, 0.4993, 0.4925, 0.5085, 0.4983, 0.5102, 0.5299, 0.5668, 0.5890,
         0.6706, 0.7428, 0.8307, 0.8952, 0.9487, 0.9802, 0.9905, 0.9970, 0.9985, 0.9985),
    ),
    DataSet(
        "ImageNet16", 3.05, 0.56, 329,
        (0.5041, 0.4953, 0.4997, 0.5110, 0.5082, 0.5034, 0.5089, 0.5230, 0.5403, 0.5696,
         0.5981, 0.6282, 0.6882, 0.7519, 0.8317, 0.8967, 0.9503, 0.9769, 0.9865, 0.9890),
    ),
    DataSet(
        "ImageNet32", 12.11, 1.25, 495,
        (0.5277, 0.5168, 0.5134, 0.5244, 0.5283, 0.5375, 0.5583, 0.5853, 0.6297, 0.6710,
         0.7485, 0.8003, 0.8642, 0.9129, 0.9577, 0.9740, 0.9832, 0.9838, 0.9905, 0.9887),
    ),
    DataSet(
        "LSUN", 60.52, 2.05, 635,
        (0.5564, 0.5547, 0.5580, 0.5606, 0.5730, 0.5800, 0.6140, 0.6551, 0.7028, 0.7717,
         0.8094, 0.8575, 0.8929, 0.9202, 0.9430, 0.9550, 0.9617, 0.9723, 0.9746, 0.9817),
    ),
)  # fmt: skip
MNIST = DATA_SETS[0]

SPECIATED = 0.775
"""The value of phi that the authors read the measured speciation time off, that of the mixture at t_S."""
