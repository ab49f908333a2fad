"""The order of decisions: a matrix of the chance that the feature of a row is decided before that of a column."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from diffwin.order import Pair
from diffwin.report.style import INK, MUTED, RULE, Look
from diffwin.report.timeline import WIDE
from diffwin.report.words import chance, one_line

_STRONGEST: Final = 0.34
"""Opacity of a cell whose chance is 1; one of a half or less stays empty."""


def matrix(pairs: Sequence[Pair], looks: Sequence[Look], width: int) -> Figure:
    """A cell for each of `pairs`; `looks` are the features located, from the first decided to the last."""
    wide, known = width >= WIDE, {(pair.first, pair.second): pair for pair in pairs}
    left, tall = (182, 42) if wide else (134, 34)
    each = min(128 if wide else 52, (width - left - 10) / len(looks))
    head = 44 if wide else 26
    height = head + tall * len(looks) + 8
    figure = Figure(figsize=(width / 72, height / 72), dpi=72)
    sheet = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
    sheet.set_axis_off()
    for at, look in enumerate(looks):
        middle, centre = head + (at + 0.5) * tall, left + (at + 0.5) * each
        _row_name(sheet, look, left - 10, middle, 20 if wide else 14)
        _column_name(sheet, look, centre, head - 6, each if wide else 0)
        for column, other in enumerate(looks):
            corner = (left + column * each + 1.5, head + at * tall + 1.5)
            _cell(sheet, known.get((look.feature, other.feature)), look, corner, (each - 3, tall - 3))
    return figure


def _row_name(sheet: Axes, look: Look, x: float, y: float, letters: int) -> None:
    sheet.plot([x - 4], [y], marker=look.marker, ms=8, color=look.colour, clip_on=False)
    name = textwrap.wrap(one_line(look.name, 36), letters) or [""]
    sheet.text(x - 16, y, "\n".join(name[:2]), ha="right", va="center", fontsize=12 if len(name) == 1 else 11)


def _column_name(sheet: Axes, look: Look, x: float, y: float, room: float) -> None:
    """The name over its column; the shape alone where there is no room."""
    if not room:
        sheet.plot([x], [y - 6], marker=look.marker, ms=8, color=look.colour, clip_on=False)
        return
    name = textwrap.wrap(one_line(look.name, 30), max(int(room / 6.6), 8)) or [""]
    sheet.text(x, y, "\n".join(name[:3]), ha="center", va="bottom", fontsize=11, color=MUTED, linespacing=1.05)


def _cell(sheet: Axes, pair: Pair | None, look: Look, corner: tuple[float, float], size: tuple[float, float]) -> None:
    if pair is None:
        sheet.add_patch(Rectangle(corner, *size, color=RULE, alpha=0.5, linewidth=0))
        return
    strength = max(2 * pair.probability - 1, 0.0) * _STRONGEST
    sheet.add_patch(Rectangle(corner, *size, color=look.colour, alpha=strength, linewidth=0))
    ink, thick = (INK, 1.6) if pair.settled else (RULE, 1.0)
    sheet.add_patch(Rectangle(corner, *size, facecolor="none", edgecolor=ink, linewidth=thick))
    middle = (corner[0] + size[0] / 2, corner[1] + size[1] / 2)
    weight = "bold" if pair.settled else "normal"
    text, fontsize = (chance(pair.probability), 12) if size[0] > 50 else (_short(pair.probability), 10)
    sheet.text(*middle, text, ha="center", va="center", fontsize=fontsize, weight=weight)


def _short(probability: float) -> str:
    """The same in three signs, for a narrow cell."""
    whole = min(max(round(100 * probability), 1), 99)
    return ">99" if probability > 0.99 else "<1" if probability < 0.01 else f"{whole}"
