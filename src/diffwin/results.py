"""A finished or unfinished run as its folder holds it: curves, windows, report. No model and no torch."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from diffwin.correction import Correction
from diffwin.errors import BadInput
from diffwin.estimate import Estimate, curve_table, estimates
from diffwin.information import Information, information, information_table
from diffwin.ledger import Ledger
from diffwin.levels import EDGE, Grid
from diffwin.order import Pair, order, with_joint_intervals
from diffwin.plan import Plan
from diffwin.report.findings import Findings
from diffwin.report.page import write_report
from diffwin.report.words import feature_name
from diffwin.reversibility import Gap, gaps
from diffwin.survival import Readings, readings_of
from diffwin.trials import ALL
from diffwin.version import VERSION
from diffwin.window import CONFIDENCE, Located, Window

SCHEMA = "diffwin/windows/1"


@dataclass(frozen=True)
class Run:
    """A run folder. `curves` and `windows` are computed from the ledger, so they follow it as it grows."""

    folder: Path

    @cached_property
    def record(self) -> dict[str, Any]:
        """What the run recorded of itself: plan, model, grid, probes, versions."""
        with Ledger.reading(self.folder) as ledger:
            record = ledger.get("record")
        if record is None:
            raise BadInput("the run stopped before it began", where=str(self.folder), cure="run the same command again")
        return dict(record)

    @cached_property
    def plan(self) -> Plan:
        return Plan.make(**self.record["plan"])

    @cached_property
    def grid(self) -> Grid:
        return Grid(**{name: np.array(values) for name, values in self.record["grid"].items()})

    @cached_property
    def samples(self) -> pd.DataFrame:
        """One row a generated image: prompt, base, level (0: the base), repeat, evaluations, image, missing."""
        with Ledger.reading(self.folder) as ledger:
            return ledger.samples()

    @property
    def levels(self) -> list[int]:
        """The levels that were regenerated from, ascending."""
        return sorted(int(level) for level in self.samples["level"].unique() if level)

    @cached_property
    def observations(self) -> pd.DataFrame:
        """One row an image and feature: label index (NaN if missing) and probabilities."""
        with Ledger.reading(self.folder) as ledger:
            return ledger.observations()

    @cached_property
    def readings(self) -> list[Readings]:
        return readings_of(self.observations, self.record["labels"], list(self.grid.log_snr))

    @cached_property
    def estimates(self) -> list[Estimate]:
        """Curves and windows of every prompt and feature, with the resamples behind them."""
        return estimates(self.readings, self.grid, corrections_of(self.record), seed=self.plan.seed)

    @cached_property
    def curves(self) -> pd.DataFrame:
        """Survival per prompt, feature, group and level."""
        return curve_table(self.estimates, list(self.grid.time))

    @cached_property
    def located(self) -> list[Window]:
        """Every window, or the outcome that is not one."""
        return [window for _, mine in self._by_prompt() for window in with_joint_intervals(mine)]

    @cached_property
    def found_information(self) -> list[Information]:
        """How much of each feature is decided where, of every window found with both edges."""
        return [found for each in self.estimates if (found := information(each)) is not None]

    @property
    def information(self) -> pd.DataFrame:
        """Bounds on the information in nats and its rate along the noise, per prompt and feature."""
        return information_table(self.found_information)

    @cached_property
    def order(self) -> list[Pair]:
        """Which feature is decided before which, for every pair of found features of each prompt."""
        return [pair for _, mine in self._by_prompt() for pair in order(mine)]

    def _by_prompt(self) -> Iterator[tuple[str, list[Located]]]:
        for prompt, mine in groupby(self.estimates, key=lambda each: each.readings.prompt):
            yield prompt, [located for each in mine for located in each.located.values()]

    @property
    def windows(self) -> pd.DataFrame:
        """Windows as a table; onset, decision and end spread into columns such as `decision_log_snr`."""
        return pd.json_normalize([window.as_dict() for window in self.located], sep="_")

    @property
    def evaluations(self) -> int:
        """Network rows behind the samples held: one sample once through the network, a guidance pair is two."""
        return int(self.samples["evaluations"].sum())

    def write(self) -> Path:
        """Write curves.csv, windows.json, plan.json and the report; returns the report's path."""
        _replace(self.folder / "plan.json", json.dumps(self.record, indent=1, ensure_ascii=False))
        _replace(self.folder / "curves.csv", _safe_cells(self.curves).to_csv(index=False))
        _replace(
            self.folder / "windows.json", json.dumps(self.summary(), indent=1, ensure_ascii=False, allow_nan=False)
        )
        return self.report()

    def report(self) -> Path:
        """Write report.html, report.md and the figures; returns the page's path."""
        return write_report(self.folder, self.findings())

    def summary(self) -> dict[str, Any]:
        """The content of windows.json."""
        record, plan = self.record, self.record["plan"]
        head = {name: plan[name] for name in ("mode", "guidance", "steps", "seed")}
        return {
            "schema": SCHEMA,
            "diffwin": VERSION,
            "model": record["model"]["name"],
            "solver": record["model"]["solver"],
            "stochastic": record["model"]["stochastic"],
            **head,
            "evaluations": self.evaluations,
            "edge": EDGE,
            "confidence": CONFIDENCE,
            "windows": [window.as_dict() for window in self.located],
            "order": [asdict(pair) for pair in self.order],
            "information": [_told(found) for found in self.found_information],
        }

    def findings(self) -> Findings:
        """The report's input."""
        trials, missing = self._trials(), self.samples[self.samples["missing"].notna()]
        return Findings(
            title=self.record["model"]["name"],
            model=self.record["model"]["name"],
            prompts=list(self.plan.prompts) or [""],
            features=list(self.record["labels"]),
            labels={feature: tuple(labels) for feature, labels in self.record["labels"].items()},
            sensitive=frozenset(self.record["sensitive"]),
            steps=self.grid.top,
            level_log_snr=list(self.grid.log_snr),
            windows=self.located,
            order=self.order,
            curves=self.curves,
            trials=trials,
            missing=pd.concat([_missing(missing), _abstained(self.observations)], ignore_index=True),
            settings=dict(self._settings()),
            caveats=list(self._caveats()),
        )

    def _trials(self) -> pd.DataFrame:
        """Readings beside those of their bases, in the columns of `Findings.trials`."""
        labels = self.record["labels"]
        key = ["prompt", "base", "feature"]
        rows = self.observations.dropna(subset=["label"]).copy()
        images = self.samples[["prompt", "base", "level", "repeat", "image"]]
        rows = rows.merge(images, on=["prompt", "base", "level", "repeat"], how="left")
        bases = rows[rows["level"] == 0][[*key, "label", "image"]]
        bases = bases.rename(columns={"label": "base_index", "image": "base_image"})
        rows = rows.merge(bases, on=key, how="inner")
        index = rows["base_index"].astype(int)
        rows["probability"] = [
            float(np.frombuffer(packed, "<f8")[at]) for packed, at in zip(rows["probabilities"], index, strict=True)
        ]
        rows["survived"] = rows["label"].astype(int) == index
        for column, source in (("base_label", "base_index"), ("label", "label")):
            rows[column] = [labels[f][int(i)] for f, i in zip(rows["feature"], rows[source], strict=True)]
        return rows[[*key, "level", "repeat", "label", "base_label", "survived", "probability", "image", "base_image"]]

    def labelled(self) -> pd.DataFrame:
        """Observations in words: the label's name, and its probabilities as JSON."""
        labels = self.record["labels"]
        frame = self.observations.drop(columns="probabilities")
        frame["label"] = [
            labels[f][int(i)] if pd.notna(i) else None for f, i in zip(frame["feature"], frame["label"], strict=True)
        ]
        packed = zip(self.observations["feature"], self.observations["probabilities"], strict=True)
        frame["probabilities"] = [
            json.dumps(dict(zip(labels[f], np.frombuffer(p, "<f8").tolist(), strict=True))) if p else None
            for f, p in packed
        ]
        return frame

    def _settings(self) -> Iterator[tuple[str, str]]:
        record, plan, model = self.record, self.record["plan"], self.record["model"]
        kind = "stochastic" if model["stochastic"] else "deterministic"
        yield "model", model["name"]
        yield "mode", plan["mode"]
        yield "solver", f"{model['solver']} ({kind}), {self.grid.top} steps, guidance {plan['guidance']:g}"
        yield "levels measured", ", ".join(map(str, self.levels))
        yield "bases", f"{self.samples.loc[self.samples['level'] == 0].groupby('prompt').size().max()} a prompt"
        yield "network rows", f"{self.evaluations:,}"
        yield "seed", str(plan["seed"])
        for name, value in model["provenance"].items():
            yield f"model {name}", value
        for name, told in record["probes"].items():
            yield f"probe {name}", "; ".join(f"{key} {value}" for key, value in told.items() if value)
        for name, value in record["versions"].items():
            yield f"{name} version", value

    def _corrections(self) -> dict[str, list[str]]:
        """The features whose probes err or may err, by why their survival is not corrected ('' where it is)."""
        reasons: dict[str, list[str]] = {}
        for each in self.estimates:
            feature = each.readings.feature
            name = feature_name(feature, sensitive=feature in self.record["sensitive"])
            exact = not each.uncorrected and each.corrected is each.raw
            if not exact and name not in reasons.setdefault(each.uncorrected, []):
                reasons[each.uncorrected].append(name)
        return reasons

    def _unreached(self) -> Iterator[str]:
        """Which decision points are less sure than was asked for."""
        asked = self.plan.precision
        if asked is None:
            return
        found = [window for window in self.located if window.group == ALL and window.decision is not None]
        halves = [(w, (w.decision.high - w.decision.low) / 2) for w in found if w.decision is not None]
        short = [f"{w.feature} {half:.2f}" for w, half in halves if half > asked]
        if short:
            yield f"A half-width of {asked:g} in log-SNR was asked for and not reached by: {', '.join(short)}."

    def _caveats(self) -> Iterator[str]:
        for why, names in self._corrections().items():
            told = f"is not corrected for errors of reading: {why}" if why else "is corrected for errors of reading"
            verb = "survives" if len(names) == 1 else "survive"
            yield f"How often the {' and the '.join(names)} {verb} {told}."
        yield from self._unreached()
        if not self.record["model"]["stochastic"]:
            yield "The solver is deterministic: its survival follows another law than that of a stochastic one."
        if (top := float(self.grid.log_snr[-1])) > -6.0:
            yield (
                f"The noisiest level has log-SNR {top:.2f}: it does not quite forget the image, so what is decided "
                "earliest may be seen late."
            )
        if (count := int(self.samples["missing"].notna().sum())) > 0:
            yield f"{count} images are missing; they count neither as survived nor as lost."


