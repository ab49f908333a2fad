"""Writes the report of an intervention: report.html, which needs nothing beside it, report.md and figures/."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from markupsafe import Markup

from diffwin.files import write_whole
from diffwin.intervene.report.view import view_of
from diffwin.intervene.results import Found
from diffwin.report.glossary import GLOSSARY, PERCEIVED
from diffwin.report.page import rendered, write_figures

_TEMPLATES: Final = Path(__file__).parent / "templates"
_TERMS: Final = ("Onset", "Decision", "End", "Steps done", "Log-SNR")

METHODS: Final = (
    "Each picture is generated again from its own noise, and only the prompt differs, for some of the steps. So it "
    "stands beside an untouched twin, and what sets them apart is what the prompt did there.",
    "The effect of an interval is the mean over pictures of 1 where the label is there now, less 1 where it was there "
    "before. Intervals of confidence come from resampling pictures, the same resamples for every arm; they hold at "
    "95 % for all effects shown at once, and in a second family for everything that verdicts rest on (max-T, Westfall "
    "and Young 1993).",
    "Corrected for errors of reading: with the probe's confusion matrix M = P(read | true) measured on labelled "
    "pictures, true shares are those read times the inverse of M (Rogan and Gladen 1978), before and after alike. The "
    "doubt about M is in the intervals, which are a family of their own; verdicts rest on what was read. Nothing is "
    "corrected where M is not known, or where no shares give such readings through it.",
    "Intervals of steps are equal in steps and not in log-SNR: a step under the other prompt is one application of it, "
    "so they are equal doses, and any grid can take them exactly.",
    "A window is confirmed where the effect of an interval about its decision exceeds that of equal intervals that do "
    "not overlap it, on the side of the noise and on the side of the image, wherever there is room. They are as long "
    "as the window, or as the room beside it. The pictures are not those that the window was found on.",
    "Balancing follows the rule of Jeffrey (1965): the share of a label changes, and pictures that have what is wanted "
    "stay as they are. How often each prompt turns one label into another is measured on the pictures of the switch "
    "test, for each way of acting; a linear programme then finds the fewest pictures to act on. Untouched labels are "
    "those read in the pictures at hand.",
    "Unlike before: root mean square difference from the untouched picture, 1 being black against white, on average "
    "over all pictures, those left alone among them. Sharpness: mean absolute Laplacian, untouched being 1.",
    "Unlike before in features: 1 less the cosine of the picture and the untouched one, as an image encoder sees them: "
    "that of the run's own probes, or else pictures averaged to 16 pixels a side. Agreement with the prompt: cosine of "
    "picture and prompt to the same encoder (CLIP score, Hessel et al. 2021), less the untouched picture's.",
    "The warm-up set by hand acts from a fixed step to the end, as Fair Diffusion does (Friedrich et al. 2023, "
    "edit_warmup_steps = 10).",
)
FILES: Final = {
    "intervene.json": "everything on this page, for programs",
    "effects.csv": "the effect of each interval, of the whole window and of all steps",
    "balance.csv": "what balancing reached and left, way by way",
}


def write_pages(found: Found, folder: Path) -> Path:
    """Write the pages into a folder; returns the path of report.html."""
    view = view_of(found)
    write_figures(folder, view.plots)
    given = {
        "view": view,
        "methods": METHODS,
        "files": {name: what for name, what in FILES.items() if found.balanced or name != "balance.csv"},
        "glossary": [*(each for each in GLOSSARY if each[0] in _TERMS), PERCEIVED],
        "own_style": Markup((_TEMPLATES / "intervene.css").read_text("utf-8")),
    }
    page = folder / "report.html"
    write_whole(page, rendered("intervene.html.j2", _TEMPLATES, **given))
    write_whole(folder / "report.md", rendered("intervene.md.j2", _TEMPLATES, **given))
    return page
