"""Predictions, exact pairs and rank correlations of the windows of Fashion-MNIST's classes."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from diffwin.survival import Readings, Tables
from diffwin.theory.pair import crossing
from diffwin.theory.panorama import look
from diffwin.worlds.base import Feature
from diffwin.worlds.mixture import GaussianMixture
from fashion_data import CLASSES
from fashion_windows import named, pair_curve, predictions, rank_correlation, transitions, within


def test_predictions_of_round_classes_are_those_of_two_gaussians() -> None:
    std, each, dimension = 0.5, 4000, 12
    rng = np.random.default_rng(0)
    means = 8.0 * np.eye(len(CLASSES), dimension)
    labels = np.repeat(np.arange(len(CLASSES)), each)
    found = predictions(means[labels] + std * rng.standard_normal((len(labels), dimension)), labels)
    apart = 8.0 * np.sqrt(2)
    # a mean of n is off by std / sqrt(n) along the line, and a log-SNR by twice that over the distance
    tolerance = 4 * 2 * np.sqrt(2) * std / np.sqrt(each) / apart
    expected = crossing(0.5, apart, std)
    assert found["gaussians"].to_numpy() == pytest.approx(expected, abs=tolerance + 0.005)
    assert found["line"].to_numpy() == pytest.approx(expected, abs=tolerance + 0.005)
    assert found["spectral"].to_numpy() == pytest.approx(-np.log(apart**2 / 4 - 1), abs=tolerance + 0.005)


def test_a_class_is_told_from_its_nearest_last() -> None:
    rng = np.random.default_rng(0)
    means = np.linspace(4, 40, len(CLASSES))[:, None] * np.eye(len(CLASSES))
    means[1] = means[0] + 3 * np.eye(len(CLASSES))[1]
    labels = np.repeat(np.arange(len(CLASSES)), 50)
    found = predictions(means[labels] + 0.01 * rng.standard_normal((len(labels), len(CLASSES))), labels)
    pairs = found.drop(index=list(CLASSES))
    near = pairs.loc[next(name for name in pairs.index if set(name.split(" / ")) == set(CLASSES[:2]))]
    assert (near == pairs.max()).all()
    assert (found.loc[CLASSES[0]] == near).all()
    assert (found.loc[CLASSES[9]] == pairs[pairs.index.str.contains(CLASSES[9])].max()).all()


LABELS = ("a", "b", "c")


def world() -> GaussianMixture:
    return GaussianMixture([1, 1, 1], [[0.0], [6.0], [40.0]])


def test_survival_within_a_pair_is_that_of_its_regenerations() -> None:
    """Against counts of regenerations drawn from the posterior, one at a time."""
    feature = Feature.of(LABELS)
    panorama = look(world(), {"class": feature}, ends=(-8.0, 2.0), draws=4000)
    rng, bases = np.random.default_rng(1), 20_000
    own = rng.integers(3, size=bases)
    for level in (8, 16, 24):
        at = panorama.log_snr[level]
        alpha, sigma = np.sqrt(1 / (1 + np.exp(-at))), np.sqrt(1 / (1 + np.exp(at)))
        x = alpha * world().place(own, rng) + sigma * rng.standard_normal((bases, 1))
        shares = world().responsibilities(x, alpha, sigma).cumsum(axis=1)
        again = (rng.random((bases, 1)) > shares).sum(axis=1)
        counts = np.eye(3, dtype=np.int64)[again][:, None]
        nothing = np.zeros((bases, 1))
        readings = Readings("", "class", LABELS, own, counts, nothing, np.zeros(1, np.int64), np.array([level]), at)
        for pair in combinations(LABELS, 2):
            left = within(readings, pair)
            measured = Tables.of(left, left.ones).survival("all")[0, 0]
            curve = pair_curve(panorama, pair)
            exact = curve.survival[level]
            error = np.hypot(np.sqrt(max(exact * (1 - exact), 1e-4) / left.read.sum()), curve.standard_error[level])
            assert abs(measured - exact) < 4 * error, (pair, level)


def test_a_pair_far_from_all_else_is_a_pair_of_its_own() -> None:
    mixture = GaussianMixture([1, 1, 1, 1], [[0.0, 0.0], [6.0, 0.0], [0.0, 4000.0], [6.0, 4000.0]])
    panorama = look(mixture, {"class": Feature.of(["a", "b", "c", "d"])}, ends=(-8.0, 2.0), draws=4000)
    curve = pair_curve(panorama, ("a", "b"))
    assert curve.group == named(("a", "b"))
    assert curve.floor == pytest.approx(0.5)
    found, expected = curve.crossing(0.5), crossing(0.5, 6.0)
    assert abs(found.log_snr - expected) < 4 * found.error + 0.01


def test_rank_correlation_of_the_same_and_of_the_opposite_order() -> None:
    known = np.array([-4.0, -3.0, -2.5, np.inf])
    measured = np.tile(2 * np.array([-4.0, -3.0, -2.0, -1.0]), (20, 1))
    assert rank_correlation(known, measured) == pytest.approx((1, 1, 1))
    assert rank_correlation(known, -measured) == pytest.approx((-1, -1, -1))


def test_rank_correlation_spreads_with_its_resamples_and_leaves_out_what_was_not_found() -> None:
    rng = np.random.default_rng(0)
    measured = np.arange(8.0) + np.concatenate([np.zeros((1, 8)), 3 * rng.standard_normal((400, 8))])
    value, low, high = rank_correlation(np.arange(8.0), measured)
    assert value == pytest.approx(1)
    assert low < 0.6 < high <= 1
    measured[0, :2] = np.nan
    assert rank_correlation(np.arange(8.0)[::-1], measured)[0] == pytest.approx(-1)
    measured[0, :5] = np.nan
    assert np.isnan(rank_correlation(np.arange(8.0), measured)).all()


def test_transitions_are_shares_of_each_base_class() -> None:
    base = np.arange(10)
    counts = np.zeros((10, 2, 10), np.int64)
    counts[base, 0, base] = 4
    counts[base, 1, base], counts[base, 1, (base + 1) % 10] = 3, 1
    levels = np.array([1, 2])
    readings = Readings(
        "", "class", CLASSES, base, counts, np.zeros((10, 2)), np.zeros(2, np.int64), levels, np.array([2.0, -3.0])
    )
    clean, at = transitions(readings, 1.5)
    assert at == 2.0
    np.testing.assert_array_equal(clean, np.eye(10))
    noisy, at = transitions(readings, -2.0)
    assert at == -3.0
    np.testing.assert_allclose(np.diag(noisy), 0.75)
    np.testing.assert_allclose(noisy.sum(axis=1), 1)
