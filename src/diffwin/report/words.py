"""What the report says, in plain words: names, numbers and the answer to each prompt.

An answer is a list of pieces, so that a page can colour a feature and Markdown can escape it, from one wording.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Final

from diffwin.information import Information
from diffwin.order import Pair
from diffwin.report.axis import Axis
from diffwin.window import Method, Point, Status, Window

SHORT: Final = 80
_NBSP: Final = "\N{NO-BREAK SPACE}"
_OVERRIDES: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")

STATUS: Final = {
    Status.FOUND: "found",
    Status.CENSORED: "outlives the strongest noise",
    Status.UNDECIDED: "still open at the last point measured",
    Status.NO_EFFECT: "fixed by the prompt",
    Status.NOT_MONOTONE: "no steady rise",
    Status.TOO_FEW: "too few pictures",
}
METHOD: Final = {Method.FAMILY: "two-component curve", Method.MONOTONE: "monotone curve"}
_VERDICT: Final = {
    Status.FOUND: ("has a window whose middle was not located", "have windows whose middle was not located"),
    Status.CENSORED: (
        "outlives the strongest noise measured, so when it is decided cannot be seen",
        "outlive the strongest noise measured, so when they are decided cannot be seen",
    ),
    Status.UNDECIDED: (
        "still changes from the cleanest level measured, so it is decided later, if at all",
        "still change from the cleanest level measured, so they are decided later, if at all",
    ),
    Status.NO_EFFECT: ("is fixed by the prompt", "are fixed by the prompt"),
    Status.NOT_MONOTONE: (
        "does not settle steadily, so no single moment is given",
        "do not settle steadily, so no single moment is given",
    ),
    Status.TOO_FEW: ("was read in too few pictures to say", "were read in too few pictures to say"),
}
_SAME_ALWAYS: Final = ("is the same in nearly every picture", "are the same in nearly every picture")


@dataclass(frozen=True)
class Piece:
    """A run of text; `feature` names the feature that it speaks of, `quoted` marks a prompt."""

    text: str
    feature: str = ""
    quoted: bool = False


def clean(text: object) -> str:
    """Text fit to print: control characters, lone surrogates and direction overrides become U+FFFD."""
    kept = "".join(_printable(character) for character in str(text))
    return _OVERRIDES.sub("\N{REPLACEMENT CHARACTER}", kept)


def _printable(character: str) -> str:
    if character in "\n\t":
        return character
    return "\N{REPLACEMENT CHARACTER}" if unicodedata.category(character) in ("Cc", "Cs") else character


def one_line(text: object, limit: int = SHORT) -> str:
    """Cleaned text on one line of at most `limit` characters, cut with an ellipsis."""
    line = " ".join(clean(text).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def typeset(text: str) -> str:
    """A reason with the report's own signs: a space before %, true minus signs, no break in log-SNR."""
    text = re.sub(r"(?<=\d)%", f"{_NBSP}%", text)
    text = re.sub(r"(?<![\w-])-(?=\d)", "\N{MINUS SIGN}", text)
    return text.replace("log-SNR", "log\N{NON-BREAKING HYPHEN}SNR")


def sentence(text: object) -> str:
    """Cleaned text on one line with a capital and a full stop, or nothing."""
    line = " ".join(clean(text).split())
    return f"{line[0].upper()}{line[1:].removesuffix('.')}." if line else ""


def feature_name(feature: str, *, sensitive: bool) -> str:
    """`skin-tone` as "skin tone"; with "perceived" before it where it is sensitive."""
    plain = one_line(feature.replace("-", " ").replace("_", " "))
    return f"perceived {plain}" if sensitive else plain


def prompt_name(prompt: str, limit: int = SHORT) -> str:
    return f"“{one_line(prompt, limit)}”" if prompt.strip() else "no prompt"


def percent(fraction: float) -> str:
    return f"{100 * fraction:.0f}{_NBSP}%"


def chance(probability: float) -> str:
    """A percentage that never claims to be certain."""
    if probability > 0.999:
        return f">{_NBSP}99.9{_NBSP}%"
    if probability < 0.001:
        return f"<{_NBSP}0.1{_NBSP}%"
    if min(probability, 1 - probability) < 0.01:
        return f"{100 * probability:.1f}{_NBSP}%"
    return percent(probability)


