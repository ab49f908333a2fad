"""How often the 95 % intervals of onset, decision and end hold the exact point, where that is known.

Simulates runs of two-component worlds, whose crossings are closed forms, and of the emoji drawings under their exact
posterior, locates each as `diffwin probe` does, and counts. Writes `coverage.csv` and `coverage.md`.

    python experiments/coverage.py --out runs/coverage            # 1,000 runs a cell; about half an hour on two cores
    python experiments/coverage.py --out docs --runs 1000         # the table of the documentation
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from diffwin.estimate import estimate
from diffwin.levels import FloatArray, Grid
from diffwin.survival import Readings
from diffwin.trials import ALL, Mode
from diffwin.window import NAMES, VALUES, Status
from exact_runs import ExactRuns
from simulated import exact_crossing, grid, readings


@dataclass(frozen=True)
class Cell:
    """One kind of run: `prior` is the share of the rarer label."""

    mode: Mode
    bases: int
    repeats: int
    levels: int
    prior: float


CELLS = tuple(
    Cell(mode, *sizes, prior)
    for mode, sizes, prior in product(
        (Mode.RENOISE, Mode.BRANCH),
        ((8, 2, 8), (8, 16, 24), (16, 4, 12), (40, 2, 9), (64, 2, 24), (64, 16, 8), (64, 16, 24)),
        (0.1, 0.3, 0.5),
    )
)
QUICK = (Cell(Mode.RENOISE, 40, 2, 9, 0.5), Cell(Mode.BRANCH, 16, 4, 12, 0.3))


class Count:
    """What the intervals of one kind of run held."""

    def __init__(self) -> None:
        self.errors: list[FloatArray] = []
        self.halves: list[FloatArray] = []
        self.held: list[FloatArray] = []

    def add(self, drawn: Readings, where: Grid, exact: FloatArray, seed: int) -> None:
        """Locate one run; nothing is added where it finds no window with both edges."""
        window = estimate(drawn, where, seed=seed, groups=[ALL]).located[ALL].window
        points = [getattr(window, name) for name in NAMES]
        if window.status is Status.FOUND and all(points):
            at, low, high = np.array([(p.log_snr, p.low, p.high) for p in points]).T
            self.errors.append(at - exact)
            self.halves.append((high - low) / 2)
            self.held.append((low <= exact) & (exact <= high))

    def row(self, runs: int) -> dict[str, object]:
        """Share of runs with a window, and of those the coverage, median error and half-width of each point."""
        columns: dict[str, object] = {"runs": runs, "found": len(self.held) / runs}
        if self.held:
            held, errors, halves = (np.array(each) for each in (self.held, self.errors, self.halves))
            for k, name in enumerate(NAMES):
                columns[f"{name} covered"] = float(held[:, k].mean())
                columns[f"{name} error"] = float(np.median(np.abs(errors[:, k])))
                columns[f"{name} half-width"] = float(np.median(halves[:, k]))
        return columns


def measure(cell: Cell, runs: int) -> dict[str, object]:
    """One row of the table of two components."""
    count, where = Count(), grid(cell.levels)
    for seed in range(runs):
        # |mu| varies, so that the window lies anywhere between the levels
        mu = float(np.exp(np.random.default_rng((seed, 2)).uniform(np.log(5), np.log(30))))
        exact = np.array([exact_crossing(value, mu, cell.prior) for value in VALUES])
        drawn = readings(cell.bases, cell.repeats, seed, where, cell.prior, mu, mode=cell.mode)
        count.add(drawn, where, exact, seed)
    return {**asdict(cell), **count.row(runs)}


def measure_drawings(seeds: range, exact: dict[str, FloatArray]) -> dict[str, Count]:
    """Runs of the emoji drawings, whose exact crossings are given by feature: counts by feature."""
    world = ExactRuns.of("noto-emoji")
    counts = {feature: Count() for feature in exact}
    for seed in seeds:
        for drawn in world.readings(bases=40, repeats=2, levels=9, seed=seed):
            counts[drawn.feature].add(drawn, world.grid, exact[drawn.feature], seed)
    return counts


def table(cells: tuple[Cell, ...], runs: int) -> Iterator[dict[str, object]]:
    """Rows in order, as they finish."""
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for row in pool.map(measure, cells, [runs] * len(cells)):
            say(" ".join(str(row[name]) for name in ("mode", "bases", "repeats", "levels", "prior")), row)
            yield row


def drawings(runs: int, draws: int) -> Iterator[dict[str, object]]:
    """Rows of the emoji drawings, one a feature."""
    parts = os.cpu_count() or 1
    exact = ExactRuns.of("noto-emoji").crossings(VALUES, draws)
    with ProcessPoolExecutor(parts) as pool:
        shares = list(pool.map(measure_drawings, (range(k, runs, parts) for k in range(parts)), [exact] * parts))
    for feature in shares[0]:
        whole = Count()
        for share in shares:
            for name in ("errors", "halves", "held"):
                getattr(whole, name).extend(getattr(share[feature], name))
        row = {"feature": feature, **whole.row(runs)}
        say(feature, row)
        yield row


def say(name: str, row: dict[str, object]) -> None:
    """One line on the terminal as a row is done."""
    covered = "  ".join(f"{row.get(f'{point} covered', np.nan):.3f}" for point in NAMES)
    print(f"{name}: found {row['found']:.2f}, covered {covered}", flush=True)


def of_drawings(rows: pd.DataFrame) -> str:
    """The table of the emoji drawings."""
    lines = ["| feature | window found | onset | decision | end | error of decision |", "| --- |" + " --- |" * 5]
    for row in rows.to_dict("records"):
        shares = " | ".join(f"{100 * row[f'{name} covered']:.1f} %" for name in NAMES)
        lines.append(f"| {row['feature']} | {100 * row['found']:.0f} % | {shares} | {row['decision error']:.2f} |")
    return "\n".join(lines)


def of_components(rows: pd.DataFrame) -> str:
    """The table of two components."""
    head = (
        "| mode | bases | repeats | levels | rarer label | window found | onset | decision | end | error of decision |"
    )
    lines = [head, "| --- |" + " --- |" * 9]
    for row in rows.to_dict("records"):
        shares = " | ".join(f"{100 * row[f'{name} covered']:.1f} %" for name in NAMES)
        lines.append(
            f"| {row['mode']} | {row['bases']} | {row['repeats']} | {row['levels']} | {100 * row['prior']:.0f} % "
            f"| {100 * row['found']:.0f} % | {shares} | {row['decision error']:.2f} |"
        )
    return "\n".join(lines)


TEXT = """\
# Coverage of the 95 % intervals

