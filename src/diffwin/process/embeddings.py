"""Textual inversion: embeddings of new words, through the loader of diffusers' pipelines."""

from __future__ import annotations

from typing import Any

from safetensors import safe_open
from safetensors.torch import load_file

from diffwin.errors import BadInput
from diffwin.process.choices import Laid, Source
from diffwin.process.weights import assembled, first_line, quiet

ENCODERS: dict[str, tuple[str, dict[str, str]]] = {
    "stable": ("StableDiffusionPipeline", {"text_encoder": ""}),
    "stable_xl": ("StableDiffusionXLPipeline", {"text_encoder": "clip_l", "text_encoder_2": "clip_g"}),
    "flux": ("FluxPipeline", {"text_encoder": "clip_l", "text_encoder_2": "t5"}),
}
"""By adapter: the pipeline whose loader reads embeddings, and what a file calls those of each text encoder; "" where
there is one encoder, and the only tensor of a file bears the name of its token."""
_OPTIONAL = {"t5"}
_UNNAMED = {"emb_params", "clip_l", "clip_g", "t5"}
"""Names of tensors that are not those of a token."""
_CURE = "give one made for this family"


def lay_embeddings(source: Source, adapter: str, part: str, encoder: Any, tokenizer: Any) -> None:
    """Teach a tokenizer and its text encoder the words of a source's embeddings.

    BadInput for one that does not fit.
    """
    pipeline, names = ENCODERS[adapter]
    with quiet():
        made = assembled(pipeline, {})
        for each in source.laid("embedding"):
            tensors = load_file(each.path)
            found = next(iter(tensors.values())) if names[part] == "" else tensors.get(names[part])
            if found is not None:
                _load(made, encoder, tokenizer, found, each, source.name)
    encoder.requires_grad_(False)


def check_embedding(source: Source, adapter: str, laid: Laid) -> None:
    """BadInput for a file that has not one embedding for each text encoder of the family."""
    names, wanted = _names(laid), set(ENCODERS[adapter][1].values())
    fits = len(names) == 1 and not set(names) & (_UNNAMED - {"emb_params"})
    if wanted != {""}:
        fits = wanted - _OPTIONAL <= set(names) <= wanted
    if not fits:
        held, read = ", ".join(sorted(names))[:80], " and ".join(sorted(wanted - {""})) or "one tensor"
        what = f"{laid.asked.place} holds {held}, and {source.name} reads {read}"
        raise BadInput(what, where="--embedding", cure=_CURE)


def token_of(laid: Laid) -> str:
    """The word that stands for an embedding: as it was asked for, or as its file calls it."""
    if laid.asked.token:
        return laid.asked.token
    names = _names(laid)
    if len(names) != 1 or names[0] in _UNNAMED:
        raise BadInput(
            f"{laid.asked.place} does not say which token it stands for",
            where="--embedding",
            cure="write the token after it, as FILE=TOKEN",
        )
    return names[0]


def _names(laid: Laid) -> list[str]:
    with safe_open(laid.path, framework="pt") as file:
        return list(file.keys())


def _load(pipeline: Any, encoder: Any, tokenizer: Any, vectors: Any, laid: Laid, name: str) -> None:
    """`vectors` (width,) or (count, width): a token may stand for several."""
    width, token = encoder.get_input_embeddings().weight.shape[-1], laid.asked.token
    if vectors.ndim not in (1, 2) or vectors.shape[-1] != width:
        what = f"the vectors of {laid.asked.place} are {vectors.shape[-1]} wide and the words of {name} {width}"
        raise BadInput(what, where="--embedding", cure=_CURE)
    try:
        pipeline.load_textual_inversion({token: vectors}, token=token, tokenizer=tokenizer, text_encoder=encoder)
    except ValueError as error:
        what = f"{laid.asked.place}: {first_line(error)[:160]}"
        raise BadInput(what, where="--embedding", cure="give another token, as FILE=TOKEN") from error
