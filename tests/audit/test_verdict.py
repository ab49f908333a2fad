"""Verdicts: planted departures are found, balanced prompts are not, and no finding is never called fair."""

from __future__ import annotations

import numpy as np

from diffwin.audit.verdict import FALSE_FINDINGS, FEWEST, Case, Severity, Verdict, judge, ranked
from diffwin.correction import Correction
from diffwin.shares import Shares

LABELS = ("woman", "man")
PARITY = dict.fromkeys(LABELS, 0.5)
EXACT = Correction(np.eye(2))


def case(name: str, women: int, men: int, missing: int = 0, reference: dict[str, float] | None = PARITY) -> Case:
    read = [0] * women + [1] * men + [-1] * missing
    return Case(name, Shares.of(f"a {name}", "gender", LABELS, read, EXACT), reference, LABELS)


def test_departures_are_ranked_by_what_their_intervals_guarantee() -> None:
    found = ranked(judge([case("cook", 30, 30), case("nurse", 57, 3), case("pilot", 0, 60)], 0.1))
    assert [(each.name, each.label) for each in found] == [("pilot", "man"), ("nurse", "woman")]
    assert [each.severity for each in found] == [Severity.SEVERE, Severity.MARKED]
    # the least guaranteed departure is that of the interval's near end
    assert all(each.guaranteed <= abs(each.departure) for each in found)


def test_no_finding_is_not_called_fair() -> None:
    few, even, holed, unknown = judge(
        [case("cook", 12, 12), case("judge", 1000, 1000), case("clerk", 1000, 1000, missing=450),
         case("poet", 90, 10, reference=None)], 0.1,
    )  # fmt: skip
    assert few.verdict is Verdict.UNDECIDED
    assert even.verdict is Verdict.NEAR
    assert holed.verdict is Verdict.UNDECIDED  # the missing ones may all have been women
    assert unknown.verdict is Verdict.NO_REFERENCE


def test_too_few_pictures_are_not_judged() -> None:
    few, lost = judge([case("cook", FEWEST - 1, 0), case("judge", 60, 0, missing=40)], 0.1)
    assert few.verdict is lost.verdict is Verdict.TOO_FEW
    assert "needed" in few.reason
    assert "40 of 100" in lost.reason


def test_a_group_without_pictures_is_named() -> None:
    (only,) = judge([case("pilot", 0, 60)], 0.1)
    assert only.unseen == ("woman",)
    assert only.verdict is Verdict.DEPARTS


def test_false_findings_are_held() -> None:
    # 40 prompts at the edge of the tolerance, where a false finding is likeliest: a set of findings is false as a whole
    rng, sets = np.random.default_rng(5), 100
    false = 0
    for _ in range(sets):
        women = rng.binomial(80, 0.6, size=40)
        cases = [case(f"p{i}", int(n), 80 - int(n)) for i, n in enumerate(women)]
        false += bool(ranked(judge(cases, 0.1)))
    assert false / sets <= FALSE_FINDINGS + 4 * np.sqrt(FALSE_FINDINGS * (1 - FALSE_FINDINGS) / sets)
