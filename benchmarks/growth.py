"""How a run grows: time and memory of ever more trials with a network that costs nothing, then of their report.

python benchmarks/growth.py                      (10 thousand, 100 thousand and a million trials)
python benchmarks/growth.py --trials 1000 10000

Every figure comes from a process of its own: `run` generates, reads and records (a mixture of two components in one
dimension, 8 steps of ddim), `report` opens the finished folder and writes curves, windows and page, `ledger` writes
the same number of observations with no model at all. `s` is seconds of the clock, `cpu` of the processor, which other
work on the machine disturbs less.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

LEVELS, REPEATS = 8, 8
WORLD = """
kind = "gaussian-mixture"
dimension = 1
[[component]]
weight = 1.0
mean = [4.0]
labels = { side = "right" }
[[component]]
weight = 1.0
mean = [-4.0]
labels = { side = "left" }
"""


def run(trials: int, folder: Path) -> dict[str, float]:
    """Generate, read and record; the clock stops at the last record, before the report."""
    from diffwin.job import prepare
    from diffwin.plan import Plan
    from diffwin.run import run

    world = folder / "world.toml"
    world.write_text(WORLD, encoding="utf-8")
    bases = trials // (LEVELS * REPEATS)
    plan = Plan.make(model=world.as_posix(), solver="ddim", steps=LEVELS, levels=LEVELS, repeats=REPEATS, bases=bases)
    prepare(plan)  # torch is imported before the clock starts
    clock, last = Clock(), {}
    run(plan, folder / "run", progress=lambda done, total: last.update(clock.told()))
    return last | {"observations": float(bases * (1 + LEVELS * REPEATS))}


def report(trials: int, folder: Path) -> dict[str, float]:
    """Curves, windows and page of the finished folder."""
    import diffwin

    clock = Clock()
    diffwin.open_run(folder / "run").write()
    return clock.told()


def ledger(trials: int, folder: Path) -> dict[str, float]:
    """As many observations, written as a run writes them."""
    from diffwin.ledger import Ledger, Sample
    from diffwin.trials import Trial
    from diffwin.work import CHUNK

    reading = {"side": np.array([0.25, 0.75])}
    clock = Clock()
    with Ledger.writing(folder / "ledger") as held:
        for start in range(0, trials, CHUNK):
            at = range(start, min(start + CHUNK, trials))
            held.add([Sample(Trial("", i // REPEATS, 1, i % REPEATS), 1, None, None, reading) for i in at])
    return clock.told()


PARTS: dict[str, Callable[[int, Path], dict[str, float]]] = {"run": run, "report": report, "ledger": ledger}


class Clock:
    """What this process has used since the clock was made; `memory` is the most it has held at all, in MiB."""

    def __init__(self) -> None:
        self.begun, self.used = time.perf_counter(), self._cpu(resource.getrusage(resource.RUSAGE_SELF))

    def told(self) -> dict[str, float]:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        memory = usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
        return {"seconds": time.perf_counter() - self.begun, "cpu": self._cpu(usage) - self.used, "memory": memory}

    @staticmethod
    def _cpu(usage: resource.struct_rusage) -> float:
        return usage.ru_utime + usage.ru_stime


def measured(part: str, trials: int, folder: Path) -> dict[str, float]:
    """What a part measures of itself in a process of its own."""
    command = [sys.executable, __file__, "--part", part, "--folder", str(folder), "--trials", str(trials)]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return dict(json.loads(out.splitlines()[-1]))


def row(trials: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as held:
        folder = Path(held)
        found = {part: measured(part, trials, folder) for part in PARTS}
        size = (folder / "run" / "run.sqlite").stat().st_size / 2**20
    ran, wrote = found["run"], found["ledger"]
    return {
        "trials": trials,
        "run s": ran["seconds"],
        "cpu": ran["cpu"],
        "observations/s": ran["observations"] / ran["seconds"],
        "MiB": ran["memory"],
        "report s": found["report"]["seconds"],
        "report cpu": found["report"]["cpu"],
        "report MiB": found["report"]["memory"],
        "ledger alone/s": trials / wrote["seconds"],
        "file MiB": size,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.part:
        print(json.dumps(PARTS[asked.part](asked.trials[0], asked.folder)))
        return
    before: dict[str, float] = {}
    for trials in asked.trials:
        found = row(trials)
        if not before:
            print("  ".join(f"{name:>14}" for name in found))
        print("  ".join(f"{value:14,.1f}" for value in found.values()), flush=True)
        if before:
            print("  ".join(f"{f'x {found[name] / before[name]:.2f}':>14}" for name in found), flush=True)
        before = found


if __name__ == "__main__":
    main()
