"""How the emoji world is put into words for `emoji-clip`: captions with any part left out, and a phrase for each label.

"a person" alone leaves the gender open, as in `emoji_planted.write_caption`; the drawings that are neither of a woman
nor of a man are called "a gender-neutral person" where no occupation follows.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from emoji_planted import BACKGROUNDS, GENDERS, OCCUPATIONS, TONES, write_caption

LABELS: Final[dict[str, tuple[str, ...]]] = {
    "occupation": OCCUPATIONS,
    "gender": GENDERS,
    "skin-tone": TONES,
    "background": tuple(BACKGROUNDS),
}
"""Features, in the order of every attribute array here, with their labels."""

TEMPLATES: Final = ("{}", "a drawing of {}", "a picture of {}", "an emoji of {}")
UNSTATED: Final = -1
GENDER: Final = list(LABELS).index("gender")
TONE: Final = list(LABELS).index("skin-tone")
MENTION: Final = 0.5


def phrase(feature: str, label: str) -> str:
    """The phrase of one label, to stand in a template."""
    if feature == "occupation":
        return write_caption(occupation=label)
    if feature == "gender":
        return "a gender-neutral person" if label == "person" else f"a {label}"
    if feature == "skin-tone":
        return f"a person with {label} skin"
    return write_caption(background=label)


def label_captions(feature: str, template: str) -> list[str]:
    """One caption a label, in the order of LABELS."""
    return [template.format(phrase(feature, label)) for label in LABELS[feature]]


def state(attributes: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Leave parts of the attributes (n, 4) out, each with probability 1 - MENTION; but never all."""
    kept = rng.random(attributes.shape) < MENTION
    kept[:, 0] |= ~(kept & (attributes != UNSTATED)).any(axis=1)
    return np.where(kept, attributes, UNSTATED)


def agree(stated: NDArray[np.int64], attributes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which images (n, 4) every stated part of which captions (m, 4) holds for; (n, m)."""
    return ((stated[None] == UNSTATED) | (stated[None] == attributes[:, None])).all(axis=2)


def clash(stated: NDArray[np.int64], attributes: NDArray[np.int64], comparable: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which images (n, 4) some stated part of which captions (m, 4) is wrong for; (n, m).

    An unknown attribute (UNSTATED) clashes with nothing, and a stated gender only where it is among the genders that
    the image may be compared with, `comparable` (n, 3).
    """
    known = (stated[None] != UNSTATED) & (attributes[:, None] != UNSTATED)
    known[..., GENDER] &= comparable[:, stated[:, GENDER]]
    return (known & (stated[None] != attributes[:, None])).any(axis=2)


def caption(stated: NDArray[np.int64], rng: np.random.Generator) -> str:
    """Words for one row of stated attributes (4,), in a random template."""
    names = [LABELS[f][k] if k != UNSTATED else None for f, k in zip(LABELS, stated, strict=True)]
    occupation, gender, tone, background = names
    text = write_caption(occupation, gender, tone, background)
    if gender == "person" and occupation is None:
        text = text.replace("a person", "a gender-neutral person", 1)
    return TEMPLATES[rng.integers(len(TEMPLATES))].format(text)
