"""Reading the parts of a model from a folder: safetensors only, every tensor accounted for, no foreign code."""

from __future__ import annotations

import fnmatch
import hashlib
import inspect
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from diffwin.errors import BadInput

_CONFIGS = ("model_index.json", "config.json", "scheduler_config.json", "scheduler/*.json", "tokenizer*/*")
_PARTS = ("unet", "transformer", "vae", "text_encoder", "text_encoder_2", "text_encoder_3")
_STEMS = ("diffusion_pytorch_model", "model")
PICKLED = (".bin", ".ckpt", ".pt", ".pth")
"""How pickled weights end."""
_SHARD = re.compile(r"-\d+-of-\d+(?=\.safetensors$)")
_VOCABULARIES = (("tokenizer.json",), ("vocab.json", "merges.txt"), ("spiece.model",), ("tokenizer.model",))
"""The files that a tokenizer's words may stand in."""
_POINTER = b"version https://git-lfs"
_AGAIN = "download the model again"


def part_folder(folder: Path, part: str) -> Path:
    """A part's own folder, or the top one in the older layout that has no subfolders."""
    return folder / part if (folder / part).is_dir() else folder


def part_named(folder: Path, part: str) -> bool:
    """Whether a pipeline's model_index.json names a part that may be absent."""
    try:
        named = json.loads((folder / "model_index.json").read_text("utf-8")).get(part)
    except (OSError, ValueError):
        named = None
    return bool(named and named[0])


def load_part(
    kind: Any,
    folder: Path,
    part: str,
    dtype: torch.dtype,
    stem: str = "diffusion_pytorch_model",
    also: tuple[str, ...] = (),
) -> Any:
    """A module of class `kind` from its safetensors, in evaluation mode; BadInput if anything is amiss.

    It is read straight into `dtype`, but for the parts that its class keeps in float32, as T5 does in float16. A
    configuration may name the class by an older name among `also`.
    """
    where = part_folder(folder, part)
    check_class(where / "config.json", kind.__name__, also)
    check_weights(where, stem)
    try:
        with quiet():
            module, info = kind.from_pretrained(
                where, torch_dtype=dtype, use_safetensors=True, local_files_only=True, output_loading_info=True
            )
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, SafetensorError) as error:
        raise BadInput(first_line(error), where=str(where), cure=_AGAIN) from error
    if absent := [*info["missing_keys"], *info.get("mismatched_keys", ())]:
        raise BadInput(
            f"the weights do not fit the configuration ({len(absent)} tensors, first {absent[0]})",
            where=str(where),
            cure=f"{_AGAIN}, or name one that was trained for this",
        )
    return module.eval().requires_grad_(False)


def place(module: Any, device: str) -> Any:
    """The module on a device, channels last, which convolutions like best; its dtypes are those it was read into."""
    with quiet():
        return module.to(device=device).to(memory_format=torch.channels_last)


def assembled(pipeline: str, parts: dict[str, Any]) -> Any:
    """diffusers' pipeline of this name with some of its parts alone, for the sake of its loaders."""
    import diffusers

    kind = getattr(diffusers, pipeline)
    needed = [each.name for each in inspect.signature(kind).parameters.values() if each.default is each.empty]
    with quiet():
        return kind(**(dict.fromkeys(needed) | parts))


def load_tokenizer(folder: Path, part: str = "tokenizer", kind: str = "CLIPTokenizer") -> Any:
    """A tokenizer of a pipeline's folder, of a class that transformers names so."""
    import transformers

    where = folder / part
    if not any(all((where / name).is_file() for name in names) for names in _VOCABULARIES):
        # transformers would make a tokenizer of no words, and say nothing
        raise BadInput("the tokenizer's vocabulary is missing", where=str(where), cure=_AGAIN)
    try:
        with quiet():
            return getattr(transformers, kind).from_pretrained(where, local_files_only=True)
    except Exception as error:  # the tokenizers library raises bare Exception for a broken vocabulary
        raise BadInput(first_line(error), where=str(where), cure=_AGAIN) from error


def check_class(config: Path, expected: str, also: tuple[str, ...] = ()) -> None:
    """BadInput if a part's config.json is unreadable or states another class."""
    try:
        content = json.loads(config.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"cannot be read: {first_line(error)}", where=str(config), cure=_AGAIN) from None
    stated = {content.get("_class_name"), *(content.get("architectures") or ())} - {None}
    if stated and not stated & {expected, *also}:
        raise BadInput(
            f"it is a {', '.join(sorted(stated))}",
            where=str(config),
            cure=f"diffwin needs a {expected} here; use a model of that layout",
        )


