"""The command line. Every command makes a plan or reads a run folder; heavy imports wait until they are needed."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from diffwin.defaults import GENERATIONS, MODEL, REPEATS, SEED
from diffwin.errors import BadInput, DiffwinError
from diffwin.terminal import progress_bar, show_gaps, show_prediction, show_run, table, waiting

if TYPE_CHECKING:
    from diffwin.results import Run

app = typer.Typer(
    name="diffwin",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="When, between noise and image, is each feature of a generative model's output decided?",
)
listing = typer.Typer(no_args_is_help=True, help="List what ships.")
app.add_typer(listing, name="list")


INTERRUPTED = 130
"""Exit status of a command that was stopped by a signal, as shells have it."""

EXAMPLES = """
Examples:

  diffwin probe --prompt "a cook"

  diffwin probe --prompt "a person" --prompt "a judge" --precision 0.3

  diffwin probe --model noto-emoji

  diffwin probe --model world.toml --levels 20 --out runs/world

  diffwin probe --model FOLDER --prompt "a photo of a doctor" --probe gender
"""

THEORY_EXAMPLES = """
Examples:

  diffwin theory world.toml

  diffwin theory noto-emoji --out theory

  diffwin theory runs/world
"""


@app.command(epilog=EXAMPLES)
def probe(
    prompt: Annotated[
        list[str] | None, typer.Option(metavar="TEXT", help="What to ask the model for; may be given again.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(metavar="NAME", help=f"A shipped name, a hub id, a folder or a FILE.toml (default: {MODEL})."),
    ] = None,
    probes: Annotated[
        list[str] | None,
        typer.Option("--probe", metavar="NAME", help="A shipped name or a FILE.toml; may be given again."),
    ] = None,
    mode: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="renoise: noise the image afresh; branch: start from the states it passed."),
    ] = None,
    solver: Annotated[
        str | None, typer.Option(metavar="NAME", help="ddpm, ddim, euler, dpmpp-2m or sde-dpmpp-2m.")
    ] = None,
    eta: Annotated[float | None, typer.Option(help="Noise of ddim, 0 (none) to 1 (as ddpm).")] = None,
    steps: Annotated[int | None, typer.Option(help="Denoising steps of a full generation.")] = None,
    guidance: Annotated[float | None, typer.Option(help="Classifier-free guidance scale; 1 is none.")] = None,
    negative_prompt: Annotated[str | None, typer.Option(metavar="TEXT", help="What guidance steers away from.")] = None,
    precision: Annotated[
        float | None, typer.Option(help="Go on until every decision point is known to this half-width in log-SNR.")
    ] = None,
    precision_edges: Annotated[float | None, typer.Option(help="The same for onsets and ends.")] = None,
    budget: Annotated[
        int | None, typer.Option(help=f"Network rows to spend at most (default: {GENERATIONS:,} generations a prompt).")
    ] = None,
    bases: Annotated[int | None, typer.Option(help="Images a prompt to start from, at most.")] = None,
    levels: Annotated[int | None, typer.Option(help="Measure an even grid of so many noise levels instead.")] = None,
    repeats: Annotated[
        int | None, typer.Option(help=f"Regenerations of each image at each level of that grid (default: {REPEATS}).")
    ] = None,
    seed: Annotated[int | None, typer.Option(help=f"Same seed, same noise, on any machine (default: {SEED}).")] = None,
    device: Annotated[str | None, typer.Option(metavar="NAME", help="auto, cpu, cuda, cuda:1, mps.")] = None,
    dtype: Annotated[str | None, typer.Option(metavar="NAME", help="auto, float32, bfloat16, float16.")] = None,
    slots: Annotated[int | None, typer.Option(help="Rows that go through the network together.")] = None,
    revision: Annotated[str | None, typer.Option(metavar="NAME", help="Branch, tag or commit of a hub id.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="The run folder; the same command again goes on (default: under runs).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print windows.json instead of the table.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would cost, and do nothing.")] = False,
) -> None:
    """Measure when the features of a model's images are decided. Writes a report."""
    from diffwin.plan import Plan
    from diffwin.settled import folder_of

    given = {
        "prompts": prompt, "model": model, "probes": probes, "mode": mode, "solver": solver, "eta": eta,
        "steps": steps, "guidance": guidance, "negative_prompt": negative_prompt, "precision": precision,
        "precision_edges": precision_edges, "budget": budget, "bases": bases, "repeats": repeats, "levels": levels,
        "seed": seed, "device": device, "dtype": dtype, "slots": slots, "revision": revision,
    }  # fmt: skip
    plan = Plan.make(**{name: value for name, value in given.items() if value is not None})
    if dry_run:
        from diffwin.run import prepare

        job = prepare(plan)
        typer.echo(f"{job.outlook()} into {out or job.plan.default_folder()}")
        return
    if (folder := folder_of(plan, out)) is not None:
        summary = _summary(folder)
    else:
        from diffwin.run import run

        with progress_bar() as progress:
            finished = run(plan, out, progress=progress)
        folder, summary = finished.folder, finished.summary()
    if as_json:
        typer.echo(json.dumps(summary, indent=1, ensure_ascii=False))
    else:
        show_run(summary, folder)


