"""World files: a Gaussian mixture or an image set described in TOML.

Shapes and types are checked here, strictly; what the numbers mean together is checked where the world is built. Either
way a fault is one line that names the file, the field and the cure.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from diffwin.errors import BadInput

MODEL_FILE = "model.toml"
"""What a world is called inside a folder of its own."""

Text = Annotated[str, Field(min_length=1)]
Positive = Annotated[float, Field(ge=1e-6, le=1e6)]
Number = Annotated[float, Field(ge=-1e6, le=1e6)]
LogSnr = Annotated[float, Field(ge=-40, le=40)]
Colour = Annotated[str, Field(pattern="^#[0-9a-fA-F]{6}$")]
Matrix = list[list[Number]]


class _Model(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class GridSpec(_Model):
    """Levels even in log-SNR; an end that is left out follows from the world."""

    min_log_snr: LogSnr | None = None
    max_log_snr: LogSnr | None = None
    steps: Annotated[int, Field(ge=2, le=10_000)] | None = None


class WorldSpec(_Model):
    """What every kind of world file may hold; `solver` and `probes` are those of a run that asks for none."""

    name: Text | None = None
    description: str = ""
    licence: str = ""
    solver: Text | None = None
    probes: list[Text] = []
    grid: GridSpec = GridSpec()


class ComponentSpec(_Model):
    """One Gaussian of a mixture: its mean whole, or by the axes on which it is not zero."""

    weight: Annotated[float, Field(ge=0, le=1e12)]
    mean: list[Number] | None = None
    axis: dict[str, Number] | None = None
    std: Positive | None = None
    covariance: Matrix | None = None
    labels: Annotated[dict[Text, Text], Field(min_length=1)]


class MixtureSpec(WorldSpec):
    """kind = "gaussian-mixture"; `std` (1 if not given) or `covariance` of components that give none of their own."""

    kind: Literal["gaussian-mixture"]
    dimension: Annotated[int, Field(ge=1, le=65_536)]
    std: Positive | None = None
    covariance: Matrix | None = None
    component: Annotated[list[ComponentSpec], Field(min_length=1)]


class ImageSetSpec(WorldSpec):
    """kind = "image-set"; `images` is an .npz file or a folder of PNG files, beside the world file.

    `labels` names the label arrays or columns to use, where not all of them are wanted. On each of `backgrounds` every
    image is composited, which adds the feature `background`.
    """

    kind: Literal["image-set"]
    images: Text
    labels: list[Text] | None = None
    backgrounds: dict[Text, Colour] = {}


KINDS: dict[str, type[MixtureSpec] | type[ImageSetSpec]] = {"gaussian-mixture": MixtureSpec, "image-set": ImageSetSpec}


def read_spec(path: Path) -> MixtureSpec | ImageSetSpec:
    """The world described by the file at `path`; BadInput for a fault in it."""
    table = read_toml(path)
    kind = table.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        what = "kind is missing" if kind is None else f"unknown kind {kind!r}"
        raise BadInput(what, where=f"{path}: kind", cure=f"choose one of {', '.join(KINDS)}")
    return validate(KINDS[kind], table, path)


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file as a table."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(error.strerror or str(error), where=str(path), cure="name a file that can be read") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"not TOML: {error}", where=str(path), cure="correct the line") from error


M = TypeVar("M", bound=BaseModel)


def validate(model: type[M], table: dict[str, Any], path: Path) -> M:
    """`table` as `model`; the first fault in it as BadInput."""
    try:
        return model.model_validate(table)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
        cure = {"missing": "add it", "extra_forbidden": "leave it out or correct its spelling"}
        raise BadInput(
            first["msg"].lower(), where=f"{path}: {place}", cure=cure.get(first["type"], "correct the value")
        ) from error
