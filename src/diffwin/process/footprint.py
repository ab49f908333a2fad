"""What a model takes of memory, told from the headers of its files, and refused where a device has not got it.

No weights are read for it. It is a lower bound: the network's own intermediate results are not in it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from diffwin.errors import BadInput
from diffwin.process.choices import SIDE, Choices
from diffwin.process.configured import read_config
from diffwin.process.decoder import decoding_dtype, sizes_of
from diffwin.process.room import free_on
from diffwin.process.weights import weight_names

_BYTES = {"BOOL": 1, "U8": 1, "I8": 1, "I16": 2, "U16": 2, "I32": 4, "U32": 4, "I64": 8, "U64": 8}
"""Of what is no floating-point number, and stays as it is stored."""
_MAPS = 3
"""Feature maps of the largest size that live together while an autoencoder decodes: one kept for the shortcut, and what
a normalisation gives and its activation makes of it."""

Tensors = Sequence[tuple[str, int]]
"""Of each tensor in a file, what safetensors calls its dtype, and how many elements it has."""


@dataclass(frozen=True)
class Footprint:
    """Bytes of the parts of a model once they are read, and of decoding one picture."""

    encoders: int = 0
    network: int = 0
    autoencoder: int = 0
    picture: int = 0

    def at_once(self, *, encoders_first: bool) -> int:
        """The most that is in memory together, where the encoders may be gone before the rest comes."""
        rest = self.network + self.autoencoder + self.picture
        return max(self.encoders, rest) if encoders_first else self.encoders + rest

    @property
    def told(self) -> str:
        """The parts that there are, in words."""
        named = {"text encoders": self.encoders, "network": self.network, "autoencoder": self.autoencoder}
        named["decoding a picture"] = self.picture
        return ", ".join(f"{name} {_in_words(size)}" for name, size in named.items() if size)


def tensors_of(path: Path) -> Tensors:
    """What a safetensors file says that it holds; nothing if it cannot be read, which loading it will tell."""
    try:
        with safe_open(path, framework="numpy") as file:
            slices = [file.get_slice(name) for name in file.keys()]  # noqa: SIM118 (it is no dictionary)
            return [(each.get_dtype(), math.prod(each.get_shape())) for each in slices]
    except (SafetensorError, OSError):
        return []


def weigh(
    files: Mapping[str, Tensors], dtype: torch.dtype, autoencoder: Mapping[str, Any] | None = None, picture: int = 0
) -> Footprint:
    """Of a model's files, by their path in its folder, read into `dtype`; `autoencoder` is the configuration of that,
    and `picture` the pixels of one."""
    autoencoder = autoencoder or {}
    decoding = decoding_dtype(autoencoder, dtype)
    by_part: dict[str, int] = {}
    for path, tensors in files.items():
        part = path.partition("/")[0] if "/" in path else "unet"  # an older layout has no folders
        size = (decoding if part == "vae" else dtype).itemsize
        by_part[part] = by_part.get(part, 0) + sum(count * _BYTES.get(kind, size) for kind, count in tensors)
    return Footprint(
        encoders=sum(size for part, size in by_part.items() if part.startswith("text_encoder")),
        network=by_part.get("unet", 0) + by_part.get("transformer", 0),
        autoencoder=by_part.get("vae", 0),
        picture=_MAPS * _widest(autoencoder) * picture * decoding.itemsize,
    )


def _widest(autoencoder: Mapping[str, Any]) -> int:
    """Channels of the largest feature maps of an autoencoder: those that come into its last block."""
    channels = sizes_of(autoencoder) or [0]
    return int(channels[1] if len(channels) > 1 else channels[0])


def footprint_of(folder: Path, choices: Choices) -> Footprint:
    """That of a pipeline in a folder."""
    there = (path.relative_to(folder).as_posix() for path in folder.rglob("*.safetensors"))
    files = {name: tensors_of(folder / name) for name in weight_names(there)}
    autoencoder = _config(folder / "vae")
    return weigh(files, choices.dtype, autoencoder, _pixels(folder, autoencoder, choices))


def _pixels(folder: Path, autoencoder: Mapping[str, Any], choices: Choices) -> int:
    """Those of one picture, of the size that was chosen or of the network's own."""
    if choices.size is not None:
        return math.prod(choices.size)
    side = (_config(folder / "unet") | _config(folder / "transformer")).get("sample_size") or SIDE
    latents = side**2 if isinstance(side, int) else math.prod(side)
    return int(latents * 4 ** (len(sizes_of(autoencoder) or "-") - 1))


def _config(part: Path) -> dict[str, Any]:
    """That of a part; loading will tell why there is none."""
    try:
        return read_config(part / "config.json")
    except BadInput:
        return {}


def check_room(name: str, footprint: Footprint, device: str, dtype: torch.dtype, *, encoders_first: bool) -> None:
    """BadInput if the device has not got what the model takes; nothing is refused where none can tell."""
    free, takes = free_on(device), footprint.at_once(encoders_first=encoders_first)
    if free is None or takes <= free:
        return
    raise BadInput(
        f"it takes at least {_in_words(takes)} of memory at once in {str(dtype).removeprefix('torch.')} "
        f"({footprint.told}), and {device} has {_in_words(free)} free",
        where=name,
        cure=_cure(takes, free, device, dtype),
    )


def _cure(takes: int, free: int, device: str, dtype: torch.dtype) -> str:
    halved = ["--dtype bfloat16"] if dtype == torch.float32 and takes / 2 <= free else []
    elsewhere = ["another --device"] if device != "cpu" else []
    ways = [*halved, "a smaller model", *elsewhere]
    return "choose " + " or ".join([*filter(None, [", ".join(ways[:-1])]), ways[-1]])


def _in_words(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"
