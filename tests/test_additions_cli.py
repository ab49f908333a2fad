"""Models with a LoRA, an embedding and another autoencoder from the command line, to a report."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

import additions as compared
import families
import tiny_additions as tiny
from command import diffwin
from diffwin.results import open_run

SMALL = ("--probe", "background-colour", "--bases", "3", "--levels", "2", "--repeats", "1", "--device", "cpu")


def test_from_the_command_line_to_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kind = "stable-diffusion"
    model, out = families.save(compared.variant_of(kind), tmp_path / "model"), tmp_path / "run"
    style, cat = tmp_path / "style.safetensors", tmp_path / "cat.safetensors"
    shutil.move(tiny.save_lora(model, tmp_path / "lora"), style)
    tiny.save_embedding(kind, model, cat)
    vae = tiny.save_autoencoder(model, tmp_path / "vae")
    laid = ("--lora", f"{style}:0.8", "--embedding", str(cat), "--vae", str(vae))
    command = ("probe", "--model", str(model), "--steps", "3", "--out", str(out), *SMALL, *laid)

    for more in ((), ("--dry-run",)):
        assert diffwin(monkeypatch, *command, "--prompt", "a cook", *more) == 2
        assert "--embedding: no prompt has <cat>; write it in one" in capsys.readouterr().err
    assert not out.exists()
    told = (*command, "--prompt", "a <cat>", "--prompt", "a cook")
    assert diffwin(monkeypatch, *told) == 0

    run = open_run(out)
    assert (run.plan.lora, run.plan.embedding, run.plan.vae) == ((f"{style}:0.8",), (str(cat),), str(vae))
    record = run.record["model"]["provenance"]
    assert record["lora"].startswith(f"{style} at scale 0.8, sha256 ")
    assert record["embedding"].startswith(f"{cat} as <cat>, sha256 ")
    report = (out / "report.html").read_text()
    for name in ("style.safetensors at scale 0.8", "cat.safetensors as &lt;cat&gt;", str(vae)):
        assert name in report

    assert "| LoRA | " in (out / "report.md").read_text()

    before = (out / "run.sqlite").stat().st_mtime_ns
    assert diffwin(monkeypatch, *told) == 0  # nothing left to do
    assert (out / "run.sqlite").stat().st_mtime_ns == before
    capsys.readouterr()
    without = [word for word in told if word not in ("--lora", f"{style}:0.8")]
    assert diffwin(monkeypatch, *without) == 2
    assert "holds another plan (lora" in capsys.readouterr().err
    save_file({name: 2 * tensor for name, tensor in load_file(style).items()}, style)
    assert diffwin(monkeypatch, *told) == 2
    assert "holds another plan (content" in capsys.readouterr().err
    assert json.loads((out / "windows.json").read_text())["steps"] == 3


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("--lora", "gone.safetensors"), "--lora: no such file or folder: gone.safetensors"),
        (("--lora", "x.safetensors:much"), "--lora: the scale of x.safetensors is 'much'; give a number"),
        (("--embedding", "x.safetensors=a b"), "--embedding: 'a b' is no token"),
        (("--vae", "gone/"), "--vae: no such file or folder: gone"),
    ],
)
def test_a_fault_is_one_line(
    given: tuple[str, ...],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "run"
    assert diffwin(monkeypatch, "probe", "--prompt", "a cook", "--out", str(out), "--device", "cpu", *given) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert [line for line in said if line.startswith("diffwin:")] == said
    assert told in said[0]
    assert not out.exists()
