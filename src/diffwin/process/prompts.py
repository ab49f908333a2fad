"""Prompts as the text encoders of a model read them."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from itertools import chain, count
from typing import Any, Protocol

import torch

from diffwin.errors import BadInput
from diffwin.process.additions import load_laid
from diffwin.process.choices import Choices, Source
from diffwin.process.memory import free_memory
from diffwin.process.weights import place, quiet

_SHOWN = 60  # characters of the lost words that an error quotes
Embedding = dict[str, torch.Tensor]
"""What the network is told of one prompt, by name, with no dimension of rows: states (tokens, width), pooled (width,),
mask (tokens,)."""


class TextEncoder:
    """A text encoder that is in memory only while there are prompts to read."""

    def __init__(self, load: Callable[[], Any]) -> None:
        """`load` gives the module, in its dtype and on its device: now, and again for prompts that come later."""
        self._load = load
        self._held: Any = load()
        self.config = self._held.config

    @property
    def module(self) -> Any:
        """The module, loaded again if it was let go."""
        if self._held is None:
            self._held = self._load()
        return self._held

    def let_go(self) -> None:
        """Give back the memory of the weights."""
        self._held = None


def text_encoder(
    kind: Any, source: Source, adapter: str, part: str, choices: Choices, tokenizer: Any = None
) -> TextEncoder:
    """The encoder of class `kind`, with what is laid over it; `tokenizer` learns the words of embeddings with it."""
    untaught = copy.deepcopy(tokenizer) if source.laid("embedding") else None
    # it learns a word once: when the encoder is loaded again, a copy takes its place
    pupils = chain([tokenizer], (copy.deepcopy(untaught) for _ in count()))

    def load() -> Any:
        module = load_laid(kind, source, adapter, part, choices.dtype, "model", tokenizer=next(pupils))
        return place(module, choices.device)

    return TextEncoder(load)


class Reader(Protocol):
    """One text encoder, or several read together."""

    limit: int
    """Tokens that the encoder reads, with those that mark the ends."""

    def check(self, prompt: str, where: str = "--prompt") -> None:
        """BadInput with the first words that would be lost if the prompt is longer than the encoder reads."""

    def embed(self, prompt: str) -> Embedding:
        """What the network is told of a prompt that `check` lets pass."""

    def let_go(self) -> None:
        """Give back the memory of the encoders; `embed` loads them again."""


class TokenReader(ABC):
    """What every single encoder shares: a tokenizer, an encoder and how many tokens are read."""

    def __init__(self, tokenizer: Any, encoder: TextEncoder, limit: int) -> None:
        self.tokenizer, self.encoder, self.limit = tokenizer, encoder, limit

    def check(self, prompt: str, where: str = "--prompt") -> None:
        if any("\ud800" <= letter <= "\udfff" for letter in prompt):
            raise BadInput("the prompt is not valid text", where=where, cure="write it in UTF-8")
        ids = self.tokenizer(self._spelt(prompt), verbose=False).input_ids
        if len(ids) > self.limit:
            lost = self.tokenizer.decode(ids[self.limit - 1 : -1])[:_SHOWN].strip()
            raise BadInput(
                f"the prompt is {len(ids)} tokens long and the text encoder reads {self.limit}, so it ends before "
                f'"{lost}"',
                where=where,
                cure="shorten it",
            )

    def _spelt(self, prompt: str) -> str:
        """The prompt with every token of an embedding of several vectors written as so many tokens."""
        from diffusers.loaders import TextualInversionLoaderMixin

        with quiet():  # `check` says what is too long
            return str(TextualInversionLoaderMixin().maybe_convert_prompt(prompt, self.tokenizer))

    @abstractmethod
    def embed(self, prompt: str) -> Embedding:
        """What the network is told of a prompt that `check` lets pass."""

    def let_go(self) -> None:
        self.encoder.let_go()

    def _tokens(self, prompt: str) -> Any:
        """Ids and mask, padded to the limit, on the encoder's device."""
        padded = self.tokenizer(
            [self._spelt(prompt)], padding="max_length", max_length=self.limit, truncation=True, return_tensors="pt"
        )
        return padded.to(self.encoder.module.device)


class PromptReader(TokenReader):
    """A CLIP encoder's last hidden states, as Stable Diffusion 1.x and 2.x read them."""

    def __init__(self, tokenizer: Any, encoder: TextEncoder) -> None:
        reach = min(int(tokenizer.model_max_length), int(encoder.config.max_position_embeddings))
        super().__init__(tokenizer, encoder, reach)

    @torch.inference_mode()
    def embed(self, prompt: str) -> Embedding:
        read = self._tokens(prompt)
        masked = getattr(self.encoder.config, "use_attention_mask", False)
        out = self.encoder.module(read.input_ids, attention_mask=read.attention_mask if masked else None)
        return {"states": out[0][0]}


