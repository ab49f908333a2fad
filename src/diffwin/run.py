"""run(plan): the one function that joins the rest.

Bases are generated, trials regenerate from them, probes read both, the ledger keeps everything; curves, windows and
the report follow from the ledger alone.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from diffwin.job import prepare
from diffwin.ledger import Ledger
from diffwin.plan import Plan
from diffwin.results import Run
from diffwin.settled import Seal, folder_of
from diffwin.work import Progress, Work


def run(plan: Plan, out: str | Path | None = None, *, progress: Progress = lambda done, total: None) -> Run:
    """Carry a plan out, or on, in its folder; returns the finished run with its report written."""
    out = None if out is None else Path(out)
    if (whole := folder_of(plan, out)) is not None:
        return Run(whole)
    begun = time.time()
    job = prepare(plan)
    job.check_tokens()
    seal = Seal.of(plan, job.plan.probes, named=out is not None, since=begun)
    folder = out or job.plan.default_folder()
    with Ledger.writing(folder) as ledger:
        ledger.claim(job.identity)
        ledger.put(record=job.record(ledger.get("record")))
        Work(job, ledger, progress).do()
        finished = Run(folder)
        finished.write()
        seal.put(ledger)
    return finished


def probe(
    prompt: str | Sequence[str] = (),
    *,
    out: str | Path | None = None,
    progress: Progress = lambda done, total: None,
    **fields: Any,
) -> Run:
    """Measure when the features of a model's images are decided.

    `prompt` is one or several; every other field is one of `Plan` (model, probes, mode, solver, steps, guidance,
    bases, repeats, levels, seed, device, dtype, slots, ...). Raises BadInput for what cannot be used.

    >>> run = diffwin.probe("a cook")                            # doctest: +SKIP
    >>> run.windows[["feature", "status", "decision_log_snr"]]   # doctest: +SKIP
    """
    prompts = (prompt,) if isinstance(prompt, str) else tuple(prompt)
    return run(Plan.make(prompts=prompts, **fields), out, progress=progress)