@app.command()
def show(run: Annotated[Path, typer.Argument(help="A run folder.")]) -> None:
    """Print a run's windows."""
    show_run(_summary(run), run)


@app.command()
def report(run: Annotated[Path, typer.Argument(help="A run folder.")]) -> None:
    """Write a run's curves, windows and report again. Needs no model."""
    typer.echo(str(_open(run).write()))


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    out: Annotated[Path | None, typer.Option(help="Where to write (default: the run folder).")] = None,
) -> None:
    """Write a run's tables as Parquet and CSV. They are samples, observations, curves and windows."""
    from diffwin.results import export_tables

    for path in export_tables(_open(run), out):
        typer.echo(str(path))


@app.command()
def gap(
    renoise: Annotated[Path, typer.Argument(help="The folder of a run with --mode renoise.")],
    branch: Annotated[Path, typer.Argument(help="The folder of the same run with --mode branch.")],
) -> None:
    """Say how far a model and solver are from an exact sampler. A gap is survival of renoise less that of branch."""
    from diffwin.results import reversibility_gaps

    show_gaps(reversibility_gaps(_open(renoise), _open(branch)))


@app.command(epilog=THEORY_EXAMPLES)
def theory(
    target: Annotated[str, typer.Argument(help="A mixture, an image set, or the folder of a run of one.")],
    out: Annotated[Path | None, typer.Option(help="Where to write (default: under runs, or in the run).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print theory.json instead of tables.")] = False,
) -> None:
    """Say when the features of a known world are decided. Needs no model: exact windows, its tree, spectra."""
    from diffwin.predict.prediction import predict
    from diffwin.predict.save import as_dict, save
    from diffwin.predict.targets import resolve

    asked = resolve(target)
    with waiting("reckoning"):
        found = predict(asked.world, asked.ends)
        folder = out or asked.default_folder()
        paths = save(found, folder, asked.grid, asked.run)
    if as_json:
        typer.echo(json.dumps(as_dict(found, asked.grid), indent=1, ensure_ascii=False))
    else:
        show_prediction(found, asked)
        typer.echo(f"\n{', '.join(path.name for path in paths if path.suffix != '.svg')} in {folder}")


@listing.command()
def models() -> None:
    """Models that ship with diffwin."""
    from diffwin.models import shipped

    table(
        ("model", "kind", "what it is", "licence"),
        [(card.name, card.kind, card.description, card.licence) for card in shipped()],
    )


@listing.command("probes")
def list_probes() -> None:
    """Probes that ship with diffwin."""
    from diffwin.probes.definition import shipped_definitions

    table(
        ("probe", "reads", "kind", "labels"),
        [(d.name, d.feature, d.kind, ", ".join(label.name for label in d.labels)) for d in shipped_definitions()],
    )


def _summary(folder: Path) -> dict[str, Any]:
    """What windows.json says, or would say of a ledger that has grown since."""
    from diffwin import settled

    return settled.summary(folder) or _open(folder).summary()


def _open(path: Path) -> Run:
    from diffwin.results import open_run

    return open_run(path)


def _stop(status: int, message: str) -> NoReturn:
    print(f"diffwin: {message}", file=sys.stderr)
    raise SystemExit(status)


def _interrupt(signum: int, frame: Any) -> NoReturn:
    raise KeyboardInterrupt


def main() -> None:
    """Entry point: exit status 0 done, 2 bad input (one line), 1 failure, 130 interrupted."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        status = app(standalone_mode=False)
    except BadInput as error:
        _stop(2, str(error))
    except typer.exceptions.TyperException as error:
        words = error.format_message() if hasattr(error, "format_message") else str(error)
        if words.startswith("Usage:"):  # no command was given, and this is the help
            print(words, file=sys.stderr)
            raise SystemExit(2) from None
        _stop(2, " ".join(words.split()))
    except DiffwinError as error:
        _stop(1, str(error))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    if status == INTERRUPTED:  # typer hands an interruption back as this status
        _stop(INTERRUPTED, "stopped; the same command goes on from here")
