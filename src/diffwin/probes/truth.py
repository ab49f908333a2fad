"""Exact labels, for worlds that know them: Gaussian mixtures and image sets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from diffwin.errors import BadInput
from diffwin.probes.confusion import Confusion
from diffwin.process.base import Process, Samples


class TruthProbe:
    """Asks the process for the exact probabilities of one of its features."""

    sensitive = False

    def __init__(self, process: Process, feature: str, *, name: str = "") -> None:
        known = process.feature_labels
        if feature not in known:
            raise BadInput(
                f"{process.name} does not know the true {feature} of a sample",
                where="--probe truth",
                cure=f"it knows {', '.join(known)}" if known else "truth probes read mixtures and image sets only",
            )
        self.process, self.feature, self.labels = process, feature, known[feature]
        self.name = name or f"truth:{feature}"
        self.confusion: Confusion | None = Confusion.of(np.eye(len(self.labels)), None, "exact labels")
        self.provenance = {
            "kind": "truth",
            "model": process.name,
            "source": "exact labels of the model's own world",
        }

    def read(self, samples: Samples) -> NDArray[np.float64]:
        """P(label | sample), shape (n, labels), as the process gives it."""
        return self.process.read_truth(samples, self.feature)
