"""The main job on worlds whose windows are known: right numbers, resumed after any kill, extended by larger plans."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq

import diffwin
from diffwin.defaults import GENERATIONS, PATIENCE
from diffwin.errors import BadInput
from diffwin.job import prepare
from diffwin.plan import Plan
from diffwin.process.base import Samples, State
from diffwin.process.diffusion import Diffusion
from diffwin.process.engine import Engine
from diffwin.process.mixture import MixtureProcess
from diffwin.results import reversibility_gaps
from diffwin.work import WAITING, ahead
from simulated import exact_survival
from worlds import hypercube

SMALL = {"bases": 16, "repeats": 2, "levels": 6, "steps": 30}


def _windows(folder: Path) -> dict[str, object]:
    return dict(json.loads((folder / "windows.json").read_text()))


def test_hypercube_features_are_located_in_the_right_order(tmp_path: Path) -> None:
    run = diffwin.probe(model=hypercube(tmp_path).as_posix(), bases=48, repeats=3, levels=16, out=tmp_path / "run")
    found = run.windows.query("group == 'all'").set_index("feature")
    assert found["status"].eq("found").all()
    exact = {}
    for feature, size in (("axis0", 30.0), ("axis1", 10.0), ("axis2", 3.0)):
        # normalised survival 1/2 is S = 3/4, and the separation is D = 2 a e^{-t} = 2 a alpha
        share = (brentq(lambda d: exact_survival(d) - 0.75, 0.1, 5) / (2 * size)) ** 2
        exact[feature] = float(np.log(share / (1 - share)))
        assert found.loc[feature, "decision_low"] <= exact[feature] <= found.loc[feature, "decision_high"]
    order = found["decision_log_snr"].sort_values().index.tolist()
    assert order == ["axis0", "axis1", "axis2"]
    settled = {(pair.first, pair.second) for pair in run.order if pair.settled and pair.low > 0}
    assert settled == {("axis0", "axis1"), ("axis0", "axis2"), ("axis1", "axis2")}
    assert {told["feature"] for told in run.summary()["information"]} == set(exact)


def test_renoise_and_branch_of_an_exact_world_show_no_gap(tmp_path: Path) -> None:
    model, size = hypercube(tmp_path).as_posix(), {"bases": 32, "repeats": 2, "levels": 8, "steps": 60}
    renoise = diffwin.probe(model=model, out=tmp_path / "renoise", **size)
    branch = diffwin.probe(model=model, mode="branch", out=tmp_path / "branch", **size)
    found = reversibility_gaps(renoise, branch)
    assert [each.feature for each in found] == ["axis0", "axis1", "axis2"]
    assert all(each.reversible for each in found)
    with pytest.raises(BadInput, match="name the renoise run first"):
        reversibility_gaps(branch, renoise)
    other = diffwin.probe(model=model, mode="branch", out=tmp_path / "other", seed=1, **size)
    with pytest.raises(BadInput, match="differ in seed"):
        reversibility_gaps(renoise, other)


def test_a_run_folder_holds_what_the_contract_says(tmp_path: Path) -> None:
    run = diffwin.probe(model=hypercube(tmp_path).as_posix(), out=tmp_path / "run", **SMALL)
    for name in ("run.sqlite", "plan.json", "curves.csv", "windows.json", "report.html", "report.md", "figures"):
        assert (run.folder / name).exists(), name
    told = _windows(run.folder)
    assert {"schema", "diffwin", "model", "solver", "stochastic", "mode", "guidance", "steps", "seed"} <= set(told)
    job = prepare(run.plan)
    assert told["evaluations"] == job.cost() == 16 * (30 + 2 * sum(run.levels))


def test_some_bases_alone_are_regenerated_and_more_extend_them(tmp_path: Path) -> None:
    size = {"bases": 10, "levels": 3, "repeats": 1, "steps": 12}
    for regenerated in (3, 5):
        run = diffwin.probe(model=hypercube(tmp_path).as_posix(), out=tmp_path / "run", regenerated=regenerated, **size)
        again = run.samples[run.samples["level"] > 0]
        assert sorted(again["base"].unique()) == list(range(regenerated))
        assert len(again) == 3 * regenerated
        assert len(run.samples) - len(again) == 10
    with pytest.raises(BadInput, match="even grid"):
        Plan.make(regenerated=3)


def test_the_same_command_again_changes_nothing_and_costs_nothing(tmp_path: Path) -> None:
    model = hypercube(tmp_path).as_posix()
    first = diffwin.probe(model=model, out=tmp_path / "run", **SMALL)
    before = _windows(first.folder)
    spent: list[int] = []
    diffwin.probe(model=model, out=tmp_path / "run", progress=lambda done, total: spent.append(done), **SMALL)
    assert spent == []
    assert _windows(first.folder) == before


def test_a_larger_plan_extends_a_run_to_the_same_numbers_as_a_fresh_one(tmp_path: Path) -> None:
    model = hypercube(tmp_path).as_posix()
    diffwin.probe(model=model, out=tmp_path / "grown", **SMALL)
    larger = SMALL | {"bases": 20, "repeats": 3}
    grown = diffwin.probe(model=model, out=tmp_path / "grown", **larger)
    fresh = diffwin.probe(model=model, out=tmp_path / "fresh", **larger)
    assert _windows(grown.folder) == _windows(fresh.folder)


def test_another_plan_in_the_folder_is_refused(tmp_path: Path) -> None:
    model = hypercube(tmp_path).as_posix()
    diffwin.probe(model=model, out=tmp_path / "run", **SMALL)
    with pytest.raises(BadInput, match="another plan"):
        diffwin.probe(model=model, out=tmp_path / "run", **(SMALL | {"seed": 7}))


def test_another_world_of_the_same_name_is_refused(tmp_path: Path) -> None:
    diffwin.probe(model=hypercube(tmp_path).as_posix(), out=tmp_path / "run", **SMALL)
    model = hypercube(tmp_path, sizes=(30.0, 9.0, 3.0)).as_posix()
    with pytest.raises(BadInput, match="another plan"):
        diffwin.probe(model=model, out=tmp_path / "run", **SMALL)


def test_killed_in_the_middle_the_same_command_ends_with_the_same_numbers(tmp_path: Path) -> None:
    model = hypercube(tmp_path).as_posix()
    size = {"bases": 32, "repeats": 4, "levels": 12, "steps": 40}
    whole = diffwin.probe(model=model, out=tmp_path / "whole", **size)
    command = f"import diffwin; diffwin.probe(model={model!r}, out={str(tmp_path / 'cut')!r}, **{size!r})"
    _kill_when_under_way(command, tmp_path / "cut")
    left = len(diffwin.open_run(tmp_path / "cut").samples)
    assert 0 < left < len(whole.samples)
    subprocess.run([sys.executable, "-c", command], check=True)
    assert _windows(tmp_path / "cut") == _windows(tmp_path / "whole")


def test_an_adaptive_run_that_is_killed_ends_with_the_same_numbers(tmp_path: Path) -> None:
    model, size = hypercube(tmp_path).as_posix(), {"budget": 12_000, "steps": 40}
    whole = diffwin.probe(model=model, out=tmp_path / "whole", **size)
    assert 0.9 * 12_000 < whole.evaluations <= 12_000
    command = f"import diffwin; diffwin.probe(model={model!r}, out={str(tmp_path / 'cut')!r}, **{size!r})"
    _kill_when_under_way(command, tmp_path / "cut", since=300)  # after the first look, 240 regenerations
    left = len(diffwin.open_run(tmp_path / "cut").samples)
    assert 0 < left < len(whole.samples)
    subprocess.run([sys.executable, "-c", command], check=True)
    assert _windows(tmp_path / "cut") == _windows(tmp_path / "whole")


def test_a_run_asked_for_a_precision_stops_when_every_decision_has_it(tmp_path: Path) -> None:
    model = hypercube(tmp_path, sizes=(10.0, 3.0)).as_posix()
    run = diffwin.probe(model=model, precision=0.5, steps=40, out=tmp_path / "run")
    halves = run.windows.query("group == 'all'").eval("decision_high - decision_low") / 2
    assert halves.le(0.5).all()
    assert run.evaluations < PATIENCE * GENERATIONS * 40
    spent: list[int] = []
    diffwin.probe(
        model=model, precision=0.5, steps=40, out=tmp_path / "run", progress=lambda done, total: spent.append(done)
    )
    assert spent == []
    capped = diffwin.probe(
        model=model, precision=0.01, precision_groups=0.02, budget=9_000, steps=40, out=tmp_path / "capped"
    )
    assert capped.evaluations <= 9_000
    short = [caveat for caveat in capped.findings().caveats if "was asked for and not reached" in caveat]
    assert any("so they are 10% wider" in caveat for caveat in capped.findings().caveats)
    assert [caveat.split(" in ")[0] for caveat in short] == ["A half-width of 0.01", "A half-width of 0.02"]


def test_the_rounds_of_an_adaptive_run_keep_the_slots_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """New bases and regenerations of old ones share the slots; one after the other fill 90 % of them."""
    filled = []
    step = Engine._step

    def counted(engine: Engine, slots: Any, drawer: Any) -> None:
        filled.append(len(slots.rows) / engine.settings.slots)
        step(engine, slots, drawer)

    monkeypatch.setattr(Engine, "_step", counted)
    model = hypercube(tmp_path, sizes=(10.0, 3.0)).as_posix()
    diffwin.probe(model=model, budget=20_000, steps=25, slots=32, out=tmp_path / "run")
    assert np.mean(filled) > 0.93


def test_an_adaptive_branch_run_has_the_states_of_any_level(tmp_path: Path) -> None:
    model = hypercube(tmp_path, sizes=(10.0,)).as_posix()
    run = diffwin.probe(model=model, mode="branch", budget=9_000, steps=40, out=tmp_path / "run")
    assert run.windows.query("group == 'all'")["status"].eq("found").all()
    assert len(run.levels) > 10  # levels that no first look had


def _kill_when_under_way(command: str, folder: Path, since: int = 100) -> None:
    """Start a run and kill it as soon as its ledger holds so many regenerations."""
    with subprocess.Popen([sys.executable, "-c", command]) as process:
        while process.poll() is None:
            if (folder / "run.sqlite").exists() and _regenerations(folder) > since:
                os.kill(process.pid, signal.SIGKILL)
                break
            time.sleep(0.01)


def _regenerations(folder: Path) -> int:
    import sqlite3

    try:
        with sqlite3.connect(f"file:{folder / 'run.sqlite'}?mode=ro", uri=True) as connection:
            return int(connection.execute("SELECT count(*) FROM samples WHERE level > 0").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def test_branch_survival_is_the_same_law_for_an_exact_score(tmp_path: Path) -> None:
    model = hypercube(tmp_path, sizes=(10.0,)).as_posix()
    size = {"bases": 200, "repeats": 1, "levels": 6, "steps": 40}
    renoise = diffwin.probe(model=model, out=tmp_path / "renoise", **size)
    branch = diffwin.probe(model=model, mode="branch", out=tmp_path / "branch", **size)
    first, second = (run.curves.query("group == 'all'").set_index("level") for run in (renoise, branch))
    error = np.sqrt(0.25 / 200 + 0.25 / 200)  # a base counts once, and never varies more than a coin
    assert np.all(np.abs(first["survival"] - second["survival"]) <= 4 * error)


def test_deterministic_branches_return_their_base(tmp_path: Path) -> None:
    model = hypercube(tmp_path, sizes=(10.0,)).as_posix()
    run = diffwin.probe(model=model, mode="branch", solver="euler", out=tmp_path / "run", **SMALL)
    assert run.curves.query("group == 'all'")["survival"].eq(1.0).all()
    assert run.summary()["stochastic"] is False


def test_a_prompt_for_a_world_without_prompts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="takes no prompt"):
        diffwin.probe("a cook", model=hypercube(tmp_path).as_posix(), out=tmp_path / "run", **SMALL)
    assert not (tmp_path / "run").exists()


def test_a_plan_can_be_priced_without_running_it(tmp_path: Path) -> None:
    job = prepare(Plan.make(model=hypercube(tmp_path).as_posix(), **SMALL))
    assert job.cost() == 16 * (30 + 2 * sum(job.process.grid.spread(6)))


def test_the_number_of_slots_changes_nothing(tmp_path: Path) -> None:
    model = hypercube(tmp_path).as_posix()
    runs = [diffwin.probe(model=model, slots=slots, out=tmp_path / f"{slots}", **SMALL) for slots in (1, 7, 64)]
    first, *others = [run.curves for run in runs]
    for other in others:
        pd.testing.assert_frame_equal(first, other)


def test_reading_on_a_thread_beside_the_network_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = hypercube(tmp_path).as_posix()
    plain = diffwin.probe(model=model, out=tmp_path / "plain", **SMALL)
    monkeypatch.setattr(Diffusion, "device", "cuda")
    readers: set[str] = set()
    render = MixtureProcess.render

    def rendered(process: MixtureProcess, states: Sequence[State]) -> Samples:
        readers.add(threading.current_thread().name)
        return render(process, states)

    monkeypatch.setattr(MixtureProcess, "render", rendered)
    beside = diffwin.probe(model=model, out=tmp_path / "beside", **SMALL)
    pd.testing.assert_frame_equal(beside.observations, plain.observations)
    assert {name.partition("_")[0] for name in readers} == {"reader"}


def test_work_beside_keeps_its_order_and_waits_for_the_slow() -> None:
    made: list[int] = []
    done: list[int] = []

    def items() -> Iterator[int]:
        for item in range(8):
            made.append(item)
            yield item

    def work(item: int) -> int:
        time.sleep(0.01)
        done.append(item)
        assert len(made) - len(done) <= WAITING + 2  # one is made while others wait
        return item**2

    assert list(ahead(work, items(), beside=True)) == [(item, item**2) for item in range(8)]


def test_a_fault_in_work_beside_is_raised_where_it_is_waited_for() -> None:
    with pytest.raises(ZeroDivisionError):
        list(ahead(lambda item: 1 // item, iter([1, 0, 2]), beside=True))


def test_a_new_probe_reads_the_pictures_that_are_kept(tmp_path: Path) -> None:
    size = {"bases": 6, "repeats": 1, "levels": 2, "steps": 8}
    one = diffwin.probe(model="noto-emoji", probes=["truth:gender"], out=tmp_path / "run", **size)
    assert set(one.curves["feature"]) == {"gender"}
    spent: list[int] = []
    both = ["truth:gender", "truth:background"]
    two = diffwin.probe(
        model="noto-emoji", probes=both, out=tmp_path / "run", progress=lambda done, total: spent.append(done), **size
    )
    assert spent == []
    fresh = diffwin.probe(model="noto-emoji", probes=both, out=tmp_path / "fresh", **size)
    assert _windows(two.folder) == _windows(fresh.folder)


def test_the_model_that_ships_runs_from_prompt_to_report(tmp_path: Path) -> None:
    size = {"bases": 4, "repeats": 1, "levels": 2, "steps": 4}
    run = diffwin.probe("a cook on a blue background", out=tmp_path / "run", **size)
    assert set(run.windows["feature"]) == {"background", "gender", "occupation", "skin-tone"}
    assert run.windows.query("group == 'all'")["status"].eq("too-few").all()
    pictures = sorted((run.folder / "images").rglob("*.png"))
    assert len(pictures) == len(run.samples) == 4 * (1 + 2)
    assert run.record["model"]["provenance"]["content"]
    assert (run.folder / "report.html").stat().st_size > 50_000


def test_another_probe_of_a_feature_already_read_is_refused(tmp_path: Path) -> None:
    size = {"bases": 2, "repeats": 1, "levels": 1, "steps": 4, "model": "noto-emoji", "out": tmp_path / "run"}
    diffwin.probe(probes=["truth:gender"], **size)
    with pytest.raises(BadInput, match="read here by another probe"):
        diffwin.probe(probes=["emoji-gender"], **size)
