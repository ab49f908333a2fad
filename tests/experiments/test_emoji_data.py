"""The emoji world is as planted: shares, held-out combinations, captions, memorised drawings."""

from __future__ import annotations

import json

import numpy as np
import pytest

from emoji_data import ASSETS, World, fit_joint, load_world
from emoji_planted import (
    BACKGROUNDS,
    EMPTY_CAPTION,
    GENDERS,
    MEMORISED_RATE,
    OCCUPATIONS,
    PLANTED,
    TONES,
    shares,
    write_caption,
)

DRAWS = 20_000


@pytest.fixture(scope="module")
def world() -> World:
    return load_world()


@pytest.fixture(scope="module")
def joint(world: World) -> np.ndarray:
    """P(gender, tone | occupation), (20, 3, 5): the drawings come in this order."""
    return world.probability.reshape(len(OCCUPATIONS), len(GENDERS), len(TONES)) * len(OCCUPATIONS)


def test_drawings_cover_every_combination_once(world: World) -> None:
    combinations = set(zip(world.occupation, world.gender, world.tone, strict=True))
    assert len(combinations) == len(world.drawings) == len(OCCUPATIONS) * len(GENDERS) * len(TONES)
    assert len(np.unique(world.drawings.reshape(300, -1), axis=0)) == 300


def test_planted_shares_are_met_around_the_held_out(world: World, joint: np.ndarray) -> None:
    for table, name in zip(joint, OCCUPATIONS, strict=True):
        np.testing.assert_allclose(table.sum(axis=1), shares(name, "gender"), atol=1e-12)
        np.testing.assert_allclose(table.sum(axis=0), shares(name, "skin-tone"), atol=1e-12)
    assert (world.probability[world.held_out] == 0).all()
    assert (world.probability[~world.held_out] > 0).all()


def test_two_or_three_of_each_occupation_are_held_out(world: World) -> None:
    counts = world.held_out.reshape(len(OCCUPATIONS), -1).sum(axis=1)
    assert counts.sum() == 45
    assert set(counts) == {2, 3}


def test_a_cook_is_balanced() -> None:
    assert PLANTED["cook"] == {}
    for feature, count in (("gender", 3), ("skin-tone", 5), ("background", 8)):
        np.testing.assert_allclose(shares("cook", feature), 1 / count)


def test_impossible_shares_are_refused() -> None:
    allowed = np.array([[False, False], [True, True]])
    with pytest.raises(ValueError, match="hold out others"):
        fit_joint(np.array([0.5, 0.5]), np.array([0.5, 0.5]), allowed)


def test_the_stream_keeps_its_rates(world: World) -> None:
    draws = world.draw(np.random.default_rng(0), DRAWS)
    memorised = draws.drawing >= len(world.drawings)
    ordinary = draws.drawing[~memorised]
    empty = np.array([caption == "" for caption in draws.captions])
    _close(memorised.mean(), 8 * MEMORISED_RATE, DRAWS)
    _close(empty[~memorised].mean(), EMPTY_CAPTION, len(ordinary))
    pilots = world.occupation[ordinary] == "pilot"
    _close((world.gender[ordinary][pilots] == "man").mean(), 0.9, int(pilots.sum()))
    blue = draws.background[~memorised] == list(BACKGROUNDS).index("blue")
    _close(blue[pilots].mean(), 0.7, int(pilots.sum()))
    assert not world.held_out[ordinary].any()


def test_a_person_alone_leaves_the_gender_open(world: World) -> None:
    draws = world.draw(np.random.default_rng(1), DRAWS)
    alone = np.array([caption == "a person" for caption in draws.captions])
    expected = world.probability @ (world.gender == "person")
    _close((world.gender[draws.drawing[alone]] == "person").mean(), float(expected), int(alone.sum()))
    assert "a cook" in draws.captions


def test_memorised_drawings_keep_their_captions_and_pixels(world: World) -> None:
    draws = world.draw(np.random.default_rng(2), 2_000)
    for drawing, caption in zip(draws.drawing, draws.captions, strict=True):
        assert (drawing >= 300) == caption.startswith("a portrait of")
    same = world.image(303, 0, np.random.default_rng(0))
    np.testing.assert_array_equal(same, world.memorised[3])


@pytest.mark.parametrize(
    ("parts", "caption"),
    [
        ({}, "a person"),
        ({"gender": "man"}, "a man"),
        ({"occupation": "artist"}, "an artist"),
        ({"occupation": "artist", "gender": "person"}, "a person artist"),
        ({"occupation": "office worker", "tone": "dark"}, "an office worker with dark skin"),
        ({"tone": "light", "background": "orange"}, "a person with light skin on an orange background"),
    ],
)
def test_captions(parts: dict[str, str], caption: str) -> None:
    assert write_caption(**parts) == caption


def test_pictures_are_shifted_and_mirrored_by_little(world: World) -> None:
    rng = np.random.default_rng(3)
    plain = world.image(20, 4)
    views = [world.image(20, 4, rng) for _ in range(60)]
    assert any((view == plain).all() for view in views)
    assert any((view == plain[:, ::-1]).all() for view in views)
    assert all(view.shape == (64, 64, 3) and view.dtype == np.uint8 for view in views)


def test_recorded_truth_is_the_planted_one(world: World, joint: np.ndarray) -> None:
    truth = json.loads((ASSETS / "noto-emoji" / "world.json").read_text(encoding="utf-8"))
    assert truth["backgrounds"] == BACKGROUNDS
    recorded = [[[truth["joint"][o][g][t] for t in TONES] for g in GENDERS] for o in OCCUPATIONS]
    np.testing.assert_allclose(recorded, joint, atol=1e-6)
    held_out = {tuple(combination) for combination in truth["held_out"]}
    rows = np.flatnonzero(world.held_out)
    assert held_out == {(world.occupation[r], world.gender[r], world.tone[r]) for r in rows}


def _close(share: float, expected: float, n: int) -> None:
    """Within four standard errors of a proportion."""
    assert abs(share - expected) < 4 * np.sqrt(expected * (1 - expected) / n)
