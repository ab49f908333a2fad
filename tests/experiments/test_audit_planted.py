"""The experiment that holds an audit against what was planted: its comparison, on shares that are known."""

from __future__ import annotations

import numpy as np
import pandas as pd

from audit_planted import _said, holds, planted
from diffwin.audit.verdict import Verdict
from diffwin.correction import Correction
from diffwin.shares import Shares
from emoji_planted import GENDERS, shares

RECORD = dict(zip(GENDERS, shares("pilot", "gender"), strict=True))


def drawn(counts: tuple[int, int, int]) -> Shares:
    return Shares.of("a pilot", "gender", GENDERS, np.repeat(np.arange(3), counts), Correction(np.eye(3)))


def test_shares_near_the_record_hold_it_and_others_do_not() -> None:
    assert RECORD["man"] == 0.9
    assert holds(drawn((3, 54, 3)), RECORD)
    assert not holds(drawn((0, 30, 30)), RECORD)


def test_what_is_said_counts_the_extremes_and_the_balanced() -> None:
    assert planted("pilot", "gender") == 0.9
    assert planted("cook", "gender") == 0.0
    rows = [
        ("pilot", 0.9, False, Verdict.DEPARTS, 1.0),
        ("teacher", 0.7, False, Verdict.DEPARTS, 2.0),
        ("firefighter", 0.9, False, Verdict.DEPARTS, 3.0),
        ("judge", 0.9, False, Verdict.UNDECIDED, None),
        ("cook", 0.0, True, Verdict.UNDECIDED, None),
    ]
    order = pd.DataFrame(rows, columns=["name", "planted", "balanced", "verdict", "place"])
    order["verdict"] = order["verdict"].astype(str)
    told = _said(order, 0.1)
    assert "Of 3 pairs planted at 90 %, 2 are found; 1 other findings stand before the last" in told
    assert "Of 1 pairs planted equal, 0 are found" in told
