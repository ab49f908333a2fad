"""Worlds from files: a Gaussian mixture or an image set as a process.

`load_world` takes a world file, or the folder of a model.toml.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from diffwin.errors import BadInput
from diffwin.levels import Grid
from diffwin.process.diffusion import Identity
from diffwin.process.empirical import ImageSet, ImageSetProcess, to_unit
from diffwin.process.ideal import IdealDiffusion, vp_grid
from diffwin.process.image_files import read_images
from diffwin.process.mixture import GaussianMixture, MixtureProcess
from diffwin.process.solvers import check_solver, is_stochastic
from diffwin.process.world_file import MODEL_FILE, GridSpec, MixtureSpec, WorldSpec, read_world
from diffwin.process.world_mixture import build_mixture

DEFAULT_SOLVER = "sde-dpmpp-2m"
STEPS_PER_LOG_SNR = 4
"""Survival then differs from the exact one by about 0.01 at most (measured at 3 a unit: 0.007 on a mixture, 0.018 on
the emoji drawings; ddpm needs twice as many for the same)."""

FORGOTTEN = 0.05
"""At level N the world's largest length is this small beside the noise: survival is then within 0.0003 of its floor."""

IMAGE_MAX_LOG_SNR = 8.0
"""The noise left at the clean end of an image set is two grey levels of 255, and the last step removes it."""


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
    path = path / MODEL_FILE if path.is_dir() else path
    spec = read_world(path)
    solver = check_solver(solver or spec.solver or DEFAULT_SOLVER)
    if isinstance(spec, MixtureSpec):
        mixture, features = build_mixture(spec, str(path))
        identity = _identity(spec, path, solver, eta)
        grid = build_grid(spec.grid, mixture_range(mixture), steps, str(path))
        return MixtureProcess(identity, grid, mixture, features, seed=seed, slots=slots, eta=eta)
    images = read_images(path.parent / spec.images, spec.labels, spec.backgrounds)
    points = ImageSet(to_unit(images.pixels), images.weights)
    identity = _identity(spec, path, solver, eta, images.pixels.tobytes())
    grid = build_grid(spec.grid, image_range(points), steps, str(path))
    shape = (images.pixels.shape[3], *images.pixels.shape[1:3])
    return ImageSetProcess(identity, grid, points, shape, images.features, seed=seed, slots=slots, eta=eta)


def _identity(spec: WorldSpec, path: Path, solver: str, eta: float, content: bytes = b"") -> Identity:
    stem = path.parent.name if path.name == MODEL_FILE else path.stem
    provenance = {
        "kind": "gaussian-mixture" if isinstance(spec, MixtureSpec) else "image-set",
        "content": hashlib.sha256(path.read_bytes() + content).hexdigest(),
        "description": spec.description,
        "licence": spec.licence,
    }
    return Identity(spec.name or stem, solver, is_stochastic(solver, eta), provenance)


def build_grid(spec: GridSpec, ends: tuple[float, float], steps: int | None, where: str) -> Grid:
    """The grid, with `steps` from the command line first and `ends` (low, high) where the file names none."""
    low = ends[0] if spec.min_log_snr is None else spec.min_log_snr
    high = ends[1] if spec.max_log_snr is None else spec.max_log_snr
    if not low < high:
        raise BadInput(
            f"the ends are {low:g} and {high:g}", where=f"{where}: grid", cure="min_log_snr must be the lower"
        )
    if steps is not None and not 2 <= steps <= 10_000:
        raise BadInput(f"steps is {steps}", where="--steps", cure="ask for 2 to 10000 steps")
    return vp_grid(low, high, steps or spec.steps or int(np.ceil((high - low) * STEPS_PER_LOG_SNR)))


def mixture_range(mixture: GaussianMixture) -> tuple[float, float]:
    """(min, max) log-SNR: from where the farthest mean is forgotten to a noise of a twentieth of the least std."""
    widest = max(2 * float(np.linalg.norm(mixture.means, axis=1).max()), mixture.largest_std)
    return 2 * float(np.log(FORGOTTEN / widest)), 2 * float(np.log(20 / mixture.smallest_std))


def image_range(points: ImageSet) -> tuple[float, float]:
    """(min, max) log-SNR: from where the image farthest from grey is forgotten to two grey levels of noise."""
    widest = 2 * float(np.linalg.norm(points.offsets + points.centre, axis=1).max())
    return 2 * float(np.log(FORGOTTEN / max(widest, 1.0))), IMAGE_MAX_LOG_SNR
