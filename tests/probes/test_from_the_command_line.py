"""Probes that compare with words and that ask, from the command line to a report and to a measured error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import tiny_pipelines
import tiny_transformers
from command import diffwin
from diffwin.probes.rules import KINDS, Kind

HEAD = 'version = 1\ndescription = "d"\nsource = "a test"\n'
MOOD = """
name = "mood"
kind = "zero-shot"
feature = "mood"
model = "siglip"
[[label]]
name = "glad"
phrases = ["a glad woman"]
[[label]]
name = "sad"
phrases = ["a sad man"]
"""
PLACE = """
name = "place"
kind = "vqa"
feature = "place"
model = "blip"
question = "is it indoors or outdoors?"
[[label]]
name = "in"
answers = ["indoors"]
[[label]]
name = "out"
answers = ["outdoors"]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two definitions with their models beside them."""
    place = tmp_path_factory.mktemp("probes")
    tiny_transformers.save_zero_shot("siglip", place / "siglip")
    tiny_transformers.save_answerer("blip", place / "blip")
    for name, text in (("mood", MOOD), ("place", PLACE)):
        (place / f"{name}.toml").write_text(HEAD + text)
    return place


def test_to_a_report(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, out = tiny_pipelines.save("ddpm", tmp_path / "model"), tmp_path / "run"
    asked = [word for name in ("mood", "place") for word in ("--probe", str(folder / f"{name}.toml"))]
    small = ("--bases", "3", "--levels", "2", "--repeats", "1", "--steps", "3", "--device", "cpu")
    assert diffwin(monkeypatch, "probe", "--model", str(model), *asked, *small, "--out", str(out)) == 0
    assert (out / "report.html").stat().st_size > 10_000
    told = json.loads((out / "windows.json").read_text())
    assert {window["feature"] for window in told["windows"]} == {"mood", "place"}
    report = (out / "report.md").read_text()
    assert "mood" in report
    assert "place" in report


@pytest.mark.parametrize(("name", "labels"), [("mood", ("glad", "sad")), ("place", ("in", "out"))])
def test_to_a_measured_error(
    name: str,
    labels: tuple[str, str],
    folder: Path,
    tmp_path: Path,
    pictures: NDArray[np.uint8],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for i, picture in enumerate(pictures[:8]):
        place = tmp_path / "labelled" / labels[i % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(place / f"{i}.png")
    out = tmp_path / "errors.json"
    asked = (str(folder / f"{name}.toml"), str(tmp_path / "labelled"), "--device", "cpu", "--out", str(out))
    assert diffwin(monkeypatch, "check-probe", *asked) == 0
    assert "of 8 pictures read rightly" in capsys.readouterr().out
    assert json.loads(out.read_text())[name]["counts"] == [4, 4]


def test_list_probes_explains_every_kind(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert diffwin(monkeypatch, "list", "probes") == 0
    told = capsys.readouterr().out
    for kind in get_args(Kind):
        assert f"\n{kind} " in told
        assert KINDS[kind] in told
