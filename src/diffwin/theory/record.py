"""What theory predicts of a run, from the run's own record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from diffwin.errors import BadInput
from diffwin.models import WORLDS, describe
from diffwin.theory.curves import ExactCurve, deterministic_curves, exact_curves
from diffwin.theory.panorama import look
from diffwin.worlds.read import LabelledWorld, read_world


def predicted_curves(record: Mapping[str, Any], *, draws: int | None = None) -> dict[str, list[ExactCurve]] | None:
    """The exact survival of each feature that a run reads, `all` and each label; None where theory cannot say.

    `record` is what a run recorded of itself (`Run.record`). There is a prediction if the run's model is a mixture or
    an image set that is still where it was, unchanged, for those of its own features that were read. A stochastic run
    must draw from the exact posterior, so all of the noise must be fresh (ddim with eta below 1 keeps some); a
    deterministic one has a law of its own, known for renoising two even components. A curve gives survival anywhere on
    the log-SNR axis by `at`. A world of thousands of images takes some ten seconds, less with fewer `draws`.
    """
    world = recorded_world(record)
    if world is None:
        return None
    features = {
        name: feature
        for name, feature in world.features.items()
        if tuple(record["labels"].get(name, ())) == feature.labels
    }
    if features and draws_from_posterior(record):
        return exact_curves(look(world.world, features, draws=draws))
    if not features or record["model"]["stochastic"] or record["plan"]["mode"] != "renoise":
        return None
    return deterministic_curves(look(world.world, features, draws=draws)) or None


def draws_from_posterior(record: Mapping[str, Any]) -> bool:
    """Whether an exact model would regenerate by a draw from p(x_0 | x_t): all of the solver's noise is fresh."""
    model = record["model"]
    return bool(model["stochastic"]) and (model["solver"] != "ddim" or record["plan"]["eta"] == 1)


def recorded_world(record: Mapping[str, Any]) -> LabelledWorld | None:
    """The world that a run walked, if it was one and its file and content are still the same."""
    provenance = record["model"]["provenance"]
    if provenance.get("kind") not in WORLDS:
        return None
    try:
        path = describe(record["plan"]["model"]).path
        found = None if path is None else read_world(path)
    except BadInput:
        return None
    return found if found is not None and found.provenance["content"] == provenance["content"] else None
