"""Where symmetry breaks (Raya & Ambrogioni 2023) beside where a feature is decided, for two point masses at +-1.

They let the reverse process run without its noise: its centre is a stable point of the drift x + 2 grad ln p_t(x) while
there is much noise, and turns unstable at theta_c = e^-t = sqrt(sqrt(2) - 1). Here the fixed points are found
numerically from the score that diffwin's sampler uses, and the same world is probed for its window of survival. Writes
`symmetry-breaking.md` and `symmetry-breaking.png`.

    python experiments/symmetry_breaking.py --out docs
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.optimize import brentq

import diffwin
from cards import table
from comparison import (
    NONE,
    Compared,
    comparison,
    dots,
    measured_survival,
    plain,
    with_error,
    with_interval,
    write_page,
)
from diffwin import Run
from diffwin.levels import FloatArray, log_snr_at, ou_time
from diffwin.process.ideal import IdealDiffusion
from diffwin.process.schedule import Schedule
from diffwin.report.style import FEATURES, INK, MUTED
from diffwin.survival import standard_error
from diffwin.theory.conventions import (
    drift_instability_time,
    speciation_time,
    symmetry_breaking,
    vp_linear_time,
)
from diffwin.theory.pair import crossing, overall_survival, separation
from diffwin.trials import ALL

POINT = 1e-3
"""Std of a component that stands for a point mass; its square moves nothing here by more than 1e-6."""

SMALL = 1e-4
"""How far from the centre slopes are taken."""

MOST_NOISE, LEAST_NOISE = 8.0, 0.02
"""OU times between which every pair here breaks its symmetry."""


@dataclass(frozen=True)
class World:
    """Components at +-mu on a line."""

    name: str
    mu: float
    std: float

    def write(self, folder: Path) -> Path:
        path = folder / f"{self.name}.toml"
        sides = ((1, "plus"), (-1, "minus"))
        parts = [
            f'[[component]]\nweight = 1.0\nmean = [{sign * self.mu}]\nlabels = {{side = "{side}"}}\n'
            for sign, side in sides
        ]
        head = f'kind = "gaussian-mixture"\ndimension = 1\nstd = {self.std}\n[grid]\nmax_log_snr = 10.0\n'
        path.write_text(head + "".join(parts), encoding="utf-8")
        return path


POINTS = World("points", 1.0, POINT)
WIDE = (World("wide-3", 3.0, 1.0), World("wide-10", 10.0, 1.0))


class Score:
    """grad ln p_t as the sampler has it: its denoiser E[x_0 | x_t] by Tweedie's formula, on a line."""

    def __init__(self, process: IdealDiffusion) -> None:
        self.network = process.engine.network

    def __call__(self, x: float, t: float) -> float:
        alpha, variance = np.exp(-t), -np.expm1(-2 * t)
        point, time = torch.tensor([[x]], dtype=torch.float64), torch.tensor([t], dtype=torch.float64)
        mean = float(self.network(point, time, torch.zeros(1, dtype=torch.int64))[0, 0])
        return float((alpha * mean - x) / variance)

    def drift(self, x: float, t: float, noise: float = 1.0) -> float:
        """Of the reverse process per unit of OU time; without noise it is the probability flow's, x + grad ln p."""
        return x + (1 + noise) * self(x, t)

    def slope(self, t: float, noise: float = 1.0) -> float:
        """Of the drift at the centre: it is stable there while this is negative."""
        return self.drift(SMALL, t, noise) / SMALL

    def instability(self) -> float:
        """The OU time at which the centre turns unstable."""
        return _root(self.slope, LEAST_NOISE, MOST_NOISE)

    def bimodality(self) -> float:
        """The OU time at which the density has a second mode: its own curvature at the centre turns."""
        return _root(lambda t: self(SMALL, t) / SMALL, LEAST_NOISE, MOST_NOISE)

    def side(self, t: float, reach: float) -> float:
        """The fixed point of the drift beside the centre, which there is once the centre is unstable."""
        return _root(lambda x: self.drift(x, t), SMALL, reach)


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    return float(brentq(function, low, high, xtol=1e-12))


def by_pitchfork(score: Score, t: float) -> float:
    """The same instability from the fixed points beside the centre alone: their square falls to 0 as t_c - t does."""
    near = t - np.array([1e-3, 2e-3, 4e-3])
    squares = [score.side(at, 2.0) ** 2 for at in near]
    return float(np.roots(np.polyfit(near - t, squares, 2))[-1] + t)


def ddpm_step(theta: float) -> float:
    """The timestep at which alpha of DDPM's 1000-step linear schedule passes a value."""
    alpha = np.sqrt(Schedule().alpha_bar())
    return float(np.interp(-theta, -alpha, np.arange(len(alpha))))


