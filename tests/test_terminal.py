"""What the commands print, at the width of a plain terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

import diffwin
from diffwin.terminal import show_run, table
from worlds import hypercube

WIDTH = 80


@pytest.fixture(autouse=True)
def _plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(WIDTH))


def test_windows_and_their_reasons_keep_to_a_line_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = diffwin.probe(model=str(hypercube(tmp_path)), out=tmp_path / "r", bases=8, repeats=1, levels=3, steps=12)
    capsys.readouterr()
    show_run(run.summary(), run.folder)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines[:-1])) <= WIDTH  # but for the path of the report
    windows = [window for window in run.located if window.group == "all"]
    told = [line.split() for line in lines]
    for window in windows:
        assert sum(words[:2] == [window.feature, window.status.value] for words in told) == 1
        # a reason begins beside its feature, and runs on only where it is wider than the terminal
        start = " ".join(window.reason.split()[:6])
        assert sum(line.startswith(window.feature) and start in line for line in lines) == 1


def test_a_table_without_a_head_has_no_empty_line(capsys: pytest.CaptureFixture[str]) -> None:
    table((), [("a", "b"), ("c", "d")])
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [["a", "b"], ["c", "d"]]
    table((), [])
    assert not capsys.readouterr().out.strip()
