"""What the report says of a corrected test."""

from __future__ import annotations

import numpy as np

from diffwin.correction import Correction
from diffwin.intervene.asked import Attribute
from diffwin.intervene.effects import SwitchTest, Twins, switch_tests
from diffwin.intervene.intervals import Design, Interval, Place
from diffwin.intervene.report import words
from diffwin.report.words import plain

PLAN = Design(
    (), (), ((Place.NOISIER, Interval(12, 10)), (Place.INSIDE, Interval(8, 6))), Interval(8, 4), Interval(12, 0)
)


def said(error: float) -> str:
    rng, bases = np.random.default_rng(0), 400
    before = (rng.random(bases) < 0.4).astype(np.int64)
    turned = rng.random((4, bases)) < np.array([0.0, 0.4, 0.5, 0.6])[:, None]
    matrix = np.array([[1 - error, error], [error, 1 - error]])
    [test] = switch_tests([Twins(1, before, np.where(turned, 1, before))], [PLAN], [Correction(matrix)])
    assert isinstance(test.corrected, SwitchTest)
    return plain(words.tested(Attribute("gender", "man", "a man"), test, 12, {"gender": "perceived gender"}))


def test_a_correction_that_matters_is_told_with_its_numbers() -> None:
    assert "Corrected for errors of reading: inside +" in said(0.15)
    assert said(0.15).endswith("which says the same.")


def test_one_that_does_not_is_told_in_one_line() -> None:
    assert said(0.002).endswith("Corrected for errors of reading, none of this moves by more than a point.")
