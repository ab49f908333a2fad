"""A reader of emoji pictures that no model is behind: the labels of the nearest drawing."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from emoji_data import Pixels, World, background_colours, composite
from emoji_planted import BACKGROUNDS

SHIFTS: Final = (-2, 0, 2)


class NearestDrawing:
    """Compares pictures with all drawings on all backgrounds, also mirrored and shifted, at half the resolution."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.views = [self._views(colour) for colour in background_colours()]

    def read(self, pictures: Pixels) -> dict[str, NDArray[np.str_]]:
        """Labels (n,) of every feature for pictures (n, 64, 64, 3)."""
        flat = _shrink(pictures)
        distances = np.stack([self._distances(flat, views) for views in self.views], axis=1)
        background, drawing = np.unravel_index(distances.reshape(len(flat), -1).argmin(axis=1), distances.shape[1:])
        world = self.world
        return {
            "occupation": world.occupation[drawing],
            "gender": world.gender[drawing],
            "skin-tone": world.tone[drawing],
            "background": np.array(list(BACKGROUNDS))[background],
        }

    def _views(self, colour: Pixels) -> NDArray[np.float32]:
        """Every drawing on `colour` in every position, (views, drawings, 3072)."""
        drawings = self.world.drawings
        sides = (drawings, drawings[:, :, ::-1])
        moved = [_shift(side, down, right) for side in sides for down in SHIFTS for right in SHIFTS]
        return np.stack([_shrink(composite(view, colour)) for view in moved])

    def _distances(self, flat: NDArray[np.float32], views: NDArray[np.float32]) -> NDArray[np.float32]:
        """Squared distance (n, drawings) to the best view of each drawing, less the picture's own square."""
        return np.stack([(v**2).sum(axis=1) - 2 * flat @ v.T for v in views]).min(axis=0)


def _shift(rgba: Pixels, down: int, right: int) -> Pixels:
    padded = np.pad(rgba, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="edge")
    return padded[:, 2 - down : 66 - down, 2 - right : 66 - right]


def _shrink(pictures: Pixels) -> NDArray[np.float32]:
    """Pictures (n, 64, 64, 3) at half the resolution, flat: (n, 3072)."""
    blocks = pictures.reshape(len(pictures), 32, 2, 32, 2, 3).astype(np.float32)
    return blocks.mean(axis=(2, 4)).reshape(len(pictures), -1)
