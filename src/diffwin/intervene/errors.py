"""The errors of the probe that reads an attribute: what is known of them, and whether these pictures bear it out."""

from __future__ import annotations

from dataclasses import dataclass

from diffwin.correction import Correction, corrections_of
from diffwin.estimate import UNMEASURED
from diffwin.intervene.arms import Arm
from diffwin.intervene.record import Record
from diffwin.intervene.setup import Setup
from diffwin.shares import Shares


@dataclass(frozen=True, eq=False)
class Errors:
    """to_undo: None where there is nothing that can be undone, or nothing to undo; uncorrected: why not, or ''."""

    to_undo: Correction | None
    uncorrected: str


def known_errors(setup: Setup, record: Record, feature: str) -> Errors:
    """Judged by the pictures of the switch test that are untouched and by those acted on at all steps: where no shares
    give such readings through the matrix, the probe errs otherwise here than where its errors were measured."""
    known = corrections_of(setup.run.record).get(feature)
    if known is None:
        return Errors(None, UNMEASURED)
    if known.exact:
        return Errors(None, "")
    arms = [setup.untouched, *(setup.arm(each, setup.throughout) for each in setup.asked.of(feature))]
    why = next(filter(None, (_read(setup, record, feature, arm, known).uncorrected for arm in arms)), "")
    return Errors(None if why else known, why)


def _read(setup: Setup, record: Record, feature: str, arm: Arm, known: Correction) -> Shares:
    labels = record.labels(arm, feature, setup.pilot)
    return Shares.of(setup.asked.prompt, feature, setup.labels[feature], labels, known)
