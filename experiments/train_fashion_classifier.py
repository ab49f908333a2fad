"""Train the classifier that reads the ten classes of Fashion-MNIST in the pictures of `fashion-ddpm`.

    python experiments/train_fashion_classifier.py --data FOLDER --work runs/fashion-classifier --minutes 5

It is a transformers ResNet: AutoModelForImageClassification and AutoImageProcessor load the folder. The same command
again resumes; `--quick` takes a few steps on the shipped subset in a temporary folder.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional
from transformers import (
    AutoImageProcessor,
    AutoModelForImageClassification,
    ResNetConfig,
    ResNetForImageClassification,
    ViTImageProcessor,
)

from emoji_distort import blur, sometimes
from fashion_data import CLASSES, read_subset
from idx_data import Labelled, read_original
from trainer import Budget, Progress, Training, pick_device, write_facts

ASSET = Path(__file__).parents[1] / "assets" / "fashion-ddpm" / "classifier"
SIDE = 56  # pixels of the network's input: the first layers shrink it four times, to 14 x 14


def build_model(classes: Sequence[str]) -> ResNetForImageClassification:
    """Three residual blocks; 0.18 M parameters."""
    config = ResNetConfig(
        num_channels=3,
        embedding_size=24,
        hidden_sizes=[24, 48, 96],
        depths=[1, 1, 1],
        layer_type="basic",
        id2label=dict(enumerate(classes)),
        label2id={name: k for k, name in enumerate(classes)},
    )
    return ResNetForImageClassification(config)


def build_processor() -> ViTImageProcessor:
    """Resize to SIDE, then [-1, 1]."""
    return ViTImageProcessor(
        size={"height": SIDE, "width": SIDE}, resample=2, image_mean=[0.5] * 3, image_std=[0.5] * 3
    )


class Batches:
    """Cross-entropy of random training images, shifted, blurred and noisy as generated ones may be."""

    def __init__(self, model: ResNetForImageClassification, data: Labelled, batch: int) -> None:
        device = pick_device()
        self.model, self.batch = model, batch
        self.images = torch.tensor(data.images).to(device)
        self.labels = torch.tensor(data.labels).to(device)

    def __call__(self) -> Tensor:
        rows = torch.randint(len(self.images), (self.batch,)).to(self.images.device)
        logits = self.model(pixel_values=enlarge(damage(self.images[rows][:, None].float() / 255))).logits
        return functional.cross_entropy(logits, self.labels[rows], label_smoothing=0.02)


def damage(images: Tensor) -> Tensor:
    """Shift by up to one pixel, sometimes blur, add a little noise: (n, 1, 28, 28) in [0, 1]."""
    down, right = (int(d) for d in torch.randint(-1, 2, (2,)))
    images = sometimes(0.2, blur(images), images.roll((down, right), dims=(2, 3)))
    noise = 0.08 * torch.rand(len(images), 1, 1, 1) * torch.randn(images.shape)
    return (images + noise.to(images)).clamp(0, 1)


def enlarge(images: Tensor) -> Tensor:
    """Grey (n, 1, 28, 28) in [0, 1] as the processor gives it: (n, 3, SIDE, SIDE) in [-1, 1]."""
    large = functional.interpolate(images, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
    return (2 * large - 1).expand(-1, 3, -1, -1)


def train(
    data: Labelled, budget: Budget, work: Path, batch: int, seed: int, classes: Sequence[str] = CLASSES
) -> tuple[torch.nn.Module, Progress]:
    """Train from `work`'s checkpoint, or from the start; the averaged model and what was done."""
    torch.manual_seed(seed)
    model = build_model(classes).to(pick_device(), memory_format=torch.channels_last)
    return Training(model, Batches(model, data, batch), budget, work, rate=3e-3, weight_decay=0.05).run()


def save(model: torch.nn.Module, folder: Path) -> None:
    model.cpu().save_pretrained(folder)
    build_processor().save_pretrained(folder)


@torch.no_grad()
def classify(folder: Path, images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Class of each grey image (n, 28, 28), read through the saved processor and model as a probe reads it."""
    processor = AutoImageProcessor.from_pretrained(folder)
    model = AutoModelForImageClassification.from_pretrained(folder, use_safetensors=True).eval().to(pick_device())
    read = []
    for start in range(0, len(images), 250):
        pictures = [Image.fromarray(image).convert("RGB") for image in images[start : start + 250]]
        logits = model(**processor(pictures, return_tensors="pt").to(model.device)).logits
        read.append(logits.argmax(dim=1).cpu().numpy())
    return np.concatenate(read)


def write_confusion(
    folder: Path, test: Labelled, classes: Sequence[str] = CLASSES, feature: str = "class", of: str = "Fashion-MNIST"
) -> float:
    """Write confusion.json (row the true label, column the one read, as shares) and return the accuracy."""
    matrix = np.zeros((len(classes), len(classes)), int)
    np.add.at(matrix, (test.labels, classify(folder, test.images)), 1)
    counts = matrix.sum(axis=1)
    found = {
        "labels": list(classes),
        "matrix": (matrix / counts[:, None]).round(6).tolist(),
        "counts": counts.tolist(),
        "source": f"{counts.sum()} test images of {of}",
    }
    (folder / "confusion.json").write_text(json.dumps({feature: found}) + "\n")
    return float(np.trace(matrix) / matrix.sum())


def quick() -> None:
    """A few steps of everything, in a temporary folder."""
    data = read_subset()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model, _ = train(data, Budget(1, steps=5), folder / "work", batch=16, seed=0)
        save(model, folder / "model")
        accuracy = write_confusion(folder / "model", Labelled(data.images[::20], data.labels[::20]))
        print(f"accuracy {accuracy:.2f} after five steps")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with the original files of Fashion-MNIST")
    parser.add_argument("--out", type=Path, default=ASSET, help="folder of the finished model")
    parser.add_argument("--work", type=Path, default=Path("runs/fashion-classifier"), help="folder of the checkpoint")
    parser.add_argument("--minutes", type=float, default=5.0, help="training time")
    parser.add_argument("--steps", type=int, help="end after so many steps, if that comes first")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="a few steps on the shipped subset, nothing kept")
    options = parser.parse_args()
    start = time.perf_counter()
    if options.quick:
        quick()
    elif options.data is None:
        parser.error("--data is needed: the folder with train-images-idx3-ubyte.gz and the other three files")
    else:
        data = read_original(options.data, "train")
        model, progress = train(data, Budget(options.minutes, options.steps), options.work, options.batch, options.seed)
        save(model, options.out)
        write_facts(options.out, progress, options.batch, options.seed)
        accuracy = write_confusion(options.out, read_original(options.data, "t10k"))
        print(f"{progress.steps} steps, test accuracy {accuracy:.4f}")
    print(f"done in {(time.perf_counter() - start) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
