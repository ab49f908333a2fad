"""audit(plan): read the pictures, measure what the ledger lacks, say what follows, write the report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffwin.additions import check_tokens
from diffwin.errors import BadInput
from diffwin.ledger import Ledger
from diffwin.models import describe
from diffwin.privacy.analyse import Findings, analyse
from diffwin.privacy.measured import Subjects
from diffwin.privacy.pictures import check_apart, read_pictures
from diffwin.privacy.plan import PrivacyPlan
from diffwin.privacy.save import save

if TYPE_CHECKING:
    from diffwin.process.base import Process

Progress = Callable[[int, int], None]

FEWEST = 2
"""Members that an audit needs to have anything to compare."""


def audit(plan: PrivacyPlan, out: Path, *, progress: Progress = lambda done, total: None) -> Findings:
    """Carry an audit out, or on, in its folder; returns the findings with the report written.

    Everything is checked before anything is written. Raises BadInput for what cannot be used.
    """
    subjects = read_subjects(plan)
    from diffwin.privacy.bench import Bench
    from diffwin.privacy.measure import measure
    from diffwin.probes.spaces import choose_space
    from diffwin.process.load import load

    # the empty prompt is what a picture is held against without its caption
    process = load(plan.model, prompts=["", *dict.fromkeys(subjects.prompts)], **plan.choices())
    space = choose_space(plan.features, describe(plan.model).probes, usual=process.takes_prompt, device=plan.device)
    if not process.takes_prompt:
        subjects = subjects.untold()
    _check_captions(process, subjects)
    check_tokens(process.tokens, (*subjects.prompts, plan.negative_prompt))
    process.encode(subjects.pixels[:1])  # pictures of a wrong size are refused before a folder is made
    with Ledger.writing(out) as ledger:
        ledger.claim(_identity(plan, process, subjects, space.name))
        measured = measure(Bench(plan, process, space, subjects, ledger, progress))
        findings = analyse(measured, plan)
        save(findings, out)
    return findings


def read_subjects(plan: PrivacyPlan) -> Subjects:
    """The pictures of a plan, checked against each other."""
    members = read_pictures(plan.members, "--members")
    if len(members) < FEWEST:
        raise BadInput("a single picture", where="--members", cure=f"give {FEWEST} pictures or more")
    others = None if plan.non_members is None else read_pictures(plan.non_members, "--non-members")
    if others is not None:
        check_apart(members, others)
    return Subjects.of(members, others, captions=plan.captions)


def _check_captions(process: Process, subjects: Subjects) -> None:
    """BadInput for a caption that the model cannot read whole, with the picture it belongs to."""
    for name, prompt in zip(subjects.names, subjects.prompts, strict=True):
        try:
            process.check_prompt(prompt)
        except BadInput as fault:
            cure = "shorten it, or audit with --without-captions"
            raise BadInput(fault.what, where=f"the caption of {name}", cure=cure) from None


def _identity(plan: PrivacyPlan, process: Process, subjects: Subjects, space: str) -> dict[str, Any]:
    """What every number depends on; levels, repeats, draws and generations may grow."""
    return {
        "kind": "privacy",
        "model": plan.model,
        "content": process.provenance.get("content", ""),
        "solver": process.solver,
        "steps": process.grid.top,
        "guidance": process.guidance,
        "eta": plan.eta,
        "negative_prompt": plan.negative_prompt,
        "size": plan.size,
        "additions": {name: process.provenance.get(name, "") for name in ("lora", "embedding", "vae")},
        "seed": plan.seed,
        "dtype": plan.dtype,
        "space": space,
        "pictures": subjects.digest,
    }


def folder_of(plan: PrivacyPlan) -> Path:
    """Where an audit writes if no folder is named."""
    return Path("runs") / f"privacy-{Path(plan.model).stem}-{plan.members.stem}"
