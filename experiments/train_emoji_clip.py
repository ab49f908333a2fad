"""Train `emoji-clip`, the small open_clip model that reads the pictures of the emoji world.

    python experiments/train_emoji_clip.py --work runs/emoji-clip --minutes 35

Images and captions are drawn evenly from the training combinations (no planted shares, nothing held out) and all
backgrounds. The same command again resumes; `--quick` takes a few steps in a temporary folder.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from emoji_data import World, background_colours, load_world
from emoji_distort import compose, move, spoil
from emoji_phrases import GENDER, LABELS, TEMPLATES, TONE, UNSTATED, agree, caption, clash, label_captions, state
from trainer import Budget, Progress, Training, pick_device, write_facts

ASSET = Path(__file__).parents[1] / "assets" / "emoji-clip"
CONFIG = {
    "model_cfg": {
        "embed_dim": 128,
        "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 24, "patch_size": None},
        "text_cfg": {"context_length": 32, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
    },
    "preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
}
MAX_LOGIT_SCALE = float(np.log(100))
BLENDED = 0.5
NEVER = -1e4  # a logit that counts for nothing, and whose gradient is finite


@dataclass(frozen=True)
class Batch:
    """`images` (n, 3, 64, 64) in [-1, 1], `attributes` (n, 4) and the genders each may be compared with (n, 3)."""

    images: Tensor
    attributes: NDArray[np.int64]
    comparable: NDArray[np.bool_]


class Pairs:
    """Distorted pictures with their attributes, drawn evenly over combinations and backgrounds.

    With 45 of 300 combinations held out, occupation and tone together tell which gender is missing, and a reader that
    learns this is wrong about every held-out drawing. So a picture is compared only with the genders that were drawn in
    its occupation and tone. A share of the pictures are blends of two tones of one person, their tone unknown: they
    show that the gender does not depend on it.
    """

    def __init__(self, world: World, device: torch.device, seed: int) -> None:
        rgba = torch.from_numpy(world.drawings[~world.held_out]).float().div(255).permute(0, 3, 1, 2)
        self.drawings = torch.cat([rgba[:, :3] * rgba[:, 3:], rgba[:, 3:]], dim=1).to(device)
        self.colours = torch.from_numpy(background_colours()).float().div(255).to(device)
        self.attributes = drawing_attributes(world)[~world.held_out]
        same = (self.attributes[:, None, :TONE] == self.attributes[None, :, :TONE]).all(axis=2)
        self.same_person = [np.flatnonzero(row) for row in same]
        drawn = np.zeros([len(LABELS[f]) for f in ("occupation", "skin-tone", "gender")], bool)
        occupation, gender, tone = self.attributes.T
        drawn[occupation, tone, gender] = True
        self.comparable = drawn[occupation, tone]  # (drawings, genders)
        self.rng = np.random.default_rng(seed)

    def draw(self, n: int) -> Batch:
        rows = self.rng.integers(len(self.drawings), size=n)
        ground = self.rng.integers(len(self.colours), size=n)
        partners = np.array([self.rng.choice(self.same_person[row]) for row in rows])
        partners = np.where(self.rng.random(n) < BLENDED, partners, rows)
        share = torch.from_numpy(self.rng.random((n, 1, 1, 1))).float().to(self.drawings.device)
        drawings = self.drawings[torch.from_numpy(rows)].lerp(self.drawings[torch.from_numpy(partners)], share)
        images = spoil(compose(move(drawings), self.colours[torch.from_numpy(ground)]))
        attributes = np.column_stack([self.attributes[rows], ground])
        attributes[partners != rows, TONE] = UNSTATED
        return Batch(2 * images - 1, attributes, self.comparable[rows] & self.comparable[partners])


def drawing_attributes(world: World) -> NDArray[np.int64]:
    """Label indices (300, 3) of occupation, gender and skin tone."""
    columns = {"occupation": world.occupation, "gender": world.gender, "skin-tone": world.tone}
    return np.array([[LABELS[f].index(str(name)) for name in column] for f, column in columns.items()]).T


class ClipLoss:
    """The contrastive loss of a batch in which many captions fit many images, plus captions one word apart."""

    def __init__(self, model: open_clip.CLIP, pairs: Pairs, batch: int) -> None:
        self.model, self.pairs, self.batch = model, pairs, batch
        self.tokenize = open_clip.SimpleTokenizer(context_length=model.context_length)

    def __call__(self) -> Tensor:
        batch = self.pairs.draw(self.batch)
        stated = state(batch.attributes, self.pairs.rng)
        seen = self.model.encode_image(batch.images, normalize=True)
        logits = self.scale() * seen @ self.read([caption(row, self.pairs.rng) for row in stated]).T
        fits = torch.from_numpy(agree(stated, batch.attributes)).to(logits.device)
        clashes = torch.from_numpy(clash(stated, batch.attributes, batch.comparable)).to(logits.device)
        contrast = (many_positives(logits, fits, clashes) + many_positives(logits.T, fits.T, clashes.T)) / 2
        return contrast + self.one_word_apart(seen, batch)

    def one_word_apart(self, seen: Tensor, batch: Batch) -> Tensor:
        """Cross-entropy over captions that differ only in the label of one feature, summed over the features."""
        template = TEMPLATES[self.pairs.rng.integers(len(TEMPLATES))]
        read = self.read([text for feature in LABELS for text in label_captions(feature, template)])
        split = list((self.scale() * seen @ read.T).split([len(names) for names in LABELS.values()], dim=1))
        comparable = torch.from_numpy(batch.comparable).to(seen.device)
        split[GENDER] = split[GENDER].masked_fill(~comparable, NEVER)
        truth = torch.from_numpy(batch.attributes).to(seen.device)
        losses = [functional.cross_entropy(part, truth[:, k], ignore_index=UNSTATED) for k, part in enumerate(split)]
        return torch.stack(losses).sum()

    def read(self, captions: list[str]) -> Tensor:
        tokens = self.tokenize(captions).to(self.model.logit_scale.device)
        return self.model.encode_text(tokens, normalize=True)

    def scale(self) -> Tensor:
        return self.model.logit_scale.clamp(max=MAX_LOGIT_SCALE).exp()


def many_positives(logits: Tensor, fits: Tensor, clashes: Tensor) -> Tensor:
    """Contrastive loss over rows: every fitting column against all the columns that clash.

    -log(e^p / (e^p + sum over clashing e^n)) for each fitting p, the mean over a row's fitting columns, then over rows.
    """
    against = logits.masked_fill(~clashes, NEVER).logsumexp(dim=1, keepdim=True)
    losses = functional.softplus(against - logits) * fits
    return (losses.sum(dim=1) / fits.sum(dim=1).clamp(min=1)).mean()


def build_model(folder: Path) -> open_clip.CLIP:
    """A fresh model from CONFIG, through open_clip's own loader. Words that no caption uses read as nothing.

    The embeddings of words stay random: three million numbers for the sake of sixty words.
    """
    write_config(folder)
    model = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    used = torch.zeros(len(model.token_embedding.weight), 1)
    every = [text for t in TEMPLATES for feature in LABELS for text in label_captions(feature, t)]
    used[open_clip.SimpleTokenizer(context_length=32)([*every, "a an"]).unique()] = 1
    with torch.no_grad():
        model.token_embedding.weight.mul_(used)
    model.token_embedding.requires_grad_(False)
    return model


def write_config(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "open_clip_config.json").write_text(json.dumps(CONFIG, indent=2) + "\n")


def save(model: torch.nn.Module, folder: Path) -> None:
    """The folder that `open_clip.create_model("local-dir:FOLDER")` loads, weights in float16."""
    write_config(folder)
    state_dict = {k: v.half() if v.is_floating_point() else v for k, v in model.state_dict().items()}
    save_file({k: v.cpu().contiguous() for k, v in state_dict.items()}, folder / "open_clip_model.safetensors")


def train(budget: Budget, work: Path, batch: int, seed: int) -> tuple[torch.nn.Module, Progress]:
    """Train from `work`'s checkpoint, or from the start; the averaged model and what was done."""
    torch.manual_seed(seed)
    device = pick_device()
    model = build_model(work / "fresh").to(device, memory_format=torch.channels_last)
    loss = ClipLoss(model, Pairs(load_world(), device, seed), batch)
    return Training(model, loss, budget, work, rate=2e-3, weight_decay=0.05, average_decay=0.995).run()


def quick() -> None:
    """A few steps of everything, in a temporary folder."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model, progress = train(Budget(1, steps=4), folder / "work", batch=16, seed=0)
        save(model, folder / "model")
        write_facts(folder / "model", progress, batch=16, seed=0)
        loaded = open_clip.create_model(f"local-dir:{folder / 'model'}")
        assert loaded.encode_image(torch.zeros(1, 3, 64, 64)).shape == (1, 128)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ASSET, help="folder of the finished model")
    parser.add_argument("--work", type=Path, default=Path("runs/emoji-clip"), help="folder of the checkpoint")
    parser.add_argument("--minutes", type=float, default=35.0, help="training time")
    parser.add_argument("--steps", type=int, help="end after so many steps, if that comes first")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="a few steps, nothing kept")
    options = parser.parse_args()
    start = time.perf_counter()
    if options.quick:
        quick()
    else:
        model, progress = train(Budget(options.minutes, options.steps), options.work, options.batch, options.seed)
        save(model, options.out)
        write_facts(options.out, progress, options.batch, options.seed)
    print(f"done in {(time.perf_counter() - start) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
