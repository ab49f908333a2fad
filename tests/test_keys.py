"""Noise is a function of its address."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from diffwin.keys import Key
from diffwin.trials import Base, Trial

KEY = Key(seed=7, prompt="a cook", base=3, level=20, repeat=1)
DRAWS = 40_000


def test_the_bytes_of_a_draw_never_change() -> None:
    drawn = KEY.noise("step", 5, (4, 8, 8))
    assert drawn.dtype == np.float32
    digest = hashlib.sha256(drawn.tobytes()).hexdigest()
    assert digest == "5284e660b8e1a45a4d2396a04b01ab6fb19213195fca1a249b4b8cadbf1bff97"


def test_the_order_of_draws_does_not_matter() -> None:
    forward = [KEY.noise("step", step, (16,)) for step in range(5)]
    again = [Key(7, "a cook", 3, 20, 1).noise("step", step, (16,)) for step in reversed(range(5))]
    np.testing.assert_array_equal(forward, again[::-1])


def test_a_longer_draw_begins_like_a_shorter_one() -> None:
    np.testing.assert_array_equal(KEY.noise("step", 1, (64,))[:16], KEY.noise("step", 1, (16,)))


def _neighbours() -> Iterator[np.ndarray]:
    yield KEY.noise("step", 5, (DRAWS,))
    yield KEY.noise("step", 6, (DRAWS,))
    yield KEY.noise("erase", 5, (DRAWS,))
    yield KEY.noise("start", 5, (DRAWS,))
    for change in ({"seed": 8}, {"prompt": "a cook "}, {"base": 4}, {"level": 21}, {"repeat": 2}):
        yield replace(KEY, **change).noise("step", 5, (DRAWS,))  # type: ignore[arg-type]


def test_every_part_of_an_address_gives_its_own_standard_normal_noise() -> None:
    draws = np.stack(list(_neighbours())).astype(np.float64)
    error = 4 / np.sqrt(DRAWS)
    assert np.all(np.abs(draws.mean(axis=1)) < error)
    assert np.all(np.abs(draws.var(axis=1) - 1) < np.sqrt(2) * error)
    correlation = np.corrcoef(draws) - np.eye(len(draws))
    assert np.abs(correlation).max() < error


@pytest.mark.parametrize("prompt", ["", "a|7|3|20|1", "naïve 厨师", "x" * 100_000])
def test_any_text_is_an_address_of_its_own(prompt: str) -> None:
    assert not np.array_equal(replace(KEY, prompt=prompt).noise("step", 5, (8,)), KEY.noise("step", 5, (8,)))


@pytest.mark.parametrize("seed", [-1, 0, 2**32, 2**63, 2**80])
def test_any_integer_is_a_seed(seed: int) -> None:
    assert np.isfinite(replace(KEY, seed=seed).noise("start", 0, (8,))).all()


def test_a_base_and_a_trial_never_share_an_address() -> None:
    base = Key.of_base(7, Base("a cook", 3))
    trial = Key.of_trial(7, Trial("a cook", 3, level=0, repeat=0))
    assert base != trial
    assert not np.array_equal(base.noise("step", 1, (8,)), trial.noise("step", 1, (8,)))


def test_the_second_of_a_pair_of_repeats_has_the_noise_of_the_first_with_its_sign_turned() -> None:
    first, second, third = (Key.of_trial(7, Trial("a cook", 3, 20, repeat)) for repeat in range(3))
    for purpose in ("erase", "step"):
        np.testing.assert_array_equal(second.noise(purpose, 5, (16,)), -first.noise(purpose, 5, (16,)))
    assert not np.any(np.abs(third.noise("step", 5, (16,))) == np.abs(first.noise("step", 5, (16,))))
