"""Official diffusers pipelines run on the noise that diffwin's keys give, so that the two can be compared."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import diffusers
import numpy as np
import torch

from diffwin.keys import Key, Purpose
from diffwin.process.diffusion import Diffusion
from diffwin.process.flux import pack, unpack
from diffwin.trials import Base

NEGATIVE = "a dog"
SOLVERS: dict[str, tuple[str, dict[str, Any]]] = {
    "ddpm": ("DDPMScheduler", {}),
    "ddim": ("DDIMScheduler", {}),
    "euler": ("EulerDiscreteScheduler", {}),
    "dpmpp-2m": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++"}),
    "sde-dpmpp-2m": ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
    "lcm": ("LCMScheduler", {}),
}
"""Which scheduler walks as a solver does, on a schedule of betas."""
FLOW_SOLVERS: dict[str, tuple[str, dict[str, Any]]] = {
    "euler": ("FlowMatchEulerDiscreteScheduler", {}),
    "lcm": ("FlowMatchEulerDiscreteScheduler", {"stochastic_sampling": True}),
    "dpmpp-2m": ("DPMSolverMultistepScheduler", {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}),
    "sde-dpmpp-2m": (
        "DPMSolverMultistepScheduler",
        {"use_flow_sigmas": True, "prediction_type": "flow_prediction", "algorithm_type": "sde-dpmsolver++"},
    ),
}
EDM_SOLVERS: dict[str, tuple[str, dict[str, Any]]] = {
    "euler": ("EDMEulerScheduler", {}),
    "dpmpp-2m": ("EDMDPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++"}),
    "sde-dpmpp-2m": ("EDMDPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
}


def with_scheduler(pipeline: Any, name: str, **changes: Any) -> Any:
    """The pipeline, with a scheduler of another class built from its own configuration."""
    pipeline.scheduler = getattr(diffusers, name).from_config(pipeline.scheduler.config, **changes)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def noise(process: Diffusion, bases: Sequence[Base], purpose: Purpose, level: int) -> torch.Tensor:
    """(rows, ...) of what diffwin draws for fresh generations."""
    shape = process.engine.settings.shape
    return torch.from_numpy(np.stack([Key.of_base(process.seed, base).noise(purpose, level, shape) for base in bases]))


def generate(process: Diffusion, bases: Sequence[Base]) -> torch.Tensor:
    """diffwin's own states, (rows, ...)."""
    found = {generation.base: generation.state for generation in process.sample(bases)}
    return torch.stack([found[base] for base in bases])


@contextmanager
def drawing(pipeline: Any, draw: Callable[..., torch.Tensor], start: torch.Tensor | None = None) -> Iterator[None]:
    """Let a pipeline's scheduler draw its noise from `draw`, and the pipeline itself begin at `start`."""
    with ExitStack() as stack:
        stepping = sys.modules[type(pipeline.scheduler).__module__]
        if hasattr(stepping, "randn_tensor"):
            stack.enter_context(patch.object(stepping, "randn_tensor", draw))
        if start is not None:
            stack.enter_context(
                patch.object(sys.modules[type(pipeline).__module__], "randn_tensor", lambda *_, **__: start)
            )
        yield


def official(
    kind: str, pipeline: Any, process: Diffusion, bases: Sequence[Base], *, guidance: float = 1.0, **call: Any
) -> torch.Tensor:
    """The official latents, or pixels before they are rounded, on diffwin's noise, (rows, ...)."""
    top, packs = process.grid.top, kind == "flux"
    levels = iter(range(top, 0, -1))

    def draw(*_: Any, **__: Any) -> torch.Tensor:
        drawn = noise(process, bases, "step", next(levels))
        if kind == "dit" and guidance > 1:  # its pipeline walks both halves of a guided pair
            drawn = torch.cat([drawn, drawn])
        return pack(drawn) if packs else drawn

    start = noise(process, bases, "start", top)
    run = _CALLS.get(kind, _text)
    with torch.inference_mode():
        if kind in _BEGIN_ALONE:
            with drawing(pipeline, draw, start):
                return run(pipeline, bases, start, top, guidance, **call)
        with drawing(pipeline, draw):
            made = run(pipeline, bases, pack(start) if packs else start, top, guidance, **call)
    return unpack(made, start.shape[-2:]) if packs else made


