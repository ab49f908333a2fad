"""The same command again has nothing to do, and anything that could change its numbers makes it work again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import diffwin
from diffwin import settled
from diffwin.errors import BadInput
from diffwin.ledger import Ledger, Sample
from diffwin.plan import Plan
from diffwin.run import run
from diffwin.trials import Trial
from worlds import SET, TWO, hypercube, write

SMALL = {"bases": 8, "repeats": 1, "levels": 3, "steps": 12}


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return Plan.make(model=hypercube(tmp_path).as_posix(), **SMALL)


@pytest.fixture
def folder(plan: Plan, tmp_path: Path) -> Path:
    run(plan, tmp_path / "run")
    assert settled.folder_of(plan, tmp_path / "run") == tmp_path / "run"
    return tmp_path / "run"


def test_the_same_command_again_and_show_load_neither_torch_nor_pandas(folder: Path, plan: Plan) -> None:
    options = [f"--{name}={value}" for name, value in SMALL.items()]
    again = ["probe", "--model", plan.model, "--out", str(folder), *options, "--json"]
    for command in (again, ["show", str(folder)]):
        code = f"import sys; sys.argv = ['diffwin', *{command!r}]\nfrom diffwin.cli.main import main\nmain()\n"
        code += "assert not {'torch', 'pandas', 'scipy', 'matplotlib'} & set(sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        if command is again:
            assert json.loads(done.stdout) == diffwin.open_run(folder).summary()


def test_a_run_without_a_named_folder_is_found_again(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert settled.folder_of(plan, None) is None
    made = run(plan)
    assert settled.folder_of(plan, None) == made.folder
    assert settled.folder_of(plan, made.folder) is None, "another command, whose folder is named"


def test_another_plan_is_not_whole(folder: Path, plan: Plan) -> None:
    for change in ({"bases": 9}, {"seed": 1}, {"probes": ("truth:axis0",)}, {"slots": 4}):
        assert settled.folder_of(plan.model_copy(update=change), folder) is None


@pytest.mark.parametrize("name", settled.RESULTS)
def test_a_result_that_is_gone_is_written_again(name: str, folder: Path, plan: Plan) -> None:
    (folder / name).unlink()
    assert settled.folder_of(plan, folder) is None


def test_a_model_that_changed_is_looked_at_again(folder: Path, plan: Plan) -> None:
    path = Path(plan.model)
    before = path.stat()
    path.write_text(path.read_text().replace("30.0", "31.0"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    with pytest.raises(BadInput, match="another plan"):
        run(plan, folder)


def test_windows_of_a_ledger_that_grew_or_of_another_diffwin_are_not_taken(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settled.summary(folder) == json.loads((folder / "windows.json").read_text())
    with monkeypatch.context() as patched:
        patched.setattr(settled, "_code", lambda: "another")
        assert settled.summary(folder) is None
    with Ledger.writing(folder) as ledger:
        ledger.add([Sample(Trial("", 0, 1, 7), 1, None, None, {"axis0": np.array([1.0, 0.0])})])
    assert settled.summary(folder) is None


def test_windows_that_were_edited_are_not_taken(folder: Path) -> None:
    path = folder / "windows.json"
    path.write_text(path.read_text().replace("found", "lost"))
    assert settled.summary(folder) is None


def test_a_model_that_changes_while_it_is_read_leaves_no_seal(plan: Plan) -> None:
    changed = Path(plan.model).stat().st_mtime
    assert settled.Seal.of(plan, (), named=True, since=changed - 1).files is None
    assert settled.Seal.of(plan, (), named=True, since=changed + 1).files is not None


def test_every_file_of_a_model_and_its_probes_is_watched(tmp_path: Path) -> None:
    def names(plan: Plan, *probes: str) -> set[str]:
        found = settled.stamps(plan, probes)
        assert found is not None
        return {Path(path).name for path in found}

    world = write(tmp_path, SET)
    (tmp_path / "set.npz").write_bytes(b"images")
    assert names(Plan.make(model=world.as_posix())) == {"world.toml", "set.npz"}
    assert names(Plan.make(model=write(tmp_path, TWO).as_posix()), "truth:colour") == {"world.toml"}
    trained = names(Plan.make(), "emoji-gender")
    assert {"model_index.json", "diffusion_pytorch_model.safetensors"} <= trained
    assert {"emoji-gender.toml", "open_clip_model.safetensors", "confusion.json"} <= trained


def test_a_model_on_the_hub_is_known_only_by_its_commit() -> None:
    assert settled.stamps(Plan.make(model="owner/name"), ()) is None
    assert settled.stamps(Plan.make(model="owner/name", revision="main"), ()) is None
    assert settled.stamps(Plan.make(model="owner/name", revision="0123456789" * 4), ()) == {}


@pytest.mark.parametrize(("model", "files"), [("owner/name", None), (f"owner/name@{'0123456789' * 4}", ["asks.toml"])])
def test_a_probe_on_the_hub_is_known_only_by_its_commit(model: str, files: list[str] | None, tmp_path: Path) -> None:
    labels = "".join(f'[[label]]\nname = "{name}"\nanswers = ["{name}"]\n' for name in ("yes", "no"))
    asks = f'kind = "vqa"\nfeature = "f"\nmodel = "{model}"\nquestion = "is it?"\n{labels}'
    (tmp_path / "asks.toml").write_text(f'name = "asks"\nversion = 1\ndescription = "d"\nsource = "s"\n{asks}')
    world = write(tmp_path, TWO)
    found = settled.stamps(Plan.make(model=world.as_posix()), [str(tmp_path / "asks.toml")])
    assert (None if found is None else [Path(path).name for path in found if path != str(world)]) == files
