"""A Gaussian mixture tree as a hierarchical sampler (Li & Chen 2024; Li, Karan & Chen 2025, section 5).

Eight components are the leaves of a balanced binary tree with a scale a depth, and one label a depth: kind, family,
species. A run of the engine should decide kind before family before species, each choice where theory has it, and a
sample of one species noised to a level between two choices and regenerated should be one of the sub-population that
has not split there. Writes `mixture-tree.md`, `mixture-tree.png` and `mixture-tree-survival.png`.

    python experiments/mixture_tree.py --out docs
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import combinations, count, product
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import diffwin
from cards import table
from comparison import (
    NONE,
    Compared,
    comparison,
    dots,
    measured_survival,
    plain,
    with_error,
    with_interval,
    write_figure,
    write_page,
)
from diffwin import Run
from diffwin.estimate import estimate
from diffwin.levels import FloatArray
from diffwin.predict.prediction import COMPONENTS, Prediction, predict
from diffwin.predict.tree_figure import tree_figure
from diffwin.report.style import FEATURES, INK, MUTED, looks
from diffwin.survival import Readings, standard_error
from diffwin.theory.blink import printed_thresholds_among, regeneration_bound
from diffwin.theory.pair import crossing
from diffwin.theory.subpopulations import Threshold, between, critical_window
from diffwin.theory.tree import Node
from diffwin.trials import ALL
from diffwin.window import Window
from diffwin.worlds.mixture import GaussianMixture
from diffwin.worlds.read import read_world
from told_apart import ToldApart

DEPTHS = ("kind", "family", "species")
SIZES = (130.0, 20.0, 3.0)
"""Half the distance of the parts at each depth, along an axis that each choice has to itself."""

EPS = 0.2
"""Of the thresholds by total variation: at .1 the scales would have to lie farther apart."""


@dataclass(frozen=True)
class Leaf:
    """A component by its path from the root, such as (0, 1, 1)."""

    path: tuple[int, ...]

    @property
    def labels(self) -> dict[str, str]:
        """Labels name the path so far: B, B2, B2b."""
        marks = ("AB", "12", "ab")
        whole = "".join(mark[step] for mark, step in zip(marks, self.path, strict=True))
        return {feature: whole[: k + 1] for k, feature in enumerate(DEPTHS)}

    @property
    def axes(self) -> dict[int, float]:
        """The mean, by the axis of each choice on the path: choices are numbered row by row."""
        found = {}
        for depth, size in enumerate(SIZES):
            before = int("0" + "".join(map(str, self.path[:depth])), 2)
            found[2**depth - 1 + before] = size if self.path[depth] else -size
        return found


LEAVES = tuple(Leaf(path) for path in product((0, 1), repeat=len(DEPTHS)))
SHARED = np.array([[next((k for k in range(3) if a.path[k] != b.path[k]), 3) for b in LEAVES] for a in LEAVES])
"""How many choices two leaves have in common, (8, 8): 3 for the same, 0 where even the kind differs."""


def write_world(folder: Path) -> Path:
    lines = ['kind = "gaussian-mixture"', 'name = "tree"', "dimension = 7"]
    for leaf in LEAVES:
        mean = ", ".join(f"{axis} = {value}" for axis, value in leaf.axes.items())
        labels = ", ".join(f'{feature} = "{label}"' for feature, label in leaf.labels.items())
        lines += ["[[component]]", "weight = 1.0", f"axis = {{{mean}}}", f"labels = {{{labels}}}"]
    path = folder / "tree.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def within(readings: Readings, parts: list[list[int]]) -> Readings:
    """Which of two parts it was, of the bases and the regenerations that are in either; `parts` are label indices."""
    bases = np.flatnonzero(np.isin(readings.base_labels, [*parts[0], *parts[1]]))
    labels = np.array([int(label in parts[1]) for label in readings.base_labels[bases]])
    counts = np.stack([readings.counts[bases][:, :, part].sum(axis=2) for part in parts], axis=2)
    same = np.take_along_axis(counts, labels[:, None, None], axis=2)[:, :, 0]
    left = readings.counts[bases].sum(axis=(0, 2)) - counts.sum(axis=(0, 2))
    names = ("first", "second")
    return Readings("", "part", names, labels, counts, same.astype(float), left, readings.levels, readings.log_snr)


@dataclass(frozen=True)
class ChoiceFound:
    """One choice of the tree: its depth and node, and the window measured among what stays within the node."""

    depth: int
    node: Node
    measured: Window


def choices(prediction: Prediction, run: Run) -> Iterator[ChoiceFound]:
    """Every choice of the predicted tree with its measured window, parents first."""
    species = next(each for each in run.readings if each.feature == DEPTHS[-1])
    for node in prediction.trees[COMPONENTS].walk():
        if len(node.parts) == 2:
            depth = int(SHARED[np.ix_(node.columns, node.columns)].min())
            parts = [[species.labels.index(LEAVES[k].labels[DEPTHS[-1]]) for k in part.columns] for part in node.parts]
            found = estimate(within(species, parts), run.grid, seed=run.plan.seed, groups=[ALL])
            yield ChoiceFound(depth, node, found.located[ALL].window)


def point(window: Window) -> str:
    """The decision with its interval, or why there is none."""
    if window.decision is None:
        return window.status.value
    return with_interval(window.decision.log_snr, window.decision.low, window.decision.high)


def of_choices(found: list[ChoiceFound]) -> Iterator[Compared]:
    """Decision points of the choices: published is ln |mu| of a pair, exact that pair's half survival."""
    for choice in found:
        assert choice.node.choice is not None
        size = SIZES[choice.depth]
        names = [LEAVES[part.columns[0]].labels[DEPTHS[choice.depth]] for part in choice.node.parts]
        exact = f"{crossing(0.5, 2 * size):.2f}; tree {choice.node.choice.window.decision.log_snr:.2f}"
        yield Compared(" or ".join(names), f"{-2 * np.log(size):.2f}", exact, point(choice.measured))


