"""Plans: defaults, refusals in one line, and the folder a plan writes to."""

from __future__ import annotations

import pytest

from diffwin.errors import BadInput
from diffwin.plan import IDENTITY, Plan


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("bases", -3, "--bases"),
        ("bases", "many", "--bases"),
        ("repeats", 0, "--repeats"),
        ("levels", 0, "--levels"),
        ("steps", 0, "--steps"),
        ("seed", -1, "--seed"),
        ("seed", 2**63, "--seed"),
        ("guidance", float("nan"), "--guidance"),
        ("guidance", float("inf"), "--guidance"),
        ("mode", "sideways", "--mode"),
        ("prompts", ("  ",), "--prompt: a prompt is empty"),
        ("prompts", ("a\0b",), "NUL"),
        ("prompts", ("a\ud800b",), "Unicode"),
        ("prompts", ("x" * 100_001,), "characters"),
        ("nonsense", 1, "nonsense"),
    ],
)
def test_bad_fields_get_one_line(field: str, value: object, words: str) -> None:
    with pytest.raises(BadInput) as caught:
        Plan.make(**{field: value})
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_prompts_repeat_once() -> None:
    assert Plan.make(prompts=("a", "b", "a")).prompts == ("a", "b")


def test_the_same_plan_finds_its_folder_again_and_another_does_not() -> None:
    plan = Plan.make(prompts=("a cook",))
    assert plan.default_folder() == Plan.make(prompts=("a cook",), bases=99).default_folder()
    assert plan.default_folder() != Plan.make(prompts=("a cook",), seed=1).default_folder()


@pytest.mark.parametrize("prompt", ["../../etc/passwd", "</script>", "a/b", "日本語", "..", "-rf", "x" * 9000, "con"])
def test_folders_from_prompts_stay_under_runs(prompt: str) -> None:
    folder = Plan.make(prompts=(prompt,), model="../odd model").default_folder()
    assert folder.parts[0] == "runs"
    assert len(folder.parts) == 2
    assert len(folder.name) < 100
    assert not folder.name.startswith((".", "-"))


def test_identity_names_real_fields() -> None:
    assert set(IDENTITY) <= set(Plan.model_fields)
