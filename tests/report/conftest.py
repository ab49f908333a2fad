"""Synthetic findings: features that switch on at known points of the way from noise to image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from diffwin.information import Information
from diffwin.order import Pair
from diffwin.report.findings import Findings
from diffwin.theory.curves import ExactCurve
from diffwin.window import Method, Point, Status, Window

DRAWINGS = Path(__file__).parents[2] / "assets" / "noto-emoji" / "drawings.npz"
COLOURS = {"red": "#e5383b", "yellow": "#ffe03a", "green": "#2f9e44", "blue": "#2f6bff", "white": "#ffffff"}
LABELS: dict[str, tuple[str, ...]] = {
    "background": tuple(COLOURS),
    "occupation": ("cook", "farmer", "pilot", "judge", "singer", "scientist"),
    "gender": ("woman", "man", "person"),
    "skin-tone": ("light", "medium-light", "medium", "medium-dark", "dark"),
}
MIDDLE = {"background": -3.6, "occupation": -3.0, "gender": -1.2, "skin-tone": 0.4}
STEPS = 25


def log_snr_grid(steps: int = STEPS) -> list[float]:
    """Log-SNR of levels 0..steps, the first infinite, as a VP model's grid."""
    time = np.linspace(0, 1, steps + 1)[1:]
    return [float("inf"), *(6.5 - 11.9 * time**0.8)]


class Pictures:
    """Draws a labelled picture into the run folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.table = dict(np.load(DRAWINGS)) if DRAWINGS.is_file() else None

    def save(self, labels: dict[str, str], path: str) -> str:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(self._draw(labels)).save(target, compress_level=1)
        return path

    def _draw(self, labels: dict[str, str]) -> np.ndarray:
        ground = np.array([int(COLOURS.get(labels.get("background", ""), "#888888")[i : i + 2], 16) for i in (1, 3, 5)])
        if self.table is None:
            return np.broadcast_to(ground.astype(np.uint8), (16, 16, 3)).copy()
        match = np.ones(len(self.table["images"]), bool)
        for name in ("occupation", "gender", "skin-tone"):
            chosen = match & (self.table[name] == labels.get(name))
            match = chosen if chosen.any() else match
        rgba = self.table["images"][np.flatnonzero(match)[0]].astype(float)
        alpha = rgba[..., 3:] / 255
        return np.round(alpha * rgba[..., :3] + (1 - alpha) * ground).astype(np.uint8)


def make_trials(
    rng: np.random.Generator,
    prompts: Sequence[str],
    levels: Sequence[int],
    bases: int,
    repeats: int,
    pictures: Pictures | None,
) -> pd.DataFrame:
    """Trials whose features survive with a probability that rises through its middle at MIDDLE."""
    snr, rows = log_snr_grid(), []
    for at, prompt in enumerate(prompts):
        fixed = {"occupation": "cook"} if "cook" in prompt else {}
        for base in range(bases):
            own = {name: fixed.get(name, str(rng.choice(labels))) for name, labels in LABELS.items()}
            base_image = pictures.save(own, f"images/{at}/base{base}.png") if pictures else None
            for level in [0, *levels]:
                for repeat in range(repeats if level else 1):
                    now = {n: again(rng, n, own[n], snr[level], fixed) for n in LABELS} if level else own
                    image = base_image
                    if pictures and level:
                        image = pictures.save(now, f"images/{at}/base{base}-level{level}-{repeat}.png")
                    rows += [
                        {
                            "prompt": prompt, "base": base, "level": level, "repeat": repeat, "feature": name,
                            "label": now[name], "base_label": own[name], "survived": now[name] == own[name],
                            "probability": 0.9, "image": image, "base_image": base_image,
                        }
                        for name in LABELS
                    ]  # fmt: skip
    return pd.DataFrame(rows)


def again(rng: np.random.Generator, name: str, own: str, snr: float, fixed: dict[str, str]) -> str:
    if name in fixed:
        return fixed[name]
    keep = 1 / (1 + np.exp(-2.2 * (snr - MIDDLE[name])))
    return own if rng.random() < keep else str(rng.choice(LABELS[name]))


def make_curves(trials: pd.DataFrame, features: Sequence[str]) -> pd.DataFrame:
    """The contract's columns from the trials, with bands of two standard errors."""
    snr, rows = log_snr_grid(), []
    for (prompt, feature), mine in trials[trials["level"] > 0].groupby(["prompt", "feature"], sort=False):
        if feature not in features:
            continue
        for group in ["all", *[label for label in LABELS[feature] if (mine["base_label"] == label).any()]]:
            inside = mine if group == "all" else mine[mine["base_label"] == group]
            floor = 1.0 if len(set(mine["base_label"])) == 1 else 1 / len(LABELS[feature])
            for level, at in inside.groupby("level"):
                by_base = at.groupby("base")["survived"].mean()
                share, bases = float(by_base.mean()), len(by_base)
                error = 2 * float(by_base.std(ddof=0)) / np.sqrt(bases)
                rows.append(
                    (prompt, feature, group, level, snr[level], 1000 * level / STEPS, share, max(0.0, share - error),
                     min(1.0, share + error), floor, bases, len(at), 0, share + 0.01, share - error, share + error)
                )  # fmt: skip
    names = "prompt feature group level log_snr time survival low high floor bases trials missing"
    return pd.DataFrame(rows, columns=[*names.split(), "corrected", "corrected_low", "corrected_high"])


def rise(log_snr: np.ndarray, feature: str, floor: float) -> np.ndarray:
    """A curve whose normalised survival passes 1/2 at MIDDLE."""
    return floor + (1 - floor) / (1 + np.exp(-(log_snr - MIDDLE[feature])))