def of_features(prediction: Prediction, run: Run) -> Iterator[Compared]:
    """Onset, decision and end of each label, exact and measured."""
    located = {window.feature: window for window in run.located if window.group == ALL}
    for feature in sorted(prediction.features, key=lambda each: DEPTHS.index(each.name)):
        window = located[feature.name]
        for name in ("onset", "decision", "end"):
            exact, measured = getattr(feature.whole, name), getattr(window, name)
            told = NONE if measured is None else with_interval(measured.log_snr, measured.low, measured.high)
            yield Compared(f"{feature.name}: {name}", NONE, NONE if exact is None else f"{exact.log_snr:.2f}", told)


def of_order(run: Run) -> Iterator[tuple[str, ...]]:
    """Every pair of labels, the shallower first."""
    by_names = {(pair.first, pair.second): pair for pair in run.order}
    for pair in (by_names[names] for names in combinations(DEPTHS, 2) if names in by_names):
        gap = with_interval(pair.difference, pair.low, pair.high)
        yield f"{pair.first} before {pair.second}", f"{pair.probability:.4f}", gap, "yes" if pair.settled else "no"


def of_thresholds(world: GaussianMixture, draws: int) -> Iterator[Compared]:
    """In OU time, along the path to the first leaf: T_before of each part within its parent, T_after of the part.

    The printed bounds are those of one component among K; their proofs serve a sub-population, with the farthest pair
    inside the parent for the one and the nearest pair apart for the other; both are as far from the first leaf as from
    any other.
    """
    common, distances = SHARED[0], np.linalg.norm(world.means - world.means[0], axis=1)
    for depth, feature in enumerate(DEPTHS):
        parent, part = world.weights * (common >= depth), world.weights * (common > depth)
        found = critical_window(world, part, parent, EPS)
        assert found.before is not None
        assert found.after is not None
        others, rest = parent - part, world.weights - part
        outside = distances[rest > 0].min()
        hidden = ToldApart(world, part, others, draws).crossing(EPS * parent.sum() / others.sum(), -20, 8)
        told = ToldApart(world, part, rest, draws).crossing(1 - EPS**2, -20, 8)
        name = LEAVES[0].labels[feature]
        before = printed_thresholds_among(distances[others > 0], EPS).before
        after = printed_thresholds_among(np.maximum(distances[1:], outside), EPS).after
        yield Compared(f"T_before of {feature} {name}", f"{before:.3f}", _time(found.before), _time(hidden))
        yield Compared(f"T_after of {feature} {name}", f"{after:.3f}", _time(found.after), _time(told))


def _time(threshold: Threshold) -> str:
    """OU time, with the standard error if there is one; far from clean log-SNR is -2 t."""
    error = threshold.standard_error / 2
    return with_error(threshold.ou_time, error) if error else f"{threshold.ou_time:.3f}"


