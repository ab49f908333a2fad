from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import AutoImageProcessor, ViTConfig, ViTForImageClassification, ViTImageProcessor

from diffwin.errors import BadInput
from diffwin.probes.classifier import ClassifierProbe
from diffwin.probes.definition import Definition, load_definition

TEXT = """
name = "beast"
version = 1
kind = "classifier"
feature = "beast"
description = "Which beast."
source = "a test"
model = "model"

[[label]]
name = "cat"
classes = ["lion", "tiger"]

[[label]]
name = "dog"
classes = ["wolf"]
"""


def save_model(folder: Path, channels: int) -> None:
    torch.manual_seed(0)
    config = ViTConfig(
        image_size=16, patch_size=8, num_channels=channels, hidden_size=16, num_hidden_layers=1,
        num_attention_heads=2, intermediate_size=16, id2label=dict(enumerate(["lion", "wolf", "tiger", "carp"])),
    )  # fmt: skip
    model = ViTForImageClassification(config)
    torch.nn.init.normal_(model.classifier.weight, std=1.0)
    model.half().save_pretrained(folder)
    statistics = [0.4] * channels, [0.3] * channels
    size = {"height": 16, "width": 16}
    ViTImageProcessor(size=size, image_mean=statistics[0], image_std=statistics[1]).save_pretrained(folder)


@pytest.fixture(params=[1, 3], ids=["grey", "colour"])
def definition(request: pytest.FixtureRequest, tmp_path: Path) -> Definition:
    save_model(tmp_path / "model", request.param)
    (tmp_path / "beast.toml").write_text(TEXT)
    return load_definition(str(tmp_path / "beast.toml"))


def test_probabilities_are_sums_over_the_named_classes(
    definition: Definition, pictures: NDArray[np.uint8], tmp_path: Path
) -> None:
    read = ClassifierProbe(definition, device="cpu").read(pictures)
    model = ViTForImageClassification.from_pretrained(tmp_path / "model").float().eval()
    processor = AutoImageProcessor.from_pretrained(tmp_path / "model")
    mode = "L" if model.config.num_channels == 1 else "RGB"
    images = [Image.fromarray(picture).convert(mode) for picture in pictures]
    with torch.no_grad():
        classes = model(**processor(images=images, return_tensors="pt")).logits.double().softmax(dim=1).numpy()
    cat, dog = classes[:, 0] + classes[:, 2], classes[:, 1]
    np.testing.assert_allclose(read, np.stack([cat, dog], axis=1) / (cat + dog)[:, None], atol=1e-6)


def test_pictures_that_do_not_fit_in_memory_go_through_in_parts(
    definition: Definition, pictures: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    probe = ClassifierProbe(definition, device="cpu")
    whole, forward = probe.read(pictures), probe.model.forward

    def short(pixel_values: torch.Tensor) -> Any:
        if len(pixel_values) > 20:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
        return forward(pixel_values=pixel_values)

    monkeypatch.setattr(probe.model, "forward", short)
    np.testing.assert_allclose(probe.read(pictures), whole, atol=1e-6)


def test_a_class_that_the_model_lacks(definition: Definition) -> None:
    label = definition.labels[1].model_copy(update={"classes": ("sheep",)})
    other = definition.model_copy(update={"labels": (definition.labels[0], label)})
    with pytest.raises(BadInput, match="probe beast, label dog: the model has no class 'sheep'; its classes are lion,"):
        ClassifierProbe(other, device="cpu")


def test_a_folder_that_holds_no_model(definition: Definition, tmp_path: Path) -> None:
    (tmp_path / "model" / "model.safetensors").unlink()
    with pytest.raises(BadInput, match=r"model: model\.safetensors is missing; download the model again") as raised:
        ClassifierProbe(definition, device="cpu")
    assert "\n" not in str(raised.value)


def test_a_model_of_another_kind(definition: Definition, tmp_path: Path) -> None:
    config = tmp_path / "model" / "config.json"
    config.write_text(config.read_text().replace('"vit"', '"gpt2"'))
    with pytest.raises(BadInput, match="model: is of the kind gpt2, which is no model for image classification"):
        ClassifierProbe(definition, device="cpu")


def test_a_model_without_its_head(definition: Definition, tmp_path: Path) -> None:
    """One that was only pretrained would get a head made up at random."""
    weights = tmp_path / "model" / "model.safetensors"
    save_file({name: each for name, each in load_file(weights).items() if "classifier" not in name}, weights)
    with pytest.raises(BadInput, match=r"2 tensors, first classifier\..*or name one that was trained for this"):
        ClassifierProbe(definition, device="cpu")
