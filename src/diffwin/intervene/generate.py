"""Generates the pictures of an intervention that its ledger does not hold yet."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from diffwin.intervene.arms import Arm
from diffwin.ledger import Ledger
from diffwin.reading import chunks, read_samples
from diffwin.trials import Base, Switch, Trial

if TYPE_CHECKING:
    from diffwin.job import Job
    from diffwin.process.base import Process, State

TOGETHER = 32
"""Bases whose untouched generations are at hand together; also the samples that are decoded and read together."""

Progress = Callable[[int, int], None]
"""Called with (network rows done, network rows in all) as samples finish."""

Wanted = Mapping[Arm, Sequence[int]]
"""The bases of each arm."""

Finished = tuple[Trial, "State", int]
"""Where a sample stands, its state and its network rows."""


def lacking(wanted: Wanted, made: Callable[[Arm], Collection[int]]) -> dict[int, list[Arm]]:
    """The arms of each base, ascending, that are not there; `made` gives the bases that an arm has."""
    found: dict[int, list[Arm]] = {}
    for arm, bases in wanted.items():
        there = made(arm)
        for base in bases:
            if base not in there:
                found.setdefault(base, []).append(arm)
    return dict(sorted(found.items()))


def cost(todo: Mapping[int, Sequence[Arm]], process: Process) -> int:
    """Network rows of what is lacking; each base is generated untouched, for its switched twins set in on its way."""
    top = process.grid.top
    return sum(
        process.cost(top, arms[0].neutral) + sum(process.switch_cost(arm.switch(base)) for arm in arms if arm.acts)
        for base, arms in todo.items()
    )


def generate(
    todo: Mapping[int, Sequence[Arm]], job: Job, ledger: Ledger, progress: Progress = lambda done, total: None
) -> None:
    """Make what is lacking. Killed anywhere, it loses the samples in flight, and is the same when it goes on."""
    total, before = cost(todo, job.process), job.process.evaluations
    for bases in chunks(todo, TOGETHER):
        made = _made({base: todo[base] for base in bases}, job.process)
        for chunk in chunks(made, TOGETHER):
            ledger.add(read_samples(job.process, job.probes, ledger.folder, chunk))
            progress(job.process.evaluations - before, total)


def _made(todo: Mapping[int, Sequence[Arm]], process: Process) -> Iterator[Finished]:
    """The untouched pictures that are lacking, then the switched ones, each from where its base passed through."""
    switches = {arm.switch(base): arm for base, arms in todo.items() for arm in arms if arm.acts}
    untouched = {(arm.neutral, base): arm for base, arms in todo.items() for arm in arms if not arm.acts}
    bases = {Base(arm.neutral, base) for base, arms in todo.items() for arm in arms}
    keep = {process.entry(switch) for switch in switches}
    passed: dict[Base, dict[int, State]] = {}
    for each in process.sample(sorted(bases), sorted(keep)):
        passed[each.base] = each.passed
        arm = untouched.get((each.base.prompt, each.base.index))
        if arm is not None:
            rows = process.cost(process.grid.top, each.base.prompt)
            yield arm.trial(each.base.index), each.state, rows
    noisiest_first = sorted(switches, key=lambda switch: -process.entry(switch))
    yield from _switched(noisiest_first, switches, passed, process)


def _switched(
    order: Iterable[Switch],
    switches: Mapping[Switch, Arm],
    passed: Mapping[Base, Mapping[int, State]],
    process: Process,
) -> Iterator[Finished]:
    for switch, state in process.switch(order, lambda switch: passed[switch.base][process.entry(switch)]):
        yield switches[switch].trial(switch.base.index), state, process.switch_cost(switch)
