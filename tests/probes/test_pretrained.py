"""Models of transformers from the hub, as a server on this machine makes it: by commit, safetensors, no code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub.constants as hub_constants
import pytest

import tiny_transformers
from diffwin.errors import BadInput
from diffwin.probes.definition import load_definition
from diffwin.probes.load import load_defined
from diffwin.probes.pretrained import Pretrained
from served_hub import COMMIT, Hub, serving

TEXT = """
name = "place"
version = 1
kind = "vqa"
feature = "place"
description = "Where it is."
source = "a test"
model = "owner/name"
question = "is it indoors or outdoors?"

[[label]]
name = "in"
answers = ["indoors"]

[[label]]
name = "out"
answers = ["outdoors"]
"""


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    folder = tiny_transformers.save_answerer("vilt", tmp_path / "served")
    (folder / "pytorch_model.bin").write_bytes(b"a pickle that nobody needs")
    with serving(folder, tmp_path / "cache", monkeypatch) as served:
        yield served


def write(folder: Path, model: str = "owner/name") -> str:
    path = folder / "place.toml"
    path.write_text(TEXT.replace("owner/name", model))
    return str(path)


def refused(folder: Path, model: str = "owner/name") -> str:
    with pytest.raises(BadInput) as raised:
        load_defined(write(folder, model), device="cpu")
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_probe_comes_whole_and_again_from_the_cache(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    probe = load_defined(write(tmp_path), device="cpu")
    assert (probe.provenance["model"], probe.provenance["weights"]) == ("owner/name", COMMIT)
    assert not any(path.endswith(".bin") for path in hub.asked)
    monkeypatch.setattr(hub_constants, "HF_HUB_OFFLINE", True)
    before = len(hub.asked)
    assert load_defined(write(tmp_path), device="cpu").provenance["weights"] == COMMIT
    assert len(hub.asked) == before


def test_a_revision_stands_in_the_name(hub: Hub, tmp_path: Path) -> None:
    found = Pretrained.of(load_definition(write(tmp_path, "owner/name@v2")))
    assert found.weights == COMMIT
    assert any("/revision/v2" in path for path in hub.asked)


def test_code_that_a_model_brings_is_not_run(hub: Hub, tmp_path: Path) -> None:
    mark = tmp_path / "run"
    (hub.folder / "own.py").write_text(f"open({str(mark)!r}, 'w')\nclass Own: pass\n")
    for name in ("config.json", "tokenizer_config.json"):
        config = json.loads((hub.folder / name).read_text())
        code = {"AutoConfig": "own.Own", "AutoTokenizer": ["own.Own", None], "AutoModel": "own.Own"}
        (hub.folder / name).write_text(json.dumps({**config, "auto_map": code}))
    assert load_defined(write(tmp_path), device="cpu").labels == ("in", "out")
    assert not mark.exists()
    assert not any(path.endswith("own.py") for path in hub.asked)


def test_what_the_hub_answers_is_one_line(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.fault = (404, {"X-Error-Code": "RevisionNotFound"})
    assert "owner/name: no revision 'v9'" in refused(tmp_path, "owner/name@v9")
    hub.fault = (403, {"X-Error-Code": "GatedRepo"})
    assert "accept their terms" in refused(tmp_path)
    monkeypatch.setattr(hub_constants, "HF_HUB_OFFLINE", True)
    assert "the hub cannot be reached" in refused(tmp_path)


def test_files_that_are_not_what_they_should_be(hub: Hub, tmp_path: Path) -> None:
    weights = hub.folder / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    assert "corrupt or cut short" in refused(tmp_path)
    weights.unlink()
    assert "has no safetensors weights; choose a revision that has them" in refused(tmp_path)
    (hub.folder / "config.json").unlink()
    assert "has no config.json; give a model in the layout of one transformers model" in refused(tmp_path)
