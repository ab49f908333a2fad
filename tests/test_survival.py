"""Survival, floors and their intervals against the two-component closed form."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from diffwin.survival import ALL, CURVE_COLUMNS, Readings, curve_table, readings_of, resample
from simulated import exact_survival, grid, readings, separation


def test_survival_agrees_with_the_closed_form() -> None:
    drawn = readings(bases=4000, repeats=2, seed=1)
    group = drawn.of_group(ALL)
    exact = np.array([exact_survival(d) for d in separation(drawn.log_snr)])
    error = np.sqrt(exact * (1 - exact) / group.size)  # of one repeat a base; two cannot be worse
    assert np.all(np.abs(group.curve(group.ones)[0] - exact) <= 4 * error + 1 / group.size)


@pytest.mark.parametrize("prior", [0.1, 0.3])
def test_survival_of_a_rare_group_agrees_with_the_closed_form(prior: float) -> None:
    drawn = readings(bases=20_000, repeats=1, seed=2, prior=prior)
    group = drawn.of_group("left")
    exact = np.array([exact_survival(d, prior) for d in separation(drawn.log_snr)])
    error = np.sqrt(exact * (1 - exact) / group.size)
    assert np.all(np.abs(group.curve(group.ones)[0] - exact) <= 4 * error + 1 / group.size)


def test_floors_are_unbiased() -> None:
    shares = np.array([0.6, 0.3, 0.1])
    rng = np.random.default_rng(3)
    alls, firsts = [], []
    for _ in range(2000):
        labels = rng.choice(3, 12, p=shares)
        drawn = _readings_with(labels)
        alls.append(drawn.of_group(ALL).floor(np.ones((1, 12)))[0])
        firsts.append(drawn.floor("a", np.ones((1, 12)))[0])
    for values, truth in ((alls, (shares**2).sum()), (firsts, 0.6)):
        assert abs(np.mean(values) - truth) <= 4 * np.std(values) / np.sqrt(len(values))


def test_a_base_is_never_paired_with_its_own_copy_in_a_resample() -> None:
    drawn = _readings_with(np.array([0, 1, 2, 0]))
    doubled = np.array([[2.0, 2.0, 0.0, 0.0]])  # labels a, a, b, b: only copies agree
    assert drawn.floor(ALL, doubled)[0] == 0.0


def test_interval_covers_the_exact_survival() -> None:
    where = grid(5, -6, 2)
    exact = np.array([exact_survival(d) for d in separation(where.log_snr[1:])])
    hits = np.zeros(5)
    runs = 800
    for seed in range(runs):
        low, high = readings(24, 4, seed, where).of_group(ALL).interval()
        hits += (low <= exact) & (exact <= high + 1e-9)
    error = np.sqrt(0.95 * 0.05 / runs)
    assert np.all(hits / runs >= 0.95 - 0.02 - 4 * error)


def test_everything_survived_still_has_a_width() -> None:
    drawn = readings(16, 4, 0, grid(3, 20, 30))
    low, high = drawn.of_group(ALL).interval()
    np.testing.assert_allclose(high, 1.0)
    assert np.all((low > 0.7) & (low < 1.0))


def test_resamples_keep_bases_whole_and_repeat_with_the_seed() -> None:
    weights = resample(10, 200, seed=5)
    assert np.all(weights.sum(axis=1) == 10)
    assert np.array_equal(weights, resample(10, 200, seed=5))
    assert not np.array_equal(weights, resample(10, 200, seed=6))


def test_readings_count_missing_observations_apart() -> None:
    rows = [("p", b, 0, 0, "f", label) for b, label in enumerate([0, 1, None])]
    rows += [("p", 0, 2, 0, "f", 0), ("p", 0, 2, 1, "f", None), ("p", 1, 2, 0, "f", 0), ("p", 2, 2, 0, "f", 1)]
    frame = pd.DataFrame(rows, columns=["prompt", "base", "level", "repeat", "feature", "label"])
    drawn = readings_of(frame, {"f": ("x", "y")}, [9.0, 1.0, -1.0])[0]
    assert drawn.base_labels.tolist() == [0, 1, -1]
    assert drawn.survived.tolist() == [[1], [0], [0]]
    assert drawn.read.tolist() == [[1], [1], [0]]
    assert drawn.missing.tolist() == [2]
    assert drawn.log_snr.tolist() == [-1.0]


def test_curve_table_has_the_contracts_columns() -> None:
    table = curve_table([readings(12, 2, 0)], list(range(30)))
    assert tuple(table.columns) == CURVE_COLUMNS
    assert set(table["group"]) == {"all", "left", "right"}
    assert table[table["group"] == "all"]["bases"].eq(12).all()


def _readings_with(labels: np.ndarray) -> Readings:
    bases = len(labels)
    ones = np.ones((bases, 1), np.int64)
    return Readings("", "f", ("a", "b", "c"), labels, ones, ones, np.zeros(1, np.int64), np.array([1]), np.array([0.0]))
