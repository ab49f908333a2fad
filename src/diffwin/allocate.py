"""What to regenerate next: the levels and bases that narrow the intervals asked for, weighed by what they cost.

A design says how many bases a prompt has and how often each is regenerated from each level. The even grid is one
design. The adaptive allocator begins with a few regenerations over the whole noise axis, then enlarges the design in
rounds: each time by what lessens the variance of onset, decision and end most for a network row, under the
two-component family fitted so far (an optimal design of those points, averaged over the resamples because the fit is
uncertain; Chaloner and Larntz 1989). A round grows with what was spent, so that the data are looked at a dozen times,
not at every trial.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from diffwin import family
from diffwin.errors import BadInput
from diffwin.estimate import Estimate
from diffwin.levels import FloatArray, Grid
from diffwin.survival import Curve, Readings, t_quantile
from diffwin.trials import ALL
from diffwin.window import CONFIDENCE, VALUES, Located, Status, fresh_counts

BLOCK = 1024
"""Bases whose regenerations are listed together."""

Cost = Callable[[int], int]
"""Network rows of one regeneration from a level; from the top one, of a base."""

FIRST_BASES = 40
FIRST_EXPLORED = 16
EXPLORED_LEVELS = 10
EXPLORED_SHARE = 0.05
"""The least share of the network rows that goes to levels all over the axis, whatever the fit says."""
BASES_SHARE = 0.2
"""The share of the rows that goes to bases, from which the floors are known and on which all intervals rest."""
GROWTH = 0.25
"""A round spends this share of what was spent before it."""
PAIR = 2
"""Repeats are added in pairs, whose noise is antithetic."""
PAIRS = 16
"""How many pairs are added at a time."""
NEAR = (0.15, 0.85)
"""Beyond these normalised survivals a level is left to the exploration: what it says of the decision hangs on the
family's being right far from it."""
BESIDE = 1.4
"""Distance in log-SNR from a decision to a look beside it: that of the edges of two components of one width."""
DRAWS = 16
"""Curves, of the sample and its resamples, over which a variance is averaged."""
LIKELY = 0.1
"""What the correlation between regenerations of one base is taken for before there are pairs enough to tell."""
LIKELY_PAIRS = 100


