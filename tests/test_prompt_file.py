"""Prompts from a file."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import pytest

import tiny_pipelines
from diffwin.cli.main import main
from diffwin.cli.prompt_file import read_prompts
from diffwin.errors import BadInput


def test_a_prompt_a_line_without_comments_and_empty_lines(tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    path.write_bytes("\ufeffa cook\r\n\n  # people\n une café \n".encode())
    assert read_prompts(path) == ["a cook", "une café"]


@pytest.mark.parametrize(("content", "told"), [(b"# none\n\n", "holds no prompt"), (b"\xff\xfe\x00a", "not UTF-8")])
def test_a_file_without_prompts_is_one_line(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "prompts.txt"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=told) as caught:
        read_prompts(path)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="No such file"):
        read_prompts(tmp_path / "nowhere.txt")


def probe(monkeypatch: pytest.MonkeyPatch, model: Path, out: Path, *args: str) -> int:
    """The status of a small `diffwin probe`."""
    small = ("--bases", "3", "--levels", "2", "--repeats", "1", "--steps", "3", "--device", "cpu")
    named = ("--model", str(model), "--probe", "background-colour", "--out", str(out))
    monkeypatch.setattr(sys, "argv", ["diffwin", "probe", *named, *small, *args])
    try:
        main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_a_file_of_prompts_becomes_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside those named on the command line, each of them once, in their order."""
    model, out = tiny_pipelines.save("stable-diffusion", tmp_path / "model"), tmp_path / "run"
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("# animals\na dog\n\na seal\na dog\na cook\n", "utf-8")
    assert probe(monkeypatch, model, out, "--prompt", "a cook", "--prompt-file", str(prompts)) == 0
    assert json.loads((out / "plan.json").read_text())["plan"]["prompts"] == ["a cook", "a dog", "a seal"]
    with (out / "curves.csv").open(newline="") as lines:
        assert {row["prompt"] for row in csv.DictReader(lines)} == {"a cook", "a dog", "a seal"}
    page = (out / "report.html").read_text()
    assert all(prompt in page for prompt in ("a dog", "a seal"))


FAULTS = {
    "missing": (None, "cannot be read (No such file or directory); give a text file of prompts"),
    "empty": (b"", "holds no prompt; write one a line"),
    "of comments": (b"# a cook\n", "holds no prompt; write one a line"),
    "too long": (b"a cook\nfar too many letters for this model\n", "the prompt is 31 tokens long"),
    "of a NUL": (b"a co\0ok\n", "a prompt holds a NUL character"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_file_that_is_no_use_is_one_line_and_status_2(
    fault: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    content, words = FAULTS[fault]
    model, prompts = tiny_pipelines.save("stable-diffusion", tmp_path / "model"), tmp_path / "prompts.txt"
    if content is not None:
        prompts.write_bytes(content)
    capsys.readouterr()
    assert probe(monkeypatch, model, tmp_path / "run", "--prompt-file", str(prompts)) == 2
    (line,) = filter(None, capsys.readouterr().err.splitlines())
    assert words in line
    assert not caplog.records  # nor does a library say more beside it
    assert not (tmp_path / "run").exists()
