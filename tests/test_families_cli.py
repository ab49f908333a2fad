"""Every family from the command line: `diffwin probe --model DIR` to a report, and what `list models` says of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import families as compared
from command import diffwin
from diffwin.families import FAMILIES

SMALL = ("--probe", "background-colour", "--bases", "3", "--levels", "2", "--repeats", "1", "--device", "cpu")


@pytest.mark.parametrize("variant", compared.VARIANTS, ids=lambda v: f"{v.kind}-{v.words}")
def test_probe_runs_to_a_report(variant: compared.Variant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, out = compared.save(variant, tmp_path / "model"), tmp_path / "run"
    prompt = ("--prompt", variant.bases[0].prompt) if variant.bases[0].prompt else ()
    size = ("--size", variant.size) if variant.size else ()
    status = diffwin(
        monkeypatch, "probe", "--model", str(model), "--steps", "3", "--out", str(out), *prompt, *size, *SMALL
    )
    assert status == 0
    assert (out / "report.html").stat().st_size > 10_000
    told = json.loads((out / "windows.json").read_text())
    assert told["windows"]
    assert told["steps"] == 3
    distilled = "The model is distilled" in (out / "report.md").read_text()
    assert distilled == (variant.kind in ("flux", "latent-consistency"))


def test_list_models_explains_every_family(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert diffwin(monkeypatch, "list", "models") == 0
    told = capsys.readouterr().out
    for family in FAMILIES:
        for words in (family.kind, family.title, family.example, family.licence, family.needs):
            assert words in told


def test_a_size_that_is_none_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert diffwin(monkeypatch, "probe", "--prompt", "a cook", "--size", "big", "--out", str(tmp_path / "run")) == 2
    assert "--size" in capsys.readouterr().err
