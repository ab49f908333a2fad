"""What an audit says, in plain words, as pieces that a page can colour and Markdown can escape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import floor
from typing import Final

from diffwin.audit.amplification import Amplification
from diffwin.audit.entanglement import Coefficient, Fixed
from diffwin.audit.result import Audit
from diffwin.audit.transitions import NetFlow
from diffwin.audit.verdict import FALSE_FINDINGS, FEWEST, MARKED, SEVERE, Judgement, Severity, Verdict
from diffwin.audit.windows import Pooled
from diffwin.order import Pair
from diffwin.report.axis import Axis
from diffwin.report.tables import number
from diffwin.report.words import STATUS, Piece, one_line, percent, prompt_name, status_words, the
from diffwin.window import Status, Window

SEVERITY: Final = {Severity.SEVERE: "severe", Severity.MARKED: "marked", Severity.SLIGHT: "slight"}
VERDICT: Final = {
    Verdict.DEPARTS: "departs",
    Verdict.NEAR: "near the reference",
    Verdict.UNDECIDED: "undecided",
    Verdict.TOO_FEW: "too few pictures",
    Verdict.NO_REFERENCE: "no reference",
}
Names = dict[str, str]


def points(share: float) -> str:
    """A difference of shares in percentage points."""
    whole = round(abs(100 * share))
    return f"{whole} point{'' if whole == 1 else 's'}"


def lead(audit: Audit) -> list[Piece]:
    """What was done, and how the judgements fall."""
    run, file = audit.main.run, audit.suite.file
    counts = {verdict: sum(each.verdict is verdict for each in audit.judgements) for verdict in Verdict}
    judged = len(audit.judgements) - counts[Verdict.NO_REFERENCE]
    features = " and ".join(feature.replace("-", " ") for feature in file.sensitive)
    asked = f"{one_line(run.record['model']['name'])} was asked for {len(audit.suite.items)} prompts at guidance "
    verb = "was" if len(file.sensitive) == 1 else "were"
    text = asked + f"{audit.main.guidance:g}, and perceived {features} {verb} read in its pictures. "
    if not judged:
        return [Piece(text + "The suite names no reference, so nothing is judged.")]
    text += (
        f"Of {judged} pairs of a prompt and a feature, {_so_many(counts[Verdict.DEPARTS], 'departs', 'depart')} from "
    )
    text += f"the reference by more than {points(file.tolerance)}. "
    rest = [
        f"{_so_many(counts[Verdict.NEAR], 'is', 'are')} shown to lie within that",
        f"for {counts[Verdict.UNDECIDED]} the pictures do not say",
        f"for {counts[Verdict.TOO_FEW]} there are too few of them",
    ]
    return [Piece(text + _sentence([words for words, n in zip(rest, _rest(counts), strict=True) if n]))]


def _rest(counts: Mapping[Verdict, int]) -> list[int]:
    return [counts[verdict] for verdict in (Verdict.NEAR, Verdict.UNDECIDED, Verdict.TOO_FEW)]


def _so_many(count: int, one: str, many: str) -> str:
    return f"{count or 'none'} {one if count <= 1 else many}"


def _sentence(parts: Sequence[str]) -> str:
    joined = ", and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
    return f"{joined[:1].upper()}{joined[1:]}." if joined else ""


def finding(each: Judgement, model: str, names: Names, window: Window | None, axis: Axis) -> list[Piece]:
    """One departure: the share with its interval and reference, and when it is decided."""
    shares, feature = each.shares, each.shares.feature
    known = (each.reference or {})[each.label]
    drawn = percent(float(shares.shown[shares.labels.index(each.label)]))
    side = "above" if each.departure > 0 else "below"
    return [
        Piece("Asked for "),
        Piece(prompt_name(shares.prompt), quoted=True),
        Piece(f", {one_line(model)} gave {shares.pictures} pictures; in {drawn} of them the "),
        the(feature, names),
        Piece(
            f" is “{one_line(each.label, 40)}” (95 % interval {percent(each.low)} to {percent(each.high)}), against "
            f"{percent(known)} in the reference: at least {points(floor(100 * each.guaranteed) / 100)} {side} it. "
        ),
        *decided(window, axis),
    ]


def decided(window: Window | None, axis: Axis) -> list[Piece]:
    """When the feature that was just named is decided, in one sentence."""
    if window is None:
        return [Piece("When it is decided was not measured.")]
    if window.status is Status.FOUND and window.decision is not None:
        at, (low, high) = window.decision, axis.interval(window.decision)
        where = f"step {at.step:.1f} of {axis.steps}, interval {percent(low)} to {percent(high)}"
        return [Piece(f"It is decided after about {percent(at.fraction)} of the steps ({where}).")]
    if window.status is Status.NO_EFFECT:
        return [Piece("The prompt alone fixes it: it hardly varies, so no step decides it.")]
    return [Piece(f"When it is decided could not be placed: {status_words(window)}.")]


def when(each: Pooled, names: Names, axis: Axis) -> list[Piece]:
    """When one feature is decided over all prompts."""
    subject = [Piece("The "), the(each.feature, names)]
    if each.mean is None or each.step is None or each.earliest is None or each.latest is None:
        outcomes = (f"{STATUS[Status(status)]} in {count}" for status, count in each.outcomes.items())
        told = ", ".join(outcomes) or "nothing was measured"
        return [*subject, Piece(f" has no window that could be placed in any of {each.prompts} prompts ({told}).")]
    done = [axis.of_log_snr(value) for value in (each.mean, each.low or 0.0, each.high or 0.0)]
    ends = [percent(axis.of_log_snr(value)) for value in (each.earliest, each.latest)]
    body = (
        f" is decided after about {percent(done[0])} of the steps on average over prompts (step {each.step:.1f} of "
        f"{axis.steps}; 95 % interval {percent(done[1])} to {percent(done[2])})"
    )
    if each.found > 1:
        body += f", in single prompts between {ends[0]} and {ends[1]}"
    return [*subject, Piece(body + f". Its window was found in {each.found} of {each.prompts} prompts.")]


def amplification(each: Amplification, names: Names) -> list[Piece]:
    """Whether what leans in the training data leans more in the pictures."""
    sure = "" if each.low > 0 or each.high < 0 else ", which may be chance"
    verb = "larger" if each.mean >= 0 else "smaller"
    return [
        Piece(f"At guidance {each.guidance:g} the label that prevails in the training data has a share of "),
        the(each.feature, names),
        Piece(
            f" that is {points(each.mean)} {verb} in the pictures than in the data, on average over {each.prompts} "
            f"prompts (95 % interval {number(100 * each.low, 0)} to {number(100 * each.high, 0)} points{sure})."
        ),
    ]


def entangled(each: Coefficient, names: Names) -> list[Piece]:
    """How much of a feature the prompt fixes."""
    return [
        Piece("Naming the prompt takes away "),
        Piece(percent(each.value)),
        Piece(" of the uncertainty about the "),
        the(each.feature, names),
        Piece(
            f" (95 % interval {percent(each.low)} to {percent(each.high)}; {each.information:.2f} of "
            f"{each.entropy:.2f} nats, {each.prompts} prompts counted alike)."
        ),
    ]


def limits(audit: Audit) -> list[str]:
    """What the audit does not say, on its first page."""
    told = [
        "Every feature is perceived: what a program reads off a picture. A generated picture has no gender or skin "
        "tone of its own, and nothing here speaks of any person.",
        "A prompt without a finding is not shown to be fair. It is near its reference only where this page says so.",
        f"Fewer than {FEWEST} readable pictures are never judged. Among the findings, at most "
        f"{percent(FALSE_FINDINGS)} are expected to be false (Benjamini and Yekutieli, all prompts and features "
        "together).",
        f"Severe: the interval guarantees a departure of {points(SEVERE)} or more; marked: {points(MARKED)} or more.",
    ]
    return [*told, *_screened(audit), *_uncorrected(audit), *_missing(audit), *_unseen(audit)]


def _screened(audit: Audit) -> list[str]:
    """Windows and survival may rest on regenerations that were read before their end; shares never do."""
    told = {scale.guidance: scale.run.screened_words for scale in audit.scales}
    return [f"At guidance {guidance:g}: {words}" for guidance, words in told.items() if words]


def _uncorrected(audit: Audit) -> list[str]:
    why = {each.shares.feature: each.shares.uncorrected for each in audit.judgements}
    told = [
        f"Shares of perceived {name.replace('-', ' ')} are not corrected for errors of reading: {reason}."
        for name, reason in why.items()
        if reason
    ]
    right = [name.replace("-", " ") for name, reason in why.items() if not reason]
    joined = " and ".join(right)
    return [f"Shares of perceived {joined} are corrected for the measured errors of their probes."] * bool(right) + told


def _missing(audit: Audit) -> list[str]:
    lost = {each.name: each.shares.missing for each in audit.judgements if each.shares.missing}
    if not lost:
        return []
    worst = ", ".join(f"{one_line(name, 40)} ({count})" for name, count in list(lost.items())[:6])
    return [
        f"Pictures are missing (black, not finite, or not readable) for {len(lost)} prompts: {worst}. Their share is "
        "granted to every label when a prompt is judged."
    ]


def _unseen(audit: Audit) -> list[str]:
    gone = [f"{one_line(each.name, 40)}: {', '.join(each.unseen)}" for each in audit.judgements if each.unseen]
    if not gone:
        return []
    more = f"; and {len(gone) - 8} more" if len(gone) > 8 else ""
    return [
        f"No picture at all was read as: {'; '.join(gone[:8])}{more}. An absent group is a finding or undecided, "
        "never fair."
    ]


def fixed(each: Sequence[Fixed], names: Names) -> list[list[Piece]]:
    """How much of a sensitive feature is fixed where an ordinary one is decided, a sentence a pair of features."""
    keys = dict.fromkeys((one.sensitive, one.ordinary) for one in each)
    return [_fixed([one for one in each if (one.sensitive, one.ordinary) == key], names) for key in keys]


def _fixed(each: Sequence[Fixed], names: Names) -> list[Piece]:
    values = sorted(one.value for one in each)
    one = each[0]
    head = [Piece("Where the "), the(one.ordinary, names), Piece(" is decided, the "), the(one.sensitive, names)]
    if len(each) == 1:
        told = (
            f" is {percent(one.value)} fixed ({percent(one.low)} to {percent(one.high)}) for {prompt_name(one.prompt)}."
        )
    else:
        middle = values[len(values) // 2]
        ends = f"{percent(values[0])} to {percent(values[-1])}"
        told = f" is {percent(middle)} fixed in the median of {len(each)} prompts ({ends})."
    return [*head, Piece(told)]


def order(pairs: Sequence[Pair], names: Names) -> list[list[Piece]]:
    """Whether each sensitive feature is decided before each ordinary one, over the prompts that show both."""
    keys = dict.fromkeys((pair.first, pair.second) for pair in pairs)
    return [_order([pair for pair in pairs if (pair.first, pair.second) == key], names) for key in keys]


def _order(pairs: Sequence[Pair], names: Names) -> list[Piece]:
    before = sum(pair.settled and pair.low > 0 for pair in pairs)
    after = sum(pair.settled and pair.high < 0 for pair in pairs)
    prompts = f"{len(pairs)} prompt{'' if len(pairs) == 1 else 's'} where both have a window"
    if not before + after:
        return [
            Piece("Of the "), the(pairs[0].first, names), Piece(" and the "), the(pairs[0].second, names),
            Piece(f", which is decided first is not settled in any of {prompts}."),
        ]  # fmt: skip
    rest = "; in the rest the order is not settled" if before + after < len(pairs) else ""
    return [
        Piece("The "), the(pairs[0].first, names), Piece(" is decided before the "), the(pairs[0].second, names),
        Piece(f" in {before} and after it in {after} of {prompts}{rest}."),
    ]  # fmt: skip


def net_flow(each: NetFlow, names: Names) -> list[Piece]:
    """A net flow from one label to another."""
    first, second = (each.first, each.second) if each.there >= each.back else (each.second, each.first)
    more, less = max(each.there, each.back), min(each.there, each.back)
    return [
        Piece("For "), Piece(prompt_name(each.prompt), quoted=True), Piece(", the "), the(each.feature, names),
        Piece(f" went from “{first}” to “{second}” in {more} regenerations, and back in {less}."),
    ]  # fmt: skip
