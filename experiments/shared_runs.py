"""What a run of several features costs beside runs of one feature each, at the same precision.

Adaptive runs of the emoji drawings under their exact posterior (simulated_runs.py) go on until the decision of each
feature is known to a half-width: all four features in one run, then each in a run of its own, from the same bases and
regenerations. Prints network rows, and those of the whole run over those of the most expensive feature alone.

    python experiments/shared_runs.py --out runs/shared-runs
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd

from adaptive import drawings
from diffwin.allocate import Aim
from diffwin.design import Design
from diffwin.levels import Grid
from diffwin.survival import Readings
from simulated_runs import Drawings, simulate

ALL_FEATURES = "all"
MOST = 10_000_000
"""Network rows that no run comes to: the precision ends it."""


@dataclass(frozen=True, eq=False)
class Only:
    """A world of which one feature is read."""

    world: Drawings
    feature: str

    @property
    def grid(self) -> Grid:
        return self.world.grid

    def read(self, design: Design) -> list[Readings]:
        return [each for each in self.world.read(design) if each.feature == self.feature]


def rows(precision: float, seed: int) -> dict[str, int]:
    """Network rows of the run of all features and of each alone."""
    world, aim = Drawings(drawings(), seed), Aim(MOST, precision)
    alone = {name: simulate(Only(world, name), aim, seed).rows for name in world.runs.features}
    return alone | {ALL_FEATURES: simulate(world, aim, seed).rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/shared-runs"), help="folder of the rows")
    parser.add_argument("--precision", type=float, default=0.3, help="half-width of every decision, in log-SNR")
    parser.add_argument("--runs", type=int, default=32)
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--quick", action="store_true", help="one run, to a half-width of 0.6")
    args = parser.parse_args()
    precision, runs = (0.6, 1) if args.quick else (args.precision, args.runs)
    with ProcessPoolExecutor(args.workers) as pool:
        found = pd.DataFrame(pool.map(partial(rows, precision), range(runs)))
    args.out.mkdir(parents=True, exist_ok=True)
    found.to_csv(args.out / "shared-runs.csv", index=False)
    dearest = found.drop(columns=ALL_FEATURES).max(axis=1)
    print(found.mean().round().astype(int).to_string())
    ratio = found[ALL_FEATURES] / dearest
    print(f"all over the most expensive alone: {ratio.mean():.2f} on average, {ratio.min():.2f} to {ratio.max():.2f}")


if __name__ == "__main__":
    main()
