"""Pictures come back as they were saved, and no folder holds more than one base's."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from diffwin.pictures import load_pictures, picture_path, save_pictures
from diffwin.trials import Trial


def test_pictures_are_read_back(tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (3, 4, 5, 3), np.uint8)
    paths = save_pictures(tmp_path, [Trial("a cook", 0, level, 0) for level in (0, 3, 7)], pictures)
    np.testing.assert_array_equal(load_pictures(tmp_path, paths), pictures)


def test_every_picture_has_a_place_and_every_base_a_folder() -> None:
    trials = [Trial(p, b, lv, r) for p in ("a", "b/../c") for b in range(12) for lv in (0, 1, 10) for r in range(12)]
    paths = [Path(picture_path(trial)) for trial in trials]
    assert len(set(paths)) == len(trials)
    assert len({path.parent for path in paths}) == 2 * 12
    assert not any(".." in path.parts for path in paths)
