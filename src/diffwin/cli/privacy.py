"""`diffwin privacy`: what the windows say of training pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from diffwin.cli import options
from diffwin.cli.app import app
from diffwin.privacy.plan import DRAWS, DUPLICATE, FALSE_RATE, GENERATIONS, LEVELS, REPEATS, PrivacyPlan
from diffwin.terminal import progress_bar, show_privacy

EXAMPLES = """
Examples:

  diffwin privacy --members trained-on --non-members held-out

  diffwin privacy --model FOLDER --members pictures.npz --without-captions
"""


@app.command(epilog=EXAMPLES)
@options.with_choices()
def privacy(
    members: Annotated[
        Path, typer.Option(metavar="DIR", help="Pictures that the model was trained on: a folder, or an .npz file.")
    ],
    non_members: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Pictures of the same kind that it was not trained on.")
    ] = None,
    model: options.Model = None,
    without_captions: Annotated[
        bool, typer.Option("--without-captions", help="Audit as one who does not know the captions.")
    ] = False,
    features: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="A clip probe in whose features likeness is measured, or structure."),
    ] = None,
    levels: Annotated[int, typer.Option(help="Noise levels to start pictures again from.")] = LEVELS,
    repeats: Annotated[int, typer.Option(help="Regenerations of each picture from each level.")] = REPEATS,
    draws: Annotated[int, typer.Option(help="Noises behind each denoising error.")] = DRAWS,
    generations: Annotated[int, typer.Option(help="Fresh pictures to seek copies among.")] = GENERATIONS,
    false_rate: Annotated[
        float, typer.Option(help="How often a stranger may be taken for the picture itself.")
    ] = FALSE_RATE,
    duplicate: Annotated[
        float, typer.Option(help="Cosine similarity from which two pictures count as one.")
    ] = DUPLICATE,
    chosen: options.Chosen = options.NONE,
    out: Annotated[
        Path | None, typer.Option(help="The folder to write; the same command again goes on (default: under runs).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print privacy.json instead of the findings.")] = False,
) -> None:
    """Say which training pictures a model gives back. It also says how well they can be told from others."""
    given = {"model": model, "features": features} | dict(chosen)
    plan = PrivacyPlan(
        members,
        non_members,
        captions=not without_captions,
        levels=levels,
        repeats=repeats,
        draws=draws,
        generations=generations,
        false_rate=false_rate,
        duplicate=duplicate,
        **{name: value for name, value in given.items() if value is not None},
    )
    from diffwin.privacy.command import audit, folder_of
    from diffwin.privacy.save import as_dict

    folder = out or folder_of(plan)
    with progress_bar() as progress:
        found = audit(plan, folder, progress=progress)
    if as_json:
        typer.echo(json.dumps(as_dict(found), indent=1, ensure_ascii=False))
    else:
        show_privacy(found, folder)
