"""run(plan): the one function that joins the rest.

Bases are generated, trials regenerate from them, probes read both, the ledger keeps everything; curves, windows and
the report follow from the ledger alone.
"""

from __future__ import annotations

import hashlib
import heapq
import json
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from diffwin.allocate import Adaptive, Aim, Design, Even
from diffwin.defaults import BASES, GENERATIONS, LEVELS, PATIENCE, REPEATS
from diffwin.errors import BadInput
from diffwin.estimate import Estimate, estimate
from diffwin.ledger import Ledger, Sample
from diffwin.models import ModelCard, describe
from diffwin.pictures import load_pictures
from diffwin.plan import Plan
from diffwin.reading import chunks, read_samples, readings_by
from diffwin.results import Run, corrections_of
from diffwin.screen import calibrate
from diffwin.screening import Screening
from diffwin.settled import Seal, folder_of
from diffwin.survival import RESAMPLES, readings_of
from diffwin.trials import ALL, Base, Mode, Trial
from diffwin.version import VERSION

if TYPE_CHECKING:
    from diffwin.probes.base import Probe
    from diffwin.process.base import Generation, Process, State

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

FOR_PICTURES = ("gender", "skin-tone", "age", "background-colour")
"""What is read in the pictures of a text-to-image model that names no probes of its own."""

RECORDED = ("diffusers", "numpy", "open_clip_torch", "torch", "transformers")


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
        _Work(job, ledger, progress).do()
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


