"""What every probe made from a definition shares: its identity, the check of its samples, abstention."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from diffwin.errors import BadInput
from diffwin.probes.definition import Definition
from diffwin.process.base import Samples


class DefinedProbe(ABC):
    """A `Probe` of pictures; a kind adds `probabilities`."""

    def __init__(self, definition: Definition, **provenance: str) -> None:
        """`provenance` adds what the kind knows beyond the definition, such as the model."""
        self.name = definition.name
        self.feature = definition.feature
        self.labels = definition.label_names
        self.sensitive = definition.sensitive
        self.abstain_below = definition.abstain_below
        measured = definition.measured_confusion()
        self.confusion = measured
        self.provenance = {
            "kind": definition.kind,
            "version": str(definition.version),
            "definition": definition.digest,
            "source": definition.source,
            "measured": "" if measured is None else measured.source,
            **provenance,
        }

    @abstractmethod
    def probabilities(self, pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
        """P(label | picture), shape (n, labels), rows sum to one, for uint8 RGB (n, h, w, 3), n >= 1."""

    def read(self, samples: Samples) -> NDArray[np.float64]:
        """P(label | sample), shape (n, labels); NaN rows where the probe abstains. BadInput unless uint8 RGB."""
        if samples.dtype != np.uint8 or samples.ndim != 4 or samples.shape[-1] != 3:
            raise BadInput(
                f"reads RGB pictures, and these samples are {samples.dtype} of shape {samples.shape}",
                where=f"probe {self.name}",
                cure="use --probe truth with a world of points",
            )
        if not len(samples):
            return np.zeros((0, len(self.labels)))
        return abstain(self.probabilities(samples), self.abstain_below)


def fingerprint(weights: Path) -> str:
    """The first 16 hex digits of a file's SHA-256: which weights were used, whatever they are called."""
    with weights.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def abstain(probabilities: NDArray[np.float64], margin: float) -> NDArray[np.float64]:
    """NaN rows where the two best of (n, labels) probabilities lie closer together than `margin`."""
    best = np.partition(probabilities, -2, axis=1)[:, -2:]
    return np.where((best[:, 1] - best[:, 0] < margin)[:, None], np.nan, probabilities)


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows of (n, labels) as probabilities."""
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
