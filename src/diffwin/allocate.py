"""What to regenerate next: the levels and bases that narrow the intervals asked for, weighed by what they cost.

A design says how many bases a prompt has and how often each is regenerated from each level. The even grid is one
design. The adaptive allocator begins with a few regenerations over the whole noise axis, then enlarges the design in
rounds: each time by what lessens the variance of onset, decision and end most for a network row, under the
two-component family fitted so far (an optimal design of those points, averaged over the resamples because the fit is
uncertain; Chaloner and Larntz 1989). A round grows with what was spent, so that the data are looked at some ten times,
not at every trial.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from diffwin.design import PAIR, Cost, Design
from diffwin.errors import BadInput
from diffwin.estimate import Estimate
from diffwin.levels import Grid
from diffwin.survival import t_quantile
from diffwin.target import Target
from diffwin.trials import ALL
from diffwin.window import CONFIDENCE, Status

FIRST_BASES = 40
FIRST_EXPLORED = 8
EXPLORED_LEVELS = 10
EXPLORED_SHARE = 0.05
"""The least share of the network rows that goes to levels all over the axis, whatever the fit says."""
BASES_SHARE = 0.35
"""The share of the rows that goes to bases, from which the floors are known and on which all intervals rest."""
GROWTH = (0.2, 0.5)
"""The least and the greatest share of what was spent that a round adds, and what is expected to be lacking between the
two; or what the dearest of its moves costs. Many small rounds are worse: a level that looked good by chance is left
alone sooner, so that intervals of the same width hold less often."""
PAIRS = 16
"""How many pairs are added at a time."""
BESIDE = 1.4
"""Distance in log-SNR from a decision to a look beside it: somewhat beyond the edges of two components."""


@dataclass(frozen=True)
class Even:
    """The same design for every prompt, in one part or several, each of which holds the one before it."""

    designs: Sequence[Design]

    def first(self, prompts: Sequence[str]) -> dict[str, Design]:
        return dict.fromkeys(prompts, self.designs[0])

    def next(
        self, designs: Mapping[str, Design], estimates: Sequence[Estimate], saved: int = 0
    ) -> dict[str, Design] | None:
        """The next part, or None."""
        done = max(each.counts.sum() for each in designs.values())
        more = (each for each in self.designs if each.counts.sum() > done)
        return next((dict.fromkeys(designs, each) for each in more), None)

    def expected(self, designs: Mapping[str, Design], estimates: Sequence[Estimate]) -> int:
        """Nothing beyond the design itself."""
        return 0


@dataclass(frozen=True)
class Aim:
    """When to stop: at a half-width of every decision's interval, of the edges' and of every label's decision too, or
    after so many network rows."""

    budget: int
    precision: float | None = None
    edges: float | None = None
    groups: float | None = None
    most_bases: int | None = None

    def widths(self, group: str) -> tuple[float | None, float | None]:
        """The half-widths that the decision and the edges of a group shall have; None is whatever comes of itself."""
        return (self.precision, self.edges) if group == ALL else (self.groups, None)


@dataclass(frozen=True, eq=False)
class Adaptive:
    """Enlarges the designs of all prompts together until the aim is met."""

    grid: Grid
    cost: Cost
    aim: Aim

    @cached_property
    def explore(self) -> tuple[int, ...]:
        return self.grid.spread(EXPLORED_LEVELS, -np.inf, np.inf)

    def first(self, prompts: Sequence[str]) -> dict[str, Design]:
        """A look at the whole axis; BadInput if the budget does not pay for it."""
        bases = min(FIRST_BASES, self.aim.most_bases or FIRST_BASES)
        design = Design.even(bases, self.grid.top, (), 0).looked_at(self.explore, FIRST_EXPLORED)
        least = len(prompts) * design.rows(self.cost)
        if least > self.aim.budget:
            raise BadInput(
                f"a first look at the noise levels costs {least:,} network rows, and the budget is {self.aim.budget:,}",
                where="--budget",
                cure="give more, or measure a few --levels on a few --bases",
            )
        return dict.fromkeys(prompts, design)

    def next(
        self, designs: Mapping[str, Design], estimates: Sequence[Estimate], saved: int = 0
    ) -> dict[str, Design] | None:
        """The designs of the next round, or None: the aim is met, or nothing that could help can be paid for.

        Bases and exploration that are due at their shares are made even where the intervals are narrow enough, and the
        run ends at a look that finds nothing more due. `estimates` are of every prompt and feature that has been read,
        with the groups that are to be known precisely. `saved` network rows of the designs were not spent, since a
        screen ended regenerations early; those to come are counted whole.
        """
        spent = self.spent(designs)
        left = self.aim.budget - (spent - saved)
        least, most = (int(share * spent) for share in GROWTH)
        lacking = min(max(self.expected(designs, estimates) - spent, least), most)
        room = min(left, max(lacking, PAIR * PAIRS * self.cost(self.grid.top)))
        before = designs
        designs, looked = self._looked_on(dict(designs), estimates, room, left)
        targets = [
            Target.of(each, group, self.grid)
            for each in estimates
            for group in each.located
            if self.shortfall(each, group, before[each.readings.prompt]) > 1
        ]
        moved = self._enlarged(designs, targets, room - looked)
        return moved if self.spent(moved) > spent else None

    def spent(self, designs: Mapping[str, Design]) -> int:
        return sum(design.rows(self.cost) for design in designs.values())

    def expected(self, designs: Mapping[str, Design], estimates: Sequence[Estimate]) -> int:
        """Network rows that the aim will have taken, as far as can be told: variance falls as rows grow."""
        if self.aim.precision is None:
            return self.aim.budget
        short = [
            self.shortfall(each, group, designs[each.readings.prompt]) for each in estimates for group in each.located
        ]
        return min(self.aim.budget, int(self.spent(designs) * max([1.0, *short]) ** 2))

    def shortfall(self, estimate: Estimate, group: str, design: Design) -> float:
        """By how much an interval is wider than it shall be: infinitely where no precision is asked for, 0 where there
        is no window.

        A run that stops as soon as its interval is narrow stops by preference when the interval is too narrow. So the
        width that theory predicts of the design has to be small enough as well, which hardly varies from look to look.
        """
        window = estimate.located[group].window
        if window.status is not Status.FOUND:
            return 0.0
        precision, edges = self.aim.widths(group)
        if precision is None:
            return np.inf if group == ALL else 0.0
        wanted = [(window.decision, precision)]
        if edges is not None:
            wanted += [(point, edges) for point in (window.onset, window.end)]
        ratios = [(point.high - point.low) / (2 * width) for point, width in wanted if point is not None]
        error = np.sqrt(Target.of(estimate, group, self.grid).variance(design)[1])
        predicted = t_quantile(CONFIDENCE, estimate.located[group].bases) * error
        return float(max([predicted / precision, *ratios]))

    def _looked_on(
        self, designs: dict[str, Design], estimates: Sequence[Estimate], room: int, left: int
    ) -> tuple[dict[str, Design], int]:
        """Exploration: at its share of the rows over the whole axis, more where a feature's outcome still hangs on it
        (out of all rows that are left, for there is nothing else to do for it), and to both sides of each decision, so
        that no window is taken for narrow because nobody looked beside it."""
        before = self.spent(designs)
        for prompt, design in designs.items():
            mine = [each for each in estimates if each.readings.prompt == prompt]
            looked = int((design.counts[:, self.explore] > 0).all(axis=1).sum())
            due = int(EXPLORED_SHARE * design.rows(self.cost) / sum(map(self.cost, self.explore)))
            waits = any(map(_open, mine))
            more = looked + FIRST_EXPLORED // 2 if waits else 0
            grown = self._with_bases(design).looked_at(self.explore, max(more, due))
            for tried in (self._beside(grown, mine), grown):
                if self.spent(designs | {prompt: tried}) - before <= (left if waits else room):
                    designs = designs | {prompt: tried}
                    break
        return designs, self.spent(designs) - before

    def _with_bases(self, design: Design) -> Design:
        """With new bases up to their share of the rows. How many there are must not hang on what they show: a run that
        ceased to make bases once the floor looked sure would cease by preference when it looks surer than it is."""
        due = int(BASES_SHARE * design.rows(self.cost) / self.cost(self.grid.top))
        more = min(due, self.aim.most_bases or due) - design.bases
        return design.with_bases(more) if more > 0 else design

    def _beside(self, design: Design, estimates: Sequence[Estimate]) -> Design:
        """With a look at the level next to each place beside a decision, unless one was looked at close by."""
        decisions = [each.located[ALL].window.decision for each in estimates]
        for place in (point.log_snr + way for point in decisions if point is not None for way in (-BESIDE, BESIDE)):
            seen = [level for level in design.levels if np.count_nonzero(design.counts[:, level]) >= FIRST_EXPLORED]
            if np.abs(self.grid.log_snr[seen] - place).min(initial=np.inf) > BESIDE / 3:
                level = 1 + int(np.abs(self.grid.log_snr[1:] - place).argmin())
                design = design.looked_at([level], FIRST_EXPLORED)
        return design

    def _enlarged(self, designs: dict[str, Design], targets: Sequence[Target], room: int) -> dict[str, Design]:
        """Greedily, one move after another, what lessens the summed variance most for a row, while it can be paid."""
        while True:
            moves = [
                (gain / rows, prompt, design)
                for prompt in designs
                for gain, rows, design in self._moves(prompt, designs[prompt], targets)
                if rows <= room and gain > 0
            ]
            if not moves:
                return designs
            _, prompt, design = max(moves, key=lambda move: move[0])
            room -= design.rows(self.cost) - designs[prompt].rows(self.cost)
            designs = designs | {prompt: design}

    def _moves(self, prompt: str, design: Design, targets: Sequence[Target]) -> Iterator[tuple[float, int, Design]]:
        """Each way to enlarge one prompt's design, with the variance it takes away and the rows it costs."""
        mine = [each for each in targets if each.prompt == prompt]
        if not mine:
            return
        now, rows = sum(each.loss(design) for each in mine), design.rows(self.cost)
        for tried in self._enlargements(design, mine):
            gain = now - sum(each.loss(tried) for each in mine)
            yield gain, tried.rows(self.cost) - rows, tried

    def _enlargements(self, design: Design, targets: Sequence[Target]) -> Iterator[Design]:
        """A few pairs more at each level near a decision."""
        near = sorted({level for each in targets for level in each.near})
        yield from (design.with_pairs(level, min(PAIRS, design.bases)) for level in near)


def _open(estimate: Estimate) -> bool:
    """Whether looking at more levels could still change the outcome."""
    return estimate.located[ALL].window.status not in (Status.FOUND, Status.NO_EFFECT)
