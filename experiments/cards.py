"""The measured part of a model card: the text between two marks, which a script replaces."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

MARKS = ("<!-- measured -->", "<!-- end of measured -->")


def write_measured(card: Path, text: str) -> None:
    """Put `text` between the marks of `card`; a folder without a card is left without one."""
    if not card.exists():
        return
    before, rest = card.read_text().split(MARKS[0])
    card.write_text(f"{before}{MARKS[0]}\n{text}\n{MARKS[1]}{rest.split(MARKS[1])[1]}")


def table(head: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
