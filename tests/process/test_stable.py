"""Stable Diffusion: diffwin's loop against the official pipeline, on random models small enough for a test."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    StableDiffusionPipeline,
)

from diffwin.errors import BadInput
from diffwin.keys import Key
from diffwin.process.load import load
from diffwin.process.stable import StableDiffusionProcess
from diffwin.trials import Base, Mode, Trial

Maker = Callable[..., Path]
PROMPT, NEGATIVE = "a cook", "a dog"
SCHEDULERS: dict[str, tuple[type, dict[str, Any]]] = {
    "ddpm": (DDPMScheduler, {}),
    "ddim": (DDIMScheduler, {}),
    "euler": (EulerDiscreteScheduler, {}),
    "dpmpp-2m": (DPMSolverMultistepScheduler, {"algorithm_type": "dpmsolver++"}),
    "sde-dpmpp-2m": (DPMSolverMultistepScheduler, {"algorithm_type": "sde-dpmsolver++"}),
}


def stable(folder: Path, **choices: Any) -> StableDiffusionProcess:
    process = load(folder, device="cpu", **choices)
    assert isinstance(process, StableDiffusionProcess)
    return process


def noise(process: StableDiffusionProcess, bases: Sequence[Base], purpose: Any, level: int) -> torch.Tensor:
    shape = process.engine.settings.shape
    return torch.from_numpy(np.stack([Key.of_base(process.seed, base).noise(purpose, level, shape) for base in bases]))


@cache
def loaded(folder: Path) -> StableDiffusionPipeline:
    pipeline = StableDiffusionPipeline.from_pretrained(folder, use_safetensors=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def official(folder: Path, solver: str, **changes: Any) -> StableDiffusionPipeline:
    kind, extra = SCHEDULERS[solver]
    pipeline = loaded(folder)
    pipeline.scheduler = kind.from_config(pipeline.scheduler.config, **extra, **changes)
    return pipeline


def run_official(
    pipeline: StableDiffusionPipeline,
    process: StableDiffusionProcess,
    bases: Sequence[Base],
    monkeypatch: pytest.MonkeyPatch,
    *,
    guidance: float,
    eta: float = 0.0,
) -> torch.Tensor:
    """The official latents from the noise that diffwin's keys give."""
    top = process.grid.top
    levels: Iterator[int] = iter(range(top, 0, -1))
    module = type(pipeline.scheduler).__module__
    monkeypatch.setattr(f"{module}.randn_tensor", lambda *_, **__: noise(process, bases, "step", next(levels)))
    guided = {"negative_prompt": [NEGATIVE] * len(bases)} if guidance > 1 else {}
    return pipeline(
        [base.prompt for base in bases],
        latents=noise(process, bases, "start", top),
        num_inference_steps=top,
        guidance_scale=guidance,
        eta=eta,
        output_type="latent",
        **guided,
    ).images


def generate(process: StableDiffusionProcess, bases: Sequence[Base]) -> torch.Tensor:
    found = {generation.base: generation.state for generation in process.sample(bases)}
    return torch.stack([found[base] for base in bases])


CASES = [(solver, 0.0) for solver in SCHEDULERS] + [("ddim", 0.5)]
SETTINGS = [
    ("epsilon", "leading", 1.0),
    ("epsilon", "trailing", 4.5),
    ("v_prediction", "linspace", 4.5),
    ("v_prediction", "trailing", 1.0),
]


