"""What an intervention found, and its files: intervene.json, effects.csv, balance.csv and the report."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from diffwin.files import safe_cells, write_whole
from diffwin.intervene.asked import Attribute
from diffwin.intervene.effects import Measured, SwitchTest, Twins, switch_tests
from diffwin.intervene.errors import known_errors
from diffwin.intervene.intervals import Interval
from diffwin.intervene.outcome import Outcome, Way, outcomes
from diffwin.intervene.record import Record
from diffwin.intervene.setup import Setup
from diffwin.version import VERSION
from diffwin.window import CONFIDENCE

SCHEMA = "diffwin/intervene/1"


@dataclass(frozen=True, eq=False)
class Found:
    """tests: in the order of the attributes asked for. balanced: by feature, an outcome a way."""

    setup: Setup
    record: Record
    tests: Sequence[tuple[Attribute, SwitchTest]]
    balanced: Mapping[str, Sequence[Outcome]]
    uncorrected: Mapping[str, str]
    """Why there is nothing corrected for the probe's errors, by feature; '' where there is, or where it makes none."""

    def wanted(self, feature: str) -> dict[str, float]:
        return {each.label: each.share for each in self.setup.asked.targets if each.feature == feature}


def find(setup: Setup, record: Record, ways: Mapping[str, Sequence[Way]]) -> Found:
    """Everything that follows from the ledger."""
    attributes = setup.asked.attributes
    twins = [_twins(setup, record, each) for each in attributes]
    designs = [setup.design(each.feature) for each in attributes]
    known = {feature: known_errors(setup, record, feature) for feature in setup.windows}
    undone = [known[each.feature].to_undo for each in attributes]
    tests = switch_tests(twins, designs, undone, seed=setup.run.plan.seed)
    balanced = {feature: outcomes(setup, record, feature, mine, known[feature]) for feature, mine in ways.items()}
    why = {feature: each.uncorrected for feature, each in known.items()}
    return Found(setup, record, list(zip(attributes, tests, strict=True)), balanced, why)


def _twins(setup: Setup, record: Record, attribute: Attribute) -> Twins:
    feature = attribute.feature
    before = record.labels(setup.untouched, feature, setup.pilot)
    after = np.stack([record.labels(arm, feature, setup.pilot) for arm in setup.arms(attribute)])
    return Twins(setup.labels[feature].index(attribute.label), before, after)


def write_tables(found: Found, folder: Path) -> None:
    """Write intervene.json and the tables, each whole or not at all."""
    told = json.dumps(summary(found), indent=1, ensure_ascii=False, allow_nan=False)
    write_whole(folder / "intervene.json", told)
    write_whole(folder / "effects.csv", safe_cells(effect_table(found)).to_csv(index=False))
    if found.balanced:
        write_whole(folder / "balance.csv", safe_cells(balance_table(found)).to_csv(index=False))


def summary(found: Found) -> dict[str, Any]:
    """The content of intervene.json."""
    setup, record = found.setup, found.record
    model = setup.run.record["model"]
    return {
        "schema": SCHEMA,
        "diffwin": VERSION,
        "model": model["name"],
        "solver": model["solver"],
        "steps": setup.grid.top,
        "guidance": setup.run.plan.guidance,
        "seed": setup.run.plan.seed,
        "prompt": setup.asked.prompt,
        "confidence": CONFIDENCE,
        "evaluations": record.evaluations,
        "missing": record.missing,
        "screen": None if setup.run.screened is None else setup.run.screened.as_dict(),
        "switch_tests": switch_tests_told(found),
        "balancing": [_balancing(found, feature) for feature in found.balanced],
    }


def switch_tests_told(found: Found) -> list[dict[str, Any]]:
    """The switch tests of intervene.json, and of an audit's."""
    return [_test(found, attribute, test) for attribute, test in found.tests]


def _test(found: Found, attribute: Attribute, test: SwitchTest) -> dict[str, Any]:
    return {
        **vars(attribute),
        "bases": test.bases,
        **_effects_told(found, test),
        "corrected": None if test.corrected is None else _effects_told(found, test.corrected),
        "uncorrected": found.uncorrected[attribute.feature],
    }


def _effects_told(found: Found, test: SwitchTest) -> dict[str, Any]:
    """The numbers of one test, as read or corrected."""
    return {
        "verdict": test.verdict.value,
        "apart": test.apart,
        "window": {**_where(found, test.design.window), "effect": vars(test.window)},
        "throughout": vars(test.throughout),
        "inside": vars(test.inside),
        "outside": _told(test.outside),
        "inside_less": {side.value: vars(gap) for side, gap in test.gaps.items()},
        "compared": [
            {**_where(found, interval), "place": place.value, "effect": vars(effect)}
            for (place, interval), effect in zip(test.design.compared, test.compared, strict=True)
        ],
        "sliding": [
            {**_where(found, interval), "place": place.value, "effect": vars(effect)}
            for interval, place, effect in zip(test.design.sliding, test.design.places, test.effects, strict=True)
        ],
    }