def span(low: float, high: float) -> str:
    return f"between {percent(low)} and {percent(high)}"


def located(windows: Iterable[Window]) -> list[tuple[Window, Point]]:
    """The windows that have a decision point, each with it, from the first decided to the last."""
    found = [(w, w.decision) for w in windows if w.status is Status.FOUND and w.decision is not None]
    return sorted(found, key=lambda pair: pair[1].log_snr)


def answer(
    prompt: str, model: str, windows: Sequence[Window], names: dict[str, str], axis: Axis, order: Sequence[Pair]
) -> list[Piece]:
    """A few sentences on the windows of one prompt (its groups `all`), for a reader new to all this."""
    if not windows:
        return [*_opening(prompt), Piece("no feature was read, so there is nothing to place.")]
    found = located(windows)
    rest = [w for w in windows if w not in [window for window, _ in found]]
    nowhere = [Piece("no feature could be placed between noise and image.")]
    head = _order(found, model, names, axis) if found else nowhere
    sure = {(pair.first, pair.second) for pair in order if pair.prompt == prompt and pair.settled and pair.low > 0}
    ties = _ties([window.feature for window, _ in found], sure, names)
    return [*_opening(prompt), *head, *ties, *_verdicts(rest, names, prompted=bool(prompt.strip()))]


def _opening(prompt: str) -> list[Piece]:
    if not prompt.strip():
        return [Piece("Without a prompt, ")]
    return [Piece("For "), Piece(prompt_name(prompt), quoted=True), Piece(", ")]


def _order(found: Sequence[tuple[Window, Point]], model: str, names: dict[str, str], axis: Axis) -> list[Piece]:
    pieces = [Piece(f"{one_line(model)} decides ")]
    for at, (window, point) in enumerate(found):
        about = "after about" if at == 0 else "about"
        steps = " of the steps" if at == 0 else ""
        rank = _rank(at, len(found))
        pieces += [
            Piece(_joint(at, len(found))),
            the(window.feature, names),
            Piece(f"{rank} ({about} {percent(point.fraction)}{steps}, {span(*axis.interval(point))})"),
        ]
    return [*pieces, Piece(".")]


def _joint(at: int, count: int) -> str:
    if at == 0:
        return "the "
    if at == count - 1:
        return ", and the " if count > 2 else " and the "
    return ", then the "


def _rank(at: int, count: int) -> str:
    if count == 1:
        return ""
    return " first" if at == 0 else " last" if at == count - 1 else ""


def the(feature: str, names: dict[str, str]) -> Piece:
    return Piece(names[feature], feature=feature)


def _ties(features: Sequence[str], sure: set[tuple[str, str]], names: dict[str, str]) -> list[Piece]:
    """One sentence on what of the order is not settled, or, where that is less, on what is."""
    neighbours = list(pairwise(features))
    loose = [pair for pair in neighbours if pair not in sure]
    if not loose:
        return []
    known = [pair for pair in combinations(features, 2) if pair in sure]
    if not known:
        return [Piece(" The order is not settled.")]
    if len(loose) == len(neighbours):
        return [
            Piece(" Of the order, only this is settled: "),
            *_paired(known, ("the ", " before the ", ", the "), names),
            Piece("."),
        ]
    return [
        Piece(" The order of "),
        *_paired(loose, ("the ", " and the ", ", and of the "), names),
        Piece(" is not settled."),
    ]


def _paired(pairs: Sequence[tuple[str, str]], joints: tuple[str, str, str], names: dict[str, str]) -> list[Piece]:
    """Pairs of features; `joints` stand before the first, within a pair and before each further one."""
    first, within, further = joints
    pieces = []
    for at, (earlier, later) in enumerate(pairs):
        pieces += [Piece(further if at else first), the(earlier, names), Piece(within), the(later, names)]
    return pieces


