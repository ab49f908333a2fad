"""Speed on a GPU, on networks as large as Stable Diffusion 1.5's and XL's: diffwin beside diffusers' own pipelines.

python benchmarks/gpu.py                      (one GPU, under ten minutes)
python benchmarks/gpu.py --quick              (tiny networks, on the CPU as well: shows that everything runs)

The networks are built from configurations with random weights, on which speed does not depend; nothing is downloaded.
The SDXL-sized one is SDXL's UNet but for its extra size and pooled-text input. Every contender makes the same design,
bases and then regenerations from a few levels with guidance, down to decoded pictures:

    a     one image at a time through the pipelines, timed on a part of the design
    b     StableDiffusionImg2ImgPipeline, prompt embeddings made once, latents in and out, one batch a level
    c     diffwin's loop
    d     diffwin's loop on --fewer-rows times fewer rows, which adaptive designs need for the same intervals; take the
          number from benchmarks/speed.py ("rows / d" of c), where it is measured

MFU is the network's floating-point operations, counted by torch.utils.flop_counter on one forward pass, over the
seconds of the whole loop, as a share of the device's dense peak in bfloat16. A window is one design.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from official import Official

PEAK = {"H100": 989e12, "H200": 989e12, "A100": 312e12}
"""Dense bfloat16 operations a second, of the SXM forms (Nvidia's data sheets)."""

SCHEDULE = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
PROMPT, GUIDANCE = "a cook", 7.5
DOWN, CROSS_DOWN, CROSS_UP, UP = "DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"


@dataclass(frozen=True)
class Size:
    """A network's configuration, and the design that it is timed on; `most` slots keep the whole under ten minutes."""

    unet: dict[str, Any]
    vae_channels: tuple[int, ...]
    steps: int
    levels: tuple[int, ...]
    most: int = 64


SIZES = {
    "SD 1.5": Size(
        {
            "sample_size": 64,
            "block_out_channels": (320, 640, 1280, 1280),
            "down_block_types": (CROSS_DOWN, CROSS_DOWN, CROSS_DOWN, DOWN),
            "up_block_types": (UP, CROSS_UP, CROSS_UP, CROSS_UP),
            "layers_per_block": 2,
            "attention_head_dim": 8,
            "cross_attention_dim": 768,
        },
        (128, 256, 512, 512),
        50,
        (10, 20, 30, 40),
    ),
    "SDXL": Size(
        {
            "sample_size": 128,
            "block_out_channels": (320, 640, 1280),
            "down_block_types": (DOWN, CROSS_DOWN, CROSS_DOWN),
            "up_block_types": (CROSS_UP, CROSS_UP, UP),
            "layers_per_block": 2,
            "transformer_layers_per_block": [1, 2, 10],
            "attention_head_dim": [5, 10, 20],
            "cross_attention_dim": 2048,
            "use_linear_projection": True,
        },
        (128, 256, 512, 512),
        16,
        (4, 8, 12),
        most=32,
    ),
}
TINY = Size(
    {
        "sample_size": 8,
        "block_out_channels": (32, 64),
        "down_block_types": (CROSS_DOWN, DOWN),
        "up_block_types": (UP, CROSS_UP),
        "layers_per_block": 1,
        "attention_head_dim": 8,
        "cross_attention_dim": 32,
    },
    (32, 32),
    4,
    (2, 3),
)


@dataclass(eq=False)
class Model:
    """A pipeline's parts with random weights."""

    unet: Any
    vae: Any
    text_encoder: Any
    tokenizer: Any


def build(size: Size, device: str, dtype: torch.dtype) -> Model:
    """Made on the device, in its dtype."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    from diffwin.models import describe
    from diffwin.process.weights import load_tokenizer, place

    card = describe(None)
    assert card.path is not None  # the shipped model, for its tokenizer
    tokenizer = load_tokenizer(card.path)
    tokenizer.model_max_length = 77
    width = size.unet["cross_attention_dim"]
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    text = CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=width, intermediate_size=width, num_hidden_layers=1, **ends
    )
    blocks = len(size.vae_channels)
    torch.manual_seed(0)
    with torch.device(device):
        unet = UNet2DConditionModel(**size.unet)
        vae = AutoencoderKL(
            block_out_channels=size.vae_channels,
            down_block_types=("DownEncoderBlock2D",) * blocks,
            up_block_types=("UpDecoderBlock2D",) * blocks,
            layers_per_block=2,
            latent_channels=4,
        )
        encoder = CLIPTextModel(text)
    parts = [place(each.to(dtype).eval().requires_grad_(False), device) for each in (unet, vae, encoder)]
    return Model(*parts, tokenizer)


def flops_a_row(unet: Any, device: str) -> float:
    """Operations of one row of one forward pass."""
    config, rows = unet.config, 2
    x = torch.zeros(rows, 4, config.sample_size, config.sample_size, device=device, dtype=unet.dtype)
    text = torch.zeros(rows, 77, config.cross_attention_dim, device=device, dtype=unet.dtype)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        unet(x, torch.ones(rows, device=device), encoder_hidden_states=text)
    return counter.get_total_flops() / rows


def ours(model: Model, size: Size, device: str, slots: int, compiled: bool, folder: Path) -> Callable[[int], int]:
    """diffwin's loop: a function of the number of bases that returns how many pictures it made."""
    from diffwin.process.base import Generation, State
    from diffwin.process.choices import Choices, Source
    from diffwin.process.prompts import Conditions, PromptReader, TextEncoder
    from diffwin.process.schedule import Schedule
    from diffwin.process.stable import Parts, StableDiffusionProcess
    from diffwin.queue import Queue
    from diffwin.reading import chunks
    from diffwin.trials import Base, Mode, Trial
    from diffwin.work import CHUNK

    dtype = model.unet.dtype
    choices = Choices("ddpm", size.steps, GUIDANCE, device=device, dtype=dtype, slots=slots, compiled=compiled)
    reader = PromptReader(model.tokenizer, TextEncoder(lambda: model.text_encoder))
    process = StableDiffusionProcess(
        Source("random weights", folder),
        Parts(conditions=Conditions(reader, choices), unet=model.unet, vae=model.vae),
        Schedule.of(SCHEDULE),
        choices,
    )

    def make(bases: int) -> int:
        trials = [Trial(PROMPT, base, level, 0) for level in reversed(size.levels) for base in range(bases)]
        queue = Queue([Base(PROMPT, base) for base in range(bases)], trials)
        clean: dict[int, State] = {}

        def states() -> Iterator[State]:
            for each in process.make(queue, lambda trial: clean[trial.base], Mode.RENOISE):
                if isinstance(each, Generation):
                    clean[each.base.index] = each.state
                    queue.on_record(each.base, lost=False)
                yield each.state if isinstance(each, Generation) else each[1]

        return sum(len(process.render(chunk)) for chunk in chunks(states(), CHUNK))

    return make


def theirs(model: Model, size: Size, batch: int, compiled: bool) -> Callable[[int], int]:
    """The pipelines, one image or one level at a time."""
    unet = torch.compile(model.unet, dynamic=False) if compiled else model.unet
    loop = Official(
        unet,
        model.vae,
        model.text_encoder,
        model.tokenizer,
        SCHEDULE,
        PROMPT,
        size.steps,
        GUIDANCE,
        batch,
    )

    def make(bases: int) -> int:
        clean = loop.bases(bases)
        shown = len(loop.decode(clean))
        return shown + sum(len(loop.decode(loop.regenerate(clean, level))) for level in size.levels)

    return make


def timed(make: Callable[[int], int], bases: int, warm: int, device: str) -> tuple[float, int, float]:
    """Seconds, pictures and the peak of device memory in GiB, after a warm-up of `warm` bases."""
    cuda = device.startswith("cuda")
    make(warm)
    if cuda:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    begun = time.perf_counter()
    pictures = make(bases)
    if cuda:
        torch.cuda.synchronize()
    seconds = time.perf_counter() - begun
    return seconds, pictures, torch.cuda.max_memory_allocated() / 2**30 if cuda else float("nan")


def compare(name: str, size: Size, device: str, args: argparse.Namespace) -> None:
    """Print one table."""
    slots = min(args.slots, size.most)
    dtype = torch.bfloat16 if device.startswith("cuda") else torch.float32
    model = build(size, device, dtype)
    flops, peak = flops_a_row(model.unet, device), peak_of(device)
    a_base = 2 * (size.steps + sum(size.levels))  # network rows of one base and its regenerations, with their pairs
    print(f"\n{name}-sized, {str(dtype).removeprefix('torch.')}: {flops / 1e12:.3g} TFLOP a row; {slots} slots")
    print(f"{'':36}{'rows/s':>9}{'MFU %':>8}{'images/s':>10}{'GiB':>7}{'windows/h':>11}")
    rate = {}
    with tempfile.TemporaryDirectory() as folder:
        contenders = {
            "(a) published protocol, batch 1": (theirs(model, size, 1, args.compile), args.part),
            "(b) img2img pipeline, batch a level": (theirs(model, size, slots, args.compile), slots),
            "(c) diffwin": (ours(model, size, device, slots, args.compile, Path(folder)), slots),
        }
        for label, (make, bases) in contenders.items():
            # a compiled network is compiled for the number of rows that the timed design has
            seconds, pictures, memory = timed(make, bases, bases if args.compile else 1, device)
            rows = a_base * bases / seconds
            rate[label[:3]] = 3600 * rows / (a_base * slots)
            told = f"{rows:9.1f}{100 * rows * flops / peak:8.1f}{pictures / seconds:10.2f}{memory:7.1f}"
            print(f"{label:36}{told}{rate[label[:3]]:11.2f}", flush=True)
    rate["(d)"] = rate["(c)"] * args.fewer_rows
    for mine, what in (("(c)", ""), ("(d)", f", on {args.fewer_rows:g} times fewer rows")):
        against = " and ".join(f"{rate[mine] / rate[other]:.2f} times those of {other}" for other in ("(b)", "(a)"))
        print(f"windows an hour of {mine}{what}: {against}")


def peak_of(device: str) -> float:
    """The device's dense peak in bfloat16, operations a second; NaN where it is not known."""
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else ""
    return next((peak for kind, peak in PEAK.items() if kind in name), float("nan"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slots", type=int, default=64, help="rows at once; also the bases of the design")
    parser.add_argument("--part", type=int, default=2, help="bases on which (a) is timed")
    parser.add_argument("--fewer-rows", type=float, default=1.0, help="rows of (c) over rows of (d) at equal intervals")
    parser.add_argument("--compile", action="store_true", help="torch.compile for every contender; adds minutes")
    parser.add_argument("--quick", action="store_true", help="tiny networks")
    args = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu" and not args.quick:
        parser.error("there is no GPU here; --quick shows on the CPU that everything runs")
    named = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    print(f"{named}; torch {torch.__version__}, diffusers {version('diffusers')}, diffwin {version('diffwin')}")
    if args.quick:
        args.slots, args.part = 4, 1
        compare("tiny", TINY, device, args)
        return
    for name, size in SIZES.items():
        compare(name, size, device, args)


if __name__ == "__main__":
    main()
