"""Mixtures against closed forms: densities, posteriors, survival, and the engine's walk of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import expit
from scipy.stats import norm

from diffwin.errors import BadInput
from diffwin.levels import log_snr_at, vp_grid
from diffwin.process.diffusion import Identity
from diffwin.process.mixture import MixtureProcess
from diffwin.process.solvers import Walk, build
from diffwin.process.world import load_world
from diffwin.theory import pair
from diffwin.trials import Base, Mode, Trial
from diffwin.worlds.base import Feature
from diffwin.worlds.mixture import GaussianMixture
from worlds import hypercube

TWO = Feature.of(["left", "right"])


def two(separation: float, share: float = 0.5, std: float = 1.0, dimension: int = 1) -> GaussianMixture:
    """Components +-separation / 2 along the first axis; the first has weight `share`."""
    means = np.zeros((2, dimension))
    means[:, 0] = separation / 2, -separation / 2
    return GaussianMixture([share, 1 - share], means, std=std)


def make(
    mixture: GaussianMixture, features: dict[str, Feature], solver: str, *, steps: int = 60, low: float = -14.0
) -> MixtureProcess:
    grid = vp_grid(low, 6.0, steps)
    walk = Walk(solver, grid, build(grid, solver, "sample"))
    return MixtureProcess(Identity("world"), walk, mixture, features, seed=5)


def agreement(process: MixtureProcess, feature: str, log_snr: float, mode: Mode, bases: int) -> tuple[float, float]:
    """Share of trials, one a base, that keep the base's label: mean and standard error."""
    level = round(process.grid.level_at(log_snr))
    fresh = {g.base.index: g for g in process.sample([Base("", i) for i in range(bases)], keep=(level,))}
    trials = [Trial("", i, level, 0) for i in range(bases)]

    def start(trial: Trial) -> torch.Tensor:
        return fresh[trial.base].state if mode is Mode.RENOISE else fresh[trial.base].passed[level]

    again = dict(process.regenerate(trials, start, mode))
    before = process.read_truth(process.render([fresh[i].state for i in range(bases)]), feature)
    after = process.read_truth(process.render([again[trial] for trial in trials]), feature)
    kept = (before * after).sum(axis=1)
    return float(kept.mean()), float(kept.std(ddof=1) / np.sqrt(bases))


def test_overlapping_components_survive_as_the_exact_curve_says() -> None:
    """The label is the component's, which a point between two of them does not settle."""
    process = make(two(2.0), {"side": TWO}, "sde-dpmpp-2m", steps=80)
    at = float(process.grid.log_snr[round(process.grid.level_at(3.0))])
    expected = pair.survival(2 * np.sqrt(expit(at)), 0.5)
    value, error = agreement(process, "side", 3.0, Mode.RENOISE, bases=800)
    assert abs(value - expected) < 4 * error + BIAS


def test_a_point_has_one_component_in_every_feature() -> None:
    process = make(two(1.0), {"side": TWO, "again": TWO}, "ddpm")
    points = np.random.default_rng(0).normal(size=(500, 1))
    labels = process.read_truth(points, "side")
    np.testing.assert_array_equal(labels, process.read_truth(points * (1 + 1e-12), "again"))
    share = process.world.responsibilities(points)[:, 0]
    assert abs(labels[:, 0].mean() - share.mean()) < 4 * np.sqrt((share * (1 - share)).sum()) / 500


BIAS = 0.01  # of a solver with three steps a unit of log-SNR, measured with 20,000 samples


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("solver", ["ddpm", "sde-dpmpp-2m"])
def test_a_stochastic_walk_has_the_exact_survival_in_both_modes(mode: Mode, solver: str) -> None:
    """For an exact posterior sampler, renoise and branch agree in law: both are prior-weighted survival."""
    share, mu = 0.3, 8.0
    process = make(two(2 * mu, share), {"side": TWO}, solver, low=-11.0)
    log_snr = float(process.grid.log_snr[round(process.grid.level_at(log_snr_at(np.log(mu))))])
    d = 2 * mu * np.sqrt(expit(log_snr))
    expected = share * pair.survival(d, share) + (1 - share) * pair.survival(d, 1 - share)
    value, error = agreement(process, "side", log_snr, mode, bases=800)
    assert abs(value - expected) < 4 * error + BIAS


