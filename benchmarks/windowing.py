"""How long the statistics take: 200,000 observations of six features, from the ledger's table to windows and order.

python benchmarks/windowing.py
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pandas as pd

from diffwin.estimate import curve_table, estimates
from diffwin.levels import vp_grid
from diffwin.order import order, with_joint_intervals
from diffwin.survival import readings_of

FEATURES = {"two": 2, "three": 3, "four": 4, "five": 5, "eight": 8, "twenty": 20}
LEVELS = 12


def observations(count: int) -> pd.DataFrame:
    """A ledger's table: bases and regenerations of six features that lose their labels at different levels."""
    rng = np.random.default_rng(0)
    bases = count // len(FEATURES) // (1 + 4 * LEVELS)
    frames = []
    for k, (name, labels) in enumerate(FEATURES.items()):
        base = rng.integers(labels, size=bases)
        rows = pd.MultiIndex.from_product([range(bases), range(1, LEVELS + 1), range(4)]).to_frame(index=False)
        rows.columns = pd.Index(["base", "level", "repeat"])
        keeps = 1 / (1 + np.exp(rows["level"] - 3 - k))
        again = rng.integers(labels, size=len(rows))
        rows["label"] = np.where(rng.random(len(rows)) < keeps, base[rows["base"]], again)
        clean = pd.DataFrame({"base": range(bases), "level": 0, "repeat": 0, "label": base})
        both = pd.concat([clean, rows], ignore_index=True).assign(prompt="", feature=name)
        both["probabilities"] = [row.tobytes() for row in np.eye(labels)[both["label"]]]
        frames.append(both)
    return pd.concat(frames, ignore_index=True)


@contextmanager
def timed(name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    print(f"{name:24} {time.perf_counter() - start:6.2f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200_000, help="observations; 200,000 by default")
    frame, grid = observations(parser.parse_args().count), vp_grid(-10.0, 4.0, LEVELS)
    print(f"{len(frame):,} observations of {len(FEATURES)} features")
    with timed("in all"):
        labels = {name: tuple(map(str, range(size))) for name, size in FEATURES.items()}
        with timed("readings"):
            readings = readings_of(frame, labels, list(grid.log_snr))
        with timed("curves and windows"):
            found = estimates(readings, grid, {})
        with timed("table, order"):
            curve_table(found, list(grid.time))
            located = [each for one in found for each in one.located.values()]
            windows, pairs = with_joint_intervals(located), order(located)
    print(f"{len(windows)} windows, {len(pairs)} ordered pairs")


if __name__ == "__main__":
    main()
