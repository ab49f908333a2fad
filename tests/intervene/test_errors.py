"""Which errors of a probe can be undone in the pictures at hand, and what is said where they cannot."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from diffwin.estimate import BLIND, UNMEASURED
from diffwin.intervene.arms import Arm
from diffwin.intervene.asked import Asked, Attribute
from diffwin.intervene.errors import Errors, known_errors
from diffwin.intervene.setup import Setup
from diffwin.levels import vp_grid
from diffwin.shares import OTHERWISE

MATRIX = np.array([[0.8, 0.2], [0.1, 0.9]])
BASES = 100


def errors(matrix: np.ndarray | None, women: int, women_then: int) -> Errors:
    """What is known where so many of 100 pictures are read as women before, and with the prompt at all steps."""
    told = {} if matrix is None else {"gender": {"matrix": matrix.tolist(), "counts": [400, 400]}}
    run: Any = SimpleNamespace(
        record={"confusion": told, "labels": {"gender": ["woman", "man"]}}, grid=vp_grid(-8, 8, 10)
    )
    asked = Asked("a cook", (Attribute("gender", "woman", "a woman"),), bases=BASES)

    def labels(arm: Arm, feature: str, bases: range) -> np.ndarray:
        assert (feature, len(bases)) == ("gender", BASES)
        return (np.arange(BASES) >= (women_then if arm.acts else women)).astype(np.int64)

    record: Any = SimpleNamespace(labels=labels)
    return known_errors(Setup(run, asked, {}, ()), record, "gender")


def test_known_errors_are_undone_where_the_pictures_bear_them_out() -> None:
    found = errors(MATRIX, 40, 75)
    assert found.uncorrected == ""
    assert found.to_undo is not None
    np.testing.assert_allclose(found.to_undo.matrix, MATRIX)


@pytest.mark.parametrize(
    ("matrix", "women", "women_then", "why"),
    [
        (None, 40, 75, UNMEASURED),
        (np.full((2, 2), 0.5), 40, 75, BLIND),
        (MATRIX, 40, 99, OTHERWISE),  # of no more than 80 % that it reads as women, 99 were read so
        (MATRIX, 0, 75, OTHERWISE),  # it reads a tenth of men as women, and read none so
        (np.eye(2), 40, 75, ""),
    ],
)
def test_what_cannot_be_undone_is_left_as_read(
    matrix: np.ndarray | None, women: int, women_then: int, why: str
) -> None:
    found = errors(matrix, women, women_then)
    assert (found.to_undo, found.uncorrected) == (None, why)
