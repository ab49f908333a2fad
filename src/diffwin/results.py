"""A finished or unfinished run as its folder holds it: curves, windows, report. No model and no torch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from diffwin import screen
from diffwin.correction import corrections_of
from diffwin.errors import BadInput
from diffwin.estimate import Estimate, curve_table, estimates, fitted_table
from diffwin.files import safe_cells, write_whole
from diffwin.information import Information, information, information_table
from diffwin.ledger import Ledger
from diffwin.levels import EDGE, Grid
from diffwin.named import Words, labelled
from diffwin.order import Pair, order, with_joint_intervals
from diffwin.plan import Plan
from diffwin.report.findings import Findings
from diffwin.report.page import write_report
from diffwin.report.tables import between
from diffwin.report.words import feature_name
from diffwin.reversibility import Gap, gaps
from diffwin.screen import Screened
from diffwin.survival import Readings, readings_of
from diffwin.theory.record import predicted_curves
from diffwin.trials import ALL
from diffwin.version import VERSION
from diffwin.window import CONFIDENCE, STOPPED, Located, Window

SCHEMA = "diffwin/windows/1"
PREDICTION_DRAWS = 512
"""Behind a predicted curve in the report: seconds for thousands of images, its standard error below that of a run."""


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
        """One row a generated image: prompt, base, level (0: the base), repeat, evaluations, image, missing.

        Of a run with a screen also `screened`: the level at which it ended the sample, nothing where it did not.
        """
        with Ledger.reading(self.folder) as ledger:
            return self._marked(ledger.samples(), ledger)

    @property
    def levels(self) -> list[int]:
        """The levels that were regenerated from, ascending."""
        return sorted(int(level) for level in self.counts["level"].unique() if level)

    @cached_property
    def counts(self) -> pd.DataFrame:
        """How many images there are: prompt, base, level, samples."""
        with Ledger.reading(self.folder) as ledger:
            return ledger.counts()

    @cached_property
    def missing(self) -> pd.DataFrame:
        """One row a missing image (feature `all`) or reading: prompt, base, level, repeat, feature, reason."""
        with Ledger.reading(self.folder) as ledger:
            return ledger.missing()

    @cached_property
    def observations(self) -> pd.DataFrame:
        """One row an image and feature: label index (NaN if missing), probabilities, and `screened` as of samples."""
        with Ledger.reading(self.folder) as ledger:
            return self._marked(ledger.observations(), ledger)

    def _marked(self, rows: pd.DataFrame, ledger: Ledger) -> pd.DataFrame:
        return screen.marked(rows, ledger.screened()) if self.plan.screen else rows

    @cached_property
    def readings(self) -> list[Readings]:
        with Ledger.reading(self.folder) as ledger:
            return readings_of(ledger.observations_in_parts(), self.record["labels"], list(self.grid.log_snr))

    @cached_property
    def estimates(self) -> list[Estimate]:
        """Curves and windows of every prompt and feature, with the resamples behind them."""
        corrections, stopped = corrections_of(self.record), self.plan.precision is not None
        return estimates(self.readings, self.grid, corrections, seed=self.plan.seed, stopped=stopped)

    @cached_property
    def curves(self) -> pd.DataFrame:
        """Survival per prompt, feature, group and level."""
        return curve_table(self.estimates, list(self.grid.time), self._ended)

    @cached_property
    def _ended(self) -> dict[tuple[str, int], float]:
        """The share of each prompt's regenerations from a level that a screen ended."""
        if not self.plan.screen:
            return {}
        with Ledger.reading(self.folder) as ledger:
            return screen.ended_shares(ledger.screened(), self.counts)

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
        """Windows as a table; onset, decision and end spread into columns such as `decision_log_snr`.

        `screened` says whether regenerations were read before their end where a screen was sure enough.
        """
        return pd.json_normalize([window.as_dict() for window in self.located], sep="_").assign(
            screened=self.plan.screen
        )

    @property
    def evaluations(self) -> int:
        """Network rows behind the samples held: one sample once through the network, a guidance pair is two."""
        with Ledger.reading(self.folder) as ledger:
            return ledger.evaluations()

    @cached_property
    def screened(self) -> Screened | None:
        """What reading regenerations before their end did, or None where it was not asked for."""
        if not self.plan.screen:
            return None
        regenerations = int(self.counts.loc[self.counts["level"] > 0, "samples"].sum())
        with Ledger.reading(self.folder) as ledger:
            return Screened.of(ledger.screened(), ledger.looks(), regenerations)

    @property
    def screened_words(self) -> str:
        """The same in words, which stand wherever results do; '' where it was not asked for."""
        return "" if self.screened is None else screen.words(self.screened.as_dict())

    def write(self) -> Path:
        """Write curves.csv, windows.json, plan.json and the report; returns the report's path."""
        write_whole(self.folder / "plan.json", json.dumps(self.record, indent=1, ensure_ascii=False))
        write_whole(self.folder / "curves.csv", safe_cells(self.curves).to_csv(index=False))
        told = json.dumps(self.summary(), indent=1, ensure_ascii=False, allow_nan=False)
        write_whole(self.folder / "windows.json", told)
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
            **({} if self.screened is None else {"screen": self.screened.as_dict()}),
            "edge": EDGE,
            "confidence": CONFIDENCE,
            "windows": [window.as_dict() for window in self.located],
            "order": [asdict(pair) for pair in self.order],
            "information": [_told(found) for found in self.found_information],
        }

    def findings(self) -> Findings:
        """The report's input."""
        return Findings(
            title=self.record["model"]["name"],
            model=self.record["model"]["name"],
            prompts=list(self.plan.prompts) or [""],
            features=list(self.record["labels"]),
            labels={feature: tuple(labels) for feature, labels in self.record["labels"].items()},
            sensitive=frozenset(self.record["sensitive"]),
            exact=frozenset(each.readings.feature for each in self.estimates if each.exact),
            steps=self.grid.top,
            level_log_snr=list(self.grid.log_snr),
            windows=self.located,
            order=self.order,
            information=self.found_information,
            curves=self.curves,
            fitted=fitted_table(self.estimates),
            predicted=predicted_curves(self.record, draws=PREDICTION_DRAWS) or {},
            trials=self.trials,
            missing=self.missing,
            settings=dict(self._settings()),
            caveats=list(self._caveats()),
            screened=self.screened_words,
        )

    @cached_property
    def trials(self) -> pd.DataFrame:
        """Readings beside those of their bases, in the columns of `Findings.trials`; names are held once."""
        words = Words(self.record["labels"])
        with Ledger.reading(self.folder) as ledger:
            return pd.concat([words.named(part) for part in ledger.pairs_in_parts()], ignore_index=True)

    def labelled(self) -> pd.DataFrame:
        """Observations in words: the label's name, and its probabilities as JSON."""
        return labelled(self.observations, self.record["labels"])

    def _settings(self) -> Iterator[tuple[str, str]]:
        record, plan, model = self.record, self.record["plan"], self.record["model"]
        kind = "stochastic" if model["stochastic"] else "deterministic"
        yield "model", model["name"]
        laid = {"LoRA": plan.get("lora"), "embedding": plan.get("embedding"), "autoencoder": plan.get("vae")}
        yield from ((what, told if isinstance(told, str) else ", ".join(told)) for what, told in laid.items() if told)
        yield "mode", plan["mode"]
        yield "solver", f"{model['solver']} ({kind}), {self.grid.top} steps, guidance {plan['guidance']:g}"
        yield "levels measured", ", ".join(map(str, self.levels))
        yield from self._made()
        yield "network rows", f"{self.evaluations:,}"
        yield "seed", str(plan["seed"])
        for name, value in model["provenance"].items():
            yield f"model {name}", value
        for name, told in record["probes"].items():
            yield f"probe {name}", "; ".join(f"{key} {value}" for key, value in told.items() if value)
        for name, value in record["versions"].items():
            yield f"{name} version", value

    def _made(self) -> Iterator[tuple[str, str]]:
        """How many bases and regenerations there are, as they were made and not as they were planned."""
        bases, again = (self.counts[(self.counts["level"] > 0) == regenerated] for regenerated in (False, True))
        yield "bases", f"{between(bases.groupby('prompt')['samples'].sum())} a prompt"
        each = again["samples"]
        if each.empty:
            return
        even = each.min() == each.max() and len(each) == len(self.levels) * len(bases)
        level = between(again.groupby(["prompt", "level"])["samples"].sum())
        yield "regenerations", f"{each.iloc[0]} a base and level" if even else f"{level} a level"

    def _corrections(self) -> dict[str, list[str]]:
        """The features whose probes err or may err, by why their survival is not corrected ('' where it is)."""
        reasons: dict[str, list[str]] = {}
        for each in self.estimates:
            feature = each.readings.feature
            name = feature_name(feature, sensitive=feature in self.record["sensitive"])
            if not each.exact and name not in reasons.setdefault(each.uncorrected, []):
                reasons[each.uncorrected].append(name)
        return reasons

    def _unreached(self) -> Iterator[str]:
        """Which decision points are less sure than was asked for."""
        for asked, windows in (
            (self.plan.precision, [window for window in self.located if window.group == ALL]),
            (self.plan.precision_groups, [window for window in self.located if window.group != ALL]),
        ):
            halves = [(w, (w.decision.high - w.decision.low) / 2) for w in windows if w.decision is not None]
            short = [f"{_named(w)} {half:.2f}" for w, half in halves if asked is not None and half > asked]
            if short:
                yield f"A half-width of {asked:g} in log-SNR was asked for and not reached by: {', '.join(short)}."

    def _caveats(self) -> Iterator[str]:
        for why, names in self._corrections().items():
            told = f"is not corrected for errors of reading: {why}" if why else "is corrected for errors of reading"
            verb = "survives" if len(names) == 1 else "survive"
            yield f"How often the {' and the '.join(names)} {verb} {told}."
        if self.plan.precision is not None:
            yield (
                f"The run went on until its intervals were narrow enough, so they are {STOPPED - 1:.0%} wider than by "
                "themselves: one that stops then stops by preference when they are too narrow."
            )
        yield from self._unreached()
        if why := self.record["model"]["provenance"].get("distilled"):
            yield f"The model is distilled ({why}): its windows are its own, not those of the model it learned from."
        if not self.record["model"]["stochastic"]:
            yield "The solver is deterministic: its survival follows another law than that of a stochastic one."
        if (top := float(self.grid.log_snr[-1])) > -6.0:
            yield (
                f"The noisiest level has log-SNR {top:.2f}: it does not quite forget the image, so what is decided "
                "earliest may be seen late."
            )
        if (count := int((self.missing["feature"] == ALL).sum())) > 0:
            yield f"{count} images are missing; they count neither as survived nor as lost."


def _named(window: Window) -> str:
    return window.feature if window.group == ALL else f"{window.feature} {window.group}"


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
