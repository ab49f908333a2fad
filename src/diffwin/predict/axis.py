"""The noise axis of the figures: log-SNR, noise on the left."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from diffwin.report.style import MUTED


def frame(axes: Axes, low: float, high: float) -> None:
    """No box, whole ticks, and words for what the two ends are."""
    axes.set_xlim(low, high)
    axes.spines[:].set_visible(False)
    axes.spines["bottom"].set(visible=True, color=MUTED, linewidth=1)
    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}".replace("-", "\N{MINUS SIGN}")))
    axes.tick_params(length=0, pad=5, labelsize=10.5)
    place: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "color": MUTED}
    for x, align, text in (
        (0, "left", "\N{LEFTWARDS ARROW} noise"),
        (0.5, "center", "log-SNR"),
        (1, "right", "finished sample \N{RIGHTWARDS ARROW}"),
    ):
        axes.annotate(text, (x, 0), (0, -34), fontsize=11.5, ha=align, va="center", **place)
