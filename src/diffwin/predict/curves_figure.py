"""Exact survival of every feature over the noise axis, with what a run measured laid on it."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from diffwin.levels import FloatArray
from diffwin.predict.axis import frame
from diffwin.predict.prediction import IMAGE, PredictedWindow, Prediction
from diffwin.report.style import MUTED, PAPER, RULE, Look
from diffwin.report.words import one_line, percent
from diffwin.theory.curves import ExactCurve
from diffwin.trials import ALL

WIDTH: Final = 900
_LEFT, _RIGHT, _FOOT, _TALL, _COLUMNS = 58, 24, 56, 330, 4
_POINTS: Final = 400


def curves_figure(prediction: Prediction, looks: dict[str, Look], measured: pd.DataFrame | None = None) -> Figure:
    """A line a feature with its floor and its decision; `measured` are a run's curves, drawn as points with intervals.

    Of an image set also, in grey, how often the very image comes back.
    """
    axes = _panel(len(looks) + (prediction.image is not None) + (measured is not None))
    low, high = float(prediction.panorama.log_snr[0]), float(prediction.panorama.log_snr[-1])
    frame(axes, low, high)
    axis = np.linspace(low, high, _POINTS)
    for feature in prediction.features:
        _feature(axes, feature.curves[0], feature.whole, looks[feature.name], axis)
    if prediction.image is not None:
        axes.plot(axis, prediction.image[0].at(axis), color=MUTED, lw=1.8, ls=(0, (5, 2)), label=IMAGE)
    if measured is not None:
        for name, look in looks.items():
            _points(axes, measured[(measured["feature"] == name) & (measured["group"] == ALL)], look.colour)
        axes.errorbar([], [], [], fmt="o", ms=5.5, color=MUTED, elinewidth=1.4, label="measured, 95 % interval")
    axes.legend(
        loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=_COLUMNS, frameon=False, fontsize=11.5, handlelength=1.8,
        columnspacing=1.6, borderaxespad=0.3,
    )  # fmt: skip
    assert isinstance(axes.figure, Figure)
    return axes.figure


def _panel(named: int) -> Axes:
    """Axes of survival with room above for a legend of so many names."""
    top = 14 + 24 * int(np.ceil(named / _COLUMNS))
    height = top + _TALL + _FOOT
    figure = Figure(figsize=(WIDTH / 72, height / 72), dpi=72)
    axes = figure.add_axes((_LEFT / WIDTH, _FOOT / height, (WIDTH - _LEFT - _RIGHT) / WIDTH, _TALL / height))
    shares = np.linspace(0, 1, 5)
    axes.set(ylim=(0, 1.03), yticks=shares, yticklabels=[percent(y) for y in shares])
    axes.grid(axis="y", color=RULE, lw=1)
    axes.set_axisbelow(True)
    return axes


def _feature(axes: Axes, curve: ExactCurve, window: PredictedWindow, look: Look, axis: FloatArray) -> None:
    name = one_line(look.name, 22)
    axes.plot(
        axis, curve.at(axis), color=look.colour, lw=2.2, zorder=4, label=name, marker=look.marker, markevery=[], ms=8
    )
    axes.axhline(curve.floor, color=look.colour, lw=1.3, ls=(0, (1.2, 2.4)), alpha=0.85, zorder=3)
    if window.decision is not None:
        middle = curve.floor + (1 - curve.floor) / 2
        at = window.decision.log_snr
        axes.plot([at], [middle], marker=look.marker, ms=12, color=look.colour, mec=PAPER, mew=2, zorder=6)


def _points(axes: Axes, rows: pd.DataFrame, colour: str) -> None:
    known = rows.dropna(subset=["survival"])
    x, y = known["log_snr"].to_numpy(float), known["survival"].to_numpy(float)
    bars = np.stack([y - known["low"].to_numpy(float), known["high"].to_numpy(float) - y])
    axes.errorbar(
        x, y, np.maximum(bars, 0), fmt="o", ms=5.5, color=colour, mec=PAPER, mew=0.8, elinewidth=1.4, zorder=7
    )
