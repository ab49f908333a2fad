"""An audit: a suite with the runs made for it, and all that follows from them. No model and no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from diffwin.audit.amplification import Amplification, Amplified, amplified, summed_up
from diffwin.audit.entanglement import Coefficient, Fixed, coefficient, fixed_at_decision
from diffwin.audit.groups import Asymmetry, asymmetries, survival_by_group
from diffwin.audit.reference import Shares as Reference
from diffwin.audit.suite import Item, Suite
from diffwin.audit.transitions import NetFlow, Transitions, net_flows, transitions
from diffwin.audit.verdict import Case, Judgement, judge, ranked
from diffwin.audit.windows import Pooled, pooled
from diffwin.correction import Correction, corrections_of
from diffwin.estimate import Estimate
from diffwin.intervene.results import Found
from diffwin.order import Pair
from diffwin.results import Run
from diffwin.shares import Shares
from diffwin.survival import Readings
from diffwin.trials import ALL
from diffwin.window import Window


@dataclass(frozen=True, eq=False)
class Scale:
    """The run of one guidance scale: shares, windows and curves of the suite's prompts."""

    suite: Suite
    run: Run

    @property
    def guidance(self) -> float:
        return float(self.run.record["plan"]["guidance"])

    @cached_property
    def estimates(self) -> dict[tuple[str, str], Estimate]:
        """By (text of the prompt, feature)."""
        known = {item.prompt for item in self.suite.items}
        each = ((each.readings.prompt, each.readings.feature, each) for each in self.run.estimates)
        return {(prompt, feature): found for prompt, feature, found in each if prompt in known}

    @cached_property
    def _readings(self) -> dict[tuple[str, str], Readings]:
        return {(each.prompt, each.feature): each for each in self.run.readings}

    def shares(self, item: Item, feature: str) -> Shares:
        """Shares of a feature's labels in the pictures of one prompt, empty where there is no picture."""
        known = corrections_of(self.run.record).get(feature)
        found = self._readings.get((item.prompt, feature))
        labels = self.suite.labels[feature]
        base_labels = np.zeros(0, np.int64) if found is None else found.base_labels
        read = Shares.of(item.prompt, feature, labels, base_labels, known)
        return read.with_missing(read.missing + self.blank.get(item.prompt, 0))

    @cached_property
    def blank(self) -> dict[str, int]:
        """How many pictures of each prompt are missing whole, of black ones and of numbers that are not finite."""
        gone = self.run.missing
        gone = gone[(gone["feature"] == ALL) & (gone["level"] == 0)]
        return {str(prompt): int(count) for prompt, count in gone.groupby("prompt").size().items()}

    @cached_property
    def _windows(self) -> dict[tuple[str, str], Window]:
        return {(w.prompt, w.feature): w for w in self.run.located if w.group == ALL}

    def window(self, item: Item, feature: str) -> Window | None:
        """Onset, decision and end of one feature in one prompt, or the outcome that is not a window."""
        return self._windows.get((item.prompt, feature))

    def windows(self, feature: str) -> list[Window]:
        """Those of one feature, a prompt each."""
        return [found for item in self.suite.items if (found := self.window(item, feature)) is not None]

    @cached_property
    def pooled(self) -> list[Pooled]:
        """When each feature is decided across prompts, the sensitive ones first."""
        grid = self.run.grid
        return [pooled(feature, self.windows(feature), grid) for feature in self.suite.features]


