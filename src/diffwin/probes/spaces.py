"""The space in which pictures are compared besides their pixels."""

from __future__ import annotations

from collections.abc import Sequence

from diffwin.errors import BadInput
from diffwin.probes.definition import Definition, load_definition
from diffwin.probes.identity import clip_space
from diffwin.probes.installed import installed
from diffwin.probes.likeness import Space, structure

_BY_CLIP = ("clip", "linear")
"""Kinds of probes that read the features of a CLIP model."""


def choose_space(asked: str | None, probes: Sequence[str], *, usual: bool, device: str) -> Space:
    """The features of the probe asked for, or else of the first of `probes` that reads by CLIP; where none does, of the
    usual CLIP if that is wanted, or structure."""
    if asked == "structure":
        return Space("structure", structure)
    from diffwin.process.choices import pick_device

    found = _by_clip([asked] if asked else probes)
    if asked and found is None:
        raise BadInput(f"{asked} reads no CLIP features", where="--features", cure="name a clip probe, or structure")
    if found is None and not usual:
        return Space("structure", structure)
    return clip_space(found, pick_device(device))


def _by_clip(names: Sequence[str]) -> Definition | None:
    defined = (load_definition(each) for each in names if not each.startswith("truth") and installed(each) is None)
    return next((each for each in defined if each.kind in _BY_CLIP), None)
