"""Shares that balancing reached, seen through a probe that errs in a known way."""

from __future__ import annotations

import numpy as np

from diffwin.correction import Correction
from diffwin.intervene.effects import measured
from diffwin.intervene.outcome import corrected_shares
from diffwin.survival import resample

MATRIX = np.array([[0.80, 0.05, 0.15], [0.02, 0.93, 0.05], [0.10, 0.08, 0.82]])
TRUE = np.array([0.5, 0.2, 0.3])


def test_corrected_shares_hold_the_true_ones_as_often_as_promised() -> None:
    rng, held, runs, samples, images = np.random.default_rng(0), 0, 300, 400, 120
    for run in range(runs):
        counted = np.array([rng.multinomial(samples, row) / samples for row in MATRIX])
        known = Correction(counted, (samples,) * 3)
        read = rng.choice(3, images, p=TRUE @ MATRIX)
        weights = np.concatenate([np.ones((1, images)), resample(images, 200, run)])
        draws = corrected_shares(read, weights, known.inverses(200, run))
        bars = measured(draws, images, np.ptp(known.inverse, axis=0))
        held += all(bar.low <= share <= bar.high for bar, share in zip(bars, TRUE, strict=True))
    assert held / runs >= 0.95 - 4 * np.sqrt(0.05 * 0.95 / runs)


def test_missing_labels_count_nowhere() -> None:
    read = np.array([0, 1, 1, 2, -1, -1])
    [shares] = corrected_shares(read, np.ones((1, 6)), np.eye(3)[None])
    np.testing.assert_allclose(shares, [0.25, 0.5, 0.25])
