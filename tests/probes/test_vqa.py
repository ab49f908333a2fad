"""Models that answer questions, against their own likelihoods and what they themselves answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from transformers import AutoImageProcessor, AutoTokenizer, BlipForQuestionAnswering, ViltForQuestionAnswering

import tiny_transformers
from diffwin.errors import BadInput
from diffwin.probes.load import load_defined
from diffwin.probes.vqa import VqaProbe

TEXT = """
name = "place"
version = 1
kind = "vqa"
feature = "place"
description = "Where it is."
source = "a test"
model = "model"
question = "is it indoors or outdoors?"

[[label]]
name = "in"
answers = ["indoors", "inside"]

[[label]]
name = "out"
answers = ["outdoors"]
"""
QUESTION = "is it indoors or outdoors?"
LABELS = [("indoors", "inside"), ("outdoors",)]


def make(folder: Path, text: str = TEXT) -> VqaProbe:
    path = folder / "place.toml"
    path.write_text(text)
    probe = load_defined(str(path), device="cpu")
    assert isinstance(probe, VqaProbe)
    return probe


@pytest.fixture(scope="module")
def vilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("vilt")
    tiny_transformers.save_answerer("vilt", place / "model")
    return place


@pytest.fixture(scope="module")
def blip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("blip")
    tiny_transformers.save_answerer("blip", place / "model")
    return place


def prepared(folder: Path, picture: NDArray[np.uint8]) -> dict[str, torch.Tensor]:
    """What the model is given, by its own processors from PIL's picture."""
    images = AutoImageProcessor.from_pretrained(folder)(Image.fromarray(picture), return_tensors="pt")
    return {**AutoTokenizer.from_pretrained(folder)(QUESTION, return_tensors="pt"), **images}


