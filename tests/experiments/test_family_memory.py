"""What `diffwin list models` says that a family takes of memory is what the parts of its example come to."""

from __future__ import annotations

import re

import pytest

import family_memory
from diffwin.families import BY_KIND
from diffwin.process.footprint import Footprint

PUBLISHED = {
    "stable-diffusion": 859_520_964,
    "stable-diffusion-xl": 2_567_463_684,
    "stable-diffusion-3": 2_243_171_520,
    "flux": 11_891_178_560,
    "pixart": 610_856_096,
    "sana": 1_604_462_752,
    "ddpm": 35_746_307,
}
"""Parameters of the networks, as their authors and users count them."""


@pytest.mark.parametrize("model", family_memory.MODELS, ids=lambda model: model.kind)
def test_what_is_said_of_a_family_is_what_its_parts_take(model: family_memory.Model) -> None:
    found = family_memory.footprint(model)
    weights = Footprint(found.encoders, found.network, found.autoencoder)
    sizes = [weights.at_once(encoders_first=True), weights.at_once(encoders_first=False)]
    said = [float(number) for number in re.findall(r"(\d+\.\d+)(?: GB| in all)", BY_KIND[model.kind].needs)]
    assert said == [round(size / 1e9, 1 if size > 1e9 else 2) for size in sizes][: len(said)]
    assert len(said) == (2 if found.encoders else 1)  # in all, where that is more than at once


@pytest.mark.parametrize("kind", PUBLISHED)
def test_networks_have_the_parameters_that_are_published(kind: str) -> None:
    parts = family_memory.BY_FAMILY[kind].parts
    assert family_memory.numbers(parts.get("unet") or parts["transformer"]) == PUBLISHED[kind]
