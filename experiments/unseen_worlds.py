"""Worlds that nobody chose: is every status right, and does every interval cover at its rate?

Draws Gaussian mixtures as TOML world files (two to sixteen components, unequal weights and widths, several label sets,
one to 64 dimensions), runs each, and compares every outcome with the exact curves of `diffwin theory`. Most runs draw
their labels from the exact posterior, which costs nothing; some worlds go through `diffwin.probe` and its sampler.
Writes `unseen-worlds.csv`, one row a group and run, and `unseen-worlds.md`.

    python experiments/unseen_worlds.py --out runs/unseen-worlds
    python experiments/unseen_worlds.py --out docs                   # the table of the documentation

A status is right if it is what the exact curve says. Near a border either side is right: within 3.5 standard errors
that a survival of this many bases has at the level that decides, or that their floor has. `too-few` is right where the
bases drawn are too few, or those of them that were regenerated.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diffwin import probe
from diffwin.estimate import estimate
from diffwin.survival import Readings
from diffwin.theory.curves import Crossing, ExactCurve, exact_curves
from diffwin.theory.panorama import look
from diffwin.trials import ALL
from diffwin.window import FEWEST_BASES, FEWEST_IN_GROUP, FEWEST_OTHERS, FIXED_FLOOR, NAMES, Status, Window
from mixture_runs import MixtureRuns, random_world

Row = dict[str, Any]

SIZE = {"bases": 40, "repeats": 2, "levels": 9}
BUDGET = 60_000
DRAWS = 2000
NEAR = 3.5


def statuses(curve: ExactCurve, drawn: Readings) -> set[Status]:
    """The statuses that are right for one group of a run, given which bases it drew."""
    group, bases = curve.group, len(drawn.members(curve.group))
    shares, fewest = drawn.one_hot.sum(axis=0), FEWEST_BASES if group == ALL else FEWEST_IN_GROUP
    if bases < fewest:
        return {Status.TOO_FEW}
    whole = len(drawn.members(ALL))
    right = {Status.TOO_FEW} if group == ALL and shares.sum() - shares.max() < FEWEST_OTHERS else set()
    error = 2 * np.sqrt(curve.floor * (1 - curve.floor) / whole)
    if curve.floor >= FIXED_FLOOR - NEAR * error:
        right.add(Status.NO_EFFECT)
    if curve.floor >= FIXED_FLOOR + NEAR * error:
        return right
    if np.count_nonzero(drawn.read[drawn.members(group)].any(axis=1)) < fewest:
        return right | {Status.TOO_FEW}
    ends, behind = measured(drawn, group), drawn.behind(group)
    for end, status, sign in ((ends[-1], Status.CENSORED, 1), (ends[0], Status.UNDECIDED, -1)):
        survival, few = curve.at(drawn.log_snr[[end]])[0], behind[end]
        beyond = sign * ((survival - curve.floor) / (1 - curve.floor) - 0.5)
        doubt = np.hypot(np.sqrt(max(survival * (1 - survival), 0.25 / few) / few), error / 2) / (1 - curve.floor)
        if beyond > -NEAR * doubt:
            right.add(status)
        if beyond > NEAR * doubt:
            return right
    return right | {Status.FOUND}


def measured(drawn: Readings, group: str) -> NDArray[np.int64]:
    """The levels at which a group was regenerated, the cleanest first."""
    return np.flatnonzero(drawn.behind(group) > 0)


def judge(curve: ExactCurve, drawn: Readings, window: Window) -> Row:
    """Whether a group's status is right, and which of its intervals hold the exact point (None: no interval)."""
    right, exact = statuses(curve, drawn), curve.window()
    ends = drawn.log_snr[measured(drawn, curve.group)]
    row: Row = {
        "feature": curve.feature,
        "group": curve.group,
        "labels": len(drawn.labels),
        "bases": len(drawn.members(curve.group)),
        "floor": curve.floor,
        "status": window.status.value,
        "method": window.method.value if window.method else "",
        "right": window.status in right,
        "expected": " or ".join(sorted(right)),
    }
    for name in NAMES:
        point, truth = getattr(window, name), getattr(exact, name)
        assert isinstance(truth, Crossing)
        told = point is not None and len(ends) > 0 and ends[-1] < truth.log_snr < ends[0]
        row |= {
            f"{name} exact": truth.log_snr,
            f"{name}": point.log_snr if told else np.nan,
            f"{name} half-width": (point.high - point.low) / 2 if told else np.nan,
            f"{name} covered": float(point.low <= truth.log_snr <= point.high) if told else np.nan,
        }
    return row