@dataclass(frozen=True, eq=False)
class Design:
    """What there shall be of one prompt: how often each base is regenerated from each level.

    counts: (bases, N + 1), column 0 unused.
    """

    counts: NDArray[np.int64]

    @classmethod
    def even(cls, bases: int, top: int, levels: Sequence[int], repeats: int) -> Design:
        counts = np.zeros((bases, top + 1), np.int64)
        counts[:, list(levels)] = repeats
        return cls(counts)

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Design:
        """From `as_dict`."""
        counts = np.zeros((told["bases"], told["top"] + 1), np.int64)
        for level, column in told["counts"].items():
            counts[: len(column), int(level)] = column
        return cls(counts)

    def as_dict(self) -> dict[str, Any]:
        columns = {str(level): self.counts[:, level].tolist() for level in self.levels}
        return {"bases": self.bases, "top": self.counts.shape[1] - 1, "counts": columns}

    @property
    def bases(self) -> int:
        return len(self.counts)

    @property
    def levels(self) -> list[int]:
        return [int(level) for level in np.flatnonzero(self.counts.any(axis=0))]

    def lacking(self, done: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
        """Base, level and repeat (n, 3) of the regenerations that are not done (m, 3), noisiest first.

        A part at a time, and as numbers, so that a plan of millions needs no more memory than a small one.
        """
        done = done[np.argsort(done[:, 0])]
        for level in reversed(self.levels):
            here = done[done[:, 1] == level]
            for start in range(0, self.bases, BLOCK):
                counts = self.counts[start : start + BLOCK, level]
                base = np.repeat(np.arange(start, start + len(counts)), counts)
                repeat = np.arange(len(base)) - np.repeat(np.cumsum(counts) - counts, counts)
                first, last = np.searchsorted(here[:, 0], (start, start + BLOCK))
                there = here[first:last, 0], here[first:last, 2]
                width = 1 + max(repeat.max(initial=0), there[1].max(initial=0))
                left = ~np.isin(base * width + repeat, there[0] * width + there[1])
                yield np.stack([base, np.full_like(base, level), repeat], axis=1)[left]

    def rows(self, cost: Cost) -> int:
        """Network rows of the whole design, its bases among them."""
        each = [cost(level) for level in range(self.counts.shape[1])]
        return self.bases * each[-1] + int(self.counts.sum(axis=0) @ each)

    def looked_at(self, levels: Sequence[int], bases: int) -> Design:
        """With each of so many bases regenerated once, at least, from each of some levels."""
        counts = self.counts.copy()
        counts[:bases, list(levels)] = np.maximum(counts[:bases, list(levels)], 1)
        return Design(counts)

    def with_pairs(self, level: int, pairs: int) -> Design:
        """With a pair of repeats more at a level for those bases that have the fewest there, and in all.

        Whatever their labels: a level that one label alone is regenerated from would tell of all bases what is true of
        that label.
        """
        counts = self.counts.copy()
        fewest = np.lexsort((np.arange(self.bases), counts.sum(axis=1), counts[:, level]))[:pairs]
        counts[fewest, level] += PAIR
        return Design(counts)

    def regenerating(self, bases: int) -> Design:
        """With no more than the first so many bases regenerated; the others only add to shares and floors."""
        counts = self.counts.copy()
        counts[bases:] = 0
        return Design(counts)

    def with_bases(self, bases: int) -> Design:
        """With new bases."""
        return Design(np.concatenate([self.counts, np.zeros((bases, self.counts.shape[1]), np.int64)]))


@dataclass(frozen=True)
class Even:
    """The same design for every prompt, in one part or several, each of which holds the one before it."""

    designs: Sequence[Design]

    def first(self, prompts: Sequence[str]) -> dict[str, Design]:
        return dict.fromkeys(prompts, self.designs[0])

    def next(self, designs: Mapping[str, Design], estimates: Sequence[Estimate]) -> dict[str, Design] | None:
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

    def next(self, designs: Mapping[str, Design], estimates: Sequence[Estimate]) -> dict[str, Design] | None:
        """The designs of the next round, or None: the aim is met, or nothing that could help can be paid for.

        Bases and exploration that are due at their shares are made even where the intervals are narrow enough, and the
        run ends at a look that finds nothing more due. `estimates` are of every prompt and feature that has been read,
        with the groups that are to be known precisely.
        """
        spent = self.spent(designs)
        room = min(self.aim.budget - spent, max(1, int(GROWTH * spent)))
        before = designs
        designs, looked = self._looked_on(dict(designs), estimates, room)
        targets = [
            _Target.of(each, group, self.grid)
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
        error = np.sqrt(_Target.of(estimate, group, self.grid).variance(design)[1])
        predicted = t_quantile(CONFIDENCE, estimate.located[group].bases) * error
        return float(max([predicted / precision, *ratios]))

    def _looked_on(
        self, designs: dict[str, Design], estimates: Sequence[Estimate], room: int
    ) -> tuple[dict[str, Design], int]:
        """Exploration: at its share of the rows over the whole axis, more where a feature's outcome still hangs on it,
        and to both sides of each decision, so that no window is taken for narrow because nobody looked beside it."""
        before = self.spent(designs)
        for prompt, design in designs.items():
            mine = [each for each in estimates if each.readings.prompt == prompt]
            looked = int((design.counts[:, self.explore] > 0).all(axis=1).sum())
            due = int(EXPLORED_SHARE * design.rows(self.cost) / sum(map(self.cost, self.explore)))
            more = looked + FIRST_EXPLORED // 2 if any(map(_open, mine)) else 0
            grown = self._with_bases(design).looked_at(self.explore, max(more, due))
            for tried in (self._beside(grown, mine), grown):
                if self.spent(designs | {prompt: tried}) - before <= room:
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

    def _enlarged(self, designs: dict[str, Design], targets: Sequence[_Target], room: int) -> dict[str, Design]:
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

    def _moves(self, prompt: str, design: Design, targets: Sequence[_Target]) -> Iterator[tuple[float, int, Design]]:
        """Each way to enlarge one prompt's design, with the variance it takes away and the rows it costs."""
        mine = [each for each in targets if each.prompt == prompt]
        if not mine:
            return
        now, rows = sum(each.loss(design) for each in mine), design.rows(self.cost)
        for tried in self._enlargements(design, mine):
            gain = now - sum(each.loss(tried) for each in mine)
            yield gain, tried.rows(self.cost) - rows, tried

    def _enlargements(self, design: Design, targets: Sequence[_Target]) -> Iterator[Design]:
        """A few pairs more at each level near a decision."""
        near = sorted({level for each in targets for level in each.near})
        yield from (design.with_pairs(level, min(PAIRS, design.bases)) for level in near)


def _open(estimate: Estimate) -> bool:
    """Whether looking at more levels could still change the outcome."""
    return estimate.located[ALL].window.status not in (Status.FOUND, Status.NO_EFFECT)


@dataclass(frozen=True, eq=False)
class _Target:
    """The points of one group, and what is known of how their variance follows from a design.

    For regenerations with mean S and variance V at each level, correlated by `rho` within a base, the estimate that
    weighs levels by information I = sum_l n_l J_l J_l' / V_l has variance c' I^-1 M I^-1 c, c the gradient of the
    decision and M the variance of the score (the sandwich of Liang and Zeger 1986 with an exchangeable correlation).
    """

    prompt: str
    group: str
    grid: Grid
    near: tuple[int, ...]
    belongs: FloatArray  # (bases,): 1 for those of the group; beyond them, as many as its share
    share: float
    slopes: FloatArray  # (draws, levels of the grid + 1, 3): d survival / d theta
    variances: FloatArray  # (draws, levels + 1)
    gradients: FloatArray  # (draws, 3, 3): d (onset, decision, end) / d theta
    floor: FloatArray  # (draws,): variance of one fresh count, floor (1 - floor)
    fresh: float  # fresh counts that a base is worth
    rho: float

    @classmethod
    def of(cls, estimate: Estimate, group: str, grid: Grid) -> _Target:
        located, curve, readings = estimate.located[group], estimate.used[group], estimate.readings
        theta = _draws(located, curve)
        x = np.where(np.isfinite(grid.log_snr), grid.log_snr, 50.0)
        slopes = _jacobian(lambda at: family.survival(at, x, group), theta)
        a, b = curve.scale
        share = np.clip(a + b * family.survival(theta, x, group), 0.01, 0.99)
        gradients = _jacobian(lambda at: family.crossings(at, VALUES, group), theta)
        low, high = family.crossings(theta, NEAR, group).mean(axis=0)
        near = tuple(level for level in range(1, grid.top + 1) if low <= x[level] <= high)
        floor = expit(theta[:, 2])
        belongs = np.zeros(len(readings.base_labels))
        belongs[readings.members(group)] = 1.0
        return cls(
            readings.prompt, group, grid, near, belongs, float(belongs.mean()), slopes, share * (1 - share) / b**2,
            gradients, floor * (1 - floor), fresh_counts(curve) / curve.bases, correlation(readings),
        )  # fmt: skip

    def variance(self, design: Design) -> FloatArray:
        """Predicted variance of onset, decision and end in log-SNR squared, (3,), averaged over the draws."""
        belongs = np.pad(self.belongs, (0, design.bases - len(self.belongs)), constant_values=self.share)
        each = design.counts.T.astype(float)  # (levels, bases)
        counts = each @ belongs
        weights = self.slopes / self.variances[..., None]
        information = (weights * counts[:, None]).swapaxes(1, 2) @ self.slopes
        information[:, 1, 1] += 1.0
        fresh = self.fresh * belongs.sum() * self.floor
        information[:, 2, 2] += fresh
        to = np.linalg.solve(information, self.gradients.swapaxes(1, 2))  # (draws, theta, points)
        scores = (weights @ to).swapaxes(1, 2) * np.sqrt(self.variances)[:, None, :]  # (draws, points, levels)
        alone = scores**2 @ counts
        together = (scores @ each) ** 2 @ belongs  # of all regenerations of a base, were they one
        found = (1 - self.rho) * alone + self.rho * together + to[:, 2] ** 2 * fresh[:, None]
        return np.asarray(np.sqrt(found).mean(axis=0) ** 2)

    def loss(self, design: Design) -> float:
        """What an allocator lessens: the variances of onset, decision and end together.

        The decision's alone would lie as near the decision as it can, and a window that looked narrow at first would
        never be looked at outside it and stay too narrow.
        """
        return float(self.variance(design).sum())


def _draws(located: Located, curve: Curve) -> FloatArray:
    """The family (draws, 3) through onset, decision and end of the sample and some of its resamples."""
    assert located.draws is not None
    told = np.flatnonzero(np.isfinite(located.draws).all(axis=1) & (curve.floor < 1))
    picked = told[np.linspace(0, len(told) - 1, min(DRAWS, len(told))).astype(int)]
    floor = np.clip(curve.floor[picked], 0.01, 0.99)
    return family.through(located.draws[picked], VALUES, np.asarray(logit(floor)), located.window.group)


def _jacobian(of: Callable[[FloatArray], FloatArray], theta: FloatArray, step: float = 1e-3) -> FloatArray:
    """(rows, n, 3): d of (rows, n) / d theta (rows, 3), by central differences."""
    moved = [(of(theta + move) - of(theta - move)) / (2 * step) for move in step * np.eye(3)]
    return np.stack(moved, axis=2)


def correlation(readings: Readings) -> float:
    """Correlation between regenerations of one base, over all levels where some survive and some do not.

    Each outcome less its level's mean, divided by its standard deviation; the mean product of pairs within a base,
    drawn towards `LIKELY` while there are few pairs.
    """
    read, survived = readings.read.astype(float), readings.survived.astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = survived.sum(axis=0) / read.sum(axis=0)
        inside = (mean > 0.02) & (mean < 0.98)
        residual = ((survived - read * mean) / np.sqrt(mean * (1 - mean)))[:, inside]
    trials = read[:, inside].sum(axis=1)
    products = residual.sum(axis=1) ** 2 - (residual_squares(survived, read, mean))[:, inside].sum(axis=1)
    pairs = (trials**2 - trials).sum()
    return float(np.clip((products.sum() + LIKELY * LIKELY_PAIRS) / (pairs + LIKELY_PAIRS), 0.0, 0.9))


def residual_squares(survived: FloatArray, read: FloatArray, mean: FloatArray) -> FloatArray:
    """Sum over the regenerations of a base and level of their squared standardised residuals."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((survived * (1 - mean) ** 2 + (read - survived) * mean**2) / (mean * (1 - mean)))