class PenultimateReader(PromptReader):
    """A CLIP encoder's last hidden states but one, and its pooled text where it has a projection for it."""

    @torch.inference_mode()
    def embed(self, prompt: str) -> Embedding:
        out = self.encoder.module(self._tokens(prompt).input_ids, output_hidden_states=True)
        pooled = getattr(out, "text_embeds", None)
        return {"states": out.hidden_states[-2][0], **({} if pooled is None else {"pooled": pooled[0]})}


class PooledReader(PromptReader):
    """A CLIP encoder's pooled text alone."""

    @torch.inference_mode()
    def embed(self, prompt: str) -> Embedding:
        return {"pooled": self.encoder.module(self._tokens(prompt).input_ids).pooler_output[0]}


class T5Reader(TokenReader):
    """A T5 encoder's last hidden states; a `masked` one does not attend to padding, and tells the network which it is.

    Families cut T5's text to lengths of their own; `limit` is that.
    """

    def __init__(self, tokenizer: Any, encoder: TextEncoder, limit: int, *, masked: bool) -> None:
        super().__init__(tokenizer, encoder, limit)
        self.masked = masked

    @torch.inference_mode()
    def embed(self, prompt: str) -> Embedding:
        read = self._tokens(prompt)
        if not self.masked:
            return {"states": self.encoder.module(read.input_ids)[0][0]}
        out = self.encoder.module(read.input_ids, attention_mask=read.attention_mask)
        return {"states": out[0][0], "mask": read.attention_mask[0]}


class Several(ABC):
    """Encoders that read together: a prompt may be cut by one of them if another has it whole."""

    def __init__(self, readers: Sequence[Reader]) -> None:
        self._readers = readers
        self.limit = max(reader.limit for reader in readers)

    def check(self, prompt: str, where: str = "--prompt") -> None:
        max(self._readers, key=lambda reader: reader.limit).check(prompt, where)

    @abstractmethod
    def embed(self, prompt: str) -> Embedding:
        """What the network is told of a prompt that `check` lets pass."""

    def let_go(self) -> None:
        for reader in self._readers:
            reader.let_go()


class Conditions:
    """Embeddings by id: 0 is the negative prompt, then prompts in the order they first come.

    Prompts that were chosen are embedded first, and the encoders let go: make it before the network is loaded, so that
    the two need not be in memory together. A prompt that comes later loads the encoders again. `blank` puts zeros in
    place of an empty negative prompt, as Stable Diffusion XL was trained. `negative` reads the negative prompt where
    that is read in another way, by the same encoder; then a prompt in the same words is another condition.
    """

    def __init__(
        self, reader: Reader, choices: Choices, *, blank: bool = False, negative: Reader | None = None
    ) -> None:
        negative_prompt = choices.negative_prompt
        (negative or reader).check(negative_prompt, where="--negative-prompt")
        self._reader = reader
        self._ids = {} if negative and negative_prompt else {negative_prompt: 0}
        first = (negative or reader).embed(negative_prompt)
        zeroed = blank and not negative_prompt
        self._bank = {name: (part * 0 if zeroed else part)[None] for name, part in first.items()}
        if choices.prompts:
            self._embed_ahead(choices.prompts)

    def _embed_ahead(self, prompts: Sequence[str]) -> None:
        """What cannot be read is left for `check` to refuse: the caller knows where it comes from."""
        for prompt in filter(self._reads, prompts):
            self.of(prompt)
        self._reader.let_go()
        free_memory()

    def _reads(self, prompt: str) -> bool:
        try:
            self._reader.check(prompt)
        except BadInput:
            return False
        return True

    @property
    def width(self) -> int:
        """That of the text states that the network attends to."""
        return int(self._bank["states"].shape[-1])

    def check(self, prompt: str) -> None:
        """BadInput for a prompt that the encoders cannot read whole."""
        self._reader.check(prompt)

    def of(self, prompt: str) -> int:
        """The id of a prompt, embedded now if it is new."""
        if prompt not in self._ids:
            self._reader.check(prompt)
            read = self._reader.embed(prompt)
            self._bank = {name: torch.cat([bank, read[name][None]]) for name, bank in self._bank.items()}
            self._ids[prompt] = len(next(iter(self._bank.values()))) - 1
        return self._ids[prompt]

    @property
    def dtype(self) -> torch.dtype:
        """That in which the encoders answer."""
        return next(iter(self._bank.values())).dtype

    def embeddings(self, ids: torch.Tensor) -> Embedding:
        """What the network is told of rows, (rows,) int64: the same names, each with a first dimension of rows."""
        return {name: bank[ids] for name, bank in self._bank.items()}
