"""`diffwin audit`: what a suite's prompts show about people, and when it is decided."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from diffwin.cli import options
from diffwin.cli.app import app, listing
from diffwin.terminal import progress_bar, table, waiting

EXAMPLES = """
Examples:

  diffwin audit emoji-occupations

  diffwin audit occupations --model stable-diffusion-v1-5/stable-diffusion-v1-5 --out audits/sd15

  diffwin audit my-suite.toml --guidance 1 --guidance 7.5 --bases 100
"""


@listing.command("suites")
def list_suites() -> None:
    """Suites of prompts that ship with diffwin, for audits."""
    from diffwin.audit.suite import shipped_suites

    rows = [
        (s.name, str(len(s.prompts)), ", ".join(s.sensitive), s.model or "any", s.description) for s in shipped_suites()
    ]
    table(("suite", "prompts", "sensitive", "model", "what it is"), rows)


@app.command(epilog=EXAMPLES)
@options.with_choices(without=["guidance"])
def audit(
    suite: Annotated[str, typer.Argument(metavar="SUITE", help="A shipped suite, or a FILE.toml.")],
    model: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="A shipped name, a hub id or a folder (default: the suite's own)."),
    ] = None,
    guidance: Annotated[
        list[float] | None, typer.Option(help="A guidance scale; may be given again. The first is judged.")
    ] = None,
    bases: Annotated[int | None, typer.Option(help="Images a prompt whose shares are counted.")] = None,
    regenerated: Annotated[int | None, typer.Option(help="How many of them are regenerated, to find windows.")] = None,
    levels: Annotated[int | None, typer.Option(help="Noise levels to regenerate from.")] = None,
    repeats: Annotated[int | None, typer.Option(help="Regenerations of each image at each level.")] = None,
    chosen: options.Chosen = options.NONE,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="Act in the window of each sensitive feature, to prove it.")
    ] = False,
    confirm_bases: Annotated[int | None, typer.Option(help="Pictures that this takes (default: 100).")] = None,
    confirm_prompts: Annotated[
        int | None, typer.Option(help="Prompts that each feature is tested in (default: 1).")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The audit's folder; the same command goes on (default: under audits).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print audit.json instead of the findings.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would cost, and do nothing.")] = False,
) -> None:
    """Audit what a model draws when asked for a suite of prompts. Writes a report."""
    from diffwin.audit.suite import load_suite

    sizes = {"bases": bases, "regenerated": regenerated, "levels": levels, "repeats": repeats}
    given = {"scales": guidance, **sizes}
    settings = dict(chosen) | {name: value for name, value in given.items() if value is not None}
    prompts = load_suite(suite, model=model)
    folder = out or Path("audits") / f"{prompts.file.name}-{Path(prompts.model).name}"
    from diffwin.audit import carry
    from diffwin.audit.confirm import check_acting, confirmed

    if confirm:
        check_acting(prompts, confirm_prompts)
    if dry_run:
        rows = carry.outlook(carry.plans(prompts, **settings))
        typer.echo(f"{rows:,} network rows for {len(prompts.items)} prompts into {folder}")
        return
    with progress_bar() as progress:
        found = carry.audit(prompts, folder, progress=progress, **settings)
        if confirm:
            found = confirmed(found, bases=confirm_bases, prompts=confirm_prompts, progress=progress)
    with waiting("writing the report"):
        from diffwin.audit.save import save

        page = save(found)
    if as_json:
        typer.echo((folder / "audit.json").read_text("utf-8"))
        return
    from diffwin.audit.show import lines

    typer.echo("\n".join(lines(found)) + f"\n\nreport: {page}")
