"""What is laid over a model: found on this machine or the hub, checked, and loaded by diffusers' own loaders."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from diffwin.additions import Addition
from diffwin.errors import BadInput
from diffwin.families import Family
from diffwin.process.choices import Laid, Source
from diffwin.process.configured import read_config
from diffwin.process.decoder import decoding_dtype, sizes_of
from diffwin.process.embeddings import ENCODERS, check_embedding, lay_embeddings, token_of
from diffwin.process.hub import fetch
from diffwin.process.loras import LOADERS, check_lora, lay_loras
from diffwin.process.weights import PICKLED, check_class, check_file, fingerprint, load_part, part_folder, quiet

_USUAL = {"lora": "pytorch_lora_weights.safetensors", "embedding": "learned_embeds.safetensors"}
"""How diffusers' own trainers call the file."""


def with_additions(source: Source, additions: Sequence[Addition], family: Family) -> Source:
    """A source with its additions found and checked; BadInput for one that its family has no loader for."""
    for each in additions:
        _check_loadable(each, family, source.name)
    laid = replace(source, additions=tuple(_find(each) for each in additions))
    for lora in laid.laid("lora"):
        check_lora(source, family.adapter, lora)
    for embedding in laid.laid("embedding"):
        check_embedding(source, family.adapter, embedding)
    return laid


def lay_over(source: Source, adapter: str, part: str, module: Any, tokenizer: Any = None) -> Any:
    """One part of a model, with the LoRAs laid over it, and the embeddings too if it reads text; changed in place."""
    if source.laid("lora") and part in LOADERS[adapter][1]:
        lay_loras(source, adapter, part, module)
    if tokenizer is not None and source.laid("embedding"):
        lay_embeddings(source, adapter, part, module, tokenizer)
    return module


def load_laid(
    kind: Any,
    source: Source,
    adapter: str,
    part: str,
    dtype: torch.dtype,
    stem: str = "diffusion_pytorch_model",
    also: tuple[str, ...] = (),
    tokenizer: Any = None,
) -> Any:
    """What `load_part` reads, with what is laid over it; LoRAs are added to the weights in float32."""
    exact = bool(source.laid("lora")) and part in LOADERS[adapter][1]
    module = load_part(kind, source.folder, part, torch.float32 if exact else dtype, stem, also)
    lay_over(source, adapter, part, module, tokenizer)
    with quiet():
        return module.to(dtype) if exact else module


def load_vae(kind: Any, source: Source, dtype: torch.dtype) -> Any:
    """A model's autoencoder, of class `kind`, or the one given in its place, whose latents must have the same shape.

    It is read into the dtype of the network, or float32 if it would overflow in that.
    """
    given = source.laid("vae")
    if not given:
        return _load_vae(kind, source.folder, dtype)
    vae = _load_vae(kind, given[0].path, dtype)
    own = read_config(part_folder(source.folder, "vae") / "config.json")
    usual = {"channels": own.get("latent_channels"), "levels of size": len(sizes_of(own))}
    found = {"channels": vae.config.latent_channels, "levels of size": len(sizes_of(vae.config))}
    for what, many in usual.items():
        if many != found[what]:
            raise BadInput(
                f"{given[0].asked.place} has {found[what]} {what}, and the autoencoder of {source.name} {many}",
                where="--vae",
                cure="give one made for the same latents",
            )
    return vae


def _load_vae(kind: Any, folder: Path, dtype: torch.dtype) -> Any:
    config = part_folder(folder, "vae") / "config.json"
    check_class(config, kind.__name__)
    return load_part(kind, folder, "vae", decoding_dtype(read_config(config), dtype))


def _check_loadable(addition: Addition, family: Family, name: str) -> None:
    why = {
        "lora": "" if family.adapter in LOADERS else "diffusers has no loader of LoRAs for it",
        "embedding": "" if family.adapter in ENCODERS else "diffusers has no loader of embeddings for it",
        "vae": "" if family.latent else "it has no autoencoder",
    }
    if why[addition.kind]:
        what = f"{name} is a model of {family.title}, and {why[addition.kind]}"
        raise BadInput(what, where=addition.option, cure="leave it out")


def _find(addition: Addition) -> Laid:
    path = _fetched(addition) if addition.path is None else _here(addition, addition.path)
    if addition.kind == "vae":
        return Laid(addition, path, fingerprint(part_folder(path, "vae")))
    check_file(path)
    with path.open("rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
    found = Laid(addition, path, content)
    return found if addition.kind == "lora" else replace(found, asked=replace(addition, token=token_of(found)))


def _here(addition: Addition, path: Path) -> Path:
    if not path.exists():
        raise BadInput(f"no such file or folder: {path}", where=addition.option, cure="check the path")
    if addition.kind == "vae":
        return _autoencoder(addition, path)
    if path.is_dir():
        return path / _chosen(addition, [each.name for each in path.iterdir() if each.is_file()])[0]
    if path.suffix.lower() in PICKLED:
        raise _pickled(addition, path.name)
    return path


def _autoencoder(addition: Addition, path: Path) -> Path:
    if not (part_folder(path, "vae") / "config.json").is_file():
        raise BadInput(
            f"{path} is no folder of an autoencoder",
            where=addition.option,
            cure="give one with config.json, as AutoencoderKL.save_pretrained writes it, or a pipeline's",
        )
    return path


def _fetched(addition: Addition) -> Path:
    asked = addition.on_hub
    assert asked is not None  # or it would be a path
    wanted = [asked.file] if asked.file else None
    folder = fetch(asked.repo, asked.revision, lambda files: _chosen(addition, files, wanted)).folder
    there = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    chosen = _chosen(addition, there, wanted)
    return folder if addition.kind == "vae" else folder / chosen[0]


def _chosen(addition: Addition, files: list[str], wanted: list[str] | None = None) -> list[str]:
    """Of the files of a folder or repository, those that are an addition's."""
    if addition.kind == "vae":
        return _of_autoencoder(addition, files)
    for usual in wanted or [_USUAL[addition.kind]]:
        if usual in files:
            return [usual]
    top = [file for file in files if "/" not in file]
    safe = [file for file in top if file.endswith(".safetensors")]
    if len(safe) == 1 and wanted is None:
        return safe
    if len(safe) > 1 or wanted is not None:
        named = ", ".join(sorted(safe)[:3]) or "none at its top"
        what = f"{addition.place} has {'no ' + wanted[0] if wanted else 'several safetensors files'} ({named})"
        raise BadInput(what, where=addition.option, cure="name one of its files")
    pickled = [file for file in top if Path(file).suffix in PICKLED]
    if pickled:
        raise _pickled(addition, pickled[0])
    raise BadInput(f"{addition.place} holds no safetensors file", where=addition.option, cure="name the file")


def _of_autoencoder(addition: Addition, files: list[str]) -> list[str]:
    """Those of the subfolder of a whole pipeline, or else the top ones."""
    start = "vae/" if "vae/config.json" in files else ""
    names = [file.removeprefix(start) for file in files if file.startswith(start)]
    weights = [each for each in names if "/" not in each and each.startswith("diffusion_pytorch_model")]
    safe = [each for each in weights if each.endswith(".safetensors") and each.count(".") == 1]
    if "config.json" not in names or not safe:
        what = f"{addition.place} holds no autoencoder with safetensors weights"
        raise BadInput(what, where=addition.option, cure="give one in the layout of diffusers")
    return [start + each for each in ("config.json", *safe)]


def _pickled(addition: Addition, name: str) -> BadInput:
    cure = "convert it to safetensors, for a pickle can run code"
    return BadInput(f"{name} is a pickle", where=addition.option, cure=cure)
