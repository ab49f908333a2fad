"""What is laid over a model, against diffusers' own loaders: LoRAs, textual inversion, another autoencoder.

    python experiments/additions.py --out docs

For each family that has a loader, a random pipeline of a few thousand parameters and random additions are built and
saved; diffwin and the official pipeline, each with the addition loaded by its own way, generate from the same noise.
Writes additions.md. --quick compares the first family alone.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers.utils import logging as diffusers_log
from transformers.utils import logging as transformers_log

import families
import official_pipelines as sides
import tiny_additions as tiny
from cards import table
from diffwin.process.trained import TrainedDiffusion
from diffwin.trials import Base

TOLD = (Base("a cook", 0), Base("a <cat> dog", 3))
FAMILIES = ("stable-diffusion", "stable-diffusion-xl", "stable-diffusion-3", "flux", "sana", "latent-consistency")
WITH_EMBEDDINGS = ("stable-diffusion", "stable-diffusion-xl", "flux", "latent-consistency")
WITH_AUTOENCODER = (*FAMILIES, "pixart", "dit")
SCALES = (0.7, -0.4)

Lay = Callable[[Any], None]
"""Loads an addition into an official pipeline."""


@dataclass(frozen=True)
class Compared:
    """Differences relative to the largest official value: from the official side, and from the model without."""

    kind: str
    what: str
    apart: float
    changed: float


def variant_of(kind: str) -> families.Variant:
    """The first variant of a family, which stands for it here."""
    return next(variant for variant in families.VARIANTS if variant.kind == kind)


def loras(kind: str, folder: Path, place: Path) -> tuple[list[str], Lay]:
    """Two LoRAs over every part that the family's loader knows, as `--lora` names them and as diffusers loads them."""
    files = [tiny.save_lora(folder, place / f"lora{seed}", seed=seed) for seed in range(len(SCALES))]
    names = [file.parent.name for file in files]

    def lay(pipeline: Any) -> None:
        for name, file in zip(names, files, strict=True):
            pipeline.load_lora_weights(file.parent, weight_name=file.name, adapter_name=name)
        pipeline.set_adapters(names, list(SCALES))

    return [f"{file}:{scale}" for file, scale in zip(files, SCALES, strict=True)], lay


def embedding(kind: str, folder: Path, place: Path) -> tuple[list[str], Lay]:
    """A word of two vectors, for each text encoder that the family's loader knows."""
    file = tiny.save_embedding(kind, folder, place / "cat.safetensors")

    def lay(pipeline: Any) -> None:
        for end, vectors in tiny.by_encoder(kind, file).items():
            pipeline.load_textual_inversion(
                vectors,
                token="<cat>",
                tokenizer=getattr(pipeline, f"tokenizer{end}"),
                text_encoder=getattr(pipeline, f"text_encoder{end}"),
            )

    return [f"{file}=<cat>"], lay


def latents(kind: str, folder: Path, lay: Lay, **additions: Any) -> tuple[torch.Tensor, ...]:
    """(rows, c, h, w) of diffwin and of the official pipeline, both with the addition; then of diffwin without."""
    variant = variant_of(kind)
    solver = variant.solvers[0]
    process = families.loaded(variant, folder, solver, **additions)
    pipeline = official(variant, solver, folder)
    lay(pipeline)
    expected = sides.official(kind, pipeline, process, TOLD, guidance=variant.guidance)
    without = families.loaded(variant, folder, solver)
    return sides.generate(process, TOLD), expected, sides.generate(without, TOLD)


def official(variant: families.Variant, solver: str, folder: Path) -> Any:
    """The official pipeline of a variant, with the scheduler that walks as the solver does."""
    name, extra = variant.schedulers[solver]
    pipeline = diffusers.DiffusionPipeline.from_pretrained(folder, use_safetensors=True)
    return sides.with_scheduler(pipeline, name, **{**extra, **variant.changes})


def pictures(kind: str, folder: Path, place: Path) -> tuple[torch.Tensor, ...]:
    """The same for pictures in [0, 1] that another autoencoder decodes."""
    variant = variant_of(kind)
    other = tiny.save_autoencoder(folder, place / "vae")
    process = families.loaded(variant, folder, variant.solvers[0], vae=str(other))
    states = sides.generate(process, variant.bases)
    pipeline = official(variant, variant.solvers[0], folder)
    pipeline.vae = type(pipeline.vae).from_pretrained(other)
    config = pipeline.vae.config
    with torch.inference_mode():
        decoded = pipeline.vae.decode(states / config.scaling_factor + (config.get("shift_factor") or 0.0)).sample
    expected = (decoded / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1)
    without = families.loaded(variant, folder, variant.solvers[0])
    return _shown(process, states), expected, _shown(without, states)


