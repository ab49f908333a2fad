"""Who becomes whom, through a probe that errs in a known way."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from diffwin.audit.transitions import Moves, corrected, transitions
from diffwin.correction import Correction
from diffwin.levels import FloatArray
from diffwin.survival import Readings

MATRIX = np.array([[0.80, 0.05, 0.15], [0.01, 0.94, 0.05], [0.05, 0.08, 0.87]])
SAMPLES, REPEATS = 900, 2
BEFORE = np.array([0.6, 0.3, 0.1])
FAR = 0.3 * np.eye(3) + 0.7 * BEFORE
"""P(label after | label before) of a noisy level; from a clean one everything comes back."""


def read_through(true: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """What a probe with these errors reads, independently from picture to picture."""
    return np.asarray((rng.random(true.shape)[..., None] > MATRIX.cumsum(axis=1)[true]).sum(axis=-1), np.int64)


def drawn(bases: int, kernel: FloatArray, rng: np.random.Generator) -> NDArray[np.int64]:
    """(bases, labels, labels) what was read; each base has leanings of its own, so its repeats resemble each other."""
    before = rng.choice(3, bases, p=BEFORE)
    own = np.stack([rng.dirichlet(kernel[label] * 5 + 1e-9) for label in before])
    after = (rng.random((bases, REPEATS))[..., None] > own.cumsum(axis=1)[:, None]).sum(axis=-1)
    each = np.zeros((bases, 3, 3), np.int64)
    read = read_through(after, rng)
    np.add.at(each, (np.arange(bases)[:, None], read_through(before, rng)[:, None], read), 1)
    return each


def known(rng: np.random.Generator) -> Correction:
    """The matrix as labelled pictures show it."""
    return Correction(np.array([rng.multinomial(SAMPLES, row) / SAMPLES for row in MATRIX]), (SAMPLES,) * 3)


def holds(moves: Moves, true: FloatArray) -> bool:
    return bool(np.all((moves.low <= true + 1e-12) & (true <= moves.high + 1e-12)))


@pytest.mark.parametrize("kernel", [FAR, np.eye(3)], ids=["far", "all come back"])
@pytest.mark.parametrize("bases", [12, 60])
def test_intervals_hold_the_whole_true_table_as_often_as_promised(bases: int, kernel: FloatArray) -> None:
    rng, runs, held, read_held, off, read_off = np.random.default_rng(bases), 150, 0, 0, 0.0, 0.0
    true = BEFORE[:, None] * kernel
    for run in range(runs):
        each = drawn(bases, kernel, rng)
        better = corrected(each, known(rng).inverses(200, run), run)
        read = corrected(each, Correction(np.eye(3)).inverses(200, run), run)
        held, read_held = held + holds(better, true), read_held + holds(read, true)
        off, read_off = off + np.abs(better.share - true).sum(), read_off + np.abs(read.share - true).sum()
    assert held / runs >= 0.95 - 4 * np.sqrt(0.05 * 0.95 / runs)
    assert off < read_off
    if bases == 60:
        assert read_held / runs < 0.8


def test_many_pictures_give_back_the_true_table() -> None:
    rng, true = np.random.default_rng(1), BEFORE[:, None] * FAR
    found = corrected(drawn(20_000, FAR, rng), Correction(MATRIX).inverses(50, 0), 0)
    np.testing.assert_allclose(found.share, true, atol=0.02)
    assert found.share.sum() == pytest.approx(1)


def test_one_table_a_level_with_what_is_known_or_why_not() -> None:
    rng = np.random.default_rng(2)
    levels = [drawn(30, kernel, rng) for kernel in (np.eye(3), FAR)]
    base = levels[0].sum(axis=2).argmax(axis=1)
    counts = np.stack([np.eye(3, dtype=np.int64)[base], *(each.sum(axis=1) for each in levels)], axis=1)
    zeros, axis = np.zeros((30, 3)), np.array([9.0, 1.0, -4.0])
    readings = Readings("p", "f", ("a", "b", "c"), base, counts, zeros, np.zeros(3, int), np.array([0, 3, 9]), axis)
    noisy, clean = transitions(readings, Correction(MATRIX, (SAMPLES,) * 3))
    assert (noisy.level, clean.level) == (9, 3)
    assert noisy.corrected is not None
    assert noisy.counts.sum() == 30 * REPEATS
    assert noisy.uncorrected == ""
    [untold, _] = transitions(readings, "nobody measured it")
    assert (untold.corrected, untold.uncorrected) == (None, "nobody measured it")
    np.testing.assert_array_equal(untold.counts, noisy.counts)
