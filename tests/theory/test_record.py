"""What can be predicted of a run from its record alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from diffwin.theory import pair
from diffwin.theory.record import predicted_curves
from diffwin.worlds.read import read_world

PAIR = """
kind = "gaussian-mixture"
dimension = 3
[[component]]
weight = 1.0
axis = {0 = 8.0}
labels = {side = "left", name = "a"}
[[component]]
weight = 1.0
axis = {0 = -8.0}
labels = {side = "right", name = "b"}
"""


def record_of(path: Path, *, solver: str = "ddpm", mode: str = "renoise", eta: float = 0.0) -> dict[str, Any]:
    """As a run of the world at `path` writes it, in the parts that theory reads."""
    world = read_world(path)
    return {
        "plan": {"model": str(path), "mode": mode, "eta": eta},
        "model": {
            "name": world.name,
            "solver": solver,
            "stochastic": solver in ("ddpm", "sde-dpmpp-2m") or eta > 0,
            "provenance": world.provenance,
        },
        "labels": {name: list(feature.labels) for name, feature in world.features.items()},
    }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "pair.toml").write_text(PAIR, encoding="utf-8")
    return tmp_path / "pair.toml"


def test_a_stochastic_run_has_the_exact_curves(path: Path) -> None:
    found = predicted_curves(record_of(path))
    assert found is not None
    assert found.keys() == {"side", "name"}
    assert [curve.group for curve in found["side"]] == ["all", "left", "right"]
    axis = np.linspace(-8, 0, 50)
    np.testing.assert_allclose(found["side"][0].at(axis), pair.survival(pair.separation(16.0, axis)), atol=1e-5)


def test_a_deterministic_run_has_its_own_law(path: Path) -> None:
    found = predicted_curves(record_of(path, solver="euler"))
    assert found is not None
    axis = np.linspace(-8, 0, 50)
    expected = pair.deterministic_survival(pair.separation(16.0, axis))
    np.testing.assert_allclose(found["side"][1].at(axis), expected, atol=1e-5)
    assert predicted_curves(record_of(path, solver="euler", mode="branch")) is None


def test_a_deterministic_run_of_uneven_components_is_not_predicted(path: Path) -> None:
    path.write_text(PAIR.replace("weight = 1.0", "weight = 2.0", 1), encoding="utf-8")
    assert predicted_curves(record_of(path)) is not None
    assert predicted_curves(record_of(path, solver="euler")) is None


def test_noise_that_is_partly_kept_is_no_draw_from_the_posterior(path: Path) -> None:
    assert predicted_curves(record_of(path, solver="ddim", eta=0.5)) is None
    assert predicted_curves(record_of(path, solver="ddim", eta=1.0)) is not None


def test_only_features_read_with_the_worlds_own_labels_are_predicted(path: Path) -> None:
    record = record_of(path)
    record["labels"] = {"side": ["left", "right"], "name": ["a", "b", "c"], "colour": ["red"]}
    assert (predicted_curves(record) or {}).keys() == {"side"}
    record["labels"] = {"colour": ["red"]}
    assert predicted_curves(record) is None


def test_a_world_that_is_gone_or_changed_is_not_predicted(path: Path) -> None:
    record = record_of(path)
    path.write_text(PAIR.replace("8.0", "9.0"), encoding="utf-8")
    assert predicted_curves(record) is None
    path.unlink()
    assert predicted_curves(record) is None


def test_a_trained_model_is_not_predicted() -> None:
    record = {"plan": {"model": "emoji-sd"}, "model": {"provenance": {"kind": "trained"}}, "labels": {}}
    assert predicted_curves(record) is None


def test_predicting_brings_in_no_torch() -> None:
    code = "import sys, diffwin.theory.record; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
