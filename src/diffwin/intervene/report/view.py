"""Everything that the templates of an intervention's report show, computed once from what was found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from diffwin.intervene.arms import Arm
from diffwin.intervene.asked import Attribute
from diffwin.intervene.effects import Measured, SwitchTest
from diffwin.intervene.intervals import Interval, edges
from diffwin.intervene.outcome import Outcome
from diffwin.intervene.report import figures, words
from diffwin.intervene.results import Found, effect_rows
from diffwin.report.axis import Axis
from diffwin.report.pictures import Thumbnails
from diffwin.report.style import Look, looks
from diffwin.report.tables import number
from diffwin.report.view import Plot, plot_of
from diffwin.report.words import Piece, feature_name, percent, prompt_name

_SHOWN = 3
"""Pictures that stand for each attribute."""


@dataclass(frozen=True)
class EffectRow:
    steps: str
    log_snr: str
    place: str
    effect: str
    corrected: str


@dataclass(frozen=True)
class Strip:
    """One base: the untouched picture, then each arm's; sources are data URIs, labels what was read."""

    shots: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class TestView:
    look: Look
    label: str
    prompt: str
    said: list[Piece]
    rows: list[EffectRow]
    corrected: bool
    heads: list[str]
    strips: list[Strip]


Lines = list[tuple[str, list[str]]]
"""A table's rows: the head, then a cell a way of balancing."""


@dataclass(frozen=True)
class BalanceView:
    """ways: the heads of the columns of `lines`; those of `gaps` lack the first, which they are taken from."""

    look: Look
    wanted: str
    said: list[list[Piece]]
    encoder: str
    ways: list[str]
    lines: Lines
    gaps: Lines
    plot: Plot


@dataclass(frozen=True)
class View:
    model: str
    prompt: str
    looks: dict[str, Look]
    steps: int
    tests: list[TestView]
    effects: Plot
    balanced: list[BalanceView]
    settings: dict[str, str]
    caveats: list[str]

    @property
    def plots(self) -> list[Plot]:
        return [self.effects, *(each.plot for each in self.balanced)]


def view_of(found: Found) -> View:
    """Draw and word what an intervention found."""
    run = found.setup.run
    sensitive = run.record["sensitive"]
    known = looks(list(run.record["labels"]), lambda name: feature_name(name, sensitive=name in sensitive))
    maker = _Maker(found, known)
    said = said_of(found, maker.names)
    return View(
        run.record["model"]["name"],
        found.setup.asked.prompt,
        known,
        found.setup.grid.top,
        [maker.test(*each, sentences) for each, sentences in zip(found.tests, said, strict=True)],
        effects_plot(found, known, "effects"),
        [maker.balance(feature, outcomes) for feature, outcomes in found.balanced.items()],
        dict(maker.settings()),
        list(maker.caveats()),
    )


def effects_plot(found: Found, looks: dict[str, Look], name: str) -> Plot:
    """What acting does by where it acts, a panel an attribute; the figure is called `name` on disk."""
    setup, axis = found.setup, axis_of(found)
    windows = {}
    for feature, window in setup.windows.items():
        onset, end = edges(window, setup.grid)
        windows[feature] = axis.of_level(onset), axis.of_level(end)
    told = "What acting does to each attribute's share, by where it acts; the numbers are in effects.csv."
    return plot_of(name, told, partial(figures.effects, found.tests, windows, looks, axis))


def axis_of(found: Found) -> Axis:
    """The reader's axis of the model that was acted on."""
    return Axis(found.setup.grid.top, list(found.setup.grid.log_snr))


def said_of(found: Found, names: dict[str, str]) -> list[list[Piece]]:
    """A few sentences on each switch test."""
    return [words.tested(*each, found.setup.grid.top, names) for each in found.tests]