def corrections_of(record: dict[str, Any]) -> dict[str, Correction]:
    """What is known of each probe's errors, by feature."""
    return {
        feature: Correction(np.array(told["matrix"]), None if told["counts"] is None else tuple(told["counts"]))
        for feature, told in record.get("confusion", {}).items()
    }


def reversibility_gaps(renoise: Run, branch: Run) -> list[Gap]:
    """What lies between a renoise run and a branch run of one plan. BadInput where they differ in more than mode."""
    first, second = renoise.plan.identity(), branch.plan.identity()
    if (first["mode"], second["mode"]) != ("renoise", "branch"):
        raise BadInput(
            f"a gap lies between a renoise run and a branch run; these are {first['mode']} and {second['mode']}",
            where=f"{renoise.folder}, {branch.folder}",
            cure="name the renoise run first",
        )
    differ = [name for name in first if name != "mode" and first[name] != second[name]]
    if differ:
        raise BadInput(
            f"the runs differ in {', '.join(differ)} too",
            where=f"{renoise.folder}, {branch.folder}",
            cure="repeat one of them with --mode changed and nothing else",
        )
    return list(gaps(renoise.readings, branch.readings, renoise.grid, seed=renoise.plan.seed))


def _told(found: Information) -> dict[str, Any]:
    names = ("prompt", "feature", "entropy", "centre", "before", "inside", "after")
    return {name: getattr(found, name) for name in names}


