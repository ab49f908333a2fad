"""Worlds from files: a Gaussian mixture or an image set with its features and the levels that suit it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from diffwin.errors import BadInput
from diffwin.levels import Grid, vp_grid
from diffwin.worlds.base import Feature
from diffwin.worlds.file import MODEL_FILE, MixtureSpec, WorldSpec, read_spec
from diffwin.worlds.image_files import read_images
from diffwin.worlds.image_set import ImageSet, to_unit
from diffwin.worlds.mixture import GaussianMixture
from diffwin.worlds.mixture_file import build_mixture

STEPS_PER_LOG_SNR = 4
"""Survival then differs from the exact one by about 0.01 at most (measured at 3 a unit: 0.007 on a mixture, 0.018 on
the emoji drawings; ddpm needs twice as many for the same)."""

FORGOTTEN = 0.05
"""At level N the world's largest length is this small beside the noise: survival is then within 0.0003 of its floor."""

IMAGE_MAX_LOG_SNR = 8.0
"""The noise left at the clean end of an image set is two grey levels of 255, and the last step removes it."""


@dataclass(frozen=True, eq=False)
class LabelledWorld:
    """A world as its file describes it; `shape` is (c, h, w) of an image set, `ends` the log-SNR (low, high) it needs.

    `solver` and `steps` are those of a run that asks for none; `provenance` identifies it in results.
    """

    name: str
    world: GaussianMixture | ImageSet
    features: dict[str, Feature]
    ends: tuple[float, float]
    provenance: dict[str, str]
    solver: str | None = None
    steps: int | None = None
    shape: tuple[int, int, int] | None = None

    def grid(self, steps: int | None = None) -> Grid:
        """Levels even in log-SNR between the ends; `steps` from the command line come before the file's."""
        if steps is not None and not 2 <= steps <= 10_000:
            raise BadInput(f"steps is {steps}", where="--steps", cure="ask for 2 to 10000 steps")
        low, high = self.ends
        return vp_grid(low, high, steps or self.steps or int(np.ceil((high - low) * STEPS_PER_LOG_SNR)))


def read_world(path: Path) -> LabelledWorld:
    """The world of a file, or of a folder that holds one as model.toml; BadInput for a fault in it."""
    path = path / MODEL_FILE if path.is_dir() else path
    spec = read_spec(path)
    if isinstance(spec, MixtureSpec):
        mixture, features = build_mixture(spec, str(path))
        return _labelled(spec, path, mixture, features)
    images = read_images(path.parent / spec.images, spec.labels, spec.backgrounds)
    points = ImageSet(to_unit(images.pixels), images.weights)
    shape = (images.pixels.shape[3], *images.pixels.shape[1:3])
    return _labelled(spec, path, points, images.features, shape, images.pixels.tobytes())


def _labelled(
    spec: WorldSpec,
    path: Path,
    world: GaussianMixture | ImageSet,
    features: dict[str, Feature],
    shape: tuple[int, int, int] | None = None,
    content: bytes = b"",
) -> LabelledWorld:
    provenance = {
        "kind": "gaussian-mixture" if isinstance(spec, MixtureSpec) else "image-set",
        "content": hashlib.sha256(path.read_bytes() + content).hexdigest(),
        "description": spec.description,
        "licence": spec.licence,
    }
    name = spec.name or (path.parent.name if path.name == MODEL_FILE else path.stem)
    ends = _ends(spec, own_range(world), str(path))
    return LabelledWorld(name, world, features, ends, provenance, spec.solver, spec.grid.steps, shape)


def _ends(spec: WorldSpec, own: tuple[float, float], where: str) -> tuple[float, float]:
    """The ends of the file's grid, the world's own where it names none."""
    low = own[0] if spec.grid.min_log_snr is None else spec.grid.min_log_snr
    high = own[1] if spec.grid.max_log_snr is None else spec.grid.max_log_snr
    if not low < high:
        raise BadInput(
            f"the ends are {low:g} and {high:g}", where=f"{where}: grid", cure="min_log_snr must be the lower"
        )
    return low, high


def own_range(world: GaussianMixture | ImageSet) -> tuple[float, float]:
    """(min, max) log-SNR between which everything in a world is decided."""
    return image_range(world) if isinstance(world, ImageSet) else mixture_range(world)


def mixture_range(mixture: GaussianMixture) -> tuple[float, float]:
    """(min, max) log-SNR: from where the farthest mean is forgotten to a noise of a twentieth of the least std."""
    widest = max(2 * float(np.linalg.norm(mixture.means, axis=1).max()), mixture.largest_std)
    return 2 * float(np.log(FORGOTTEN / widest)), 2 * float(np.log(20 / mixture.smallest_std))


def image_range(points: ImageSet) -> tuple[float, float]:
    """(min, max) log-SNR: from where the image farthest from grey is forgotten to two grey levels of noise."""
    widest = 2 * float(np.linalg.norm(points.offsets + points.centre, axis=1).max())
    return 2 * float(np.log(FORGOTTEN / max(widest, 1.0))), IMAGE_MAX_LOG_SNR
