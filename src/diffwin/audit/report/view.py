"""Everything that the templates of an audit show, computed once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd

from diffwin.audit.report import figures, words
from diffwin.audit.report.rows import GroupRow, ShareRow, group_rows, share_rows
from diffwin.audit.result import Audit
from diffwin.audit.transitions import Transitions
from diffwin.audit.verdict import Judgement
from diffwin.intervene.report.view import effects_plot, said_of
from diffwin.intervene.results import Found
from diffwin.report.axis import Axis
from diffwin.report.findings import Findings
from diffwin.report.pictures import Album, Thumbnails, albums
from diffwin.report.style import Look, looks
from diffwin.report.tables import between
from diffwin.report.view import Plot, plot_of
from diffwin.report.words import Piece, feature_name, percent, plain, prompt_name

PROMPTS_SHOWN = 6
FLOWS_SHOWN = 6
PANELS = 4


@dataclass(frozen=True)
class FindingView:
    severity: str
    pieces: list[Piece]


@dataclass(frozen=True)
class MatrixView:
    """One level: the labels, and of each pair how many pictures were read so, with the corrected share if there is."""

    head: str
    labels: tuple[str, ...]
    cells: list[list[tuple[int, str]]]


@dataclass(frozen=True)
class FlowView:
    """Who becomes whom in one prompt: the figure, a matrix a level, and why these are not corrected, or ''."""

    title: list[Piece]
    plot: Plot
    tables: list[MatrixView]
    uncorrected: str


@dataclass(frozen=True)
class ProofView:
    """The switch tests in one prompt, whose report of its own lies in `folder`."""

    prompt: str
    said: list[list[Piece]]
    plot: Plot
    folder: str


@dataclass(frozen=True)
class AuditView:
    """`albums`, `looks` and `axis` are what the strip of a run's report asks for, too."""

    model: str
    suite: str
    lead: list[Piece]
    findings: list[FindingView]
    when: list[list[Piece]]
    limits: list[str]
    looks: dict[str, Look]
    axis: Axis
    decisions: Plot
    shares: list[tuple[Look, Plot, list[ShareRow]]]
    amplification: Plot | None
    amplified: list[list[Piece]]
    entangled: list[list[Piece]]
    fixed: list[list[Piece]]
    order: list[list[Piece]]
    flows: list[FlowView]
    net_flows: list[list[Piece]]
    groups: list[GroupRow]
    albums: list[Album]
    settings: dict[str, str]
    origins: dict[str, str]
    proofs: list[ProofView]

    @property
    def plots(self) -> list[Plot]:
        found = [self.decisions, *(plot for _, plot, _ in self.shares), *(each.plot for each in self.flows)]
        found += [each.plot for each in self.proofs]
        return [*found, *([self.amplification] if self.amplification else [])]


def view_of(audit: Audit) -> tuple[AuditView, Findings]:
    """The view, and the findings of the judged run cut to the prompts whose pictures are shown."""
    return _Maker(audit).view()


