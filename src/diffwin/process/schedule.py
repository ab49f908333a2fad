"""Level grids from a diffusers scheduler configuration.

A grid depends on the solver as well as on the model: each diffusers scheduler picks its own timesteps and its own clean
end from one and the same configuration. From pure noise, with the same noise, a row of diffwin then passes through the
states of the official pipeline with DDPMScheduler (ddpm), DDIMScheduler (ddim), EulerDiscreteScheduler (euler) or
DPMSolverMultistepScheduler of order 2 (dpmpp-2m, sde-dpmpp-2m), each built `from_config` of the model's own.

Where diffusers trips, diffwin does not: timesteps beyond the training range are shifted back into it, a level that
repeats another is dropped, and DDIM steps to the next level of the grid even where T / N is not whole.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from diffwin.errors import BadInput
from diffwin.levels import FloatArray, Grid
from diffwin.process.solvers import Rule, Variance, Walk, build, check_solver

Spacing = Literal["leading", "trailing", "linspace"]
_NEARLY_ZERO = 2.0**-24  # alpha_bar that stands for 0 where sigma / alpha must stay finite
_KARRAS_RHO = 7.0
_MULTISTEP = {"dpmpp-2m", "sde-dpmpp-2m"}
_FEW_STEPS = 15  # below this many, diffusers' lower_order_final applies
_ROUNDING = 1e-9  # Karras's formula gives its own ends back only nearly


class Schedule(BaseModel):
    """What a scheduler_config.json says of noise and time; a missing key takes diffusers' default."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    num_train_timesteps: int = Field(1000, ge=1)
    beta_start: float = Field(0.0001, gt=0, lt=1)
    beta_end: float = Field(0.02, gt=0, lt=1)
    beta_schedule: Literal["linear", "scaled_linear", "squaredcos_cap_v2"] = "linear"
    trained_betas: tuple[float, ...] | None = None
    rescale_betas_zero_snr: bool = False
    prediction_type: Literal["epsilon", "v_prediction", "sample"] = "epsilon"
    timestep_spacing: Spacing | None = None
    steps_offset: int = Field(0, ge=0)
    set_alpha_to_one: bool = True
    final_sigmas_type: Literal["zero", "sigma_min"] = "zero"
    lower_order_final: bool = True
    euler_at_final: bool = False
    lambda_min_clipped: float = -math.inf
    interpolation_type: Literal["linear"] = "linear"
    timestep_type: Literal["discrete"] = "discrete"
    solver_type: str | None = None
    use_karras_sigmas: bool | None = False
    use_exponential_sigmas: Literal[False] | None = False
    use_beta_sigmas: Literal[False] | None = False
    use_lu_lambdas: Literal[False] | None = False
    use_flow_sigmas: Literal[False] | None = False
    thresholding: Literal[False] | None = False
    clip_sample: bool = True
    clip_sample_range: float = Field(1.0, gt=0)
    variance_type: str | None = "fixed_small"

    @classmethod
    def of(cls, config: Mapping[str, Any], where: str = "scheduler_config.json") -> Schedule:
        """From a parsed configuration; BadInput names the first key that diffwin cannot follow."""
        try:
            return cls.model_validate(dict(config))
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            cure = "use a model with a supported schedule"
            raise BadInput(f"{key}: {first['msg']}", where=where, cure=cure) from None

    @classmethod
    def read(cls, path: Path) -> Schedule:
        """From a scheduler_config.json."""
        try:
            return cls.of(json.loads(path.read_text("utf-8")), where=str(path))
        except (OSError, ValueError) as error:
            raise BadInput(str(error), where=str(path), cure="give a folder with a readable scheduler") from None

    def alpha_bar(self) -> FloatArray:
        """The product of (1 - beta) up to each training timestep, shape (T,)."""
        product = np.asarray(np.cumprod(1 - self._betas()), np.float64)
        return _zero_terminal_snr(product) if self.rescale_betas_zero_snr else product

    def _betas(self) -> FloatArray:
        count = self.num_train_timesteps
        if self.trained_betas is not None:
            if len(self.trained_betas) != count:
                raise BadInput(f"{len(self.trained_betas)} trained_betas for {count} timesteps", where="scheduler")
            return np.asarray(self.trained_betas, np.float64)
        match self.beta_schedule:
            case "linear":
                return np.linspace(self.beta_start, self.beta_end, count)
            case "scaled_linear":
                return np.linspace(self.beta_start**0.5, self.beta_end**0.5, count) ** 2
            case "squaredcos_cap_v2":
                return _cosine_betas(count)


