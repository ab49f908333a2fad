from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from diffwin.errors import BadInput
from diffwin.probes.confusion import read_confusion

GOOD = {"labels": ["a", "b", "c"], "matrix": [[0.8, 0.1, 0.1], [0, 1, 0], [0.3, 0.3, 0.4]], "counts": [5, 6, 7]}


def write(folder: Path, **changes: object) -> Path:
    path = folder / "confusion.json"
    path.write_text(json.dumps({"mood": GOOD | changes}))
    return path


def test_rows_and_counts_follow_the_order_of_the_labels(tmp_path: Path) -> None:
    measured = read_confusion(write(tmp_path), "mood", ["c", "a", "b"])
    np.testing.assert_allclose(measured.matrix, [[0.4, 0.3, 0.3], [0.1, 0.8, 0.1], [0, 0, 1]])
    assert measured.counts == (7, 5, 6)


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": ["a", "b", "d"]},
        {"labels": ["a", "b"]},
        {"matrix": [[1, 0], [0, 1]]},
        {"matrix": [[0.5, 0.1, 0.1], [0, 1, 0], [0, 0, 1]]},
        {"matrix": [[1.5, -0.5, 0], [0, 1, 0], [0, 0, 1]]},
        {"counts": [1, 2]},
        {"matrix": "none"},
    ],
)
def test_a_matrix_that_does_not_fit_is_refused(changes: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"confusion\.json"):
        read_confusion(write(tmp_path, **changes), "mood", ["a", "b", "c"])


def test_a_feature_that_was_not_measured_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="holds no matrix of age"):
        read_confusion(write(tmp_path), "age", ["a", "b", "c"])
