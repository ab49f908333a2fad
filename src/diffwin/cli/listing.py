"""`diffwin list`: what ships."""

from __future__ import annotations

import typer

from diffwin.cli.app import listing
from diffwin.terminal import table


@listing.command()
def models() -> None:
    """Models that ship with diffwin, and the families of models that it reads."""
    from diffwin.families import FAMILIES
    from diffwin.models import shipped

    table(
        ("model", "kind", "what it is", "licence"),
        [(card.name, card.kind, card.description, card.licence) for card in shipped()],
    )
    typer.echo("\nBesides these, --model takes a folder or a hub id of any of these families:\n")
    table(("family", "what it is, one of them and its licence"), [(f.kind, f.told) for f in FAMILIES], whole=1)
    typer.echo(
        "\nMemory is for weights alone, at once: text encoders are let go when they have read the prompts. Pictures in "
        "the making take more.\nA model that a device has no room for is refused before it is loaded or downloaded."
    )


@listing.command("probes")
def list_probes() -> None:
    """Probes that ship with diffwin, and the kinds of probes that it reads."""
    from diffwin.probes.definition import shipped_definitions
    from diffwin.probes.rules import KINDS

    table(
        ("probe", "reads", "kind", "labels"),
        [(d.name, d.feature, d.kind, ", ".join(label.name for label in d.labels)) for d in shipped_definitions()],
    )
    typer.echo("\nBesides these, --probe takes a FILE.toml of any of these kinds:\n")
    table(("kind", "reads by"), list(KINDS.items()), whole=1)
