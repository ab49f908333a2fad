"""The sentences of the report, for every outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, pairwise

import numpy as np
import pytest

from diffwin.information import Information
from diffwin.order import Pair
from diffwin.report import words
from diffwin.report.axis import Axis
from diffwin.window import Method, Point, Status, Window

NAMES = {"background": "background", "gender": "perceived gender", "skin-tone": "perceived skin tone"}
AXIS = Axis(10, [float("inf"), *(5.0 - level for level in range(1, 11))])


def at(log_snr: float, width: float = 0.4) -> Point:
    fraction = AXIS.of_log_snr(log_snr)
    return Point(log_snr, log_snr - width, log_snr + width, 0.0, 10 * fraction, fraction)


def found(feature: str, log_snr: float, prompt: str = "a cook") -> Window:
    return Window(prompt, feature, "all", Status.FOUND, "", 0.2, at(log_snr - 1), at(log_snr), at(log_snr + 1))


def outcome(feature: str, status: Status, prompt: str = "a cook") -> Window:
    return Window(prompt, feature, "all", status, "why", None if status is Status.TOO_FEW else 0.3)


def before(first: str, second: str) -> Pair:
    return Pair("a cook", first, second, 0.999, 1.0, 0.4, 1.6, True)


ALL_SETTLED = [before(*pair) for pair in combinations(NAMES, 2)]


def said(*windows: Window, prompt: str = "a cook", order: Sequence[Pair] = ALL_SETTLED) -> str:
    pieces = words.answer(prompt, "emoji-sd", windows, NAMES, AXIS, order)
    return words.plain(pieces).replace("\N{NO-BREAK SPACE}", " ")


def test_features_come_in_the_order_of_their_decisions() -> None:
    text = said(found("skin-tone", 2.0), found("background", -3.0), found("gender", 0.0))
    assert text == (
        "For “a cook”, emoji-sd decides the background first (after about 20 % of the steps, between 16 % and 24 %), "
        "then the perceived gender (about 50 %, between 46 % and 54 %), "
        "and the perceived skin tone last (about 70 %, between 66 % and 74 %)."
    )


def test_one_and_two_located_features_read_well() -> None:
    assert said(found("gender", 0.0)) == (
        "For “a cook”, emoji-sd decides the perceived gender (after about 50 % of the steps, between 46 % and 54 %)."
    )
    assert " first (" in said(found("gender", 0.0), found("background", -3.0))
    assert " and the perceived gender last (" in said(found("gender", 0.0), found("background", -3.0))


@pytest.mark.parametrize(
    ("settled", "expected"),
    [
        ({"bg", "bt", "gt"}, ""),
        (set(), " The order is not settled."),
        ({"bg"}, " The order of the perceived gender and the perceived skin tone is not settled."),
        ({"bt"}, " Of the order, only this is settled: the background before the perceived skin tone."),
    ],
)
def test_what_is_not_settled_of_the_order_is_said(settled: set[str], expected: str) -> None:
    letters = {"b": "background", "g": "gender", "t": "skin-tone"}
    order = [before(letters[pair[0]], letters[pair[1]]) for pair in settled]
    windows = found("background", -3.0), found("gender", 0.0), found("skin-tone", 1.0)
    assert said(*windows, order=order) == said(*windows, order=ALL_SETTLED) + expected


def test_the_order_of_another_prompt_says_nothing() -> None:
    windows = found("background", -3.0), found("gender", 0.0)
    elsewhere = [replace(before("background", "gender"), prompt="a judge")]
    assert said(*windows, order=elsewhere).endswith(" The order is not settled.")


def test_reasons_are_set_in_the_signs_of_the_report() -> None:
    given = "log-SNR -2.53: it survives -6% above chance, at 3e-5 and t-1"
    assert words.typeset(given) == "log‑SNR −2.53: it survives −6\u00a0% above chance, at 3e-5 and t-1"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (Status.CENSORED, "The background outlives the strongest noise measured"),
        (Status.UNDECIDED, "The background still changes from the cleanest level measured"),
        (Status.NO_EFFECT, "The background is fixed by the prompt."),
        (Status.NOT_MONOTONE, "The background does not settle steadily"),
        (Status.TOO_FEW, "The background was read in too few pictures to say."),
        (Status.FOUND, "The background has a window whose middle was not located."),
    ],
)
def test_every_outcome_without_a_decision_is_worded(status: Status, expected: str) -> None:
    text = said(outcome("background", status))
    assert text.startswith("For “a cook”, no feature could be placed between noise and image. ")
    assert expected in text
    assert words.status_words(outcome("background", status))


def test_features_of_one_outcome_share_a_sentence() -> None:
    text = said(found("gender", 0.0), *(outcome(name, Status.NO_EFFECT) for name in ("background", "skin-tone")))
    assert text.endswith("The background and the perceived skin tone are fixed by the prompt.")


def test_without_a_prompt_nothing_is_said_to_be_fixed_by_it() -> None:
    text = said(outcome("background", Status.NO_EFFECT, prompt=""), prompt="")
    assert text.startswith("Without a prompt, ")
    assert "prompt fixes" not in text
    assert text.endswith("The background is the same in nearly every picture.")


def test_no_feature_at_all() -> None:
    assert said() == "For “a cook”, no feature was read, so there is nothing to place."


def test_text_is_made_printable_and_short() -> None:
    assert words.clean("a\x00b\ud800c\u202ed") == "a\ufffdb\ufffdc\ufffdd"
    assert words.one_line("x" * 10_000) == "x" * 79 + "…"
    assert words.one_line("two\n lines\t") == "two lines"
    assert words.sentence("never erased") == "Never erased."
    assert words.sentence("") == ""
    assert words.clean("שלום 👩🏽‍🍳") == "שלום 👩🏽‍🍳"


def test_only_sensitive_features_are_perceived() -> None:
    assert words.feature_name("skin-tone", sensitive=True) == "perceived skin tone"
    assert words.feature_name("object_class", sensitive=False) == "object class"


def test_fractions_count_steps_from_noise() -> None:
    assert AXIS.of_level(10) == 0.0
    assert AXIS.of_level(0) == 1.0
    assert AXIS.of_log_snr(4.0) == pytest.approx(0.9)
    assert AXIS.of_log_snr(-1.5) == pytest.approx(0.35)
    assert AXIS.of_log_snr(float("-inf")) == 0.0
    assert AXIS.interval(at(0.0)) == pytest.approx((0.46, 0.54))


def test_ticks_keep_their_distance() -> None:
    places = [place for place, _ in AXIS.ticks(0.15)]
    assert all(later - earlier >= 0.15 for earlier, later in pairwise(places))
    assert Axis(1, [float("inf"), float("-inf")]).ticks(0.1) == []


def test_the_caption_says_which_curve_and_whether_corrected() -> None:
    family = replace(found("background", -3.0), method=Method.FAMILY, corrected=True)
    monotone = replace(found("gender", 0.0), method=Method.MONOTONE)
    tone = replace(outcome("skin-tone", Status.NO_EFFECT), corrected=True)
    text = words.plain(words.caption([family, monotone, tone], NAMES, frozenset({"background"})))
    assert text == (
        "The background follows the two-component curve (the law of two clusters of pictures, fitted). "
        "The perceived gender follows a monotone curve of several rises, since the two-component one does not fit. "
        "The perceived skin tone is shown corrected for the measured errors of its probe, points and line. "
        "The perceived gender is shown as it was read, not corrected. "
        "The background is read without known errors."
    )
    assert words.plain(words.caption([monotone, replace(monotone, feature="skin-tone")], NAMES, frozenset())) == (
        "Every feature follows a monotone curve of several rises, since the two-component one does not fit. "
        "Every feature is shown as it was read, not corrected."
    )
    assert words.caption([], NAMES, frozenset()) == []


@pytest.mark.parametrize(
    ("probability", "expected"),
    [(1.0, "> 99.9 %"), (0.9973, "99.7 %"), (0.97, "97 %"), (0.5, "50 %"), (0.004, "0.4 %"), (0.0, "< 0.1 %")],
)
def test_a_chance_is_never_certain(probability: float, expected: str) -> None:
    assert words.chance(probability).replace("\N{NO-BREAK SPACE}", " ") == expected


def test_information_is_told_in_nats_with_its_shares() -> None:
    axis = np.linspace(-3, 3, 7)
    known = Information("a cook", "gender", 0.6931, axis, axis, axis, axis, -1.5, 0.2, 0.5, 0.3)
    assert words.plain(words.informed(known, NAMES, AXIS)).replace("\N{NO-BREAK SPACE}", " ") == (
        "Of the 0.69 nats that it takes to name the perceived gender, 20 % are decided before its window, 50 % inside "
        "it and 30 % after it. It is decided fastest after about 35 % of the steps, at log‑SNR −1.50."
    )
    assert words.plain(words.informed(replace(known, centre=None), NAMES, AXIS)).endswith(
        "no single fastest point is given."
    )
