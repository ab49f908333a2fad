"""The switch test on emoji-sd: is each attribute changed where its window lies, and not elsewhere?

Finds the windows of "a person", then generates other pictures of it that are told an attribute for three steps alone,
wherever these may lie. Writes `interventions-effects.png` and `interventions-effects.csv`; the report is in
`person/intervene/report.html`.

    python experiments/switch_test.py --out runs/switch-test
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import pandas as pd

import diffwin
from diffwin.intervene.asked import Asked, Attribute
from diffwin.intervene.results import Found
from diffwin.intervene.run import FOLDER, intervene

PROMPT = "a person"
ATTRIBUTES = (
    Attribute("background", "blue", "a person on a blue background"),
    Attribute("occupation", "cook", "a cook"),
    Attribute("gender", "man", "a man"),
    Attribute("skin-tone", "dark", "a person with dark skin"),
)


def measure(out: Path, *, bases: int, seed: int, quick: bool) -> Found:
    """The windows, then the switch test; both go on where they stopped."""
    size = {"bases": 12, "levels": 4, "repeats": 1, "steps": 6} if quick else {"bases": 40, "levels": 9, "repeats": 2}
    run = diffwin.probe(PROMPT, out=out / "person", seed=seed, **size)
    found = {window.feature for window in run.located if window.group == "all" and window.decision is not None}
    acted = tuple(each for each in ATTRIBUTES if each.feature in found)
    asked = (
        Asked(PROMPT, acted[:1], bases=8, width=2, stride=4) if quick else Asked(PROMPT, acted, bases=bases, stride=3)
    )
    return intervene(run, asked)


def table(found: Found) -> pd.DataFrame:
    """One row an attribute: the effect inside and outside its window, with intervals for the whole table at once."""
    rows = []
    for attribute, test in found.tests:
        span, top = found.setup.window(attribute.feature), found.setup.grid.top
        told = {
            "inside": test.inside,
            "outside": test.outside,
            "whole window": test.window,
            "all steps": test.throughout,
        }
        effects = {name: "" if each is None else _told(each) for name, each in told.items()}
        names = {
            "feature": attribute.feature,
            "told": attribute.prompt,
            "window": f"{top - span.start}-{top - span.stop}",
        }
        rows.append({**names, **effects, "verdict": test.verdict.value, "apart": test.apart, "pictures": test.bases})
    return pd.DataFrame(rows)


def _told(effect: object) -> str:
    value, low, high = (100 * getattr(effect, name) for name in ("value", "low", "high"))
    return f"{value:+.0f} ({low:+.0f} to {high:+.0f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/switch-test"))
    parser.add_argument("--bases", type=int, default=64, help="pictures of the switch test")
    parser.add_argument("--seed", type=int, default=0, help="another one makes other pictures")
    parser.add_argument("--quick", action="store_true", help="a few pictures of six steps, to see that it runs")
    given = parser.parse_args()
    found = measure(given.out, bases=given.bases, seed=given.seed, quick=given.quick)
    made = given.out / "person" / FOLDER
    shutil.copy(made / "figures" / "effects.png", given.out / "interventions-effects.png")
    shutil.copy(made / "effects.csv", given.out / "interventions-effects.csv")
    print(table(found).to_string(index=False))


if __name__ == "__main__":
    main()
