from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from diffwin.errors import BadInput
from diffwin.probes.clip import ClipProbe
from diffwin.probes.load import load_probes

COLOURS = ("red", "blue")


@pytest.fixture
def knowing(world: object) -> object:
    world.feature_labels = {"colour": COLOURS, "shape": ("disc", "square")}  # type: ignore[attr-defined]
    return world


@pytest.mark.parametrize("names", [[], ["truth"], ["truth:colour", "truth:shape"]])
def test_a_world_reads_its_own_truth(names: list[str], knowing: object) -> None:
    probes = load_probes(names, knowing)  # type: ignore[arg-type]
    assert [probe.name for probe in probes] == ["truth:colour", "truth:shape"]
    assert probes[0].labels == COLOURS
    assert probes[0].confusion is not None
    np.testing.assert_array_equal(probes[0].confusion.matrix, np.eye(2))
    np.testing.assert_array_equal(probes[0].read(np.array([[1.0], [-1.0]])), [[0, 1], [1, 0]])


def test_a_truth_probe_can_be_written_down(knowing: object, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        'name = "paint"\nversion = 1\nkind = "truth"\nfeature = "colour"\ndescription = "d"\nsource = "s"\n'
    )
    (probe,) = load_probes([str(path)], knowing)  # type: ignore[arg-type]
    assert (probe.name, probe.labels) == ("paint", COLOURS)


def test_truth_of_what_is_not_known(world: object, knowing: object) -> None:
    with pytest.raises(BadInput, match="does not know the true size of a sample; it knows colour, shape"):
        load_probes(["truth:size"], knowing)  # type: ignore[arg-type]
    world.feature_labels = {}  # type: ignore[attr-defined]
    with pytest.raises(BadInput, match="--probe truth: a world knows no labels exactly"):
        load_probes(["truth"], world)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="brings no probes of its own; name one or more"):
        load_probes([], world)  # type: ignore[arg-type]


def test_two_probes_of_one_feature_are_refused(world: object, mood: Path, tmp_path: Path) -> None:
    twin = tmp_path / "twin.toml"
    twin.write_text(mood.read_text(encoding="utf-8").replace('name = "mood"', 'name = "twin"'), encoding="utf-8")
    with pytest.raises(BadInput, match="mood and twin both read mood"):
        load_probes([str(mood), str(twin)], world)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="both read background-colour"):
        load_probes(["background-colour"] * 2, world)  # type: ignore[arg-type]


def test_probes_of_one_model_share_its_forward_pass(
    world: object, mood: Path, tmp_path: Path, pictures: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.toml"
    other.write_text(
        mood.read_text(encoding="utf-8").replace('"mood"', '"other"').replace("cook", "judge"), encoding="utf-8"
    )
    alone = [load_probes([str(file)], world)[0].read(pictures) for file in (mood, other)]  # type: ignore[arg-type]
    probes = load_probes([str(mood), str(other), "background-colour"], world)  # type: ignore[arg-type]
    first, second = probes[:2]
    assert isinstance(first, ClipProbe)
    assert isinstance(second, ClipProbe)
    assert first.encoder is second.encoder
    calls: list[int] = []
    encode = first.encoder.model.encode_image
    monkeypatch.setattr(
        first.encoder.model, "encode_image", lambda x, **options: calls.append(len(x)) or encode(x, **options)
    )
    together = [probe.read(pictures) for probe in probes]
    assert calls == [64, 6]
    for shared, single in zip(together, alone, strict=False):
        np.testing.assert_allclose(shared, single, atol=1e-6)
    assert not np.allclose(together[0], together[1])
