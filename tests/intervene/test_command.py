"""`diffwin intervene` as a user runs it, on a small run of emoji-sd."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import diffwin
from diffwin.cli.main import main
from diffwin.intervene.arms import BALANCED, PILOT
from diffwin.pictures import load_pictures
from diffwin.probes.definition import load_definition
from diffwin.probes.identity import clip_space
from worlds import hypercube

HOSTILE = "</script><img src=x onerror=x>"
SIZE = ("--bases", "9", "--curve", "6", "--images", "9", "--width", "2", "--stride", "2", "--warm-up", "3")
ASKED = ("--to", "skin-tone:dark=a person with dark skin", "--balance", "skin-tone:dark=60%")


def intervene(*args: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, which ends by saying whether it brought in torch."""
    code = f"import sys; sys.argv = ['diffwin', 'intervene', *{args!r}]\n"
    code += "from diffwin.cli.main import main\nimport atexit\n"
    code += "atexit.register(lambda: print('TORCH' if 'torch' in sys.modules else 'LIGHT', file=sys.stderr))\nmain()"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=cwd)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("probed") / "run"
    diffwin.probe("a person", out=folder, steps=6, bases=12, repeats=1, levels=4)
    return folder


@pytest.fixture(scope="module")
def done(run: Path) -> Path:
    result = intervene(str(run), *ASKED, *SIZE)
    assert result.returncode == 0, result.stderr
    assert "dark 60% wanted" in result.stdout
    return run / "intervene"


def told(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "intervene.json").read_text()))


def test_the_folder_holds_what_was_found(done: Path) -> None:
    found = told(done)
    [test] = found["switch_tests"]
    assert [(each["start"], each["stop"]) for each in test["sliding"]] == [(6, 4), (4, 2), (2, 0)]
    assert test["compared"][0]["place"] == "inside"
    assert test["verdict"] in {"confirmed", "not confirmed", "no room"}
    assert test["throughout"]["value"] > 0.3  # a prompt that names the tone is followed
    assert test["uncorrected"] == ""  # emoji-skin-tone's errors were measured, and are few
    assert test["corrected"]["throughout"]["value"] == pytest.approx(test["throughout"]["value"], abs=0.03)
    [balancing] = found["balancing"]
    assert [way["way"] for way in balancing["ways"]] == ["inside the window", "at all steps", "after the warm-up"]
    for way in balancing["ways"]:
        assert set(way["kept"]) == {"background", "gender", "occupation"}
        assert 0 <= way["acted"] <= 1
    assert balancing["ways"][1]["reached"]["dark"]["value"] == pytest.approx(0.6, abs=0.35)
    assert balancing["ways"][1]["distance"]["value"] > 0
    effects, balance = (pd.read_csv(done / name) for name in ("effects.csv", "balance.csv"))
    assert {"the whole window", "all steps", "inside, compared"} <= set(effects["lies"])
    assert list(effects.columns)[-3:] == ["corrected", "corrected_low", "corrected_high"]
    assert np.isfinite(effects["corrected"]).all()
    assert set(balance["way"]) == {way["way"] for way in balancing["ways"]}
    for name in ("report.html", "report.md", "figures/effects.svg", "figures/effects.png"):
        assert (done / name).stat().st_size > 500, name


def test_windows_are_tested_on_other_pictures_than_those_that_found_them(run: Path, done: Path) -> None:
    with sqlite3.connect(done / "run.sqlite") as ledger:
        bases = {base for (base,) in ledger.execute("SELECT DISTINCT base FROM samples")}
    assert bases == {*range(PILOT, PILOT + 9), *range(BALANCED, BALANCED + 9)}
    with sqlite3.connect(run / "run.sqlite") as ledger:
        assert ledger.execute("SELECT max(base) FROM samples").fetchone()[0] < PILOT


def test_the_same_command_again_needs_no_model(run: Path, done: Path) -> None:
    before = told(done)
    again = intervene(str(run), *ASKED, *SIZE, "--json")
    assert again.returncode == 0, again.stderr
    assert again.stderr.strip().endswith("LIGHT")
    assert json.loads(again.stdout) == before == told(done)


def test_killed_and_run_again_it_ends_the_same(run: Path, done: Path, tmp_path: Path) -> None:
    copy, ledger = tmp_path / "run", tmp_path / "run" / "intervene" / "run.sqlite"
    shutil.copytree(run, copy, ignore=shutil.ignore_patterns("intervene"))
    command = [sys.executable, "-m", "diffwin", "intervene", str(copy), *ASKED, *SIZE]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            if ledger.exists() and _samples(ledger) > 0:
                os.kill(process.pid, signal.SIGKILL)
                break
            time.sleep(0.01)
    assert not (copy / "intervene" / "intervene.json").exists()
    assert 0 < _samples(ledger) < _samples(done / "run.sqlite")
    assert intervene(str(copy), *ASKED, *SIZE).returncode == 0
    assert told(copy / "intervene") == told(done)


