"""`diffwin` as a shell calls it, inside the test's own process."""

from __future__ import annotations

import sys

import pytest

from diffwin.cli.main import main


def diffwin(monkeypatch: pytest.MonkeyPatch, *args: str) -> int:
    """The command's exit status."""
    monkeypatch.setattr(sys, "argv", ["diffwin", *args])
    try:
        main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0
