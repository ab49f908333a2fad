"""The screen: thresholds that hold what they promise, and runs that say what it did to them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta

import diffwin
from diffwin.exports import export_tables
from diffwin.screen import CHECKED, SHARE, Screened, calibrate, confidence, is_check, least_share, levels, words
from diffwin.trials import Trial
from worlds import hypercube

SIZE = {"bases": 60, "repeats": 2, "levels": 8, "steps": 30, "screen": True}


def notes(sure: np.ndarray, right: np.ndarray, looks: tuple[int, ...] = (3,), bases: int = 200) -> pd.DataFrame:
    """Of n trials, each read at every look as surely and as rightly: two features, the second always right."""
    n = np.arange(len(sure))
    each = pd.DataFrame({"prompt": "", "base": n % bases, "level": 9, "repeat": n // bases, "confidence": sure})
    parts = [
        each.assign(look=look, feature=name, agrees=agrees.astype(int), due=0)
        for look in looks
        for name, agrees in (("a", right), ("b", np.ones_like(right)))
    ]
    return pd.concat(parts)


def calibrated(told: pd.DataFrame) -> dict[int, float]:
    return calibrate(told, ["a", "b"])


def test_a_threshold_leaves_out_what_is_often_wrong() -> None:
    rng = np.random.default_rng(0)
    sure = rng.uniform(0.5, 1.0, 8000)
    right = rng.random(8000) < np.where(sure < 0.9, 0.9, 0.9995)
    assert calibrated(notes(sure, right)) == {3: 0.9}
    assert calibrated(notes(sure, np.ones(8000, bool))) == {3: 0.7}
    assert calibrated(notes(sure, rng.random(8000) < 0.97)) == {}


def test_too_few_trials_say_nothing() -> None:
    assert calibrated(notes(np.full(250, 0.99999), np.ones(250, bool))) == {}
    assert calibrated(notes(np.full(600, 0.99999), np.ones(600, bool))) == {3: 0.7}
    assert calibrated(notes(np.zeros(0), np.zeros(0, bool))) == {}
    assert calibrate(notes(np.full(600, 0.99999), np.ones(600, bool)), ["a", "b", "c"]) == {}


def test_what_ended_at_a_noisier_look_does_not_count_at_a_cleaner_one() -> None:
    sure = np.repeat([0.99999, 0.8], 4000)
    right = np.repeat([True, False], 4000)
    assert calibrated(notes(sure, right, looks=(6, 3))) == {6: 0.9}  # nothing that is left for look 3 is ever right


def test_a_threshold_holds_its_promise_as_often_as_it_says() -> None:
    """Where agreement is exactly what is asked for, a threshold passes in 5 % of runs at most."""
    rng = np.random.default_rng(1)
    runs = 150
    passed = sum(bool(calibrated(notes(np.full(1500, 0.75), rng.random(1500) < SHARE))) for _ in range(runs))
    assert passed <= 0.05 * runs + 4 * np.sqrt(0.05 * 0.95 * runs)


def test_the_least_share_is_that_of_clopper_and_pearson_where_every_trial_has_a_base_of_its_own() -> None:
    agrees = np.arange(1000) >= 4
    assert least_share(agrees, np.arange(1000)) == pytest.approx(beta.ppf(0.05, 996, 5))
    assert least_share(agrees, np.arange(1000) // 10) < beta.ppf(0.05, 996, 5)
    alike = np.arange(1000) >= 10  # all ten of one base are wrong
    assert least_share(alike, np.arange(1000) // 10) < least_share(np.roll(alike, 5), np.arange(1000)) - 0.002


def test_a_tenth_is_checked_whatever_is_read() -> None:
    drawn = [is_check(0, Trial("a", base, level, 0)) for base in range(500) for level in range(1, 11)]
    assert abs(np.mean(drawn) - CHECKED) < 4 * np.sqrt(CHECKED * (1 - CHECKED) / 5000)
    assert drawn != [is_check(1, Trial("a", base, level, 0)) for base in range(500) for level in range(1, 11)]


def test_levels_and_confidence() -> None:
    assert levels(25) == (8, 4, 2)
    assert levels(1) == ()
    assert confidence({"a": np.array([0.1, 0.9]), "b": np.array([0.7, 0.3])}) == 0.7
    assert confidence({"a": np.array([0.1, 0.9]), "b": np.array([np.nan, np.nan])}) == 0.0
    assert confidence({}) == 0.0


def test_words() -> None:
    told = Screened(0.99, 1000, {4: 100, 8: 300}, 2800, 40, {"gender": 1, "age": 0}).as_dict()
    assert words(told) == (
        "Screened: 400 of 1,000 regenerations were read before their end, in the model's estimate at levels 4 and 8, "
        "which saved 2,800 network rows. Of 40 carried on as a check, the gender of 1 came out otherwise."
    )
    none = Screened(0.99, 50, {}, 0, 0, {}).as_dict()
    assert words(none) == "Screened: no reading was yet sure enough to end one of 50 regenerations early."


def test_a_screened_run_costs_what_it_spent_and_says_so(tmp_path: Path) -> None:
    model = hypercube(tmp_path).as_posix()
    run = diffwin.probe(model=model, out=tmp_path / "run", **SIZE)
    told = run.screened
    assert told is not None
    assert told.saved > 0
    assert set(told.ended) <= set(levels(30))
    whole = 60 * 30 + 60 * 2 * sum(run.levels)
    assert run.evaluations == whole - told.saved
    assert json.loads((run.folder / "windows.json").read_text())["screen"] == told.as_dict()
    for report in ("report.html", "report.md"):
        assert (run.folder / report).read_text().count("regenerations were read before their end") == 1
    assert tmp_path / "tables" / "screened.csv" in export_tables(run, tmp_path / "tables")
    tables = {
        name: pd.read_csv(tmp_path / "tables" / f"{name}.csv") for name in ("screened", "samples", "observations")
    }
    assert len(tables["screened"]) == sum(told.ended.values())
    for rows in (tables["samples"], run.samples):
        assert rows["screened"].value_counts().to_dict() == told.ended
        assert set(rows.loc[rows["screened"].notna(), "level"]) <= set(run.levels)
    assert tables["observations"]["screened"].notna().sum() == len(run.record["labels"]) * sum(told.ended.values())
    assert run.observations["screened"].notna().sum() == tables["observations"]["screened"].notna().sum()
    assert run.windows["screened"].all()
    for level, rows in pd.read_csv(run.folder / "curves.csv").groupby("level"):
        every = run.samples[run.samples["level"] == level]
        assert rows["screened"].to_numpy() == pytest.approx(every["screened"].notna().mean())
    plain = diffwin.probe(model=model, out=tmp_path / "plain", **SIZE | {"screen": False})
    assert plain.screened is None
    assert "screen" not in plain.summary()
    assert not plain.windows["screened"].any()
    assert (plain.curves["screened"] == 0).all()
    assert "screened" not in plain.samples
    assert "Screened:" not in (plain.folder / "report.html").read_text()
    there, here = (each.curves.query("group == 'all'").set_index(["feature", "level"]) for each in (plain, run))
    assert (there["survival"] - here["survival"]).abs().max() <= 2 * (1 - SHARE)


def test_a_budget_counts_what_a_screened_run_spends(tmp_path: Path) -> None:
    budget = 16_000
    asked: dict[str, Any] = {"model": hypercube(tmp_path).as_posix(), "steps": 30, "budget": budget, "screen": True}
    run = diffwin.probe(out=tmp_path / "run", **asked)
    assert run.screened is not None
    assert run.screened.saved > 0
    assert run.evaluations <= budget < run.evaluations + run.screened.saved
    again = diffwin.probe(out=tmp_path / "run", **asked)
    assert again.evaluations == run.evaluations


def test_slots_and_an_interruption_change_nothing_in_a_screened_run(tmp_path: Path) -> None:
    model = hypercube(tmp_path).as_posix()
    one = diffwin.probe(model=model, slots=7, out=tmp_path / "one", **SIZE)

    def stop(done: int, total: int) -> None:
        if done > 0.8 * total:  # in the second half, which is screened
            raise InterruptedError

    with pytest.raises(InterruptedError):
        diffwin.probe(model=model, slots=64, out=tmp_path / "other", progress=stop, **SIZE)
    other = diffwin.probe(model=model, slots=64, out=tmp_path / "other", **SIZE)
    pd.testing.assert_frame_equal(one.samples, other.samples)
    pd.testing.assert_frame_equal(one.curves, other.curves)
    again = diffwin.probe(model=model, slots=64, out=tmp_path / "other", **SIZE)
    assert again.summary() == other.summary()


def test_new_probes_do_not_read_what_was_ended_for_others(tmp_path: Path) -> None:
    model = hypercube(tmp_path).as_posix()
    one = diffwin.probe(model=model, probes=["truth:axis0"], out=tmp_path / "run", **SIZE)
    assert one.screened is not None
    both = diffwin.probe(model=model, probes=["truth:axis0", "truth:axis2"], out=tmp_path / "run", **SIZE)
    assert len(both.observations) == 2 * len(both.samples)
    assert both.screened is not None
    assert (one.screened.disagreed.keys(), both.screened.disagreed.keys()) == ({"axis0"}, {"axis0", "axis2"})
