"""The timeline: a bar a feature from onset to end, on the way from noise to image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from diffwin.report.axis import Axis
from diffwin.report.style import INK, MUTED, PAPER, RULE, Look
from diffwin.report.words import located, one_line, percent, status_words
from diffwin.window import Point, Window

WIDE, NARROW = 920, 350
_BAND: Final = 9
_FOOT: Final = 90


@dataclass(frozen=True)
class Room:
    """Where things stand on a sheet `width` units wide; one unit is a point on paper and a pixel on a screen."""

    width: int

    @property
    def wide(self) -> bool:
        return self.width >= WIDE

    @property
    def left(self) -> int:
        return 182 if self.wide else 16

    @property
    def right(self) -> int:
        return 26 if self.wide else 16

    @property
    def span(self) -> int:
        return self.width - self.left - self.right

    @property
    def row(self) -> int:
        return 50 if self.wide else 64


def timeline(
    windows: Sequence[Window],
    looks: dict[str, Look],
    axis: Axis,
    film: Sequence[tuple[int, NDArray[np.uint8]]],
    width: int,
) -> Figure:
    """Draw the windows of one prompt; `film` holds (level, uint8 RGB pixels) from noise to image, or nothing."""
    room = Room(width)
    found = [window for window, _ in located(windows)]
    rows = [*found, *(window for window in windows if window not in found)]
    shown = _fitting(film, room)
    head = _film_height(shown, room)
    height = head + len(rows) * room.row + _FOOT + 8
    figure = Figure(figsize=(width / 72, height / 72), dpi=72)
    area = (room.left / width, _FOOT / height, room.span / width, len(rows) * room.row / height)
    axes = figure.add_axes(area)
    _frame(axes, axis, room, len(rows))
    for at, window in enumerate(rows):
        _row(axes, window, looks[window.feature], axis, at, room)
    _grain(figure, room, height)
    _film(figure, shown, axis, room, height, head)
    return figure


def _frame(axes: Axes, axis: Axis, room: Room, rows: int) -> None:
    """Limits, grid, the axis of steps and below it the one of log-SNR."""
    axes.set(xlim=(0, 1), ylim=(max(rows, 1), 0), yticks=[])
    axes.spines[:].set_visible(False)
    steps = np.linspace(0, 1, 11 if room.wide else 5)
    axes.set_xticks(steps, [percent(value) for value in steps], fontsize=11)
    axes.tick_params(length=0, pad=_BAND + 4)
    for value in np.linspace(0, 1, 5):
        axes.axvline(value, color=RULE, lw=1, zorder=0)
    snr = axes.secondary_xaxis(-(_BAND + 50) / max(rows * room.row, 1))
    snr.spines[:].set_visible(False)
    ticks = axis.ticks(34 / room.span)
    snr.set_xticks([at for at, _ in ticks], [text for _, text in ticks], fontsize=9.5)
    snr.tick_params(length=3, color=RULE, pad=3)
    for x, align, text in (
        (0.0, "left", "pure noise"),
        (0.5, "center", "steps done"),
        (1.0, "right", "finished image"),
    ):
        _below(axes, text, (x, 0), _BAND + 33, align, 11.5)
    if room.wide:
        _below(axes, "log-SNR", (0.0, -16), _BAND + 60, "right", 9.5)
    else:
        _below(axes, "log-SNR", (0.0, 0), _BAND + 77, "left", 9.5)


def _below(axes: Axes, text: str, x: tuple[float, float], down: float, align: str, size: float) -> None:
    """A muted word `down` points under the axes, at a fraction `x[0]` of their width and `x[1]` points beside it."""
    axes.annotate(
        text, (x[0], 0), (x[1], -down), xycoords="axes fraction", textcoords="offset points", fontsize=size,
        color=MUTED, ha=align, va="center", annotation_clip=False,
    )  # fmt: skip


def _row(axes: Axes, window: Window, look: Look, axis: Axis, at: int, room: Room) -> None:
    middle = at + (0.58 if room.wide else 0.66)
    name = one_line(look.name, 24 if room.wide else 30)
    if room.wide:
        axes.annotate(name, (0, middle), (-16, 0), textcoords="offset points", ha="right", va="center", fontsize=13)
    else:
        axes.annotate(name, (0, at + 0.22), ha="left", va="center", fontsize=13)
    if window.decision is None:
        _without_window(axes, window, middle)
        return
    start, stop = _edges(window, axis)
    axes.plot([start, stop], [middle] * 2, color=look.colour, lw=20, alpha=0.24, solid_capstyle="butt", zorder=2)
    for edge, point, sign in ((start, window.onset, "<"), (stop, window.end, ">")):
        _edge(axes, edge, middle, point, look.colour, sign)
    axes.plot(axis.interval(window.decision), [middle] * 2, color=look.colour, lw=6, solid_capstyle="round", zorder=3)
    _decision(axes, window.decision, look, middle, at, room)


def _edges(window: Window, axis: Axis) -> tuple[float, float]:
    """From onset to end; an edge outside the measured levels gives the edge of the axis."""
    start = window.onset.fraction if window.onset else axis.of_log_snr(min(axis.log_snr))
    return start, window.end.fraction if window.end else 1.0


def _edge(axes: Axes, x: float, y: float, point: Point | None, colour: str, sign: str) -> None:
    """A closed edge is a thin upright; one that was not seen is an arrow head pointing out."""
    if point is None:
        axes.plot([x], [y], marker=sign, ms=11, color=colour, mec=PAPER, mew=1, zorder=4, clip_on=False)
    else:
        axes.plot([x], [y], marker="|", ms=20, mew=1.6, color=colour, alpha=0.75, zorder=3)


def _decision(axes: Axes, point: Point, look: Look, middle: float, at: int, room: Room) -> None:
    x = point.fraction
    axes.plot([x], [middle], marker=look.marker, ms=13, color=look.colour, mec=PAPER, mew=2, zorder=5, clip_on=False)
    bold: dict[str, Any] = {"va": "center", "fontsize": 12.5, "color": look.colour, "weight": "bold"}
    if not room.wide:
        # at the end of the line of the name, clear of every bar
        axes.annotate(percent(x), (1, at + 0.22), ha="right", **bold)
        return
    align = "left" if x < 0.03 else "right" if x > 0.97 else "center"
    axes.annotate(percent(x), (x, at + 0.17), ha=align, **bold)


def _without_window(axes: Axes, window: Window, middle: float) -> None:
    axes.plot([0, 1], [middle] * 2, color=MUTED, lw=1.2, ls=(0, (1, 4)), dash_capstyle="round", zorder=1)
    around = {"facecolor": PAPER, "edgecolor": "none", "pad": 5}
    look: dict[str, Any] = {"fontsize": 12, "color": MUTED, "style": "italic", "bbox": around, "zorder": 3}
    axes.annotate(status_words(window), (0.5, middle), ha="center", va="center", **look)


def grain(width: int = 480, height: int = 8) -> NDArray[np.uint8]:
    """RGBA noise that fades to nothing from left to right, the same at every call."""
    rng = np.random.default_rng(0)
    alpha = np.linspace(1, 0, width) ** 1.4 * rng.uniform(0.15, 1.0, (height, width))
    grey = np.full((height, width, 3), 110, np.uint8)
    return np.concatenate([grey, np.round(255 * alpha)[..., None].astype(np.uint8)], axis=2)


def _grain(figure: Figure, room: Room, height: float) -> None:
    """The axis itself: noise that clears."""
    below = (_FOOT - _BAND - 1) / height
    band = figure.add_axes((room.left / room.width, below, room.span / room.width, _BAND / height))
    band.imshow(grain(room.span // 2, 4), aspect="auto", interpolation="none")
    band.set(xticks=[], yticks=[])
    band.spines[:].set_visible(False)


def _fitting(film: Sequence[tuple[int, NDArray[np.uint8]]], room: Room) -> list[tuple[int, NDArray[np.uint8]]]:
    """As many pictures as the sheet has room for, both ends kept."""
    most = 11 if room.wide else 6
    if len(film) <= most:
        return list(film)
    return [film[at] for at in np.unique(np.linspace(0, len(film) - 1, most).round().astype(int))]


def _side(count: int, room: Room) -> float:
    return min(64.0, (room.span + 6) / count - 6) if count else 0.0


def _film_height(film: Sequence[object], room: Room) -> float:
    return _side(len(film), room) + 34 if film else 10


def _film(
    figure: Figure, film: Sequence[tuple[int, NDArray[np.uint8]]], axis: Axis, room: Room, height: float, head: float
) -> None:
    """The pictures in a row on top, each tied to the point of the axis that it was regenerated from."""
    side = _side(len(film), room)
    gap = (room.span - side * len(film)) / max(len(film) - 1, 1)
    for at, (level, pixels) in enumerate(film):
        x = room.left + at * (side + gap)
        holder = figure.add_axes((x / room.width, (height - side - 4) / height, side / room.width, side / height))
        holder.imshow(pixels, interpolation="none")
        holder.set(xticks=[], yticks=[])
        holder.spines[:].set(color=RULE, linewidth=1)
        target = room.left + axis.of_level(level) * room.span
        _leader(figure, (x + side / 2, height - side - 7), (target, height - head - 6), room.width, height)
    if film and room.wide:
        words = "one picture,\nstarted again\nfrom each point"
        y = (height - side / 2 - 4) / height
        figure.text((room.left - 16) / room.width, y, words, ha="right", va="center", fontsize=10.5, color=MUTED)


def _leader(figure: Figure, top: tuple[float, float], foot: tuple[float, float], width: float, height: float) -> None:
    xs, ys = [top[0], foot[0], foot[0]], [top[1], foot[1] + 5, foot[1]]
    line = Line2D([x / width for x in xs], [y / height for y in ys], color=MUTED, lw=0.8, alpha=0.7)
    figure.add_artist(line)
    figure.add_artist(
        Line2D([foot[0] / width], [foot[1] / height], marker="v", ms=3.5, color=INK, alpha=0.6, ls="none")
    )
