"""Zero-shot models of transformers, read as its zero-shot-image-classification pipeline does: CLIP, SigLIP, ALIGN."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoImageProcessor, AutoTokenizer
from transformers.models.auto.modeling_auto import MODEL_FOR_ZERO_SHOT_IMAGE_CLASSIFICATION_MAPPING_NAMES as CLASSES

from diffwin.errors import BadInput
from diffwin.probes.pretrained import CHUNK, PictureReader, Pretrained

_SIGLIP_TOKENS = 64
"""SigLIP was trained on texts filled up to so many tokens, and the pipeline fills them up too."""


class ZeroShotEncoder:
    """Unit embeddings of pictures and texts, float32 on the CPU; an `Encoder` as open_clip's models are.

    The embeddings of the last batch are kept, so that several probes of one array cost one forward pass.
    """

    def __init__(self, source: Pretrained, *, device: str) -> None:
        self.name, self.weights, self.device = source.name, source.weights, device
        self.model = source.model(CLASSES, "zero-shot classification", device=device)
        self.logit_scale = _scale(self.model, source.name)
        self.tokenizer = source.part(AutoTokenizer)
        self._read = PictureReader(source.part(AutoImageProcessor), "zero-shot model", device=device)
        self._last: tuple[NDArray[np.uint8], torch.Tensor] | None = None

    @property
    def logit_bias(self) -> float | None:
        """SigLIP's; None for a model trained on the rivals of a pair. The pipeline tells them apart the same way."""
        bias = getattr(self.model, "logit_bias", None)
        return None if bias is None else float(bias)

    def embed(self, pictures: NDArray[np.uint8]) -> torch.Tensor:
        """Unit embeddings (n, d) of uint8 RGB pictures (n, h, w, 3)."""
        if self._last is None or self._last[0] is not pictures:
            self._last = pictures, self._read(self._embed, pictures)
        return self._last[1]

    def _embed(self, **inputs: torch.Tensor) -> torch.Tensor:
        return _unit(self.model.get_image_features(**inputs))

    @torch.inference_mode()
    def embed_texts(self, texts: Sequence[str]) -> torch.Tensor:
        """Unit embeddings (n, d) of texts; BadInput for one that the model would read only the beginning of."""
        chunks = (self._tokens(texts[i : i + CHUNK]).to(self.device) for i in range(0, len(texts), CHUNK))
        return torch.cat([_unit(self.model.get_text_features(**tokens)).cpu() for tokens in chunks])

    def _tokens(self, texts: Sequence[str]) -> Any:
        siglip = self.logit_bias is not None
        room = min(self.tokenizer.model_max_length, self.model.config.text_config.max_position_embeddings)
        room = min(room, _SIGLIP_TOKENS) if siglip else room
        for text, tokens in zip(texts, self.tokenizer(list(texts), verbose=False)["input_ids"], strict=True):
            if len(tokens) > room:
                raise BadInput(
                    f"{text[:60]!r} is {len(tokens)} tokens long, and the model reads {room}",
                    where=self.name,
                    cure="shorten the phrase or the template",
                )
        filled = {"padding": "max_length", "max_length": room} if siglip else {"padding": True}
        return self.tokenizer(list(texts), return_tensors="pt", **filled)


def _scale(model: Any, name: str) -> float:
    """The inverse temperature of cosines; BadInput for a model that scores pairs in another way."""
    scored = hasattr(model, "get_image_features") and hasattr(model, "get_text_features")
    if scored and hasattr(model, "logit_scale"):
        return float(model.logit_scale.exp())
    if scored and hasattr(model, "temperature"):
        return float(1 / model.temperature)
    raise BadInput(
        f"a {type(model).__name__} does not compare one embedding of a picture with one of a text",
        where=name,
        cure="name a model that does, such as CLIP, SigLIP or ALIGN",
    )


def _unit(features: Any) -> torch.Tensor:
    """What a tower gives, scaled to length one; transformers 5 gives more than the embedding."""
    return torch.nn.functional.normalize(getattr(features, "pooler_output", features).float(), dim=-1)
