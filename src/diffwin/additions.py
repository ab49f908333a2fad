"""What may be laid over a model: LoRAs, textual inversion embeddings, another autoencoder; their names, without torch.

    --lora       PATH|HUB-ID[@REVISION][:SCALE]
    --embedding  PATH|HUB-ID[@REVISION][=TOKEN]
    --vae        PATH|HUB-ID[@REVISION]

A hub id is owner/name, or owner/name/FILE.safetensors for one file of several.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from diffwin.errors import BadInput

_HUB = re.compile(
    r"(?P<repo>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:/(?P<file>[\w./-]+\.safetensors))?(?:@(?P<revision>[\w./-]+))?"
)
_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".ckpt")
"""How a file of weights ends: such a name stands for a file here, and not for a repository."""


@dataclass(frozen=True)
class HubFile:
    """A repository on the hub, or one file of it."""

    repo: str
    file: str | None = None
    revision: str | None = None


@dataclass(frozen=True)
class Addition:
    """One of them as it was asked for; `scale` is a LoRA's weight, `token` the word that stands for an embedding."""

    kind: Literal["lora", "embedding", "vae"]
    place: str
    scale: float = 1.0
    token: str | None = None

    @property
    def option(self) -> str:
        return f"--{self.kind}"

    @property
    def path(self) -> Path | None:
        """Where it lies on this machine; None if it is to be had from the hub."""
        here = Path(self.place)
        return here if here.exists() or self.on_hub is None else None

    @property
    def on_hub(self) -> HubFile | None:
        """What the name means to the hub, if it may be a name there."""
        found = _HUB.fullmatch(self.place)
        if found is None or found["repo"].endswith(_WEIGHTS):
            return None
        return HubFile(found["repo"], found["file"], found["revision"])


def additions_of(
    lora: str | Sequence[str] = (), embedding: str | Sequence[str] = (), vae: str | None = None
) -> tuple[Addition, ...]:
    """The additions that names stand for, in the order in which they are laid on; BadInput for one without a sense."""
    loras, embeddings = ((each,) if isinstance(each, str) else each for each in (lora, embedding))
    autoencoder = [] if vae is None else [Addition("vae", _place(vae, "--vae"))]
    return (*map(_lora, loras), *map(_embedding, embeddings), *autoencoder)


def check_tokens(tokens: Iterable[str], prompts: Sequence[str]) -> None:
    """BadInput for the token of an embedding that no prompt has, so that it would change nothing."""
    for token in tokens:
        if not any(token in prompt for prompt in prompts):
            raise BadInput(f"no prompt has {token}", where="--embedding", cure="write it in one, or leave it out")


def _lora(said: str) -> Addition:
    place, colon, scale = said.rpartition(":")
    if not colon or Path(said).exists() or not (place.endswith(_WEIGHTS) or _is_number(scale) or _HUB.fullmatch(place)):
        return Addition("lora", _place(said, "--lora"))
    if not (_is_number(scale) and math.isfinite(float(scale))):
        raise BadInput(f"the scale of {place} is {scale!r}", where="--lora", cure="give a number, as FILE:0.8")
    return Addition("lora", _place(place, "--lora"), scale=float(scale))


def _embedding(said: str) -> Addition:
    place, equals, token = said.rpartition("=")
    if not equals or Path(said).exists():
        return Addition("embedding", _place(said, "--embedding"))
    if not token or token != "".join(token.split()):
        raise BadInput(f"{token!r} is no token", where="--embedding", cure="give one word, as FILE=<cat-toy>")
    return Addition("embedding", _place(place, "--embedding"), token=token)


def _place(place: str, option: str) -> str:
    if not place.strip() or "\0" in place:
        raise BadInput("an empty name", where=option, cure="give a file, a folder or a hub id")
    return place


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
