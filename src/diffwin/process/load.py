"""A name, hub id, folder or TOML file becomes a Process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path

from diffwin.additions import Addition, additions_of
from diffwin.errors import BadInput
from diffwin.families import BY_KIND, Family
from diffwin.models import WORLDS, ModelCard, card_of_pipeline, describe
from diffwin.process.base import Process
from diffwin.process.choices import Choices, Source, check_compiler, pick_device, pick_dtype
from diffwin.process.footprint import Tensors, check_room, footprint_of, weigh

_SLOTS = {"cpu": 32}
_SLOTS_ON_DEVICE = 64


def load(
    model: str | Path | None = None,
    *,
    solver: str | None = None,
    steps: int | None = None,
    guidance: float | None = None,
    negative_prompt: str = "",
    seed: int = 0,
    device: str = "auto",
    dtype: str = "auto",
    slots: int | None = None,
    eta: float = 0.0,
    revision: str | None = None,
    compiled: bool = False,
    size: str | None = None,
    lora: str | Sequence[str] = (),
    embedding: str | Sequence[str] = (),
    vae: str | None = None,
    prompts: Sequence[str] = (),
) -> Process:
    """A model ready to generate, erase and regenerate.

    `model` is a shipped name, a hub id "owner/name[@revision]", a folder of a diffusers pipeline, or the .toml of a
    world; None is emoji-sd. What is None falls back to the model's own card, then to its family's defaults. `dtype` is
    the network's (auto: bfloat16 for a model of latents on cuda, float32 elsewhere). `compiled` runs the network of a
    trained model through torch.compile; `size` is a picture's, "512" or "WIDTHxHEIGHT" in pixels. `lora`, `embedding`
    and `vae` name what is laid over it, as additions.py says. `prompts` are those that will be asked for: they are
    embedded first, so that the text encoders are not in memory beside the network; without them, the encoders stay.
    Raises BadInput for all that cannot be used.
    """
    additions = additions_of(lora, embedding, vae)
    card = describe(model)
    if card.kind in WORLDS:
        _refuse_for_world(card.name, guidance, negative_prompt, revision, compiled, size, additions)
        from diffwin.process.world import load_world

        solver, steps = solver or card.solver, card.steps if steps is None else steps
        return load_world(_place(card), solver=solver, steps=steps, seed=seed, slots=slots, eta=eta)
    device = pick_device(device)

    def admit(files: Mapping[str, Tensors]) -> None:
        """Before a download; what is read of it afterwards tells more."""
        half = pick_dtype(dtype, device, half=any(file.startswith("vae/") for file in files))
        found = weigh(files, half, {"force_upcast": False})
        check_room(card.name, found, device, half, encoders_first=bool(prompts))

    card, source = _locate(card, revision, admit)
    family = BY_KIND[card.kind]
    if additions:
        from diffwin.process.additions import with_additions

        source = with_additions(source, additions, family)
    choices = Choices(
        solver=solver or card.solver or family.solver,
        steps=card.steps or family.steps if steps is None else steps,
        guidance=card.guidance or family.guidance if guidance is None else guidance,
        negative_prompt=negative_prompt,
        seed=seed,
        device=device,
        dtype=pick_dtype(dtype, device, half=family.latent),
        slots=_SLOTS.get(device, _SLOTS_ON_DEVICE) if slots is None else slots,
        eta=eta,
        compiled=compiled and check_compiler(),
        size=_pixels(size or card.size),
        prompts=tuple(prompts),
    )
    check_room(source.name, footprint_of(source.folder, choices), device, choices.dtype, encoders_first=bool(prompts))
    return _load_trained(family, source, choices)


def _pixels(size: str | None) -> tuple[int, int] | None:
    """Height and width."""
    if size is None:
        return None
    width, _, height = size.partition("x")
    if not (width.isdecimal() and (height or width).isdecimal()):
        raise BadInput(f"size is {size!r}", where="--size", cure="give pixels, as 512 or 768x512 (width, height)")
    return int(height or width), int(width)


def _load_trained(family: Family, source: Source, choices: Choices) -> Process:
    adapter = import_module(f"diffwin.process.{family.adapter}")
    process: Process = adapter.load(source, choices)
    return process


def _refuse_for_world(
    name: str,
    guidance: float | None,
    negative_prompt: str,
    revision: str | None,
    compiled: bool,
    size: str | None,
    additions: Sequence[Addition],
) -> None:
    given = {
        "--guidance": guidance not in (None, 1.0),
        "--negative-prompt": bool(negative_prompt),
        "--revision": revision is not None,
        "--compile": compiled,
        "--size": size is not None,
        **{each.option: True for each in additions},
    }
    for option, there in given.items():
        if there:
            raise BadInput(f"{name} is a world and has no use for it", where=option, cure="leave it out")


def _locate(
    card: ModelCard, revision: str | None, admit: Callable[[Mapping[str, Tensors]], None]
) -> tuple[ModelCard, Source]:
    """The card of the model's folder, downloaded first if it is on the hub, and where the model is.

    `admit` is told what is about to be downloaded, and may refuse it.
    """
    if card.hub_id is None:
        if revision is not None:
            raise BadInput(f"{card.name} is not a hub model", where="--revision", cure="leave the revision out")
        folder = _place(card)
        _check_kind(card, card_of_pipeline(folder, name=card.name))
        return card, Source(card.name, folder, card.licence)
    if revision and card.revision and revision != card.revision:
        raise BadInput(
            f"{revision} here and {card.revision} in the model's name", where="--revision", cure="give one of them"
        )
    from diffwin.process.hub import fetch

    snapshot = fetch(card.hub_id, revision or card.revision, admit=admit)
    found = card_of_pipeline(snapshot.folder, name=card.name)
    return found, Source(card.name, snapshot.folder, snapshot.licence, card.hub_id, snapshot.commit)


def _place(card: ModelCard) -> Path:
    assert card.path is not None  # every card but a hub one has it
    return card.path


def _check_kind(stated: ModelCard, found: ModelCard) -> None:
    if stated.kind != found.kind:
        raise BadInput(
            f"model.toml says {stated.kind} and model_index.json {found.kind}",
            where=stated.name,
            cure="mend the model.toml",
        )
