"""What every kind of noise schedule shares: read from a scheduler_config.json, walked by any solver."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from diffwin.errors import BadInput
from diffwin.process.solvers import Walk


class Configured(BaseModel, ABC):
    """A schedule as a scheduler's configuration states it; keys that diffwin has no use for are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    class_name: str = Field("", alias="_class_name")
    """The scheduler that the model came with."""
    prediction_type: str
    """What the network predicts, in diffusers' words."""

    @classmethod
    def of(cls, config: Mapping[str, Any], where: str = "scheduler_config.json") -> Self:
        """From a parsed configuration; BadInput names the first key that diffwin cannot follow."""
        try:
            return cls.model_validate(dict(config))
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            cure = "use a model with a supported schedule"
            raise BadInput(f"{key}: {first['msg']}", where=where, cure=cure) from None

    @abstractmethod
    def walk(self, solver: str, steps: int, eta: float = 0.0) -> Walk:
        """A solver on this schedule, as diffusers' own scheduler for it would walk; BadInput for impossible steps."""


def check_steps(steps: int, most: int, why: str) -> None:
    """BadInput unless 1 <= steps <= most; `why` says where the most comes from."""
    if not 1 <= steps <= most:
        raise BadInput(f"steps is {steps}", where="--steps", cure=f"give 1 to {most}, {why}")


def read_config(path: Path) -> dict[str, Any]:
    """A configuration file as a dictionary; BadInput if it cannot be read."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(str(error), where=str(path), cure="download the model again") from None
    if not isinstance(content, dict):
        raise BadInput("is not a JSON object", where=str(path), cure="download the model again")
    return content
