"""What a definition must keep beyond the types of its keys: labels, templates, and the keys that its kind reads.

Every rule raises ValueError with its cure; `definition.py` puts the file's name before it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from diffwin.probes.definition import Label

Kind = Literal["clip", "zero-shot", "vqa", "linear", "colour", "classifier", "identity", "truth"]

KINDS: dict[Kind, str] = {
    "clip": "an open_clip model and its pretrained tag, by phrases",
    "zero-shot": "a zero-shot model of transformers (CLIP, SigLIP, ALIGN), by phrases",
    "vqa": "a BLIP or ViLT of transformers, by the answers to a question",
    "classifier": "an image classifier of transformers, by its classes",
    "linear": "a head on an open_clip model's features, which diffwin fit-probe trains",
    "colour": "the dominant colour of a picture's border, by the nearest named one",
    "identity": "likeness to given pictures, which diffwin privacy writes",
    "truth": "the exact labels of a mixture or an image set",
}
"""What each kind reads by, in a line."""

RESERVED_LABEL = "all"
"""The group of every base together in curves and windows, so no label may be called that."""

_MEANS: dict[Kind, str] = {
    "clip": "phrases",
    "zero-shot": "phrases",
    "vqa": "answers",
    "colour": "rgb",
    "classifier": "classes",
    "identity": "pictures",
}
"""The key by which a label is recognised, for each kind; a linear probe's head knows its labels by their order."""

_NEEDED: dict[Kind, tuple[tuple[str, ...], str]] = {
    "zero-shot": (("model",), "name a folder or a hub id"),
    "vqa": (("model", "question"), "give a folder or a hub id, and what it is asked of every picture"),
    "classifier": (("model",), "name a shipped one, a folder or a hub id"),
    "linear": (("head",), "diffwin fit-probe makes one"),
    "identity": (("references", "threshold", "units"), "`diffwin privacy` writes a definition with them"),
}
"""Keys without which a kind cannot read, and where to have them from."""

_READERS: dict[str, tuple[Kind, ...]] = {
    "templates": ("clip", "zero-shot"),
    "pretrained": ("clip", "linear", "identity"),
    "question": ("vqa",),
    "head": ("linear",),
    "references": ("identity",),
    "threshold": ("identity",),
    "units": ("identity",),
}
"""Keys that only some kinds read; with any other they would be passed over in silence."""


def check_keys(kind: Kind, given: Collection[str]) -> None:
    """`given` are the keys that the file holds."""
    needed, cure = _NEEDED.get(kind, ((), ""))
    if lacking := next((key for key in needed if key not in given), None):
        raise ValueError(f"{lacking} is missing, which a probe of kind {kind} needs; {cure}")
    stray = next((key for key, kinds in _READERS.items() if key in given and kind not in kinds), None)
    if stray is not None:
        raise ValueError(f"{stray} is given, which a probe of kind {kind} does not read")


def check_labels(kind: Kind, labels: Sequence[Label], names: Sequence[str]) -> None:
    """`names` are those of the labels, and of what else the probe may read."""
    if kind == "truth":
        if labels:
            raise ValueError("a truth probe takes its labels from the model; leave the labels out")
        return
    if len(names) < 2:
        raise ValueError(f"{len(labels)} labels given; a probe tells two or more apart")
    check_distinct("label", names)
    for label in labels:
        _check_label(kind, label)


def _check_label(kind: Kind, label: Label) -> None:
    means = _MEANS.get(kind)
    if label.name.casefold() == RESERVED_LABEL:
        raise ValueError(f"the label {label.name} is taken by the group of all bases; choose another")
    if means and not getattr(label, means):
        raise ValueError(f"the label {label.name} has no {means}, which a {kind} probe reads by")
    foreign = [key for key in _MEANS.values() if key != means and getattr(label, key)]
    if foreign:
        raise ValueError(f"the label {label.name} has {foreign[0]}, which a {kind} probe does not read")


def check_distinct(what: str, names: Iterable[str]) -> None:
    """No two that read alike but for case and the way they are encoded."""
    seen: set[str] = set()
    for name in names:
        key = unicodedata.normalize("NFKC", name).casefold()
        if key in seen:
            raise ValueError(f"the {what} {name!r} stands twice")
        seen.add(key)


def check_templates(templates: Sequence[str]) -> None:
    """Each holds a pair of braces, once, and no other brace."""
    if not templates:
        raise ValueError('templates is empty; leave it out, or give strings that hold "{}"')
    for template in templates:
        if template.count("{}") != 1 or set(template.replace("{}", "")) & set("{}"):
            raise ValueError(f'the template {template!r} must hold "{{}}" once, where the phrase goes')
    check_distinct("template", templates)