def exact_of(runs: MixtureRuns, draws: int) -> dict[str, list[ExactCurve]]:
    """The exact curves of a world on its own axis."""
    ends = (float(runs.grid.log_snr[-1]), float(runs.grid.log_snr[1]))
    return exact_curves(look(runs.world, runs.features, ends=ends, draws=draws))


def rows_of(curves: dict[str, list[ExactCurve]], drawn: Readings, windows: dict[str, Window]) -> Iterator[Row]:
    """One row a group that has an outcome."""
    for curve in curves[drawn.feature]:
        if curve.group in windows:
            yield judge(curve, drawn, windows[curve.group])


def drawn_world(seed: int, runs: int, draws: int) -> list[Row]:
    """Runs of one world under its exact posterior."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "world.toml"
        path.write_text(random_world(seed), encoding="utf-8")
        world, fate = MixtureRuns.of(path), _fate(path)
    curves, found = exact_of(world, draws), []
    about = {"world": seed, "fate": fate, "components": len(world.world.weights), "dimension": world.world.dimension}
    for run in range(runs):
        for drawn in world.readings(**SIZE, seed=(seed, run)):
            located = estimate(drawn, world.grid, seed=run).located
            windows = {group: each.window for group, each in located.items()}
            found += [about | {"run": run} | row for row in rows_of(curves, drawn, windows)]
    return found


def sampled_world(seed: int, draws: int, budget: int | None) -> list[Row]:
    """One run of a world by its sampler; with a budget, where the allocator puts it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "world.toml"
        path.write_text(random_world(seed), encoding="utf-8")
        size = {"budget": budget} if budget else SIZE
        run = probe(model=str(path), out=Path(folder) / "run", seed=seed, **size)
        world = MixtureRuns.of(path)
        curves, found = exact_of(world, draws), []
        about = {"world": seed, "fate": _fate(path), "components": len(world.world.weights)}
        for each in run.estimates:
            windows = {group: located.window for group, located in each.located.items()}
            found += [about | {"run": 0} | row for row in rows_of(curves, each.readings, windows)]
    return found


def _fate(path: Path) -> str:
    """What kind of world a file describes, by its own word."""
    return next(line for line in path.read_text().splitlines() if line.startswith("description")).split('"')[1]


def in_parallel(measure: Callable[[int], list[Row]], seeds: range) -> pd.DataFrame:
    """The rows of every world, as they finish."""
    rows = []
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for seed, found in zip(seeds, pool.map(measure, seeds), strict=True):
            rows += found
            wrong = sum(not row["right"] for row in found)
            print(f"world {seed} ({found[0]['fate']}): {len(found)} outcomes, {wrong} wrong", flush=True)
    frame = pd.DataFrame(rows)
    return frame.assign(kind=np.where(frame["group"] == ALL, "all bases", "one label"))


def table(frame: pd.DataFrame) -> str:
    """Statuses and coverage, by what was read."""
    head = "| read | worlds | outcomes | wrong status | windows | onset | decision | end | half-width of decision |"
    lines = [head, "| --- |" + " --- |" * 8]
    for source, kind in product(frame["source"].unique(), ("all bases", "one label")):
        rows = frame[(frame["source"] == source) & (frame["kind"] == kind)]
        found = rows[rows["status"] == Status.FOUND.value]
        shares = " | ".join(_share(found, name) for name in NAMES)
        lines.append(
            f"| {source}, {kind} | {rows['world'].nunique()} | {len(rows)} | {int((~rows['right']).sum())} "
            f"| {len(found)} | {shares} | {found['decision half-width'].median():.2f} |"
        )
    return "\n".join(lines)


def _share(found: pd.DataFrame, name: str) -> str:
    """Coverage of one point with its standard error, of which the world is the unit."""
    held = found.dropna(subset=[f"{name} covered"])
    if held["world"].nunique() < 2:
        return "-"
    mean = held[f"{name} covered"].mean()
    of_worlds = held.groupby("world")[f"{name} covered"].agg(lambda values: (values - mean).sum())
    return f"{100 * mean:.1f} ± {100 * np.sqrt((of_worlds**2).sum()) / len(held):.1f} %"