def _verdicts(rest: Sequence[Window], names: dict[str, str], *, prompted: bool) -> list[Piece]:
    """A sentence on each status that is not a located window."""
    pieces: list[Piece] = []
    for status in Status:
        features = [w.feature for w in rest if w.status is status]
        if features:
            forms = _SAME_ALWAYS if status is Status.NO_EFFECT and not prompted else _VERDICT[status]
            pieces += [Piece(" The "), *_listed(features, names), Piece(f" {forms[len(features) > 1]}.")]
    return pieces


def _listed(features: Sequence[str], names: dict[str, str]) -> list[Piece]:
    pieces = [the(features[0], names)]
    for at, feature in enumerate(features[1:], start=2):
        pieces += [Piece(" and the " if at == len(features) else ", the "), the(feature, names)]
    return pieces


def method_words(window: Window) -> str:
    """The curve that a window was read off, or nothing."""
    return "" if window.method is None else METHOD[window.method]


def correction_words(window: Window, *, exact: bool) -> str:
    """Whether survival was corrected for errors of reading, in a few words."""
    return "no known errors" if exact else "corrected" if window.corrected else "not corrected"


def caption(windows: Sequence[Window], names: dict[str, str], exact: frozenset[str]) -> list[Piece]:
    """Which curve each window of a prompt is read off, and which are corrected for errors of reading."""
    groups = (
        ([w for w in windows if w.method is Method.FAMILY], _FOLLOWS),
        ([w for w in windows if w.method is Method.MONOTONE], _RISES),
        ([w for w in windows if w.corrected and w.feature not in exact], _CORRECTED),
        ([w for w in windows if not w.corrected and w.feature not in exact], _AS_READ),
        ([w for w in windows if w.feature in exact], _EXACT),
    )
    everything = len(windows) if len(windows) > 1 else None
    pieces = [piece for these, forms in groups for piece in _saying(these, names, forms, everything)]
    return [*pieces[:-1], Piece(pieces[-1].text.rstrip())] if pieces else []


_FOLLOWS: Final = (
    "follows the two-component curve (the law of two clusters of pictures, fitted)",
    "follow the two-component curve (the law of two clusters of pictures, fitted)",
)
_RISES: Final = (
    "follows a monotone curve of several rises, since the two-component one does not fit",
    "follow monotone curves of several rises, since the two-component one does not fit",
)
_CORRECTED: Final = (
    "is shown corrected for the measured errors of its probe, points and line",
    "are shown corrected for the measured errors of their probes, points and lines",
)
_AS_READ: Final = ("is shown as it was read, not corrected", "are shown as they were read, not corrected")
_EXACT: Final = ("is read without known errors", "are read without known errors")


def _saying(
    windows: Sequence[Window], names: dict[str, str], forms: tuple[str, str], everything: int | None
) -> list[Piece]:
    """A sentence on the features of some windows, or nothing; `everything` is how many there are in all, if several."""
    if not windows:
        return []
    if len(windows) == everything:
        return [Piece(f"Every feature {forms[0]}. ")]
    return [Piece("The "), *_listed([w.feature for w in windows], names), Piece(f" {forms[len(windows) > 1]}. ")]


def informed(found: Information, names: dict[str, str], axis: Axis) -> list[Piece]:
    """How much of one feature is decided before, inside and after its window, and where it is decided fastest."""
    pieces = [
        Piece(f"Of the {found.entropy:.2f} nats that it takes to name the "),
        the(found.feature, names),
        Piece(
            f", {percent(found.before)} are decided before its window, {percent(found.inside)} inside it and "
            f"{percent(found.after)} after it."
        ),
    ]
    if found.centre is None:
        return [*pieces, Piece(" Its curve has several rises, so no single fastest point is given.")]
    where = f"{found.centre:.2f}".replace("-", "\N{MINUS SIGN}")
    steps = percent(axis.of_log_snr(found.centre))
    return [*pieces, Piece(typeset(f" It is decided fastest after about {steps} of the steps, at log-SNR {where}."))]


def status_words(window: Window) -> str:
    """The status in a few words, for a table or a row of the timeline."""
    if window.status is Status.NO_EFFECT and not window.prompt.strip():
        return "nearly always the same"
    if window.status is Status.FOUND and window.decision is None:
        return "middle not located"
    return STATUS[window.status]


def plain(pieces: Iterable[Piece]) -> str:
    return "".join(piece.text for piece in pieces)
