"""What the commands print: tables of windows, gaps and predictions, and signs of life while they work."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from diffwin.trials import ALL

if TYPE_CHECKING:
    from diffwin.predict.prediction import Prediction
    from diffwin.predict.targets import Target
    from diffwin.privacy.analyse import Findings
    from diffwin.reversibility import Gap

_BECAUSE = "because"


def show_run(summary: Mapping[str, Any], folder: Path) -> None:
    """The windows of whole prompts in windows.json, a table a prompt, what is decided first on top; and the report."""
    windows = [window for window in summary["windows"] if window["group"] == ALL]
    for prompt in dict.fromkeys(window["prompt"] for window in windows):
        if prompt:
            typer.echo(f'\n"{prompt}"')
        mine = [window for window in windows if window["prompt"] == prompt]
        rows = [_told(window) for window in sorted(mine, key=_when)]
        _with_reasons(("feature", "status", "steps done", "log-SNR (95 % interval)", _BECAUSE), rows)
    if told := summary.get("screen"):
        from diffwin.screen import words

        typer.echo("\n" + words(told))
    typer.echo(f"\n{summary['evaluations']:,} network rows; report: {folder / 'report.html'}")


def _told(window: Mapping[str, Any]) -> tuple[str, ...]:
    name, reason = (window["feature"], str(window["status"])), window["reason"]
    if (decided := window["decision"]) is None:
        return *name, "-", "-", reason
    at = "{log_snr:.2f} ({low:.2f} to {high:.2f})".format(**decided)
    return *name, f"{decided['fraction']:.0%}", at, reason


def _when(window: Mapping[str, Any]) -> float:
    return float(window["decision"]["log_snr"]) if window["decision"] else math.inf


def show_gaps(gaps: Sequence[Gap]) -> None:
    """A table a prompt, a row a feature: the largest gap, how far the decision moves, and what to do about it."""
    for prompt in dict.fromkeys(found.prompt for found in gaps):
        if prompt:
            typer.echo(f'\n"{prompt}"')
        rows = [_gap(found) for found in gaps if found.prompt == prompt]
        _with_reasons(("feature", "largest gap in survival", "at log-SNR", "decision moves by", _BECAUSE), rows)


def _gap(found: Gap) -> tuple[str, ...]:
    worst = found.largest
    widest = f"{worst['gap']:+.0%} ({worst['low']:+.0%} to {worst['high']:+.0%})"
    moved = "-" if found.shift is None else "{:+.2f} ({:+.2f} to {:+.2f})".format(*found.shift)
    beyond = "a gap beyond chance: try more --steps or another --solver"
    words = "no gap beyond chance" if found.reversible else beyond
    return found.feature, widest, f"{worst['log_snr']:.2f}", moved, words


def show_intervention(told: Mapping[str, Any], folder: Path) -> None:
    """What a switch test says of each window, and what balancing reached, of intervene.json."""
    typer.echo(f'\n"{told["prompt"]}"')
    head = ("feature", "label", "steps", "effect inside", "outside", "window")
    table(head, [_tested(test) for test in told["switch_tests"]], whole=3)
    for each in told["balancing"]:
        typer.echo(f"\n{each['feature']}, " + ", ".join(f"{k} {v:.0%} wanted" for k, v in each["wanted"].items()))
        kept = list(each["ways"][0]["kept"])
        columns = ("acting", "pictures", "reached", "unlike", *(f"{name} kept" for name in kept))
        table(columns, [_balanced(way) for way in each["ways"]], whole=2)
    typer.echo(f"\n{told['evaluations']:,} network rows; report: {folder / 'report.html'}")


def _tested(test: Mapping[str, Any]) -> tuple[str, ...]:
    steps = f"{test['window']['step_from']} to {test['window']['step_to']}"
    effects = (_with_interval(test[name]) for name in ("inside", "outside"))
    return test["feature"], test["label"], steps, *effects, test["verdict"]


def _with_interval(value: Mapping[str, float] | None, form: str = "+.0%") -> str:
    """A share, or with the usual form a change of one, which lies within its bounds."""
    if value is None:
        return "-"
    least = -1.0 if form.startswith("+") else 0.0
    number, low, high = (format(min(max(value[name], least), 1.0), form) for name in ("value", "low", "high"))
    return f"{number} ({low} to {high})"


def _balanced(way: Mapping[str, Any]) -> tuple[str, ...]:
    reached = ", ".join(f"{label} {_with_interval(share, '.0%')}" for label, share in way["reached"].items())
    kept = (f"{share['value']:.0%}" for share in way["kept"].values())
    return way["way"], f"{way['acted']:.0%}", reached, f"{way['distance']['value']:.3f}", *kept


def show_prediction(found: Prediction, asked: Target) -> None:
    """A prediction as tables and trees, beside what was measured if a run is given."""
    from rich.console import Console

    from diffwin.predict import show as told

    typer.echo(f"{told.title(found)}; levels in log-SNR")
    for at, (head, rows) in enumerate(told.tables(found, None if asked.run is None else asked.run.located)):
        typer.echo()
        table(head, rows) if at else _with_reasons(head, rows)
    screened = "" if asked.run is None else asked.run.screened_words
    typer.echo("\n" + "\n".join(filter(None, (*told.lines(found), asked.caveat, screened))) + "\n")
    Console().print(told.trees(found))


def show_privacy(found: Findings, folder: Path) -> None:
    """The findings of a privacy audit in sentences, the attacks as a table, and the report."""
    from diffwin.privacy import words
    from diffwin.privacy.page import attack_row

    for finding in words.findings_of(found):
        typer.echo(f"\n{finding.title} ({words.VERDICTS[finding.verdict]})\n  {finding.text}")
    typer.echo(f"\n{words.LIMITS}\n")
    rows = [attack_row(judged) for judged in found.attacks]
    head = ("attack", "AUC (95 % interval)", "found at 1 % false", "windows less this", "verdict")
    if rows:
        table(head, [(row.name, row.auc, row.rates[0], row.behind, row.verdict) for row in rows], whole=2)
    typer.echo(f"\n{found.measured.evaluations:,} network rows; report: {folder / 'report.html'}")


def _with_reasons(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """A row a feature. Reasons are sentences: they stand beneath, where they have the width of the terminal."""
    if head[-1] != _BECAUSE:
        table(head, rows, whole=len(head))
        return
    table(head[:-1], [row[:-1] for row in rows], whole=len(head) - 1)
    typer.echo()
    table((), [(row[0], row[-1]) for row in rows if row[-1]], whole=1)


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]], *, whole: int = 0) -> None:
    """Print a table, with no head if that is empty; the first `whole` columns are not broken over lines."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, pad_edge=False, header_style="bold", show_header=bool(head))
    for at, name in enumerate(head or [""] * max(map(len, rows), default=0)):
        grid.add_column(name, overflow="fold", no_wrap=at < whole)
    for row in rows:
        grid.add_row(*(Text(cell) for cell in row))
    Console().print(grid)


@contextmanager
def progress_bar() -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error with the rows done, the rate and the time left."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("network rows"),
        TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(),
    )  # fmt: skip
    bar = Progress(*columns, console=Console(stderr=True))
    task = bar.add_task("generating", total=None)

    def update(done: int, total: int) -> None:
        bar.start()  # not before there is work: bad input shows its one line and nothing else
        bar.update(task, completed=done, total=total)

    try:
        yield update
    finally:
        bar.stop()


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """A spinner on standard error, where that is a terminal."""
    from rich.console import Console

    with Console(stderr=True).status(what):
        yield