def of_theorem(prediction: Prediction, run: Run) -> Iterator[tuple[str, ...]]:
    """A leaf regenerated from between two choices: how far from a sample of what has not split there.

    Total variation of how many choices a regeneration has in common with its base, which is what survival counts.
    """
    world, common = prediction.panorama.world, SHARED[0]
    curves = {feature.name: feature.curves[0] for feature in prediction.features}
    for made, log_snr in plateaus(run):
        target = world.weights * (common >= made)
        exact = shared([float(curves[name].at(np.array([log_snr]))[0]) for name in DEPTHS])
        seen, error = measured_at(run, log_snr)
        aim = np.array([(target * (common == k)).sum() for k in range(4)]) / target.sum()
        hidden = between(world, world.weights * (common == 3), target, log_snr)[0]
        rest = np.maximum(world.weights - target, 0)
        told = between(world, target, rest, log_snr)[0] if rest.any() else 1.0
        eps = max(hidden, float(np.sqrt(max(1 - told, 0))))
        bound = regeneration_bound(eps, rest.sum(), target.sum())
        away, measured = np.abs(exact - aim).sum() / 2, np.abs(shared(seen) - aim).sum() / 2
        name = f"{DEPTHS[made - 1]} {LEAVES[0].labels[DEPTHS[made - 1]]}" if made else "all"
        numbers = (f"{log_snr:.2f}", f"{eps:.3f}", f"{bound:.3f}", f"{away:.3f}", with_error(measured, error))
        yield name, *numbers


def plateaus(run: Run) -> Iterator[tuple[int, float]]:
    """(choices made, log-SNR): the noisiest level, the level nearest the middle between choices, and a clean one."""
    levels = run.readings[0].log_snr
    decided = [crossing(0.5, 2 * size) for size in SIZES]
    wanted = [levels.min(), *np.add(decided[1:], decided[:-1]) / 2, decided[-1] + 4]
    for made, at in enumerate(wanted):
        yield made, float(levels[np.abs(levels - at).argmin()])


def shared(survival: list[float]) -> FloatArray:
    """P(0), ..., P(3) choices in common, from the survival of kind, family and species."""
    return -np.diff([1.0, *survival, 0.0])


def measured_at(run: Run, log_snr: float) -> tuple[list[float], float]:
    """Survival of kind, family and species at a measured level, and the largest standard error among them."""
    by_name = {each.readings.feature: each for each in run.estimates}
    at = int(np.abs(run.readings[0].log_snr - log_snr).argmin())
    kept = [float(measured_survival(by_name[name])[0][at]) for name in DEPTHS]
    return kept, max(float(standard_error(by_name[name].readings, ALL)[at]) for name in DEPTHS)


def rows(root: Node) -> dict[int, float]:
    """Where `tree_figure` draws each node, by id: leaves from the top, a choice midway between its outer parts."""
    places: dict[int, float] = {}

    def place(node: Node, free: Iterator[int]) -> float:
        below = [place(part, free) for part in node.parts]
        places[id(node)] = (below[0] + below[-1]) / 2 if below else float(next(free))
        return places[id(node)]

    place(root, count())
    return places


def tree(prediction: Prediction, found: list[ChoiceFound]) -> Figure:
    """The predicted tree, with each measured window just below its fork."""
    drawn = tree_figure(prediction, COMPONENTS, looks(DEPTHS, str))
    panel, places = drawn.axes[0], rows(prediction.trees[COMPONENTS])
    for text in panel.texts:
        # "family A1, species A1a or A1b": a label of one depth says the labels of the next
        text.set_text(text.get_text().split(",")[0])
    for choice in found:
        window, row = choice.measured, places[id(choice.node)] + 0.36
        if window.onset and window.decision and window.end:
            panel.plot([window.onset.log_snr, window.end.log_snr], [row, row], color=MUTED, lw=1.6, zorder=6)
            at, low, high = window.decision.log_snr, window.decision.low, window.decision.high
            panel.errorbar(at, row, xerr=[[at - low], [high - at]], fmt="D", ms=5, color=INK, capsize=3, zorder=7)
    return drawn


def survivals(prediction: Prediction, run: Run) -> Figure:
    """Exact and measured survival of each label; what lies between two curves is where a regeneration lands."""
    drawn = Figure(figsize=(10, 4.8), layout="constrained")
    panel = drawn.subplots()
    by_name = {each.readings.feature: each for each in run.estimates}
    curves = {feature.name: feature.curves[0] for feature in prediction.features}
    axis = np.linspace(-13, 6, 400)
    above = np.ones(len(axis))
    for name, colour in zip(DEPTHS, FEATURES, strict=False):
        exact = curves[name].at(axis)
        panel.fill_between(axis, exact, above, color=colour, alpha=0.1, lw=0)
        panel.plot(axis, exact, color=colour, lw=1.6, label=name)
        above = exact
        dots(panel, by_name[name].readings.log_snr, measured_survival(by_name[name]), colour)
    for x, y, words in (
        (1.5, 0.45, "same species"),
        (-4.6, 0.82, "same family"),
        (-8.3, 0.82, "same kind"),
        (-12.7, 0.82, "other kind"),
    ):
        panel.text(x, y, words, color=MUTED, fontsize=11)
    panel.legend(frameon=False, loc="lower right", fontsize=11)
    plain(panel, "Where a regeneration lands: lines exact, dots measured", "log-SNR (noise on the left)", "share")
    panel.set(xlim=(-13, 6.2), ylim=(0, 1.02), xticks=range(-12, 7, 2))
    return drawn