@dataclass(frozen=True, eq=False)
class Audit:
    """Everything an audit says. `scales` holds a run a guidance scale; the first of them is judged."""

    suite: Suite
    folder: Path
    scales: tuple[Scale, ...]
    proofs: tuple[Found, ...] = ()
    """Switch tests of the sensitive features, where they were asked for."""

    @property
    def main(self) -> Scale:
        return self.scales[0]

    @cached_property
    def judgements(self) -> list[Judgement]:
        """Each prompt and sensitive feature against its reference, in the order of the suite."""
        suite = self.suite
        cases = [
            Case(item.name, self.main.shares(item, feature), _of(suite.reference, feature, item), suite.judged(feature))
            for item in suite.items
            for feature in suite.file.sensitive
        ]
        return judge(cases, suite.file.tolerance)

    @property
    def findings(self) -> list[Judgement]:
        """The departures found, the farthest first."""
        return ranked(self.judgements)

    @cached_property
    def asymmetries(self) -> list[Asymmetry]:
        """Which groups keep their label more surely than others."""
        return asymmetries(list(self._sensitive()))

    @cached_property
    def transitions(self) -> list[Transitions]:
        """Who becomes whom, a table a prompt, sensitive feature and level."""
        seed = self.main.run.plan.seed
        return [table for each in self._sensitive() for table in transitions(each.readings, self._known(each), seed)]

    @cached_property
    def net_flows(self) -> list[NetFlow]:
        """Moves from label to label that are not balanced by moves back."""
        return net_flows([each.readings for each in self._sensitive()])

    @cached_property
    def by_group(self) -> pd.DataFrame:
        """Survival of each feature by the label of each sensitive one."""
        trials = self.trials
        return pd.concat(
            [
                survival_by_group(trials, feature, group)
                for group in self.suite.file.sensitive
                for feature in dict.fromkeys((group, *self.suite.file.ordinary))
            ],
            ignore_index=True,
        )

    @cached_property
    def trials(self) -> pd.DataFrame:
        """What was read in every picture of the main scale, in the columns of `Findings.trials`."""
        rows = self.main.run.trials
        return rows[rows["prompt"].isin([item.prompt for item in self.suite.items])]

    @cached_property
    def order(self) -> list[Pair]:
        """Whether each sensitive feature is decided before each ordinary one, in every prompt that shows both."""
        file, known = self.suite.file, {item.prompt for item in self.suite.items}
        return [
            pair
            for pair in self.main.run.order
            if pair.prompt in known and pair.first in file.sensitive and pair.second in file.ordinary
        ]

    @cached_property
    def entanglement(self) -> list[Coefficient]:
        """How much of each sensitive feature is fixed by the prompt."""
        seed = self.main.run.plan.seed
        shares = (
            [self.main.shares(item, feature) for item in self.suite.items] for feature in self.suite.file.sensitive
        )
        return [found for each in shares if (found := coefficient(each, seed)) is not None]

    @cached_property
    def fixed(self) -> list[Fixed]:
        """How much of each sensitive feature is fixed where each ordinary one is decided."""
        known = self.main.estimates
        pairs = ((s, o) for s in self.suite.file.sensitive for o in self.suite.file.ordinary)
        return [
            found
            for sensitive, ordinary in pairs
            for item in self.suite.items
            if (item.prompt, sensitive) in known and (item.prompt, ordinary) in known
            and (found := fixed_at_decision(known[item.prompt, sensitive], known[item.prompt, ordinary])) is not None
        ]  # fmt: skip

    @cached_property
    def amplified(self) -> list[Amplified]:
        """The label that prevails in the training record, in what is drawn, by prompt, feature and guidance."""
        return list(self._amplified())

    @property
    def amplification(self) -> list[Amplification]:
        """The same summed up over prompts."""
        return summed_up(self.amplified)

    def _known(self, each: Estimate) -> Correction | str:
        """The errors of a probe where its readings can be corrected, shares and survival alike, or why they cannot."""
        item = next(item for item in self.suite.items if item.prompt == each.readings.prompt)
        shares = self.main.shares(item, each.readings.feature)
        return each.uncorrected or shares.uncorrected or shares.correction

    def _sensitive(self) -> Iterator[Estimate]:
        for item in self.suite.items:
            for feature in self.suite.file.sensitive:
                if (found := self.main.estimates.get((item.prompt, feature))) is not None:
                    yield found

    def _amplified(self) -> Iterator[Amplified]:
        for feature in self.suite.training:
            for scale in self.scales:
                for item in self.suite.items:
                    trained = _of(self.suite.training, feature, item)
                    if trained is None:
                        continue
                    if found := amplified(item.name, scale.guidance, scale.shares(item, feature), trained):
                        yield found


def _of(shares: Mapping[str, Mapping[str, Reference]], feature: str, item: Item) -> Reference | None:
    return shares.get(feature, {}).get(item.subject)
