"""The ledger holds what was written, refuses another plan, another writer and what is not a ledger."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from diffwin.errors import BadInput
from diffwin.ledger import Ledger, Sample
from diffwin.trials import Base, Trial


def _sample(level: int = 3, repeat: int = 0, reading: object = (0.25, 0.75)) -> Sample:
    trial = Trial("a cook", 1, level, repeat)
    return Sample(trial, level, f"images/{level}.png", None, {"gender": np.array(reading, float)})


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    state = np.arange(6, dtype=np.float32).reshape(1, 2, 3)
    with Ledger.writing(tmp_path) as ledger:
        ledger.add([_sample(), _sample(repeat=1, reading=(np.nan, np.nan))], [(Base("a cook", 1), 0, state)])
        ledger.put(record={"ä": [1, 2]})
    with Ledger.reading(tmp_path) as ledger:
        assert ledger.get("record") == {"ä": [1, 2]}
        assert ledger.get("nothing") is None
        np.testing.assert_array_equal(ledger.state("a cook", 1, 0), state)
        assert ledger.kept("a cook") == {(1, 0)}
        rows = ledger.observations()
        assert rows["label"].tolist()[0] == 1
        assert np.isnan(rows["label"].tolist()[1])
        assert np.frombuffer(rows["probabilities"][0], "<f8").tolist() == [0.25, 0.75]
        assert ledger.samples()["evaluations"].sum() == 6


def test_writing_a_sample_twice_keeps_one(tmp_path: Path) -> None:
    with Ledger.writing(tmp_path) as ledger:
        ledger.add([_sample()])
        ledger.add([_sample()])
        assert len(ledger.samples()) == len(ledger.observations()) == 1


def test_parts_hold_every_row_once_and_each_base_before_its_regenerations(tmp_path: Path) -> None:
    with Ledger.writing(tmp_path) as ledger:
        for prompt, base, level in product(("b", "a"), range(7), (2, 0, 1)):
            readings = {"f": np.array([1.0, 0.0]), "g": np.array([np.nan, np.nan])}
            ledger.add([Sample(Trial(prompt, base, level, 0), level, None, None, readings)])
        parts = list(ledger.observations_in_parts(5))
        joined = pd.concat(parts, ignore_index=True)
        order = ["prompt", "feature", "base", "level", "repeat"]
        pd.testing.assert_frame_equal(joined.sort_values(order, ignore_index=True), ledger.observations())
        assert max(map(len, parts)) == 5
        at = {
            key: where
            for where, key in enumerate(joined[["prompt", "base", "level", "feature"]].itertuples(index=False))
        }
        assert all(at[prompt, base, 0, feature] <= where for (prompt, base, _, feature), where in at.items())
        samples = pd.concat(ledger.samples_in_parts(5), ignore_index=True)
        pd.testing.assert_frame_equal(
            samples.sort_values(["prompt", "base", "level"], ignore_index=True), ledger.samples()
        )
        assert ledger.evaluations() == samples["evaluations"].sum()


def test_changes_count_what_is_written(tmp_path: Path) -> None:
    with Ledger.writing(tmp_path) as ledger:
        assert ledger.changes == 0
        ledger.add([_sample()])
        ledger.put(record={})
        ledger.add([_sample(repeat=1), _sample(repeat=2)])
        assert ledger.changes == 2


def test_another_plan_is_refused_with_the_difference(tmp_path: Path) -> None:
    with Ledger.writing(tmp_path) as ledger:
        ledger.claim({"seed": 0, "model": "a"})
        ledger.claim({"seed": 0, "model": "a"})
    with Ledger.writing(tmp_path) as ledger, pytest.raises(BadInput, match=r"seed 0 there, 1 here") as caught:
        ledger.claim({"seed": 1, "model": "a"})
    assert "\n" not in str(caught.value)
    assert "--out" in str(caught.value)


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    other = "from diffwin.ledger import Ledger\nfrom pathlib import Path\n"
    other += f"with Ledger.writing(Path({str(tmp_path)!r})): pass"
    with Ledger.writing(tmp_path):
        result = subprocess.run([sys.executable, "-c", other], capture_output=True, text=True, check=False)
    assert "another process is writing here" in result.stderr
    assert subprocess.run([sys.executable, "-c", other], check=False).returncode == 0


def test_what_is_not_a_ledger_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no run\.sqlite"), Ledger.reading(tmp_path):
        pass
    (tmp_path / "run.sqlite").write_bytes(b"not a database at all, but long enough to look like a file" * 20)
    with pytest.raises(BadInput, match="not a run's ledger"), Ledger.reading(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot write here"), Ledger.writing(tmp_path / "file" / "run"):
        pass


def test_killed_writer_loses_only_what_was_in_flight(tmp_path: Path) -> None:
    script = textwrap.dedent(f"""
        import numpy as np
        from pathlib import Path
        from diffwin.ledger import Ledger, Sample
        from diffwin.trials import Trial
        with Ledger.writing(Path({str(tmp_path)!r})) as ledger:
            for i in range(100000):
                ledger.add([Sample(Trial("p", i, 0, 0), 1, None, None, {{"f": np.array([1.0, 0.0])}})])
                if i == 20:
                    print("going", flush=True)
    """)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
    with Ledger.writing(tmp_path) as ledger:
        samples, observations = ledger.samples(), ledger.observations()
    assert len(samples) == len(observations) >= 20
    assert samples["base"].tolist() == list(range(len(samples)))
