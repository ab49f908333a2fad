"""How fast each feature is decided: nats per unit of log-SNR, a row a feature, its window shaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from diffwin.information import Information
from diffwin.report.axis import Axis
from diffwin.report.style import INK, MUTED, RULE, Look
from diffwin.report.tables import number
from diffwin.report.timeline import Room
from diffwin.report.words import one_line, percent
from diffwin.window import Window

_FOOT: Final = 92
_TALL, _ABOVE, _BELOW = 96, 20, 26
"""Of the highest curve, of the number on top of each, and of the shares under it, in points."""
_NOTHING: Final = 0.005
"""The axis leaves out where no rate is above this share of the highest."""


_ENDS: Final = (
    (0.0, "left", "\N{LEFTWARDS ARROW} noise"),
    (0.5, "center", "log-SNR, and steps done"),
    (1.0, "right", "image \N{RIGHTWARDS ARROW}"),
)
_NEAR: Final[dict[str, Any]] = {"textcoords": "offset points", "va": "bottom"}
_BESIDE: Final[dict[str, Any]] = {"xycoords": "axes fraction", **_NEAR}


def rates(
    found: Sequence[Information], windows: dict[str, Window], looks: dict[str, Look], axis: Axis, width: int
) -> Figure:
    """Rows in the order given, all on one scale, so that an area is an amount of information."""
    room = Room(width)
    top = max(float(each.rate.max()) for each in found)
    busy = np.concatenate([each.log_snr[each.rate > _NOTHING * top] for each in found])
    low, high = float(busy.min()), float(busy.max())
    talls = [_TALL * float(each.rate.max()) / top + _ABOVE for each in found]
    between = _BELOW if room.wide else _BELOW + 20
    height = _FOOT + sum(talls) + between * len(found)
    figure, foot = Figure(figsize=(width / 72, height / 72), dpi=72), height - _FOOT
    for each, tall in zip(found, talls, strict=True):
        foot -= tall + between
        box = (room.left / width, (foot + _FOOT) / height, room.span / width, tall / height)
        axes = figure.add_axes(box, xlim=(low, high), ylim=(0, top * tall / _TALL), yticks=[], xticks=[])
        axes.spines[:].set_visible(False)
        axes.spines["bottom"].set(visible=True, color=RULE, linewidth=1)
        _row(axes, each, windows[each.feature], looks[each.feature], room)
    _axis(figure.axes[-1], axis, room, (low, high))
    return figure


def _row(axes: Axes, found: Information, window: Window, look: Look, room: Room) -> None:
    assert window.onset is not None
    assert window.end is not None
    x, y = found.log_snr, found.rate
    inside = (x >= window.onset.log_snr) & (x <= window.end.log_snr)
    axes.fill_between(x, 0, y, color=look.colour, alpha=0.1, lw=0)
    axes.fill_between(x, 0, y, where=inside.tolist(), color=look.colour, alpha=0.34, lw=0)
    axes.plot(x, y, color=look.colour, lw=1.8)
    if found.centre is not None:
        top = float(y.max())
        axes.annotate(number(top), (found.centre, top), (0, 3), ha="center", fontsize=10, color=MUTED, **_NEAR)
    name, shares = one_line(look.name, 24), (found.before, found.inside, found.after)
    total = f"{number(found.entropy)} nats"
    if room.wide:
        axes.annotate(name, (0, 0), (-16, 20), ha="right", fontsize=13, **_BESIDE)
        axes.annotate(total, (0, 0), (-16, 4), ha="right", fontsize=10.5, color=MUTED, **_BESIDE)
    else:
        axes.annotate(name, (0, 1), (0, 6), ha="left", fontsize=12.5, **_BESIDE)
        axes.annotate(total, (1, 1), (0, 6), ha="right", fontsize=10.5, color=MUTED, **_BESIDE)
    _shares(axes, shares, window)


def _shares(axes: Axes, shares: tuple[float, float, float], window: Window) -> None:
    """Before, inside and after, under the window."""
    assert window.onset is not None
    assert window.end is not None
    first, last = window.onset.log_snr, window.end.log_snr
    place: dict[str, Any] = {"fontsize": 10.5, "annotation_clip": False, **_NEAR}
    middle = (first + last) / 2
    axes.annotate(percent(shares[1]), (middle, 0), (0, -16), ha="center", weight="bold", color=INK, **place)
    axes.annotate(percent(shares[0]), (middle, 0), (-20, -16), ha="right", color=MUTED, **place)
    axes.annotate(percent(shares[2]), (middle, 0), (20, -16), ha="left", color=MUTED, **place)


def _axis(axes: Axes, axis: Axis, room: Room, ends: tuple[float, float]) -> None:
    """Log-SNR, and below it the steps done."""
    ticks = np.arange(np.ceil(ends[0]), np.floor(ends[1]) + 1)
    every = max(int(np.ceil(len(ticks) * 34 / room.span)), 1)
    shown = ticks[ticks % every == 0]
    axes.set_xticks(shown, [number(value, 0) for value in shown], fontsize=11)
    axes.tick_params(length=0, pad=28)
    done = axis.along(shown)
    place: dict[str, Any] = {"textcoords": "offset points", "va": "center", "color": MUTED, "annotation_clip": False}
    for value, share in zip(shown, done, strict=True):
        axes.annotate(percent(share), (value, 0), (0, -55), ha="center", fontsize=9.5, **place)
    within: dict[str, Any] = {"xycoords": "axes fraction", **place}
    if room.wide:
        axes.annotate("log-SNR", (0, 0), (-28, -35), ha="right", fontsize=11.5, **within)
        axes.annotate("steps done", (0, 0), (-28, -55), ha="right", fontsize=9.5, **within)
    for x, align, text in _ENDS:
        if x != 0.5 or not room.wide:
            axes.annotate(text, (x, 0), (0, -76), ha=align, fontsize=11.5, **within)