def of_points(score: Score, run: Run) -> Iterator[Compared]:
    """The table of the two point masses."""
    t, exact = score.instability(), float(drift_instability_time(1.0, POINT))
    yield Compared("theta_c = e^-t", "√(√2 − 1) = .643594", f"{float(symmetry_breaking()):.6f}", f"{np.exp(-t):.6f}")
    yield Compared("OU time", ".440687", f"{exact:.6f}", f"{t:.6f}")
    yield Compared("the same, from the fixed points beside the centre", measured=f"{by_pitchfork(score, t):.6f}")
    times = [f"{float(vp_linear_time(at)):.6f}" for at in (exact, t)]
    yield Compared("time of VP with linear beta from .1 to 20", ".292642", *times)
    steps = f"{1000 * float(vp_linear_time(exact)):.1f}", f"{ddpm_step(float(np.exp(-t))):.1f}"
    yield Compared("step of DDPM's linear 1000, counted from 0", NONE, *steps)
    kept, error = measured_at(run, float(log_snr_at(exact)))
    yield Compared(
        "survival at that time", NONE, f"{float(overall_survival(apart(exact))):.4f}", with_error(kept, error)
    )


def of_conventions(score: Score, run: Run) -> Iterator[Compared]:
    """OU times by each convention, of the same world."""
    yield Compared(
        "the centre of the reverse drift turns unstable",
        ".4407",
        f"{float(drift_instability_time(1.0, POINT)):.4f}",
        f"{score.instability():.4f}",
    )
    half = run.estimates[0].located[ALL].window.decision
    assert half is not None
    found = [float(ou_time(at)) for at in (half.log_snr, half.high, half.low)]
    exact = float(ou_time(crossing(0.5, 2.0, POINT)))
    yield Compared("half of what can survive does (diffwin's decision)", NONE, f"{exact:.4f}", with_interval(*found, 3))
    two_modes = f"{float(speciation_time(1.0, POINT)):.4f}", f"{score.bimodality():.4f}"
    yield Compared("the density has a second mode (D = 2)", NONE, *two_modes)


def of_wide(folder: Path) -> Iterator[tuple[str, ...]]:
    """Pairs of components at +-mu of std 1: the instability exact and measured, beside the other two conventions."""
    for world in WIDE:
        found = Score(load(world, folder)).instability()
        times = drift_instability_time(world.mu), found, ou_time(crossing(0.5, 2 * world.mu)), speciation_time(world.mu)
        yield f"{world.mu:g}", *(f"{float(t):.4f}" for t in times)


def apart(t: float) -> FloatArray:
    """D of the point masses at an OU time."""
    return separation(2 * POINTS.mu, log_snr_at(t), POINT)


def measured_at(run: Run, log_snr: float) -> tuple[float, float]:
    """Survival between the levels measured, and its standard error: linear in the log-SNR."""
    at, kept = run.readings[0].log_snr[::-1], measured_survival(run.estimates[0])[0][::-1]
    error = standard_error(run.readings[0], ALL)[::-1]
    return float(np.interp(log_snr, at, kept)), float(np.interp(log_snr, at, error))


def load(world: World, folder: Path) -> IdealDiffusion:
    process = diffwin.load(world.write(folder))
    assert isinstance(process, IdealDiffusion)
    return process


def figure(score: Score, run: Run) -> Figure:
    """The drift's fixed points above, survival below, along one noise axis."""
    drawn = Figure(figsize=(9.5, 7.2), layout="constrained")
    above, below = drawn.subplots(2, 1, sharex=True, height_ratios=(1, 1.15))
    _draw_fixed_points(above, score)
    _draw_survival(below, run)
    marks = (
        (score.instability(), "the drift turns unstable", FEATURES[1]),
        (float(ou_time(crossing(0.5, 2.0, POINT))), "half survives", FEATURES[0]),
        (score.bimodality(), "the density has two modes", FEATURES[2]),
    )
    for t, name, colour in marks:
        for panel in (above, below):
            panel.axvline(float(log_snr_at(t)), color=colour, lw=1.4, ls=(0, (5, 2)), zorder=1, label=name)
    above.legend(loc="center left", bbox_to_anchor=(0.0, 0.25), frameon=False, fontsize=11)
    below.set_xlim(-4, 4)
    return drawn


def _draw_fixed_points(panel: Axes, score: Score) -> None:
    critical = score.instability()
    centre = float(log_snr_at(critical))
    times = ou_time(centre + np.array([0.002, 0.01, 0.03, 0.07, 0.14, *np.arange(0.25, 4.2, 0.25)]))
    line = ou_time(centre + np.geomspace(1e-5, 4.5, 400))
    for sign in (1, -1):
        panel.plot(log_snr_at(line), [sign * _exact_side(t) for t in line], color=INK, lw=1.4)
        panel.plot(log_snr_at(times), [sign * score.side(t, 2.0) for t in times], "o", ms=4.5, color=FEATURES[1])
    panel.plot([-4, centre], [0, 0], color=INK, lw=1.4)
    panel.plot([centre, 4], [0, 0], color=MUTED, lw=1.2, ls=":")
    panel.text(2.6, 0.08, "unstable", color=MUTED, fontsize=11)
    panel.text(-3.9, 0.08, "stable", color=INK, fontsize=11)
    plain(panel, "Fixed points of the reverse drift: lines exact, dots from the sampler's score", "", "x")


