"""How a model is loaded and run is asked for in the same words by every command that runs one."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

import tiny_pipelines
from command import diffwin
from diffwin.audit.carry import plans
from diffwin.audit.suite import load_suite
from diffwin.cli import options
from diffwin.plan import Plan
from diffwin.privacy.plan import PrivacyPlan

GIVEN = {
    "solver": "ddim", "eta": 0.5, "steps": 4, "guidance": 3.0, "negative_prompt": "a dog", "size": "32x16",
    "lora": ["a.safetensors"], "embedding": ["b.safetensors"], "vae": "c", "seed": 7, "device": "cpu",
    "dtype": "bfloat16", "slots": 3, "compile": True, "revision": "main",
}  # fmt: skip


def parsed(*args: str, without: tuple[str, ...] = ()) -> tuple[dict[str, Any], str]:
    """What a command is given, and its help."""
    seen: dict[str, Any] = {}
    app = typer.Typer()

    @app.command()
    @options.with_choices(without=without)
    def command(first: int = 1, chosen: options.Chosen = options.NONE, last: int = 2) -> None:
        """Ask for nothing else."""
        seen.update(first=first, last=last, chosen=chosen)

    result = CliRunner().invoke(app, args)
    assert result.exit_code == 0, result.output
    return seen, CliRunner().invoke(app, ["--help"]).output


def as_options(given: dict[str, Any]) -> list[str]:
    words: list[str] = []
    for name, value in given.items():
        option = "--" + name.replace("_", "-")
        values = value if isinstance(value, list) else [value]
        words += [option] if value is True else [word for each in values for word in (option, str(each))]
    return words


def test_a_command_gets_what_was_named_and_nothing_else() -> None:
    seen, _ = parsed("--steps", "4", "--last", "5")
    assert seen == {"first": 1, "last": 5, "chosen": {"steps": 4, "compile": False}}
    seen, _ = parsed(*as_options(GIVEN))
    assert seen["chosen"] == GIVEN == {name: GIVEN[name] for name in options.CHOICES}


def test_choices_stand_where_the_command_has_them_but_for_those_it_has_not() -> None:
    _, told = parsed(without=("guidance",))
    assert told.index("--first") < told.index("--solver") < told.index("--revision") < told.index("--last")
    assert "--guidance" not in told
    assert "--chosen" not in told


def test_every_choice_is_a_field_of_the_plans_behind_the_commands(tmp_path: Path) -> None:
    made = Plan.make(**GIVEN)
    assert {name: getattr(made, name) for name in GIVEN} == GIVEN | {
        "lora": ("a.safetensors",),
        "embedding": ("b.safetensors",),
    }
    loaded = PrivacyPlan(tmp_path, **GIVEN).choices()
    assert loaded.pop("compiled") is True
    assert loaded == {name: value for name, value in GIVEN.items() if name != "compile"}
    audited = plans(load_suite("emoji-occupations"), **{name: GIVEN[name] for name in GIVEN if name != "guidance"})
    for plan in audited.values():
        assert (plan.negative_prompt, plan.size, plan.compile, plan.vae) == ("a dog", "32x16", True, "c")


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    return partial(diffwin, monkeypatch)


def test_privacy_asks_a_model_for_another_size_and_steers_it_away(
    command: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pictures must have the size that the model makes: its own 16 pixels, or the one that is asked for."""
    model, members = tiny_pipelines.save("stable-diffusion", tmp_path / "model"), tmp_path / "members"
    members.mkdir()
    for number, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)):
        Image.fromarray(pixels).save(members / f"{number}.png")
    small = ("--levels", "2", "--repeats", "1", "--draws", "1", "--generations", "0", "--steps", "2")
    asked = ("privacy", "--model", str(model), "--members", str(members), "--features", "structure", *small)
    out = ("--out", str(tmp_path / "out"), "--device", "cpu", "--json")
    assert command(*asked, *out) == 2
    assert "makes 16x16" in capsys.readouterr().err
    steered = ("--size", "32", "--negative-prompt", "a dog", "--guidance", "3")
    assert command(*asked, *out, *steered) == 0
    plan = json.loads((tmp_path / "out" / "privacy.json").read_text())["plan"]
    assert (plan["size"], plan["negative_prompt"]) == ("32", "a dog")
    capsys.readouterr()
    assert command(*asked, *out, *steered, "--negative-prompt", "a cook") == 2
    assert "negative_prompt 'a dog' there, 'a cook' here" in capsys.readouterr().err
