"""What diffwin asks of a probe: probabilities of a feature's labels for each sample."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from diffwin.probes.confusion import Confusion
from diffwin.process.base import Samples


@runtime_checkable
class Probe(Protocol):
    """Reads one feature."""

    name: str
    """The definition's name; a run holds each probe once."""
    feature: str
    labels: tuple[str, ...]
    sensitive: bool
    confusion: Confusion | None
    """Its measured error; None where nobody measured it."""
    provenance: dict[str, str]
    """For the record: definition version, kind, model, source, hash of the definition."""

    def read(self, samples: Samples) -> NDArray[np.float64]:
        """P(label | sample), shape (n, labels), rows sum to one; a NaN row is an abstention (missing)."""
