"""Text made safe for Markdown, its tables and the HTML that Markdown lets through."""

from __future__ import annotations

import re
from typing import Final

from markupsafe import Markup

from diffwin.report.words import clean

_ENTITIES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_SPECIAL: Final = re.compile(r"([\\`*_\[\]|#~$!])")
_LIST_START: Final = re.compile(r"^(\s*)([-+]|\d+[.)])(?=\s)")


def escaped(text: object) -> Markup:
    """One line of Markdown that shows `text` and does nothing else."""
    line = " ".join(clean(text).split())
    line = "".join(_ENTITIES.get(character, character) for character in line)
    line = _SPECIAL.sub(r"\\\1", line)
    return Markup(_LIST_START.sub(lambda match: f"{match[1]}\\{match[2]}", line))