def _cosine_betas(count: int) -> FloatArray:
    """Nichol & Dhariwal 2021, eq. 17: alpha_bar(u) = cos^2((u + .008) / 1.008 pi / 2), beta capped at .999."""
    product = np.cos((np.arange(count + 1) / count + 0.008) / 1.008 * np.pi / 2) ** 2
    return np.asarray(np.minimum(1 - product[1:] / product[:-1], 0.999))


def _zero_terminal_snr(product: FloatArray) -> FloatArray:
    """Lin et al. 2024, algorithm 1: shift and scale sqrt(alpha_bar) so that it ends at exactly 0."""
    root = np.sqrt(product)
    return np.asarray(((root - root[-1]) * root[0] / (root[0] - root[-1])) ** 2)


def grid(schedule: Schedule, solver: str, steps: int) -> Grid:
    """Levels 0..N of the solver's own scheduler; N is `steps`, or fewer where levels would coincide."""
    check_solver(solver)
    if not 1 <= steps <= schedule.num_train_timesteps:
        raise BadInput(
            f"steps is {steps}",
            where="--steps",
            cure=f"give 1 to {schedule.num_train_timesteps}, the timesteps the model was trained on",
        )
    by_sigma = solver == "euler" or solver in _MULTISTEP
    return _sigma_grid(schedule, solver, steps) if by_sigma else _index_grid(schedule, solver, steps)


def prior_scale(schedule: Schedule, solver: str, levels: Grid) -> float:
    """Standard deviation of the noise a generation starts from; 1 but where Euler starts at sigma_max exactly."""
    exact = solver == "euler" and (schedule.timestep_spacing or "linspace") != "leading"
    return float(levels.sigma[-1]) if exact else 1.0


def variance(schedule: Schedule) -> Variance:
    """Which of Ho et al. 2020's two fixed variances DDPM's ancestral step adds."""
    match schedule.variance_type:
        case "fixed_small" | "fixed_small_log" | None:
            return "small"
        case "fixed_large":
            return "large"
    raise BadInput(
        f"variance_type {schedule.variance_type}",
        where="scheduler",
        cure="diffwin's ddpm solver knows fixed_small, fixed_small_log and fixed_large; choose another --solver",
    )


def _index_grid(schedule: Schedule, solver: str, steps: int) -> Grid:
    """DDPM and DDIM: levels at training timesteps, the clean end at alpha_bar = 1 or, by configuration, alpha_bar_0."""
    product = schedule.alpha_bar()
    index = _indices(len(product), steps, schedule.timestep_spacing or "leading", schedule.steps_offset)
    final = product[0] if solver == "ddim" and not schedule.set_alpha_to_one else 1.0
    index = index[product[index] < final]  # a step between equal levels would do nothing
    kept = np.concatenate([[final], product[index]])
    return _checked(np.sqrt(kept), np.sqrt(1 - kept), np.concatenate([[0], index]), steps)


def _sigma_grid(schedule: Schedule, solver: str, steps: int) -> Grid:
    """Euler and DPM++: levels by s = sigma / alpha."""
    sigma, time = _ladder(schedule, solver, steps)
    kept = sigma > sigma[0] * (1 + _ROUNDING)  # a step between equal levels would do nothing
    sigma, time = np.concatenate([sigma[:1], sigma[kept]]), np.concatenate([time[:1], time[kept]])
    alpha = 1 / np.sqrt(1 + sigma**2)
    if solver == "euler":
        alpha[0] = 1.0  # Euler hands over x0 + s eps as it is, not scaled to unit variance
    return _checked(alpha, sigma * alpha, time, steps)


def _ladder(schedule: Schedule, solver: str, steps: int) -> tuple[FloatArray, FloatArray]:
    """(s, time), rising from the clean end: the scheduler's own, read off the training table at its timesteps."""
    product = schedule.alpha_bar()
    if schedule.rescale_betas_zero_snr:
        product[-1] = _NEARLY_ZERO
    table = np.sqrt((1 - product) / product)
    time = _multistep_times(schedule, table, steps) if solver in _MULTISTEP else _euler_times(schedule, steps)
    sigma = np.interp(time, np.arange(len(table)), table)
    if schedule.use_karras_sigmas:
        ends = sigma if solver == "euler" else table
        sigma = _karras(float(ends[0]), float(ends[-1]), steps)
        time = np.interp(np.log(sigma), np.log(table), np.arange(len(table), dtype=np.float64))
        if solver in _MULTISTEP and schedule.beta_schedule != "squaredcos_cap_v2":
            time = np.round(time)
    final = 0.0 if schedule.final_sigmas_type == "zero" else table[0]
    return np.concatenate([[final], sigma]), np.concatenate([[0.0], time])


