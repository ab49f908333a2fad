"""What a run says of itself, from its ledger alone."""

from __future__ import annotations

from pathlib import Path

import diffwin
from worlds import hypercube


def test_the_settings_count_what_was_made(tmp_path: Path) -> None:
    size = {"model": hypercube(tmp_path, (3.0,)).as_posix(), "bases": 8, "steps": 12, "out": tmp_path / "run"}
    even = diffwin.probe(repeats=1, levels=4, **size)
    assert even.findings().settings["regenerations"] == "1 a base and level"
    uneven = diffwin.probe(repeats=3, levels=1, **size)
    assert uneven.findings().settings["regenerations"] == "8 to 24 a level"


def test_a_world_is_reported_with_its_prediction(tmp_path: Path) -> None:
    size = {"bases": 8, "repeats": 1, "levels": 4, "steps": 12}
    run = diffwin.probe(model=hypercube(tmp_path, (3.0,)).as_posix(), out=tmp_path / "run", **size)
    whole, *labels = run.findings().predicted["axis0"]
    assert (whole.group, [curve.group for curve in labels]) == ("all", ["plus", "minus"])
    (tmp_path / "hypercube.toml").unlink()
    assert diffwin.open_run(tmp_path / "run").findings().predicted == {}
