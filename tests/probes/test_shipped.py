"""What every shipped definition must keep; a new file in probes/ is tested by being there."""

from __future__ import annotations

import re
import shutil
import tomllib
from pathlib import Path

import pytest

from diffwin.models import split_hub_id
from diffwin.paths import data_folder
from diffwin.probes.definition import Definition, load_definition, shipped_definitions

FILES = sorted(data_folder("probes").glob("*.toml"))


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def file(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


@pytest.fixture
def definition(file: Path) -> Definition:
    return load_definition(file.stem)


def test_a_file_is_called_as_its_probe(file: Path, definition: Definition) -> None:
    assert definition.name == file.stem


def test_the_schema_holds_and_nothing_is_lost(file: Path, definition: Definition) -> None:
    written = tomllib.loads(file.read_text(encoding="utf-8"))
    kept = definition.model_dump(by_alias=True, exclude_unset=True, mode="json")
    assert kept == written


def test_a_copy_of_the_users_own_is_the_same_probe(file: Path, definition: Definition, tmp_path: Path) -> None:
    own = load_definition(str(shutil.copy(file, tmp_path)))
    assert own.model_dump() == definition.model_dump()
    assert own.digest == definition.digest
    if own.confusion_file is not None:
        assert own.locate(own.confusion_file) == definition.locate(own.confusion_file)


def test_labels_are_several_and_unique(definition: Definition) -> None:
    assert len(set(definition.label_names)) == len(definition.label_names) >= 2


def test_texts_of_different_labels_differ(definition: Definition) -> None:
    texts = [
        template.replace("{}", phrase)
        for label in definition.labels
        for phrase in label.phrases
        for template in definition.templates
    ]
    assert len(set(texts)) == len(texts)
    assert not any("  " in text or "{" in text for text in texts)


def test_people_are_read_as_sensitive(definition: Definition) -> None:
    assert definition.sensitive == (definition.feature in {"gender", "skin-tone", "age"})


def test_its_origin_is_told(definition: Definition) -> None:
    assert definition.description.endswith(".")
    assert definition.source.endswith(".")
    if definition.sensitive and definition.model != "emoji-clip":
        assert "erceived" in definition.description
    if split_hub_id(definition.model or "") and definition.locate(definition.model or "") is None:
        assert "licence " in definition.source
        assert definition.measured_confusion() or "Error not measured" in definition.description


def test_measured_error_fits_the_labels(definition: Definition) -> None:
    measured = definition.measured_confusion()
    if definition.confusion_file is not None:
        assert measured is not None
        assert measured.matrix.shape == (len(definition.labels),) * 2


def test_probes_of_one_world_read_different_features() -> None:
    emoji = [each.feature for each in shipped_definitions() if each.model == "emoji-clip" and each.kind == "clip"]
    assert sorted(emoji) == ["background", "gender", "occupation", "skin-tone"]


def test_the_examples_of_the_docs_are_definitions(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "probes.md").read_text(encoding="utf-8")
    kinds = []
    for i, example in enumerate(re.findall(r"```toml\n(.*?)```", page, re.DOTALL)):
        path = tmp_path / f"{i}.toml"
        path.write_text(example, encoding="utf-8")
        kinds.append(load_definition(str(path)).kind)
    assert kinds == ["zero-shot", "vqa"]
