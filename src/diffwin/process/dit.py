"""Diffusion transformers told a class: what DiTPipeline loads. A prompt is a class, by its name or its number."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from diffwin.errors import BadInput
from diffwin.process.additions import load_vae
from diffwin.process.choices import Choices, Source
from diffwin.process.configured import Configured, read_config
from diffwin.process.decoder import Decoder
from diffwin.process.schedule import clip_of
from diffwin.process.schedules import read_schedule
from diffwin.process.trained import LatentDiffusion, MeanDenoiser
from diffwin.process.weights import importing, load_part


@dataclass(frozen=True)
class Classes:
    """The classes of a model: how many, and the numbers that names stand for."""

    count: int
    named: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, count: int, names: Mapping[str, str]) -> Classes:
        """From a model_index.json's id2label, where a class has several names between commas."""
        named = {name.strip(): int(number) for number, listed in names.items() for name in listed.split(",")}
        return cls(count, named)

    def find(self, prompt: str) -> int:
        """The class that a prompt names; BadInput for any other."""
        asked = prompt.strip()
        if asked in self.named:
            return self.named[asked]
        if asked.isascii() and asked.isdigit() and int(asked) < self.count:
            return int(asked)
        close = difflib.get_close_matches(asked, self.named, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise BadInput(
            f"{asked[:60]!r} is no class of this model",
            where="--prompt",
            cure=f"{hint}give a name or 0 to {self.count - 1}",
        )


class DiTProcess(LatentDiffusion):
    """States are latents (c, h, w); the variance that the network predicts is left alone, as the pipeline leaves it."""

    takes_prompt = True

    def __init__(
        self, source: Source, transformer: Any, vae: Any, classes: Classes, schedule: Configured, choices: Choices
    ) -> None:
        choices.need_own_size(source.name)
        if choices.negative_prompt:
            raise BadInput(f"{source.name} is told a class alone", where="--negative-prompt", cure="leave it out")
        schedule = schedule.model_copy(update={"variance_type": "fixed_small"})
        self.classes = classes

        def told(ids: torch.Tensor) -> dict[str, Any]:
            return {"class_labels": torch.where(ids == 0, classes.count, ids - 1)}

        network, clip = MeanDenoiser(transformer, choices, told), clip_of(schedule, choices.solver)
        decoder = Decoder(vae, choices)
        super().__init__(source, "DiTPipeline", schedule, network, choices, decoder=decoder, clip=clip)

    def check_prompt(self, prompt: str) -> None:
        self.classes.find(prompt)

    def condition(self, prompt: str) -> int:
        """One more than the class; 0 is the class of no class, with which the model was trained too."""
        return 1 + self.classes.find(prompt)


def load(source: Source, choices: Choices) -> DiTProcess:
    """From a folder in the layout of DiTPipeline.save_pretrained."""
    with importing():
        from diffusers import AutoencoderKL, DiTTransformer2DModel
    folder = source.folder
    schedule = read_schedule(folder)
    older = ("Transformer2DModel",)
    transformer = load_part(DiTTransformer2DModel, folder, "transformer", choices.dtype, also=older)
    names = read_config(folder / "model_index.json").get("id2label") or {}
    classes = Classes.of(int(transformer.config.num_embeds_ada_norm), names)
    return DiTProcess(source, transformer, load_vae(AutoencoderKL, source, choices.dtype), classes, schedule, choices)
