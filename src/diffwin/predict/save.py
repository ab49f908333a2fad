"""A prediction on disk: theory.json and its figures."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from diffwin.levels import EDGE, Grid, ou_time
from diffwin.predict.curves_figure import curves_figure
from diffwin.predict.names import decides, node_name
from diffwin.predict.prediction import COMPONENTS, PredictedFeature, PredictedWindow, Prediction
from diffwin.predict.tree_figure import tree_figure
from diffwin.report.style import Drawing, draw, looks
from diffwin.report.words import feature_name
from diffwin.results import Run
from diffwin.theory.blink import Thresholds
from diffwin.theory.curves import Crossing, ExactCurve
from diffwin.theory.spectrum import spectral_log_snr, spectral_time
from diffwin.theory.subpopulations import CriticalWindow, Threshold
from diffwin.theory.tree import Node
from diffwin.version import VERSION

SCHEMA = "diffwin/theory/1"


def save(prediction: Prediction, folder: Path, grid: Grid, run: Run | None = None) -> list[Path]:
    """Write theory.json, curves.svg|png and tree-NAME.svg|png; returns their paths. A run's curves are laid on it."""
    folder.mkdir(parents=True, exist_ok=True)
    told = folder / "theory.json"
    told.write_text(json.dumps(as_dict(prediction, grid), indent=1, ensure_ascii=False, allow_nan=False), "utf-8")
    paths = [told]
    for name, drawing in _drawings(prediction, None if run is None else run.curves):
        for path, content in ((f"{name}.svg", drawing.svg.encode()), (f"{name}.png", drawing.png)):
            (folder / path).write_bytes(content)
            paths.append(folder / path)
    return paths


def _drawings(prediction: Prediction, measured: pd.DataFrame | None) -> Iterator[tuple[str, Drawing]]:
    names = [feature.name for feature in prediction.features]
    known = looks(names, partial(feature_name, sensitive=False))
    yield "curves", draw(lambda: curves_figure(prediction, known, measured))
    forked = [name for name, root in prediction.trees.items() if root.parts]
    stems = [re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") for name in forked]
    for at, (name, stem) in enumerate(zip(forked, stems, strict=True)):
        unique = stem if stem and stems.count(stem) == 1 else f"{at + 1}-{stem}".rstrip("-")
        yield f"tree-{unique}", draw(partial(tree_figure, prediction, name, known))


def as_dict(prediction: Prediction, grid: Grid) -> dict[str, Any]:
    """The content of theory.json; what is infinite or unknown is null."""
    world, atoms = prediction.world, prediction.panorama.world.weights
    image = prediction.image
    return {
        "schema": SCHEMA,
        "diffwin": VERSION,
        "world": {"name": world.name, "atoms": len(atoms), **world.provenance},
        "edge": EDGE,
        "levels": {"noisiest": prediction.ends[0], "cleanest": prediction.ends[1]},
        "spectrum": _spectrum(prediction.eigenvalue),
        "features": [_feature(each, grid) for each in prediction.features],
        "image": None if image is None else {"curve": _curves([image[0]]), "window": _window(image[1], grid)},
        "collapse": None if prediction.collapse is None else vars(prediction.collapse),
        "trees": {name: _tree(prediction, root, None, name) for name, root in prediction.trees.items()},
        "critical_windows": [
            {"feature": feature, "label": label, **_critical(found)}
            for (feature, label), found in prediction.critical.items()
        ],
        "pair": _pair(prediction),
    }


def _spectrum(eigenvalue: float) -> dict[str, float | None]:
    """Lambda and where Lambda e^-2t = 1."""
    at = spectral_log_snr(eigenvalue)
    return {
        "eigenvalue": eigenvalue,
        "ou_time": None if at is None else float(spectral_time(eigenvalue)),
        "log_snr": at,
    }


def _feature(feature: PredictedFeature, grid: Grid) -> dict[str, Any]:
    return {
        "feature": feature.name,
        "labels": [curve.group for curve in feature.curves[1:]],
        "spectrum": _spectrum(feature.eigenvalue),
        "windows": [_window(window, grid) for window in feature.windows],
        "curves": _curves(feature.curves),
    }


def _curves(curves: list[ExactCurve]) -> dict[str, Any]:
    """The axis once, then survival and its standard error by group."""
    return {
        "log_snr": curves[0].log_snr.tolist(),
        "groups": {
            curve.group: {
                "floor": curve.floor,
                "survival": curve.survival.tolist(),
                "standard_error": curve.standard_error.tolist(),
            }
            for curve in curves
        },
    }


def _window(window: PredictedWindow, grid: Grid) -> dict[str, Any]:
    return {
        "feature": window.feature,
        "group": window.group,
        "status": window.status.value,
        "reason": window.reason,
        "floor": window.floor,
        **{name: _point(getattr(window, name), grid) for name in ("onset", "decision", "end")},
    }


def _point(point: Crossing | None, grid: Grid | None = None) -> dict[str, float] | None:
    """A crossing on every axis; None for one that there is not."""
    if point is None or not np.isfinite(point.log_snr):
        return None
    told = {"log_snr": point.log_snr, "error": point.error, "ou_time": float(ou_time(point.log_snr))}
    if grid is None:
        return told
    step = grid.top - grid.level_at(point.log_snr)
    return told | {"time": grid.time_at(point.log_snr), "step": step, "fraction": step / grid.top}


def _tree(prediction: Prediction, node: Node, parent: Node | None, name: str) -> dict[str, Any]:
    """A node with what it is called, over which levels the sampler is committed to it, and its parts."""
    by = None if name == COMPONENTS else name
    told = {
        "name": node_name(prediction.panorama, node, parent, by),
        "weight": node.weight,
        "from": _at(parent),
        "until": _at(node),
    }
    if node.choice is None:
        return told
    window = node.choice.window
    return told | {
        "decides": decides(prediction.panorama, node, by),
        "information": node.choice.information,
        "onset": _point(window.onset),
        "decision": _point(window.decision),
        "end": _point(window.end),
        "parts": [_tree(prediction, part, node, name) for part in node.parts],
    }


def _at(node: Node | None) -> float | None:
    """Where a node's choice is half made."""
    if node is None or node.choice is None or not np.isfinite(node.choice.window.decision.log_snr):
        return None
    return node.choice.window.decision.log_snr


def _critical(window: CriticalWindow) -> dict[str, Any]:
    return {
        "eps": window.eps,
        "before": _threshold(window.before),
        "after": _threshold(window.after),
        "pairwise_bounds": _bounds(window.pairwise),
        "printed_bounds": _bounds(window.printed),
    }


def _threshold(threshold: Threshold | None) -> dict[str, float] | None:
    """In OU time and log-SNR; None where no level satisfies the definition."""
    if threshold is None or not np.isfinite(threshold.log_snr):
        return None
    return vars(threshold)


def _bounds(bounds: Thresholds | None) -> dict[str, float] | None:
    return None if bounds is None else vars(bounds)


def _pair(prediction: Prediction) -> dict[str, Any] | None:
    if (pair := prediction.pair) is None:
        return None
    told: Mapping[str, Any] = vars(pair)
    return {**told, "conventions": [vars(each) for each in pair.conventions]}
