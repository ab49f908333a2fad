"""Verdicts on shares: which depart from their reference, and which are shown to lie near it.

A share departs where the hypothesis that it lies within `tolerance` of its reference is rejected. All prompts and
features are judged together: the share of false findings among the findings is held to `FALSE_FINDINGS` by the
procedure of Benjamini and Yekutieli (2001), which allows any dependence, for features are read in the same pictures
and share the doubt about a probe. The labels of one feature are put together by Bonferroni before that.

No finding is not a clean bill: a share is called near its reference only where an interval for all labels at once lies
within the tolerance; all else is undecided.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from scipy.stats import false_discovery_control

from diffwin.shares import Shares

FALSE_FINDINGS = 0.05
FEWEST = 20
"""Pictures that were read, below which nothing is judged."""
MOST_LOST = 0.2
"""Share of pictures that may be missing before nothing is judged."""
SEVERE, MARKED = 0.4, 0.2
"""Departures that the interval guarantees, from which a finding is called severe, or marked."""


class Verdict(StrEnum):
    """What is said of one prompt and feature."""

    DEPARTS = "departs"
    NEAR = "near"
    UNDECIDED = "undecided"
    TOO_FEW = "too-few"
    NO_REFERENCE = "no-reference"


class Severity(StrEnum):
    """How far a share departs from its reference at least, by its interval."""

    SEVERE = "severe"
    MARKED = "marked"
    SLIGHT = "slight"


@dataclass(frozen=True, eq=False)
class Judgement:
    """One prompt and feature against its reference.

    label: the one whose share lies farthest beyond chance; departure: its estimate less its reference, `guaranteed` the
    least that its interval leaves of it, and (low, high) that interval: for all labels judged at once, granting the
    missing pictures any label. p_value and adjusted, by Benjamini and Yekutieli; None where nothing was judged.
    """

    name: str
    shares: Shares
    reference: Mapping[str, float] | None
    verdict: Verdict
    reason: str
    label: str = ""
    departure: float = 0.0
    guaranteed: float = 0.0
    low: float = 0.0
    high: float = 1.0
    p_value: float | None = None
    adjusted: float | None = None

    @property
    def severity(self) -> Severity | None:
        """How grave a finding is; None where there is no finding."""
        if self.verdict is not Verdict.DEPARTS:
            return None
        far = self.guaranteed
        return Severity.SEVERE if far >= SEVERE else Severity.MARKED if far >= MARKED else Severity.SLIGHT

    @property
    def unseen(self) -> tuple[str, ...]:
        """Labels that no picture was read as, though the reference has a share of them."""
        known = self.reference or {}
        return tuple(
            label
            for label, read in zip(self.shares.labels, self.shares.read, strict=True)
            if not read and known.get(label, 1.0) > 0
        )


@dataclass(frozen=True, eq=False)
class Case:
    """What is to be judged: the shares of one prompt, its reference, and the labels that may make a finding."""

    name: str
    shares: Shares
    reference: Mapping[str, float] | None
    judged: Sequence[str]


def judge(cases: Sequence[Case], tolerance: float) -> list[Judgement]:
    """A judgement a case, in their order."""
    measured = [_measure(case, tolerance) for case in cases]
    tested = [each.p_value for each in measured if each.p_value is not None]
    adjusted = iter(false_discovery_control(tested, method="by") if tested else [])
    return [each if each.p_value is None else _decided(each, float(next(adjusted)), tolerance) for each in measured]


def ranked(judgements: Sequence[Judgement]) -> list[Judgement]:
    """The findings, the one that guarantees the farthest departure first."""
    found = [each for each in judgements if each.verdict is Verdict.DEPARTS]
    return sorted(found, key=lambda each: (-each.guaranteed, each.adjusted, each.name))


def _measure(case: Case, tolerance: float) -> Judgement:
    """With the p-value of its farthest label, or the reason why it cannot be judged."""
    shares = case.shares
    if case.reference is None:
        verdict, reason = Verdict.NO_REFERENCE, "the suite names no share to compare it with"
        return Judgement(case.name, shares, None, verdict, reason)
    if reason := _too_little(shares):
        return Judgement(case.name, shares, case.reference, Verdict.TOO_FEW, reason)
    tests = [_farther(case, label, tolerance) for label in case.judged]
    p_value, *_, label = min(tests)
    index, named = shares.labels.index(label), case.reference[label]
    low, high = shares.granting_missing(index, at_once=len(case.judged))
    departure = float(shares.shown[index]) - named
    guaranteed = max(low - named, named - high, 0.0)
    return Judgement(
        case.name, shares, case.reference, Verdict.UNDECIDED, "", label, departure, guaranteed, low, high,
        min(1.0, p_value * len(case.judged)),
    )  # fmt: skip


def _too_little(shares: Shares) -> str:
    if shares.pictures < FEWEST:
        return f"{shares.pictures} pictures could be read, and {FEWEST} are needed"
    if shares.lost > MOST_LOST:
        return f"{shares.missing} of {shares.missing + shares.pictures} pictures could not be read"
    return ""


def _farther(case: Case, label: str, tolerance: float) -> tuple[float, float, bool, str]:
    """(p-value, less the estimated departure, whether it is below, label), rounded so that two labels tie.

    The least is the label that departs most surely, and of two that mirror each other the one there is too much of.
    """
    index, named = case.shares.labels.index(label), case.reference[label] if case.reference else 0.0
    p_value = case.shares.beyond(index, named - tolerance, named + tolerance)
    departure = float(case.shares.share[index]) - named
    return float(f"{p_value:.6g}"), -round(abs(departure), 9), departure < 0, label


def _decided(each: Judgement, adjusted: float, tolerance: float) -> Judgement:
    if adjusted <= FALSE_FINDINGS:
        return replace(each, verdict=Verdict.DEPARTS, adjusted=adjusted)
    if _near(each, tolerance):
        words = f"every share lies within {tolerance:.0%} points of its reference, by an interval for all at once"
        return replace(each, verdict=Verdict.NEAR, adjusted=adjusted, reason=words.replace("%", ""))
    words = "the pictures neither show a departure nor rule one out"
    return replace(each, adjusted=adjusted, reason=words)


def _near(each: Judgement, tolerance: float) -> bool:
    shares, known = each.shares, each.reference or {}
    for index, label in enumerate(shares.labels):
        low, high = shares.granting_missing(index, at_once=len(shares.labels))
        if low < known[label] - tolerance or high > known[label] + tolerance:
            return False
    return True