@dataclass(frozen=True, eq=False)
class Job:
    """A plan with everything it names at hand."""

    plan: Plan
    process: Process
    probes: Sequence[Probe]

    @property
    def prompts(self) -> tuple[str, ...]:
        return self.plan.prompts or ("",)

    def check_tokens(self) -> None:
        """BadInput for the token of an embedding that no prompt has, so that it would change nothing."""
        for token in self.process.tokens:
            if not any(token in prompt for prompt in (*self.plan.prompts, self.plan.negative_prompt)):
                raise BadInput(f"no prompt has {token}", where="--embedding", cure="write it in one, or leave it out")

    @property
    def identity(self) -> dict[str, Any]:
        """The plan's identity and the content of its model: a folder with other weights is another model."""
        return self.plan.identity() | {"content": self.process.provenance.get("content", "")}

    @cached_property
    def allocator(self) -> Even | Adaptive:
        """Who says what to regenerate."""
        plan, process = self.plan, self.process
        if not plan.adaptive:
            levels, bases = process.grid.spread(plan.levels or LEVELS), plan.bases or BASES
            design = Design.even(bases, process.grid.top, levels, plan.repeats or REPEATS)
            again = plan.regenerated or bases
            whole = design.regenerating(again)
            return Even([design.regenerating(-(-again // 2)), whole] if plan.screen else [whole])
        usual = GENERATIONS * process.cost(process.grid.top) * len(self.prompts)
        budget = plan.budget or (usual if plan.precision is None else PATIENCE * usual)
        aim = Aim(budget, plan.precision, plan.precision_edges, plan.precision_groups, plan.bases)
        return Adaptive(process.grid, process.cost, aim)

    @cached_property
    def first(self) -> dict[str, Design]:
        """What is generated before anything is known; all that there is to an even grid."""
        return self.allocator.first(self.prompts)

    def cost(self) -> int:
        """Network rows of the first designs; of all that is planned on an even grid."""
        first = self.first
        if isinstance(self.allocator, Even):
            first = dict.fromkeys(first, self.allocator.designs[-1])
        return sum(design.rows(self.process.cost) for design in first.values())

    def outlook(self) -> str:
        """What the plan would cost, in words."""
        levels = ", ".join(map(str, sorted({level for design in self.first.values() for level in design.levels})))
        rows = f"{self.cost():,} network rows at levels {levels}"
        if isinstance(self.allocator, Even):
            return rows
        aim = self.allocator.aim
        until = "" if aim.precision is None else f"until half-widths of {aim.precision:g} in log-SNR, "
        return f"{rows}, then where intervals narrow most: {until}{aim.budget:,} rows at most,"

    def record(self, before: dict[str, Any] | None) -> dict[str, Any]:
        """What the results need to know of the run, joined with what an earlier, smaller plan put there."""
        empty: dict[str, Any] = {
            "plan": {"prompts": []},
            "labels": {},
            "sensitive": [],
            "probes": {},
            "confusion": {},
        }
        before = before or empty
        self._refuse_other_readers(before)
        grid, process = self.process.grid, self.process
        plan = self.plan.model_dump(mode="json")
        plan["prompts"] = list(dict.fromkeys([*before["plan"]["prompts"], *self.plan.prompts]))
        return {
            "plan": plan,
            "model": {
                "name": process.name,
                "solver": process.solver,
                "stochastic": process.stochastic,
                "provenance": process.provenance,
            },
            "grid": {name: getattr(grid, name).tolist() for name in ("alpha", "sigma", "time")},
            "labels": before["labels"] | {each.feature: list(each.labels) for each in self.probes},
            "sensitive": sorted({*before["sensitive"], *(each.feature for each in self.probes if each.sensitive)}),
            "probes": before["probes"] | {each.name: each.provenance for each in self.probes},
            "confusion": before.get("confusion", {}) | dict(_confusions(self.probes)),
            "versions": {"diffwin": VERSION} | {name: version(name) for name in RECORDED},
        }

    def _refuse_other_readers(self, before: dict[str, Any]) -> None:
        """BadInput for a feature that another probe has read here: two readers' labels must not share a curve."""
        for each in self.probes:
            if each.feature in before["labels"] and before["probes"].get(each.name) != each.provenance:
                raise BadInput(
                    f"{each.feature} was read here by another probe, or another version of {each.name}",
                    where="--probe",
                    cure="use the same probe, or another --out",
                )


def _confusions(probes: Iterable[Probe]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The measured error of each probe that has one, by feature."""
    for each in probes:
        if each.confusion is not None:
            counts = None if each.confusion.counts is None else list(each.confusion.counts)
            yield each.feature, {"matrix": each.confusion.matrix.tolist(), "counts": counts}


def prepare(plan: Plan) -> Job:
    """Load what a plan names and check all of it, before anything is written."""
    from diffwin.probes.load import load_probes
    from diffwin.process.load import load

    plan = fill(plan, describe(plan.model))
    process = load(
        plan.model,
        solver=plan.solver,
        steps=plan.steps,
        guidance=plan.guidance,
        negative_prompt=plan.negative_prompt,
        seed=plan.seed,
        device=plan.device,
        dtype=plan.dtype,
        slots=plan.slots,
        compiled=plan.compile,
        eta=plan.eta,
        revision=plan.revision,
        size=plan.size,
        lora=plan.lora,
        embedding=plan.embedding,
        vae=plan.vae,
    )
    if process.takes_prompt and not plan.prompts:
        raise BadInput(f"{process.name} needs a prompt", where="--prompt", cure='give one, such as --prompt "a cook"')
    for prompt in plan.prompts:
        process.check_prompt(prompt)
    if not plan.probes and process.takes_prompt:
        plan = plan.model_copy(update={"probes": FOR_PICTURES})
    probes = load_probes(plan.probes, process, device=plan.device)
    if not probes:
        raise BadInput(
            f"no probe is known for {process.name}", where="--probe", cure="name one; see `diffwin list probes`"
        )
    # the grid may be coarser than asked for, and results name what was done
    plan = plan.model_copy(update={"steps": process.grid.top, "solver": process.solver, "guidance": process.guidance})
    return Job(plan, process, probes)


def fill(plan: Plan, card: ModelCard) -> Plan:
    """The plan with the model's own choices where it made none."""
    own = {name: getattr(card, name) for name in ("solver", "steps", "guidance", "size") if getattr(plan, name) is None}
    if not plan.probes:
        own["probes"] = tuple(card.probes)
    return plan.model_copy(update=own)


class _Work:
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
            designs = self.job.allocator.next(designs, estimates)

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
        keep, cost = self._keep(designs), self.job.process.cost
        bases: list[Base] = []
        walks: list[Iterator[Trial]] = []
        left = 0
        for prompt, design in designs.items():
            done = self.ledger.done(prompt, self.features)
            bases += [Base(prompt, int(index)) for index in self._bases_lacking(prompt, design, done, keep)]
            left += sum(len(part) * cost(int(part[0, 1])) for part in design.lacking(done) if len(part))
            walks.append(self._trials(prompt, design.lacking(done)))
        spent = self.job.process.evaluations - self._start
        self._total = max(self._total, spent + left + len(bases) * cost(self.job.process.grid.top))
        self._write_all(map(_as_finished, self.job.process.sample(bases, keep)))
        noisiest_first = heapq.merge(*walks, key=lambda trial: -trial.level)  # no long walk is left alone at the end
        screen = self._screen(designs) if self.job.plan.screen else None
        again = self.job.process.regenerate(noisiest_first, self._state, self.job.plan.mode, screen)
        self._write_all(Finished(trial, state) for trial, state in again)

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

    def _trials(self, prompt: str, lacking: Iterable[NDArray[np.int64]]) -> Iterator[Trial]:
        """The regenerations (n, 3) of all bases but those that were lost."""
        lost = self.ledger.lost(prompt)
        for part in lacking:
            for base, level, repeat in part.tolist():
                if base not in lost:
                    yield Trial(prompt, base, level, repeat)

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

    def _write_all(self, finished: Iterable[Finished]) -> None:
        """Decode and read chunk by chunk, beside the network where that runs on a CUDA device; record here."""
        beside = self.job.process.device.startswith("cuda")
        for chunk, samples in ahead(self._samples, chunks(finished, CHUNK), beside=beside):
            self.ledger.add(samples, [kept for each in chunk for kept in each.states])
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


def _as_finished(made: Generation) -> Finished:
    """A base stands in the ledger at level 0 of itself."""
    states = {0: made.state, **made.passed}
    kept = tuple((made.base, level, state.numpy()) for level, state in states.items())
    return Finished(Trial(made.base.prompt, made.base.index, 0, 0), made.state, kept)


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
