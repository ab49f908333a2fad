"""The numbers of an audit as tables: what stands in its CSV files, audit.json and report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

import pandas as pd

from diffwin.audit.result import Audit, Scale
from diffwin.audit.transitions import Transitions
from diffwin.audit.verdict import FALSE_FINDINGS, Judgement
from diffwin.intervene.results import switch_tests_told
from diffwin.version import VERSION
from diffwin.window import CONFIDENCE

SCHEMA: Final = "diffwin/audit/1"
SHARES: Final = (
    "guidance", "name", "prompt", "feature", "label", "share", "low", "high", "read", "pictures", "missing",
    "reference", "training", "uncorrected",
)  # fmt: skip
DECISIONS: Final = (
    "guidance", "name", "prompt", "feature", "sensitive", "status", "reason", "onset", "decision", "low", "high", "end",
    "step", "fraction",
)  # fmt: skip
TRANSITIONS: Final = (
    "prompt",
    "feature",
    "level",
    "log_snr",
    "before",
    "after",
    "regenerations",
    "corrected",
    "low",
    "high",
    "uncorrected",
)


def shares_table(audit: Audit) -> pd.DataFrame:
    """A row a guidance scale, prompt, feature and label; intervals of 95 % each."""
    return pd.DataFrame((row for scale in audit.scales for row in _shares(audit, scale)), columns=list(SHARES))


def decisions_table(audit: Audit) -> pd.DataFrame:
    """A row a guidance scale, prompt and feature: the window in log-SNR, its decision in steps too."""
    return pd.DataFrame((row for scale in audit.scales for row in _decisions(audit, scale)), columns=list(DECISIONS))


def transitions_table(audit: Audit) -> pd.DataFrame:
    """A row a prompt, sensitive feature, level and pair of labels; `corrected` is the share of the level's pictures."""
    rows = [
        (t.prompt, t.feature, t.level, t.log_snr, before, after, int(t.counts[i, j]), *_moved(t, i, j), t.uncorrected)
        for t in audit.transitions
        for i, before in enumerate(t.labels)
        for j, after in enumerate(t.labels)
    ]
    return pd.DataFrame(rows, columns=list(TRANSITIONS))


def _moved(table: Transitions, before: int, after: int) -> tuple[float | None, ...]:
    moves = table.corrected
    if moves is None:
        return None, None, None
    return tuple(float(each[before, after]) for each in (moves.share, moves.low, moves.high))


def as_dict(audit: Audit) -> dict[str, Any]:
    """The content of audit.json."""
    run, file = audit.main.run, audit.suite.file
    return {
        "schema": SCHEMA,
        "diffwin": VERSION,
        "suite": {"name": file.name, "version": file.version, "tolerance": file.tolerance, "source": file.source},
        "model": run.record["model"]["name"],
        "solver": run.record["model"]["solver"],
        "steps": run.grid.top,
        "seed": run.plan.seed,
        "guidance": [scale.guidance for scale in audit.scales],
        "confidence": CONFIDENCE,
        "false_findings": FALSE_FINDINGS,
        "screen": {f"{s.guidance:g}": s.run.screened.as_dict() for s in audit.scales if s.run.screened is not None},
        "evaluations": sum(scale.run.evaluations for scale in audit.scales),
        "probes": run.record["probes"],
        "findings": [_told(each) for each in audit.findings],
        "judgements": [_told(each) for each in audit.judgements],
        "decisions": [
            {"guidance": scale.guidance} | asdict(pooled) for scale in audit.scales for pooled in scale.pooled
        ],
        "amplification": [asdict(each) for each in audit.amplification],
        "entanglement": [asdict(each) for each in audit.entanglement],
        "fixed": [asdict(each) for each in audit.fixed],
        "asymmetries": [asdict(each) for each in audit.asymmetries],
        "net_flows": [asdict(each) for each in audit.net_flows],
        "order": [asdict(each) for each in audit.order],
        "switch_tests": [
            {"in": found.setup.asked.prompt, **told} for found in audit.proofs for told in switch_tests_told(found)
        ],
    }


def _told(each: Judgement) -> dict[str, Any]:
    names = ("name", "verdict", "reason", "label", "departure", "guaranteed", "low", "high", "p_value", "adjusted")
    told = {name: getattr(each, name) for name in names}
    shares = each.shares
    return told | {
        "prompt": shares.prompt,
        "feature": shares.feature,
        "severity": each.severity,
        "reference": dict(each.reference) if each.reference else None,
        "shares": dict(zip(shares.labels, shares.shown.tolist(), strict=True)) if shares.pictures else {},
        "pictures": shares.pictures,
        "missing": shares.missing,
        "unseen": list(each.unseen),
        "uncorrected": shares.uncorrected,
    }


def _shares(audit: Audit, scale: Scale) -> Iterator[tuple[Any, ...]]:
    suite = audit.suite
    for item in suite.items:
        for feature in suite.features:
            shares = scale.shares(item, feature)
            known = [of.get(feature, {}).get(item.subject, {}) for of in (suite.reference, suite.training)]
            for at, label in enumerate(shares.labels):
                share = float(shares.shown[at]) if shares.pictures else None
                yield (
                    scale.guidance, item.name, item.prompt, feature, label, share, *shares.interval(at),
                    int(shares.read[at]), shares.pictures, shares.missing, known[0].get(label), known[1].get(label),
                    shares.uncorrected,
                )  # fmt: skip


def _decisions(audit: Audit, scale: Scale) -> Iterator[tuple[Any, ...]]:
    suite = audit.suite
    for item in suite.items:
        for feature in suite.features:
            if (window := scale.window(item, feature)) is None:
                continue
            named = (scale.guidance, item.name, item.prompt, feature, feature in suite.file.sensitive)
            at = window.decision
            where = (None,) * 3 if at is None else (at.log_snr, at.low, at.high)
            ends = [None if point is None else point.log_snr for point in (window.onset, window.end)]
            steps = (None, None) if at is None else (at.step, at.fraction)
            yield *named, str(window.status), window.reason, ends[0], *where, ends[1], *steps
