"""Commands that read a run folder: show, report, export, gap."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from diffwin.cli.app import app
from diffwin.cli.folders import opened, summary_of
from diffwin.terminal import show_gaps, show_run


@app.command()
def show(run: Annotated[Path, typer.Argument(help="A run folder.")]) -> None:
    """Print a run's windows."""
    show_run(summary_of(run), run)


@app.command()
def report(run: Annotated[Path, typer.Argument(help="A run folder.")]) -> None:
    """Write a run's curves, windows and report again. Needs no model."""
    typer.echo(str(opened(run).write()))


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    out: Annotated[Path | None, typer.Option(help="Where to write (default: the run folder).")] = None,
) -> None:
    """Write a run's tables as Parquet and CSV. They are samples, observations, curves and windows."""
    from diffwin.exports import export_tables

    for path in export_tables(opened(run), out):
        typer.echo(str(path))


@app.command()
def gap(
    renoise: Annotated[Path, typer.Argument(help="The folder of a run with --mode renoise.")],
    branch: Annotated[Path, typer.Argument(help="The folder of the same run with --mode branch.")],
) -> None:
    """Say how far a model and solver are from an exact sampler. A gap is survival of renoise less that of branch."""
    from diffwin.results import reversibility_gaps

    first, second = opened(renoise), opened(branch)
    show_gaps(reversibility_gaps(first, second))
    for run in (first, second):
        if run.screened_words:
            typer.echo(f"\n{run.folder}: {run.screened_words}")
