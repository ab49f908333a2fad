"""A world's file as a process: `load_world` takes a world file, or the folder of a model.toml."""

from __future__ import annotations

from pathlib import Path

from diffwin.process.diffusion import Identity
from diffwin.process.empirical import ImageSetProcess
from diffwin.process.ideal import IdealDiffusion
from diffwin.process.mixture import MixtureProcess
from diffwin.process.solvers import Walk, build, check_solver
from diffwin.worlds.image_set import ImageSet
from diffwin.worlds.read import read_world

DEFAULT_SOLVER = "sde-dpmpp-2m"


def load_world(
    path: Path,
    *,
    solver: str | None = None,
    steps: int | None = None,
    seed: int = 0,
    slots: int | None = None,
    eta: float = 0.0,
) -> IdealDiffusion:
    """The process of a world file, or of a folder that holds one as model.toml; BadInput for a fault in it."""
    made = read_world(path)
    solver = check_solver(solver or made.solver or DEFAULT_SOLVER)
    identity, grid = Identity(made.name, made.provenance), made.grid(steps)
    walk = Walk(solver, grid, build(grid, solver, "sample", eta=eta))
    if isinstance(made.world, ImageSet):
        assert made.shape is not None  # every image set has one
        return ImageSetProcess(identity, walk, made.world, made.shape, made.features, seed=seed, slots=slots)
    return MixtureProcess(identity, walk, made.world, made.features, seed=seed, slots=slots)
