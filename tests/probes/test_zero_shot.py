"""Zero-shot models of transformers, against its own zero-shot-image-classification pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from transformers import pipeline

import tiny_transformers
from diffwin.errors import BadInput
from diffwin.probes.base import Probe
from diffwin.probes.clip import ClipProbe
from diffwin.probes.load import load_defined, load_probes
from diffwin.probes.zero_shot import ZeroShotEncoder

TEXT = """
name = "mood"
version = 2
kind = "zero-shot"
feature = "mood"
description = "How it looks."
source = "a test"
model = "model"
templates = ["a photo of {}"]

[[label]]
name = "glad"
phrases = ["a glad woman"]

[[label]]
name = "sad"
phrases = ["a sad man"]

[[label]]
name = "old"
phrases = ["old"]
"""
TEXTS = ["a photo of a glad woman", "a photo of a sad man", "a photo of old"]


def write(folder: Path, text: str = TEXT) -> str:
    path = folder / "mood.toml"
    path.write_text(text)
    return str(path)


def make(folder: Path, text: str = TEXT) -> ClipProbe:
    probe = load_defined(write(folder, text), device="cpu")
    assert isinstance(probe, ClipProbe)
    return probe


@pytest.fixture(scope="module", params=tiny_transformers.ZERO_SHOT)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def folder(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the model of one kind, as `model`."""
    place = tmp_path_factory.mktemp(kind)
    tiny_transformers.save_zero_shot(kind, place / "model")
    return place


@pytest.fixture(scope="module")
def siglip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("siglip-alone")
    tiny_transformers.save_zero_shot("siglip", place / "model")
    return place


