"""The plan of a privacy audit: every setting, with its default."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from diffwin.defaults import MODEL, SEED
from diffwin.errors import BadInput

LEVELS, REPEATS, DRAWS, GENERATIONS = 6, 2, 4, 64
FALSE_RATE, DUPLICATE = 0.001, 0.95

_CHOICES = (
    "solver", "eta", "steps", "guidance", "negative_prompt", "size", "lora", "embedding", "vae", "seed", "device",
    "dtype", "slots", "revision",
)  # fmt: skip
"""What a loader of models takes under the same name."""
_LEAST = {"levels": 2, "repeats": 1, "draws": 1, "generations": 0, "seed": 0}


@dataclass(frozen=True)
class PrivacyPlan:
    """What to ask of a model and pictures. None leaves a choice to the model's own card.

    levels: noise levels, spread over the grid; repeats: regenerations of a picture from each; draws: noises behind a
    denoising error; generations: fresh pictures among which copies are sought. false_rate: how often a regeneration of
    a non-member from pure noise may be taken for the picture itself; duplicate: the cosine similarity from which two
    pictures count as one. captions: whether the audit may use them. features: the probe in whose space likeness is
    measured besides pixels.
    """

    members: Path
    non_members: Path | None = None
    model: str = MODEL
    revision: str | None = None
    captions: bool = True
    features: str | None = None
    levels: int = LEVELS
    repeats: int = REPEATS
    draws: int = DRAWS
    generations: int = GENERATIONS
    false_rate: float = FALSE_RATE
    duplicate: float = DUPLICATE
    solver: str | None = None
    eta: float = 0.0
    steps: int | None = None
    guidance: float | None = None
    negative_prompt: str = ""
    size: str | None = None
    lora: Sequence[str] = ()
    embedding: Sequence[str] = ()
    vae: str | None = None
    seed: int = SEED
    device: str = "auto"
    dtype: str = "auto"
    slots: int | None = None
    compile: bool = False

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            if getattr(self, name) < least:
                raise BadInput(f"{name} is {getattr(self, name)}", where=f"--{name}", cure=f"give {least} or more")
        if not 0 < self.false_rate < 0.5:
            raise BadInput(f"a rate of {self.false_rate}", where="--false-rate", cure="give one between 0 and 0.5")
        if not (math.isfinite(self.duplicate) and 0 < self.duplicate <= 1):
            raise BadInput(f"a similarity of {self.duplicate}", where="--duplicate", cure="give one between 0 and 1")
        if self.non_members is not None and self.non_members.resolve() == self.members.resolve():
            raise BadInput(
                "the same folder as --members", where="--non-members", cure="give pictures that were not trained on"
            )

    def choices(self) -> dict[str, Any]:
        """What a loader of models takes."""
        return {name: getattr(self, name) for name in _CHOICES} | {"compiled": self.compile}

    def told(self) -> dict[str, Any]:
        """Every setting, as JSON holds it."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}
