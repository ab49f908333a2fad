"""A run of 50,000 observations, a tenth of them missing: reported and exported as the straightforward way has it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from diffwin.exports import export_tables
from diffwin.ledger import Ledger, Sample
from diffwin.plan import Plan
from diffwin.results import Run
from diffwin.trials import Trial

LABELS = {"two": ["a", "b"], "three": ["a", "=c", "d"]}


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """25,000 images of two prompts read for two features; one image in a hundred is missing."""
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("large")
    trials = [
        Trial(prompt, base, level, repeat)
        for prompt in ("q", "p")
        for base in range(500)
        for level in (0, 2, 5, 9)
        for repeat in range(8 if level else 1)
    ]
    samples = []
    for trial in trials:
        readings = {name: rng.dirichlet(np.ones(len(labels))) for name, labels in LABELS.items()}
        readings = {name: row if rng.random() > 0.1 else np.full(len(row), np.nan) for name, row in readings.items()}
        lost = rng.random() < 0.01
        reason = "the picture is black" if lost else None
        samples.append(Sample(trial, trial.level, None, reason, {} if lost else readings))
    with Ledger.writing(folder) as ledger:
        ledger.add(samples)
        ledger.put(record={"labels": LABELS, "plan": Plan(prompts=("q", "p")).model_dump(mode="json")})
    return Run(folder)


def test_readings_beside_their_bases_are_those_of_a_join(large: Run) -> None:
    found = large.trials.astype({"prompt": str, "feature": str, "label": str, "base_label": str})
    rows = large.observations.dropna(subset=["label"])
    bases = rows[rows["level"] == 0].set_index(["prompt", "base", "feature"])
    wanted = []
    for row in rows.itertuples():
        if (row.prompt, row.base, row.feature) in bases.index:
            before = int(bases.loc[(row.prompt, row.base, row.feature), "label"])
            names, chances = LABELS[row.feature], np.frombuffer(row.probabilities)
            after = int(row.label)
            address = (row.prompt, row.base, row.feature, row.level, row.repeat)
            wanted.append((*address, names[after], names[before], after == before, chances[before]))
    columns = ["prompt", "base", "feature", "level", "repeat", "label", "base_label", "survived", "probability"]
    key = ["prompt", "base", "level", "repeat", "feature"]
    assert len(wanted) > 35_000
    pd.testing.assert_frame_equal(
        found.sort_values(key, ignore_index=True)[columns],
        pd.DataFrame(wanted, columns=columns).sort_values(key, ignore_index=True),
        check_dtype=False,
    )


def test_counts_and_what_is_missing_agree_with_the_tables(large: Run) -> None:
    samples, seen = large.samples, large.observations
    counts = samples.groupby(["prompt", "base", "level"]).size().rename("samples").reset_index()
    pd.testing.assert_frame_equal(large.counts, counts, check_dtype=False)
    gone = large.missing
    assert (gone["feature"] == "all").sum() == samples["missing"].notna().sum()
    assert (gone["feature"] != "all").sum() == seen["label"].isna().sum()
    assert set(gone["reason"]) == {"the picture is black", "the probe abstained"}
    assert large.evaluations == samples["evaluations"].sum()
    assert large.levels == [2, 5, 9]


def test_exported_tables_hold_every_row(large: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Run, "curves", pd.DataFrame({"survival": [0.5]}))
    monkeypatch.setattr(Run, "windows", pd.DataFrame({"feature": ["two"], "end": [None]}))
    names = [path.name for path in export_tables(large, tmp_path)]
    assert sorted(names) == sorted(path.name for path in tmp_path.iterdir())
    key = ["prompt", "base", "level", "repeat"]
    written = pd.read_parquet(tmp_path / "observations.parquet").sort_values([*key, "feature"], ignore_index=True)
    held = large.observations.sort_values([*key, "feature"], ignore_index=True)
    pd.testing.assert_frame_equal(written[key], held[key])
    told = zip(*(held[name] for name in ("feature", "label", "probabilities")), strict=True)
    wanted = [
        (LABELS[feature][int(label)], np.frombuffer(packed).tolist()) if packed else (None, None)
        for feature, label, packed in told
    ]
    unread = written["label"].isna()
    shares = [
        None if gone else list(json.loads(p).values()) for gone, p in zip(unread, written["probabilities"], strict=True)
    ]
    assert [None if gone else label for gone, label in zip(unread, written["label"], strict=True)] == [
        w for w, _ in wanted
    ]
    assert shares == [w for _, w in wanted]
    samples = pd.read_parquet(tmp_path / "samples.parquet").sort_values(key, ignore_index=True)
    whole = large.samples.sort_values(key, ignore_index=True)
    pd.testing.assert_frame_equal(samples.fillna(""), whole.fillna(""), check_dtype=False)
    lines = pd.read_csv(tmp_path / "observations.csv")
    assert len(lines) == len(held)
    assert set(lines["label"].dropna()) == {"a", "b", "'=c", "d"}, "text that a spreadsheet would run is made safe"
