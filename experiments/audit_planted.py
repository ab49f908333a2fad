"""Does an audit of emoji-sd find what was planted in its training data?

Runs `diffwin audit emoji-occupations` and holds its shares and findings against the training record in
`assets/noto-emoji/world.json`. Where an interval misses the record, more pictures with other noise say whether the
model itself departs from its data. Writes audits-planted.csv and audits-planted.md. Shares need no regenerations, so
there is one a prompt; for windows run the audit itself.

    python experiments/audit_planted.py --out runs/audit-planted
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pandas as pd

from cards import table
from diffwin.audit.carry import audit, plans
from diffwin.audit.result import Audit, Scale
from diffwin.audit.save import save
from diffwin.audit.suite import Item, Suite, load_suite
from diffwin.audit.verdict import Verdict
from diffwin.plan import Plan
from diffwin.run import run
from diffwin.shares import Shares
from emoji_planted import PLANTED

OTHER_SEED: Final = 1
QUICK: Final = ("pilot", "cook", "construction worker")
SIZE: Final = {"regenerated": 1, "levels": 1}
QUICK_SIZE: Final = SIZE | {"bases": 24, "steps": 4}


@dataclass(frozen=True)
class Pair:
    """One occupation and feature: the label farthest from the record, its share there, drawn, and drawn again.

    held: whether the intervals of all labels at once contain the record. again: None where that was not asked; else the
    label's share in a sample of other noise, and whether its interval excludes the record on the same side.
    """

    name: str
    feature: str
    label: str
    planted: float
    drawn: float
    low: float
    high: float
    held: bool
    again: tuple[float, bool] | None = None


def pairs(scale: Scale, suite: Suite) -> list[Pair]:
    """Every occupation and feature on record, at one guidance scale."""
    known = [(item, feature) for feature in suite.training for item in suite.items]
    return [
        _pair(item, scale.shares(item, feature), suite.training[feature][item.subject])
        for item, feature in known
        if item.subject in suite.training[feature]
    ]


def _pair(item: Item, shares: Shares, record: Mapping[str, float]) -> Pair:
    label = min(record, key=lambda name: shares.beyond(shares.labels.index(name), record[name], record[name]))
    at = shares.labels.index(label)
    low, high = shares.interval(at)
    return Pair(
        item.name, shares.feature, label, record[label], float(shares.shown[at]), low, high, holds(shares, record)
    )


def holds(shares: Shares, record: Mapping[str, float]) -> bool:
    """Whether intervals of 95 % for all labels at once contain the record."""
    ends = [shares.interval(at, at_once=len(shares.labels)) for at in range(len(shares.labels))]
    return all(low <= record[label] <= high for label, (low, high) in zip(shares.labels, ends, strict=True))


def drawn_again(suite: Suite, missed: Sequence[Pair], plan: Plan, count: int, out: Path) -> list[Pair]:
    """The missed pairs with what `count` pictures of other noise say of them."""
    names = {pair.name for pair in missed}
    items = [item for item in suite.items if item.name in names]
    if not items:
        return []
    update = {"bases": count, "seed": OTHER_SEED, "prompts": tuple(item.prompt for item in items)}
    larger = Scale(suite, run(plan.model_copy(update=update), out / "again"))
    by_name = {item.name: item for item in items}
    return [_again(pair, larger.shares(by_name[pair.name], pair.feature), suite) for pair in missed]


def _again(pair: Pair, shares: Shares, suite: Suite) -> Pair:
    at, record = shares.labels.index(pair.label), suite.training[pair.feature][pair.name][pair.label]
    low, high = shares.interval(at)
    departs = low > record if pair.drawn > record else high < record
    return replace(pair, again=(float(shares.shown[at]), departs))


def planted(name: str, feature: str) -> float:
    """The share of the favoured label, 0 where none is favoured."""
    favour = PLANTED.get(name, {}).get(feature)
    return 0.0 if favour is None else favour.share


def ranking(found: Audit) -> pd.DataFrame:
    """Each judged pair: what was planted, the verdict, and its place among the findings (from 1)."""
    places = {(each.name, each.shares.feature): at for at, each in enumerate(found.findings, start=1)}
    rows = [
        {
            "name": each.name,
            "feature": each.shares.feature,
            "planted": planted(each.name, each.shares.feature),
            "balanced": not any(planted(each.name, feature) for feature in found.suite.file.sensitive),
            "verdict": str(each.verdict),
            "place": places.get((each.name, each.shares.feature)),
            "label": each.label,
            "guaranteed": each.guaranteed,
        }
        for each in found.judgements
        if each.name in PLANTED
    ]
    return pd.DataFrame(rows)


def page(found: Audit, compared: Sequence[Pair], again: Sequence[Pair], order: pd.DataFrame, command: str) -> str:
    """What was found, as Markdown."""
    held, explained = sum(pair.held for pair in compared), sum(bool(pair.again and pair.again[1]) for pair in again)
    pictures = found.main.shares(found.suite.items[0], "gender").pictures
    return "\n\n".join(
        [
            "# An audit of what was planted",
            f"emoji-sd at guidance {found.main.guidance:g}, {pictures} pictures a prompt; shares corrected for the "
            "measured errors of emoji-clip. A pair is an occupation and a feature; it holds where intervals of 95 % "
            "for all labels at once contain the shares of the training record.",
            f"Made by\n\n    {command}",
            f"{held} of {len(compared)} pairs hold the record ({held / len(compared):.0%}). Of the other "
            f"{len(compared) - held}, a larger sample with other noise excludes the record for {explained}: there the "
            f"model itself departs. Held or explained: {(held + explained) / len(compared):.0%}.",
            _missed(again),
            "## Findings, the farthest first",
            _ranked(order),
            _said(order, found.suite.file.tolerance),
            *_amplified(found),
        ]
    )


def _missed(again: Sequence[Pair]) -> str:
    head = ("occupation", "feature", "label", "record", "drawn", "larger sample", "departs there too")
    rows = [
        [p.name, p.feature, p.label, f"{p.planted:.0%}", f"{p.drawn:.0%} ({p.low:.0%} to {p.high:.0%})", *_larger(p)]
        for p in again
    ]
    return table(head, rows) if rows else "No pair misses the record."


def _larger(pair: Pair) -> list[str]:
    return ["-", "-"] if pair.again is None else [f"{pair.again[0]:.0%}", "yes" if pair.again[1] else "no"]


def _ranked(order: pd.DataFrame) -> str:
    rows = order.dropna(subset=["place"]).sort_values("place")
    told = zip(*(rows[name] for name in ("place", "name", "feature", "label", "planted", "guaranteed")), strict=True)
    return table(
        ("place", "occupation", "feature", "label", "planted, of the commonest", "departs by at least"),
        [[f"{at:.0f}", n, f, label, f"{p:.0%}" if p else "equal", f"{g:.0%}"] for at, n, f, label, p, g in told],
    )


def _said(order: pd.DataFrame, tolerance: float) -> str:
    found = order["verdict"] == Verdict.DEPARTS
    extreme, equal = order["planted"] >= 0.9, order["planted"] == 0
    first = order[extreme & found]["place"].max()
    before = int((order["place"] < first).sum() - (extreme & found).sum() + 1) if (extreme & found).any() else 0
    return (
        f"Of {int(extreme.sum())} pairs planted at 90 %, {int((extreme & found).sum())} are found; {before} other "
        f"findings stand before the last of them. Of {int(equal.sum())} pairs planted equal, "
        f"{int((equal & found).sum())} are found to depart by more than {tolerance:.0%}; of the "
        f"{order[order['balanced']]['name'].nunique()} occupations planted as balanced in every sensitive feature, "
        f"{order[order['balanced'] & found]['name'].nunique()}."
    )


def _amplified(found: Audit) -> list[str]:
    rows = [
        [
            f"{a.guidance:g}",
            a.feature,
            str(a.prompts),
            f"{100 * a.mean:+.1f}",
            f"{100 * a.low:+.1f} to {100 * a.high:+.1f}",
        ]
        for a in found.amplification
    ]
    head = ("guidance", "feature", "prompts", "points above the data", "95 % interval")
    return ["## Amplification", table(head, rows)] if rows else []


def cut(suite: Suite, names: Sequence[str]) -> Suite:
    """The suite with a few of its prompts."""
    prompts = {name: text for name, text in suite.file.prompts.items() if name in names}
    return replace(suite, file=suite.file.model_copy(update={"prompts": prompts}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/audit-planted"))
    parser.add_argument(
        "--direct", type=int, default=240, help="pictures that decide where an interval misses the record"
    )
    parser.add_argument("--guidance", type=float, action="append", help="the first is judged (default: 1)")
    parser.add_argument("--quick", action="store_true", help="three prompts in four steps, to see that it runs")
    given = parser.parse_args()
    suite = load_suite("emoji-occupations")
    size = (QUICK_SIZE if given.quick else SIZE) | {"scales": given.guidance or [1.0]}
    suite = cut(suite, QUICK) if given.quick else suite
    found = audit(suite, given.out, **size)
    save(found)
    compared = pairs(found.main, suite)
    plan = next(iter(plans(suite, **size).values()))
    again = drawn_again(
        suite, [p for p in compared if not p.held], plan, 24 if given.quick else given.direct, given.out
    )
    order = ranking(found)
    pd.DataFrame([vars(pair) for pair in compared]).to_csv(given.out / "audits-planted.csv", index=False)
    text = page(found, compared, again, order, "python experiments/audit_planted.py --out runs/audit-planted")
    (given.out / "audits-planted.md").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
