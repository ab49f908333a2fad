"""diffwin: when, between noise and image, is each feature of a generative model's output decided?

>>> import diffwin
>>> run = diffwin.probe("a cook")    # doctest: +SKIP
>>> run.windows                      # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from diffwin.errors import BadInput, DiffwinError
    from diffwin.plan import Plan
    from diffwin.process.load import load
    from diffwin.results import Run, open_run
    from diffwin.run import probe

__all__ = ["BadInput", "DiffwinError", "Plan", "Run", "load", "open_run", "probe"]

_HOMES = {
    "BadInput": "diffwin.errors",
    "DiffwinError": "diffwin.errors",
    "Plan": "diffwin.plan",
    "Run": "diffwin.results",
    "load": "diffwin.process.load",
    "open_run": "diffwin.results",
    "probe": "diffwin.run",
}


def __getattr__(name: str) -> Any:
    # names load on first use, so that reading a finished run or asking for help brings in no torch
    if name not in _HOMES:
        raise AttributeError(f"module 'diffwin' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
