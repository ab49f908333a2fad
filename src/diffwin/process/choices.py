"""What a caller chooses when a trained model is loaded, with the edges checked."""

from __future__ import annotations

import math
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch

from diffwin.additions import Addition
from diffwin.errors import BadInput
from diffwin.process.solvers import check_solver

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
SIDE = 128
"""Latents along the side of a picture whose size nobody chose, and the network does not know: Flux's."""


@dataclass(frozen=True)
class Choices:
    """`dtype` is the network's; states and solver arithmetic stay in float32.

    `compiled` runs the network through torch.compile, which takes a minute or more before the first step.
    """

    solver: str
    steps: int
    guidance: float = 1.0
    negative_prompt: str = ""
    seed: int = 0
    device: str = "cpu"
    dtype: torch.dtype = torch.float32
    slots: int = 32
    eta: float = 0.0
    compiled: bool = False
    size: tuple[int, int] | None = None
    """Height and width of the picture in pixels; None is the model's own."""
    prompts: tuple[str, ...] = ()
    """Prompts that will be asked for: they are embedded first, and the text encoders let go."""

    def __post_init__(self) -> None:
        check_solver(self.solver)
        if self.slots < 1:
            raise BadInput(f"slots is {self.slots}", where="--slots", cure="give one or more")
        if not (math.isfinite(self.guidance) and self.guidance >= 1):
            raise BadInput(f"guidance is {self.guidance}", where="--guidance", cure="give 1 (off) or more")
        if not 0 <= self.eta <= 1:
            raise BadInput(f"eta is {self.eta}", where="eta", cure="give 0 (deterministic) to 1 (ancestral)")
        if self.eta and self.solver != "ddim":
            raise BadInput(f"the {self.solver} solver reads no eta", where="eta", cure="choose --solver ddim")
        if self.negative_prompt and self.guidance == 1:
            raise BadInput("a negative prompt does nothing at guidance 1", where="--guidance", cure="give more than 1")

    def need_no_prompt(self, name: str) -> None:
        """BadInput if guidance or a negative prompt was chosen for a model that reads no prompt."""
        if self.guidance != 1 or self.negative_prompt:
            raise BadInput(
                f"{name} reads no prompt, so there is nothing to guide", where="--guidance", cure="leave guidance out"
            )

    def need_no_negative_prompt(self, name: str) -> None:
        """BadInput if a negative prompt was chosen for a model that is told its guidance, and has no pair."""
        if self.negative_prompt:
            raise BadInput(
                f"{name} is distilled for a built-in guidance, which steers away from nothing",
                where="--negative-prompt",
                cure="leave it out",
            )

    def need_own_size(self, name: str) -> None:
        """BadInput if a size was chosen for a model that knows only its own."""
        if self.size is not None:
            raise BadInput(f"{name} makes pictures of one size only", where="--size", cure="leave it out")


@dataclass(frozen=True)
class Laid:
    """An addition whose files are here: the safetensors file of a LoRA or embedding, the folder of an autoencoder.

    `content` is the SHA-256 of what is read of it.
    """

    asked: Addition
    path: Path
    content: str

    def __str__(self) -> str:
        scale = f" at scale {self.asked.scale:g}" if self.asked.kind == "lora" else ""
        token = f" as {self.asked.token}" if self.asked.token else ""
        return f"{self.asked.place}{scale}{token}, sha256 {self.content}"


@dataclass(frozen=True)
class Source:
    """Where a model's files are and what is known of them; `commit` is set for a hub model."""

    name: str
    folder: Path
    licence: str = "not stated"
    hub_id: str = ""
    commit: str = ""
    additions: tuple[Laid, ...] = ()

    def laid(self, kind: str) -> tuple[Laid, ...]:
        """The additions of one kind, in order."""
        return tuple(each for each in self.additions if each.asked.kind == kind)


def pick_device(asked: str = "auto") -> str:
    """The device asked for, or the best there is: cuda, then mps, then cpu."""
    have = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if asked == "auto":
        return next(kind for kind, there in have.items() if there)
    kind, _, index = asked.partition(":")
    if kind not in have or (index and not index.isdigit()):
        raise BadInput(f"unknown device {asked!r}", where="--device", cure="give auto, cpu, cuda, cuda:N or mps")
    if not have[kind] or (kind == "cuda" and index and int(index) >= torch.cuda.device_count()):
        raise BadInput(f"this machine has no {asked}", where="--device", cure="give --device auto or cpu")
    return asked


def check_compiler() -> bool:
    """True, or BadInput where torch.compile would find no C++ compiler: it makes its kernels on this machine."""
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        raise BadInput(
            f"there is no C++ compiler ({compiler})", where="--compile", cure="install one, or leave --compile out"
        )
    return True


def pick_dtype(asked: str, device: str, *, half: bool) -> torch.dtype:
    """The dtype asked for; auto is bfloat16 for a model with `half` to gain on cuda and float32 elsewhere."""
    if asked == "auto":
        return torch.bfloat16 if half and device.startswith("cuda") else torch.float32
    if asked not in _DTYPES:
        raise BadInput(f"unknown dtype {asked!r}", where="--dtype", cure=f"give auto, {', '.join(_DTYPES)}")
    return _DTYPES[asked]
