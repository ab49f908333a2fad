"""intervene(run, asked): generates what a switch test and balancing need, and writes what they show."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffwin.errors import BadInput
from diffwin.intervene.asked import Asked
from diffwin.intervene.generate import Progress, Wanted, cost, generate, lacking
from diffwin.intervene.likeness import measure_likeness
from diffwin.intervene.outcome import Way, ways_of
from diffwin.intervene.record import Record
from diffwin.intervene.report.page import write_pages
from diffwin.intervene.results import Found, find, write_tables
from diffwin.intervene.setup import Setup, set_up
from diffwin.ledger import Ledger
from diffwin.plan import Plan
from diffwin.results import Run

if TYPE_CHECKING:
    from diffwin.job import Job

FOLDER = "intervene"
"""Where an intervention into a run stands, in the run's own folder."""


def intervene(
    run: Run,
    asked: Asked,
    out: Path | None = None,
    *,
    device: str | None = None,
    slots: int | None = None,
    compiled: bool | None = None,
    progress: Progress = lambda done, total: None,
) -> Found:
    """Carry an intervention out, or on, in its folder; returns what was found, its report written.

    Raises BadInput for what cannot be acted on: a feature without a window, a prompt that the model cannot read.
    """
    setup = set_up(run, asked)
    folder = folder_of(run, out)
    maker = _Maker(setup, {"device": device, "slots": slots, "compile": compiled}, progress)
    maker.check(folder)
    with Ledger.writing(folder) as ledger:
        ledger.claim(_identity(run))
        maker.make(setup.first(), ledger)
        ways = _ways(setup, ledger)
        wanted: dict[Any, list[int]] = {}
        for each in (way for of in ways.values() for way in of):
            for arm, images in each.wanted(setup.images).items():
                wanted[arm] = sorted({*wanted.get(arm, []), *images})
        maker.make(wanted, ledger)
        if ways:
            to_balance = {setup.untouched: setup.images, **wanted}
            measure_likeness(setup, ledger, to_balance, device)
        found = find(setup, Record(ledger), ways)
    write_tables(found, folder)
    write_pages(found, folder)
    return found


def outlook(run: Run, asked: Asked) -> str:
    """What it would cost, in words."""
    setup = set_up(run, asked)
    maker = _Maker(setup, {}, lambda done, total: None)
    rows = f"{cost(lacking(setup.first(), lambda arm: ()), maker.job.process):,} network rows"
    return f"{rows}, then what balancing acts on" if asked.targets else rows


def _identity(run: Run) -> dict[str, Any]:
    """A folder keeps to one model and its settings; prompts, intervals and bases may grow."""
    return run.plan.identity() | {"content": run.record["model"]["provenance"].get("content", "")}


def _ways(setup: Setup, ledger: Ledger) -> dict[str, list[Way]]:
    record = Record(ledger)
    return {feature: ways_of(setup, record, feature) for feature in setup.balanced}


@dataclass(eq=False)
class _Maker:
    """Generates what a ledger lacks; the model is loaded only if it lacks something."""

    setup: Setup
    choices: dict[str, Any]
    progress: Progress
    spent: int = 0

    @cached_property
    def job(self) -> Job:
        from diffwin.job import prepare

        run, asked = self.setup.run, self.setup.asked
        prompts = dict.fromkeys([asked.prompt, *(each.prompt for each in asked.attributes)])
        given = {name: value for name, value in self.choices.items() if value is not None}
        fields = run.plan.model_dump() | {"prompts": tuple(prompts), **given}
        job = prepare(Plan.make(**fields))
        if job.identity["content"] != _identity(run)["content"]:
            raise BadInput(
                f"{job.process.name} is not the model that the run measured",
                where=str(run.folder),
                cure="probe this model first",
            )
        return job

    def check(self, folder: Path) -> None:
        """Bad prompts are refused before a folder is made."""
        if not (folder / "run.sqlite").is_file():
            _ = self.job

    def make(self, wanted: Wanted, ledger: Ledger) -> None:
        features = frozenset(self.setup.labels)
        todo = lacking(wanted, lambda arm: arm.made(ledger, features))
        if todo:
            before = self.job.process.evaluations
            generate(todo, self.job, ledger, self._told)
            self.spent += self.job.process.evaluations - before

    def _told(self, done: int, total: int) -> None:
        self.progress(self.spent + done, self.spent + total)


def folder_of(run: Run, out: Path | None) -> Path:
    """Where an intervention is written."""
    return out or run.folder / FOLDER
