"""Every family of models against its official pipeline, from the same noise, on tiny random models.

    python experiments/families.py --out docs

For each family, variant and solver a random pipeline of a few thousand parameters is built; diffwin and diffusers
generate from the same noise, and put noise back onto the same sample at every level. Writes families.md. --quick
compares one solver a variant.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers.utils import logging as diffusers_log

import official_pipelines as sides
import tiny_pipelines
from cards import table
from diffwin.families import BY_KIND
from diffwin.process.load import load
from diffwin.process.trained import TrainedDiffusion
from diffwin.trials import Base, Mode, Trial

STEPS = 10
TEXT = (Base("a cook", 0), Base("a dog", 3))
CLASSES = (Base("1", 0), Base("goldfish", 1), Base("7", 3))
NOTHING = (Base("", 0), Base("", 7))
BETA_SOLVERS = tuple(solver for solver in sides.SOLVERS if solver != "lcm")
UNSCALED = ("ddpm", "ddim", "dpmpp-2m", "sde-dpmpp-2m")  # DiT's and PixArt's pipelines never scale Euler's start


@dataclass(frozen=True)
class Variant:
    """One kind of model of a family, and the solvers to compare it under.

    `build` goes to the builder of its tiny pipeline; the first of its entries may be a scheduler, given as (class,
    configuration). `changes` goes to the official scheduler of every solver.
    """

    kind: str
    words: str
    solvers: tuple[str, ...]
    schedulers: Mapping[str, tuple[str, dict[str, Any]]] = field(default_factory=lambda: sides.SOLVERS)
    scheduler: tuple[str, dict[str, Any]] | None = None
    build: Mapping[str, Any] = field(default_factory=dict)
    changes: Mapping[str, Any] = field(default_factory=dict)
    guidance: float = 4.5
    bases: Sequence[Base] = TEXT
    steps: int = STEPS
    size: str | None = None

    @property
    def negative(self) -> bool:
        """Whether the family takes a negative prompt."""
        return self.bases is TEXT and self.guidance > 1 and self.kind not in ("flux", "latent-consistency")


ZERO_SNR = ("DDIMScheduler", {**tiny_pipelines.STABLE, "prediction_type": "v_prediction", "clip_sample": False}
            | {"steps_offset": 1, "rescale_betas_zero_snr": True, "timestep_spacing": "trailing"})  # fmt: skip
UNCLIPPED = {"clip_sample": False}
FLOW = tuple(sides.FLOW_SOLVERS)
VARIANTS = (
    Variant("stable-diffusion", "1.x: epsilon", BETA_SOLVERS),
    Variant("stable-diffusion", "2.x: v, zero terminal SNR", BETA_SOLVERS, scheduler=ZERO_SNR),
    Variant("stable-diffusion-xl", "epsilon", BETA_SOLVERS, changes=UNCLIPPED),
    Variant("stable-diffusion-xl", "v, empty negative prompt encoded", ("ddpm", "euler"), build={"blank": False},
            scheduler=("EulerDiscreteScheduler", {**tiny_pipelines.STABLE, "prediction_type": "v_prediction"}
                       | {"timestep_spacing": "trailing"}), changes=UNCLIPPED),
    Variant("stable-diffusion-xl", "EDM, as Playground 2.5", tuple(sides.EDM_SOLVERS), sides.EDM_SOLVERS,
            scheduler=("EDMDPMSolverMultistepScheduler", {})),
    Variant("stable-diffusion-3", "shift 3", FLOW, sides.FLOW_SOLVERS, changes={"flow_shift": 3.0}),
    Variant("stable-diffusion-3", "without T5, dynamic shift", FLOW, sides.FLOW_SOLVERS, build={"t5": False},
            scheduler=("FlowMatchEulerDiscreteScheduler", {"use_dynamic_shifting": True})),
    Variant("flux", "dev: dynamic shift, told its guidance", FLOW, sides.FLOW_SOLVERS, size="16", guidance=3.5,
            changes={"use_dynamic_shifting": True}),
    Variant("flux", "schnell: no shift, no guidance", ("euler", "lcm"), sides.FLOW_SOLVERS, build={"guided": False},
            scheduler=("FlowMatchEulerDiscreteScheduler", {}), size="16", guidance=1.0),
    Variant("pixart", "Sigma", UNSCALED, changes={**UNCLIPPED, "timestep_spacing": "trailing"},
            scheduler=("DPMSolverMultistepScheduler", {"timestep_spacing": "trailing"})),
    Variant("pixart", "Alpha", ("ddpm", "dpmpp-2m"), build={"alpha": True}, changes=UNCLIPPED),
    Variant("sana", "shift 3, DPM++'s own", FLOW, sides.FLOW_SOLVERS, changes={"flow_shift": 3.0, "shift": 3.0}),
    Variant("sana", "shift 3, Euler's own", ("euler", "dpmpp-2m"), sides.FLOW_SOLVERS, changes={"flow_shift": 3.0},
            scheduler=("FlowMatchEulerDiscreteScheduler", {"shift": 3.0}), guidance=1.0),
    Variant("dit", "guided", UNSCALED, bases=CLASSES),
    Variant("dit", "not guided", ("ddpm", "ddim"), bases=CLASSES, guidance=1.0),
    Variant("latent-consistency", "told its guidance", ("lcm",), guidance=8.5, steps=4),
    Variant("ddpm", "epsilon, clipped", ("ddpm", "ddim"), bases=NOTHING, guidance=1.0),
    Variant("ddpm", "learned variance", ("ddpm",), bases=NOTHING, guidance=1.0, build={"out_channels": 6},
            scheduler=("DDPMScheduler", {"variance_type": "learned_range"})),
    Variant("score", "VE, without the corrector", ("ddpm",), {"ddpm": ("ScoreSdeVeScheduler", {})}, bases=NOTHING,
            guidance=1.0),
)  # fmt: skip


@dataclass(frozen=True)
class Compared:
    """What one variant under one solver came to; differences are relative to the largest official value."""

    variant: Variant
    solver: str
    predicts: str
    pipeline: str
    official: str
    generated: float
    renoised: float


def cases(quick: bool = False) -> Iterator[tuple[Variant, str]]:
    """Every variant with every solver, or with its first alone."""
    for variant in VARIANTS:
        for solver in variant.solvers[: 1 if quick else None]:
            yield variant, solver


def save(variant: Variant, folder: Path) -> Path:
    """The variant's tiny pipeline, in a folder."""
    given = dict(variant.build)
    if variant.scheduler is not None:
        name, config = variant.scheduler
        given["scheduler"] = getattr(diffusers, name)(**config)
    return tiny_pipelines.save(variant.kind, folder, **given)


