"""`diffwin intervene`: act in a window, to prove it and to use it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from diffwin.cli import options
from diffwin.cli.app import app
from diffwin.cli.folders import opened
from diffwin.terminal import progress_bar, show_intervention

EXAMPLES = """
Examples:

  diffwin intervene runs/person --to "gender:woman=a woman" --to "occupation:cook=a cook"

  diffwin intervene runs/person --to "skin-tone=a person with {} skin"

  diffwin intervene runs/firefighter --to "gender:man=a man" --balance gender:woman=50%
"""


@app.command(epilog=EXAMPLES)
def intervene(
    run: Annotated[Path, typer.Argument(help="The folder of a run that found the windows to act in.")],
    to: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FEATURE:LABEL=PROMPT",
            help="A prompt that asks for a label, or FEATURE=TEMPLATE with {} for each label; may be given again.",
        ),
    ] = None,
    balance: Annotated[
        list[str] | None,
        typer.Option(metavar="FEATURE:LABEL=SHARE", help="A share to reach with these prompts; may be given again."),
    ] = None,
    prompt: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Whose pictures to act in, if the run has several prompts.")
    ] = None,
    bases: Annotated[int | None, typer.Option(help="Pictures of the switch test (default: 100).")] = None,
    curve: Annotated[
        int | None, typer.Option(help="How many of them try the short intervals that slide along (default: all).")
    ] = None,
    images: Annotated[int | None, typer.Option(help="Pictures to balance (default: 200).")] = None,
    width: Annotated[int | None, typer.Option(help="Steps of an interval (default: an eighth of all).")] = None,
    stride: Annotated[int | None, typer.Option(help="Steps from one interval to the next.")] = None,
    warm_up: Annotated[
        int | None, typer.Option(help="Steps that the hand-set way to balance leaves alone (default: 10).")
    ] = None,
    device: options.Device = None,
    slots: options.Slots = None,
    compiled: Annotated[
        bool | None, typer.Option("--compile/--no-compile", help="Compile the network first (default: as the run).")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where to write; the same command again goes on (default: RUN/intervene).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print intervene.json instead of tables.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would cost, and do nothing.")] = False,
) -> None:
    """Give another prompt for part of a generation. It proves a window, and balances shares inside it alone."""
    from diffwin.intervene import run as acting
    from diffwin.intervene.asked import Asked, attributes_of, targets_of
    from diffwin.intervene.results import summary
    from diffwin.intervene.setup import neutral_prompt

    measured = opened(run)
    chosen, labels = neutral_prompt(measured, prompt), measured.record["labels"]
    sizes = {"bases": bases, "curve": curve, "images": images, "width": width, "stride": stride, "warm_up": warm_up}
    given = {name: value for name, value in sizes.items() if value is not None}
    asked = Asked(chosen, attributes_of(to or [], labels), targets_of(balance or [], labels), **given)
    if dry_run:
        typer.echo(f"{acting.outlook(measured, asked)} into {acting.folder_of(measured, out)}")
        return
    with progress_bar() as progress:
        found = acting.intervene(measured, asked, out, device=device, slots=slots, compiled=compiled, progress=progress)
    told = summary(found)
    if as_json:
        typer.echo(json.dumps(told, indent=1, ensure_ascii=False))
    else:
        show_intervention(told, acting.folder_of(measured, out))
