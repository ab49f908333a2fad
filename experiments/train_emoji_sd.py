"""Train emoji-sd, a complete miniature Stable Diffusion, from the drawings in `assets/noto-emoji`.

    python experiments/train_emoji_sd.py --work work-emoji-sd                    # hours on a CPU, minutes on a GPU
    python experiments/train_emoji_sd.py --work work-emoji-sd --export-only      # write what the checkpoint holds
    python experiments/train_emoji_sd.py --quick                                 # every stage, tiny, within a minute

Stages: tokenizer, autoencoder, latents, UNet with text encoder, export. Each leaves its result in `--work`, and the
same command again goes on where the last one ended; with more `--denoiser-steps` it trains on.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from safetensors.torch import load_file, save_file
from transformers import CLIPTokenizer

from data_parallel import rank, run_processes
from emoji_autoencoder import train_autoencoder
from emoji_data import ASSETS, load_world
from emoji_denoiser import Denoiser, DenoiserPlan, LatentPool, build_pool, build_scheduler, build_unet, train_denoiser
from emoji_text import build_text_encoder, load_tokenizer, train_tokenizer
from trainer import Budget, pick_device

SEED: Final = 0


@dataclass(frozen=True)
class Settings:
    """Everything that decides the result, beside the seed and the data."""

    autoencoder_steps: int = 1600
    denoiser_steps: int = 6000
    autoencoder_channels: tuple[int, ...] = (16, 32, 64)
    unet_channels: tuple[int, ...] = (64, 128, 192)
    heads: int = 4
    text_width: int = 128
    text_layers: int = 2
    copies: int = 6
    batch: int = 64
    rate: float = 7e-4
    compiled: bool = False
    processes: int = 1


QUICK: Final = Settings(
    autoencoder_steps=6,
    denoiser_steps=20,
    autoencoder_channels=(8, 8, 16),
    unet_channels=(16, 32, 32),
    text_width=32,
    text_layers=1,
    copies=1,
    batch=8,
)
MODEL_TOML: Final = """\
kind = "stable-diffusion"
name = "emoji-sd"
description = "a miniature Stable Diffusion: 20 occupations as emoji portraits, 64x64"
licence = "Apache-2.0"
probes = ["emoji-occupation", "emoji-background", "emoji-gender", "emoji-skin-tone"]
prompt = "a cook"
solver = "ddpm"
steps = 25
guidance = 1.0
"""


def train_emoji_sd(settings: Settings, work: Path, out: Path) -> None:
    """Run the stages that `work` does not hold yet and write the pipeline folder `out`."""
    finished_tokenizer(work / "tokenizer")
    if not (work / "vae" / "config.json").exists():
        with stage_time("autoencoder"):
            run_processes(settings.processes, autoencoder_stage, settings, work)
    if not (work / "latents.safetensors").exists():
        with stage_time("latents"):
            latents_stage(settings, work)
    with stage_time("denoiser"):
        run_processes(settings.processes, denoiser_stage, settings, work)
    export_checkpoint(settings, work, out)


def autoencoder_stage(settings: Settings, work: Path) -> None:
    """Train the autoencoder into `work/vae`."""
    torch.manual_seed(SEED)
    budget = Budget(math.inf, settings.autoencoder_steps)
    channels, checkpoints = settings.autoencoder_channels, work / "autoencoder"
    vae = train_autoencoder(load_world(), channels, budget, checkpoints, pick_device(), settings.compiled)
    if rank() == 0:
        vae.save_pretrained(work / "vae")


def latents_stage(settings: Settings, work: Path) -> None:
    """Encode the pictures the denoiser will see into `work/latents.safetensors`."""
    vae = AutoencoderKL.from_pretrained(work / "vae").to(pick_device(), memory_format=torch.channels_last)
    pool = build_pool(load_world(), vae, settings.copies)
    save_file({"drawings": pool.drawings, "memorised": pool.memorised}, work / "latents.safetensors")


def denoiser_stage(settings: Settings, work: Path) -> None:
    """Train UNet and text encoder; the result is the checkpoint in `work/denoiser`."""
    torch.manual_seed(SEED + 1)
    tokenizer = finished_tokenizer(work / "tokenizer")
    denoiser = build_denoiser(settings, tokenizer).to(pick_device())
    pool = LatentPool(**load_file(work / "latents.safetensors"))
    budget = Budget(math.inf, settings.denoiser_steps)
    plan = DenoiserPlan(budget, settings.batch, settings.rate, work / "denoiser", settings.compiled)
    train_denoiser(load_world(), pool, tokenizer, denoiser, plan)


def export_checkpoint(settings: Settings, work: Path, out: Path) -> None:
    """Write `out` from the averaged weights of the last checkpoint, without training."""
    vae = AutoencoderKL.from_pretrained(work / "vae")
    denoiser = build_denoiser(settings, finished_tokenizer(work / "tokenizer"))
    state = torch.load(work / "denoiser" / "checkpoint.pt", map_location="cpu", weights_only=True)
    denoiser.load_state_dict(state["average"])
    export(vae, denoiser, work / "tokenizer", out)


def build_denoiser(settings: Settings, tokenizer: CLIPTokenizer) -> Denoiser:
    """The untrained UNet with its untrained text encoder."""
    text = build_text_encoder(tokenizer, settings.text_width, settings.text_layers)
    return Denoiser(build_unet(settings.unet_channels, settings.text_width, settings.heads), text)


def finished_tokenizer(folder: Path) -> CLIPTokenizer:
    """The tokenizer in `folder`, learned first where there is none."""
    return load_tokenizer(folder) if (folder / "merges.txt").exists() else train_tokenizer(folder)


def export(vae: AutoencoderKL, denoiser: Denoiser, tokenizer: Path, out: Path) -> None:
    """Write `out` as StableDiffusionPipeline lays a folder out, with float16 weights, and `model.toml` beside."""
    pipeline = StableDiffusionPipeline(
        vae=vae,
        text_encoder=denoiser.text,
        tokenizer=load_tokenizer(tokenizer),
        unet=denoiser.unet,
        scheduler=build_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(out)
    for name in ("vocab.json", "merges.txt"):
        (out / "tokenizer" / name).write_bytes((tokenizer / name).read_bytes())
    (out / "model.toml").write_text(MODEL_TOML, encoding="utf-8")
    halve_weights(out)
    forget_paths(out)


def halve_weights(folder: Path) -> None:
    """Store every tensor in `folder` as float16: half the size, and no loss that shows in the pictures."""
    for weights in folder.rglob("*.safetensors"):
        tensors = load_file(weights)
        halves = {name: tensor.half() for name, tensor in tensors.items() if tensor.is_floating_point()}
        save_file(tensors | halves, weights, metadata={"format": "pt"})


def forget_paths(folder: Path) -> None:
    """Drop the path from which a part was loaded, which save_pretrained records, from the configurations."""
    for config in folder.glob("*/config.json"):
        content = json.loads(config.read_text(encoding="utf-8"))
        content.pop("_name_or_path", None)
        config.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


@contextmanager
def stage_time(name: str) -> Iterator[None]:
    """Print how long a stage took."""
    start = time.monotonic()
    yield
    print(f"{name} took {time.monotonic() - start:.0f} s", flush=True)


def quick() -> None:
    """Everything once, tiny, in a temporary folder; then load the result as a user would and sample from it."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "emoji-sd"
        train_emoji_sd(QUICK, Path(folder) / "work", out)
        pipeline = StableDiffusionPipeline.from_pretrained(out, use_safetensors=True)
        pipeline.set_progress_bar_config(disable=True)
        image = pipeline("a cook", num_inference_steps=2, guidance_scale=1.0).images[0]
        print(f"sampled {image.size[0]}x{image.size[1]} from the exported pipeline")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="everything once, tiny, into a temporary folder")
    parser.add_argument("--out", type=Path, default=ASSETS / "emoji-sd", help="the pipeline folder to write")
    parser.add_argument("--work", type=Path, default=Path("work-emoji-sd"), help="folder of the checkpoints")
    for stage in ("autoencoder", "denoiser"):
        default = getattr(Settings, f"{stage}_steps")
        parser.add_argument(f"--{stage}-steps", type=int, default=default, help=f"{default} by default")
    parser.add_argument("--processes", type=int, default=1, help="share each batch between so many processes")
    parser.add_argument("--compile", action="store_true", help="compile the networks first")
    parser.add_argument("--export-only", action="store_true", help="write what the checkpoints hold")
    arguments = parser.parse_args()
    if arguments.quick:
        quick()
        return
    settings = Settings(
        autoencoder_steps=arguments.autoencoder_steps,
        denoiser_steps=arguments.denoiser_steps,
        compiled=arguments.compile,
        processes=arguments.processes,
    )
    make = export_checkpoint if arguments.export_only else train_emoji_sd
    make(settings, arguments.work, arguments.out)


if __name__ == "__main__":
    main()
