"""Survival, floors and their intervals against the two-component closed form."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest

from diffwin.estimate import CURVE_COLUMNS, curve_table, estimate
from diffwin.survival import Readings, Tables, influence, interval, readings_of, resample
from diffwin.trials import ALL
from diffwin.window import Status
from simulated import exact_survival, grid, readings, separation, uneven


def test_survival_agrees_with_the_closed_form() -> None:
    drawn = readings(bases=4000, repeats=2, seed=1)
    exact = np.array([exact_survival(d) for d in separation(drawn.log_snr)])
    error = np.sqrt(exact * (1 - exact) / 4000)  # of one repeat a base; two cannot be worse
    assert np.all(np.abs(survival(drawn, ALL) - exact) <= 4 * error + 1 / 4000)


@pytest.mark.parametrize("prior", [0.1, 0.3])
def test_survival_of_a_rare_group_agrees_with_the_closed_form(prior: float) -> None:
    drawn = readings(bases=20_000, repeats=1, seed=2, prior=prior)
    size = len(drawn.members("left"))
    exact = np.array([exact_survival(d, prior) for d in separation(drawn.log_snr)])
    error = np.sqrt(exact * (1 - exact) / size)
    assert np.all(np.abs(survival(drawn, "left") - exact) <= 4 * error + 1 / size)


def test_floors_are_unbiased() -> None:
    shares = np.array([0.6, 0.3, 0.1])
    rng = np.random.default_rng(3)
    alls, firsts = [], []
    for _ in range(2000):
        labels = rng.choice(3, 12, p=shares)
        drawn = _readings_with(labels)
        tables = Tables.of(drawn, drawn.ones)
        alls.append(tables.floor(ALL)[0])
        firsts.append(tables.floor("a")[0])
    for values, truth in ((alls, (shares**2).sum()), (firsts, 0.6)):
        assert abs(np.mean(values) - truth) <= 4 * np.std(values) / np.sqrt(len(values))


def test_a_base_is_never_paired_with_its_own_copy_in_a_resample() -> None:
    drawn = _readings_with(np.array([0, 1, 2, 0]))
    doubled = np.array([[2.0, 2.0, 0.0, 0.0]])  # labels a, a, b, b: only copies agree
    assert Tables.of(drawn, doubled).floor(ALL)[0] == 0.0


def test_interval_covers_the_exact_survival() -> None:
    where = grid(5, -6, 2)
    exact = np.array([exact_survival(d) for d in separation(where.log_snr[1:])])
    hits = np.zeros(5)
    runs = 800
    for seed in range(runs):
        low, high = interval(readings(24, 4, seed, where), ALL)
        hits += (low <= exact) & (exact <= high + 1e-9)
    error = np.sqrt(0.95 * 0.05 / runs)
    assert np.all(hits / runs >= 0.95 - 0.02 - 4 * error)


def test_everything_survived_still_has_a_width() -> None:
    drawn = readings(16, 4, 0, grid(3, 20, 30))
    low, high = interval(drawn, ALL)
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
    shares = {0: [0.9, 0.1], 1: [0.2, 0.8]}
    rows = [(*row, None if row[5] is None else np.array(shares[row[5]]).tobytes()) for row in rows]
    columns = ["prompt", "base", "level", "repeat", "feature", "label", "probabilities"]
    frame = pd.DataFrame(rows, columns=columns)
    drawn = readings_of(frame, {"f": ("x", "y")}, [9.0, 1.0, -1.0])[0]
    assert drawn.base_labels.tolist() == [0, 1, -1]
    assert drawn.survived.tolist() == [[1], [0], [0]]
    assert drawn.read.tolist() == [[1], [1], [0]]
    assert drawn.missing.tolist() == [2]
    assert drawn.agreement[:, 0].tolist() == pytest.approx([0.9**2 + 0.1**2, 0.2 * 0.9 + 0.8 * 0.1, 0.0])
    assert drawn.log_snr.tolist() == [-1.0]


def test_choosing_bases_by_their_label_moves_no_survival() -> None:
    where, priors = grid(4, -9, 0), np.array([0.2, 0.8])
    exact = [priors @ [exact_survival(d, prior) for prior in priors] for d in separation(where.log_snr[1:])]
    found = []
    for seed in range(300):
        drawn = readings(40, 3, seed, where, prior=0.2)
        rare = drawn.base_labels == 0
        repeats = np.where(rare[:, None], [3, 3, 1, 3], [1, 3, 3, 1])  # other bases at one level than at another
        found.append(survival(readings(40, repeats, seed, where, prior=0.2), ALL))
    error = np.std(found, axis=0) / np.sqrt(len(found))
    assert np.all(np.abs(np.mean(found, axis=0) - exact) <= 4 * error + 1e-9)


@pytest.mark.parametrize("group", [ALL, "left"])
def test_influence_is_the_derivative_along_a_bases_weight(group: str) -> None:
    where = grid(5, -8, 0)
    drawn = readings(12, uneven(12, where, -4.0, 0, scattered=4, near=30), 0, where, prior=0.4)
    found, step = influence(drawn, group), 1e-6
    for row, base in enumerate(drawn.members(group)):
        moved = drawn.ones
        moved[0, base] += step
        slope = (Tables.of(drawn, moved).survival(group)[0] - survival(drawn, group)) / step
        np.testing.assert_allclose(found[row], np.nan_to_num(slope), atol=1e-5)


def test_a_level_rests_on_as_many_bases_as_share_its_regenerations() -> None:
    drawn = _readings_with(np.array([0, 0, 1, 2]))
    counts = drawn.counts * np.array([0, 5, 5, 0])[:, None, None]
    assert replace(drawn, counts=counts).behind(ALL).tolist() == [2.0]
    assert replace(drawn, counts=counts).behind("a").tolist() == [1.0]
    assert replace(drawn, counts=counts * [[[1]], [[9]], [[1]], [[1]]]).behind(ALL)[0] < 1.3


def test_a_level_that_a_group_lacks_is_not_on_its_curve() -> None:
    where = grid(6, -9, 1)
    drawn = readings(40, 4, 0, where)
    repeats = np.where((drawn.base_labels == 0)[:, None] & (np.arange(6) == 1), 0, 4)
    found = estimate(readings(40, repeats, 0, where), where)
    assert found.located["left"].window.status is Status.FOUND
    assert found.raw["left"].measured.tolist() == [True, False, True, True, True, True]
    assert found.raw["right"].measured.all()
    rows = curve_table([found], list(where.time)).set_index(["group", "level"])["survival"]
    assert np.isnan(rows["left", 2])
    assert rows.drop(("left", 2)).notna().all()


def test_curve_table_has_the_contracts_columns() -> None:
    where = grid()
    table = curve_table([estimate(readings(12, 2, 0, where), where)], list(where.time))
    assert tuple(table.columns) == CURVE_COLUMNS
    assert set(table["group"]) == {"all", "left", "right"}
    assert table[table["group"] == "all"]["bases"].eq(12).all()
    # in these readings the probabilities are certain, so both kinds of survival are one
    whole = table[table["group"] == "all"]
    np.testing.assert_allclose(whole["weighted"], whole["survival"])
    assert (whole["floor_low"] <= whole["floor"]).all()
    assert (whole["floor"] <= whole["floor_high"]).all()
    assert whole["corrected"].isna().all()


def survival(drawn: Readings, group: str) -> np.ndarray:
    return Tables.of(drawn, drawn.ones).survival(group)[0]


def _readings_with(labels: np.ndarray) -> Readings:
    bases = len(labels)
    counts = np.ones((bases, 1, 3), np.int64)
    none = np.zeros(1, np.int64)
    return Readings("", "f", ("a", "b", "c"), labels, counts, np.ones((bases, 1)), none, np.array([1]), np.array([0.0]))


def test_a_large_run_read_in_parts_gives_what_counting_one_by_one_gives() -> None:
    frame = _many_observations()
    labels, axis = {"two": ("a", "b"), "three": ("a", "b", "c")}, np.linspace(9, -9, 10)
    along_key = frame.sort_values(["prompt", "base", "level", "repeat", "feature"])
    parts = (along_key[at : at + 997] for at in range(0, len(along_key), 997))
    for whole, gathered in zip(readings_of(frame, labels, axis), readings_of(parts, labels, axis), strict=True):
        counts, agreement, missing = _counted(frame, whole)
        for drawn in (whole, gathered):
            np.testing.assert_array_equal(drawn.counts, counts)
            np.testing.assert_array_equal(drawn.missing, missing)
            np.testing.assert_allclose(drawn.agreement, agreement, rtol=1e-12)


def _many_observations() -> pd.DataFrame:
    """About 50,000 readings of two prompts and features, a tenth of them missing, in no order."""
    rng = np.random.default_rng(0)
    frames = []
    for prompt, (feature, size) in product(("p", "q"), (("two", 2), ("three", 3))):
        again = pd.MultiIndex.from_product([range(300), (1, 2, 5, 9), range(10)]).to_frame(index=False)
        again.columns = pd.Index(["base", "level", "repeat"])
        bases = pd.DataFrame({"base": range(300), "level": 0, "repeat": 0})
        rows = pd.concat([bases, again], ignore_index=True).assign(prompt=prompt, feature=feature)
        shares = rng.dirichlet(np.ones(size), len(rows))
        gone = rng.random(len(rows)) < 0.1
        rows["label"] = np.where(gone, np.nan, shares.argmax(axis=1))
        rows["probabilities"] = [None if lost else row.tobytes() for lost, row in zip(gone, shares, strict=True)]
        frames.append(rows)
    return pd.concat(frames, ignore_index=True).sample(frac=1, random_state=0)


def _counted(frame: pd.DataFrame, drawn: Readings) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Counts, agreement and missing of one prompt and feature, one observation after another."""
    rows = frame[(frame["prompt"] == drawn.prompt) & (frame["feature"] == drawn.feature)]
    base_of = {row.base: row for row in rows[rows["level"] == 0].itertuples()}
    level_at = {level: at for at, level in enumerate(drawn.levels)}
    counts, agreement = np.zeros(drawn.counts.shape, int), np.zeros(drawn.agreement.shape)
    missing = np.zeros(len(level_at), int)
    for row in rows[rows["level"] > 0].itertuples():
        base = base_of[row.base]
        if np.isnan(row.label) or np.isnan(base.label):
            missing[level_at[row.level]] += 1
            continue
        counts[row.base, level_at[row.level], int(row.label)] += 1
        both = np.frombuffer(row.probabilities) * np.frombuffer(base.probabilities)
        agreement[row.base, level_at[row.level]] += both.sum()
    return counts, agreement, missing
