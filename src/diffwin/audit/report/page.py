"""Writes the report of an audit: report.html, which needs nothing beside it, report.md, model-card.md and figures/."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from markupsafe import Markup

from diffwin.audit.report.view import view_of
from diffwin.audit.result import Audit
from diffwin.files import write_whole
from diffwin.report.glossary import GLOSSARY, PERCEIVED
from diffwin.report.page import rendered, write_figures

_TEMPLATES: Final = Path(__file__).parent / "templates"

METHODS: Final = (
    "Shares: the labels read in the pictures of a prompt, corrected by the inverse of the probe's measured confusion "
    "matrix where there is one (Rogan and Gladen 1978). Intervals are score intervals (Wilson 1927), widened for the "
    "doubt about the matrix; those of a finding hold for all labels of its feature at once (Bonferroni).",
    "Findings: the hypothesis that a share lies within the tolerance of its reference is tested for every prompt and "
    "sensitive feature. The share of false findings is held to 5 % by Benjamini and Yekutieli (2001), which allows any "
    "dependence; groups and net flows are two further families, each held in the same way.",
    "Near: an interval for all labels at once lies within the tolerance. All else is undecided.",
    "Windows: where survival, between chance and certainty, passes one half; see the report of each run. Means over "
    "prompts are random-effects means (DerSimonian and Laird 1986) with the interval of Hartung and Knapp (2001).",
    "Uncertainty that a prompt takes away: Theil's (1970) uncertainty coefficient, its bias taken off by redrawn "
    "samples. Fixed where another feature is decided: normalised survival at the other's decision.",
    "Amplification: the share of the training data's commonest label among the pictures, less its share in the data "
    "(Zhao et al. 2017), averaged over prompts that favour a label.",
    "Groups: survival by label as fairlearn's MetricFrame gives it (groups.csv); what differs beyond chance is told by "
    "resampling pictures, since regenerations of one picture resemble each other.",
    "Net flows: moves from one label to another less those back, over all levels, tested with the picture as the "
    "unit; an exact sampler has none. Errors of reading that are independent of the picture keep the balance, so net "
    "flows are tested as read.",
    "Who becomes whom, corrected: with the probe's confusion matrix M, the true table of before and after is M^-T "
    "times the one read times M^-1, errors being taken for independent from picture to picture. Intervals come from "
    "resampling pictures and the matrix. Where survival shows that a probe repeats its errors on the same picture, or "
    "readings contradict the matrix, or there is none, tables stand as read and say why.",
)
FILES: Final = {
    "audit.json": "everything on this page, for programs",
    "shares.csv": "shares with intervals, by guidance, prompt, feature and label",
    "decisions.csv": "windows, by guidance, prompt and feature",
    "groups.csv": "survival of each feature by the label of each sensitive one",
    "transitions.csv": "who becomes whom, by prompt, feature and level",
    "model-card.md": "a section for the model's card",
    "guidance-*/": "the runs, each with a report of its own",
}


def write_pages(audit: Audit) -> Path:
    """Write the pages into the audit's folder; returns the path of report.html."""
    view, findings = view_of(audit)
    write_figures(audit.folder, view.plots)
    features = " and ".join(feature.replace("-", " ") for feature in audit.suite.file.sensitive)
    given = {
        "view": view,
        "findings": findings,
        "labels": audit.suite.labels,
        "features": features,
        "methods": METHODS,
        "files": FILES,
        "glossary": [*GLOSSARY, PERCEIVED],
        "audit_style": Markup((_TEMPLATES / "audit.css").read_text("utf-8")),
    }
    page = audit.folder / "report.html"
    write_whole(page, rendered("audit.html.j2", _TEMPLATES, **given))
    write_whole(audit.folder / "report.md", rendered("audit.md.j2", _TEMPLATES, **given))
    write_whole(audit.folder / "model-card.md", rendered("model-card.md.j2", _TEMPLATES, **given))
    return page