How often the interval of a point holds the exact point, in simulated runs of worlds of two Gaussian components, whose
crossings are closed forms. {runs:,} runs a row, each with its own separation (|mu| from 5 to 30), so that the window
lies anywhere between the levels; standard error of a share near 95 %: {error:.1f} points, more where
fewer runs find a window. Counted are the runs that report one; `window found` says how many do. The error is the
median absolute one, in log-SNR.

Made by

    python experiments/coverage.py --out docs --runs {runs}

## Two components

{components}

## The emoji drawings under their exact posterior

{runs:,} runs of 40 bases, 2 repeats and 9 levels from the posterior of `noto-emoji`, no prompt; four features read in
the same regenerations. Their survival is no member of the two-component family.

{drawings}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two cells of 20 runs")
    parser.add_argument("--runs", type=int, default=1000, help="simulated runs a cell; 1000 by default")
    parser.add_argument("--out", type=Path, default=Path("runs/coverage"), help="folder of the table")
    arguments = parser.parse_args()
    runs = 20 if arguments.quick else arguments.runs
    arguments.out.mkdir(parents=True, exist_ok=True)
    drawn = pd.DataFrame(list(drawings(runs, 2400 if arguments.quick else 9600)))
    rows = pd.DataFrame(list(table(QUICK if arguments.quick else CELLS, runs)))
    pd.concat([rows, drawn]).to_csv(arguments.out / "coverage.csv", index=False)
    error = 100 * np.sqrt(0.95 * 0.05 / runs)
    text = TEXT.format(runs=runs, error=error, components=of_components(rows), drawings=of_drawings(drawn))
    (arguments.out / "coverage.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
