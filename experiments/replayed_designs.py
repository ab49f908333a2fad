"""How much too narrow an interval is that a run went on for: the designs that such runs end with, given other outcomes.

Adaptive runs of a two-component feature (adaptive.py) stop at a half-width of 0.25. The design that each ends with is
then read once more in another world of the same law, where nothing was looked at before. Prints half-widths, both
without the widening of `STOPPED`, and how often the intervals hold the exact points.

    python experiments/replayed_designs.py --out runs/replayed-designs
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import pandas as pd

from adaptive import VALUES, Cell, cells
from diffwin.estimate import Estimate, estimate
from diffwin.trials import ALL
from simulated_runs import simulate

WHAT = "until 0.25, w = 0.3"
APART = 50_000
"""Between the seed of a run and that of the world that its design is given to."""


def one(cell: Cell, seed: int) -> list[dict[str, object]]:
    """A row a point, of the run itself and of its design with other outcomes."""
    run = simulate(cell.world(seed), cell.aim, seed, lambda level: level)
    itself, other = run.readings, cell.world(seed + APART).read(run.design)
    return [
        {"outcomes": name, "seed": seed} | row
        for name, readings in (("its own", itself), ("others", other))
        for each in readings
        for row in _points(cell, estimate(each, cell.where, seed=seed, groups=[ALL]))
    ]


def _points(cell: Cell, found: Estimate) -> Iterator[dict[str, object]]:
    for at, name in enumerate(VALUES):
        point, exact = getattr(found.located[ALL].window, name), cell.exact(0)[found.readings.feature][at]
        if point is not None:
            yield {"point": name, "half": (point.high - point.low) / 2, "covered": point.low <= exact <= point.high}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/replayed-designs"), help="folder of the rows")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--quick", action="store_true", help="two runs")
    args = parser.parse_args()
    [cell] = [each for each in cells() if each.what == WHAT]
    with ProcessPoolExecutor(args.workers) as pool:
        made = pool.map(partial(one, cell), range(2 if args.quick else args.runs))
        rows = pd.DataFrame([row for run in made for row in run])
    args.out.mkdir(parents=True, exist_ok=True)
    rows.to_csv(args.out / "replayed.csv", index=False)
    told = rows.groupby(["outcomes", "point"], sort=False).agg(
        runs=("half", "size"), half_width=("half", "mean"), median=("half", "median"), covered=("covered", "mean")
    )
    print(told.round(3).to_string())


if __name__ == "__main__":
    main()
