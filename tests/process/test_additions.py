"""LoRAs, embeddings and autoencoders laid over tiny random models, against diffusers' own loaders; their faults."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import additions as compared
import families
import tiny_additions as tiny
from diffwin.additions import additions_of
from diffwin.errors import BadInput
from diffwin.process.load import load
from diffwin.process.trained import TrainedDiffusion
from diffwin.trials import Base
from official_pipelines import generate

pytestmark = pytest.mark.filterwarnings("ignore:Already found a `peft_config`")  # of the official side
BASES = (Base("a cook", 0),)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """models(kind) is the folder of a family's tiny pipeline, made once."""

    @cache
    def make(kind: str) -> Path:
        return families.save(compared.variant_of(kind), tmp_path_factory.mktemp("tiny"))

    return make


@pytest.fixture(scope="module")
def lora(models: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """lora(kind) is the file of a LoRA for it, made once."""

    @cache
    def make(kind: str) -> Path:
        return tiny.save_lora(models(kind), tmp_path_factory.mktemp("lora"))

    return make


def tiny_model(folder: Path, **given: Any) -> TrainedDiffusion:
    made = load(folder, **{"device": "cpu", "steps": 3, "guidance": 1.0, **given})
    assert isinstance(made, TrainedDiffusion)
    return made


def refused(match: str, folder: Path, **given: Any) -> None:
    with pytest.raises(BadInput, match=match) as caught:
        tiny_model(folder, **given)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", compared.FAMILIES)
def test_loras_are_those_of_diffusers_loader(models: Any, tmp_path: Path, kind: str) -> None:
    given, lay = compared.loras(kind, models(kind), tmp_path)
    mine, official, without = compared.latents(kind, models(kind), lay, lora=given)
    assert families.apart(mine, official) < 1e-4
    assert families.apart(without, official) > 1e-2


@pytest.mark.parametrize("kind", compared.WITH_EMBEDDINGS)
def test_embeddings_are_those_of_diffusers_loader(models: Any, tmp_path: Path, kind: str) -> None:
    given, lay = compared.embedding(kind, models(kind), tmp_path)
    mine, official, without = compared.latents(kind, models(kind), lay, embedding=given)
    assert families.apart(mine, official) < 1e-4
    assert families.apart(without[1], official[1]) > 1e-2
    torch.testing.assert_close(mine[0], without[0], rtol=1e-4, atol=1e-4)  # a prompt without the word is as it was


@pytest.mark.parametrize("kind", compared.WITH_AUTOENCODER)
def test_another_autoencoder_shows_other_pictures(models: Any, tmp_path: Path, kind: str) -> None:
    mine, official, without = compared.pictures(kind, models(kind), tmp_path)
    assert float((mine - official).abs().max()) < 0.51 / 255 + 1e-4  # rounded
    assert families.apart(without, official) > 0.1


def test_an_autoencoder_leaves_the_latents_alone_and_encodes_too(models: Any, tmp_path: Path) -> None:
    folder = models("stable-diffusion")
    other = tiny.save_autoencoder(folder, tmp_path / "vae")
    with_it, without = tiny_model(folder, vae=str(other)), tiny_model(folder)
    made = generate(with_it, BASES)
    assert torch.equal(made, generate(without, BASES))
    shown = with_it.render(list(made))
    assert not torch.allclose(with_it.encode(shown)[0], without.encode(shown)[0], atol=0.1)
    # a whole pipeline stands for its autoencoder
    again = tiny_model(folder, vae=str(models("latent-consistency")))
    assert again.provenance["vae"].startswith(str(models("latent-consistency")))


def test_a_lora_scales_and_zero_is_none(models: Any, lora: Any) -> None:
    folder, file = models("stable-diffusion"), lora("stable-diffusion")
    plain = generate(tiny_model(folder), BASES)
    torch.testing.assert_close(generate(tiny_model(folder, lora=f"{file}:0"), BASES), plain, rtol=1e-5, atol=1e-5)
    whole, folder_of_it = (generate(tiny_model(folder, lora=str(place)), BASES) for place in (file, file.parent))
    assert torch.equal(whole, folder_of_it)
    assert families.apart(generate(tiny_model(folder, lora=f"{file}:0.5"), BASES), whole) > 1e-2


def test_a_lora_in_kohyas_layout_is_the_same_with_its_alphas(models: Any, lora: Any, tmp_path: Path) -> None:
    folder, file = models("stable-diffusion"), lora("stable-diffusion")
    kohya = {}
    for name, tensor in load_file(file).items():
        place, _, end = name.rpartition(".lora_")
        start, _, layer = place.partition(".")
        begin = "lora_unet_" if start == "unet" else "lora_te_text_model_"
        called = begin + layer.removeprefix("text_model.").replace(".", "_")
        kohya |= {f"{called}.lora_{'down' if end.startswith('A') else 'up'}.weight": tensor}
        kohya |= {f"{called}.alpha": torch.tensor(4.0)}  # twice the rank, so that each counts twice
    save_file(kohya, tmp_path / "kohya.safetensors")
    renamed = generate(tiny_model(folder, lora=f"{tmp_path / 'kohya.safetensors'}:0.5"), BASES)
    torch.testing.assert_close(renamed, generate(tiny_model(folder, lora=str(file)), BASES), rtol=1e-4, atol=1e-4)


def test_what_is_laid_over_a_model_is_part_of_its_content(models: Any, lora: Any, tmp_path: Path) -> None:
    folder, file = models("stable-diffusion"), tmp_path / "style.safetensors"
    shutil.copy(lora("stable-diffusion"), file)
    plain = tiny_model(folder).provenance
    told = tiny_model(folder, lora=f"{file}:0.5").provenance
    assert told["content"].startswith(plain["content"] + " + ")
    assert told["lora"].startswith(f"{file} at scale 0.5, sha256 ")
    tensors = load_file(file)
    save_file({name: tensor * 2 for name, tensor in tensors.items()}, file)
    assert tiny_model(folder, lora=f"{file}:0.5").provenance["content"] != told["content"]
    assert "distilled" not in told
    shutil.copy(file, tmp_path / "my-lcm-lora.safetensors")
    distilled = tiny_model(folder, lora=str(tmp_path / "my-lcm-lora.safetensors")).provenance["distilled"]
    assert distilled == "its LoRA is called lcm"


@pytest.mark.parametrize(
    ("of", "onto", "told"),
    [
        ("flux", "stable-diffusion", r"only 24 of the \d+ tensors of .* fit"),
        ("stable-diffusion", "flux", "only 24 of"),
        ("stable-diffusion-xl", "stable-diffusion", r"only \d+ of"),
        ("stable-diffusion", "stable-diffusion-xl", "other sizes"),
        ("latent-consistency", "stable-diffusion-3", "only 24 of"),
        ("stable-diffusion-3", "flux", "only"),
    ],
)
def test_a_lora_of_another_family(models: Any, lora: Any, of: str, onto: str, told: str) -> None:
    refused(f"^--lora: .*({told}).*; give one made for this family and size of model", models(onto), lora=str(lora(of)))


def test_loras_that_do_not_fit_or_are_none(models: Any, lora: Any, tmp_path: Path) -> None:
    folder, file = models("stable-diffusion"), tmp_path / "lora.safetensors"
    tensors = load_file(lora("stable-diffusion"))

    def saved(changed: dict[str, torch.Tensor]) -> str:
        save_file(changed, file)
        return str(file)

    strange = {name.replace("attn1", "attn9"): tensor for name, tensor in tensors.items()}
    refused("only 32 of the 64 tensors for its unet of .* fit", folder, lora=saved(strange))
    refused("none of the 1 tensors .* fit", folder, lora=saved({"weight": torch.zeros(3)}))
    scaled = tensors | {"unet.down_blocks.0.dora_scale": torch.ones(3)}
    refused("is a DoRA of a kind whose scales", folder, lora=saved(scaled))
    file.write_bytes(Path(saved(tensors)).read_bytes()[:-9])
    refused("corrupt or cut short", folder, lora=str(file))
    file.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    refused("Git LFS pointer", folder, lora=str(file))


def test_files_that_are_not_there_or_are_pickles(models: Any, tmp_path: Path) -> None:
    folder, pickled = models("stable-diffusion"), tmp_path / "style.pt"
    pickled.write_bytes(b"a pickle that is never opened")
    for kind in ("lora", "embedding"):
        option = f"--{kind}"
        refused(f"{option}: style.pt is a pickle; convert it to safetensors", folder, **{kind: str(pickled)})
        refused(f"{option}: style.pt is a pickle", folder, **{kind: str(tmp_path)})
        refused(f"{option}: no such file or folder: .*gone", folder, **{kind: str(tmp_path / "gone.safetensors")})
    refused("--lora: no such file or folder: styles/gone.safetensors", folder, lora="styles/gone.safetensors")
    refused("--vae: .* is no folder of an autoencoder", folder, vae=str(tmp_path))
    pickled.unlink()
    refused("--lora: .* holds no safetensors file", folder, lora=str(tmp_path))
    for name in ("a", "b"):
        save_file({"x": torch.zeros(1)}, tmp_path / f"{name}.safetensors")
    refused(r"several safetensors files \(a.safetensors, b.safetensors\); name one", folder, lora=str(tmp_path))


@pytest.mark.parametrize("kind", ["pixart", "dit", "ddpm"])
def test_families_without_a_loader(models: Any, lora: Any, kind: str) -> None:
    file = str(lora("stable-diffusion"))
    refused("--lora: .* diffusers has no loader of LoRAs for it; leave it out", models(kind), lora=file)
    refused("--embedding: .* no loader of embeddings for it", models(kind), embedding=f"{file}=<cat>")
    if kind == "ddpm":
        refused("--vae: .* it has no autoencoder", models(kind), vae=file)


def test_a_world_has_no_use_for_them() -> None:
    for kind, given in {"lora": "x.safetensors", "embedding": "x.safetensors", "vae": "x"}.items():
        with pytest.raises(BadInput, match=f"--{kind}: noto-emoji is a world"):
            load("noto-emoji", **{kind: given})


def test_embeddings_that_do_not_fit(models: Any, tmp_path: Path) -> None:
    stable, xl = models("stable-diffusion"), models("stable-diffusion-xl")
    file = tmp_path / "cat.safetensors"

    def saved(**tensors: torch.Tensor) -> str:
        save_file(tensors, file)
        return f"{file}=<cat>"

    refused("the vectors of .* are 768 wide and the words of .* 16", stable, embedding=saved(cat=torch.zeros(768)))
    refused("holds cat, and .* reads clip_g and clip_l", xl, embedding=saved(cat=torch.zeros(16)))
    pair = saved(clip_l=torch.zeros(1, 16), clip_g=torch.zeros(1, 16))
    refused("holds clip_g, clip_l, and .* reads one tensor", stable, embedding=pair)
    refused("does not say which token it stands for; write the token", xl, embedding=str(file))
    saved(emb_params=torch.zeros(1, 16))
    refused("does not say which token", stable, embedding=str(file))
    saved(cat=torch.zeros(2, 16))
    refused("already in tokenizer vocabulary.*; give another token", stable, embedding=f"{file}=a</w>")
    assert tiny_model(stable, embedding=str(file)).tokens == ("cat",)


def test_a_word_of_several_vectors_takes_as_many_tokens(models: Any, tmp_path: Path) -> None:
    folder = models("stable-diffusion")
    file = tiny.save_embedding("stable-diffusion", folder, tmp_path / "cat.safetensors", vectors=9)
    process = tiny_model(folder, embedding=str(file))
    assert process.tokens == ("<cat>",)
    process.check_prompt("a <cat>")
    with pytest.raises(BadInput, match="17 tokens long and the text encoder reads 16"):
        process.check_prompt("a dog <cat> on")


def test_an_autoencoder_of_other_latents(models: Any, tmp_path: Path) -> None:
    folder = models("stable-diffusion")
    more = tiny.save_autoencoder(folder, tmp_path / "more", latent_channels=16)
    refused("--vae: .* has 16 channels, and the autoencoder of .* 4; give one made for the same", folder, vae=str(more))
    deeper = {"block_out_channels": (8, 8, 8)}
    deeper |= {
        f"{way}_block_types": (f"{kind}Block2D",) * 3 for way, kind in (("down", "DownEncoder"), ("up", "UpDecoder"))
    }
    smaller = tiny.save_autoencoder(folder, tmp_path / "smaller", **deeper)
    refused("has 3 levels of size, and the autoencoder of .* 2", folder, vae=str(smaller))


def test_how_they_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "odd:0.5").mkdir()
    loras = ["a/b", "a/b:0.5", "a/b/c.safetensors@v1:-2", "x.safetensors:1e-1", "odd:0.5", r"C:\x.safetensors"]
    found = additions_of(loras, "x.safetensors=<s0>", "a/b@main")
    assert [(each.place, each.scale) for each in found[:6]] == [
        ("a/b", 1.0), ("a/b", 0.5), ("a/b/c.safetensors@v1", -2.0), ("x.safetensors", 0.1), ("odd:0.5", 1.0),
        (r"C:\x.safetensors", 1.0),
    ]  # fmt: skip
    on_hub = found[2].on_hub
    assert on_hub is not None
    assert (on_hub.repo, on_hub.file, on_hub.revision) == ("a/b", "c.safetensors", "v1")
    assert (found[6].place, found[6].token, found[7].option) == ("x.safetensors", "<s0>", "--vae")
    assert found[3].path == Path("x.safetensors")  # a file that is not there, and no repository
    for wrong in ("x.safetensors:strong", "a/b:nan", "a/b:inf", "", " "):
        with pytest.raises(BadInput, match=r"^--lora: "):
            additions_of(wrong)
    for wrong in ("x.safetensors=", "x.safetensors=two words"):
        with pytest.raises(BadInput, match=r"^--embedding: "):
            additions_of(embedding=wrong)


def test_what_is_laid_over_an_encoder_is_there_when_it_is_loaded_again(models: Any, lora: Any, tmp_path: Path) -> None:
    """Its tokenizer keeps the words that it learned the first time."""
    folder, kind = models("stable-diffusion"), "stable-diffusion"
    file = tiny.save_embedding(kind, folder, tmp_path / "cat.safetensors")
    given = {"lora": f"{lora(kind)}:0.5", "embedding": f"{file}=<cat>"}
    bases = [Base("a <cat>", 0), Base("<cat> cook", 1)]
    expected = generate(tiny_model(folder, **given), bases)
    ahead = tiny_model(folder, **given, prompts=["a <cat>"])
    torch.testing.assert_close(generate(ahead, bases), expected, rtol=0, atol=0)
