"""Silence while a library loads: what fails is told once and briefly, in the error that diffwin raises."""

from __future__ import annotations

import logging
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quietly() -> Iterator[None]:
    """Drop log records up to ERROR, such as one a retry of the hub, and put logging back as it was."""
    root, silent, before = logging.getLogger(), logging.NullHandler(), logging.root.manager.disable
    # open_clip logs through the root logger, which would give itself a handler on first use and keep it
    root.addHandler(silent)
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(before)
        root.removeHandler(silent)


def brief(error: Exception) -> str:
    """The start of what a library said, on one line."""
    return textwrap.shorten(str(error), 160, placeholder=" ...") or type(error).__name__
