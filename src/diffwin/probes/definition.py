"""Probe definitions: TOML files that say what is read, in which words, by which model, and how well.

    name = "emoji-background"
    version = 1
    kind = "clip"                      # clip | zero-shot | vqa | linear | colour | classifier | identity | truth
    feature = "background"
    description = "..."
    model = "emoji-clip"
    templates = ["a person on {}"]

    [[label]]
    name = "red"
    phrases = ["a red background"]     # clip, zero-shot; vqa has `answers`, colour `rgb`, classifier `classes`

`rules.py` says which keys go with which kind; docs/probes.md tells what each reads by.

A file of the user's own is read, checked and used exactly like a shipped one. No torch here.
"""

from __future__ import annotations

import difflib
import hashlib
import tomllib
from pathlib import Path
from typing import Annotated, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    StringConstraints,
    ValidationError,
    model_validator,
)

from diffwin.errors import BadInput
from diffwin.paths import data_folder
from diffwin.probes.confusion import Confusion, check_matrix, read_confusion
from diffwin.probes.rules import Kind, check_distinct, check_keys, check_labels, check_templates

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]
Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80, pattern=r"^[^\x00-\x1f/\\:]+$")
]
Rgb = Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$")]

DEFAULT_CLIP = ("ViT-B-32", "laion2b_s34b_b79k")
OTHER = "another picture"
"""What an identity probe reads where none of its pictures came back."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Label(_Strict):
    """One label and what it is recognised by; the kind of the definition says which of the five.

    `answers` are to the definition's `question`, `pictures` places in its `references`.
    """

    name: Name
    phrases: tuple[Text, ...] = ()
    rgb: Rgb | None = None
    classes: tuple[Text, ...] = ()
    answers: tuple[Text, ...] = ()
    pictures: tuple[Annotated[int, Field(ge=0)], ...] = ()


class Definition(_Strict):
    """What one probe reads, and how."""

    name: Name
    version: Annotated[int, Field(ge=1)]
    kind: Kind
    feature: Name
    description: Text
    source: Text
    labels: tuple[Label, ...] = Field(default=(), alias="label")
    templates: tuple[Text, ...] = ("{}",)
    model: Text | None = None
    """A shipped model, a folder, or a name in open_clip (clip, linear) or on the hub, with @revision if need be."""
    pretrained: Text | None = None
    question: Text | None = None
    """vqa: what is asked of every picture."""
    references: Text | None = None
    """identity: an .npz with the array `images`, in the shipped assets or beside the definition."""
    threshold: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """identity: at or below it a picture is the reference, in `units`."""
    units: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]] | None = None
    """identity: the usual distances of strangers, in pixels (a share of their range) and in features (1 - cosine)."""
    head: Text | None = None
    """The file of a linear probe's weights, as `diffwin fit-probe` writes it beside the definition."""
    abstain_below: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """A sample whose two best probabilities lie closer together than this is not read: missing."""
    sensitive: bool = False
    confusion: tuple[tuple[float, ...], ...] | None = None
    """Measured P(read | true), one row a true label."""
    confusion_counts: tuple[Annotated[int, Field(ge=1)], ...] | None = None
    """Samples behind each row of `confusion`."""
    confusion_source: Text | None = None
    confusion_file: Text | None = None
    """JSON {feature: {labels, matrix, counts}}, in the shipped assets or beside the definition."""

    _path: Path = PrivateAttr(default=Path())
    _digest: str = PrivateAttr(default="")

    @property
    def label_names(self) -> tuple[str, ...]:
        names = tuple(label.name for label in self.labels)
        return (*names, OTHER) if self.kind == "identity" else names

    @property
    def path(self) -> Path:
        """The file it was read from."""
        return self._path

    @property
    def digest(self) -> str:
        """The first 16 hex digits of the SHA-256 of the file."""
        return self._digest

    @property
    def clip_model(self) -> tuple[str, str | None]:
        """(model, pretrained) of a clip or linear probe; a folder or hub id brings its own weights: None."""
        return DEFAULT_CLIP if self.model is None else (self.model, self.pretrained)

    def locate(self, name: str) -> Path | None:
        """A file or folder that the definition names: beside the definition, or among the shipped assets."""
        candidates = (self._path.parent / Path(name).expanduser(), data_folder("assets") / name)
        return next((path for path in candidates if path.exists()), None)

    def measured_confusion(self) -> Confusion | None:
        """The measured error, from the definition or its `confusion_file`; None where nobody measured it."""
        if self.confusion is not None:
            return Confusion.of(self.confusion, self.confusion_counts, self.confusion_source or "")
        if self.confusion_file is None:
            return None
        path = self.locate(self.confusion_file)
        if path is None:
            raise BadInput(
                f"no file {self.confusion_file}",
                where=f"probe {self.name}, confusion_file",
                cure="give a path beside the definition, or leave the key out",
            )
        return read_confusion(path, self.feature, self.label_names)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.name == "truth":
            raise ValueError("the name truth is taken by the probes of exact labels; choose another")
        check_keys(self.kind, self.model_fields_set)
        check_labels(self.kind, self.labels, self.label_names)
        check_templates(self.templates)
        check_distinct("phrase", (phrase for label in self.labels for phrase in label.phrases))
        check_distinct("class", (name for label in self.labels for name in label.classes))
        check_distinct("answer", (answer for label in self.labels for answer in label.answers))
        self._check_confusion()
        return self

    def _check_confusion(self) -> None:
        if self.confusion is None:
            if self.confusion_counts is not None:
                raise ValueError("confusion_counts stand without a confusion matrix; give both or neither")
            return
        if self.confusion_file is not None:
            raise ValueError("confusion and confusion_file exclude each other; keep one")
        if self.confusion_source is None:
            raise ValueError("a confusion matrix needs its confusion_source; say who measured it on what")
        check_matrix(self.confusion, self.confusion_counts, len(self.labels))


def load_definition(name_or_path: str) -> Definition:
    """The definition of a shipped name, or of a file whose name ends in .toml.

    Raises BadInput, one line, for an unknown name or a file that is not a definition.
    """
    if name_or_path.endswith(".toml"):
        return _read(Path(name_or_path).expanduser())
    shipped = {path.stem: path for path in _shipped_files()}
    if name_or_path in shipped:
        return _read(shipped[name_or_path])
    close = difflib.get_close_matches(name_or_path, shipped, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(close)}" if close else "see `diffwin list probes`, or give a FILE.toml"
    raise BadInput(f"unknown probe {name_or_path!r}", where="--probe", cure=hint)


def shipped_definitions() -> list[Definition]:
    """Every definition that ships, by name."""
    return [_read(path) for path in _shipped_files()]


def _shipped_files() -> list[Path]:
    return sorted(data_folder("probes").glob("*.toml"))


def _read(path: Path) -> Definition:
    where = f"probe {path}"
    try:
        raw = path.read_bytes()
        table = tomllib.loads(raw.decode("utf-8"))
    except OSError as error:
        raise BadInput(f"cannot be read ({error.strerror})", where=where, cure="check the path") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"is not TOML ({error})", where=where, cure="correct the file") from error
    try:
        definition = Definition.model_validate(table)
    except ValidationError as error:
        raise BadInput(_first_fault(error), where=where, cure="correct the definition") from error
    definition._path = path.resolve()
    definition._digest = hashlib.sha256(raw).hexdigest()[:16]
    return definition


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in fault["loc"])
    message = fault["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" if place else message
