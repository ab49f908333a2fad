"""The audit's report: report.html, which needs nothing beside it, report.md and figures/."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from diffwin.files import write_whole
from diffwin.privacy import figures, words
from diffwin.privacy.analyse import RATES, Findings, Judged
from diffwin.privacy.methods import methods_of, settings_of
from diffwin.report.axis import Axis
from diffwin.report.page import rendered, write_figures
from diffwin.report.pictures import THUMBNAIL, Thumbnails, source_of
from diffwin.report.tables import number
from diffwin.report.view import Plot, plot_of
from diffwin.report.words import percent, typeset

_TEMPLATES: Final = Path(__file__).parent / "templates"
STRIPS, COPIES = 12, 12
"""Pictures and copies shown at most."""

WARNING: Final = "This report holds training pictures. Treat it with the care that they ask for."


@dataclass(frozen=True)
class Strip:
    """One picture with what came back from each level: (share of the steps done, picture, the same)."""

    name: str
    kind: str
    prompt: str
    picture: str
    returns_to: str
    p_value: str
    shots: tuple[tuple[str, str, bool], ...]


@dataclass(frozen=True)
class Pair:
    """A fresh picture beside the member nearest to it."""

    fresh: str
    nearest: str
    name: str
    prompt: str
    distance: str
    copy: bool


@dataclass(frozen=True)
class AttackRow:
    name: str
    title: str
    source: str
    auc: str
    rates: tuple[str, ...]
    behind: str
    chosen: str
    verdict: str


@dataclass(frozen=True)
class View:
    """Everything that both templates show."""

    model: str
    findings: list[words.Finding]
    plots: list[Plot]
    strips: list[Strip]
    pairs: list[Pair]
    attacks: list[AttackRow]
    levels: list[tuple[str, ...]]
    settings: dict[str, str]
    methods: list[str]


def write_report(folder: Path, found: Findings) -> Path:
    """Write the report into the audit's folder; the same findings give the same bytes. Returns the page's path."""
    view = view_of(found, folder)
    write_figures(folder, view.plots)
    given = {
        "view": view,
        "verdicts": words.VERDICTS,
        "limits": words.LIMITS,
        "warning": WARNING,
        "rates": [f"{100 * rate:g} %" for rate in RATES],
        "own_style": Markup((_TEMPLATES / "privacy.css").read_text("utf-8")),
    }
    page = folder / "report.html"
    write_whole(page, rendered("privacy.html.j2", _TEMPLATES, **given))
    write_whole(folder / "report.md", rendered("privacy.md.j2", _TEMPLATES, **given))
    return page


def view_of(found: Findings, folder: Path) -> View:
    thumbnails = Thumbnails(folder)
    return View(
        found.measured.model,
        words.findings_of(found),
        list(_plots(found)),
        [_strip(found, at, kind, thumbnails) for kind, at in _shown(found)],
        list(_pairs(found, thumbnails)),
        [attack_row(judged) for judged in found.attacks],
        list(_levels(found)),
        settings_of(found),
        list(methods_of(found)),
    )


def _plots(found: Findings) -> Iterator[Plot]:
    told = "Share of regenerations that are the same picture, by the steps done; the numbers are in identity.csv."
    yield plot_of("survival", told, partial(figures.survival, found))
    told = "The log-SNR down to which each picture comes back; the numbers are in pictures.csv."
    yield plot_of("reach", told, partial(figures.reach, found))
    if found.attacks:
        told = "True against false positive rate of each attack; the numbers are in the table of attacks."
        yield plot_of("roc", told, partial(figures.roc, found))


def _shown(found: Findings) -> list[tuple[str, int]]:
    """Memorised members first, then the members and the non-members that come back from the most noise."""
    to = found.identity.returns_to
    rows = [("memorised member", int(at)) for at in found.found[:STRIPS]]
    for kind, which in (("member", np.setdiff1d(found.members, found.found)), ("non-member", found.others)):
        first = which[np.argsort(to[which], kind="stable")][: STRIPS // 4]
        rows += [(kind, int(at)) for at in first]
    return rows


def _strip(found: Findings, at: int, kind: str, thumbnails: Thumbnails) -> Strip:
    measured, axis = found.measured, _axis(found)
    shots = tuple(
        (
            percent(axis.of_level(int(level))),
            thumbnails.source(str(measured.paths[at, k])),
            bool(found.identity.same[at, k, 0] == 1),
        )
        for k, level in reversed(list(enumerate(measured.levels)))
    )
    p_value = found.memorised.p_value[at]
    return Strip(
        measured.subjects.names[at],
        kind,
        measured.subjects.prompts[at],
        _source(measured.shown[at]),
        number(float(found.identity.returns_to[at]), 1),
        "–" if np.isnan(p_value) else f"{p_value:.3f}",
        shots,
    )


def _source(pixels: NDArray[np.uint8]) -> str:
    picture = Image.fromarray(pixels)
    picture.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    return source_of(picture)


def _pairs(found: Findings, thumbnails: Thumbnails) -> Iterator[Pair]:
    """The fresh pictures nearest to a member, the copies of one picture once."""
    of = found.extraction
    seen: set[int] = set()
    for at in np.argsort(of.distance, kind="stable"):
        nearest = int(of.nearest[at])
        if nearest in seen or len(seen) == COPIES:
            continue
        seen.add(nearest)
        yield Pair(
            thumbnails.source(of.generations.paths[of.made[at]]),
            _source(found.measured.shown[nearest]),
            found.measured.subjects.names[nearest],
            of.generations.prompts[of.made[at]],
            number(float(of.distance[at])),
            bool(of.copy[at]),
        )


def attack_row(judged: Judged) -> AttackRow:
    return AttackRow(
        words.NAMES[judged.attack.name],
        judged.attack.title,
        judged.attack.source,
        words.interval(judged.auc),
        tuple(words.rate_words(judged.rates[rate]) for rate in RATES),
        "–" if judged.behind is None else words.interval(judged.behind),
        typeset(judged.chosen),
        words.verdict_words(judged),
    )


def _levels(found: Findings) -> Iterator[tuple[str, ...]]:
    """kind, count, measured, predicted, measured less predicted."""
    for level in found.collapse:
        both = ("–" if of is None else words.interval(of) for of in (level.predicted, level.apart))
        yield (level.kind, str(level.count), words.interval(level.measured), *both)


def _axis(found: Findings) -> Axis:
    return Axis(found.measured.grid.top, list(found.measured.grid.log_snr))
