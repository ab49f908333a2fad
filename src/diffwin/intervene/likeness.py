"""How like its untouched twin a picture is, and how well it agrees with its prompt, to an image encoder.

The encoder is that of the run's own probes; where none has one, pictures are compared by their structure, which knows
no words. The numbers are kept in the ledger, so that a folder that holds them needs the encoder no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from diffwin.intervene.arms import Arm
from diffwin.intervene.record import AGREEMENT, LIKENESS, Record, measure_name
from diffwin.ledger import Ledger
from diffwin.levels import FloatArray

if TYPE_CHECKING:
    from diffwin.intervene.setup import Setup
    from diffwin.probes.likeness import Space

TOGETHER = 64
"""Pictures that are read and written together."""

Measures = Iterator[tuple[str, int, int, int, float]]


def measure_likeness(setup: Setup, ledger: Ledger, wanted: Mapping[Arm, Sequence[int]], device: str | None) -> None:
    """Measure what the ledger lacks of the pictures named, the untouched twin of each among them."""
    record = Record(ledger)
    if record.space is not None and not _lacking(record, wanted, record.space):
        return
    from diffwin.probes.spaces import choose_space

    plan = setup.run.plan
    space = choose_space(None, plan.probes, usual=False, device=device or plan.device)
    if record.space != space.name:
        ledger.put(space=space.name)
    for arm, bases in _lacking(record, wanted, space.name).items():
        for at in range(0, len(bases), TOGETHER):
            ledger.add_measures(_measured(record, space, arm, bases[at : at + TOGETHER]))


def _lacking(record: Record, wanted: Mapping[Arm, Sequence[int]], space: str) -> dict[Arm, list[int]]:
    """The bases of each arm whose picture and untouched twin are there, and were not measured."""
    found = {}
    for arm, bases in wanted.items():
        untold = np.isnan(record.measured(LIKENESS, arm, space, bases))
        twin = Arm.untouched(arm.neutral)
        there = [base for base in np.array(bases)[untold].tolist() if record.has_picture(arm, base)]
        found[arm] = [base for base in there if record.has_picture(twin, base)]
    return {arm: bases for arm, bases in found.items() if bases}


def _measured(record: Record, space: Space, arm: Arm, bases: Sequence[int]) -> Measures:
    pictures = space.embed(record.pictures([(arm, base) for base in bases]))
    twins = (
        space.embed(record.pictures([(Arm.untouched(arm.neutral), base) for base in bases])) if arm.acts else pictures
    )
    yield from _rows(measure_name(LIKENESS, arm, space.name), bases, (pictures * twins).sum(axis=1))
    if space.embed_texts is not None:
        yield from _rows(
            measure_name(AGREEMENT, arm, space.name), bases, pictures @ space.embed_texts([arm.neutral])[0]
        )


def _rows(name: str, bases: Iterable[int], values: FloatArray) -> Measures:
    yield from ((name, base, 0, 0, float(value)) for base, value in zip(bases, values, strict=True))
