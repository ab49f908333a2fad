"""Options that several commands share."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Mapping
from inspect import Parameter
from types import MappingProxyType
from typing import Annotated, Any

import typer

from diffwin.defaults import MODEL, SEED

Model = Annotated[
    str | None,
    typer.Option(metavar="NAME", help=f"A shipped name, a hub id, a folder or a FILE.toml (default: {MODEL})."),
]
Probes = Annotated[
    list[str] | None,
    typer.Option("--probe", metavar="NAME", help="A shipped name or a FILE.toml; may be given again."),
]
Solver = Annotated[str | None, typer.Option(metavar="NAME", help="ddpm, ddim, euler, dpmpp-2m, sde-dpmpp-2m or lcm.")]
Eta = Annotated[float | None, typer.Option(help="Noise of ddim, 0 (none) to 1 (as ddpm).")]
Steps = Annotated[int | None, typer.Option(help="Denoising steps of a full generation.")]
Guidance = Annotated[float | None, typer.Option(help="Classifier-free guidance scale; 1 is none.")]
NegativePrompt = Annotated[str | None, typer.Option(metavar="TEXT", help="What guidance steers away from.")]
Size = Annotated[str | None, typer.Option(metavar="PIXELS", help="Picture size: 512, or 768x512 (width, height).")]
Seed = Annotated[int | None, typer.Option(help=f"Same seed, same noise, on any machine (default: {SEED}).")]
Device = Annotated[str | None, typer.Option(metavar="NAME", help="auto, cpu, cuda, cuda:1, mps.")]
Dtype = Annotated[str | None, typer.Option(metavar="NAME", help="auto, float32, bfloat16, float16.")]
Slots = Annotated[int | None, typer.Option(help="Rows that go through the network together.")]
Compile = Annotated[
    bool,
    typer.Option("--compile/--no-compile", help="Compile the network first: minutes, and then less time a row."),
]
Lora = Annotated[
    list[str] | None,
    typer.Option(metavar="FILE[:SCALE]", help="A LoRA, or its hub id; may be given again."),
]
Embedding = Annotated[
    list[str] | None,
    typer.Option(metavar="FILE[=TOKEN]", help="A textual inversion, or its hub id; its token stands in a prompt."),
]
Vae = Annotated[str | None, typer.Option(metavar="NAME", help="Another autoencoder: a folder or a hub id.")]
Revision = Annotated[str | None, typer.Option(metavar="NAME", help="Branch, tag or commit of a hub id.")]

CHOICES: dict[str, Any] = {
    "solver": Solver, "eta": Eta, "steps": Steps, "guidance": Guidance, "negative_prompt": NegativePrompt,
    "size": Size, "lora": Lora, "embedding": Embedding, "vae": Vae, "seed": Seed, "device": Device, "dtype": Dtype,
    "slots": Slots, "compile": Compile, "revision": Revision,
}  # fmt: skip
"""How a model is loaded and run, by the names that a plan's fields have: the same in every command that runs one."""

Chosen = Mapping[str, Any]
"""The choices that were named on the command line."""
NONE: Chosen = MappingProxyType({})


def with_choices(*, without: Collection[str] = ()) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Puts the options of CHOICES where a command has the parameter `chosen: Chosen`; `without` leaves some out."""

    def wrap(command: Callable[..., None]) -> Callable[..., None]:
        names = [name for name in CHOICES if name not in without]

        @functools.wraps(command)
        def run(**given: Any) -> None:
            chosen = {name: given.pop(name) for name in names}
            command(**given, chosen={name: value for name, value in chosen.items() if value is not None})

        signature = inspect.signature(command, eval_str=True)
        parameters: list[Parameter] = []
        for each in signature.parameters.values():
            parameters += [each] if each.name != "chosen" else map(_parameter, names)
        run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        return run

    return wrap


def _parameter(name: str) -> Parameter:
    default = False if name == "compile" else None
    return Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, default=default, annotation=CHOICES[name])