def _text(pipeline: Any, bases: Sequence[Base], start: torch.Tensor, steps: int, guidance: float, **call: Any) -> Any:
    if guidance > 1:
        call = {"negative_prompt": [NEGATIVE] * len(bases), **call}
    call = {name: value for name, value in call.items() if value is not None}
    return pipeline(
        [base.prompt for base in bases],
        latents=start,
        num_inference_steps=steps,
        guidance_scale=guidance,
        output_type="latent",
        **call,
    ).images


def _sized(pipeline: Any, bases: Sequence[Base], start: torch.Tensor, steps: int, guidance: float, **call: Any) -> Any:
    """Flux and PixArt are told the size, or would take their usual one."""
    side = 8 * pipeline.vae_scale_factor
    binned = {"use_resolution_binning": False, "clean_caption": False}
    more = {} if hasattr(pipeline, "tokenizer_2") else binned
    return _text(pipeline, bases, start, steps, guidance, height=side, width=side, **more, **call)


def _told(pipeline: Any, bases: Sequence[Base], start: torch.Tensor, steps: int, guidance: float, **call: Any) -> Any:
    """Distilled guidance takes no negative prompt."""
    return _text(pipeline, bases, start, steps, guidance, negative_prompt=None, **call)


def _flux(pipeline: Any, bases: Sequence[Base], start: torch.Tensor, steps: int, guidance: float, **call: Any) -> Any:
    return _sized(pipeline, bases, start, steps, guidance, negative_prompt=None, **call)


def _classes(pipeline: Any, bases: Sequence[Base], start: torch.Tensor, steps: int, guidance: float) -> Any:
    """DiT's pipeline hands over pictures alone; its latents are caught on their way to the autoencoder."""
    caught: list[torch.Tensor] = []
    decode = pipeline.vae.decode

    def catch(latents: torch.Tensor) -> Any:
        caught.append(latents * pipeline.vae.config.scaling_factor)
        return decode(latents)

    with patch.object(pipeline.vae, "decode", catch):
        pipeline([int(base.prompt) for base in bases], guidance_scale=guidance, num_inference_steps=steps)
    return caught[0]


def _pixels(pipeline: Any, bases: Sequence[Base], start: torch.Tensor, steps: int, guidance: float, **call: Any) -> Any:
    made = pipeline(batch_size=len(bases), num_inference_steps=steps, output_type="pt", **call).images
    return made * 2 - 1


def _scores(pipeline: Any, bases: Sequence[Base], start: torch.Tensor, steps: int, guidance: float) -> Any:
    made = pipeline(batch_size=len(bases), num_inference_steps=steps, output_type="numpy").images
    return torch.from_numpy(made).permute(0, 3, 1, 2)


_CALLS: dict[str, Any] = {
    "flux": _flux,
    "pixart": _sized,
    "sana": _sized,
    "latent-consistency": _told,
    "dit": _classes,
    "ddpm": _pixels,
    "score": _scores,
}
_BEGIN_ALONE = {"dit", "ddpm", "score"}  # their pipelines draw the first noise themselves


def renoised(pipeline: Any, process: Diffusion, clean: torch.Tensor, drawn: torch.Tensor, level: int) -> torch.Tensor:
    """A sample as the pipeline's own scheduler, its timesteps set, noises it to a level of diffwin's."""
    scheduler, index = pipeline.scheduler, process.grid.top - level
    scheduler._step_index = scheduler._begin_index = None  # else one index serves whatever timestep is asked for
    time = scheduler.timesteps[index][None]
    if hasattr(scheduler, "scale_noise"):
        return scheduler.scale_noise(clean[None], time, drawn[None])[0]
    if hasattr(scheduler, "discrete_sigmas"):
        time = torch.tensor([level - 1])
    made = scheduler.add_noise(clean[None], drawn[None], time)[0]
    # the states of this one are not scaled to unit variance
    return made * process.grid.alpha[level] if type(scheduler).__name__ == "EulerDiscreteScheduler" else made