@pytest.mark.parametrize("solver", ["euler", "ddim", "dpmpp-2m"])
def test_a_deterministic_branch_always_agrees(solver: str) -> None:
    """The flow carries a state to one end."""
    process = make(two(16.0), {"side": TWO}, solver)
    value, _ = agreement(process, "side", log_snr_at(np.log(8.0)), Mode.BRANCH, bases=100)
    assert value == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("solver", ["euler", "dpmpp-2m"])
def test_a_deterministic_renoising_survives_by_the_normal_distribution(solver: str) -> None:
    """Equal weights: Phi(D / 2), which is above the stochastic survival."""
    process = make(two(16.0), {"side": TWO}, solver, low=-11.0)
    log_snr = float(process.grid.log_snr[round(process.grid.level_at(log_snr_at(np.log(8.0))))])
    value, error = agreement(process, "side", log_snr, Mode.RENOISE, bases=800)
    assert abs(value - norm.cdf(8.0 * np.sqrt(expit(log_snr)))) < 4 * error


def test_the_noisiest_level_forgets_the_base() -> None:
    """A regeneration from level N is a fresh generation: both show the weights, whatever the base."""
    process = make(two(16.0, share=0.3), {"side": TWO}, "sde-dpmpp-2m", steps=40)
    fresh = process.render([g.state for g in process.sample([Base("", i) for i in range(600)])])
    trials = [Trial("", i, process.grid.top, 0) for i in range(600)]
    left_mean = torch.tensor([8.0], dtype=torch.float64)
    far = process.regenerate(trials, lambda trial: left_mean, Mode.RENOISE)
    for points in (fresh, process.render([state for _, state in far])):
        left = process.read_truth(points, "side")[:, 0]
        assert abs(left.mean() - 0.3) < 4 * left.std() / np.sqrt(len(left))


def test_points_come_out_as_float64_rows() -> None:
    process = make(two(4.0, dimension=3), {"side": TWO}, "ddpm", steps=10)
    points = process.render([g.state for g in process.sample([Base("", 0), Base("", 1)])])
    assert points.shape == (2, 3)
    assert points.dtype == np.float64
    assert process.render([]).shape == (0, 3)
    np.testing.assert_allclose(process.read_truth(points, "side").sum(axis=1), 1.0)


def test_an_unknown_feature_is_refused_with_the_list() -> None:
    process = make(two(4.0), {"side": TWO}, "ddpm", steps=10)
    for ask in (lambda: process.read_truth(np.zeros((1, 1)), "hue"), lambda: process.exact_survival("hue", 0.0)):
        with pytest.raises(BadInput, match="no feature 'hue'; choose one of side"):
            ask()


def test_a_prompt_is_refused() -> None:
    process = make(two(4.0), {"side": TWO}, "ddpm", steps=10)
    process.check_prompt("")
    with pytest.raises(BadInput, match="takes no prompt"):
        process.check_prompt("a cook")


def test_three_features_from_one_batch_of_the_hypercube_file(tmp_path: Path) -> None:
    """One set of trials at log-SNR between the points of axis 0 and axis 1 has decided the first alone."""
    process = load_world(hypercube(tmp_path), seed=1)
    level = round(process.grid.level_at(-5.7))
    bases = {g.base.index: g.state for g in process.sample([Base("", i) for i in range(200)])}
    trials = [Trial("", i, level, 0) for i in bases]
    again = dict(process.regenerate(trials, lambda trial: bases[trial.base], Mode.RENOISE))
    before, after = process.render(list(bases.values())), process.render([again[t] for t in trials])
    for feature in process.feature_labels:
        kept = (process.read_truth(before, feature) * process.read_truth(after, feature)).sum(axis=1)
        exact = process.exact_survival(feature, float(process.grid.log_snr[level]))
        error = np.hypot(kept.std(ddof=1) / np.sqrt(len(kept)), exact.standard_error)
        assert abs(kept.mean() - exact.value) < 4 * error + BIAS