def loaded(variant: Variant, folder: Path, solver: str, **choices: Any) -> TrainedDiffusion:
    """diffwin's process of a saved variant."""
    made = load(
        folder,
        device="cpu",
        solver=solver,
        steps=variant.steps,
        guidance=variant.guidance,
        size=variant.size,
        negative_prompt=sides.NEGATIVE if variant.negative else "",
        **choices,
    )
    assert isinstance(made, TrainedDiffusion)
    return made


def compare(variant: Variant, solver: str, folder: Path) -> Compared:
    """Both sides from the same noise, then both sides' noising of the same sample at every level."""
    name, extra = variant.schedulers[solver]
    absent = {"text_encoder_3": None, "tokenizer_3": None} if variant.build.get("t5") is False else {}
    pipeline = diffusers.DiffusionPipeline.from_pretrained(folder, use_safetensors=True, **absent)
    sides.with_scheduler(pipeline, name, **{**extra, **variant.changes})
    process = loaded(variant, folder, solver)
    numbered = [Base(_number(base.prompt), base.index) for base in variant.bases]
    expected = sides.official(variant.kind, pipeline, process, numbered, guidance=variant.guidance)
    found = sides.generate(process, numbered)
    if variant.bases is NOTHING:  # these pipelines hand over pictures, which are bounded
        found = found.clamp(float(expected.min()), float(expected.max()))
    predicts, renoising = process.provenance["parametrisation"], _renoising(pipeline, process, variant.bases[0])
    return Compared(variant, solver, predicts, type(pipeline).__name__, name, apart(found, expected), renoising)


def _number(prompt: str) -> str:
    """The official pipeline of classes takes numbers alone."""
    return "1" if prompt == "goldfish" else prompt


def _renoising(pipeline: Any, process: TrainedDiffusion, base: Base) -> float:
    shape = process.engine.settings.shape
    clean = torch.randn(shape, generator=torch.Generator().manual_seed(5))
    worst = 0.0
    for level in range(1, process.grid.top + 1):
        trial = Trial(base.prompt, base.index, level, 2)
        drawn = torch.from_numpy(sides.Key.of_trial(process.seed, trial).noise("erase", level, shape))
        expected = sides.renoised(pipeline, process, clean, drawn, level)
        worst = max(worst, apart(process.erase(clean, trial), expected))
    kept = Trial(base.prompt, base.index, 0, 2)
    ((_, back),) = process.regenerate([kept], lambda _: clean, Mode.RENOISE)
    return worst if torch.equal(back, clean) else float("nan")


def apart(found: torch.Tensor, expected: torch.Tensor) -> float:
    """The largest difference, relative to the largest expected value."""
    return float((found - expected).abs().max() / expected.abs().max().clamp(min=1.0))


