"""Text encoders are in memory only while prompts are read, and every part has the dtype that its pipeline gives it."""

from __future__ import annotations

import gc
import warnings
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from diffusers import ModelMixin
from transformers import PreTrainedModel

import tiny_pipelines
from diffwin.errors import BadInput
from diffwin.process.load import load
from diffwin.trials import Base

TEXT = ("stable-diffusion", "latent-consistency", "stable-diffusion-xl", "stable-diffusion-3", "flux", "pixart")
PROMPTS = ("a cook", "a dog")


class Parts:
    """The modules that are read from files, which this does not keep in memory."""

    def __init__(self) -> None:
        self.read: list[weakref.ref[Any]] = []
        self.encoders_beside: list[int] = []
        """How many text encoders were in memory as each part of diffusers began to be read."""

    def add(self, module: Any) -> None:
        self.read.append(weakref.ref(module))

    @property
    def encoders(self) -> list[Any]:
        """Those in memory now."""
        gc.collect()
        return [each for ref in self.read if isinstance(each := ref(), PreTrainedModel)]

    @property
    def others(self) -> list[Any]:
        return [each for ref in self.read if isinstance(each := ref(), ModelMixin)]


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> Parts:
    seen = Parts()
    for base in (ModelMixin, PreTrainedModel):
        monkeypatch.setattr(base, "from_pretrained", _watched(base, seen))
    return seen


def _watched(base: Any, seen: Parts) -> Any:
    read = base.from_pretrained.__func__

    def from_pretrained(kind: Any, *given: Any, **named: Any) -> Any:
        if issubclass(kind, ModelMixin):
            seen.encoders_beside.append(len(seen.encoders))
        made = read(kind, *given, **named)
        seen.add(made[0] if isinstance(made, tuple) else made)
        return made

    return classmethod(from_pretrained)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("pipelines")
    return {kind: tiny_pipelines.save(kind, place / kind) for kind in (*TEXT, "sana")}


def made(folder: Path, **choices: Any) -> Any:
    size = "16" if folder.name == "flux" else None
    return load(folder, device="cpu", steps=2, size=size, **choices)


@pytest.mark.parametrize("kind", [*TEXT, "sana"])
def test_encoders_are_gone_before_the_network_is_read(kind: str, folders: dict[str, Path], parts: Parts) -> None:
    process = made(folders[kind], prompts=PROMPTS)
    assert parts.encoders_beside == [0, 0]
    assert not parts.encoders
    told = [process.condition(prompt) for prompt in PROMPTS]
    assert told == [1, 2]
    assert list(process.sample([Base("a cook", 0)]))
    assert not parts.encoders


@pytest.mark.parametrize("kind", ["stable-diffusion", "stable-diffusion-3", "flux"])
def test_later_prompts_are_read_all_the_same(kind: str, folders: dict[str, Path], parts: Parts) -> None:
    bases = [Base("a cook", 0), Base("a seal", 1)]
    expected = {each.base: each.state for each in made(folders[kind]).sample(bases)}
    parts.read.clear()
    process = made(folders[kind], prompts=PROMPTS)
    found = {each.base: each.state for each in process.sample(bases)}
    assert parts.encoders  # loaded again for the seal
    for base in bases:
        torch.testing.assert_close(found[base], expected[base], rtol=0, atol=0)


def test_without_prompts_the_encoders_stay(folders: dict[str, Path], parts: Parts) -> None:
    process = made(folders["stable-diffusion-3"])
    assert len(parts.encoders) == 3
    process.condition("a cook")
    assert len(parts.read) == 5  # nothing was read twice


def test_a_prompt_that_cannot_be_read_is_left_to_its_caller(folders: dict[str, Path]) -> None:
    process = made(folders["stable-diffusion"], prompts=["a cook", "far too many letters for this", "a dog"])
    assert process.condition("a dog") == 2
    with pytest.raises(BadInput, match="tokens long"):
        process.check_prompt("far too many letters for this")


@pytest.fixture
def _half_on_a_cpu() -> Iterator[None]:
    """Official pipelines warn that float16 is slow here."""
    diffusers.utils.logging.set_verbosity_error()
    yield
    diffusers.utils.logging.set_verbosity_warning()


def official(folder: Path, dtype: torch.dtype) -> Any:
    # older releases of diffusers know torch_dtype alone
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return diffusers.DiffusionPipeline.from_pretrained(folder, torch_dtype=dtype, use_safetensors=True)


@pytest.mark.usefixtures("_half_on_a_cpu")
@pytest.mark.parametrize(("kind", "dtype"), [*((kind, "float16") for kind in TEXT), ("pixart", "bfloat16")])
def test_parts_have_the_dtypes_of_the_official_pipeline(
    kind: str, dtype: str, folders: dict[str, Path], parts: Parts
) -> None:
    process = made(folders[kind], dtype=dtype)
    found = {type(each).__name__: _dtypes(each) for each in (*parts.encoders, *parts.others)}
    components = official(folders[kind], getattr(torch, dtype)).components.values()
    expected = {type(each).__name__: _dtypes(each) for each in components if isinstance(each, torch.nn.Module)}
    overflows = dtype == "float16"
    if overflows:  # where XL's pipeline casts its autoencoder before decoding, and the others hand over black pictures
        expected["AutoencoderKL"] = dict.fromkeys(expected["AutoencoderKL"], torch.float32)
    assert found == expected
    autoencoder = "float32" if overflows else dtype
    assert process.provenance["dtypes"] == f"network {dtype}, autoencoder {autoencoder}, text {dtype}"


def _dtypes(module: torch.nn.Module) -> dict[str, torch.dtype]:
    return {name: each.dtype for name, each in [*module.named_parameters(), *module.named_buffers()]}


@pytest.mark.usefixtures("_half_on_a_cpu")
def test_an_autoencoder_that_does_not_overflow_keeps_the_dtype(tmp_path: Path) -> None:
    """As the mended weights of SDXL's say of themselves."""
    folder = tiny_pipelines.save("stable-diffusion-xl", tmp_path, force_upcast=False)
    process = made(folder, dtype="float16")
    assert process.provenance["dtypes"] == "network float16, autoencoder float16, text float16"


@pytest.mark.usefixtures("_half_on_a_cpu")
def test_t5_reads_in_float16_what_the_official_pipeline_reads(folders: dict[str, Path]) -> None:
    """Its products are kept in float32, for they overflow in float16."""
    process = made(folders["pixart"], dtype="float16", prompts=["a cook"])
    told = process.engine.network.told(torch.tensor([process.condition("a cook")]))
    pipeline = official(folders["pixart"], torch.float16)
    expected, mask, *_ = pipeline.encode_prompt("a cook", do_classifier_free_guidance=False, device="cpu")
    assert torch.equal(told["encoder_attention_mask"], mask)
    # to the last bits of float16: the official one keeps gradients, for which attention goes another way
    torch.testing.assert_close(told["encoder_hidden_states"], expected, rtol=0, atol=4e-3)
