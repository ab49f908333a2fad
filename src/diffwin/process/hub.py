"""Models from the hub: the revision resolved to a commit once, only the files that are needed, every fault one line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import HfApi, snapshot_download, try_to_load_from_cache
from huggingface_hub.errors import (
    DisabledRepoError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
    SafetensorsParsingError,
)

from diffwin.errors import BadInput
from diffwin.models import moved_to
from diffwin.process.footprint import Tensors
from diffwin.process.weights import needed, patterns, weight_names

# hub errors derive from the HTTP library's own base class, which also covers a connection that cannot be made
_NETWORK: tuple[type[BaseException], ...] = (OSError, *HfHubHTTPError.__bases__)
_UNTOLD: tuple[type[BaseException], ...] = (*_NETWORK, SafetensorsParsingError)


@dataclass(frozen=True)
class Snapshot:
    """One commit of a hub model on this machine."""

    folder: Path
    commit: str
    licence: str


@dataclass(frozen=True)
class Layout:
    """What a repository holds: the file that says what it is, and those that are read, as patterns of `needed`."""

    told: str
    index: str
    patterns: tuple[str, ...]


PIPELINE = Layout("a diffusers pipeline", "model_index.json", tuple(patterns()))
ONE_MODEL = Layout(
    "one transformers model",
    "config.json",
    ("*.json", "*.txt", "*.model", "model.safetensors", "model-*-of-*.safetensors"),
)

Choose = Callable[[list[str]], list[str]]
"""Which of a repository's files are needed; BadInput if they are not among them."""
Admit = Callable[[Mapping[str, Tensors]], None]
"""Is told what is in the weights of a model before they are downloaded, and may raise."""


def fetch(
    hub_id: str,
    revision: str | None = None,
    choose: Choose | None = None,
    *,
    layout: Layout = PIPELINE,
    admit: Admit | None = None,
) -> Snapshot:
    """Download what diffwin needs of a repository, or find it in the cache when the hub cannot be reached.

    Without `choose` that is a model, with all the parts of its layout, if they are admitted.
    """
    try:
        info = HfApi().model_info(hub_id, revision=revision)
    except (RepositoryNotFoundError, RevisionNotFoundError, DisabledRepoError, HFValidationError) as error:
        raise _refused(hub_id, revision, error) from None
    except _NETWORK:
        # what is needed of a model is known beforehand; what is chosen among files, the caller looks for
        return _cached(hub_id, revision, list(layout.patterns) if choose is None else [], layout)
    files = [sibling.rfilename for sibling in info.siblings or ()]
    wanted = _model_files(hub_id, files, layout) if choose is None else choose(files)
    if admit is not None:
        admit(_announced(hub_id, str(info.sha), weight_names(files)))
    licence = str(info.card_data.get("license") or "not stated") if info.card_data else "not stated"
    try:
        folder = snapshot_download(hub_id, revision=info.sha, allow_patterns=wanted)
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise _refused(hub_id, revision, error) from None
    except _NETWORK as error:
        raise BadInput(
            f"the download stopped ({type(error).__name__})", where=hub_id, cure="run again to go on with it"
        ) from None
    _remember(Path(folder), revision or "main", str(info.sha))
    return Snapshot(Path(folder), str(info.sha), licence)


def _announced(hub_id: str, commit: str, weights: Sequence[str]) -> dict[str, Tensors]:
    """What is in the weights, from their headers on the hub; nothing if they are here already, or none are sent."""
    if all(isinstance(try_to_load_from_cache(hub_id, file, revision=commit), str) for file in weights):
        return {}
    try:
        return {file: _header(hub_id, commit, file) for file in weights}
    except _UNTOLD:  # the download will tell
        return {}


def _header(hub_id: str, commit: str, file: str) -> Tensors:
    told = HfApi().parse_safetensors_file_metadata(hub_id, file, revision=commit)
    return [(each.dtype, each.parameter_count) for each in told.tensors.values()]


def _remember(folder: Path, name: str, commit: str) -> None:
    """Note which commit a branch or tag stands for: without the hub, its client finds a model by that name alone.

    It writes the note itself only where it resolves the name, and here the commit was asked for.
    """
    if folder.parent.name == "snapshots" and name != commit:
        note = folder.parent.parent / "refs" / name
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(commit)


def _model_files(hub_id: str, files: list[str], layout: Layout) -> list[str]:
    if layout.index not in files:
        raise BadInput(f"has no {layout.index}", where=hub_id, cure=f"give a model in the layout of {layout.told}")
    wanted = needed(files, layout.patterns)
    if not any(file.endswith(".safetensors") for file in wanted):
        raise BadInput(
            "has no safetensors weights",
            where=hub_id,
            cure="choose a revision that has them; diffwin loads no pickles, which can run code",
        )
    return wanted


def _cached(hub_id: str, revision: str | None, wanted: list[str], layout: Layout) -> Snapshot:
    try:
        folder = Path(snapshot_download(hub_id, revision=revision, allow_patterns=wanted, local_files_only=True))
    except _NETWORK:  # LocalEntryNotFoundError among them, for it is a FileNotFoundError
        if isinstance(try_to_load_from_cache(hub_id, layout.index, revision=revision), str):
            raise BadInput(
                "only a part of it is on this machine, and the hub cannot be reached",
                where=hub_id,
                cure="connect to the network and run again, to fetch the rest",
            ) from None
        raise BadInput(
            "neither on this machine nor to be had: the hub cannot be reached",
            where=hub_id,
            cure="connect to the network, or give what is here: a shipped model (see `diffwin list models`) or files",
        ) from None
    return Snapshot(folder, folder.name, "not stated")


def _refused(hub_id: str, revision: str | None, error: Exception) -> BadInput:
    if isinstance(error, GatedRepoError):
        return BadInput(
            "its authors ask you to accept their terms",
            where=hub_id,
            cure="accept them on the model's page, then log in with `hf auth login`",
        )
    if isinstance(error, RevisionNotFoundError):
        return BadInput(f"no revision {revision!r}", where=hub_id, cure="give a branch, tag or commit that exists")
    if isinstance(error, DisabledRepoError):
        return BadInput("the hub has closed it", where=hub_id, cure="give another model, or a folder with its files")
    if isinstance(error, HFValidationError):
        return BadInput("not a hub id", where=hub_id, cure="write it owner/name or owner/name@revision")
    new = moved_to(hub_id)
    cure = f"it was removed; use {new}" if new else "check the spelling, or log in with `hf auth login` if private"
    return BadInput("no such folder here, and no such model on the hub", where=hub_id, cure=cure)