def _samples(ledger: Path) -> int:
    try:
        with sqlite3.connect(f"file:{ledger}?mode=ro", uri=True) as connection:
            return int(connection.execute("SELECT count(*) FROM samples").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def test_the_encoder_of_the_run_says_what_changed(done: Path) -> None:
    """Distances and agreement against the encoder itself, in the pictures of the folder."""
    space = clip_space(load_definition("emoji-skin-tone"), "cpu")
    [balancing] = told(done)["balancing"]
    assert balancing["features_of"] == space.name == "CLIP, emoji-clip"
    with sqlite3.connect(done / "run.sqlite") as ledger:
        made = ledger.execute("SELECT text, base, image FROM samples JOIN prompts ON id = prompt").fetchall()
    # by what the model was told, and when, of each base
    seen = {(*json.loads(arm)[1:], base): space.embed(load_pictures(done, [path]))[0] for arm, base, path in made}
    assert space.embed_texts is not None
    words, images = space.embed_texts(["a person"])[0], range(BALANCED, BALANCED + 9)
    for way in balancing["ways"]:
        told_then = ("a person with dark skin", way["start"], way["stop"])
        now = np.stack([seen[base,] for base in images])
        then = np.stack([seen.get((*told_then, base), seen[base,]) for base in images])
        assert way["feature_distance"]["value"] == pytest.approx(1 - np.mean((now * then).sum(axis=1)), abs=1e-6)
        assert way["agreement"]["value"] == pytest.approx(np.mean(then @ words), abs=1e-6)
        assert way["agreement_gained"]["value"] == pytest.approx(np.mean(then @ words - now @ words), abs=1e-6)
    assert balancing["ways"][1]["feature_distance"]["value"] > 0.01


def test_a_folder_without_these_numbers_gets_them_from_its_pictures(run: Path, done: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    with sqlite3.connect(copy / "intervene" / "run.sqlite") as ledger:
        ledger.execute("DELETE FROM measures")
        ledger.execute("DELETE FROM meta WHERE name = 'space'")
    before = _samples(copy / "intervene" / "run.sqlite")
    assert intervene(str(copy), *ASKED, *SIZE).returncode == 0
    assert told(copy / "intervene") == told(done)
    assert _samples(copy / "intervene" / "run.sqlite") == before


def test_a_hostile_prompt_is_shown_as_text(run: Path, tmp_path: Path) -> None:
    size = ("--bases", "2", "--width", "6", "--out", str(tmp_path / "out"))
    result = intervene(str(run), "--to", f"skin-tone:dark={HOSTILE}", *size)
    assert result.returncode == 0, result.stderr
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<img src=x" not in page
    assert "&lt;/script&gt;&lt;img src=x onerror=x&gt;" in page
    assert "<img" not in (tmp_path / "out" / "report.md").read_text()
    assert told(tmp_path / "out")["switch_tests"][0]["verdict"] == "too few"


def test_what_it_would_cost_is_said_without_doing_it(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = intervene(str(run), *ASKED[:2], "--bases", "5", "--width", "6", "--out", str(out), "--dry-run")
    assert result.returncode == 0, result.stderr
    assert "network rows into" in result.stdout
    assert not out.exists()


BAD = {
    "no prompt to act with": ([], "no attribute prompt"),
    "unknown feature": (["--to", "gendre:woman=a woman"], "did you mean gender"),
    "unknown label": (["--to", "gender:lady=a woman"], "woman, man, person"),
    "the prompt itself": (["--to", "gender:person=a person"], "is the prompt itself"),
    "unknown prompt": (["--to", "gender:man=a man", "--prompt", "a cook"], "no prompt of this run"),
    "a prompt the model cannot read": (["--to", "skin-tone:dark=" + "a man " * 40], "tokens"),
    "a share without a prompt": (["--to", "skin-tone:dark=a man", "--balance", "background:red=0.5"], "no prompt acts"),
    "too wide": (["--to", "skin-tone:dark=a man", "--width", "7"], "--width"),
    "a warm-up of all steps": ([*ASKED, "--warm-up", "6"], "--warm-up"),
    "unknown device": (["--to", "skin-tone:dark=a man", "--device", "tpu"], "--device"),
}


@pytest.mark.parametrize("case", BAD, ids=BAD.keys())
def test_bad_input_gets_one_line_and_status_2(
    case: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    args, words = BAD[case]
    assert words in _refused(monkeypatch, capsys, str(run), *args, "--out", str(tmp_path / "out"))
    assert list(tmp_path.iterdir()) == []


def test_a_run_without_windows_to_act_in_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few, points = tmp_path / "few", tmp_path / "points"
    diffwin.probe("a cook", out=few, steps=2, bases=2, repeats=1, levels=1)
    line = _refused(monkeypatch, capsys, str(few), "--to", "gender:man=a man")
    assert "no window of gender was found for 'a cook' (too-few" in line
    assert not (few / "intervene").exists()
    diffwin.probe(model=hypercube(tmp_path).as_posix(), out=points, bases=8, repeats=1, levels=3, steps=12)
    assert "takes no prompt" in _refused(monkeypatch, capsys, str(points), "--to", "axis0:plus=a plus")
    assert "run.sqlite" in _refused(monkeypatch, capsys, str(tmp_path / "none"), "--to", "axis0:plus=a plus")


def _refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *args: str) -> str:
    """The one line that the command answers with, and status 2."""
    monkeypatch.setattr(sys, "argv", ["diffwin", "intervene", *args])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    line = capsys.readouterr().err.strip()
    assert "\n" not in line, line
    return line