def make_fitted(windows: Sequence[Window]) -> pd.DataFrame:
    axis = np.sort(np.concatenate([log_snr_grid()[1:], list(MIDDLE.values())]))
    found = [w for w in windows if w.decision is not None]
    frames = [
        pd.DataFrame({"prompt": w.prompt, "feature": w.feature, "group": w.group, "log_snr": axis})
        .assign(survival=rise(axis, w.feature, w.floor or 0.0))
        for w in found
    ]  # fmt: skip
    columns = ["prompt", "feature", "group", "log_snr", "survival"]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)


def make_information(windows: Sequence[Window]) -> list[Information]:
    """A bump around the middle of each window of all pictures; the skin tone's as off a monotone curve."""
    axis = np.linspace(-5, 6, 100)
    made = []
    for window in windows:
        if window.group == "all" and window.decision is not None:
            at = MIDDLE[window.feature]
            rate = 0.5 * np.exp(-((axis - at) ** 2) / 2)
            centre = None if window.feature == "skin-tone" else at
            made.append(Information(window.prompt, window.feature, 1.5, axis, rate, rate, rate, centre, 0.2, 0.5, 0.3))
    return made


def make_predicted(features: Sequence[str]) -> dict[str, list[ExactCurve]]:
    """What theory would say of them, were it a hair later than what was found."""
    axis = np.linspace(-6, 6, 49)
    return {
        name: [
            ExactCurve(name, group, floor, axis, rise(axis - 0.1, name, floor), np.full(len(axis), 0.004))
            for group in ("all", *LABELS[name])
            for floor in [1 / len(LABELS[name])]
        ]
        for name in features
    }


def point(log_snr: float, width: float) -> Point:
    snr = np.array(log_snr_grid()[1:])
    level = float(np.interp(-log_snr, -snr, np.arange(1, STEPS + 1)))
    step = STEPS - level
    return Point(log_snr, log_snr - width, log_snr + width, 1000 * level / STEPS, step, step / STEPS)


def make_windows(trials: pd.DataFrame, features: Sequence[str]) -> list[Window]:
    windows = []
    for (prompt, feature), mine in trials.groupby(["prompt", "feature"], sort=False):
        if feature not in features:
            continue
        for group in ["all", *sorted(set(mine["base_label"]))]:
            wide = 0.35 if group == "all" else 0.9
            if len(set(mine["base_label"])) == 1:
                reason = "fresh generations already agree in 100% of pairs: the prompt fixes it"
                windows.append(Window(prompt, feature, group, Status.NO_EFFECT, reason, 1.0))
                continue
            at = MIDDLE[feature]
            points = point(at - 1, wide), point(at, wide), point(at + 1, wide)
            reason = "survival rises from 3% to 97% above chance"
            found = Window(prompt, feature, group, Status.FOUND, reason, 1 / len(LABELS[feature]), *points)
            method = Method.MONOTONE if feature == "skin-tone" else Method.FAMILY
            windows.append(replace(found, method=method, corrected=feature != "skin-tone"))
    return windows


def located(windows: Sequence[Window], prompt: str) -> set[str]:
    return {window.feature for window in windows if window.prompt == prompt and window.decision is not None}


def make_order(prompts: Sequence[str], features: Sequence[str]) -> list[Pair]:
    """All pairs, settled where the middles lie one apart or more."""
    gaps = {(a, b): MIDDLE[b] - MIDDLE[a] for a in features for b in features if a != b}
    return [
        Pair(prompt, a, b, 0.5 + 0.15 * float(np.clip(gap, -3.3, 3.3)), gap, gap - 0.9, gap + 0.9, abs(gap) > 0.9)
        for prompt in prompts
        for (a, b), gap in gaps.items()
    ]


@pytest.fixture(scope="session")
def make_findings() -> Callable[..., Findings]:
    """A maker of findings; pictures, where wanted, land in the folder `pictures`."""

    def make(
        prompts: Sequence[str] = ("a cook",),
        features: Sequence[str] = tuple(LABELS),
        levels: Sequence[int] = (4, 12, 20, 25),
        bases: int = 3,
        repeats: int = 2,
        pictures: Path | None = None,
        *,
        theory: bool = False,
        **other: Any,
    ) -> Findings:
        rng = np.random.default_rng(7)
        trials = make_trials(rng, prompts, levels, bases, repeats, Pictures(pictures) if pictures else None)
        windows = make_windows(trials, features)
        kept = trials[trials["feature"].isin(features)].reset_index(drop=True)
        values: dict[str, Any] = {
            "title": "emoji-sd",
            "model": "emoji-sd",
            "prompts": list(prompts),
            "features": list(features),
            "labels": {name: LABELS.get(name, ()) for name in features},
            "sensitive": frozenset({"gender", "skin-tone"}),
            "steps": STEPS,
            "level_log_snr": log_snr_grid(),
            "exact": frozenset({"background"}),
            "windows": windows,
            "order": [p for p in make_order(prompts, features) if {p.first, p.second} <= located(windows, p.prompt)],
            "information": make_information(windows),
            "curves": make_curves(trials, features),
            "fitted": make_fitted(windows),
            "predicted": make_predicted(features) if theory else {},
            "trials": kept,
            "missing": pd.DataFrame(columns=["prompt", "base", "level", "repeat", "feature", "reason"]),
            "settings": {"model": "emoji-sd", "mode": "renoise", "solver": "ddpm (stochastic), 25 steps", "seed": "0"},
            "caveats": ["Survival is what the probes read; it is not corrected for their errors."],
        }
        return Findings(**values | other)

    return make
