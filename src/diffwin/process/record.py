"""What a trained model's results say of where its numbers come from."""

from __future__ import annotations

import json

from diffwin.process.choices import Source
from diffwin.process.configured import Configured
from diffwin.process.weights import fingerprint, versions

_DISTILLED = ("turbo", "lightning", "lcm", "schnell", "hyper-sd", "dmd2")
"""Words by which distilled models are called."""


def provenance(source: Source, pipeline: str, schedule: Configured, *, tells_guidance: bool = False) -> dict[str, str]:
    """Identity for the record; `content` is the hub's commit, or a hash of the files of a folder, and of the additions.

    `tells_guidance` is whether the network is told its guidance, which only a distilled one is.
    """
    distilled = _distilled(source, schedule, tells_guidance)
    origin = {"hub_id": source.hub_id} if source.hub_id else {}
    return {
        "kind": "trained",
        "pipeline": pipeline,
        **origin,
        "content": " + ".join(
            [source.commit or fingerprint(source.folder), *(each.content for each in source.additions)]
        ),
        **_additions(source),
        "licence": source.licence,
        "parametrisation": schedule.prediction_type,
        "schedule": _summary(schedule),
        **({"distilled": distilled} if distilled else {}),
        **versions(),
    }


def _additions(source: Source) -> dict[str, str]:
    """What is laid over the model, by kind."""
    kinds = dict.fromkeys(each.asked.kind for each in source.additions)
    return {kind: "; ".join(map(str, source.laid(kind))) for kind in kinds}


def _distilled(source: Source, schedule: Configured, tells_guidance: bool) -> str:
    """By what a model is known to be distilled; nothing for one that is not known to be."""
    if tells_guidance:
        return "it is told its guidance"
    if schedule.class_name.startswith(("LCM", "TCD")):
        return f"its scheduler is {schedule.class_name}"
    called = [("it", source.name), *(("its LoRA", each.asked.place) for each in source.laid("lora"))]
    told = (f"{what} is called {word}" for what, name in called for word in _DISTILLED if word in _end(name))
    return next(told, "")


def _end(name: str) -> str:
    return name.replace("\\", "/").rstrip("/").split("/")[-1].lower()


def _summary(schedule: Configured) -> str:
    """The settings of the schedule that differ from diffusers' defaults, as JSON."""
    told = schedule.model_dump(exclude_defaults=True, exclude={"trained_betas", "prediction_type", "class_name"})
    return json.dumps(told, sort_keys=True)
