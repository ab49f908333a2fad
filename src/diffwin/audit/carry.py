"""Carries an audit out, or on: one run a guidance scale in its folder. The one module here that runs a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from diffwin.audit.result import Audit, Scale
from diffwin.audit.suite import Suite
from diffwin.job import prepare
from diffwin.models import describe
from diffwin.plan import Plan
from diffwin.run import run

Progress = Callable[[int, int], None]


def plans(suite: Suite, **settings: Any) -> dict[str, Plan]:
    """The plan of each guidance scale, by the name of its folder. `settings` are fields of `Plan` that override.

    A scale left open is the model's own. BadInput for what no plan can hold.
    """
    file = suite.file
    usual = {name: getattr(file, name) for name in ("bases", "regenerated", "levels", "repeats")}
    named = {"model": suite.model, "probes": suite.probes, "prompts": [item.prompt for item in suite.items]}
    scales: Sequence[float | None] = settings.pop("scales", None) or file.guidance or (describe(suite.model).guidance,)
    made = [Plan.make(**usual | named | settings, **({} if w is None else {"guidance": w})) for w in scales]
    return {"guidance-" + ("own" if w is None else f"{w:g}"): plan for w, plan in zip(scales, made, strict=True)}


def outlook(planned: Mapping[str, Plan]) -> int:
    """Network rows of all the runs."""
    return sum(prepare(plan).cost() for plan in planned.values())


def audit(suite: Suite, out: Path, *, progress: Progress = lambda done, total: None, **settings: Any) -> Audit:
    """Make every run that is not there yet; returns the audit, whose report is not written yet."""
    planned = plans(suite, **settings)
    scales = []
    for at, (folder, plan) in enumerate(planned.items()):
        scales.append(Scale(suite, run(plan, out / folder, progress=_of_all(progress, list(planned.values()), at))))
    return Audit(suite, out, tuple(scales))


def _of_all(progress: Progress, planned: Sequence[Plan], at: int) -> Progress:
    """Progress of run `at` as a part of all: a guided row counts twice, and the runs before it are done."""
    weights = [1.0 if plan.guidance is not None and plan.guidance <= 1 else 2.0 for plan in planned]
    before, whole = (sum(part) / weights[at] for part in (weights[:at], weights))

    def told(done: int, total: int) -> None:
        progress(done + round(before * total), round(whole * total))

    return told


def open_audit(suite: Suite, out: Path, **settings: Any) -> Audit:
    """A finished audit, with no model at hand; BadInput where a run is not there."""
    from diffwin.results import open_run

    return Audit(suite, out, tuple(Scale(suite, open_run(out / folder)) for folder in plans(suite, **settings)))
