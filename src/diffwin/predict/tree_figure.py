"""A mixture tree drawn over the noise axis, from noise on the left to the finished sample on the right."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, count
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from diffwin.predict.axis import frame
from diffwin.predict.names import decides, node_name, share
from diffwin.predict.prediction import COMPONENTS, Prediction
from diffwin.report.style import INK, MUTED, PAPER, Look
from diffwin.report.words import one_line
from diffwin.theory.tree import Choice, Node

WIDTH: Final = 900
_LEFT, _FOOT, _ROW, _LONGEST = 24, 56, 27, 24
_STUB: Final = 1.2
_LETTER: Final = 6.4
"""Points that a letter takes, to see whether a name fits its line."""


@dataclass(frozen=True, eq=False)
class _Line:
    """A sub-population from where it is committed to, to where it is left, in log-SNR; rows count from the top."""

    node: Node
    parent: Node | None
    row: float
    start: float
    end: float


def tree_figure(prediction: Prediction, name: str, looks: dict[str, Look]) -> Figure:
    """One tree: a line for each sub-population over the levels at which the sampler is committed to it.

    A line forks where its choice is half made, in the colour of the feature that the choice decides; the bar about the
    fork runs from the onset of the choice to its end. Lines are as thick as their share is large.
    """
    root, by = prediction.trees[name], None if name == COMPONENTS else name
    low, high = _ends(root)
    lines = _lines(root, None, low, high, count())
    forks = {id(node): decides(prediction.panorama, node, by) for node in root.walk() if node.parts}
    shown = [look for look in looks.values() if look.feature in forks.values()] if by is None else []
    names = {id(line): _words(prediction, line, by) for line in lines}
    right = 20 + _LETTER * max(len(names[id(line)]) for line in lines if not line.node.parts)
    top, width = 14 + 24 * bool(shown), WIDTH - _LEFT - right
    height = top + _FOOT + _ROW * root.leaves
    figure = Figure(figsize=(WIDTH / 72, height / 72), dpi=72)
    axes = figure.add_axes((_LEFT / WIDTH, _FOOT / height, width / WIDTH, (height - _FOOT - top) / height))
    frame(axes, low, high)
    axes.set(ylim=(root.leaves - 0.5, -0.5), yticks=[])
    rows = {id(line.node): line.row for line in lines}
    for line in lines:
        if line.node.choice is not None:
            _fork(axes, line, rows, looks[forks[id(line.node)]].colour if forks[id(line.node)] else MUTED)
        _stroke(axes, line)
        _name(axes, line, names[id(line)], width / (high - low))
    _legend(axes, shown)
    return figure


def _ends(root: Node) -> tuple[float, float]:
    """A little more than the windows of all choices."""
    finite = [at for node in root.walk() if node.choice for at in _window(node.choice) if np.isfinite(at)] or [0.0]
    return min(finite) - _STUB, max(finite) + _STUB


def _window(choice: Choice) -> tuple[float, float, float]:
    window = choice.window
    return window.onset.log_snr, window.decision.log_snr, window.end.log_snr


def _lines(node: Node, parent: Node | None, start: float, high: float, free: Iterator[int]) -> list[_Line]:
    """The node's own line first: leaves take the next free row, a choice stands midway between its outer parts."""
    if node.choice is None:
        return [_Line(node, parent, float(next(free)), start, high)]
    end = float(np.clip(node.choice.window.decision.log_snr, start, high))
    below = [_lines(part, node, end, high, free) for part in node.parts]
    row = (below[0][0].row + below[-1][0].row) / 2
    return [_Line(node, parent, row, start, end), *chain.from_iterable(below)]


def _fork(axes: Axes, line: _Line, rows: dict[int, float], colour: str) -> None:
    """The bar from onset to end, and the upright that joins the parts."""
    assert line.node.choice is not None
    onset, _, end = np.clip(_window(line.node.choice), *axes.get_xlim())
    reach = [rows[id(part)] for part in line.node.parts]
    axes.add_patch(Rectangle((onset, line.row - 0.24), end - onset, 0.48, color=colour, alpha=0.22, lw=0, zorder=1))
    axes.plot([line.end] * 2, [min(reach), max(reach)], color=colour, lw=2.4, solid_capstyle="round", zorder=3)
    axes.plot(line.end, line.row, "o", ms=7, color=colour, mec=PAPER, mew=1.5, zorder=5)


def _stroke(axes: Axes, line: _Line) -> None:
    thickness = 1.0 + 4 * np.sqrt(line.node.weight)
    axes.plot([line.start, line.end], [line.row] * 2, color=INK, lw=thickness, solid_capstyle="butt", zorder=2)


def _words(prediction: Prediction, line: _Line, by: str | None) -> str:
    """A leaf's name with its share; another's name alone."""
    name = one_line(node_name(prediction.panorama, line.node, line.parent, by), _LONGEST)
    return name if line.node.parts else f"{name}  {share(line.node.weight)}"


def _name(axes: Axes, line: _Line, words: str, scale: float) -> None:
    """A leaf's beside it; another's above its line, if there is room. `scale` is points to a unit of log-SNR."""
    if line.node.choice is None:
        place: dict[str, Any] = {
            "xytext": (8, 0),
            "textcoords": "offset points",
            "va": "center",
            "annotation_clip": False,
        }
        axes.annotate(words, (line.end, line.row), fontsize=11, **place)
    elif words and _LETTER * len(words) < scale * (line.end - line.start):
        above = 6 + 2 * float(np.sqrt(line.node.weight))
        place = {"xytext": (0, above), "textcoords": "offset points", "ha": "center", "zorder": 6}
        axes.annotate(words, ((line.start + line.end) / 2, line.row), fontsize=10.5, **place)


def _legend(axes: Axes, shown: list[Look]) -> None:
    for look in shown:
        axes.plot([], [], color=look.colour, lw=2.4, marker="o", ms=7, mec=PAPER, label=one_line(look.name, 22))
    if shown:
        axes.legend(
            loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=5, frameon=False, fontsize=11.5, handlelength=1.8,
            borderaxespad=0.2,
        )  # fmt: skip
