from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from diffwin.errors import BadInput
from diffwin.probes.definition import load_definition, shipped_definitions

CLIP = """
name = "mood"
version = 1
kind = "clip"
feature = "mood"
description = "How it looks."
source = "a test"
"""
LABELS = """
[[label]]
name = "glad"
phrases = ["a glad cook"]
[[label]]
name = "sad"
phrases = ["a sad cook"]
"""


def write(folder: Path, text: str) -> str:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_file_of_the_users_own_is_read_whole(mood: Path) -> None:
    definition = load_definition(str(mood))
    assert definition.label_names == ("glad", "triste é")
    assert definition.labels[0].phrases == ("a happy cook", "a smiling cook")
    assert (definition.version, len(definition.digest)) == (3, 16)
    assert definition.measured_confusion() is None


def test_the_digest_follows_the_file(tmp_path: Path) -> None:
    one = load_definition(write(tmp_path, CLIP + LABELS)).digest
    assert load_definition(write(tmp_path, CLIP + LABELS)).digest == one
    assert load_definition(write(tmp_path, CLIP + LABELS.replace("glad cook", "merry cook"))).digest != one


def test_without_a_model_clip_reads_by_the_default_one(tmp_path: Path) -> None:
    assert load_definition(write(tmp_path, CLIP + LABELS)).clip_model == ("ViT-B-32", "laion2b_s34b_b79k")


COLOUR = (CLIP + LABELS).replace('"clip"', '"colour"')
BAD = {
    "unknown kind": (CLIP.replace('"clip"', '"palm-reading"') + LABELS, "kind"),
    "no kind": (CLIP.replace('kind = "clip"', "") + LABELS, "kind: Field required"),
    "unknown key": (CLIP + 'colour = "red"\n' + LABELS, "colour: Extra inputs are not permitted"),
    "unknown key of a label": (CLIP + LABELS + 'weight = "1"\n', "label.1.weight"),
    "no label": (CLIP, "0 labels given"),
    "one label": (CLIP + LABELS[: LABELS.rindex("[[label]]")], "1 labels given"),
    "duplicate labels": (CLIP + LABELS.replace('"sad"', '"Glad"'), "the label 'Glad' stands twice"),
    "empty label": (CLIP + LABELS.replace('"sad"', '" "'), "label.1.name"),
    "label all": (CLIP + LABELS.replace('"sad"', '"all"'), "the label all is taken"),
    "no phrases": (CLIP + LABELS.replace('phrases = ["a sad cook"]', ""), "the label sad has no phrases"),
    "phrase of two": (CLIP + LABELS.replace("a sad cook", "a glad cook"), "'a glad cook' stands twice"),
    "foreign means": (CLIP + LABELS + 'rgb = "#ff0000"\n', "the label sad has rgb"),
    "template": (CLIP + 'templates = ["a photo"]\n' + LABELS, "the template 'a photo' must hold"),
    "template with a name": (CLIP + 'templates = ["{} {x}"]\n' + LABELS, "must hold"),
    "no templates": (CLIP + "templates = []\n" + LABELS, "templates is empty"),
    "colour without rgb": (COLOUR, "the label glad has no rgb"),
    "rgb": (COLOUR.replace('phrases = ["a glad cook"]', 'rgb = "red"'), "label.0.rgb"),
    "classifier without a model": (
        (CLIP + LABELS).replace('"clip"', '"classifier"').replace("phrases", "classes"),
        "model is missing, which a probe of kind classifier needs",
    ),
    "truth with labels": ((CLIP + LABELS).replace('"clip"', '"truth"'), "takes its labels from the model"),
    "zero-shot without a model": (
        (CLIP + LABELS).replace('"clip"', '"zero-shot"'),
        "model is missing, which a probe of kind zero-shot needs",
    ),
    "a question to clip": (CLIP + 'question = "who?"\n' + LABELS, "question is given, which a probe of kind clip"),
    "templates for a colour": (
        COLOUR.replace('"mood"', '"m"', 1).replace("\n[[", '\ntemplates = ["a {}"]\n[[', 1),
        "templates is given, which a probe of kind colour does not read",
    ),
    "reserved name": ((CLIP + LABELS).replace('name = "mood"', 'name = "truth"'), "the name truth is taken"),
    "path as a name": ((CLIP + LABELS).replace('name = "mood"', 'name = "../mood"'), "name"),
    "margin": (CLIP + "abstain_below = 1.0\n" + LABELS, "abstain_below"),
    "not TOML": ("name = mood", "is not TOML"),
    "confusion shape": (CLIP + 'confusion = [[1.0]]\nconfusion_source = "x"\n' + LABELS, "2 x 2 matrix"),
    "confusion rows": (
        CLIP + 'confusion = [[0.9, 0.3], [0, 1]]\nconfusion_source = "x"\n' + LABELS,
        "probabilities that sum to one",
    ),
    "confusion unsourced": (CLIP + "confusion = [[1.0, 0], [0, 1]]\n" + LABELS, "confusion_source"),
    "counts alone": (CLIP + "confusion_counts = [3, 4]\n" + LABELS, "without a confusion matrix"),
}


@pytest.mark.parametrize("fault", BAD)
def test_every_bad_definition_gives_one_line(fault: str, tmp_path: Path) -> None:
    text, says = BAD[fault]
    path = write(tmp_path, text)
    with pytest.raises(BadInput) as raised:
        load_definition(path)
    line = str(raised.value)
    assert says in line
    assert line.startswith(f"probe {path}: ")
    assert "\n" not in line


def test_bytes_that_are_no_text_are_not_toml(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput, match="is not TOML"):
        load_definition(str(path))


def test_a_missing_file_and_an_unknown_name(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="No such file"):
        load_definition(str(tmp_path / "none.toml"))
    with pytest.raises(BadInput, match="unknown probe 'emoji-backgruond'; did you mean emoji-background"):
        load_definition("emoji-backgruond")
    with pytest.raises(BadInput, match="diffwin list probes"):
        load_definition("zzzz")


def test_measured_error_comes_from_the_definition_or_a_file_beside_it(tmp_path: Path) -> None:
    inline = 'confusion = [[0.9, 0.1], [0.33, 0.66]]\nconfusion_counts = [10, 20]\nconfusion_source = "us"\n'
    measured = load_definition(write(tmp_path, CLIP + inline + LABELS)).measured_confusion()
    assert measured is not None
    np.testing.assert_allclose(measured.matrix, [[0.9, 0.1], [1 / 3, 2 / 3]])
    assert (measured.counts, measured.source) == ((10, 20), "us")

    (tmp_path / "errors.json").write_text('{"mood": {"labels": ["sad", "glad"], "matrix": [[1, 0], [0.2, 0.8]]}}')
    beside = load_definition(write(tmp_path, CLIP + 'confusion_file = "errors.json"\n' + LABELS))
    from_file = beside.measured_confusion()
    assert from_file is not None
    np.testing.assert_allclose(from_file.matrix, [[0.8, 0.2], [0, 1]])


def test_a_confusion_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    definition = load_definition(write(tmp_path, CLIP + 'confusion_file = "none.json"\n' + LABELS))
    with pytest.raises(BadInput, match=r"probe mood, confusion_file: no file none\.json"):
        definition.measured_confusion()


def test_definitions_are_listed_without_torch() -> None:
    code = (
        "import sys; from diffwin.probes.definition import shipped_definitions as s; "
        "assert s(); assert not {'torch', 'open_clip', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_shipped_definitions_come_in_order() -> None:
    names = [definition.name for definition in shipped_definitions()]
    assert names == sorted(names)