def _shown(process: TrainedDiffusion, states: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(process.render(list(states))).float() / 255


def compare(kind: str, place: Path) -> Iterator[Compared]:
    """Every addition that a family's loader knows."""
    folder = families.save(variant_of(kind), place / "model")
    if kind in FAMILIES:
        given, lay = loras(kind, folder, place)
        yield _compared(kind, "LoRA", latents(kind, folder, lay, lora=given))
    if kind in WITH_EMBEDDINGS:
        given, lay = embedding(kind, folder, place)
        yield _compared(kind, "embedding", latents(kind, folder, lay, embedding=given))
    yield _compared(kind, "autoencoder", pictures(kind, folder, place))


def _compared(kind: str, what: str, found: tuple[torch.Tensor, ...]) -> Compared:
    mine, expected, without = found
    return Compared(kind, what, families.apart(mine, expected), families.apart(without, expected))


PAGE = """# What may be laid over a model

A model is often not what its authors published, but that with a LoRA, a learned word or another autoencoder. diffwin
loads them through diffusers' own loaders, so a window is that of the model as it is used:

    diffwin probe --model FOLDER --prompt "a cook" --lora style.safetensors:0.8
    diffwin probe --model FOLDER --prompt "a <cat-toy> on a table" --embedding cat-toy.safetensors
    diffwin probe --model FOLDER --prompt "a cook" --vae stabilityai/sd-vae-ft-mse

| option | what it names | of which families |
| --- | --- | --- |
| `--lora FILE[:SCALE]` | a LoRA, with its weight (1 unless said otherwise); may be given again | {loras} |
| `--embedding FILE[=TOKEN]` | a textual inversion; may be given again | {embeddings} |
| `--vae NAME` | an autoencoder in the place of the model's own | all with latents |

FILE is a safetensors file, a folder with one, a hub id `owner/name[@revision]`, or one file of a repository,
`owner/name/FILE.safetensors[@revision]`. `--vae` takes a folder or a hub id, of an autoencoder or of a whole pipeline.
In Python: `diffwin.probe("a cook", model=..., lora=["style.safetensors:0.8"])`, and so for `embedding` and `vae`;
`diffwin.load` takes the same. `diffwin audit` and `diffwin privacy` have these options too; `diffwin intervene` acts in
the model of its run, with what was laid over that.

- The names, the scales and the SHA-256 of every file are part of the plan: a run folder refuses to go on with another
  file, and the report lists them.
- LoRAs are fused into the weights in float32, text encoders and all, so a row costs what it costs without. Several are
  added up.
- A file of which a single tensor finds no place is refused: it was made for another family or size. So are pickles,
  and DoRAs in a layout whose scales diffusers leaves out.
- A token must stand in a prompt or the negative prompt, or its embedding would change nothing. One that stands for
  several vectors takes as many tokens of what the text encoder reads.
- Stable Diffusion XL's embeddings come in two parts, `clip_l` and `clip_g`; Flux's in `clip_l` and, if it was trained,
  `t5`.
- Another autoencoder must have the latents of the model's own: as many channels, and the same size. It changes what is
  shown and read, and not what is generated. Its scaling is the one in its own configuration.
- A LoRA called after a distillation (LCM, Turbo, Lightning, Hyper-SD) labels the model as distilled.

## Against diffusers' own loaders

Each row is a random model of a few thousand parameters and a random addition, made by peft and by diffusers' own
`save_lora_weights` where it is a LoRA: two of them, at scales {scales}, over every part that the family's loader
knows; a word of two vectors; another random autoencoder. Both sides generate from the same noise in float32; the
official one keeps its LoRAs beside the weights. For autoencoders the pictures are compared, which are rounded to
1/255. Differences are the largest of all elements, relative to the largest official value; the last column is how far
the model without the addition is.

Made by

    python experiments/additions.py --out docs

{table}
"""


def page(found: list[Compared]) -> str:
    """The page, with one row a comparison."""
    head = ("family", "laid over it", "differs by", "without it")
    rows = [(f"`{each.kind}`", each.what, f"{each.apart:.1e}", f"{each.changed:.1e}") for each in found]
    told = {"loras": _listed(FAMILIES), "embeddings": _listed(WITH_EMBEDDINGS)}
    return PAGE.format(table=table(head, rows), scales=" and ".join(map(str, SCALES)), **told)


def _listed(kinds: tuple[str, ...]) -> str:
    return ", ".join(f"`{kind}`" for kind in kinds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs"))
    parser.add_argument("--quick", action="store_true", help="the first family alone")
    arguments = parser.parse_args()
    diffusers_log.set_verbosity_error()
    transformers_log.set_verbosity_error()
    warnings.filterwarnings("ignore", message="Already found a `peft_config`")  # two LoRAs are meant
    torch.set_num_threads(1)
    found = []
    for kind in WITH_AUTOENCODER[: 1 if arguments.quick else None]:
        with tempfile.TemporaryDirectory() as place:
            for each in compare(kind, Path(place)):
                found.append(each)
                print(f"{each.kind} {each.what}: {each.apart:.1e}, {each.changed:.1e} without it")
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "additions.md").write_text(page(found), "utf-8")


if __name__ == "__main__":
    main()