def check_weights(where: Path, stem: str) -> list[Path]:
    """The safetensors files of a part, each with a sound header and of full length."""
    files = weight_files(where, stem)
    if not files:
        pickled = [path.name for end in PICKLED for path in where.glob(f"*{end}")]
        if pickled:
            cure = "convert the weights to safetensors, for a pickle can run code"
            raise BadInput(f"only pickled weights ({pickled[0]})", where=str(where), cure=cure)
        raise BadInput(f"{stem}.safetensors is missing", where=str(where), cure=_AGAIN)
    for path in files:
        check_file(path)
    return files


def weight_files(where: Path, stem: str) -> list[Path]:
    """One file, or the shards of a large model; variants such as fp16 are left alone."""
    whole = where / f"{stem}.safetensors"
    return [whole] if whole.is_file() else sorted(where.glob(f"{stem}-*-of-*.safetensors"))


def check_file(path: Path) -> None:
    """BadInput for a safetensors file without a sound header, or not of its full length."""
    with path.open("rb") as file:
        if file.read(len(_POINTER)) == _POINTER:
            cure = "fetch the real file: git lfs pull"
            raise BadInput("is a Git LFS pointer, not the weights", where=str(path), cure=cure)
    try:
        with safe_open(path, framework="pt"):
            pass
    except (SafetensorError, OSError) as error:
        raise BadInput(f"corrupt or cut short ({first_line(error)})", where=str(path), cure=_AGAIN) from None


def needed(files: Iterable[str], wanted: Sequence[str] | None = None) -> list[str]:
    """Of a repository's files, those that fit `wanted`: left out, `patterns()`, the files of a pipeline."""
    wanted = patterns() if wanted is None else wanted
    return [file for file in files if any(_matches(file, pattern) for pattern in wanted)]


def weight_names(files: Iterable[str]) -> list[str]:
    """Of a repository's files, the weights that diffwin loads: no shards where the whole is in one file, too."""
    weights = {file for file in needed(files) if file.endswith(".safetensors")}
    return sorted(file for file in weights if _SHARD.sub("", file) == file or _SHARD.sub("", file) not in weights)


def patterns() -> list[str]:
    """What diffwin reads of a pipeline, configurations, the tokenizer and safetensors weights; * stops at a slash."""
    weights = [f"{stem}{shard}.safetensors" for stem in _STEMS for shard in ("", "-*-of-*")]
    wanted = [*_CONFIGS, *weights, *(f"{stem}.safetensors.index.json" for stem in _STEMS)]
    return [*wanted, *(f"{part}/{name}" for part in _PARTS for name in ("*.json", *weights))]


def _matches(file: str, pattern: str) -> bool:
    """fnmatch lets * cross a slash; here it may not."""
    return file.count("/") == pattern.count("/") and fnmatch.fnmatchcase(file, pattern)


def fingerprint(folder: Path) -> str:
    """SHA-256 over the names and bytes of the files that diffwin reads of a model."""
    digest = hashlib.sha256()
    there = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    for name in sorted(needed(there)):
        with (folder / name).open("rb") as file:
            digest.update(f"{name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """Versions of the libraries that shape a model's numbers, for the record."""
    return {name: version(name) for name in ("torch", "diffusers", "transformers")}


@contextmanager
def quiet() -> Iterator[None]:
    """Hold back the progress bars and warnings of diffusers and transformers; what matters is raised as BadInput."""
    from diffusers.utils import logging as diffusers_log
    from transformers.utils import logging as transformers_log

    logs = (diffusers_log, transformers_log)
    before = [log.get_verbosity() for log in logs]
    bars = [log.is_progress_bar_enabled() for log in logs]
    for log in logs:
        log.set_verbosity_error()
        log.disable_progress_bar()
    try:
        yield
    finally:
        for log, level, bar in zip(logs, before, bars, strict=True):
            log.set_verbosity(level)
            if bar:
                log.enable_progress_bar()


@contextmanager
def importing() -> Iterator[None]:
    """Say plainly what a torch and torchvision of different builds otherwise say in a long traceback."""
    try:
        yield
    except (RuntimeError, ImportError) as error:
        if not any("torchvision::nms" in str(link) for link in _causes(error)):
            raise
        raise BadInput(
            f"torch {torch.__version__} and the installed torchvision come from different builds",
            where="installation",
            cure="install both from the same place: pip install --force-reinstall torch torchvision",
        ) from error


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def first_line(error: BaseException) -> str:
    """What an error says, for a message of one line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
