"""The parts of the reproductions of published results, against closed forms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

import blink_gaussians
import mixture_tree
from blink_tokens import Masking, Size, Walk, crossing
from comparison import Compared, comparison, with_interval
from diffwin.estimate import estimate
from diffwin.levels import log_snr_at
from diffwin.survival import Readings
from diffwin.theory import conventions, discrete, pair
from diffwin.trials import ALL
from diffwin.worlds.mixture import GaussianMixture
from symmetry_breaking import Score, World, by_pitchfork, load
from told_apart import ToldApart


def test_a_table_is_markdown() -> None:
    assert comparison([Compared("a", "1", measured="2")]).splitlines()[1:] == [
        "| --- | --- | --- | --- |",
        "| a | 1 | – | 2 |",
    ]
    assert with_interval(1.234, 1, 2) == "1.23 (1.00 to 2.00)"


@pytest.mark.parametrize("log_snr", [-6.0, -4.0, -2.0])
def test_the_likelihood_ratio_test_measures_total_variation(log_snr: float) -> None:
    world = GaussianMixture([0.2, 0.8], [[5.0, 0.0], [-5.0, 0.0]], std=2.0)
    one, other = np.diag(world.weights)
    value, error = ToldApart(world, one, other, draws=20_000)(log_snr)
    exact = float(pair.total_variation(pair.separation(10.0, log_snr, 2.0)))
    assert abs(value - exact) < 4 * error < 0.05


def test_it_finds_where_total_variation_passes_a_value() -> None:
    world = GaussianMixture([1, 1], [[5.0], [-5.0]])
    one, other = np.diag(world.weights)
    found = ToldApart(world, one, other, draws=20_000).crossing(0.5, -12, 3)
    d = 2 * 0.6744897501960817  # 2 Phi(D / 2) - 1 = 1/2
    assert abs(found.log_snr - float(pair.log_snr_of_separation(d, 10.0))) < 4 * found.standard_error < 0.2


def test_regenerated_total_variation_is_what_a_clean_label_tells() -> None:
    """Components 20 apart are read without error, so the label has all of the distance."""
    for t in (1.5, 2.3, 3.5):
        log_snr = float(log_snr_at(t))
        itself, whole = blink_gaussians.regenerated(log_snr)
        survival = float(pair.survival(pair.separation(2 * blink_gaussians.MU, log_snr)))
        assert itself == pytest.approx(1 - survival, abs=1e-4)
        assert whole == pytest.approx(survival - 0.5, abs=1e-4)
        bounds = [float(bound) for bound in blink_gaussians.bounds(np.float64(log_snr))]
        assert itself < bounds[0]
        assert whole < bounds[1]


@pytest.mark.parametrize("h", [1, 5])
def test_masked_texts_come_back_as_often_as_they_should(h: int) -> None:
    masking, rng, count, t = Masking(h), np.random.default_rng(0), 20_000, 0.8
    text = np.repeat(masking.strings[1:], count, axis=0)
    kept = masking.read(masking.regenerate(text, np.full(count, t), rng)).mean()
    exact = float(discrete.masking_survival(t, h))
    assert abs(kept - exact) < 4 * np.sqrt(exact * (1 - exact) / count)


def test_the_last_token_goes_at_its_time() -> None:
    gone = Masking(3).forgotten(20_000, seed=1)
    assert abs((gone < 0.7).mean() - 0.7**3) < 4 * np.sqrt(0.7**3 * (1 - 0.7**3) / 20_000)


def test_a_walk_is_finished_by_what_its_steps_say() -> None:
    """Token by token, the mode that is reached in the end has the posterior probability of the prefix."""
    walk, count, at = Walk(0.2), 4000, 1
    wrong = walk.finish(np.full(count, at), np.random.default_rng(0)).mean()
    exact = float(expit(-2 * np.arctanh(walk.bias) * at))
    assert abs(wrong - exact) < 4 * np.sqrt(exact * (1 - exact) / count)


def test_total_variation_of_walks_is_measured() -> None:
    walk, draws = Walk(0.1), 20_000
    kept, apart = walk.told_apart(draws, 0, 1, 200)
    exact = np.array([discrete.walk_total_variation(int(n), walk.bias) for n in kept])
    assert (np.abs(apart - exact) < 4.5 / np.sqrt(draws)).all()
    at, error = crossing(kept, apart, 0.5, draws)
    assert abs(at - np.interp(0.5, exact, kept)) < 4 * error < 5


def test_windows_of_text_are_located_on_their_own_axis() -> None:
    readings, grid = Masking(4).readings(Size(bases=96, repeats=4, levels=20, draws=0), seed=2)
    point = estimate(readings, grid, groups=[ALL]).located[ALL].window.decision
    assert point is not None
    reach = (point.high - point.low) / 3.92
    decided = 1 - float(discrete.masking_decision(4))
    assert abs(point.log_snr - np.log(decided / (1 - decided))) < 4 * reach < 2


def test_symmetry_breaks_where_the_closed_form_says(tmp_path: Path) -> None:
    score = Score(load(World("narrow", 2.0, 0.5), tmp_path))
    exact = float(conventions.drift_instability_time(2.0, 0.5))
    assert score.instability() == pytest.approx(exact, abs=1e-6)
    assert by_pitchfork(score, exact) == pytest.approx(exact, abs=1e-5)
    assert score.bimodality() == pytest.approx(float(conventions.speciation_time(2.0, 0.5)), abs=1e-6)


def test_leaves_lie_as_far_apart_as_their_choices() -> None:
    means = np.zeros((8, 7))
    for k, leaf in enumerate(mixture_tree.LEAVES):
        means[k, list(leaf.axes)] = list(leaf.axes.values())
    last, middle = mixture_tree.SIZES[2], mixture_tree.SIZES[1]
    assert np.linalg.norm(means[0] - means[1]) == pytest.approx(2 * last)
    assert np.linalg.norm(means[0] - means[2]) == pytest.approx(np.hypot(2 * middle, np.sqrt(2) * last))
    assert np.linalg.matrix_rank(means - means.mean(axis=0)) == 7
    assert mixture_tree.SHARED[0].tolist() == [3, 2, 1, 1, 0, 0, 0, 0]
    assert mixture_tree.LEAVES[5].labels == {"kind": "B", "family": "B1", "species": "B1b"}


def test_choices_in_common_follow_from_survival() -> None:
    np.testing.assert_allclose(mixture_tree.shared([0.9, 0.6, 0.5]), [0.1, 0.3, 0.1, 0.5])


def test_readings_within_a_population_leave_out_what_left_it() -> None:
    counts = np.array([[[3, 1, 2]], [[0, 4, 2]], [[1, 1, 4]]])
    levels, none = np.array([1]), np.zeros(1, np.int64)
    labels = np.array([0, 1, 2])
    whole = Readings("", "f", ("a", "b", "c"), labels, counts, np.zeros((3, 1)), none, levels, np.zeros(1))
    part = mixture_tree.within(whole, [[0], [1]])
    assert part.base_labels.tolist() == [0, 1]
    assert part.survived.tolist() == [[3], [4]]
    assert part.read.tolist() == [[4], [4]]
    assert part.missing.tolist() == [4]