PAGE = """\
# A mixture tree as a hierarchical sampler

Li & Chen (*Critical windows*, 2024, arXiv:2403.01633) read a diffusion model as a hierarchical sampler, and Li, Karan
& Chen (*Blink of an eye*, 2025, arXiv:2502.00921, section 5) as a tree of sub-populations: noise that lies between two
choices has forgotten the later and kept the earlier. The world here is a balanced binary tree of eight Gaussians of
unit variance in seven dimensions. Each choice has an axis of its own; its parts lie at ±{sizes} for kind,
family and species. Measured by `diffwin.probe`: {size}, {evaluations:,} network rows.

Made by

    python experiments/mixture_tree.py --out docs{quick}

![the tree over the noise axis](mixture-tree.png)

The predicted tree, as `diffwin theory` draws it: a fork at the decision of each choice, its bar from onset to end.
Below each fork in grey the window measured, with the decision point and its 95 % interval as a diamond.

## Each choice, decided in the order of the tree

log-SNR of the decision, among the regenerations that stay in the population that is split. Published is ln(|mu|) of a
pair at ±mu, around which *Blink* puts its window, on this axis −2 ln(|mu|); exact is half survival of that pair, and
what `diffwin.theory.tree` reads off the whole mixture.

{choices}

## The labels

A label names the whole path, so the family is partly told by the kind: its onset lies in the choice before its own.

{features}

Whether one is decided before another, from the same resamples of bases, with an interval that holds for all pairs:

{order}

## What a regeneration is a sample of

![survival of the labels](mixture-tree-survival.png)

A species noised to a level between two choices and regenerated should be a sample of the population that has not split
there (corollary 1 of *Blink*). eps is the least for which the theorem's premise holds at that level, and bound the
theorem's; the last two columns are the total variation of how many choices a regeneration has in common with its base,
which the scatter of a finite run enlarges on average.

{theorem}

## Thresholds by total variation

In OU time, eps = {eps:g}; exact by Monte Carlo over the posterior, measured by the likelihood-ratio test on {draws:,}
noised samples of either side. A population is what the sampler samples from its own T_after down to the T_before of
its parts. The printed bounds leave no such room between scales less than {ratio:.0f} apart; the definition does.

{thresholds}
"""


def page(prediction: Prediction, run: Run, found: list[ChoiceFound], draws: int, *, quick: bool) -> str:
    plan, levels = run.plan, run.readings[0].levels
    world = prediction.panorama.world
    assert isinstance(world, GaussianMixture)
    landed = ("a sample of", "log-SNR", "eps", "bound", "exact", "measured")
    return PAGE.format(
        sizes=", ".join(f"{size:g}" for size in SIZES),
        size=f"{plan.bases} bases, {plan.repeats} repeats, {len(levels)} levels, {run.record['model']['solver']}",
        evaluations=run.evaluations,
        quick=" --quick" if quick else "",
        choices=comparison(of_choices(found)),
        features=comparison(of_features(prediction, run)),
        order=table(("", "probability", "difference in log-SNR", "settled"), list(of_order(run))),
        theorem=table(landed, list(of_theorem(prediction, run))),
        eps=EPS,
        draws=draws,
        ratio=np.sqrt(8 * np.log(len(LEAVES) / EPS)) / EPS,
        thresholds=comparison(of_thresholds(world, draws)),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/mixture-tree"), help="folder of the page")
    parser.add_argument("--runs", type=Path, default=Path("runs/mixture-tree"), help="folder of the run")
    parser.add_argument("--quick", action="store_true", help="a small run, to see that it works")
    given = parser.parse_args()
    runs = given.out if given.quick else given.runs
    for folder in (given.out, runs):
        folder.mkdir(parents=True, exist_ok=True)
    world = write_world(runs)
    prediction = predict(read_world(world))
    size = (
        {"bases": 32, "repeats": 2, "levels": 8, "steps": 40}
        if given.quick
        else {"bases": 160, "repeats": 4, "levels": 20}
    )
    run = diffwin.probe(model=str(world), out=runs / f"run-{size['bases']}", **size)
    found = list(choices(prediction, run))
    write_figure(given.out, "mixture-tree-survival", partial(survivals, prediction, run))
    draws = 4000 if given.quick else 40_000
    text = page(prediction, run, found, draws, quick=given.quick)
    write_page(given.out, "mixture-tree", text, partial(tree, prediction, found))


if __name__ == "__main__":
    main()