def _where(found: Found, interval: Interval) -> dict[str, Any]:
    """An interval by levels, by steps done and by log-SNR; the clean end of some grids is infinite, which is null."""
    grid = found.setup.grid
    low, high = float(grid.log_snr[interval.start]), float(grid.log_snr[interval.stop])
    finite = {"log_snr_from": low, "log_snr_to": high if abs(high) < float("inf") else None}
    steps = {"step_from": grid.top - interval.start, "step_to": grid.top - interval.stop}
    return {"start": interval.start, "stop": interval.stop, **steps, **finite}


def _balancing(found: Found, feature: str) -> dict[str, Any]:
    return {
        "feature": feature,
        "wanted": found.wanted(feature),
        "images": found.setup.asked.images,
        "features_of": found.record.space,
        "ways": [_outcome(found, feature, each) for each in found.balanced[feature]],
    }


def _outcome(found: Found, feature: str, outcome: Outcome) -> dict[str, Any]:
    way = outcome.way
    return {
        "way": way.name,
        **_where(found, way.where),
        "acted": outcome.acted,
        "reached": {label: vars(share) for label, share in outcome.reached.items()},
        "reached_corrected": {label: vars(share) for label, share in outcome.corrected.items()},
        "expected": outcome.expected,
        "met": outcome.meets(found.wanted(feature)),
        "distance": vars(outcome.distance),
        "sharpness": vars(outcome.sharpness),
        "feature_distance": _told(outcome.features),
        "agreement": _told(outcome.agreement),
        "agreement_gained": _told(outcome.gained),
        "kept": {name: vars(share) for name, share in outcome.kept.items()},
        "less_inside": {name: vars(gap) for name, gap in outcome.apart.items()},
    }


def _told(value: Measured | None) -> dict[str, float] | None:
    return None if value is None else vars(value)


def effect_table(found: Found) -> pd.DataFrame:
    """One row an attribute and interval, the window and all steps among them."""
    return pd.DataFrame(list(_effects(found)))


def _effects(found: Found) -> Iterator[dict[str, Any]]:
    setup = found.setup
    for attribute, test in found.tests:
        names = {"prompt": setup.asked.prompt, "feature": attribute.feature, "label": attribute.label}
        names["other_prompt"] = attribute.prompt
        corrected = [None] * len(effect_rows(test)) if test.corrected is None else effect_rows(test.corrected)
        for (span, kind, effect), beside in zip(effect_rows(test), corrected, strict=True):
            row = {**names, **_where(found, span), "lies": kind, "effect": effect.value, **_bounds(effect)}
            value = None if beside is None else beside[2]
            yield row | {name: getattr(value, at, np.nan) for name, at in _CORRECTED.items()}


_CORRECTED = {"corrected": "value", "corrected_low": "low", "corrected_high": "high"}


def effect_rows(test: SwitchTest) -> list[tuple[Interval, str, Measured]]:
    """Every interval acted in, where it lies in words, and its effect: those compared, the whole, those that slide."""
    design = test.design
    compared = zip(design.compared, test.compared, strict=True)
    slide = zip(design.sliding, design.places, test.effects, strict=True)
    return [
        *((interval, f"{place.value}, compared", effect) for (place, interval), effect in compared),
        (design.window, "the whole window", test.window),
        (design.throughout, "all steps", test.throughout),
        *((interval, f"{place.value}, sliding", effect) for interval, place, effect in slide),
    ]


def _bounds(value: Measured) -> dict[str, float]:
    return {"low": value.low, "high": value.high}


def balance_table(found: Found) -> pd.DataFrame:
    """One row a feature, way and number."""
    return pd.DataFrame(list(_balances(found)))


def _balances(found: Found) -> Iterator[dict[str, Any]]:
    for feature, mine in found.balanced.items():
        for each in mine:
            name: dict[str, Any] = {"prompt": found.setup.asked.prompt, "feature": feature, "way": each.way.name}
            name |= {**_where(found, each.way.where), "acted": each.acted}
            numbers = {f"share of {label}": value for label, value in each.reached.items()}
            numbers |= {f"share of {label}, corrected": value for label, value in each.corrected.items()}
            numbers |= {"distance": each.distance, "sharpness": each.sharpness}
            numbers |= {f"{label} kept": value for label, value in each.kept.items()}
            encoded = {"features": each.features, "agreement": each.agreement, "agreement gained": each.gained}
            numbers |= {name: value for name, value in encoded.items() if value is not None}
            numbers |= {f"{what}, less inside the window": gap for what, gap in each.apart.items()}
            for number, value in numbers.items():
                yield {**name, "number": number, "value": value.value, **_bounds(value)}
