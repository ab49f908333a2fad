"""`diffwin audit --confirm`: what is asked of which prompt, and an audit that shows it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from diffwin.audit.confirm import questions
from diffwin.errors import BadInput
from diffwin.intervene.asked import Attribute
from made_up import SUITE, make_audit

PROMPTS = {"nurse": 0.95, "pilot": 0.05}
ACTING = SUITE.replace("[prompts]", '[acting]\ngender = "a {}"\n[prompts]')
SMALL = """
name = "mine"
version = 1
description = "one prompt"
source = "this test"
model = "emoji-sd"
probes = ["emoji-skin-tone", "emoji-occupation"]
sensitive = ["skin-tone"]
ordinary = ["occupation"]
guidance = [1.0]
bases = 12
regenerated = 12
levels = 4
[reference]
skin-tone = "parity"
[prompts]
person = "a person"
"""


def test_each_feature_is_tested_where_it_was_found_by_its_rarest_label(tmp_path: Path) -> None:
    audit = make_audit(tmp_path, PROMPTS, bases=90, regenerated=24, text=ACTING)
    [asked] = questions(audit, 40)
    located = {w.prompt for w in audit.main.windows("gender") if w.decision is not None}
    first = next(item for item in audit.suite.items if item.prompt in located)
    assert asked.prompt == first.prompt
    assert asked.bases == 40
    rarest = "man" if PROMPTS[first.name] > 0.5 else "woman"
    assert asked.attributes == (Attribute("gender", rarest, f"a {rarest}"),)


def test_more_prompts_come_after_the_first_of_each_feature(tmp_path: Path) -> None:
    audit = make_audit(tmp_path, PROMPTS, bases=90, regenerated=24, text=ACTING)
    located = {w.prompt for w in audit.main.windows("gender") if w.decision is not None}
    asked = questions(audit, 40, 5)
    assert [each.prompt for each in asked] == [item.prompt for item in audit.suite.items if item.prompt in located]
    assert len(asked) == len(PROMPTS)
    assert asked[:1] == questions(audit, 40)
    assert {each.attributes[0].label for each in asked} == {"woman", "man"}
    with pytest.raises(BadInput, match="--confirm-prompts"):
        questions(audit, 40, 0)


def test_a_suite_that_does_not_say_how_to_ask_is_refused(tmp_path: Path) -> None:
    audit = make_audit(tmp_path, PROMPTS, bases=30, regenerated=12)
    with pytest.raises(BadInput, match="does not say how to ask for a gender") as caught:
        questions(audit, 40)
    assert "\n" not in str(caught.value)


def diffwin(*args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "diffwin", *args], capture_output=True, text=True, check=False, cwd=cwd
    )


def test_the_proof_stands_in_the_audit(tmp_path: Path) -> None:
    command = ("audit", "mine.toml", "--out", "found", "--steps", "6", "--confirm", "--confirm-bases", "8", "--json")
    (tmp_path / "mine.toml").write_text(SMALL, encoding="utf-8")
    refused = diffwin(*command, cwd=tmp_path)
    assert refused.returncode == 2
    assert "[acting]" in refused.stderr
    assert not (tmp_path / "found").exists()
    acting = SMALL.replace("[prompts]", '[acting]\nskin-tone = "a person with {} skin"\n[prompts]')
    (tmp_path / "mine.toml").write_text(acting, encoding="utf-8")
    made = diffwin(*command, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    [test] = json.loads(made.stdout)["switch_tests"]
    assert (test["feature"], test["in"]) == ("skin-tone", "a person")
    assert test["prompt"] == f"a person with {test['label']} skin"
    page = (tmp_path / "found" / "report.html").read_text()
    assert "Proof, by acting there" in page
    assert "![What acting does" in (tmp_path / "found" / "report.md").read_text()
    assert (tmp_path / "found" / "figures" / "proof-1.svg").is_file()
    assert (tmp_path / "found" / "confirm-1" / "report.html").is_file()
