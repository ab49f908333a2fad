"""Carries a plan out: what its ledger does not hold yet is generated, read and recorded, round after round."""

from __future__ import annotations

import hashlib
import heapq
import json
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from diffwin.correction import corrections_of
from diffwin.design import Design
from diffwin.estimate import Estimate, estimate
from diffwin.job import Job
from diffwin.ledger import Ledger, Sample
from diffwin.pictures import load_pictures
from diffwin.queue import Queue
from diffwin.reading import chunks, read_samples, readings_by
from diffwin.screen import calibrate
from diffwin.screening import Screening
from diffwin.survival import RESAMPLES, readings_of
from diffwin.trials import ALL, Base, Mode, Trial

if TYPE_CHECKING:
    from diffwin.process.base import Generation, State

T = TypeVar("T")
U = TypeVar("U")
Progress = Callable[[int, int], None]
"""Called with (network rows done, network rows in all) as samples finish."""

LOOK = 100
"""Resamples behind an interval that only says what to regenerate next; one that stops a run is the final one."""

CHUNK = 32
"""Finished samples that are decoded, read and written together."""

WAITING = 2
"""Such chunks that may wait, each with its states in memory, where they are read beside the network."""


class Work:
    """Carries out what the ledger does not hold yet."""

    def __init__(self, job: Job, ledger: Ledger, progress: Progress) -> None:
        self.job, self.ledger, self.progress = job, ledger, progress
        self.features = frozenset(each.feature for each in job.probes)
        self._start, self._total = job.process.evaluations, 0
        self._held_state = lru_cache(CHUNK)(ledger.state)  # the repeats of a base follow each other

    def do(self) -> None:
        """One round after another. A round is on record before it begins, so that a killed run goes on with it."""
        self._read_again()
        designs: dict[str, Design] | None = self._begun()
        held = self.ledger.evaluations()
        self._total = self.job.cost() - held
        estimates: list[Estimate] = []
        while designs is not None:
            self._total = max(self._total, self.job.allocator.expected(designs, estimates) - held)
            if self.job.plan.adaptive:
                told = {prompt: design.as_dict() for prompt, design in designs.items()}
                self.ledger.put(designs=self._recorded() | told)
            self._carry_out(designs)
            estimates = self._estimates()
            designs = self.job.allocator.next(designs, estimates, self._saved())

    def _saved(self) -> int:
        """Network rows that a screen has saved in the prompts of this plan."""
        if not self.job.plan.screen:
            return 0
        ended = self.ledger.screened()
        looks = ended.loc[ended["prompt"].isin(self.job.prompts), "look"].astype(int)
        return sum(self.job.process.cost(look) for look in looks)

    def _recorded(self) -> dict[str, Any]:
        return dict(self.ledger.get("designs") or {})

    def _begun(self) -> dict[str, Design]:
        """What an adaptive run of this folder had decided on, or the first designs."""
        told = self._recorded() if self.job.plan.adaptive else {}
        return {prompt: Design.of(told[prompt]) if prompt in told else new for prompt, new in self.job.first.items()}

    def _estimates(self) -> list[Estimate]:
        """What is known so far of every feature, for the allocator; an even grid asks for nothing."""
        plan = self.job.plan
        if not plan.adaptive:
            return []
        seen = (
            part[part["prompt"].isin(self.job.prompts) & part["feature"].isin(self.features)]
            for part in self.ledger.observations_in_parts()
        )
        record = self.ledger.get("record")
        grid, corrections = self.job.process.grid, corrections_of(record)
        stopped = plan.precision is not None
        asked: dict[str, Any] = {
            "groups": [ALL] if plan.precision_groups is None else None,
            "resamples": RESAMPLES if stopped else LOOK,
            "stopped": stopped,
        }
        return [
            estimate(each, grid, corrections.get(each.feature), seed=plan.seed, **asked)
            for each in readings_of(seen, record["labels"], list(grid.log_snr))
        ]

    def _screen(self, designs: Mapping[str, Design]) -> Screening:
        """What one round is screened by. It is on record before the round begins: later notes would change it."""
        features = sorted(self.features)
        told = json.dumps([features, {prompt: design.as_dict() for prompt, design in designs.items()}], sort_keys=True)
        key, held = hashlib.blake2b(told.encode(), digest_size=8).hexdigest(), self.ledger.get("screen") or {}
        if key not in held:
            held[key] = list(calibrate(self.ledger.looks(), features).items())
            self.ledger.put(screen=held)
        return Screening(self.job.process, self.job.probes, self.ledger, dict(held[key]), self.job.plan.seed)

    def _keep(self, designs: Mapping[str, Design]) -> tuple[int, ...]:
        """The levels whose states branch mode starts from; an adaptive run may come to need any."""
        if self.job.plan.mode is not Mode.BRANCH:
            return ()
        if self.job.plan.adaptive:
            return tuple(range(1, self.job.process.grid.top + 1))
        return tuple({level for design in designs.values() for level in design.levels})

    def _carry_out(self, designs: Mapping[str, Design]) -> None:
        """Make the bases and regenerations of some designs that are not there yet."""
        process, keep = self.job.process, self._keep(designs)
        bases: list[Base] = []
        walks: list[Iterator[Trial]] = []
        lost: list[Base] = []
        left = 0
        for prompt, design in designs.items():
            done = self.ledger.done(prompt, self.features)
            bases += [Base(prompt, int(index)) for index in self._bases_lacking(prompt, design, done, keep)]
            lost += [Base(prompt, index) for index in self.ledger.lost(prompt)]
            left += sum(len(part) * process.cost(int(part[0, 1])) for part in design.lacking(done) if len(part))
            walks.append(_trials(prompt, design.lacking(done)))
        spent = process.evaluations - self._start
        self._total = max(self._total, spent + left + len(bases) * process.cost(process.grid.top))
        noisiest_first = heapq.merge(*walks, key=lambda trial: -trial.level)  # no long walk is left alone at the end
        queue = Queue(bases, noisiest_first, lost)
        screen = self._screen(designs) if self.job.plan.screen else None
        while queue.left:  # slots run dry where all that is left waits for bases that are finished, not yet written
            made = process.make(queue, self._state, self.job.plan.mode, keep, screen)
            self._write_all(map(_as_finished, made), queue)

    def _bases_lacking(
        self, prompt: str, design: Design, done: NDArray[np.int64], keep: Collection[int]
    ) -> NDArray[np.int64]:
        """The bases that are not there, or not with every state that branch mode starts from."""
        there = done[done[:, 1] == 0, 0]
        if keep:
            kept = self.ledger.kept(prompt)
            there = np.array(
                [base for base in there.tolist() if all((base, level) in kept for level in keep)], np.int64
            )
        return np.setdiff1d(np.arange(design.bases), there)

    def _read_again(self) -> None:
        """Let new probes read the pictures that are kept, but for those that a screen ended for others' sake."""
        self.ledger.forget_screened(self.features)
        for chunk in self.ledger.unread(self.features, CHUNK):
            readings = readings_by(self.job.probes, load_pictures(self.ledger.folder, [i for _, _, i in chunk]))
            self.ledger.add([Sample(t, cost, im, None, r) for (t, cost, im), r in zip(chunk, readings, strict=True)])

    def _state(self, trial: Trial) -> State:
        import torch

        level = trial.level if self.job.plan.mode is Mode.BRANCH else 0
        return torch.from_numpy(self._held_state(trial.prompt, trial.base, level))

    def _write_all(self, finished: Iterable[Finished], queue: Queue) -> None:
        """Decode and read chunk by chunk, beside the network where that runs on a CUDA device; record here."""
        beside = self.job.process.device.startswith("cuda")
        for chunk, samples in ahead(self._samples, chunks(finished, CHUNK), beside=beside):
            self.ledger.add(samples, [kept for each in chunk for kept in each.states])
            for each in samples:
                if each.trial.level == 0:
                    queue.on_record(each.trial.of, lost=each.missing is not None)
            self.progress(self.job.process.evaluations - self._start, self._total)

    def _samples(self, finished: Sequence[Finished]) -> list[Sample]:
        """Decode and read one chunk, and save its pictures."""
        process = self.job.process
        told = [(each.trial, each.state, process.cost(each.trial.level or process.grid.top)) for each in finished]
        return read_samples(process, self.job.probes, self.ledger.folder, told)


