"""A tiny random CLIP model on disk, pictures to read, and a world that knows its labels."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

TINY = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}
PREPROCESS = {"mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.25]}


@dataclass
class World:
    """As much of a process as probes look at."""

    name: str = "a world"
    feature_labels: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def read_truth(self, samples: NDArray[Any], feature: str) -> NDArray[np.float64]:
        return np.eye(len(self.feature_labels[feature]))[(samples[:, 0] > 0).astype(int)]


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(scope="session")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model in open_clip's local-dir layout, with batch statistics of its own (so eval mode matters)."""
    folder = tmp_path_factory.mktemp("tiny-clip")
    config = {"model_cfg": TINY, "preprocess_cfg": PREPROCESS}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    torch.manual_seed(0)
    model = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    model.logit_scale.data.fill_(np.log(30.0))
    for name, buffer in model.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(0, 0.1)
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    return folder


@pytest.fixture(scope="session")
def pictures() -> NDArray[np.uint8]:
    """70 noisy pictures with large structure, 64 x 64: more than one chunk."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (70, 8, 8, 3)).repeat(8, axis=1).repeat(8, axis=2)
    return np.clip(coarse + rng.normal(0, 20, coarse.shape), 0, 255).astype(np.uint8)


MOOD = """
name = "mood"
version = 3
kind = "clip"
feature = "mood"
description = "How it looks."
source = "a test"
model = "MODEL"
templates = ["{}", "a photo of {}"]

[[label]]
name = "glad"
phrases = ["a happy cook", "a smiling cook"]

[[label]]
name = "triste é"
phrases = ["a sad cook"]
"""


@pytest.fixture
def mood(tmp_path: Path, tiny_clip: Path) -> Path:
    """A user's definition file, which reads by the tiny model."""
    path = tmp_path / "mood.toml"
    path.write_text(MOOD.replace("MODEL", str(tiny_clip)), encoding="utf-8")
    return path
