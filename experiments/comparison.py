"""Pages that set a published number beside the exact and the measured one: their tables and figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cards import table
from diffwin.estimate import Estimate
from diffwin.levels import FloatArray
from diffwin.report.style import draw
from diffwin.survival import interval
from diffwin.trials import ALL

NONE = "–"
"""Stands where a source says nothing, or nothing can be measured."""


@dataclass(frozen=True)
class Compared:
    """One quantity, as published, as it is exactly, and as it was measured."""

    quantity: str
    published: str = NONE
    exact: str = NONE
    measured: str = NONE


def comparison(rows: Iterable[Compared]) -> str:
    """A Markdown table, one row a quantity."""
    return table(("", "published", "exact", "measured"), [(r.quantity, r.published, r.exact, r.measured) for r in rows])


def with_error(value: float, error: float, digits: int = 3) -> str:
    """A number with its standard error."""
    return f"{value:,.{digits}f} ± {error:,.{digits}f}"


def with_interval(value: float, low: float, high: float, digits: int = 2) -> str:
    """A number with its 95 % interval."""
    return f"{value:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def write_page(folder: Path, name: str, text: str, make: Callable[[], Figure]) -> None:
    """NAME.md and NAME.png in a folder."""
    write_figure(folder, name, make)
    (folder / f"{name}.md").write_text(text, encoding="utf-8")
    print(f"{text}\n{folder / name}.md")


def write_figure(folder: Path, name: str, make: Callable[[], Figure]) -> None:
    """NAME.png in a folder, with the look of a report's figures."""
    (folder / f"{name}.png").write_bytes(draw(make).png)


def measured_survival(seen: Estimate) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Survival of all bases at each level of the readings, and the ends of its 95 % intervals."""
    curve = seen.raw[ALL]
    return curve.among_levels(curve.survival[0]), *interval(seen.readings, ALL)


def dots(panel: Axes, at: FloatArray, values: tuple[FloatArray, FloatArray, FloatArray], colour: str) -> None:
    """What was measured at each level, with its intervals."""
    middle, low, high = values
    reach = np.stack([middle - low, high - middle]).clip(min=0)
    panel.errorbar(at, middle, reach, fmt="o", ms=4, lw=1.1, color=colour)


def plain(panel: Axes, title: str, along: str, up: str) -> None:
    """No box, a title on the left, and what the axes are."""
    panel.set_title(title, loc="left", fontsize=12)
    panel.set(xlabel=along, ylabel=up)
    panel.spines[["top", "right"]].set_visible(False)
