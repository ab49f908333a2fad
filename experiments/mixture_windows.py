"""Measured survival of two Gaussian mixtures beside the exact one.

The hypercube has three features, decided one after the other by the same trials; the pair has two groups of unequal
weight. Their survival is known in closed form, S(D, w) = E_z sigmoid(D^2 / 2 + D z + logit w), so the figure
`mixture_windows.png` and the table `mixture_windows.csv` show how far a run of the engine is from the truth.

    python experiments/mixture_windows.py --out runs/mixture-windows
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.polynomial.hermite_e import hermegauss
from scipy.optimize import brentq
from scipy.special import expit, logit

from diffwin import Run, probe

NODES, WEIGHTS = hermegauss(180)
COLOURS = ("#4477aa", "#cc6677", "#228833")


@dataclass(frozen=True)
class Curve:
    """One feature and group with a known curve: `apart` is the distance of the means, `share` the group's weight."""

    world: str
    feature: str
    group: str
    apart: float
    share: float
    std: float = 1.0

    def exact(self, log_snr: float) -> float:
        """S(D_t, w), with D_t = apart alpha / sqrt(alpha^2 std^2 + sigma^2)."""
        d = self.apart * np.sqrt(expit(log_snr) / (expit(log_snr) * self.std**2 + expit(-log_snr)))
        return float(WEIGHTS @ expit(d**2 / 2 + d * NODES + logit(self.share)) / np.sqrt(2 * np.pi))

    @property
    def decision(self) -> float:
        """log-SNR at which survival is half-way from its floor, the group's share, to one."""
        return float(brentq(lambda at: self.exact(at) - (1 + self.share) / 2, -30, 20))


SIZES = (30.0, 10.0, 3.0)
HYPERCUBE = [Curve("hypercube", f"axis {k}", "all", 2 * size, 0.5) for k, size in enumerate(SIZES)]
PAIR = [Curve("pair", "side", "rare", 16.0, 0.2, 2.0), Curve("pair", "side", "common", 16.0, 0.8, 2.0)]


def component(weight: float, mean: list[float], labels: dict[str, str]) -> str:
    named = ", ".join(f'"{name}" = "{label}"' for name, label in labels.items())
    return f"[[component]]\nweight = {weight}\nmean = {mean}\nlabels = {{{named}}}\n"


def write_worlds(folder: Path) -> None:
    """hypercube.toml and pair.toml."""
    corners = [
        component(
            1.0,
            [sign * size for sign, size in zip(signs, SIZES, strict=True)],
            {f"axis {k}": "plus" if sign > 0 else "minus" for k, sign in enumerate(signs)},
        )
        for signs in product((1, -1), repeat=len(SIZES))
    ]
    head = 'kind = "gaussian-mixture"\n'
    (folder / "hypercube.toml").write_text(head + "dimension = 3\n" + "".join(corners), encoding="utf-8")
    sides = component(0.2, [8.0, 0.0], {"side": "rare"}) + component(0.8, [-8.0, 0.0], {"side": "common"})
    (folder / "pair.toml").write_text(head + "dimension = 2\nstd = 2.0\n" + sides, encoding="utf-8")


def measure(world: str, folder: Path, *, quick: bool) -> Run:
    size = (
        {"bases": 24, "repeats": 2, "levels": 6, "steps": 40} if quick else {"bases": 128, "repeats": 4, "levels": 24}
    )
    toml = folder / f"{world}.toml"
    return probe(model=str(toml), solver="sde-dpmpp-2m", out=folder / world, **size)


def compare(curve: Curve, run: Run) -> dict[str, object]:
    """The exact decision point beside the measured one, and the measured survivals' distance from the exact ones."""
    windows, curves = run.windows, measured(curve, run)
    window = windows[(windows["feature"] == curve.feature) & (windows["group"] == curve.group)].iloc[0]
    exact = np.array([curve.exact(at) for at in curves["log_snr"]])
    return {
        "world": curve.world,
        "feature": curve.feature,
        "group": curve.group,
        "status": window["status"],
        "exact": curve.decision,
        "measured": window.get("decision_log_snr"),
        "low": window.get("decision_low"),
        "high": window.get("decision_high"),
        "levels": len(curves),
        "levels covered": int(((curves["low"] <= exact) & (exact <= curves["high"])).sum()),
        "mean error": float((curves["survival"] - exact).abs().mean()),
    }


def measured(curve: Curve, run: Run) -> pd.DataFrame:
    rows = run.curves
    return rows[(rows["feature"] == curve.feature) & (rows["group"] == curve.group)]


def draw(curves: dict[str, list[Curve]], runs: dict[str, Run], table: pd.DataFrame) -> Figure:
    """A panel a world: exact lines, measured points with their 95 % intervals, decision points along the bottom."""
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    for panel, world in zip(figure.subplots(1, len(curves), sharey=True), curves, strict=True):
        for place, (curve, colour) in enumerate(zip(curves[world], COLOURS, strict=False)):
            _draw_curve(panel, curve, measured(curve, runs[world]), colour)
            row = table[(table["world"] == world) & (table["feature"] == curve.feature)]
            _draw_decision(panel, row[row["group"] == curve.group].iloc[0], -0.06 - 0.05 * place, colour)
        panel.text(
            1, 0.04, "decision points: tick exact, dot measured", transform=panel.transAxes, ha="right", fontsize=8
        )
        panel.set_title(f"{world}: lines exact, points measured", loc="left", fontsize=10)
        panel.set_xlabel("log-SNR (noise on the left, sample on the right)")
        panel.legend(frameon=False, loc="center right")
        panel.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("survival")
    figure.axes[0].set_yticks(np.linspace(0, 1, 6))
    return figure


def _draw_curve(panel: Axes, curve: Curve, rows: pd.DataFrame, colour: str) -> None:
    name = curve.feature if curve.group == "all" else f"{curve.feature}: {curve.group}"
    line = np.linspace(rows["log_snr"].min(), rows["log_snr"].max(), 200)
    panel.plot(line, [curve.exact(at) for at in line], color=colour, lw=1.5, label=name)
    reach = np.stack([rows["survival"] - rows["low"], rows["high"] - rows["survival"]]).clip(min=0)
    panel.errorbar(rows["log_snr"], rows["survival"], reach, fmt="o", ms=3.5, lw=1, color=colour, alpha=0.85)


def _draw_decision(panel: Axes, row: pd.Series, height: float, colour: str) -> None:
    """The exact point as a tick, the measured one as a dot on its interval."""
    panel.plot(row["exact"], height, "|", ms=13, mew=1.5, color=colour)
    if row["status"] == "found":
        panel.plot([row["low"], row["high"]], [height, height], lw=2.5, alpha=0.5, color=colour)
        panel.plot(row["measured"], height, "o", ms=4, color=colour)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/mixture-windows"))
    parser.add_argument("--quick", action="store_true", help="few samples and steps, to see that it works")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_worlds(arguments.out)
    curves = {"hypercube": HYPERCUBE, "pair": PAIR}
    runs = {world: measure(world, arguments.out, quick=arguments.quick) for world in curves}
    table = pd.DataFrame([compare(curve, runs[curve.world]) for curve in [*HYPERCUBE, *PAIR]])
    table.to_csv(arguments.out / "mixture_windows.csv", index=False)
    draw(curves, runs, table).savefig(arguments.out / "mixture_windows.png", dpi=150)
    print(table.to_string(index=False, float_format=lambda value: f"{value:.3f}"))
    print(f"figure: {arguments.out / 'mixture_windows.png'}")


if __name__ == "__main__":
    main()
