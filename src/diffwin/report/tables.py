"""The numbers of the report as rows of text, the same for the page and for Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from diffwin.order import Pair
from diffwin.report.axis import Axis
from diffwin.report.findings import Findings
from diffwin.report.style import Look
from diffwin.report.words import chance, correction_words, method_words, percent, prompt_name, status_words, typeset
from diffwin.theory.curves import Crossing, ExactWindow
from diffwin.trials import ALL
from diffwin.window import NAMES, Point, Status, Window


@dataclass(frozen=True)
class PointRow:
    """One crossing: `name` is onset, decision or end; an interval is text, `predicted` a log-SNR or ''."""

    name: str
    fraction: str
    fraction_interval: str
    step: str
    time: str
    log_snr: str
    log_snr_interval: str
    predicted: str


@dataclass(frozen=True)
class WindowRow:
    look: Look
    group: str
    status: Status
    words: str
    reason: str
    method: str
    correction: str
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
    a_level: str
    readings: int
    missing: int


def number(value: float, digits: int = 2) -> str:
    """Fixed decimals with a true minus sign; infinities in a sign."""
    if np.isnan(value):
        return "–"
    if np.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{value:.{digits}f}".replace("-", "−")


def window_rows(windows: Sequence[Window], findings: Findings, looks: dict[str, Look], axis: Axis) -> list[WindowRow]:
    predicted = {(c.feature, c.group): c.window() for curves in findings.predicted.values() for c in curves}
    return [
        WindowRow(
            looks[window.feature],
            "all pictures" if window.group == ALL else window.group,
            window.status,
            status_words(window),
            typeset(window.reason),
            method_words(window),
            correction_words(window, exact=window.feature in findings.exact),
            "–" if window.floor is None else percent(window.floor),
            tuple(_points(window, predicted.get((window.feature, window.group)), axis)),
        )
        for window in windows
    ]


def _points(window: Window, predicted: ExactWindow | None, axis: Axis) -> Iterator[PointRow]:
    for name in NAMES:
        point = getattr(window, name)
        if point is not None:
            theory = "" if predicted is None else _crossing(getattr(predicted, name))
            yield _point(name, point, theory, axis)


def _crossing(at: Crossing) -> str:
    """A log-SNR, with its standard error where that can be seen."""
    return number(at.log_snr) + (f" ± {at.error:.2f}" if at.error >= 0.005 else "")


def _point(name: str, point: Point, predicted: str, axis: Axis) -> PointRow:
    low, high = axis.interval(point)
    return PointRow(
        name,
        percent(point.fraction),
        f"{percent(low)} to {percent(high)}",
        number(point.step, 1),
        f"{point.time:.3g}",
        number(point.log_snr),
        f"{number(point.low)} to {number(point.high)}",
        predicted,
    )


@dataclass(frozen=True)
class PairRow:
    """Two features in the order of their decisions; how far apart in log-SNR, with an interval."""

    first: Look
    second: Look
    chance: str
    difference: str
    interval: str
    settled: bool


def pair_rows(pairs: Sequence[Pair], looks: dict[str, Look]) -> list[PairRow]:
    """Each pair once, the earlier feature first, the surest pair first."""
    ahead = {frozenset((pair.first, pair.second)): pair for pair in pairs if pair.difference >= 0}
    return [
        PairRow(
            looks[pair.first],
            looks[pair.second],
            chance(pair.probability),
            number(pair.difference),
            f"{number(pair.low)} to {number(pair.high)}",
            pair.settled,
        )
        for pair in sorted(ahead.values(), key=lambda each: -each.probability)
    ]


def between(counts: pd.Series[int]) -> str:
    """The smallest and the largest of some counts, once where they are the same."""
    if counts.empty:
        return "0"
    low, high = int(counts.min()), int(counts.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


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
        again = mine.loc[mine["level"] > 0, ["base", "level", "repeat"]].drop_duplicates()
        rows.append(
            CountRow(
                prompt_name(prompt),
                mine["base"].nunique(),
                len(again),
                between(again.groupby("level").size()),
                len(mine),
                int((findings.missing["prompt"] == prompt).sum()),
            )
        )
    return rows