def shares(likelihoods: list[dict[str, float]]) -> NDArray[np.float64]:
    labels = np.array([[sum(one[answer] for answer in label) for label in LABELS] for one in likelihoods])
    return np.asarray(labels / labels.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("shape", [(64, 64), (40, 56)])
def test_a_vilts_answers_are_its_sigmoids(shape: tuple[int, int], vilt: Path, pictures: NDArray[np.uint8]) -> None:
    """So its authors trained it, and so the visual-question-answering pipeline scored answers."""
    model = ViltForQuestionAnswering.from_pretrained(vilt / "model").eval()
    some = pictures[:5, : shape[0], : shape[1]]
    with torch.no_grad():
        logits = [model(**prepared(vilt / "model", picture)).logits[0].double() for picture in some]
    told = [{model.config.id2label[i]: float(p) for i, p in enumerate(each.sigmoid())} for each in logits]
    read = make(vilt).read(some)
    np.testing.assert_allclose(read, shares(told), atol=1e-5)
    np.testing.assert_allclose(read.sum(axis=1), 1, atol=1e-12)
    assert read.std(axis=0).max() > 1e-3


def loss(model: Any, folder: Path, picture: NDArray[np.uint8], answer: str) -> float:
    """BLIP's own training loss of one answer, a token's mean, without its label smoothing."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokens = [model.decoder_start_token_id, *tokenizer(answer, add_special_tokens=False)["input_ids"]]
    labels = torch.tensor([[*tokens, tokenizer.sep_token_id]])
    given = {name: prepared(folder, picture)[name] for name in ("input_ids", "attention_mask", "pixel_values")}
    return float(model(**given, labels=labels).loss) * (labels.shape[1] - 1)


@pytest.mark.parametrize("shape", [(64, 64), (40, 56)])
def test_a_blips_answers_are_their_likelihoods(shape: tuple[int, int], blip: Path, pictures: NDArray[np.uint8]) -> None:
    model = BlipForQuestionAnswering.from_pretrained(blip / "model").eval()
    model.text_decoder.label_smoothing = 0.0
    some = pictures[:4, : shape[0], : shape[1]]
    answers = [answer for label in LABELS for answer in label]
    with torch.no_grad():
        losses = [{answer: loss(model, blip / "model", picture, answer) for answer in answers} for picture in some]
    told = [{answer: float(np.exp(-value)) for answer, value in each.items()} for each in losses]
    read = make(blip).read(some)
    np.testing.assert_allclose(read, shares(told), atol=1e-5)
    np.testing.assert_allclose(read.sum(axis=1), 1, atol=1e-12)
    assert read.std(axis=0).max() > 1e-3


def test_what_a_blip_itself_answers_is_as_likely_as_the_probe_says(blip: Path, pictures: NDArray[np.uint8]) -> None:
    """The likelihood of a generated answer, token by token, is that of the probe for the same tokens."""
    probe, picture = make(blip), pictures[0]
    model = BlipForQuestionAnswering.from_pretrained(blip / "model").eval()
    given = {name: prepared(blip / "model", picture)[name] for name in ("input_ids", "attention_mask", "pixel_values")}
    made = model.generate(**given, max_new_tokens=3, do_sample=False, output_scores=True, return_dict_in_generate=True)
    scored = model.text_decoder.compute_transition_scores(made.sequences, made.scores, normalize_logits=True)
    with torch.no_grad():
        seen = model.vision_model(pixel_values=given["pixel_values"])[0]
        asked = model.text_encoder(input_ids=given["input_ids"], encoder_hidden_states=seen)[0]
        ours = probe.answerer._likelihood(asked, made.sequences)  # type: ignore[attr-defined]
    assert float(ours) == pytest.approx(float(scored.sum()), abs=1e-5)


@pytest.mark.parametrize("kind", ["vilt", "blip"])
def test_chunks_change_nothing(kind: str, request: pytest.FixtureRequest, pictures: NDArray[np.uint8]) -> None:
    probe = make(request.getfixturevalue(kind))
    np.testing.assert_allclose(probe.read(pictures[66:]), probe.read(pictures)[66:], atol=1e-6)


def test_pictures_that_do_not_fit_in_memory_go_through_in_parts(
    vilt: Path, pictures: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    probe = make(vilt)
    whole, answer = probe.read(pictures), probe.answerer

    def short(**inputs: torch.Tensor) -> torch.Tensor:
        if len(inputs["pixel_values"]) > 20:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
        return answer(**inputs)

    monkeypatch.setattr(probe, "answerer", short)
    np.testing.assert_allclose(probe.read(pictures), whole, atol=1e-6)


def test_close_readings_are_missing(vilt: Path, pictures: NDArray[np.uint8]) -> None:
    plain = make(vilt).read(pictures)
    margin = float(np.median(np.abs(plain[:, 0] - plain[:, 1])))
    read = make(vilt, TEXT.replace('model = "model"', f'model = "model"\nabstain_below = {margin}')).read(pictures)
    assert np.isnan(read).all(axis=1).sum() == len(pictures) // 2


def refused(folder: Path, text: str = TEXT) -> str:
    """The line in which a definition is refused."""
    with pytest.raises(BadInput) as raised:
        make(folder, text)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_an_answer_that_the_model_cannot_give(vilt: Path, blip: Path) -> None:
    told = refused(vilt, TEXT.replace('"inside"', '"within"'))
    assert "probe place, label in: the model has no answer 'within'" in told
    assert "it has 7, such as yes, no, indoors" in told
    told = refused(blip, TEXT.replace('"outdoors"]', '"\N{SNOWMAN}"]'))
    assert "probe place, label out: the model has no answer '\N{SNOWMAN}'" in told


@pytest.mark.parametrize("kind", ["vilt", "blip"])
def test_a_question_that_is_too_long(kind: str, request: pytest.FixtureRequest) -> None:
    told = refused(request.getfixturevalue(kind), TEXT.replace("is it", "is it " * 30))
    assert "probe place: the question is 66 tokens long, and the model reads 32; shorten the question" in told


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ((f'question = "{QUESTION}"', ""), "question is missing, which a probe of kind vqa needs"),
        (('model = "model"', ""), "model is missing, which a probe of kind vqa needs"),
        (('answers = ["outdoors"]', ""), "the label out has no answers, which a vqa probe reads by"),
        (('answers = ["outdoors"]', 'answers = ["Inside"]'), "the answer 'Inside' stands twice"),
        (('answers = ["outdoors"]', 'phrases = ["outdoors"]'), "the label out has no answers"),
        (('"vqa"', '"zero-shot"'), "question is given, which a probe of kind zero-shot does not read"),
    ],
)
def test_a_definition_that_does_not_ask(change: tuple[str, str], told: str, tmp_path: Path) -> None:
    assert told in refused(tmp_path, TEXT.replace(*change))


def test_a_model_that_does_not_answer_is_refused(tmp_path: Path) -> None:
    tiny_transformers.save_zero_shot("clip", tmp_path / "model")
    assert "of the kind clip, which is no model for visual question answering; name one of the kinds blip, vilt" in (
        refused(tmp_path)
    )


def test_a_blip_of_another_trade_is_refused(tmp_path: Path) -> None:
    """Even where its configuration does not say so: what it lacks would be made up at random."""
    tiny_transformers.save_zero_shot("blip", tmp_path / "model")
    assert "it is a BlipModel; diffwin needs a BlipForQuestionAnswering here" in refused(tmp_path)
    config = tmp_path / "model" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "architectures": None}))
    assert "the weights do not fit the configuration" in refused(tmp_path)
