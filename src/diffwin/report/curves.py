"""Survival curves: all features of a prompt in one panel, and one small panel a label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from diffwin.levels import FloatArray
from diffwin.report.axis import Axis
from diffwin.report.style import MUTED, PAPER, RULE, Look
from diffwin.report.timeline import WIDE
from diffwin.report.words import one_line, percent
from diffwin.trials import ALL
from diffwin.window import Window

PANELS: Final = 12
"""Small panels a feature at most; the labels with the most bases come first."""


_DASHED: Final[dict[str, Any]] = {"lw": 1.4, "ls": (0, (3, 2)), "alpha": 0.8, "zorder": 4}
"""From the cleanest level measured to the picture itself, where survival is 1 by definition."""

_STARTED: Final = ("steps done", "share of the steps done where the picture was started again")


def survival(curves: pd.DataFrame, windows: Sequence[Window], looks: dict[str, Look], axis: Axis, width: int) -> Figure:
    """The group `all` of every feature of one prompt: curve, band, floor and decision point."""
    wide = width >= WIDE
    shown = [look for look in looks.values() if look.feature in set(curves["feature"])]
    rows = int(np.ceil(len(shown) / (4 if wide else 2)))
    height, top = (392 if wide else 322) + 24 * rows, 8 + 24 * rows
    figure = Figure(figsize=(width / 72, height / 72), dpi=72)
    left, right, foot = (58 if wide else 44), 20, 56
    axes = figure.add_axes(
        (left / width, foot / height, (width - left - right) / width, (height - foot - top) / height)
    )
    _frame(axes, fine=wide)
    for look in shown:
        _curve(axes, curves[curves["feature"] == look.feature], look, axis)
    for window in windows:
        _decision(axes, window, looks[window.feature])
    _legend(axes, shown, columns=4 if wide else 2)
    place: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "color": MUTED}
    for x, align, text in ((0, "left", "pure noise"), (0.5, "center", _STARTED[wide]), (1, "right", "finished image")):
        axes.annotate(text, (x, 0), (0, -33), fontsize=11.5, ha=align, va="center", **place)
    return figure


@dataclass(frozen=True)
class _Panel:
    """A small plot inside one large axes in points, which draws far faster than an axes a panel."""

    axes: Axes
    x: float
    y: float
    wide: float
    tall: float

    def line(self, xs: Sequence[float], ys: Sequence[float], **look: Any) -> None:
        self.axes.plot(*self._place(xs, ys), **look)

    def band(self, xs: Sequence[float], lows: Sequence[float], highs: Sequence[float], **look: Any) -> None:
        across, low = self._place(xs, lows)
        self.axes.fill_between(across, low, self._place(xs, highs)[1], **look)

    def text(self, x: float, y: float, shift: tuple[float, float], words: str, **look: Any) -> None:
        (across,), (up,) = self._place([x], [y])
        self.axes.text(across + shift[0], up + shift[1], words, **look)

    def _place(self, xs: Sequence[float], ys: Sequence[float]) -> tuple[FloatArray, FloatArray]:
        return self.x + self.wide * np.asarray(xs), self.y + self.tall * np.asarray(ys)


def groups(curves: pd.DataFrame, look: Look, axis: Axis, width: int) -> Figure:
    """One feature of one prompt, a small panel a label, with the curve of all bases in grey behind it."""
    labels, across = labels_shown(curves), 4 if width >= WIDE else 2
    left, gap, tall, head = 46, 18, 118, 34
    each = (width - left - 16 - gap * (across - 1)) / across
    height = int(np.ceil(len(labels) / across)) * (tall + head) + 26
    figure = Figure(figsize=(width / 72, height / 72), dpi=72)
    sheet = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
    sheet.set_axis_off()
    for at, label in enumerate(labels):
        row, column = divmod(at, across)
        panel = _Panel(sheet, left + column * (each + gap), height - (row + 1) * (tall + head), each, tall)
        _panel_frame(panel, title=_panel_title(curves, label), shares=column == 0, steps=at + across >= len(labels))
        panel.line(*_line(curves[curves["group"] == ALL], axis), color=MUTED, lw=1.4, alpha=0.55, zorder=2)
        _panel_curve(panel, curves[curves["group"] == label], look, axis)
    return figure


def _panel_frame(panel: _Panel, *, title: str, shares: bool, steps: bool) -> None:
    panel.text(0, 1, (0, 10), title, fontsize=11.5)
    for value in (0.0, 0.5, 1.0):
        panel.line([0, 1], [value] * 2, color=RULE if value else MUTED, lw=1, zorder=0)
        if shares:
            panel.text(0, value, (-6, 0), percent(value), ha="right", va="center", fontsize=10, color=MUTED)
        if steps:
            align = {0.0: "left", 0.5: "center", 1.0: "right"}[value]
            panel.text(value, 0, (0, -7), percent(value), ha=align, va="top", fontsize=10, color=MUTED)


def _panel_curve(panel: _Panel, rows: pd.DataFrame, look: Look, axis: Axis) -> None:
    xs, ys = _line(rows, axis)
    lows, highs = _line(rows, axis, "low")[1], _line(rows, axis, "high")[1]
    panel.band(xs[:-1], lows[:-1], highs[:-1], color=look.colour, alpha=0.15, lw=0)
    panel.line(xs[:-1], ys[:-1], color=look.colour, lw=2.2, zorder=4)
    panel.line(xs[-2:], ys[-2:], color=look.colour, **_DASHED)
    floors = rows["floor"].dropna()
    if len(floors):
        panel.line([0, 1], [float(floors.iloc[0])] * 2, color=look.colour, lw=1.3, ls=(0, (1.2, 2.4)), zorder=3)


def labels_shown(curves: pd.DataFrame) -> list[str]:
    """Labels with a curve, those with the most bases first when there are too many; empty if only one."""
    known = curves[(curves["group"] != ALL) & curves["survival"].notna()]
    if known["group"].nunique() < 2:
        return []
    bases = known.groupby("group", sort=False)["bases"].max()
    kept = set(bases.sort_values(ascending=False, kind="stable").index[:PANELS])
    return [str(label) for label in bases.index if label in kept]


def _panel_title(curves: pd.DataFrame, label: str) -> str:
    count = int(curves.loc[curves["group"] == label, "bases"].max())
    return f"{one_line(label, 18)}  ·  {count} picture{'s' if count != 1 else ''}"


def _frame(axes: Axes, *, fine: bool) -> None:
    axes.set(xlim=(0, 1.0), ylim=(0, 1.03))
    axes.spines[:].set_visible(False)
    axes.spines["bottom"].set(visible=True, color=MUTED, linewidth=1)
    steps, shares = np.linspace(0, 1, 11 if fine else 5), np.linspace(0, 1, 5 if fine else 3)
    axes.set_xticks(steps, [percent(x) for x in steps], fontsize=10.5)
    axes.set_yticks(shares, [percent(y) for y in shares], fontsize=10.5)
    axes.tick_params(length=0, pad=5)
    axes.grid(axis="y", color=RULE, lw=1)
    axes.set_axisbelow(True)


def _line(rows: pd.DataFrame, axis: Axis, column: str = "survival") -> tuple[list[float], list[float]]:
    """Fractions and values from noise to image, ended by (1, 1): the picture itself has every feature it has."""
    known = rows.dropna(subset=["survival"]).sort_values("level", ascending=False)
    xs = [axis.of_level(level) for level in known["level"]]
    return [*xs, 1.0], [*(float(value) for value in known[column]), 1.0]


def _curve(axes: Axes, rows: pd.DataFrame, look: Look, axis: Axis) -> None:
    xs, ys = _line(rows, axis)
    lows, highs = _line(rows, axis, "low")[1], _line(rows, axis, "high")[1]
    axes.fill_between(xs[:-1], lows[:-1], highs[:-1], color=look.colour, alpha=0.15, lw=0, zorder=1)
    axes.plot(xs[:-1], ys[:-1], "o-", color=look.colour, lw=2.2, ms=3.2, zorder=4, clip_on=False)
    axes.plot(xs[-2:], ys[-2:], color=look.colour, **_DASHED)
    floors = rows["floor"].dropna()
    if len(floors):
        axes.axhline(float(floors.iloc[0]), color=look.colour, lw=1.3, ls=(0, (1.2, 2.4)), alpha=0.85, zorder=3)


def _decision(axes: Axes, window: Window, look: Look) -> None:
    if window.decision is None or window.floor is None:
        return
    height = window.floor + (1 - window.floor) / 2
    axes.plot(
        [window.decision.fraction], [height], marker=look.marker, ms=12, color=look.colour, mec=PAPER, mew=2, zorder=6
    )


def _legend(axes: Axes, shown: Sequence[Look], columns: int) -> None:
    for look in shown:
        axes.plot([], [], color=look.colour, marker=look.marker, ms=8, lw=2.2, label=one_line(look.name, 22))
    if shown:
        axes.legend(
            loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=columns, frameon=False, fontsize=11.5,
            handlelength=1.8, columnspacing=1.6, borderaxespad=0.3,
        )  # fmt: skip
