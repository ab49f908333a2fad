"""Writes the report: report.html, which needs nothing beside it, report.md and figures/."""

from __future__ import annotations

import base64
import hashlib
import io
import os
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from diffwin.report import words
from diffwin.report.findings import Findings
from diffwin.report.glossary import GLOSSARY, PAPERS, PERCEIVED, PREDICTED
from diffwin.report.markdown import escaped
from diffwin.report.tables import number
from diffwin.report.timeline import grain
from diffwin.report.view import View, view_of
from diffwin.version import VERSION

_TEMPLATES: Final = Path(__file__).parent / "templates"


def write_report(folder: Path, findings: Findings) -> Path:
    """Write report.html, report.md and figures/*.svg|png into the run folder; returns the path of the page.

    The same findings and pictures give the same bytes.
    """
    view = view_of(findings, folder)
    figures = folder / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    for plot in view.plots:
        _replace(figures / f"{plot.name}.svg", plot.drawing.svg.encode())
        _replace(figures / f"{plot.name}.png", plot.drawing.png)
    page = folder / "report.html"
    _replace(page, _render("report.html.j2", view).encode())
    _replace(folder / "report.md", _render("report.md.j2", view).encode())
    return page


def _render(template: str, view: View) -> str:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "md": escaped,
        "percent": words.percent,
        "number": number,
        "line": words.one_line,
        "sentence": words.sentence,
        "clean": words.clean,
        "quoted": words.prompt_name,
    }
    script = _own("strip.js")
    return environment.get_template(template).render(
        view=view,
        findings=view.findings,
        style=_own("report.css"),
        grain=_grain(),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        glossary=[
            *GLOSSARY,
            *([PREDICTED] if view.findings.predicted else []),
            *([PERCEIVED] if view.perceived else []),
        ],
        papers=PAPERS,
        version=VERSION,
    )


def _grain() -> Markup:
    """The noise that clears, as a data URI: the track of the slider."""
    held = io.BytesIO()
    Image.fromarray(grain(480, 6)).save(held, format="PNG", optimize=True)
    return Markup("data:image/png;base64," + base64.b64encode(held.getvalue()).decode())


def _own(name: str) -> Markup:
    """A file of ours, which goes into the page as it is."""
    return Markup((_TEMPLATES / name).read_text(encoding="utf-8"))


def _replace(path: Path, content: bytes) -> None:
    """Write whole or not at all."""
    beside = path.with_name(path.name + ".part")
    beside.write_bytes(content)
    os.replace(beside, path)
