"""Confirms windows by acting in them: a switch test of each sensitive feature, where the audit found its window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from diffwin.audit.result import Audit
from diffwin.audit.suite import Item, Suite
from diffwin.errors import BadInput
from diffwin.intervene.asked import BASES, Asked, Attribute
from diffwin.intervene.run import intervene
from diffwin.window import Status

Progress = Callable[[int, int], None]

FOLDER = "confirm-{}"


def confirmed(
    audit: Audit,
    *,
    bases: int | None = None,
    prompts: int | None = None,
    progress: Progress = lambda done, total: None,
) -> Audit:
    """The audit with its switch tests, each in a folder of its own; goes on where it stopped.

    A feature is tested in the first prompts of the suite in which its window was found, one unless `prompts` says
    otherwise, by the label that is drawn there least, told in the words of the suite's `acting`. A feature without a
    window anywhere is not tested.
    """
    asked = questions(audit, BASES if bases is None else bases, 1 if prompts is None else prompts)
    found = [
        intervene(audit.main.run, each, audit.folder / FOLDER.format(at), progress=progress)
        for at, each in enumerate(asked, start=1)
    ]
    return replace(audit, proofs=tuple(found))


def questions(audit: Audit, bases: int, prompts: int = 1) -> list[Asked]:
    """What is asked of each prompt.

    The first prompt of each feature comes before any second one, so that asking for more keeps the folders there are.
    """
    acting = check_acting(audit.suite, prompts)
    found = {
        feature: [item for item in audit.suite.items if _located(audit, item, feature)][:prompts] for feature in acting
    }
    by_prompt: dict[str, list[Attribute]] = {}
    for at in range(prompts):
        for feature, items in found.items():
            for item in items[at : at + 1]:
                attribute = _attribute(audit, item, feature, acting[feature])
                by_prompt.setdefault(item.prompt, []).append(attribute)
    return [Asked(prompt, tuple(attributes), bases=bases) for prompt, attributes in by_prompt.items()]


def check_acting(suite: Suite, prompts: int | None = None) -> dict[str, str]:
    """What asks for a label of each sensitive feature; BadInput where the suite does not say it, or for no prompts."""
    if prompts is not None and prompts < 1:
        raise BadInput(f"is {prompts}", where="--confirm-prompts", cure="give one or more")
    for feature in suite.file.sensitive:
        if feature not in suite.file.acting:
            raise BadInput(
                f"it does not say how to ask for a {feature}",
                where=f"suite {suite.path}",
                cure=f"give [acting] a line {feature} = '...' with {{}} for the label, or leave --confirm out",
            )
    return {feature: suite.file.acting[feature] for feature in suite.file.sensitive}


def _located(audit: Audit, item: Item, feature: str) -> bool:
    window = audit.main.window(item, feature)
    return window is not None and window.status is Status.FOUND and window.decision is not None


def _attribute(audit: Audit, item: Item, feature: str, template: str) -> Attribute:
    """The label that is drawn least, of those whose prompt is not the item's own."""
    readings = audit.main.estimates[item.prompt, feature].readings
    drawn = [int(np.count_nonzero(readings.base_labels == at)) for at in range(len(readings.labels))]
    prompts = {label: template.replace("{}", label) for label in readings.labels}
    rarest = min((count, at) for at, count in enumerate(drawn) if prompts[readings.labels[at]] != item.prompt)
    label = readings.labels[rarest[1]]
    return Attribute(feature, label, prompts[label])
