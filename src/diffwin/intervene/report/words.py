"""What the report of an intervention says, in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from diffwin.intervene.asked import WITHIN, Attribute
from diffwin.intervene.effects import Measured, SwitchTest, Verdict
from diffwin.intervene.intervals import Interval, Place
from diffwin.intervene.outcome import Outcome
from diffwin.intervene.setup import INSIDE
from diffwin.report.words import Piece, percent, prompt_name, the

SAID = {
    Verdict.CONFIRMED: "The window is confirmed",
    Verdict.NOT_CONFIRMED: "The window is not confirmed",
    Verdict.NO_ROOM: "No interval lies outside the window, so nothing can be said",
    Verdict.TOO_FEW: "There are too few pictures to say",
}


def points(value: Measured) -> str:
    """A change of a share in percentage points, with its interval; no change is beyond 100 points."""
    return f"{signed(value.value)} points ({signed(value.low)} to {signed(value.high)})"


def signed(value: float) -> str:
    """A change of a share in whole points with its sign; none for no change."""
    whole = round(100 * min(max(value, -1.0), 1.0))
    return f"{whole:+d}".replace("-", "\N{MINUS SIGN}") if whole else "0"


def share(value: Measured) -> str:
    """A share with its interval, which stays inside 0 and 1."""
    return f"{percent(value.value)} ({percent(max(value.low, 0))} to {percent(min(value.high, 1))})"


def number(value: Measured, form: str = ".3f") -> str:
    """A plain number with its interval; "+.3f" shows the sign of a change."""
    told, low, high = (format(each, form) for each in (value.value, value.low, value.high))
    return f"{told} ({low} to {high})".replace("-", "\N{MINUS SIGN}")


def encoder(space: str | None, outcome: Outcome) -> str:
    """Which features pictures are compared in, and how well the untouched ones agree with their prompt."""
    if outcome.features is None:
        return ""
    told = f"Features are those of {space}; unlike is 1 less the cosine."
    if outcome.agreement is None or outcome.gained is None:
        return told
    before = f"{outcome.agreement.value - outcome.gained.value:.3f}".replace("-", "\N{MINUS SIGN}")
    return f"{told} Untouched, the pictures agree with their prompt at a cosine of {before}."


def tested(attribute: Attribute, test: SwitchTest, top: int, names: dict[str, str]) -> list[Piece]:
    """A few sentences on one switch test."""
    window, inside = test.design.window, test.design.compared[0][1]
    pieces = [
        the(attribute.feature, names),
        Piece(f": {SAID[test.verdict].lower()}. Told "),
        Piece(prompt_name(attribute.prompt), quoted=True),
        Piece(
            f" for {inside.steps} of the {top} steps, the model draws “{attribute.label}” more often by "
            f"{points(test.inside)} where these steps lie inside the window"
        ),
    ]
    if test.outside is not None:
        pieces.append(Piece(f", by {points(test.outside)} where they lie outside"))
    pieces.append(Piece(f". In the whole window, {_steps(window, top)}: {points(test.window)}; "))
    return [*pieces, Piece(f"at all steps: {points(test.throughout)}."), *_beside(test), *_corrected(test)]


def _steps(window: Interval, top: int) -> str:
    return f"steps {top - window.start} to {top - window.stop} of {top}"


def _beside(test: SwitchTest) -> list[Piece]:
    """Why a window is not confirmed, where it is not: the side that it does not exceed."""
    if test.verdict is not Verdict.NOT_CONFIRMED:
        return []
    sides = {Place.NOISIER: "nearer to the noise", Place.CLEANER: "nearer to the image"}
    short = [sides[side] for side, gap in test.gaps.items() if gap.low <= 0]
    return [Piece(f" The effect inside does not exceed that of the intervals {' and of those '.join(short)}.")]


def _corrected(test: SwitchTest) -> Iterator[Piece]:
    """The same numbers without the probe's errors where these matter, and whether they say the same."""
    if (better := test.corrected) is None:
        return
    if better.verdict is test.verdict and _farthest(test, better) <= _SLIGHT:
        yield Piece(" Corrected for errors of reading, none of this moves by more than a point.")
        return
    outside = "" if better.outside is None else f", outside {points(better.outside)}"
    same = (
        f"the window would be {better.verdict.value}" if better.verdict is not test.verdict else "which says the same"
    )
    told = f"inside {points(better.inside)}{outside}, in the whole window {points(better.window)}"
    yield Piece(f" Corrected for errors of reading: {told}, at all steps {points(better.throughout)}; {same}.")


_SLIGHT = 0.01


def _farthest(test: SwitchTest, better: SwitchTest) -> float:
    """By how much the correction moves what is told of a test, or its intervals."""
    told = [[each.inside, each.window, each.throughout, each.outside or each.inside] for each in (test, better)]
    ends = np.array([[(number.value, number.low, number.high) for number in row] for row in told])
    return float(np.abs(ends[1] - ends[0]).max())


def balanced(
    feature: str, outcomes: Sequence[Outcome], wanted: Mapping[str, float], names: dict[str, str]
) -> Iterator[list[Piece]]:
    """A sentence on what acting inside the window reached, and one on each other way."""
    for each in outcomes:
        reached = ", ".join(f"{label} {share(value)}" for label, value in each.reached.items())
        met = "reaches" if each.meets(wanted) else "does not reach"
        asked = ", ".join(f"{label} {percent(value)}" for label, value in wanted.items())
        head = [Piece(f"Acting {each.way.name} of the "), the(feature, names)] if each.way.name == INSIDE else None
        pieces = head or [Piece(f"Acting {each.way.name}")]
        told = f" on {percent(each.acted)} of the pictures {met} the share asked for ({asked}, give or take "
        pieces.append(Piece(f"{told}{percent(WITHIN)}): {reached}."))
        if each.corrected:
            true = ", ".join(f"{label} {share(value)}" for label, value in each.corrected.items())
            pieces.append(Piece(f" Corrected for errors of reading: {true}."))
        yield [*pieces, *_kept(each, names)]


def _kept(outcome: Outcome, names: dict[str, str]) -> list[Piece]:
    """What this way keeps less of than acting inside the window, and what it keeps more of, beyond chance."""
    if not outcome.apart:
        return []
    worse, better = [], []
    for name, gap in outcome.apart.items():
        word = _WHOLE.get(name) or f"the {names[name.removeprefix('kept ')]}"
        lost = gap if name in _DISTANCES else Measured(-gap.value, -gap.high, -gap.low)
        if lost.low > 0:
            worse.append(word)
        elif lost.high < 0:
            better.append(word)
    told = []
    if worse:
        told.append(f" Beyond chance it keeps less than acting inside the window of {_listed(worse)}.")
    if better:
        told.append(f" Beyond chance it keeps more of {_listed(better)}.")
    return [Piece("".join(told) or " What it keeps differs by no more than chance.")]


_DISTANCES = {"distance", "features"}
_WHOLE = {
    "distance": "the picture as a whole",
    "features": "what an encoder sees in it",
    "agreement": "the agreement with the prompt",
}


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and of {words[-1]}"
