"""Survival: all features of a prompt in one panel, and one small panel a label.

Points are what was measured, with their intervals; a line is the curve that the window was read off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation
from numpy.typing import ArrayLike

from diffwin.levels import FloatArray
from diffwin.report.style import MUTED, PAPER, RULE, Look
from diffwin.report.survey import Drawn, Survey
from diffwin.report.timeline import WIDE
from diffwin.report.words import one_line, percent
from diffwin.trials import ALL

PANELS: Final = 12
"""Small panels a feature at most; the labels with the most bases come first."""

_DASHED: Final[dict[str, Any]] = {"lw": 1.4, "ls": (0, (3, 2)), "alpha": 0.8, "zorder": 4}
"""From the cleanest level measured to the picture itself, where survival is 1 by definition."""

_PREDICTED: Final[dict[str, Any]] = {"lw": 1.3, "ls": (0, (5, 2)), "zorder": 5}
"""A thin dashed line, which shows on the paler fitted one where the two agree."""

_BARS: Final[dict[str, Any]] = {"lw": 1.3, "zorder": 1}
_POINTS: Final[dict[str, Any]] = {"linewidths": 0, "alpha": 0.9, "zorder": 5}
_ASIDE: Final = 1.7
_DOTS: Final = (0, (1.2, 2.4))

_STARTED: Final = ("steps done", "share of the steps done where the picture was started again")


def survival(survey: Survey, looks: dict[str, Look], width: int) -> Figure:
    """The group `all` of every feature of one prompt: points, fitted curve, floor and decision."""
    wide = width >= WIDE
    shown = [look for look in looks.values() if look.feature in survey.features]
    predicted = any((look.feature, ALL) in survey.predicted for look in shown)
    columns = _columns([*(look.name for look in shown), *(["predicted"] if predicted else [])], wide=wide)
    rows = int(np.ceil((len(shown) + predicted) / columns))
    height, top = (432 if wide else 342) + 24 * rows, 8 + 24 * rows
    figure = Figure(figsize=(width / 72, height / 72), dpi=72)
    left, right, foot = (58 if wide else 44), 20, 56
    axes = figure.add_axes(
        (left / width, foot / height, (width - left - right) / width, (height - foot - top) / height)
    )
    _frame(axes, fine=wide)
    for at, look in enumerate(shown):
        _curve(axes, survey.drawn(look.feature, ALL), look, aside=_ASIDE * (at - (len(shown) - 1) / 2))
    for window in survey.windows:
        if window.group == ALL and window.decision is not None and (high := survey.height(window)) is not None:
            look = looks[window.feature]
            axes.plot([window.decision.fraction], [high], marker=look.marker, ms=12, color=look.colour, mec=PAPER,
                      mew=2, zorder=6)  # fmt: skip
    _legend(axes, shown, columns=columns, predicted=predicted)
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

    def line(self, xs: ArrayLike, ys: ArrayLike, **look: Any) -> None:
        self.axes.plot(*self._place(xs, ys), **look)

    def bars(self, drawn: Drawn, colour: str) -> None:
        across, low = self._place(drawn.x, drawn.low)
        high = self._place(drawn.x, drawn.high)[1]
        self.axes.vlines(across, low, high, color=colour, alpha=0.65 * _strength(drawn), **_BARS)

    def dots(self, drawn: Drawn, colour: str) -> None:
        self.axes.scatter(*self._place(drawn.x, drawn.y), s=drawn.area * 0.7, color=colour, **_POINTS)

    def text(self, x: float, y: float, shift: tuple[float, float], words: str, **look: Any) -> None:
        (across,), (up,) = self._place([x], [y])
        self.axes.text(across + shift[0], up + shift[1], words, **look)

    def _place(self, xs: ArrayLike, ys: ArrayLike) -> tuple[FloatArray, FloatArray]:
        return self.x + self.wide * np.asarray(xs), self.y + self.tall * np.asarray(ys)


def groups(survey: Survey, look: Look, width: int) -> Figure:
    """One feature of one prompt, a small panel a label, with the curve of all bases in grey behind it."""
    labels, across = labels_shown(survey, look.feature), 4 if width >= WIDE else 2
    left, gap, tall, head = 46, 18, 118, 34
    each = (width - left - 16 - gap * (across - 1)) / across
    height = int(np.ceil(len(labels) / across)) * (tall + head) + 26
    figure = Figure(figsize=(width / 72, height / 72), dpi=72)
    sheet = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
    sheet.set_axis_off()
    behind = survey.drawn(look.feature, ALL)
    for at, label in enumerate(labels):
        row, column = divmod(at, across)
        panel = _Panel(sheet, left + column * (each + gap), height - (row + 1) * (tall + head), each, tall)
        _panel_frame(
            panel,
            title=_panel_title(label, survey.bases(look.feature, label)),
            shares=column == 0,
            steps=at + across >= len(labels),
        )
        panel.line(behind.line_x, behind.line_y, color=MUTED, lw=1.4, alpha=0.55, zorder=2)
        _panel_curve(panel, survey.drawn(look.feature, label), look.colour)
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


def _panel_curve(panel: _Panel, drawn: Drawn, colour: str) -> None:
    panel.bars(drawn, colour)
    panel.dots(drawn, colour)
    panel.line(drawn.line_x, drawn.line_y, color=colour, **_line_look(drawn))
    panel.line([drawn.line_x[-1], 1], [drawn.line_y[-1], 1], color=colour, **_DASHED)
    if drawn.theory is not None:
        panel.line(*drawn.theory, color=colour, **_PREDICTED)
    if drawn.floor is not None:
        panel.line([0, 1], [drawn.floor] * 2, color=colour, lw=1.3, ls=_DOTS, zorder=3)


def labels_shown(survey: Survey, feature: str) -> list[str]:
    """Labels with a curve, those with the most bases where there are too many."""
    labels = survey.labels(feature)
    kept = sorted(labels, key=lambda label: -survey.bases(feature, label))[:PANELS]
    return [label for label in labels if label in kept]


def _panel_title(label: str, bases: int) -> str:
    return f"{one_line(label, 18)}  ·  {bases} picture{'s' if bases != 1 else ''}"


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


def _line_look(drawn: Drawn) -> dict[str, Any]:
    """A fitted curve is a bold line, points that are merely joined a thin one."""
    if not drawn.fitted:
        return {"lw": 1.1, "alpha": 0.7, "zorder": 4}
    return {"lw": 3.0, "alpha": 0.85 if drawn.theory is None else 0.5, "zorder": 4}


def _strength(drawn: Drawn) -> FloatArray:
    """Opacity of each interval: those of few regenerations are long, and paler so as not to outshout the others."""
    return np.asarray(0.12 + 0.36 * np.sqrt(drawn.area / drawn.area.max()))


def _curve(axes: Axes, drawn: Drawn, look: Look, aside: float) -> None:
    """One feature; its points stand `aside` by so many points, so that intervals of one level can be told apart."""
    beside = axes.transData + ScaledTranslation(aside / 72, 0, axes.figure.dpi_scale_trans)
    bars: dict[str, Any] = {"color": look.colour, "alpha": _strength(drawn), "clip_on": False} | _BARS
    axes.vlines(drawn.x, drawn.low, drawn.high, transform=beside, **bars)
    axes.scatter(
        drawn.x,
        drawn.y,
        s=drawn.area,
        color=look.colour,
        marker=look.marker,
        clip_on=False,
        transform=beside,
        **_POINTS,
    )
    axes.plot(drawn.line_x, drawn.line_y, color=look.colour, **_line_look(drawn))
    axes.plot([drawn.line_x[-1], 1], [drawn.line_y[-1], 1], color=look.colour, **_DASHED)
    if drawn.theory is not None:
        axes.plot(*drawn.theory, color=look.colour, **_PREDICTED)
    if drawn.floor is not None:
        axes.axhline(drawn.floor, color=look.colour, lw=1.3, ls=_DOTS, alpha=0.85, zorder=3)


def _columns(names: Sequence[str], *, wide: bool) -> int:
    """One row where the names have room, else a few columns."""
    room = 100 if wide else 22
    return max(len(names), 1) if sum(len(name) + 6 for name in names) <= room else 4 if wide else 2


def _legend(axes: Axes, shown: Sequence[Look], columns: int, *, predicted: bool) -> None:
    for look in shown:
        axes.plot([], [], color=look.colour, marker=look.marker, ms=8, lw=2.2, label=one_line(look.name, 22))
    if predicted:
        axes.plot([], [], color=MUTED, label="predicted", **_PREDICTED)
    if shown:
        axes.legend(
            loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=columns, frameon=False, fontsize=11.5,
            handlelength=1.8, columnspacing=1.6, borderaxespad=0.3,
        )  # fmt: skip