def _exact_side(t: float) -> float:
    """The fixed point beside the centre: (1 + theta^2) x = 2 theta tanh(theta x / (1 - theta^2)), theta = e^-t."""
    theta = np.exp(-t)
    return _root(lambda x: 2 * theta * np.tanh(theta * x / (1 - theta**2)) - (1 + theta**2) * x, 1e-9, 2.0)


def _draw_survival(panel: Axes, run: Run) -> None:
    axis = np.linspace(-4, 4, 300)
    panel.plot(axis, overall_survival(separation(2.0, axis, POINT)), color=INK, lw=1.4)
    dots(panel, run.readings[0].log_snr, measured_survival(run.estimates[0]), FEATURES[0])
    title = "Survival of the side: line exact, dots measured with 95 % intervals"
    plain(panel, title, "log-SNR (noise on the left)", "survival")
    panel.set_ylim(0.4, 1.02)


PAGE = """\
# Symmetry breaking of two point masses

Raya & Ambrogioni (*Spontaneous symmetry breaking in generative diffusion models*, 2023) follow the reverse process
without its noise. For point masses at ±1 the centre is a stable point of its drift, x + 2 ∇ ln p_t(x), until
theta_c = e^-t = √(√2 − 1); then two stable points leave it. Measured are the zeros of that drift, its score taken from
the denoiser that diffwin's sampler calls (a mixture of two components of std {std:g}), by bracketing: the slope at the
centre changes sign, and the points beside it close in on the same time.

Made by

    python experiments/symmetry_breaking.py --out docs{quick}

{points}

The exact step is that of the continuous process; DDPM's own have a finite share of the noise each.

![fixed points of the drift, and survival](symmetry-breaking.png)

## Why "when is it decided" has three answers here

In OU time t, for the same world; {trials:,} regenerations ({size}) behind the second row:

{conventions}

They ask different things. The drift is what the mean of the next step does, and at theta_c it stops pulling back to the
centre; the noise of the process is left out, so nothing need have been decided. Survival asks whether a sample that is
noised to t and regenerated comes back on its side: at theta_c it does in {there:.1%} of cases, where one half is
chance. The density itself has two modes only later. Under the probability flow, whose drift is x + ∇ ln p_t(x), the
centre is unstable at every t (its slope there is e^-4t / (1 − e^-2t)^2, measured {flow:.5f} against {flow_exact:.5f} at
t = 1), so this convention says nothing of a deterministic sampler. Name the one used.

For wide components (±mu, std 1) the three are ln(2 mu^2) / 2, the half-survival time, and ln mu:

{wide}
"""


def page(score: Score, run: Run, folder: Path, *, quick: bool) -> str:
    plan, levels = run.plan, len(run.readings[0].levels)
    critical = float(drift_instability_time(1.0, POINT))
    head = ("mu", "drift unstable: exact", "measured", "half survives", "D = 2")
    return PAGE.format(
        std=POINT,
        quick=" --quick" if quick else "",
        points=comparison(of_points(score, run)),
        trials=plan.bases * plan.repeats * levels,
        size=f"{plan.bases} bases, {plan.repeats} repeats, {levels} levels",
        conventions=comparison(of_conventions(score, run)),
        there=float(overall_survival(apart(critical))),
        flow=score.slope(1.0, noise=0.0),
        flow_exact=float(np.exp(-4) / np.expm1(-2) ** 2),
        wide=table(head, list(of_wide(folder))),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/symmetry-breaking"), help="folder of the page")
    parser.add_argument("--runs", type=Path, default=Path("runs/symmetry-breaking"), help="folder of the run")
    parser.add_argument("--quick", action="store_true", help="a small run, to see that it works")
    given = parser.parse_args()
    runs = given.out if given.quick else given.runs
    for folder in (given.out, runs):
        folder.mkdir(parents=True, exist_ok=True)
    score = Score(load(POINTS, runs))
    size = (
        {"bases": 24, "repeats": 2, "levels": 6, "steps": 40}
        if given.quick
        else {"bases": 192, "repeats": 4, "levels": 14, "steps": 100}
    )
    run = diffwin.probe(model=str(runs / "points.toml"), out=runs / f"run-{size['bases']}", **size)
    write_page(given.out, "symmetry-breaking", page(score, run, runs, quick=given.quick), partial(figure, score, run))


if __name__ == "__main__":
    main()
