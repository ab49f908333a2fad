"""An audit of known shares: findings, windows, groups and flows are those of the made-up model."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from diffwin.audit.report import words
from diffwin.audit.result import Audit
from diffwin.audit.save import save
from diffwin.audit.tables import as_dict
from diffwin.audit.verdict import Severity, Verdict
from diffwin.screen import Screened
from diffwin.trials import ALL
from made_up import DECIDED, GENDERS, make_audit


def test_the_extremes_are_found_and_the_even_prompts_are_not(known: Audit) -> None:
    assert {each.name for each in known.findings} == {"nurse", "pilot"}
    assert all(each.severity in (Severity.MARKED, Severity.SEVERE) for each in known.findings)
    even = [each for each in known.judgements if each.name in ("cook", "judge", "clerk")]
    assert all(each.verdict is Verdict.UNDECIDED for each in even)
    for each in known.judgements:
        truth = {"nurse": 0.95, "pilot": 0.05}.get(each.name, 0.5)
        low, high = each.shares.interval(0, confidence=0.9999)
        assert low <= truth <= high


def test_windows_stand_by_prompt_and_feature(known: Audit) -> None:
    item = next(item for item in known.suite.items if item.name == "cook")
    window = known.main.window(item, "gender")
    assert window is not None
    assert (window.prompt, window.feature, window.group) == ("a cook", "gender", ALL)
    gender, trade = known.main.pooled
    assert (gender.feature, trade.feature) == ("gender", "trade")
    assert sum(gender.outcomes.values()) == len(known.suite.items)
    assert trade.low is not None
    assert trade.high is not None
    assert trade.low <= known.main.run.grid.log_snr[DECIDED] <= trade.high


def test_a_prompt_fixes_what_its_shares_say(known: Audit) -> None:
    (found,) = known.entanglement
    shares = np.array([0.95, 0.05, 0.5, 0.5, 0.5])
    table = np.stack([shares, 1 - shares])
    mean = table.mean(axis=1)
    exact = 1 - (table * np.log(table)).sum(axis=0).mean() / (mean * np.log(mean)).sum()
    assert found.low <= exact <= found.high
    assert found.value == pytest.approx(exact, abs=0.1)


def test_survival_by_group_is_a_share_of_its_regenerations(known: Audit) -> None:
    table = known.by_group
    assert set(table["feature"]) == {"gender", "trade"}
    cook = table[(table["prompt"] == "a cook") & (table["feature"] == "trade") & (table["level"] == 8)]
    trials = known.trials
    rows = trials[(trials["prompt"] == "a cook") & (trials["level"] == 8)]
    shown = rows[rows["feature"] == "gender"].set_index("base")["base_label"]
    kept = rows[rows["feature"] == "trade"].set_index("base")["survived"]
    for group in GENDERS:
        row = cook[cook["group"] == group].iloc[0]
        mine = kept[shown[shown == group].index]
        assert (row["survival"], row["regenerations"]) == (pytest.approx(mine.mean()), len(mine))
    assert cook["difference"].iloc[0] == pytest.approx(cook["survival"].max() - cook["survival"].min())


def test_balanced_flows_are_not_called_biased_and_a_turn_is(known: Audit, tmp_path: Path) -> None:
    assert not any(flow.settled for flow in known.net_flows)
    turned = make_audit(tmp_path, {"clerk": 0.5}, bases=60, regenerated=60, turn=0.5)
    (flow,) = turned.net_flows
    assert flow.settled
    assert (flow.first, flow.second) == GENDERS
    assert flow.back > flow.there  # men come back as women
    tables = turned.transitions
    assert [table.level for table in tables] == sorted((table.level for table in tables), reverse=True)
    assert sum(int(table.counts[1, 0]) for table in tables) == flow.back
    settled = {each.group: each.difference for each in turned.asymmetries if each.settled}
    assert settled["woman"] is not None
    assert settled["woman"] > 0 > (settled["man"] or 0.0)


def test_black_pictures_are_counted_and_never_called_fair(tmp_path: Path) -> None:
    audit = make_audit(tmp_path, {"clerk": 0.5, "judge": 0.5}, bases=60, black={"clerk": 20})
    clerk, judge = audit.judgements
    assert (clerk.shares.pictures, clerk.shares.missing) == (40, 20)
    assert clerk.verdict is Verdict.TOO_FEW
    assert judge.shares.missing == 0


def test_a_probe_that_errs_is_corrected(tmp_path: Path) -> None:
    confusion = np.array([[0.8, 0.2], [0.3, 0.7]])
    audit = make_audit(tmp_path, {"nurse": 0.9}, bases=200, regenerated=12, confusion=confusion)
    (found,) = audit.judgements
    low, high = found.shares.interval(0, confidence=0.9999)
    assert low <= 0.9 <= high
    # what is read would say 0.9 * 0.8 + 0.1 * 0.3 = 0.75
    assert found.shares.read[0] / 200 == pytest.approx(0.75, abs=4 * np.sqrt(0.75 * 0.25 / 200))
    assert found.shares.uncorrected == ""


def test_what_is_written_can_be_read_and_holds_no_formula(known: Audit, tmp_path: Path) -> None:
    audit = make_audit(tmp_path, {"=1+1": 0.9, "judge": 0.5}, prompts={"=1+1": "=HYPERLINK(1)", "judge": "@judge"})
    page = save(audit)
    told = json.loads((tmp_path / "audit.json").read_text())
    assert told["schema"] == "diffwin/audit/1"
    assert [each["name"] for each in told["findings"]] == ["=1+1"]
    assert page == tmp_path / "report.html"
    for name in ("shares", "decisions", "groups", "transitions"):
        with (tmp_path / f"{name}.csv").open(newline="") as lines:
            cells = [cell for row in csv.reader(lines) for cell in row]
        assert cells
        text = [cell for cell in cells if not cell.replace(".", "").replace("-", "").replace("e", "").isdigit()]
        assert not any(cell[:1] in ("=", "+", "@") for cell in text)
    assert (tmp_path / "model-card.md").read_text().startswith("## Bias, risks and limitations")
    assert "perceived gender" in (tmp_path / "report.md").read_text()


def test_a_screened_run_is_called_so_on_the_first_page(known: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not any("Screened" in each for each in words.limits(known))
    assert as_dict(known)["screen"] == {}
    told = Screened(0.99, 1000, {4: 100}, 800, 40, {"gender": 1})
    monkeypatch.setitem(vars(known.main.run), "screened", told)
    assert any("Screened: 100 of 1,000 regenerations" in each for each in words.limits(known))
    assert list(as_dict(known)["screen"].values()) == [told.as_dict()]
