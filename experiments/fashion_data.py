"""Fashion-MNIST for the training scripts, and the small subset of it that ships.

`python experiments/fashion_data.py --data FOLDER --out assets/fashion-mnist` writes the subset, where FOLDER holds the
four original files (`train-images-idx3-ubyte.gz` and so on).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from idx_data import Labelled, read_original

CLASSES = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
SUBSET = Path(__file__).parents[1] / "assets" / "fashion-mnist" / "test-1000.npz"


def read_subset(path: Path = SUBSET) -> Labelled:
    """The shipped test images, 100 of each class."""
    with np.load(path, allow_pickle=False) as arrays:
        labels = np.array([CLASSES.index(name) for name in arrays["class"]], np.int64)
        return Labelled(arrays["images"], labels)


def write_subset(test: Labelled, path: Path, each: int = 100) -> None:
    """The first `each` test images of every class, class by class."""
    rows = np.concatenate([np.flatnonzero(test.labels == k)[:each] for k in range(len(CLASSES))])
    names = np.array(CLASSES)[test.labels[rows]]
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, images=test.images[rows], **{"class": names})


def write_sheet(images: NDArray[np.uint8], path: Path, columns: int = 10, scale: int = 2) -> None:
    """A contact sheet of grey (n, h, w) or colour (n, h, w, 3) images, row by row, every pixel `scale` wide."""
    count, height, width = images.shape[:3]
    rows = -(-count // columns)
    sheet = np.full((rows, columns, height + 1, width + 1, *images.shape[3:]), 255, np.uint8)
    sheet.reshape(-1, *sheet.shape[2:])[:count, :height, :width] = images
    joined = sheet.swapaxes(1, 2).reshape(rows * (height + 1), columns * (width + 1), *images.shape[3:])
    picture = Image.fromarray(joined)
    picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST).save(path, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the four original .gz files")
    parser.add_argument("--out", type=Path, default=SUBSET.parent, help="folder of the subset")
    options = parser.parse_args()
    write_subset(read_original(options.data, "t10k"), options.out / SUBSET.name)
    subset = read_subset(options.out / SUBSET.name)
    chosen = np.concatenate([np.flatnonzero(subset.labels == k)[:10] for k in range(len(CLASSES))])
    write_sheet(subset.images[chosen], options.out / "sheet.png")


if __name__ == "__main__":
    main()
