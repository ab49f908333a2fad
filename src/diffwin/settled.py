"""What need not be done again: a command whose run is whole, and results that are those of the ledger as it stands.

A run that ends leaves a seal in its ledger: the plan as it was asked for, the files behind it, how far the ledger had
grown, and its windows. While all of that is as it was, the same command has nothing left to do, and needs neither the
model nor the statistics to say so. Any doubt breaks the seal, and the run goes the long way.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffwin.additions import Addition
from diffwin.errors import DiffwinError
from diffwin.ledger import Ledger
from diffwin.models import WORLDS, describe
from diffwin.paths import PACKAGE
from diffwin.plan import Plan
from diffwin.probes.definition import load_definition
from diffwin.probes.installed import installed
from diffwin.worlds.file import read_toml

RESULTS = ("windows.json", "curves.csv", "plan.json", "report.html", "report.md")

_COMMIT = re.compile("[0-9a-f]{40}")

Stamps = dict[str, list[int]]
"""Size, time of change and time of change of the record (ns) of each file, by path."""


@dataclass(frozen=True)
class Seal:
    """What a run was begun with: made before its work, put into its ledger after it.

    asked: the plan before a model filled it in, and whether its folder was named. files: what it reads.
    """

    asked: dict[str, Any]
    probes: tuple[str, ...]
    files: Stamps | None

    @classmethod
    def of(cls, plan: Plan, probes: Sequence[str], *, named: bool, since: float) -> Seal:
        """`probes` are those of the filled plan; a file changed after the time `since` may not be what was read."""
        found = stamps(plan, probes)
        fresh = found is not None and any(max(times) >= since * 1e9 for _, *times in found.values())
        return cls(_asked(plan, named=named), tuple(probes), None if fresh else found)

    def put(self, ledger: Ledger) -> None:
        """Record that the work is done and its results are written."""
        if self.files is not None:
            told = {"asked": self.asked, "probes": self.probes, "files": self.files, "code": _code()}
            ledger.put(seal=told | {"changes": ledger.changes, "windows": _digest(ledger.folder)})


def folder_of(plan: Plan, out: Path | None) -> Path | None:
    """The folder where this very plan was carried out whole, or None if something may be left to do."""
    usual = plan.default_folder()  # of a plan that is not filled in: all but the digest at its end is right
    folders = usual.parent.glob(usual.name[:-6] + "?" * 6) if out is None else [out]
    return next((folder for folder in folders if _carried_out(folder, plan, named=out is not None)), None)


def summary(folder: Path) -> dict[str, Any] | None:
    """The content of windows.json, if this diffwin wrote it from the ledger as it stands."""
    if _intact(folder) is None:
        return None
    return dict(json.loads((folder / "windows.json").read_bytes()))


def _carried_out(folder: Path, plan: Plan, *, named: bool) -> bool:
    seal = _intact(folder)
    if seal is None or seal["asked"] != _asked(plan, named=named):
        return False
    return all((folder / name).is_file() for name in RESULTS) and seal["files"] == stamps(plan, seal["probes"])


def _intact(folder: Path) -> dict[str, Any] | None:
    """The seal of a folder whose windows are those of its ledger and of this diffwin, or None."""
    try:
        with Ledger.reading(folder) as ledger:
            seal, changes = ledger.get("seal"), ledger.changes
        if seal and (seal["changes"], seal["windows"], seal["code"]) == (changes, _digest(folder), _code()):
            return dict(seal)
    except (OSError, DiffwinError):
        pass
    return None


def _asked(plan: Plan, *, named: bool) -> dict[str, Any]:
    return plan.model_dump(mode="json") | {"named": named}


def _digest(folder: Path) -> str:
    return hashlib.sha256((folder / "windows.json").read_bytes()).hexdigest()


def _code() -> str:
    """Which diffwin this is: its own files, so that a change of the statistics breaks every seal."""
    told = json.dumps(_stamped([PACKAGE]), sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()


def stamps(plan: Plan, probes: Sequence[str]) -> Stamps | None:
    """Every file that the model and probes of a plan are read from; None where only the network can tell."""
    places = [_of_model(plan), *map(_of_addition, plan.additions), *map(_of_probe, probes)]
    return None if None in places else _stamped([path for each in places for path in each or ()])


def _of_model(plan: Plan) -> list[Path] | None:
    card = describe(plan.model)
    if card.path is None:  # a model on the hub is what it was only under a commit's own name
        return [] if _COMMIT.fullmatch(plan.revision or card.revision or "") else None
    if card.kind not in WORLDS:
        return [card.path]
    if (images := read_toml(card.path).get("images")) is None:
        return [card.path]
    place = card.path.parent / images
    return [card.path, place, place.parent / "labels.csv"]


def _of_addition(addition: Addition) -> list[Path] | None:
    if addition.path is not None:
        return [addition.path]
    return [] if addition.on_hub is not None and _COMMIT.fullmatch(addition.on_hub.revision or "") else None


def _of_probe(name: str) -> list[Path] | None:
    """The files of a probe's definition, model and measured error."""
    if name.partition(":")[0] == "truth":
        return []
    if installed(name) is not None:  # what its package reads, only the package knows
        return None
    definition = load_definition(name)
    named = [definition.confusion_file, definition.pretrained, definition.model, definition.references, definition.head]
    found = [path for each in named if each is not None and (path := definition.locate(each)) is not None]
    on_the_hub = definition.kind in ("classifier", "zero-shot", "vqa") or str(definition.model).startswith("hf-hub:")
    if definition.model is not None and definition.locate(definition.model) is None and on_the_hub:
        commit = definition.model.rpartition("@")[2]
        return [definition.path, *found] if _COMMIT.fullmatch(commit) else None
    return [definition.path, *found]


def _stamped(places: Sequence[Path]) -> Stamps:
    return {
        str(path): [(stat := path.stat()).st_size, stat.st_mtime_ns, stat.st_ctime_ns]
        for place in places
        for path in _files(place.resolve())
    }


def _files(place: Path) -> Iterator[Path]:
    """The file itself, or all below a folder, but for what Python compiles; none if there is nothing."""
    below = sorted(place.rglob("*")) if place.is_dir() else [place]
    yield from (path for path in below if path.is_file() and path.suffix != ".pyc")