def scores(model: Path, pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
    """What the official pipeline says of each text, (n, texts)."""
    official = pipeline("zero-shot-image-classification", model=str(model), device="cpu")
    images = [Image.fromarray(picture) for picture in pictures]
    told = official(images, candidate_labels=TEXTS, hypothesis_template="{}")
    return np.array([[{each["label"]: each["score"] for each in one}[text] for text in TEXTS] for one in told])


@pytest.mark.parametrize("shape", [(64, 64), (40, 56)])
def test_probabilities_are_those_of_the_official_pipeline(
    shape: tuple[int, int], kind: str, folder: Path, pictures: NDArray[np.uint8]
) -> None:
    some = pictures[:5, : shape[0], : shape[1]]
    told = scores(folder / "model", some)
    read = make(folder).read(some)
    np.testing.assert_allclose(read, told / told.sum(axis=1, keepdims=True), atol=1e-5)
    np.testing.assert_allclose(read.sum(axis=1), 1, atol=1e-12)
    assert read.std(axis=0).max() > 1e-3  # pictures are told apart
    assert np.allclose(told.sum(axis=1), 1, atol=1e-4) == ("siglip" not in kind)


def test_chunks_change_nothing(folder: Path, pictures: NDArray[np.uint8]) -> None:
    probe = make(folder)
    np.testing.assert_allclose(probe.read(pictures[66:]), probe.read(pictures)[66:], atol=1e-6)


def test_pictures_that_do_not_fit_in_memory_go_through_in_parts(
    tmp_path: Path, pictures: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a model to which the processor gives three tensors."""
    tiny_transformers.save_zero_shot("siglip2", tmp_path / "model")
    probe = make(tmp_path)
    whole = probe.read(pictures)
    assert isinstance(probe.encoder, ZeroShotEncoder)
    tower = probe.encoder.model.get_image_features

    def short(pixel_values: torch.Tensor, **others: torch.Tensor) -> Any:
        if len(pixel_values) > 20:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
        return tower(pixel_values=pixel_values, **others)

    monkeypatch.setattr(probe.encoder.model, "get_image_features", short)
    np.testing.assert_allclose(probe.read(pictures.copy()), whole, atol=1e-6)


def test_several_phrases_are_one_mean_embedding(siglip: Path, pictures: NDArray[np.uint8]) -> None:
    words = TEXT.replace('["a glad woman"]', '["a glad woman", "a glad man"]').replace('["a photo', '["{}", "a photo')
    probe = make(siglip, words)
    texts = ["a glad woman", "a photo of a glad woman", "a glad man", "a photo of a glad man"]
    embedded = probe.encoder.embed_texts(texts)
    torch.testing.assert_close(embedded.norm(dim=1), torch.ones(4))
    torch.testing.assert_close(probe._heads[0], torch.nn.functional.normalize(embedded.mean(dim=0), dim=0))
    np.testing.assert_allclose(probe.read(pictures[:4]).sum(axis=1), 1, atol=1e-12)


def test_what_a_probe_says_of_itself(siglip: Path) -> None:
    probe = make(siglip)
    assert isinstance(probe, Probe)
    assert (probe.provenance["kind"], probe.provenance["version"]) == ("zero-shot", "2")
    assert len(probe.provenance["weights"]) == 16
    assert probe.confusion is None


def test_probes_of_one_model_share_its_forward_pass(
    siglip: Path, world: object, pictures: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = siglip / "age.toml"
    other.write_text(TEXT.replace('"mood"', '"age"').replace("glad", "young"))
    first, second = load_probes([write(siglip), str(other)], world, device="cpu")  # type: ignore[arg-type]
    assert isinstance(first, ClipProbe)
    assert isinstance(second, ClipProbe)
    assert first.encoder is second.encoder
    calls: list[int] = []
    tower = first.encoder.model.get_image_features  # type: ignore[attr-defined]
    monkeypatch.setattr(
        first.encoder.model,  # type: ignore[attr-defined]
        "get_image_features",
        lambda pixel_values: calls.append(len(pixel_values)) or tower(pixel_values=pixel_values),
    )
    assert not np.allclose(first.read(pictures), second.read(pictures))
    assert calls == [64, 6]


def test_close_readings_are_missing(siglip: Path, pictures: NDArray[np.uint8]) -> None:
    probe = make(siglip)
    best = np.sort(probe.read(pictures), axis=1)
    probe.abstain_below = float(np.median(best[:, -1] - best[:, -2]))
    missing = np.isnan(probe.read(pictures))
    assert missing.all(axis=1).sum() == len(pictures) // 2


def refused(folder: Path, text: str = TEXT) -> str:
    """The line in which a definition is refused."""
    with pytest.raises(BadInput) as raised:
        make(folder, text)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_text_that_would_be_cut_short_is_refused(siglip: Path) -> None:
    long = TEXT.replace("a sad man", "a sad man and " * 20)
    assert "tokens long, and the model reads 64; shorten the phrase" in refused(siglip, long)


def test_a_model_of_another_kind_is_refused(tmp_path: Path) -> None:
    tiny_transformers.save_answerer("vilt", tmp_path / "model")
    assert "model: is of the kind vilt, which is no model for zero-shot classification" in refused(tmp_path)


def test_a_model_that_scores_pairs_in_another_way_is_refused(tmp_path: Path) -> None:
    tiny_transformers.save_zero_shot("blip-2", tmp_path / "model")
    assert "Blip2ForImageTextRetrieval does not compare one embedding of a picture with one of a" in refused(tmp_path)


def test_a_model_that_lacks_weights_is_refused(tmp_path: Path) -> None:
    """An answering BLIP names the same kind of model: what it lacks would be made up at random."""
    tiny_transformers.save_answerer("blip", tmp_path / "model")
    assert "it is a BlipForQuestionAnswering; diffwin needs a BlipModel here" in refused(tmp_path)


@pytest.mark.parametrize(
    ("lost", "told"),
    [
        ("config.json", "its config.json cannot be read"),
        ("model.safetensors", "model.safetensors is missing"),
        ("tokenizer.json", "AutoTokenizer cannot read it"),
        ("preprocessor_config.json", "AutoImageProcessor cannot read it"),
    ],
)
def test_a_folder_that_is_not_whole(lost: str, told: str, tmp_path: Path) -> None:
    tiny_transformers.save_zero_shot("siglip", tmp_path / "model")
    (tmp_path / "model" / lost).unlink()
    assert told in refused(tmp_path)


def test_a_tokenizer_that_asks_for_a_library(tmp_path: Path) -> None:
    """SigLIP's first models spell by sentencepiece, which transformers does not bring."""
    tiny_transformers.save_zero_shot("siglip", tmp_path / "model")
    (tmp_path / "model" / "tokenizer.json").unlink()
    (tmp_path / "model" / "tokenizer_config.json").write_text('{"tokenizer_class": "SiglipTokenizer"}')
    assert "install what it asks for" in refused(tmp_path)


def test_a_name_that_stands_for_nothing(tmp_path: Path) -> None:
    assert "no model 'nothing'; name a shipped model, a folder" in refused(
        tmp_path, TEXT.replace('model = "model"', 'model = "nothing"')
    )
