"""Probes by a trained image classifier in the layout of transformers."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from transformers import AutoImageProcessor
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES as CLASSES

from diffwin.errors import BadInput
from diffwin.probes.defined import DefinedProbe
from diffwin.probes.definition import Definition
from diffwin.probes.pretrained import PictureReader, Pretrained


class ClassifierProbe(DefinedProbe):
    """A label's probability is the sum over its classes, among the classes that the definition names."""

    def __init__(self, definition: Definition, *, device: str) -> None:
        source = Pretrained.of(definition)
        self.model = source.model(CLASSES, "image classification", device=device)
        super().__init__(definition, model=source.name, weights=source.weights)
        self._members = _members(definition, self.model.config.id2label)
        self._read = PictureReader(source.part(AutoImageProcessor), "picture classifier", device=device)

    def probabilities(self, pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
        grey = getattr(self.model.config, "num_channels", 3) == 1
        classes = self._read(self._classify, _grey(pictures) if grey else pictures).numpy()
        named: NDArray[np.float64] = classes @ self._members
        return np.asarray(named / named.sum(axis=1, keepdims=True))

    def _classify(self, pixel_values: torch.Tensor) -> torch.Tensor:
        logits = self.model(pixel_values=pixel_values).logits
        return torch.softmax(logits.double().cpu(), dim=1)


def _grey(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pictures (n, h, w, 3) as (n, h, w, 1), weighed as PIL weighs colours."""
    return np.stack([np.asarray(Image.fromarray(picture).convert("L")) for picture in pictures])[..., None]


def _members(definition: Definition, id2label: dict[int, str]) -> NDArray[np.float64]:
    """(classes, labels): 1 where a class of the model belongs to a label."""
    index = {str(name): int(i) for i, name in id2label.items()}
    members = np.zeros((len(index), len(definition.labels)))
    for column, label in enumerate(definition.labels):
        for name in label.classes:
            if name not in index:
                raise BadInput(
                    f"the model has no class {name!r}",
                    where=f"probe {definition.name}, label {label.name}",
                    cure=f"its classes are {', '.join(list(index)[:20])}",
                )
            members[index[name], column] = 1
    return members
