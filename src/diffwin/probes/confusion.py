"""How often a probe errs: P(read | true), measured on samples whose labels are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from diffwin.errors import BadInput

ROUNDING = 0.02
"""How far the sum of a printed row may lie from one."""


@dataclass(frozen=True, eq=False)
class Confusion:
    """`matrix` (labels, labels): P(read | true), a row a true label; `counts` (labels,): samples behind a row."""

    matrix: NDArray[np.float64]
    counts: tuple[int, ...] | None
    source: str

    @classmethod
    def of(
        cls, matrix: Sequence[Sequence[float]] | NDArray[np.float64], counts: Sequence[int] | None, source: str
    ) -> Self:
        """Rows are scaled to sum to one, which makes good the rounding of printed numbers."""
        rows = np.asarray(matrix, np.float64)
        return cls(rows / rows.sum(axis=1, keepdims=True), None if counts is None else tuple(counts), source)


class _Measured(BaseModel):
    model_config = ConfigDict(extra="ignore")

    labels: list[str]
    matrix: list[list[float]]
    counts: list[int] | None = None
    source: str = ""


_FILE = TypeAdapter(dict[str, _Measured])


def check_matrix(matrix: Sequence[Sequence[float]], counts: Sequence[int] | None, labels: int) -> None:
    """ValueError unless `matrix` is (labels, labels), its rows probabilities, with a count a row."""
    if len(matrix) != labels or any(len(row) != labels for row in matrix):
        raise ValueError(f"confusion must be a {labels} x {labels} matrix, one row a true label")
    rows = np.asarray(matrix, np.float64)
    if not np.all((rows >= 0) & (rows <= 1)) or not np.allclose(rows.sum(axis=1), 1, rtol=0, atol=ROUNDING):
        raise ValueError("every row of confusion must hold probabilities that sum to one")
    if counts is not None and len(counts) != labels:
        raise ValueError(f"confusion_counts must hold {labels} numbers, one a true label")


def read_confusion(path: Path, feature: str, labels: Sequence[str]) -> Confusion:
    """The matrix of one feature, in the order of `labels`.

    The file is JSON, {feature: {labels, matrix, counts, source}}. Raises BadInput where it is not, where it
    lacks the feature, or where its labels are others.
    """
    try:
        measured = _FILE.validate_json(path.read_bytes()).get(feature)
    except (OSError, ValidationError) as error:
        raise BadInput("is not a confusion file", where=str(path), cure="measure it again") from error
    if measured is None or sorted(measured.labels) != sorted(labels):
        raise BadInput(
            f"holds no matrix of {feature} with the labels of the probe",
            where=str(path),
            cure="measure it again",
        )
    try:
        check_matrix(measured.matrix, measured.counts, len(labels))
    except ValueError as error:
        raise BadInput(str(error), where=f"{path}, {feature}", cure="measure it again") from error
    order = [measured.labels.index(label) for label in labels]
    matrix = np.asarray(measured.matrix, np.float64)[np.ix_(order, order)]
    counts = None if measured.counts is None else [measured.counts[i] for i in order]
    return Confusion.of(matrix.tolist(), counts, measured.source or path.name)
