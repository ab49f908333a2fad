"""Prompts as the text encoder of a Stable Diffusion model reads them."""

from __future__ import annotations

from typing import Any

import torch

from diffwin.errors import BadInput

_SHOWN = 60  # characters of the lost words that an error quotes


class PromptReader:
    """A CLIP tokenizer and text encoder; embeds each prompt once."""

    def __init__(self, tokenizer: Any, encoder: Any) -> None:
        self.tokenizer, self.encoder = tokenizer, encoder
        self.limit = min(int(tokenizer.model_max_length), int(encoder.config.max_position_embeddings))
        """Tokens that the encoder reads, with the two that mark the ends."""

    def check(self, prompt: str, where: str = "--prompt") -> None:
        """BadInput with the first words that would be lost if the prompt is longer than the encoder reads."""
        if any("\ud800" <= letter <= "\udfff" for letter in prompt):
            raise BadInput("the prompt is not valid text", where=where, cure="write it in UTF-8")
        ids = self.tokenizer(prompt, verbose=False).input_ids
        if len(ids) > self.limit:
            lost = self.tokenizer.decode(ids[self.limit - 1 : -1])[:_SHOWN].strip()
            raise BadInput(
                f"the prompt is {len(ids)} tokens long and the text encoder reads {self.limit}, so it ends before "
                f'"{lost}"',
                where=where,
                cure="shorten it",
            )

    def embed(self, prompt: str) -> torch.Tensor:
        """The encoder's last hidden states, shape (limit, width)."""
        self.check(prompt)
        read = self.tokenizer(
            [prompt], padding="max_length", max_length=self.limit, truncation=True, return_tensors="pt"
        ).to(self.encoder.device)
        masked = getattr(self.encoder.config, "use_attention_mask", False)
        with torch.inference_mode():
            out = self.encoder(read.input_ids, attention_mask=read.attention_mask if masked else None)
        states: torch.Tensor = out[0][0]
        return states


class Conditions:
    """Embeddings by id: 0 is the negative prompt, then prompts in the order they first come."""

    def __init__(self, reader: PromptReader, negative_prompt: str = "") -> None:
        reader.check(negative_prompt, where="--negative-prompt")
        self._reader = reader
        self._ids = {negative_prompt: 0}
        self._bank = reader.embed(negative_prompt)[None]

    def of(self, prompt: str) -> int:
        """The id of a prompt, embedded now if it is new."""
        if prompt not in self._ids:
            self._bank = torch.cat([self._bank, self._reader.embed(prompt)[None]])
            self._ids[prompt] = len(self._ids)
        return self._ids[prompt]

    def embeddings(self, ids: torch.Tensor) -> torch.Tensor:
        """(rows,) int64 to (rows, tokens, width)."""
        return self._bank[ids]