def outcomes(frame: pd.DataFrame) -> str:
    """How often each status came out, and what was right where it was wrong."""
    counts = frame.groupby(["status"])["right"].agg(["size", "sum"])
    lines = [f"`{status}` {size} ({size - right} wrong)" for status, (size, right) in counts.iterrows()]
    wrong = frame[~frame["right"]]
    told = [f"world {r.world}, {r.feature}, {r.group}: {r.status}, not {r.expected}" for r in wrong.itertuples()]
    return ", ".join(lines) + ("" if not told else "\n\nWrong:\n\n" + "\n".join(f"- {line}" for line in told))


def missed(frame: pd.DataFrame) -> str:
    """In which worlds adaptive windows of all bases miss a point, with the kind of world."""
    rows = frame[(frame["source"] == "adaptive") & (frame["kind"] == "all bases")]
    misses = rows.assign(misses=sum((rows[f"{name} covered"] == 0).astype(int) for name in NAMES))
    found = misses[misses["misses"] > 0].groupby(["world", "fate"])["misses"].sum()
    told = [f"{int(count)} in world {world} ({fate})" for (world, fate), count in found.items()]
    return ", ".join(told) or "none"


TEXT = """\
# Worlds that nobody chose

Gaussian mixtures drawn by seed and written as world files: two to sixteen components in 1 to 64 dimensions, unequal
weights and widths, one to four label sets; some with two scales, overlapping, concentric, farther apart than the
noisiest level erases, or with nearly all weight on one component. Every outcome is compared with the exact curve of
`diffwin theory`. A status is right if the exact curve says so; within {near} standard errors of a border either side
is. Coverage is that of the 95 % intervals of windows found, with the standard error between worlds.

`drawn`: {runs} runs a world of {bases} bases, {repeats} repeats and {levels} levels, labels drawn from the exact
posterior. `sampled`: the same size through `diffwin.probe` and its sampler, one run a world. `adaptive`: one such run a
world with a budget of {budget:,} network rows.

Made by

    {command}

{table}

Outcomes: {outcomes}

Points of adaptive windows, all bases, outside their interval: {missed}.

Components that share a centre and differ in width follow another curve than two equal ones. Where the run cannot tell
the two apart, the window is read off the latter, and an interval that many rows have narrowed shows the difference.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="three worlds, one of them sampled")
    parser.add_argument("--worlds", type=int, default=60, help="worlds drawn; 60 by default")
    parser.add_argument("--runs", type=int, default=6, help="runs a world under the exact posterior; 6 by default")
    parser.add_argument("--sampled", type=int, default=20, help="worlds that are sampled too; 20 by default")
    parser.add_argument("--first", type=int, default=1000, help="seed of the first world")
    parser.add_argument("--out", type=Path, default=Path("runs/unseen-worlds"), help="folder of the table")
    asked = parser.parse_args()
    if asked.quick:
        asked.worlds, asked.runs, asked.sampled = 3, 2, 1
    every, some = range(asked.first, asked.first + asked.worlds), range(asked.first, asked.first + asked.sampled)
    parts = {
        "drawn": in_parallel(partial(drawn_world, runs=asked.runs, draws=DRAWS), every),
        "sampled": in_parallel(partial(sampled_world, draws=DRAWS, budget=None), some),
        "adaptive": in_parallel(partial(sampled_world, draws=DRAWS, budget=BUDGET), some),
    }
    frame = pd.concat([part.assign(source=source) for source, part in parts.items()], ignore_index=True)
    asked.out.mkdir(parents=True, exist_ok=True)
    frame.round(4).to_csv(asked.out / "unseen-worlds.csv", index=False)
    command = (
        f"python experiments/unseen_worlds.py --worlds {asked.worlds} --runs {asked.runs} --sampled {asked.sampled} "
        "--out docs"
    )
    text = TEXT.format(
        near=NEAR,
        runs=asked.runs,
        **SIZE,
        budget=BUDGET,
        command=command,
        table=table(frame),
        outcomes=outcomes(frame),
        missed=missed(frame),
    )
    (asked.out / "unseen-worlds.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