@pytest.mark.parametrize(("prediction", "spacing", "guidance"), SETTINGS)
@pytest.mark.parametrize(("solver", "eta"), CASES)
def test_the_loop_reproduces_the_official_pipeline(
    tiny_stable: Maker,
    monkeypatch: pytest.MonkeyPatch,
    solver: str,
    eta: float,
    prediction: str,
    spacing: str,
    guidance: float,
) -> None:
    if solver == "ddim" and spacing == "linspace":
        # DDIMScheduler steps by T // N from timesteps that lie (T - 1) / (N - 1) apart; diffwin to the next timestep
        spacing = "trailing"
    folder = tiny_stable(prediction_type=prediction, timestep_spacing=spacing)
    negative = NEGATIVE if guidance > 1 else ""
    process = stable(folder, solver=solver, eta=eta, steps=10, guidance=guidance, negative_prompt=negative)
    bases = [Base(PROMPT, 0), Base("a dog", 3)]
    expected = run_official(official(folder, solver), process, bases, monkeypatch, guidance=guidance, eta=eta)
    torch.testing.assert_close(generate(process, bases), expected, rtol=1e-4, atol=1e-4)
    # a prompt that is the negative one too is guided nowhere, and costs one row a step
    assert process.evaluations == sum(10 if base.prompt == negative or guidance == 1 else 20 for base in bases)


@pytest.mark.parametrize("steps", [10, 20])
@pytest.mark.parametrize("solver", ["dpmpp-2m", "sde-dpmpp-2m"])
def test_a_pipeline_with_its_own_multistep_scheduler_is_reproduced(
    tiny_stable: Maker, monkeypatch: pytest.MonkeyPatch, solver: str, steps: int
) -> None:
    folder = tiny_stable(
        scheduler="DPMSolverMultistepScheduler",
        algorithm_type=SCHEDULERS[solver][1]["algorithm_type"],
        final_sigmas_type="sigma_min",  # the last step is then first order below 15 steps and second order from there
    )
    process = stable(folder, solver=solver, steps=steps, guidance=4.5, negative_prompt=NEGATIVE)
    bases = [Base(PROMPT, 0), Base("a dog", 3)]
    expected = run_official(official(folder, solver), process, bases, monkeypatch, guidance=4.5)
    torch.testing.assert_close(generate(process, bases), expected, rtol=1e-4, atol=1e-4)