@dataclass(frozen=True, eq=False)
class Finished:
    """A sample as the process hands it over, with the states of a base that are kept: (base, level, state)."""

    trial: Trial
    state: State
    states: tuple[tuple[Base, int, NDArray[Any]], ...] = ()


def _as_finished(made: Generation | tuple[Trial, State]) -> Finished:
    """A base stands in the ledger at level 0 of itself."""
    if isinstance(made, tuple):
        return Finished(*made)
    states = {0: made.state, **made.passed}
    kept = tuple((made.base, level, state.numpy()) for level, state in states.items())
    return Finished(Trial(made.base.prompt, made.base.index, 0, 0), made.state, kept)


def _trials(prompt: str, lacking: Iterable[NDArray[np.int64]]) -> Iterator[Trial]:
    """The regenerations (n, 3) of one prompt."""
    return (Trial(prompt, base, level, repeat) for part in lacking for base, level, repeat in part.tolist())


def ahead(work: Callable[[T], U], items: Iterable[T], *, beside: bool) -> Iterator[tuple[T, U]]:
    """Each item with what `work` makes of it, in order; `beside` works on another thread while items are made."""
    if not beside:
        yield from ((item, work(item)) for item in items)
        return
    waiting: deque[tuple[T, Future[U]]] = deque()
    with ThreadPoolExecutor(1, "reader") as reader:
        for item in items:
            waiting.append((item, reader.submit(work, item)))
            while waiting and (len(waiting) > WAITING or waiting[0][1].done()):
                done, made = waiting.popleft()
                yield done, made.result()
        while waiting:
            done, made = waiting.popleft()
            yield done, made.result()
