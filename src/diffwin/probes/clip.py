"""Zero-shot probes: whose words lie closest to the picture (Radford et al. 2021, section 3.1.4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import log_expit

from diffwin.probes.defined import DefinedProbe, softmax
from diffwin.probes.definition import Definition, Label


class Encoder(Protocol):
    """A model that embeds pictures and texts in one space."""

    weights: str

    @property
    def logit_scale(self) -> float:
        """The model's own inverse temperature of cosine similarities."""

    @property
    def logit_bias(self) -> float | None:
        """The bias of a model trained on pairs one by one (SigLIP); None for one trained on their rivals (CLIP)."""

    def embed(self, pictures: NDArray[np.uint8]) -> torch.Tensor:
        """Unit embeddings (n, d) of uint8 RGB pictures (n, h, w, 3)."""

    def embed_texts(self, texts: Sequence[str]) -> torch.Tensor:
        """Unit embeddings (n, d) of texts."""


class ClipProbe(DefinedProbe):
    """Softmax over labels of the model's logit scale times the cosine of picture and label.

    A model with a logit bias says of each label by itself how likely it is, sigmoid(scale cosine + bias) (Zhai et al.
    2023, section 3.2); a label's probability is then its share of their sum.

    A label is the mean of the unit embeddings of its texts, every phrase in every template, scaled to length one.
    """

    def __init__(self, definition: Definition, encoder: Encoder) -> None:
        model, pretrained = definition.clip_model
        super().__init__(definition, model=model, pretrained=pretrained or "", weights=encoder.weights)
        self.encoder = encoder
        heads = [self._head(label, definition.templates) for label in definition.labels]
        self._heads = torch.stack(heads)  # (labels, d)

    def _head(self, label: Label, templates: tuple[str, ...]) -> torch.Tensor:
        texts = [template.replace("{}", phrase) for phrase in label.phrases for template in templates]
        return torch.nn.functional.normalize(self.encoder.embed_texts(texts).mean(dim=0), dim=0)

    def probabilities(self, pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
        cosines = (self.encoder.embed(pictures) @ self._heads.T).double().numpy()
        logits, bias = self.encoder.logit_scale * cosines, self.encoder.logit_bias
        return softmax(logits if bias is None else log_expit(logits + bias))
