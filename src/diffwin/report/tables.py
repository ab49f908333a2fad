"""The numbers of the report as rows of text, the same for the page and for Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from diffwin.report.axis import Axis
from diffwin.report.findings import Findings
from diffwin.report.style import Look
from diffwin.report.words import percent, prompt_name, status_words, typeset
from diffwin.trials import ALL
from diffwin.window import Point, Status, Window


@dataclass(frozen=True)
class PointRow:
    """One crossing: `name` is onset, decision or end; an interval is text."""

    name: str
    fraction: str
    fraction_interval: str
    step: str
    time: str
    log_snr: str
    log_snr_interval: str


@dataclass(frozen=True)
class WindowRow:
    look: Look
    group: str
    status: Status
    words: str
    reason: str
    floor: str
    points: tuple[PointRow, ...]


@dataclass(frozen=True)
class MissingRow:
    prompt: str
    feature: str
    reason: str
    levels: str
    count: int


@dataclass(frozen=True)
class CountRow:
    prompt: str
    bases: int
    regenerations: int
    readings: int
    missing: int


def number(value: float, digits: int = 2) -> str:
    """Fixed decimals with a true minus sign; infinities in a sign."""
    if np.isnan(value):
        return "–"
    if np.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{value:.{digits}f}".replace("-", "−")


def window_rows(windows: Sequence[Window], looks: dict[str, Look], axis: Axis) -> list[WindowRow]:
    return [
        WindowRow(
            looks[window.feature],
            "all pictures" if window.group == ALL else window.group,
            window.status,
            status_words(window),
            typeset(window.reason),
            "–" if window.floor is None else percent(window.floor),
            tuple(_points(window, axis)),
        )
        for window in windows
    ]


def _points(window: Window, axis: Axis) -> Iterator[PointRow]:
    for name, point in (("onset", window.onset), ("decision", window.decision), ("end", window.end)):
        if point is not None:
            yield _point(name, point, axis)


def _point(name: str, point: Point, axis: Axis) -> PointRow:
    low, high = axis.interval(point)
    return PointRow(
        name,
        percent(point.fraction),
        f"{percent(low)} to {percent(high)}",
        number(point.step, 1),
        f"{point.time:.3g}",
        number(point.log_snr),
        f"{number(point.low)} to {number(point.high)}",
    )


def missing_rows(findings: Findings, looks: dict[str, Look]) -> list[MissingRow]:
    """Missing observations put together by prompt, feature and reason."""
    rows = []
    for (prompt, feature, reason), these in findings.missing.groupby(["prompt", "feature", "reason"], sort=True):
        name = looks[feature].name if feature in looks else "every feature"
        levels = sorted({int(level) for level in these["level"]})
        where = str(levels[0]) if len(levels) == 1 else f"{levels[0]} to {levels[-1]}"
        rows.append(MissingRow(prompt_name(str(prompt)), name, str(reason), where, len(these)))
    return rows


def count_rows(findings: Findings) -> list[CountRow]:
    """What was generated and read, a row a prompt."""
    rows = []
    for prompt in findings.prompts:
        mine = findings.trials[findings.trials["prompt"] == prompt]
        again = mine[mine["level"] > 0]
        rows.append(
            CountRow(
                prompt_name(prompt),
                mine["base"].nunique(),
                len(again[["base", "level", "repeat"]].drop_duplicates()),
                len(mine),
                int((findings.missing["prompt"] == prompt).sum()),
            )
        )
    return rows