def _checked(alpha: FloatArray, sigma: FloatArray, time: FloatArray, steps: int) -> Grid:
    if len(alpha) < 2:
        raise BadInput(f"{steps} steps leave no noise to remove", where="--steps", cure="ask for more steps")
    return Grid(alpha, sigma, time.astype(np.float64))


def _indices(count: int, steps: int, spacing: Spacing, offset: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Training timesteps of DDPM and DDIM, rising; table 2 of Lin et al. 2024."""
    match spacing:
        case "linspace":
            chosen = _even(count - 1, steps)
        case "leading":
            chosen = np.arange(steps, dtype=np.float64) * (count // steps) + offset
        case "trailing":
            chosen = _trailing(count, count, steps)
    return np.unique(_inside(chosen, count).astype(np.int64))


def _euler_times(schedule: Schedule, steps: int) -> FloatArray:
    """Like DDPM's, but linspace keeps fractional timesteps (diffusers computes them in float32)."""
    count = schedule.num_train_timesteps
    if (schedule.timestep_spacing or "linspace") == "linspace":
        return np.linspace(0, count - 1, steps, dtype=np.float32).astype(np.float64)
    return _indices(count, steps, schedule.timestep_spacing or "linspace", schedule.steps_offset).astype(np.float64)


def _multistep_times(schedule: Schedule, table: FloatArray, steps: int) -> FloatArray:
    """DPM++ divides the range into steps + 1 points and leaves out the cleanest."""
    last = int(np.sum(-np.log(table) >= schedule.lambda_min_clipped))
    match schedule.timestep_spacing or "linspace":
        case "linspace":
            chosen = _even(last - 1, steps + 1)[1:]
        case "leading":
            chosen = np.arange(1.0, steps + 1) * max(last // (steps + 1), 1) + schedule.steps_offset
        case "trailing":
            chosen = _trailing(last, len(table), steps)
    return np.unique(_inside(chosen, len(table)))


def _even(last: int, points: int) -> FloatArray:
    """Whole timesteps from 0 to `last`, as even as rounding leaves them."""
    return np.asarray(np.linspace(0, last, points).round(), np.float64)


def _trailing(last: int, count: int, steps: int) -> FloatArray:
    """Timesteps counted down from the noisy end; those that fall off the clean end are left out."""
    chosen = np.round(last - np.arange(steps) * (count / steps))[::-1] - 1
    return chosen[chosen >= 0]


def _inside(chosen: FloatArray, count: int) -> FloatArray:
    """Shift timesteps that an offset pushed beyond the last trained one back into the range."""
    return chosen - max(float(chosen[-1]) - (count - 1), 0.0)


def _karras(low: float, high: float, steps: int) -> FloatArray:
    """Karras et al. 2022, eq. 5, rising."""
    ramp = np.linspace(0, 1, steps)[::-1]
    top, bottom = high ** (1 / _KARRAS_RHO), low ** (1 / _KARRAS_RHO)
    return np.asarray((top + ramp * (bottom - top)) ** _KARRAS_RHO)


def walk(schedule: Schedule, solver: str, steps: int, eta: float = 0.0) -> Walk:
    """A solver on a schedule, as its own scheduler would walk it."""
    levels = grid(schedule, solver, steps)
    noise = variance(schedule) if solver == "ddpm" else "small"
    lowered = solver in _MULTISTEP and _ends_first_order(schedule, solver, steps, levels)
    parametrisation = schedule.prediction_type
    rule: Rule = "heun" if schedule.solver_type == "heun" else "midpoint"  # whatever else it says, diffusers takes so
    table = build(levels, solver, parametrisation, eta=eta, variance=noise, rule=rule, first_order_end=lowered)
    return Walk(solver, levels, table, prior_scale(schedule, solver, levels))


def _ends_first_order(schedule: Schedule, solver: str, steps: int, levels: Grid) -> bool:
    """Whether DPM++ takes its last step to first order; onto a clean end of zero noise it does so by itself."""
    official = len(_ladder(schedule, solver, steps)[0]) - 1
    lowered = schedule.euler_at_final or (schedule.lower_order_final and official < _FEW_STEPS)
    return lowered and levels.top == official  # else the step lowered is one that does nothing and was left out
