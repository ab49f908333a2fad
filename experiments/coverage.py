"""How often the 95 % intervals of onset, decision and end hold the exact point, where that is known.

Simulates runs of two-component worlds, whose crossings are closed forms, locates each as `diffwin probe` does, and
counts. Writes `coverage.csv` and `coverage.md`; `docs/coverage.md` is the full table.

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
from diffwin.levels import FloatArray
from diffwin.survival import ALL
from diffwin.trials import Mode
from diffwin.window import NAMES, VALUES, Status
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


def measure(cell: Cell, runs: int) -> dict[str, object]:
    """One row of the table: share of runs with a window, and of those the coverage, error and width of each point."""
    errors, halves, held = [], [], []
    for seed in range(runs):
        # |mu| varies, so that the window lies anywhere between the levels
        mu = float(np.exp(np.random.default_rng((seed, 2)).uniform(np.log(5), np.log(30))))
        exact = np.array([exact_crossing(value, mu, cell.prior) for value in VALUES])
        where = grid(cell.levels)
        drawn = readings(cell.bases, cell.repeats, seed, where, cell.prior, mu, mode=cell.mode)
        window = estimate(drawn, where, seed=seed, groups=[ALL]).located[ALL].window
        points = [getattr(window, name) for name in NAMES]
        if window.status is Status.FOUND and all(points):
            found = np.array([(p.log_snr, p.low, p.high) for p in points]).T
            errors.append(found[0] - exact)
            halves.append((found[2] - found[1]) / 2)
            held.append((found[1] <= exact) & (exact <= found[2]))
    return {**asdict(cell), "runs": runs, "found": len(held) / runs, **_summary(np.array(held), errors, halves)}


def _summary(held: np.ndarray, errors: list[FloatArray], halves: list[FloatArray]) -> dict[str, float]:
    if not len(held):
        return {}
    columns: dict[str, float] = {}
    for k, name in enumerate(NAMES):
        columns[f"{name} covered"] = float(held[:, k].mean())
        columns[f"{name} error"] = float(np.median(np.abs(np.array(errors)[:, k])))
        columns[f"{name} half-width"] = float(np.median(np.array(halves)[:, k]))
    return columns


def table(cells: tuple[Cell, ...], runs: int) -> Iterator[dict[str, object]]:
    """Rows in order, as they finish."""
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for row in pool.map(measure, cells, [runs] * len(cells)):
            covered = "  ".join(f"{row.get(f'{name} covered', np.nan):.3f}" for name in NAMES)
            told = [row[name] for name in ("mode", "bases", "repeats", "levels", "prior")]
            print(*told, "found", f"{row['found']:.2f}", "covered", covered, flush=True)
            yield row


def markdown(rows: pd.DataFrame, runs: int) -> str:
    """The table for people."""
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
    return TEXT.format(runs=runs, error=100 * np.sqrt(0.95 * 0.05 / runs), table="\n".join(lines))


TEXT = """\
# Coverage of the 95 % intervals

How often the interval of a point holds the exact point, in simulated runs of worlds of two Gaussian components, whose
crossings are closed forms. {runs:,} runs a row, each with its own separation (|mu| from 5 to 30), so that the window
lies anywhere between the levels; standard error of a share near 95 %: {error:.1f} points. Counted are the runs that
report a window; `window found` says how many do. The error is the median absolute one, in log-SNR.

Made by

    python experiments/coverage.py --out docs --runs {runs}

{table}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two cells of 20 runs")
    parser.add_argument("--runs", type=int, default=1000, help="simulated runs a cell; 1000 by default")
    parser.add_argument("--out", type=Path, default=Path("runs/coverage"), help="folder of the table")
    arguments = parser.parse_args()
    runs = 20 if arguments.quick else arguments.runs
    rows = pd.DataFrame(list(table(QUICK if arguments.quick else CELLS, runs)))
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows.to_csv(arguments.out / "coverage.csv", index=False)
    (arguments.out / "coverage.md").write_text(markdown(rows, runs), encoding="utf-8")


if __name__ == "__main__":
    main()
