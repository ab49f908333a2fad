"""Colours and shapes of the features, and matplotlib's SVG made fit to stand in a page.

A figure is drawn once, with the light palette. In the page each of these colours becomes a CSS variable of the same
name, so that the drawing follows the reader's colour scheme; on disk it stays as it was drawn.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.figure import Figure

INK: Final = "#1a2129"
MUTED: Final = "#5f6b78"
RULE: Final = "#dfe4ea"
PAPER: Final = "#fefefe"
FEATURES: Final = ("#1c6fb8", "#bf4f16", "#0f8264", "#93479c", "#866a05", "#b52d59", "#4b7a1d", "#53606e")
NAMED: Final = {"ink": INK, "muted": MUTED, "rule": RULE, "paper": PAPER} | {
    f"f{index}": colour for index, colour in enumerate(FEATURES)
}
MARKERS: Final = ("o", "s", "^", "D", "v", "P", "h", "X")

_SETTINGS: Final[dict[Any, Any]] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 12.0,
    "svg.fonttype": "none",
    "svg.hashsalt": "diffwin",
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "axes.facecolor": "none",
}


@dataclass(frozen=True)
class Look:
    """How one feature is shown everywhere: its name in words, colour and shape; `slot` indexes the palette."""

    feature: str
    name: str
    slot: int

    @property
    def colour(self) -> str:
        return FEATURES[self.slot]

    @property
    def marker(self) -> str:
        return MARKERS[self.slot]


def looks(features: Sequence[str], name: Callable[[str], str]) -> dict[str, Look]:
    """A look a feature; colours and shapes come round again after the eighth."""
    return {feature: Look(feature, name(feature), at % len(FEATURES)) for at, feature in enumerate(features)}


@dataclass(frozen=True)
class Drawing:
    """One figure as it goes to disk: `svg` and `png`."""

    svg: str
    png: bytes


def draw(make: Callable[[], Figure], *, png: bool = True) -> Drawing:
    """Draw with the house settings; the same figure gives the same bytes."""
    with mpl.rc_context(_SETTINGS), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from", category=UserWarning)
        figure = make()
        text, pixels = io.StringIO(), io.BytesIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(text, format="svg", metadata=nothing)
        if png:
            figure.savefig(pixels, format="png", dpi=144, metadata={"Software": None})
    return Drawing(text.getvalue(), pixels.getvalue())


def for_page(svg: str, key: str, description: str) -> Markup:
    """An SVG of `draw` as markup: no size of its own, CSS variables for colours, ids that start with `key`.

    matplotlib escapes every text that it writes, so what a user named stays text here.
    """
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", body, count=1, flags=re.DOTALL)
    body = re.sub(r' (width|height)="[\d.]+pt"', "", body, count=2)
    used = set(re.findall(r'(?:url\(#|href="#)([^")]+)', body))
    body = re.sub(r' id="([^"]+)"', lambda match: match[0] if match[1] in used else "", body)
    body = re.sub(r'( id="|url\(#|href="#)', rf"\g<1>{key}-", body)
    for name, colour in NAMED.items():
        body = body.replace(colour, f"var(--{name})")
    return Markup(body.replace("<svg", f'<svg role="img" aria-label="{escape(description)}"', 1))