def test_a_unet_that_adds_pooled_text_to_the_time_is_followed(
    tiny_stable: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, plain = tiny_stable(addition="text"), tiny_stable()
    bases = [Base(PROMPT, 0), Base("a dog", 3)]
    process = stable(folder, steps=10, guidance=4.5, negative_prompt=NEGATIVE)
    expected = run_official(official(folder, "ddpm"), process, bases, monkeypatch, guidance=4.5)
    found = generate(process, bases)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    without = generate(stable(plain, steps=10, guidance=4.5, negative_prompt=NEGATIVE), bases)
    assert not torch.allclose(found, without, atol=1e-2)


def test_a_unet_that_wants_picture_sizes_is_refused(tiny_stable: Maker) -> None:
    with pytest.raises(BadInput, match=r"its UNet wants further conditions.*Stable Diffusion 1\.x or 2\.x") as caught:
        stable(tiny_stable(addition="text_time"), steps=3)
    assert "\n" not in str(caught.value)


def test_ddim_ends_at_the_first_training_level_when_configured_so(
    tiny_stable: Maker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_stable(), folder)
    config = folder / "scheduler" / "scheduler_config.json"
    config.write_text(config.read_text().replace('"clip_sample"', '"set_alpha_to_one": false, "clip_sample"'))
    process = stable(folder, solver="ddim", steps=10, guidance=1.0)
    pipeline = official(folder, "ddim", set_alpha_to_one=False)
    expected = run_official(pipeline, process, [Base(PROMPT, 0)], monkeypatch, guidance=1.0)
    assert process.grid.sigma[0] > 0
    torch.testing.assert_close(generate(process, [Base(PROMPT, 0)]), expected, rtol=1e-4, atol=1e-4)


def test_the_pictures_are_the_official_ones(tiny_stable: Maker) -> None:
    folder = tiny_stable()
    process = stable(folder, steps=4)
    states = list(generate(process, [Base(PROMPT, i) for i in range(11)]))  # more than one chunk
    shown = process.render(states)
    pipeline = official(folder, "ddpm")
    with torch.inference_mode():
        decoded = pipeline.vae.decode(torch.stack(states) / pipeline.vae.config.scaling_factor).sample
    expected = np.stack([np.asarray(p) for p in pipeline.image_processor.postprocess(decoded, output_type="pil")])
    assert shown.shape == (11, 16, 16, 3)
    assert np.abs(shown.astype(int) - expected.astype(int)).max() <= 1  # a rounding may fall either way


@pytest.mark.parametrize("solver", ["ddpm", "ddim", "euler", "dpmpp-2m"])
def test_renoising_is_the_schedulers_add_noise(tiny_stable: Maker, solver: str) -> None:
    process = stable(tiny_stable(timestep_spacing="trailing"), solver=solver, steps=8)
    scheduler = SCHEDULERS[solver][0].from_pretrained(process_folder(process), subfolder="scheduler")
    scheduler.set_timesteps(8)
    clean = torch.randn(4, 8, 8, generator=torch.Generator().manual_seed(5))
    for level, timestep in enumerate(reversed(scheduler.timesteps), start=1):
        trial = Trial(PROMPT, 0, level, 2)
        drawn = torch.from_numpy(Key.of_trial(process.seed, trial).noise("erase", level, (4, 8, 8)))
        expected = scheduler.add_noise(clean[None], drawn[None], timestep[None])[0]
        if solver == "euler":  # its states are not scaled to unit variance
            expected = expected * process.grid.alpha[level]
        torch.testing.assert_close(process.erase(clean, trial), expected, rtol=1e-5, atol=1e-5)


def process_folder(process: StableDiffusionProcess) -> str:
    """A test loads from a folder, whose path is then the name."""
    return process.name


def test_level_zero_is_the_identity(tiny_stable: Maker) -> None:
    process = stable(tiny_stable(), steps=4)
    state = generate(process, [Base(PROMPT, 0)])[0]
    trial = Trial(PROMPT, 0, 0, 0)
    assert torch.equal(process.erase(state, trial), state)
    before = process.evaluations
    ((_, back),) = process.regenerate([trial], lambda _: state, Mode.RENOISE)
    assert torch.equal(back, state)
    assert process.evaluations == before


@pytest.mark.parametrize("solver", ["ddpm", "sde-dpmpp-2m"])
def test_a_trial_is_the_same_alone_and_in_any_batch(tiny_stable: Maker, solver: str) -> None:
    folder = tiny_stable(prediction_type="v_prediction")
    bases = [Base(PROMPT, 0), Base("a dog", 0)]
    clean = dict(zip(bases, generate(stable(folder, steps=6), bases), strict=True))
    wanted = Trial(PROMPT, 0, 4, 1)
    others = [Trial(base.prompt, 0, level, r) for base in bases for level in range(1, 7) for r in range(2, 8)]
    alone = regenerate(stable(folder, solver=solver, steps=6, slots=1), [wanted], clean)[wanted]
    for slots in (7, 64):
        process = stable(folder, solver=solver, steps=6, slots=slots)
        found = regenerate(process, [*others[:20], wanted, *others[20:]], clean)
        torch.testing.assert_close(found[wanted], alone, rtol=1e-4, atol=1e-4)


def regenerate(
    process: StableDiffusionProcess, trials: Sequence[Trial], clean: dict[Base, torch.Tensor]
) -> dict[Trial, torch.Tensor]:
    return dict(process.regenerate(trials, lambda trial: clean[trial.of], Mode.RENOISE))


def test_branching_from_a_kept_state_follows_a_deterministic_generation_home(tiny_stable: Maker) -> None:
    process = stable(tiny_stable(), solver="ddim", steps=6)
    (generation,) = process.sample([Base(PROMPT, 0)], keep=[3, 6])
    for level in (3, 6):
        trial = Trial(PROMPT, 0, level, 0)
        ((_, state),) = process.regenerate([trial], lambda t: generation.passed[t.level], Mode.BRANCH)
        torch.testing.assert_close(state, generation.state, rtol=1e-4, atol=1e-4)


def test_a_prompt_and_the_negative_prompt_change_the_result(tiny_stable: Maker) -> None:
    folder = tiny_stable()
    plain = generate(stable(folder, steps=3), [Base(PROMPT, 0)])
    away = generate(stable(folder, steps=3, negative_prompt=NEGATIVE), [Base(PROMPT, 0)])
    assert not torch.allclose(plain, away)
    process = stable(folder, steps=3, guidance=1.0)
    same_noise = torch.zeros(2, 4, 8, 8)
    text = torch.tensor([process.condition(PROMPT), process.condition("a dog")])
    one, other = process.engine.network(same_noise, torch.full((2,), 500.0), text)
    assert not torch.allclose(one, other)
    assert process.condition("") == 0
    assert process.condition(PROMPT) == text[0]


def test_a_prompt_longer_than_the_encoder_reads_is_refused_with_what_would_be_lost(tiny_stable: Maker) -> None:
    process = stable(tiny_stable(), steps=3)
    process.check_prompt("abcdefghijklmn")  # 14 letters and two ends: just fits
    with pytest.raises(BadInput, match=r'17 tokens long and the text encoder reads 16.*"o"'):
        process.check_prompt("abcdefghijklmno")
    with pytest.raises(BadInput, match="--negative-prompt"):
        stable(tiny_stable(), steps=3, negative_prompt="abcdefghijklmno")
    with pytest.raises(BadInput, match="not valid text"):
        process.check_prompt("\ud800")


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_keeps_states_in_float32(tiny_stable: Maker, dtype: str) -> None:
    folder = tiny_stable()
    bases = [Base(PROMPT, i) for i in range(2)]
    full = generate(stable(folder, steps=4), bases)
    process = stable(folder, steps=4, dtype=dtype)
    half = generate(process, bases)
    assert half.dtype == torch.float32
    # bfloat16 has 8 bits of mantissa; four steps at guidance 7.5 amplify its rounding
    assert float((half - full).norm() / full.norm()) < 0.1
    assert process.render(list(half)).dtype == np.uint8


def test_a_state_that_is_not_finite_is_black_and_leaves_the_others_alone(tiny_stable: Maker) -> None:
    process = stable(tiny_stable(), steps=3)
    states = list(generate(process, [Base(PROMPT, i) for i in range(2)]))
    shown = process.render([states[0], torch.full_like(states[0], torch.nan), states[1]])
    assert not shown[1].any()
    np.testing.assert_array_equal(shown[[0, 2]], process.render(states))


def test_what_a_result_says_of_its_model(tiny_stable: Maker) -> None:
    process = stable(tiny_stable(prediction_type="v_prediction"), steps=3)
    assert process.takes_prompt
    assert process.stochastic
    assert process.guidance == 7.5
    record = process.provenance
    assert record["parametrisation"] == "v_prediction"
    assert record["pipeline"] == "StableDiffusionPipeline"
    assert len(record["content"]) == 64
    assert {"torch", "diffusers", "transformers", "licence", "schedule"} <= record.keys()


def test_a_compiled_network_is_compiled_for_one_shape_and_gives_the_same(
    tiny_stable: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[type, dict[str, Any]]] = []
    rows: list[int] = []

    def compile_(module: Any, **options: Any) -> Callable[..., Any]:
        asked.append((type(module), options))

        def forward(x: torch.Tensor, **told: Any) -> Any:
            rows.append(len(x))
            return module(x, **told)

        return forward

    monkeypatch.setattr(torch, "compile", compile_)
    folder, bases = tiny_stable(), [Base(PROMPT, i) for i in range(5)]
    found = generate(stable(folder, steps=4, slots=3, compiled=True), bases)
    assert [(kind.__name__, options) for kind, options in asked] == [("UNet2DConditionModel", {"dynamic": False})]
    assert set(rows) == {6}
    torch.testing.assert_close(found, generate(stable(folder, steps=4), bases), rtol=1e-4, atol=1e-4)
