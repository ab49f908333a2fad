"""The order in which emoji-sd decides its features, beside the exact order of the drawings it learned from.

Runs `diffwin.probe` on the ideal score of the balanced drawings (noto-emoji) and on emoji-sd with several prompts, and
draws each window as a bar on the log-SNR axis: figure `emoji_windows.png` and table `emoji_windows.csv`.

    python experiments/emoji_windows.py --out runs/emoji-windows
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import diffwin

COLOURS = {"background": "#4477aa", "occupation": "#228833", "gender": "#cc6677", "skin-tone": "#aa7733"}
PROMPTS = ("a person", "a cook", "a woman cook")


def measure(out: Path, *, quick: bool) -> pd.DataFrame:
    """Windows of every world and prompt, `all` groups only, one row a feature."""
    size = {"bases": 8, "repeats": 1, "levels": 3} if quick else {"bases": 64, "repeats": 4, "levels": 16}
    ideal = diffwin.probe(model="noto-emoji", out=out / "noto-emoji", **(size | ({"steps": 12} if quick else {})))
    learned = diffwin.probe(PROMPTS[:1] if quick else PROMPTS, out=out / "emoji-sd", **size)
    frames = [ideal.windows.assign(world="drawings, ideal score"), learned.windows]
    table = pd.concat(frames, ignore_index=True)
    table["world"] = table["world"].fillna("emoji-sd, " + table["prompt"].map(repr))
    return table[table["group"] == "all"].reset_index(drop=True)


def draw(table: pd.DataFrame) -> Figure:
    """One panel a world: bars from onset to end, the decision with its interval."""
    worlds = list(dict.fromkeys(table["world"]))
    figure = Figure(figsize=(8, 1.1 + 1.5 * len(worlds)), layout="constrained")
    panels = figure.subplots(len(worlds), sharex=True, squeeze=False)[:, 0]
    for panel, world in zip(panels, worlds, strict=True):
        _draw_world(panel, table[table["world"] == world])
        panel.set_title(world, loc="left", fontsize=10)
    panels[-1].set_xlabel("log-SNR (noise on the left, image on the right)")
    return figure


def _draw_world(panel: Axes, rows: pd.DataFrame) -> None:
    for place, row in enumerate(rows.sort_values("feature").to_dict("records")):
        colour = COLOURS.get(row["feature"], "#777777")
        if row["status"] != "found":
            panel.text(0.01, place, row["status"], va="center", transform=panel.get_yaxis_transform(), color=colour)
            continue
        left = row["onset_log_snr"] if pd.notna(row.get("onset_log_snr")) else row["decision_low"]
        right = row["end_log_snr"] if pd.notna(row.get("end_log_snr")) else row["decision_high"]
        panel.barh(place, right - left, left=left, height=0.55, color=colour, alpha=0.3)
        panel.plot([row["decision_low"], row["decision_high"]], [place, place], color=colour, lw=3)
        panel.plot(row["decision_log_snr"], place, "o", color=colour)
    panel.set_yticks(range(len(rows)), sorted(rows["feature"]))
    panel.set_ylim(len(rows) - 0.5, -0.5)
    panel.spines[["top", "right"]].set_visible(False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/emoji-windows"))
    parser.add_argument("--quick", action="store_true", help="a few regenerations, to see that it runs")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    table = measure(given.out, quick=given.quick)
    table.to_csv(given.out / "emoji_windows.csv", index=False)
    draw(table).savefig(given.out / "emoji_windows.png", dpi=130)
    columns = ["world", "feature", "status", "decision_log_snr", "decision_low", "decision_high"]
    print(table.reindex(columns=columns).to_string(index=False))


if __name__ == "__main__":
    main()