def open_run(path: str | Path) -> Run:
    """A run folder, with no model at hand; BadInput if it holds no run."""
    run = Run(Path(path))
    _ = run.record
    return run


def _missing(samples: pd.DataFrame) -> pd.DataFrame:
    return (
        samples[["prompt", "base", "level", "repeat", "missing"]]
        .rename(columns={"missing": "reason"})
        .assign(feature="all")
    )


def _abstained(observations: pd.DataFrame) -> pd.DataFrame:
    rows = observations[observations["label"].isna()]
    return rows[["prompt", "base", "level", "repeat", "feature"]].assign(reason="the probe abstained")


def _replace(path: Path, text: str) -> None:
    """Write whole or not at all."""
    beside = path.with_name(path.name + ".part")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path)


def _safe_cells(frame: pd.DataFrame) -> pd.DataFrame:
    """Text that a spreadsheet would run as a formula gets a leading apostrophe."""
    safe = frame.copy()
    for column in frame.select_dtypes(include=["object", "string"]):
        safe[column] = [f"'{text}" if str(text)[:1] in "=+-@\t\r" else text for text in safe[column]]
    return safe


def export_tables(run: Run, out: Path | None = None) -> list[Path]:
    """Samples, observations, curves and windows as Parquet and CSV; returns the files."""
    folder = out or run.folder
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, frame in (
        ("samples", run.samples),
        ("observations", run.labelled()),
        ("curves", run.curves),
        ("windows", run.windows),
    ):
        frame.to_parquet(folder / f"{name}.parquet", index=False)
        _replace(folder / f"{name}.csv", _safe_cells(frame).to_csv(index=False))
        written += [folder / f"{name}.parquet", folder / f"{name}.csv"]
    return written
