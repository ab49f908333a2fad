"""`diffwin probe`: the main job."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from diffwin.cli import options
from diffwin.cli.app import app
from diffwin.cli.folders import summary_of
from diffwin.defaults import GENERATIONS, REPEATS
from diffwin.terminal import progress_bar, show_run

EXAMPLES = """
Examples:

  diffwin probe --prompt "a cook"

  diffwin probe --prompt "a person" --prompt "a judge" --precision 0.3

  diffwin probe --model noto-emoji

  diffwin probe --model world.toml --levels 20 --out runs/world

  diffwin probe --model FOLDER --prompt "a photo of a doctor" --probe gender

  diffwin probe --model FOLDER --lora style.safetensors:0.8 --prompt "a cook"
"""


@app.command(epilog=EXAMPLES)
@options.with_choices()
def probe(
    prompt: Annotated[
        list[str] | None, typer.Option(metavar="TEXT", help="What to ask the model for; may be given again.")
    ] = None,
    prompt_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="More prompts, one a line; # begins a comment.")
    ] = None,
    model: options.Model = None,
    probes: options.Probes = None,
    mode: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="renoise: noise the image afresh; branch: start from the states it passed."),
    ] = None,
    precision: Annotated[
        float | None, typer.Option(help="Go on until every decision point is known to this half-width in log-SNR.")
    ] = None,
    precision_edges: Annotated[float | None, typer.Option(help="The same for onsets and ends.")] = None,
    precision_groups: Annotated[float | None, typer.Option(help="The same for the decision of every label.")] = None,
    budget: Annotated[
        int | None, typer.Option(help=f"Network rows to spend at most (default: {GENERATIONS:,} generations a prompt).")
    ] = None,
    bases: Annotated[int | None, typer.Option(help="Images a prompt to start from, at most.")] = None,
    levels: Annotated[int | None, typer.Option(help="Measure an even grid of so many noise levels instead.")] = None,
    repeats: Annotated[
        int | None, typer.Option(help=f"Regenerations of each image at each level of that grid (default: {REPEATS}).")
    ] = None,
    screen: Annotated[
        bool, typer.Option("--screen", help="End a regeneration once its features seldom change; measured as it goes.")
    ] = False,
    chosen: options.Chosen = options.NONE,
    out: Annotated[
        Path | None, typer.Option(help="The run folder; the same command again goes on (default: under runs).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print windows.json instead of the table.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would cost, and do nothing.")] = False,
) -> None:
    """Measure when the features of a model's images are decided. Writes a report."""
    from diffwin.cli.prompt_file import read_prompts
    from diffwin.plan import Plan
    from diffwin.settled import folder_of

    if prompt_file is not None:
        prompt = [*(prompt or ()), *read_prompts(prompt_file)]
    given = {
        "prompts": prompt, "model": model, "probes": probes, "mode": mode, "precision": precision,
        "precision_edges": precision_edges, "precision_groups": precision_groups, "budget": budget, "bases": bases,
        "repeats": repeats, "levels": levels, "screen": screen,
    }  # fmt: skip
    plan = Plan.make(**chosen, **{name: value for name, value in given.items() if value is not None})
    if dry_run:
        from diffwin.job import prepare

        job = prepare(plan)
        job.check_tokens()
        typer.echo(f"{job.outlook()} into {out or job.plan.default_folder()}")
        return
    if (folder := folder_of(plan, out)) is not None:
        summary = summary_of(folder)
    else:
        from diffwin.run import run

        with progress_bar() as progress:
            finished = run(plan, out, progress=progress)
        folder, summary = finished.folder, finished.summary()
    if as_json:
        typer.echo(json.dumps(summary, indent=1, ensure_ascii=False))
    else:
        show_run(summary, folder)
