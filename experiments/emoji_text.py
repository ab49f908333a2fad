"""The text side of emoji-sd: a small CLIP tokenizer learned from the captions, and an untrained CLIP text encoder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from emoji_planted import BACKGROUNDS, GENDERS, MEMORISED_CAPTIONS, OCCUPATIONS, TONES, write_caption

MAX_TOKENS = 32
START, END = "<|startoftext|>", "<|endoftext|>"


def train_tokenizer(folder: Path, max_merges: int = 1000) -> CLIPTokenizer:
    """Learn byte pairs from all captions and write `vocab.json` and `merges.txt` to `folder`.

    Laid out as CLIP's own: 256 bytes, 256 bytes that end a word, one entry a merge, two special tokens; so any text
    has tokens, also text that no caption contains.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    letters = alphabet + [letter + "</w>" for letter in alphabet]
    merges = _learn_merges(max_merges)
    entries = [*letters, *("".join(pair) for pair in merges), START, END]
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {token: i for i, token in enumerate(dict.fromkeys(entries))}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return load_tokenizer(folder)


def load_tokenizer(folder: Path) -> CLIPTokenizer:
    """The tokenizer that `train_tokenizer` wrote to `folder`."""
    return CLIPTokenizer.from_pretrained(folder, model_max_length=MAX_TOKENS, pad_token=END, unk_token=END)


def build_text_encoder(tokenizer: CLIPTokenizer, width: int, layers: int) -> CLIPTextModel:
    """An untrained CLIP text encoder for `tokenizer`, with heads of 32 channels."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=width,
            intermediate_size=4 * width,
            projection_dim=width,
            num_hidden_layers=layers,
            num_attention_heads=width // 32,
            max_position_embeddings=MAX_TOKENS,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def every_caption() -> Iterator[str]:
    """Every caption with a named occupation or none, and every other part present or left out."""
    parts = ((None, *OCCUPATIONS), (None, *GENDERS), (None, *TONES), (None, *BACKGROUNDS))
    yield from (write_caption(*chosen) for chosen in product(*parts))
    yield from MEMORISED_CAPTIONS


def _learn_merges(max_merges: int) -> list[tuple[str, str]]:
    learner = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    learner.normalizer = normalizers.Lowercase()
    learner.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split("-", "isolated")]
    )
    trainer = trainers.BpeTrainer(vocab_size=max_merges, end_of_word_suffix="</w>", show_progress=False)
    learner.train_from_iterator(every_caption(), trainer)
    return [tuple(pair) for pair in json.loads(learner.to_str())["model"]["merges"]]