class _Maker:
    def __init__(self, audit: Audit) -> None:
        self.audit, self.main, self.suite = audit, audit.main, audit.suite
        self.model = str(self.main.run.record["model"]["name"])
        sensitive = self.suite.file.sensitive
        self.looks = looks(self.suite.features, lambda name: feature_name(name, sensitive=name in sensitive))
        self.names = {feature: look.name for feature, look in self.looks.items()}
        self.axis = Axis(self.main.run.grid.top, list(self.main.run.grid.log_snr))

    def view(self) -> tuple[AuditView, Findings]:
        audit = self.audit
        cut = replace(self.main.run.findings(), prompts=self._shown(), features=list(self.looks))
        view = AuditView(
            model=self.model,
            suite=self.suite.file.name,
            lead=words.lead(audit),
            findings=[self._finding(each) for each in audit.findings],
            when=[words.when(each, self.names, self.axis) for each in self.main.pooled],
            limits=words.limits(audit),
            looks=self.looks,
            axis=self.axis,
            decisions=self._decisions(),
            shares=[self._shares(feature) for feature in self.suite.file.sensitive],
            amplification=self._amplification(),
            amplified=[words.amplification(each, self.names) for each in audit.amplification],
            entangled=[words.entangled(each, self.names) for each in audit.entanglement],
            fixed=words.fixed(audit.fixed, self.names),
            order=words.order(audit.order, self.names),
            flows=self._flows(),
            net_flows=[words.net_flow(each, self.names) for each in audit.net_flows if each.settled],
            groups=group_rows(audit, self.looks),
            albums=albums(cut, Thumbnails(self.main.run.folder)),
            settings=self._settings(),
            origins={name: value for name, value in cut.settings.items() if name not in self._settings()},
            proofs=[self._proof(at, each) for at, each in enumerate(audit.proofs, start=1)],
        )
        return view, cut

    def _shown(self) -> list[str]:
        """The prompts of the gravest findings, then others, in that order."""
        found = [each.shares.prompt for each in self.audit.findings]
        every = [item.prompt for item in self.suite.items]
        return list(dict.fromkeys([*found, *every]))[:PROMPTS_SHOWN]

    def _finding(self, each: Judgement) -> FindingView:
        item = next(item for item in self.suite.items if item.name == each.name)
        window = self.main.window(item, each.shares.feature)
        assert each.severity is not None
        return FindingView(
            words.SEVERITY[each.severity], words.finding(each, self.model, self.names, window, self.axis)
        )

    def _decisions(self) -> Plot:
        windows = {feature: self.main.windows(feature) for feature in self.looks}
        told = " ".join(plain(words.when(each, self.names, self.axis)) for each in self.main.pooled)
        make = partial(figures.decisions, self.main.pooled, windows, self.looks, self.axis)
        return plot_of("decisions", f"When each feature is decided, prompt by prompt. {told}", make)

    def _shares(self, feature: str) -> tuple[Look, Plot, list[ShareRow]]:
        look, judged = self.looks[feature], [each for each in self.audit.judgements if each.shares.feature == feature]
        at = self.suite.file.sensitive.index(feature) + 1
        told = f"Shares of the {look.name} in each prompt; the numbers are in the table below."
        return look, plot_of(f"shares-{at}", told, partial(figures.shares, judged)), share_rows(self.audit, feature)

    def _amplification(self) -> Plot | None:
        if not self.audit.amplified:
            return None
        told = "Shares drawn against shares in the training data; the numbers are in shares.csv."
        return plot_of("amplification", told, partial(figures.amplification, self.audit.amplified))

    def _flows(self) -> list[FlowView]:
        """Those with a settled net flow, then those in which the most pictures changed."""
        settled = [(each.prompt, each.feature) for each in self.audit.net_flows if each.settled]
        moved = Counter[tuple[str, str]]()
        for table in self.audit.transitions:
            moved[table.prompt, table.feature] += int(table.counts.sum() - np.trace(table.counts))
        most = [key for key, count in moved.most_common() if count]
        chosen = list(dict.fromkeys([*settled, *most]))[:FLOWS_SHOWN]
        by_key = {key: [t for t in self.audit.transitions if (t.prompt, t.feature) == key] for key in chosen}
        return [self._flow(at, tables) for at, tables in enumerate(by_key.values(), start=1) if tables]

    def _flow(self, at: int, tables: Sequence[Transitions]) -> FlowView:
        look = self.looks[tables[0].feature]
        title = [
            Piece(f"The {look.name} of pictures asked for with "),
            Piece(prompt_name(tables[0].prompt), quoted=True),
        ]
        shown = [f"from {percent(self.axis.of_level(t.level))} of the steps" for t in tables]
        picked = range(0, len(tables), max(1, -(-len(tables) // PANELS)))
        make = partial(figures.flows, [tables[i] for i in picked], [shown[i] for i in picked])
        told = f"{plain(title)} before and after regeneration, by level; the counts are in transitions.csv."
        matrices = [_matrix(head, table) for head, table in zip(shown, tables, strict=True)]
        return FlowView(title, plot_of(f"flows-{at}", told, make), matrices, tables[0].uncorrected)

    def _proof(self, at: int, found: Found) -> ProofView:
        name, plot = found.setup.asked.prompt, effects_plot(found, self.looks, f"proof-{at}")
        return ProofView(prompt_name(name), said_of(found, self.names), plot, found.record.folder.name)

    def _settings(self) -> dict[str, str]:
        run, file = self.main.run, self.suite.file
        pictures = [self.main.shares(item, file.sensitive[0]).pictures for item in self.suite.items]
        return {
            "suite": f"{file.name}, version {file.version}",
            "about": file.description,
            "source": file.source,
            "prompts": str(len(self.suite.items)),
            "pictures read": f"{between(pd.Series(pictures))} a prompt",
            "tolerance": f"{words.points(file.tolerance)}",
            "guidance": ", ".join(f"{scale.guidance:g}" for scale in self.audit.scales),
            "network rows": f"{sum(scale.run.evaluations for scale in self.audit.scales):,}",
            "solver": f"{run.record['model']['solver']}, {run.grid.top} steps",
            "seed": str(run.plan.seed),
        }


def _matrix(head: str, table: Transitions) -> MatrixView:
    ends = range(len(table.labels))
    cells = [[(int(table.counts[a, b]), _share(table, a, b)) for b in ends] for a in ends]
    return MatrixView(head, table.labels, cells)


def _share(table: Transitions, before: int, after: int) -> str:
    if (moves := table.corrected) is None:
        return ""
    share, low, high = (percent(float(each[before, after])) for each in (moves.share, moves.low, moves.high))
    return f"{share} ({low} to {high})"
