"""What balancing reached and what it left of the pictures, way beside way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from diffwin.intervene.arms import Arm
from diffwin.intervene.asked import WITHIN, Attribute
from diffwin.intervene.balance import Policy, assigned, policy, shares_of, transitions
from diffwin.intervene.effects import Ints, Measured, means, measured
from diffwin.intervene.errors import Errors
from diffwin.intervene.intervals import Interval
from diffwin.intervene.record import AGREEMENT, LIKENESS, Record
from diffwin.intervene.setup import INSIDE, Setup
from diffwin.intervene.sharpness import sharpness
from diffwin.levels import FloatArray
from diffwin.probes.likeness import pixel_distance
from diffwin.survival import RESAMPLES, resample


@dataclass(frozen=True, eq=False)
class Way:
    """One way to balance: where it acts, by which rule, and what it does to each picture (0 nothing, or a prompt)."""

    name: str
    where: Interval
    rule: Policy
    done: Ints
    arms: tuple[Arm, ...]

    def arm(self, at: int) -> Arm:
        """The arm whose picture stands for the `at`-th image."""
        return self.arms[int(self.done[at])]

    def wanted(self, images: Sequence[int]) -> dict[Arm, list[int]]:
        """The switched pictures that it asks for."""
        return {
            arm: [image for image, act in zip(images, self.done, strict=True) if act == number]
            for number, arm in enumerate(self.arms)
            if number
        }


@dataclass(frozen=True, eq=False)
class Outcome:
    """What one way did to all pictures, those left alone among them.

    reached: the share of each label named, expected by the pilot as `expected`; corrected: the same without the
    probe's errors, empty where they are not known. kept: how often each other feature is
    as it was. distance: from the untouched picture. sharpness: beside the untouched picture's. features: 1 less the
    cosine with the untouched picture to an image encoder; agreement: the cosine with the prompt, and gained: that less
    the untouched picture's; None where they were not measured. apart: each of `COMPARED` that there is, and kept (by
    feature), less those of acting inside the window, empty for that.
    """

    way: Way
    acted: float
    reached: dict[str, Measured]
    corrected: dict[str, Measured]
    expected: dict[str, float]
    distance: Measured
    sharpness: Measured
    features: Measured | None
    agreement: Measured | None
    gained: Measured | None
    kept: dict[str, Measured]
    apart: dict[str, Measured]

    def meets(self, wanted: Mapping[str, float]) -> bool:
        return all(abs(self.reached[label].value - share) <= WITHIN for label, share in wanted.items())


COMPARED = ("distance", "features", "agreement")
"""What ways differ in, besides what each keeps of other features."""


def ways_of(setup: Setup, record: Record, feature: str) -> list[Way]:
    """The rule of each way, from its own pilot, and what it does to each picture that is to be balanced."""
    labels = setup.labels[feature]
    before = record.labels(setup.untouched, feature, setup.pilot)
    now = record.labels(setup.untouched, feature, setup.images)
    wanted = {labels.index(each.label): each.share for each in setup.asked.targets if each.feature == feature}
    found = []
    for name, where in setup.ways(feature).items():
        arms = [setup.arm(attribute, where) for attribute in setup.asked.of(feature)]
        tables = [transitions(before, record.labels(arm, feature, setup.pilot), len(labels)) for arm in arms]
        rule = policy(shares_of(now, len(labels)), tables, wanted)
        done = assigned(now, rule, setup.run.plan.seed)
        found.append(Way(name, where, rule, done, (setup.untouched, *arms)))
    return found


def outcomes(setup: Setup, record: Record, feature: str, ways: Sequence[Way], errors: Errors) -> list[Outcome]:
    """What the ways did, with intervals that hold for the whole table at once."""
    named = [each.label for each in setup.asked.targets if each.feature == feature]
    others = [name for name in setup.labels if name != feature]
    tables = [_columns(setup, record, feature, way, named, others) for way in ways]
    weights = np.concatenate([np.ones((1, len(setup.images))), resample(len(setup.images), RESAMPLES, 0)])
    draws = [{name: means(values[None], weights)[:, 0] for name, values in table.items()} for table in tables]
    if errors.to_undo is not None:
        inverses, labels = errors.to_undo.inverses(RESAMPLES, 0), setup.labels[feature]
        for each, way in zip(draws, ways, strict=True):
            shares = corrected_shares(_after(record, way, feature, setup.images), weights, inverses)
            each |= {f"corrected share {name}": shares[:, labels.index(name)] for name in named}
    first = draws[[way.name for way in ways].index(INSIDE)]
    differ = [name for name in (*COMPARED, *(f"kept {each}" for each in others)) if name in tables[0]]
    whole = [each | {f"less {name}": each[name] - first[name] for name in differ} for each in draws]
    largest = 1.0 if errors.to_undo is None else float(np.ptp(errors.to_undo.inverse, axis=0).max())
    steps = [_step(name, largest) for each in whole for name in each]
    stacked = np.stack([column for each in whole for column in each.values()], axis=1)
    cells = measured(stacked, len(setup.images), steps)
    found = []
    for way, names in zip(ways, whole, strict=True):
        mine, cells = dict(zip(names, cells, strict=False)), cells[len(names) :]
        apart = {} if way.name == INSIDE else {name: mine[f"less {name}"] for name in differ}
        found.append(_outcome(way, mine, apart, named, others, setup.labels[feature]))
    return found


def _step(name: str, corrected: float) -> float:
    """What one image adds to a column that counts images; 0 for one that does not."""
    if name.startswith("corrected "):
        return corrected
    return float("share " in name or "kept " in name)


def corrected_shares(after: Ints, weights: FloatArray, inverses: FloatArray) -> FloatArray:
    """Shares (1 + R, labels) without the probe's errors under weights (1 + R, images), with an inverse for each row."""
    read = means(np.stack([_is(after, label) for label in range(inverses.shape[1])]), weights)
    return np.asarray(np.einsum("rj,rjk->rk", read, inverses))


