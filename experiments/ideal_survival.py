"""The main job on the ideal score of the emoji drawings, label by label, against the exact posterior.

The posterior of a finite image set is known, so E sum_s p(s | x_t)^2 is what a run must measure. Prints the largest
differences in standard errors, writes `ideal_survival.csv` and `ideal_survival.png`, and ends with status 1 if any
label at any level is off by more than four.

    python experiments/ideal_survival.py --out runs/ideal-survival
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

import diffwin
from diffwin.process.ideal import IdealDiffusion
from diffwin.survival import Readings, Tables, standard_error
from diffwin.trials import ALL
from diffwin.worlds.exact import Survival

LIMIT = 4.0


def measure(out: Path, *, quick: bool) -> pd.DataFrame:
    """Measured and exact survival, one row a feature, group and level."""
    size = {"bases": 12, "repeats": 1, "levels": 3} if quick else {"bases": 64, "repeats": 3, "levels": 12}
    run = diffwin.probe(model="noto-emoji", out=out / "run", **size)
    world = diffwin.load("noto-emoji")
    assert isinstance(world, IdealDiffusion)
    draws = 2400 if quick else 4800  # every drawing on every background once, or twice
    log_snr = run.readings[0].log_snr
    truth = [world.exact_survivals(value, draws=draws) for value in log_snr]
    rows = [
        compare(each, name, [level[each.feature] for level in truth]) for each in run.readings for name in each.groups
    ]
    return pd.concat(rows, ignore_index=True)


def compare(readings: Readings, group: str, exact: list[Survival]) -> pd.DataFrame:
    """One group's curve beside the exact one; `off` is the difference in standard errors."""
    pairs = [(e.value, e.standard_error) if group == ALL else e.groups[group] for e in exact]
    value, spread = np.clip(np.array(pairs).T, 0, 1)
    measured = Tables.of(readings, readings.ones).survival(group)[0]
    trials = readings.read[readings.members(group)].sum(axis=0)
    # no clustering of repeats can make the error smaller than that of independent trials
    least = np.sqrt(value * (1 - value) / trials)
    error = np.hypot(np.maximum(standard_error(readings, group), least), spread)
    # one trial more or less is the resolution of a count
    off = np.maximum(np.abs(measured - value) - 1 / trials, 0) / np.maximum(error, 1e-12)
    columns = {"log_snr": readings.log_snr, "measured": measured, "exact": value, "error": error, "off": off}
    return pd.DataFrame(columns).assign(feature=readings.feature, group=group, trials=trials)


def draw(table: pd.DataFrame) -> Figure:
    """One panel a feature: exact curve, measured points with their standard errors."""
    whole = table[table["group"] == ALL]
    features = list(dict.fromkeys(whole["feature"]))
    figure = Figure(figsize=(3.2 * len(features), 3.2), layout="constrained")
    for panel, feature in zip(figure.subplots(1, len(features), sharey=True, squeeze=False)[0], features, strict=True):
        rows = whole[whole["feature"] == feature].sort_values("log_snr")
        panel.plot(rows["log_snr"], rows["exact"], color="#4477aa", label="exact posterior")
        panel.errorbar(
            rows["log_snr"], rows["measured"], 2 * rows["error"], fmt="o", ms=4, color="#222222", label="measured"
        )
        panel.set_title(feature)
        panel.set_xlabel("log-SNR")
        panel.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("survival")
    figure.axes[0].legend(frameon=False, fontsize=8)
    return figure


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/ideal-survival"))
    parser.add_argument("--quick", action="store_true", help="a small run, to see that it works")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    table = measure(given.out, quick=given.quick)
    table.to_csv(given.out / "ideal_survival.csv", index=False)
    draw(table).savefig(given.out / "ideal_survival.png", dpi=130)
    print(table.sort_values("off", ascending=False).head(8).to_string(index=False))
    worst = float(table["off"].max())
    print(f"{len(table)} labels and levels; the largest difference is {worst:.2f} standard errors")
    return 0 if worst <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
