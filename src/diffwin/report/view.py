"""Everything that the two templates show, computed once from the findings."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure

from diffwin.report import curves, words
from diffwin.report.axis import Axis
from diffwin.report.findings import Findings
from diffwin.report.pictures import Album, Thumbnails, albums, filmstrip
from diffwin.report.style import Drawing, Look, draw, for_page, looks
from diffwin.report.tables import CountRow, MissingRow, WindowRow, count_rows, missing_rows, window_rows
from diffwin.report.timeline import NARROW, WIDE, timeline
from diffwin.report.words import Piece
from diffwin.trials import ALL
from diffwin.window import Window


@dataclass(frozen=True)
class Plot:
    """A figure for the page at two widths, and under `name` for the disk."""

    name: str
    description: str
    wide: Markup
    narrow: Markup
    drawing: Drawing


@dataclass(frozen=True)
class GroupPlot:
    look: Look
    plot: Plot
    left_out: int


@dataclass(frozen=True)
class PromptView:
    """One prompt; `whole` is the full text where the name had to be shortened."""

    key: str
    prompt: str
    name: str
    whole: str
    answer: list[Piece]
    rows: list[WindowRow]
    group_rows: list[WindowRow]
    timeline: Plot | None
    survival: Plot | None
    groups: list[GroupPlot]


@dataclass(frozen=True)
class View:
    findings: Findings
    looks: dict[str, Look]
    axis: Axis
    prompts: list[PromptView]
    albums: list[Album]
    counts: list[CountRow]
    missing: list[MissingRow]
    settings: dict[str, str]
    origins: dict[str, str]
    perceived: bool
    plots: list[Plot] = field(default_factory=list)


def view_of(findings: Findings, folder: Path) -> View:
    """Draw and word the findings of the run in `folder`, where their pictures lie."""
    known = looks(findings.features, lambda name: words.feature_name(name, sensitive=name in findings.sensitive))
    axis, thumbnails = Axis(findings.steps, findings.level_log_snr), Thumbnails(folder)
    maker = _Maker(findings, known, axis, thumbnails)
    prompts = [maker.prompt(str(at), prompt) for at, prompt in enumerate(findings.prompts, start=1)]
    return View(
        findings,
        known,
        axis,
        prompts,
        albums(findings, thumbnails),
        count_rows(findings),
        missing_rows(findings, known),
        {name: value for name, value in findings.settings.items() if not _is_origin(name)},
        {name: value for name, value in findings.settings.items() if _is_origin(name)},
        any(name in findings.sensitive for name in findings.features),
        [plot for prompt in prompts for plot in _plots(prompt)],
    )


def _is_origin(setting: str) -> bool:
    """Whether a setting tells where the numbers come from rather than what was asked for."""
    return setting.startswith(("model ", "probe ")) or setting.endswith(" version")


def _plots(prompt: PromptView) -> Iterator[Plot]:
    for plot in (prompt.timeline, prompt.survival, *(each.plot for each in prompt.groups)):
        if plot is not None:
            yield plot


@dataclass(frozen=True)
class _Maker:
    findings: Findings
    looks: dict[str, Look]
    axis: Axis
    thumbnails: Thumbnails

    def prompt(self, key: str, prompt: str) -> PromptView:
        known = [w for w in self.findings.windows if w.prompt == prompt and w.feature in self.looks]
        windows = [w for w in known if w.group == ALL]
        table = self.findings.curves
        mine = table[(table["prompt"] == prompt) & table["feature"].isin(list(self.looks))]
        names = {feature: look.name for feature, look in self.looks.items()}
        answer = words.answer(prompt, self.findings.model, windows, names, self.axis, self.findings.order)
        name = words.prompt_name(prompt)
        return PromptView(
            key,
            prompt,
            name,
            words.clean(prompt) if name.endswith("…”") else "",
            answer,
            window_rows(_in_order(windows), self.looks, self.axis),
            window_rows([w for w in known if w.group != ALL], self.looks, self.axis),
            self._timeline(key, name, prompt, windows, words.plain(answer)),
            self._survival(key, name, mine, windows),
            list(self._groups(key, name, mine)),
        )

    def _timeline(self, key: str, name: str, prompt: str, windows: list[Window], answer: str) -> Plot | None:
        if not windows:
            return None
        film = filmstrip(self.findings, prompt, self.thumbnails)
        return _plot(
            f"timeline-{key}",
            f"Timeline of windows for {name}. {answer}",
            partial(timeline, windows, self.looks, self.axis, film),
        )

    def _survival(self, key: str, name: str, table: pd.DataFrame, windows: list[Window]) -> Plot | None:
        whole = table[(table["group"] == ALL) & table["survival"].notna()]
        if whole.empty:
            return None
        return _plot(
            f"survival-{key}",
            f"Survival of each feature for {name}, from noise to image; the numbers are in curves.csv.",
            partial(curves.survival, whole, windows, self.looks, self.axis),
        )

    def _groups(self, key: str, name: str, table: pd.DataFrame) -> Iterator[GroupPlot]:
        for at, look in enumerate(self.looks.values(), start=1):
            mine = table[table["feature"] == look.feature]
            shown = curves.labels_shown(mine)
            if not shown:
                continue
            stem = re.sub(r"[^a-z0-9]+", "-", look.feature.lower())[:40].strip("-")
            plot = _plot(
                f"groups-{key}-{at}-{stem}".rstrip("-"),
                f"Survival of the {look.name} for {name}, a panel a label; the numbers are in curves.csv.",
                partial(curves.groups, mine, look, self.axis),
            )
            left_out = mine.loc[(mine["group"] != ALL) & mine["survival"].notna(), "group"].nunique() - len(shown)
            yield GroupPlot(look, plot, left_out)


def _in_order(windows: list[Window]) -> list[Window]:
    found = [window for window, _ in words.located(windows)]
    return [*found, *(window for window in windows if window not in found)]


def _plot(name: str, description: str, make: Callable[[int], Figure]) -> Plot:
    drawing = draw(lambda: make(WIDE))
    narrow = draw(lambda: make(NARROW), png=False)
    description = " ".join(words.clean(description).split())
    return Plot(
        name,
        description,
        for_page(drawing.svg, f"{name}-w", description),
        for_page(narrow.svg, f"{name}-n", description),
        drawing,
    )
