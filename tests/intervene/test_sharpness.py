"""Sharpness where it is known."""

from __future__ import annotations

import numpy as np

from diffwin.intervene.sharpness import sharpness


def test_sharpness_is_none_of_a_ramp_and_that_of_the_laplacian_of_a_dot() -> None:
    ramp = np.tile(np.arange(8, dtype=np.uint8)[None, None, :, None] * 20, (1, 8, 1, 3))
    dot = np.zeros((1, 5, 5, 3), np.uint8)
    dot[0, 2, 2] = 255
    np.testing.assert_allclose(sharpness(ramp), 0, atol=1e-12)
    np.testing.assert_allclose(sharpness(dot), (4 + 4) / 9)  # the dot itself, and its four neighbours
