"""All that theory says of a labelled world: windows with their outcomes, spectra, trees, thresholds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from diffwin.levels import log_snr_at
from diffwin.predict.pairs import PairTheory, pair_theory
from diffwin.theory.curves import Crossing, ExactCurve, atom_curve, exact_curves
from diffwin.theory.panorama import Panorama, look
from diffwin.theory.spectrum import collapse_time, top_between, top_eigenvalue
from diffwin.theory.subpopulations import CriticalWindow, critical_window, members
from diffwin.theory.tree import Node, mixture_tree
from diffwin.window import FIXED_FLOOR, Status
from diffwin.worlds.image_set import ImageSet
from diffwin.worlds.read import LabelledWorld

EPS = 0.1
"""Of the critical windows by total variation."""

SAMPLES = 20_000
"""Of the data set whose memorisation is predicted for a mixture, as in Biroli et al. (2024)."""

COMPONENTS = "components"
"""The name of the tree of a mixture's components; the others are named by their feature."""

IMAGE = "the image itself"

_FEW_LABELS = 32
_CRITICAL_DRAWS = 4000


@dataclass(frozen=True)
class PredictedWindow:
    """The exact window of one group between the levels of a grid; crossings outside those levels are None."""

    feature: str
    group: str
    status: Status
    reason: str
    floor: float
    onset: Crossing | None = None
    decision: Crossing | None = None
    end: Crossing | None = None


@dataclass(frozen=True, eq=False)
class PredictedFeature:
    """Exact curves and windows of a feature, `all` first, then its labels; `eigenvalue` between its labels' means."""

    name: str
    curves: list[ExactCurve]
    windows: list[PredictedWindow]
    eigenvalue: float

    @property
    def whole(self) -> PredictedWindow:
        return self.windows[0]


@dataclass(frozen=True)
class Collapse:
    """Where a model that has learnt `samples` samples by heart falls back on one, by the closed form for a mixture."""

    samples: int
    ou_time: float
    log_snr: float


@dataclass(frozen=True, eq=False)
class Prediction:
    """`features` in the order in which they are decided; `ends` the log-SNR (low, high) of the grid in question.

    `image` is the window of which image it is, of an image set; `collapse` stands in for it in a mixture. `critical`
    holds, for small mixtures, the thresholds of each (feature, label) within the whole.
    """

    world: LabelledWorld
    ends: tuple[float, float]
    features: tuple[PredictedFeature, ...]
    eigenvalue: float
    image: tuple[ExactCurve, PredictedWindow] | None
    collapse: Collapse | None
    trees: Mapping[str, Node]
    panorama: Panorama
    pair: PairTheory | None
    critical: Mapping[tuple[str, str], CriticalWindow] = field(default_factory=dict)


def predict(world: LabelledWorld, ends: tuple[float, float] | None = None, *, seed: int = 0) -> Prediction:
    """Say all of a world; `ends` are the noisiest and the cleanest log-SNR measured, the world's own if not given."""
    ends = ends or world.ends
    panorama = look(world.world, world.features, seed=seed)
    made = [_feature(name, curves, panorama, ends) for name, curves in exact_curves(panorama).items()]
    features = tuple(sorted(made, key=_when))
    return Prediction(
        world,
        ends,
        features,
        top_eigenvalue(world.world),
        _image(panorama, ends),
        _collapse(world),
        _trees(panorama, [feature.name for feature in features]),
        panorama,
        pair_theory(world.world, EPS),
        _critical(panorama, seed),
    )


def predicted_window(curve: ExactCurve, ends: tuple[float, float]) -> PredictedWindow:
    """The window of a curve as a run between these levels would find it, with every base and repeat in the world."""
    low, high = ends
    name = (curve.feature, curve.group)
    if curve.floor >= FIXED_FLOOR:
        reason = f"fresh generations already agree in {curve.floor:.0%} of pairs"
        return PredictedWindow(*name, Status.NO_EFFECT, reason, curve.floor)
    found = curve.window()
    if found.decision.log_snr <= low:
        reason = f"never erased: more than half of it survives at the noisiest level (log-SNR {low:.2f})"
        return PredictedWindow(*name, Status.CENSORED, reason, curve.floor)
    if found.decision.log_snr >= high:
        reason = f"still open at the cleanest level (log-SNR {high:.2f})"
        return PredictedWindow(*name, Status.UNDECIDED, reason, curve.floor)
    edges = [point if low < point.log_snr < high else None for point in (found.onset, found.decision, found.end)]
    return PredictedWindow(*name, Status.FOUND, _outside(edges), curve.floor, *edges)


def _outside(edges: list[Crossing | None]) -> str:
    words = ["the onset lies beyond the noisiest level"] if edges[0] is None else []
    words += ["the end lies beyond the cleanest level"] if edges[2] is None else []
    return "; ".join(words)


def _feature(name: str, curves: list[ExactCurve], panorama: Panorama, ends: tuple[float, float]) -> PredictedFeature:
    windows = [predicted_window(curve, ends) for curve in curves]
    return PredictedFeature(name, curves, windows, top_between(panorama.world, panorama.features[name]))


def _when(feature: PredictedFeature) -> float:
    return feature.whole.decision.log_snr if feature.whole.decision else np.inf


def _image(panorama: Panorama, ends: tuple[float, float]) -> tuple[ExactCurve, PredictedWindow] | None:
    if not isinstance(panorama.world, ImageSet):
        return None
    curve = atom_curve(panorama, IMAGE)
    return curve, predicted_window(curve, ends)


def _collapse(world: LabelledWorld) -> Collapse | None:
    if isinstance(world.world, ImageSet) or (std := world.world.common_std) is None:
        return None
    time = collapse_time(SAMPLES, world.world.dimension, std)
    return Collapse(SAMPLES, time, float(log_snr_at(time)))


def _trees(panorama: Panorama, order: list[str]) -> dict[str, Node]:
    """Of the components of a mixture; of the labels of each feature where there are images, or too many components."""
    if panorama.by_atom and not isinstance(panorama.world, ImageSet):
        return {COMPONENTS: mixture_tree(panorama)}
    several = [name for name in order if len(panorama.features[name].labels) > 2]
    return {name: mixture_tree(panorama, name) for name in several}


def _critical(panorama: Panorama, seed: int) -> dict[tuple[str, str], CriticalWindow]:
    """Of each label within the whole, for mixtures of few labels."""
    named = [(name, label) for name, each in panorama.features.items() for label in each.labels]
    world = panorama.world
    if isinstance(world, ImageSet) or not panorama.by_atom or len(named) > _FEW_LABELS:
        return {}
    populations = {(name, label): members(world, panorama.features[name], label) for name, label in named}
    return {
        key: critical_window(world, part, world.weights, EPS, _CRITICAL_DRAWS, seed)
        for key, part in populations.items()
        if part.sum() < 1 - 1e-12
    }
