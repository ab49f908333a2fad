"""Probes that ask: one question of every picture, and for each label the answers that stand for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import logsumexp
from torch.nn.functional import log_softmax, logsigmoid
from transformers import AutoImageProcessor, AutoTokenizer

from diffwin.errors import BadInput
from diffwin.probes.defined import DefinedProbe, softmax
from diffwin.probes.definition import Definition
from diffwin.probes.pretrained import PictureReader, Pretrained

CLASSES = {"blip": "BlipForQuestionAnswering", "vilt": "ViltForQuestionAnswering"}

Answerer = Callable[..., torch.Tensor]
"""Log-likelihoods (n, answers), float64, of an image processor's tensors of n pictures, given by their names."""


class VqaProbe(DefinedProbe):
    """A label's probability is the likelihood of its answers together, as a share of that of all labels' answers."""

    def __init__(self, definition: Definition, *, device: str) -> None:
        source = Pretrained.of(definition)
        model = source.model(CLASSES, "visual question answering", device=device)
        asked = definition.question or ""
        super().__init__(definition, model=source.name, weights=source.weights, question=asked)
        answers = [answer for label in definition.labels for answer in label.answers]
        tokenizer = source.part(AutoTokenizer)
        kind = Blip if model.config.model_type == "blip" else Vilt
        self.answerer: Answerer = kind(model, tokenizer, definition, answers)
        self._read = PictureReader(source.part(AutoImageProcessor), "answering model", device=device)
        self._ends = np.cumsum([len(label.answers) for label in definition.labels])[:-1]

    def probabilities(self, pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
        likely = self._read(self.answerer, pictures).numpy()
        labels = [logsumexp(each, axis=1) for each in np.split(likely, self._ends, axis=1)]
        return softmax(np.stack(labels, axis=1))


class Vilt:
    """A classifier over a vocabulary of answers, each by its own sigmoid (Kim et al. 2021, arXiv 2102.03334)."""

    def __init__(self, model: Any, tokenizer: Any, definition: Definition, answers: list[str]) -> None:
        index = {str(name): int(i) for i, name in model.config.id2label.items()}
        for answer in answers:
            if answer not in index:
                raise _unanswerable(definition, answer, f"it has {len(index)}, such as {', '.join(list(index)[:12])}")
        self.model, self._answers = model, torch.tensor([index[answer] for answer in answers])
        self._question = _question(tokenizer, definition, model.config.max_position_embeddings)

    def __call__(self, **inputs: torch.Tensor) -> torch.Tensor:
        rows = len(inputs["pixel_values"])
        question = {name: ids.expand(rows, -1).to(self.model.device) for name, ids in self._question.items()}
        logits = self.model(**question, **inputs).logits.double().cpu()
        return logsigmoid(logits[:, self._answers])


class Blip:
    """A decoder that writes its answer: the likelihood of all of an answer's tokens and of its end, as the authors rank
    answers (Li et al. 2022, arXiv 2201.12086, section 5.4).
    """

    def __init__(self, model: Any, tokenizer: Any, definition: Definition, answers: list[str]) -> None:
        self.model = model
        self._question = _question(tokenizer, definition, model.config.text_config.max_position_embeddings)
        self._answers = [self._tokens(tokenizer, definition, answer) for answer in answers]

    def _tokens(self, tokenizer: Any, definition: Definition, answer: str) -> torch.Tensor:
        """The sign that an answer begins, its tokens, and the sign that it ends."""
        tokens = tokenizer(answer, add_special_tokens=False)["input_ids"]
        if not tokens or tokenizer.unk_token_id in tokens:
            raise _unanswerable(definition, answer, "its tokenizer must know every word")
        text = self.model.config.text_config
        return torch.tensor([[self.model.decoder_start_token_id, *tokens, text.sep_token_id]])

    def __call__(self, pixel_values: torch.Tensor) -> torch.Tensor:
        rows, device = len(pixel_values), self.model.device
        seen = self.model.vision_model(pixel_values=pixel_values)[0]
        question = self._question["input_ids"].expand(rows, -1).to(device)
        asked = self.model.text_encoder(input_ids=question, encoder_hidden_states=seen)[0]
        return torch.stack([self._likelihood(asked, answer.to(device)) for answer in self._answers], dim=1)

    def _likelihood(self, asked: torch.Tensor, answer: torch.Tensor) -> torch.Tensor:
        """log P(answer | picture, question), shape (n,), of the question as read beside each picture (n, tokens, d)."""
        written = answer.expand(len(asked), -1)
        logits = self.model.text_decoder(input_ids=written, encoder_hidden_states=asked).logits
        each = log_softmax(logits[:, :-1].double(), dim=-1).gather(2, written[:, 1:, None])
        return each.sum(dim=(1, 2)).cpu()


def _question(tokenizer: Any, definition: Definition, room: int) -> dict[str, torch.Tensor]:
    """One row of each tensor that the tokenizer makes of the question; BadInput for more than the model reads."""
    tokens = dict(tokenizer(definition.question, return_tensors="pt", verbose=False))
    if (length := tokens["input_ids"].shape[1]) > room:
        raise BadInput(
            f"the question is {length} tokens long, and the model reads {room}",
            where=f"probe {definition.name}",
            cure="shorten the question",
        )
    return tokens


def _unanswerable(definition: Definition, answer: str, told: str) -> BadInput:
    label = next(label.name for label in definition.labels if answer in label.answers)
    return BadInput(
        f"the model has no answer {answer!r}",
        where=f"probe {definition.name}, label {label}",
        cure=f"give one of its own; {told}",
    )
