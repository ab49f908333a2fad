"""A plan with everything that it names at hand: the model, the probes, and what a run records of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from diffwin.additions import check_tokens
from diffwin.allocate import Adaptive, Aim, Even
from diffwin.defaults import BASES, GENERATIONS, LEVELS, PATIENCE, REPEATS
from diffwin.design import Design
from diffwin.errors import BadInput
from diffwin.models import ModelCard, describe
from diffwin.plan import Plan
from diffwin.version import VERSION

if TYPE_CHECKING:
    from diffwin.probes.base import Probe
    from diffwin.process.base import Process


FOR_PICTURES = ("gender", "skin-tone", "age", "background-colour")
"""What is read in the pictures of a text-to-image model that names no probes of its own."""

RECORDED = ("diffusers", "numpy", "open_clip_torch", "torch", "transformers")


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
        """BadInput for the token of an embedding that no prompt has."""
        check_tokens(self.process.tokens, (*self.plan.prompts, self.plan.negative_prompt))

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
        prompts=plan.prompts,
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