PAGE = """# Families of models

`--model` takes a folder or a hub id of any of these; `diffwin list models` names one of each, its licence and what it
needs. A family is one small file in `src/diffwin/process`, over the one denoising loop. How much memory that is, and
what is done where there is little: [memory](memory.md). LoRAs, textual inversions and other autoencoders go over a
model: [what may be laid over it](additions.md).

## Against the official pipelines

Each row is a random model of a few thousand parameters, made as the family's real ones are. From pure noise, with the
same noise, diffwin and the official pipeline generate {steps} steps ({few} for a latent consistency model) of each
solver in float32; then both put the same noise onto the same sample at every level. The differences are the largest
of all solvers, elements and levels, relative to the largest official value. Level 0 gave back the sample itself, bit
for bit, in every row.

Made by

    python experiments/families.py --out docs

{table}

Relative to the value rather than to 1, because random networks run up to values of hundreds.
`tests/process/test_families.py` holds every cell to 1e-4 and every noising to 1e-5, and `tests/process/test_ddpm.py`,
`test_stable.py`, `test_schedule.py` and `test_solvers.py` compare clipping, fixed and learned variances, spacings,
Karras's sigmas, EDM's preconditioning and the ends of the step range.

## What differs from the pipelines, and why

- The default solver is `ddpm`, also where the pipeline's own is deterministic: a survival needs a regeneration with
  noise of its own. diffusers has no ancestral sampler of flow matching; diffwin walks its levels with the noise of an
  exact one.
- `lcm` is for distilled models alone: it is LCMScheduler, or flow matching's `stochastic_sampling`. Windows of a
  distilled model (a latent consistency model, Turbo, Lightning, schnell) are those of that model and not of its
  teacher; the record says so.
- Flux and latent consistency models are told their guidance, so a row is one network row, and there is no negative
  prompt.
- A prompt must be read whole by the text encoder that reads most (T5, where there is one); shorter ones may cut it.
- PixArt's and DiT's predicted variance is left alone, as their pipelines leave it. An unconditional model's is used
  by `ddpm` where its scheduler says `learned_range`.
- PixArt's captions are put in lower case and stripped, as its pipeline does where Beautiful Soup is not installed;
  where it is, the pipeline also takes out links and markup (`clean_caption`).
- A prompt of Sana stands after the pipeline's own instruction, and its negative prompt alone, as there. Sizes are taken
  as they are asked for, and not put into bins.
- A score network of the VE process takes the predictor's steps; the Langevin corrector between them is left out.
- SDXL's refiner only finishes pictures that another model began: it has no window of its own, and is refused.
- No safety checker, no watermark.

## One world, every parametrisation

`tests/process/test_parametrisations.py` poses one Gaussian mixture, whose posterior is known, as a network that
predicts epsilon, v, the sample, the flow, the score or EDM's residual, on linear betas, a cosine, zero terminal SNR,
plain and shifted flow, and EDM's sigmas. The decision of both its features, in log-SNR, is the exact one within four
standard errors in all of them, and they agree with each other.
"""


def page(found: Sequence[Compared]) -> str:
    """The page, with one row a variant in its table."""
    few = next(variant.steps for variant in VARIANTS if variant.kind == "latent-consistency")
    grouped = [[each for each in found if each.variant is variant] for variant in VARIANTS]
    head = ("family", "variant", "predicts", "solvers", "official", "latents differ by", "noising differs by")
    return PAGE.format(steps=STEPS, few=few, table=table(head, [_row(mine) for mine in grouped if mine]))


def _row(mine: Sequence[Compared]) -> tuple[str, ...]:
    first = mine[0]
    kind = "ddpm" if first.variant.kind == "score" else first.variant.kind
    return (
        f"`{BY_KIND[kind].kind}`",
        first.variant.words,
        first.predicts,
        ", ".join(f"`{each.solver}`" for each in mine),
        f"{first.pipeline} with {', '.join(dict.fromkeys(each.official for each in mine))}",
        f"{max(each.generated for each in mine):.1e}",
        f"{max(each.renoised for each in mine):.1e}",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs"))
    parser.add_argument("--quick", action="store_true", help="one solver a variant")
    arguments = parser.parse_args()
    diffusers_log.set_verbosity_error()
    torch.set_num_threads(1)
    found = []
    with tempfile.TemporaryDirectory() as place:
        folders: dict[int, Path] = {}
        for variant, solver in cases(arguments.quick):
            number = VARIANTS.index(variant)
            if number not in folders:
                folders[number] = save(variant, Path(place) / str(number))
            found.append(compare(variant, solver, folders[number]))
            print(f"{variant.kind} {variant.words} {solver}: {found[-1].generated:.1e} {found[-1].renoised:.1e}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "families.md").write_text(page(found), "utf-8")


if __name__ == "__main__":
    main()