@dataclass(frozen=True, eq=False)
class _Maker:
    found: Found
    looks: dict[str, Look]

    @property
    def names(self) -> dict[str, str]:
        return {feature: look.name for feature, look in self.looks.items()}

    def test(self, attribute: Attribute, test: SwitchTest, said: list[Piece]) -> TestView:
        setup = self.found.setup
        rows = [
            EffectRow(self._steps(where), self._log_snr(where), place, words.points(value), beside)
            for (where, place, value), beside in zip(effect_rows(test), _beside(test), strict=True)
        ]
        heads = ["untouched", *(self._steps(where) for where in setup.intervals), "the window", "all steps"]
        look = self.looks[attribute.feature]
        return TestView(
            look,
            attribute.label,
            attribute.prompt,
            said,
            rows,
            test.corrected is not None,
            heads,
            self._strips(attribute),
        )

    def _steps(self, where: Interval) -> str:
        top = self.found.setup.grid.top
        return f"{top - where.start} to {top - where.stop}"

    def _log_snr(self, where: Interval) -> str:
        axis = self.found.setup.grid.log_snr
        return f"{number(float(axis[where.start]))} to {number(float(axis[where.stop]))}"

    def _strips(self, attribute: Attribute) -> list[Strip]:
        """The first bases that acting in the window changed, or else the first ones."""
        setup, record = self.found.setup, self.found.record
        spans = [*setup.intervals, setup.window(attribute.feature), setup.throughout]
        arms = [setup.untouched, *(setup.arm(attribute, span) for span in spans)]
        whole = [base for base in setup.pilot if all(record.has_picture(arm, base) for arm in arms)]
        now, then = (record.labels(arm, attribute.feature, whole) for arm in (setup.untouched, arms[-2]))
        label = setup.labels[attribute.feature].index(attribute.label)
        moved = [base for base, a, b in zip(whole, now, then, strict=True) if a != label and b == label]
        shown = [*moved, *(base for base in whole if base not in moved)][:_SHOWN]
        return [Strip(tuple(self._shot(arm, attribute.feature, base) for arm in arms)) for base in shown]

    def _shot(self, arm: Arm, feature: str, base: int) -> tuple[str, str]:
        record = self.found.record
        label = int(record.labels(arm, feature, [base])[0])
        read = "" if label < 0 else self.found.setup.labels[feature][label]
        return Thumbnails(record.folder).source(record.path(arm, base)), read

    def balance(self, feature: str, outcomes: Sequence[Outcome]) -> BalanceView:
        wanted = self.found.wanted(feature)
        stem = f"balance-{list(self.found.balanced).index(feature) + 1}"
        return BalanceView(
            self.looks[feature],
            ", ".join(f"{label} {percent(value)}" for label, value in wanted.items()),
            list(words.balanced(feature, outcomes, wanted, self.names)),
            words.encoder(self.found.record.space, outcomes[0]),
            [each.way.name for each in outcomes],
            list(self._lines(outcomes, wanted)),
            [
                (self._what(name), [_gap(name, each.apart[name]) for each in outcomes[1:]])
                for name in outcomes[-1].apart
            ],
            plot_of(
                stem,
                f"Shares reached and what is kept of the pictures, balancing {self.names[feature]}.",
                partial(figures.balanced, outcomes, wanted, self.names),
            ),
        )

    def _lines(self, outcomes: Sequence[Outcome], wanted: dict[str, float]) -> Iterator[tuple[str, list[str]]]:
        yield f"steps of {self.found.setup.grid.top}", [self._steps(each.way.where) for each in outcomes]
        yield "acted on", [percent(each.acted) for each in outcomes]
        for label in wanted:
            yield f"share of {label}", [words.share(each.reached[label]) for each in outcomes]
            if all(each.corrected for each in outcomes):
                yield f"share of {label}, corrected", [words.share(each.corrected[label]) for each in outcomes]
        yield "reached", ["yes" if each.meets(wanted) else "no" for each in outcomes]
        yield self._what("distance"), [words.number(each.distance) for each in outcomes]
        if encoded := [each.features for each in outcomes if each.features is not None]:
            yield self._what("features"), list(map(words.number, encoded))
        if gained := [each.gained for each in outcomes if each.gained is not None]:
            yield self._what("agreement"), [words.number(each, "+.3f") for each in gained]
        yield "sharpness", [words.number(each.sharpness) for each in outcomes]
        for name in outcomes[0].kept:
            yield self._what(f"kept {name}"), [words.share(each.kept[name]) for each in outcomes]

    def _what(self, name: str) -> str:
        """The head of a row."""
        return _HEADS.get(name) or f"{self.names[name.removeprefix('kept ')]} kept"

    def settings(self) -> Iterator[tuple[str, str]]:
        setup, record = self.found.setup, self.found.record
        model = setup.run.record["model"]
        yield "model", model["name"]
        yield "prompt", prompt_name(setup.asked.prompt)
        yield "solver", f"{model['solver']}, {setup.grid.top} steps, guidance {setup.run.plan.guidance:g}"
        yield "windows from", " ".join(filter(None, (str(setup.run.folder.name), setup.run.screened_words)))
        yield "pictures of the switch test", f"{setup.asked.bases}, others than those that the windows were found on"
        yield "intervals that slide", f"{len(setup.intervals)} of {setup.intervals[0].steps} steps"
        if self.found.balanced:
            yield "pictures balanced", f"{setup.asked.images}, others again"
            yield "warm-up set by hand", f"{setup.asked.warm_up} steps"
        yield "network rows", f"{record.evaluations:,}"
        yield "seed", str(setup.run.plan.seed)

    def caveats(self) -> Iterator[str]:
        for feature, why in self.found.uncorrected.items():
            if why:
                yield f"Shares of the {self.names[feature]} are as read, not corrected for errors of reading: {why}."
        if self.found.record.missing:
            yield f"{self.found.record.missing} pictures are missing; they count nowhere."
        if any(name in self.found.setup.run.record["sensitive"] for name in self.found.setup.windows):
            yield "Gender, skin tone and age are perceived ones: what a program reads in a picture, not what anyone is."
        for attribute, test in self.found.tests:
            if test.bases < self.found.setup.asked.bases:
                yield f"{attribute.name} rests on {test.bases} pictures that could be read in every arm."


_HEADS = {
    "distance": "unlike before",
    "features": "unlike before in features",
    "agreement": "agreement with prompt, change",
}


def _beside(test: SwitchTest) -> list[str]:
    """The corrected effects in the order of `effect_rows`, blank where there are none."""
    if test.corrected is None:
        return [""] * len(effect_rows(test))
    return [words.points(value) for _, _, value in effect_rows(test.corrected)]


def _gap(name: str, gap: Measured) -> str:
    """A difference from acting inside the window: of shares in points, of other numbers as it is."""
    if name.startswith("kept "):
        return words.points(gap)
    return words.number(gap, "+.3f")