def _outcome(
    way: Way,
    cells: Mapping[str, Measured],
    apart: dict[str, Measured],
    named: Sequence[str],
    others: Sequence[str],
    labels: Sequence[str],
) -> Outcome:
    return Outcome(
        way,
        float(np.mean(way.done > 0)),
        {label: cells[f"share {label}"].within(0, 1) for label in named},
        {label: value.within(0, 1) for label in named if (value := cells.get(f"corrected share {label}")) is not None},
        {label: float(way.rule.expected[labels.index(label)]) for label in named},
        cells["distance"].within(0, np.inf),
        cells["sharpness"],
        cells["features"].within(0, np.inf) if "features" in cells else None,
        cells.get("agreement"),
        cells.get("gained"),
        {name: cells[f"kept {name}"].within(0, 1) for name in others},
        apart,
    )


def _columns(
    setup: Setup, record: Record, feature: str, way: Way, named: Sequence[str], others: Sequence[str]
) -> dict[str, FloatArray]:
    """A number an image (images,) for each column of the table; NaN where a picture or a label is missing."""
    after = _after(record, way, feature, setup.images)
    labels = setup.labels[feature]
    found = {f"share {name}": _is(after, labels.index(name)) for name in named}
    for name in others:
        now = record.labels(setup.untouched, name, setup.images)
        then = _after(record, way, name, setup.images)
        found[f"kept {name}"] = np.where((now >= 0) & (then >= 0), (now == then).astype(float), np.nan)
    apart, sharper = _changes(setup, record, way)
    return found | {"distance": apart, "sharpness": sharper} | _encoded(setup, record, way)


def _encoded(setup: Setup, record: Record, way: Way) -> dict[str, FloatArray]:
    """What an image encoder makes of each image once the way has acted, where that was measured."""

    def read(what: str, arm: Arm) -> FloatArray:
        return record.measured(what, arm, record.space, setup.images)

    def after(what: str) -> FloatArray:
        return np.stack([read(what, arm) for arm in way.arms])[way.done, np.arange(len(setup.images))]

    found = {}
    if np.isfinite(read(LIKENESS, setup.untouched)).any():
        found["features"] = np.maximum(1 - after(LIKENESS), 0.0)
    if np.isfinite(before := read(AGREEMENT, setup.untouched)).any():
        found |= {"agreement": after(AGREEMENT), "gained": after(AGREEMENT) - before}
    return found


def _is(labels: Ints, label: int) -> FloatArray:
    return np.where(labels >= 0, (labels == label).astype(float), np.nan)


def _after(record: Record, way: Way, feature: str, images: Sequence[int]) -> Ints:
    """The label of each image once the way has acted."""
    by_arm = np.stack([record.labels(arm, feature, images) for arm in way.arms])
    return np.asarray(by_arm[way.done, np.arange(len(images))], np.int64)


def _changes(setup: Setup, record: Record, way: Way) -> tuple[FloatArray, FloatArray]:
    """Distance from the untouched picture and sharpness beside it, (images,)."""
    apart, sharper = np.zeros(len(setup.images)), np.ones(len(setup.images))
    acted = np.flatnonzero(way.done).tolist()
    apart[acted] = sharper[acted] = np.nan
    both = [
        at
        for at in acted
        if record.has_picture(way.arm(at), setup.images[at]) and record.has_picture(setup.untouched, setup.images[at])
    ]
    if both:
        then = record.pictures([(way.arm(at), setup.images[at]) for at in both])
        now = record.pictures([(setup.untouched, setup.images[at]) for at in both])
        apart[both] = pixel_distance(then, now)
        sharper[both] = sharpness(then) / np.maximum(sharpness(now), 1e-6)
    return apart, sharper


def prompts_of(way: Way, attributes: Sequence[Attribute]) -> dict[str, int]:
    """How many pictures each prompt acts on."""
    return {each.prompt: int(np.count_nonzero(way.done == at + 1)) for at, each in enumerate(attributes)}
