"""What `diffwin theory` is asked about: a world, or a run of one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from diffwin.errors import BadInput
from diffwin.levels import Grid
from diffwin.models import WORLDS, describe
from diffwin.results import Run, open_run
from diffwin.theory.record import draws_from_posterior, recorded_world
from diffwin.worlds.read import LabelledWorld, read_world


@dataclass(frozen=True, eq=False)
class Target:
    """A world, and the run that walked it, if a run was named."""

    world: LabelledWorld
    run: Run | None = None

    @property
    def ends(self) -> tuple[float, float]:
        """Log-SNR of the noisiest and the cleanest level measured, or to be measured."""
        if self.run is None:
            return self.world.ends
        levels = self.run.levels
        return float(self.run.grid.log_snr[max(levels)]), float(self.run.grid.log_snr[min(levels)])

    @property
    def grid(self) -> Grid:
        """The levels of the run, or those that a run of the world would have."""
        return self.world.grid() if self.run is None else self.run.grid

    @property
    def caveat(self) -> str:
        """Why the run need not follow the prediction, or ''."""
        if self.run is None or draws_from_posterior(self.run.record):
            return ""
        solver = self.run.record["model"]["solver"]
        return f"the run's {solver} does not draw from the posterior, so its survival follows another law than this"

    def default_folder(self) -> Path:
        """Where a prediction goes: inside the run, or beside the runs."""
        return Path("runs") / f"theory-{_plain(self.world.name)}" if self.run is None else self.run.folder / "theory"


def resolve(name: str) -> Target:
    """The world of a shipped name, a world's file or folder, or a run folder; BadInput for what is none."""
    if (Path(name) / "run.sqlite").is_file():
        run = open_run(name)
        return Target(_world_of(run), run)
    try:
        card = describe(name)
    except BadInput as error:
        raise error if error.where != "--model" else BadInput(error.what, where="theory", cure=error.cure) from None
    if card.kind not in WORLDS or card.path is None:
        raise BadInput(
            f"{name} is no world: nothing exact is known of what it has learnt",
            where="theory",
            cure="give the TOML file of a mixture or image set, a shipped one (`diffwin list models`), or a run of one",
        )
    return Target(read_world(card.path))


def _world_of(run: Run) -> LabelledWorld:
    world = recorded_world(run.record)
    if world is None:
        model = run.record["plan"]["model"]
        raise BadInput(
            f"its model {model} is no world, or its files have changed or gone since",
            where=str(run.folder),
            cure="give a run of a mixture or an image set, from the folder it was started in",
        )
    return world


def _plain(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-." else "-" for letter in name).strip("-.") or "world"
