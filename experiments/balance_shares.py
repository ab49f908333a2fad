"""Balancing a planted share on emoji-sd: inside the window alone, at all steps, and after a warm-up set by hand.

Firefighters are planted as women in 90 % of the drawings, pilots as men. Told "a man" or "a woman", which names no
occupation, pictures are balanced to half with the planted label; what is left of the pictures is compared. 50 steps, of
which a warm-up leaves 10 alone: the numbers of Fair Diffusion. Writes a figure and a table of each occupation, such as
`interventions-balance-firefighter.png` and `.csv`; the report is in `firefighter/intervene/report.html`.

    python experiments/balance_shares.py --out runs/balance-shares
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import pandas as pd

import diffwin
from diffwin.intervene.asked import Asked, Attribute, Target
from diffwin.intervene.run import FOLDER, intervene

MAN, WOMAN = Attribute("gender", "man", "a man"), Attribute("gender", "woman", "a woman")
PLANTED = {
    "firefighter": (MAN, Target("gender", "woman", 0.5)),
    "health worker": (MAN, Target("gender", "woman", 0.5)),
    "construction worker": (MAN, Target("gender", "woman", 0.5)),
    "pilot": (WOMAN, Target("gender", "man", 0.5)),
    "police officer": (WOMAN, Target("gender", "man", 0.5)),
}
"""Occupations planted at 90 %: what their pictures are told, and the share that the planted label is to have."""
FULL = {"steps": 50, "bases": 60, "levels": 12, "repeats": 2}
QUICK = {"steps": 6, "bases": 12, "levels": 4, "repeats": 1}


def measure(out: Path, occupation: str, *, pilot: int, images: int, seed: int, quick: bool) -> Path:
    """The window, then balancing; both go on where they stopped. The folder with the report."""
    folder = out / occupation.replace(" ", "-")
    run = diffwin.probe(f"a {occupation}", out=folder, seed=seed, **(QUICK if quick else FULL))
    if quick:
        found = [w for w in run.located if w.group == "all" and w.decision is not None and w.floor and w.floor < 0.6]
        attribute = next(each for each in _QUICK_CHOICES if each.feature in {w.feature for w in found})
        target = Target(attribute.feature, attribute.label, 0.5)
        asked = Asked(f"a {occupation}", (attribute,), (target,), bases=8, images=8, width=6, warm_up=3)
    else:
        attribute, target = PLANTED[occupation]
        asked = Asked(f"a {occupation}", (attribute,), (target,), bases=pilot, images=images, width=50)
    intervene(run, asked)
    return folder / FOLDER


_QUICK_CHOICES = (
    Attribute("skin-tone", "dark", "a person with dark skin"),
    Attribute("background", "blue", "a person on a blue background"),
    MAN,
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/balance-shares"))
    parser.add_argument("--occupation", choices=PLANTED, nargs="+", default=["firefighter"])
    parser.add_argument("--pilot", type=int, default=160, help="pictures that the effect of the prompt is measured on")
    parser.add_argument("--images", type=int, default=240, help="pictures to balance")
    parser.add_argument("--seed", type=int, default=0, help="another one makes other pictures")
    parser.add_argument("--quick", action="store_true", help="a few pictures of six steps, to see that it runs")
    given = parser.parse_args()
    sizes = {"pilot": given.pilot, "images": given.images, "seed": given.seed, "quick": given.quick}
    for occupation in given.occupation:
        made = measure(given.out, occupation, **sizes)
        [figure] = (made / "figures").glob("balance-*.png")
        name = f"interventions-balance-{occupation.replace(' ', '-')}"
        shutil.copy(figure, given.out / f"{name}.png")
        shutil.copy(made / "balance.csv", given.out / f"{name}.csv")
        print(occupation, told(pd.read_csv(made / "balance.csv")), sep="\n", flush=True)


def told(rows: pd.DataFrame) -> str:
    """One line a number, one column a way."""
    told = [f"{value:.2f} ({low:.2f} to {high:.2f})" for value, low, high in rows[["value", "low", "high"]].to_numpy()]
    table = rows.assign(told=told).pivot_table(
        index="number", columns="way", values="told", aggfunc="first", sort=False
    )
    return str(table.to_string())


if __name__ == "__main__":
    main()
