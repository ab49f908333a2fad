"""Windows read through a probe that errs: do corrected intervals hold the exact point, and raw ones not?

Worlds of even components, one a label, at the corners of a simplex, whose exact curves are known. Their labels are read
by an artificial probe whose confusion matrix is known from a thousand samples a label. Writes `misread-labels.md`.

    python experiments/misread_labels.py --out runs/misread-labels
    python experiments/misread_labels.py --out docs              # the table of the documentation
"""

from __future__ import annotations

import argparse
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from diffwin.correction import Correction
from diffwin.estimate import estimate
from diffwin.levels import FloatArray
from diffwin.survival import Readings
from diffwin.theory.curves import exact_curves
from diffwin.theory.panorama import look
from diffwin.trials import ALL
from diffwin.window import NAMES, Window
from mixture_runs import MixtureRuns

SIZE = {"bases": 120, "repeats": 4, "levels": 16}
COUNTS = 1000
APART = 20.0

PROBES: dict[str, FloatArray] = {
    "five labels, 60 % right": np.full((5, 5), 0.1) + 0.5 * np.eye(5),
    "five labels, 60 % right, uneven errors": np.array(
        [
            [0.60, 0.17, 0.07, 0.11, 0.05],
            [0.01, 0.60, 0.14, 0.21, 0.04],
            [0.01, 0.12, 0.60, 0.13, 0.14],
            [0.02, 0.14, 0.10, 0.60, 0.14],
            [0.13, 0.02, 0.11, 0.14, 0.60],
        ]
    ),
    "two labels, 85 % right": np.array([[0.85, 0.15], [0.15, 0.85]]),
}


def simplex(labels: int) -> str:
    """A world file of so many components, each on an axis of its own."""
    lines = ['kind = "gaussian-mixture"', f"dimension = {labels}"]
    for k in range(labels):
        lines += ["[[component]]", "weight = 1.0", f"axis = {{{k} = {APART}}}", f'labels = {{kind = "{"abcde"[k]}"}}']
    return "\n".join(lines)


def misread(drawn: Readings, matrix: FloatArray, seed: int) -> Readings:
    """What a probe with errors independent from image to image would have read."""
    rng = np.random.default_rng((seed, 1))  # not the stream that made the readings
    base = np.array([rng.choice(len(matrix), p=matrix[label]) for label in drawn.base_labels])
    counts = sum(rng.multinomial(drawn.counts[:, :, true], matrix[true]) for true in range(len(matrix)))
    return replace(drawn, base_labels=base, counts=counts)


class MisreadWorld:
    """A simplex seen through a probe; `exact` are its onset, decision and end for all bases together."""

    def __init__(self, probe: str) -> None:
        self.matrix = PROBES[probe]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "world.toml"
            path.write_text(simplex(len(self.matrix)), encoding="utf-8")
            self.runs = MixtureRuns.of(path)
        curve = exact_curves(look(self.runs.world, self.runs.features))["kind"][0]
        self.exact = [getattr(curve.window(), name).log_snr for name in NAMES]

    def windows(self, seed: int) -> tuple[Window, Window]:
        """The raw window and the corrected one of a run."""
        drawn = misread(next(self.runs.readings(**SIZE, seed=seed)), self.matrix, seed)
        known = Correction(self.matrix, (COUNTS,) * len(self.matrix))
        raw, corrected = (
            estimate(drawn, self.runs.grid, correction, seed=seed, groups=[ALL]).located[ALL].window
            for correction in (None, known)
        )
        return raw, corrected

    def held(self, window: Window) -> list[bool]:
        """Whether a window is there and its onset, decision and end hold the exact ones."""
        points = [getattr(window, name) for name in NAMES]
        return [p is not None and p.low <= x <= p.high for p, x in zip(points, self.exact, strict=True)]


def measure(probe: str, runs: int) -> list[str]:
    """The two rows of a probe."""
    world = MisreadWorld(probe)
    pairs = [world.windows(seed) for seed in range(runs)]
    rows = []
    for name, windows in zip(("raw", "corrected"), zip(*pairs, strict=True), strict=True):
        found = [window for window in windows if window.decision is not None]
        held = np.mean([world.held(window) for window in windows], axis=0)
        halves = [(w.decision.high - w.decision.low) / 2 for w in found if w.decision is not None]
        shares = " | ".join(f"{100 * share:.1f} %" for share in held)
        half = f"{np.median(halves):.2f}" if halves else "-"
        says = sum(window.corrected for window in windows) / runs
        rows.append(f"| {probe}, {name} | {100 * len(found) / runs:.0f} % | {100 * says:.0f} % | {shares} | {half} |")
    return rows


TEXT = """\
# Windows through a probe that errs

Worlds of two or five even components, whose exact curves are known, read by an artificial probe with errors that are
independent from image to image. Its confusion matrix is known from {counts:,} samples a label. {runs} runs of {bases}
bases, {repeats} repeats and {levels} levels under the exact posterior. Shares are of all runs: a run in which no window
is found holds nothing.

Made by

    python experiments/misread_labels.py --out docs --runs {runs}

| probe, curve | window found | says corrected | onset held | decision held | end held | half-width of decision |
| --- | --- | --- | --- | --- | --- | --- |
{table}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="four runs a probe")
    parser.add_argument("--runs", type=int, default=200, help="simulated runs a probe; 200 by default")
    parser.add_argument("--out", type=Path, default=Path("runs/misread-labels"), help="folder of the table")
    asked = parser.parse_args()
    runs = 4 if asked.quick else asked.runs
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        table = [row for part in pool.map(measure, PROBES, [runs] * len(PROBES)) for row in part]
    asked.out.mkdir(parents=True, exist_ok=True)
    text = TEXT.format(counts=COUNTS, runs=runs, **SIZE, table="\n".join(table))
    (asked.out / "misread-labels.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
