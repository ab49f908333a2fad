"""Train `fashion-ddpm`, the unconditional diffusion model of Fashion-MNIST that ships.

    python experiments/train_fashion_ddpm.py --data FOLDER --work runs/fashion --minutes 30

FOLDER holds the four original .gz files of Fashion-MNIST. The same command again resumes. `--quick` takes a few
steps on the shipped subset, saves to a temporary folder, reloads with DDPMPipeline and draws one picture.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from fashion_data import read_subset
from idx_data import read_original
from trainer import Budget, Progress, Training, pick_device, write_facts

ASSET = Path(__file__).parents[1] / "assets" / "fashion-ddpm"
SAMPLING_STEPS = 50


def build_network() -> UNet2DModel:
    """Resolutions 28, 14 and 7, one residual block each, attention at 7."""
    return UNet2DModel(
        sample_size=28,
        in_channels=1,
        out_channels=1,
        layers_per_block=1,
        block_out_channels=(24, 48, 96),
        down_block_types=("DownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        norm_num_groups=8,
        attention_head_dim=16,
    )


def build_schedule() -> DDPMScheduler:
    """The linear schedule of DDPM (Ho et al. 2020), which ends at log-SNR -10.1, below every decision.

    v-prediction stays well scaled at both ends; nothing is clipped, so that all solvers see the same network.
    """
    return DDPMScheduler(
        num_train_timesteps=1000,
        beta_schedule="linear",
        beta_start=1e-4,
        beta_end=0.02,
        prediction_type="v_prediction",
        variance_type="fixed_small",
        clip_sample=False,
    )


class NoisyBatches:
    """The v-prediction loss (Salimans & Ho 2022) of random training images at random levels."""

    def __init__(self, network: UNet2DModel, images: Tensor, batch: int) -> None:
        self.network, self.images, self.batch = network, images, batch
        self.schedule = build_schedule()
        alpha_bar = self.schedule.alphas_cumprod.double()
        self.log_snr = torch.log(alpha_bar / (1 - alpha_bar))

    def timesteps(self) -> Tensor:
        """Half the rows uniform in the timestep, half at the log-SNR of a cosine schedule lowered by one.

        The linear schedule alone spends a third of its steps where nothing is left to see. Stratified; shape (batch,).
        """
        share = (torch.arange(self.batch) + torch.rand(self.batch)) / self.batch
        uniform = (1000 * share).long().clamp(max=999)
        wanted = -2 * torch.log(torch.tan(torch.pi / 2 * share.double().clamp(1e-4, 1 - 1e-4))) - 1
        cosine = torch.searchsorted(-self.log_snr, -wanted).clamp(max=999)
        return torch.where(torch.rand(self.batch) < 0.5, uniform, cosine)

    def __call__(self) -> Tensor:
        device = self.images.device
        rows = torch.randint(len(self.images), (self.batch,)).to(device)
        clean = self.images[rows].float().div(127.5).sub(1)[:, None]  # (batch, 1, 28, 28) in [-1, 1]
        noise = torch.randn(clean.shape).to(device)
        time_ = self.timesteps().to(device)
        noisy = self.schedule.add_noise(clean, noise, time_)
        target = self.schedule.get_velocity(clean, noise, time_)
        return functional.mse_loss(self.network(noisy, time_).sample, target)


def save(network: nn.Module, folder: Path) -> None:
    """Write the pipeline folder, weights in float16."""
    DDPMPipeline(network.cpu().half(), build_schedule()).save_pretrained(folder)


def draw(folder: Path, count: int, steps: int, seed: int) -> NDArray[np.uint8]:
    """Pictures from the saved pipeline, uint8 (count, 28, 28)."""
    pipeline = DDPMPipeline.from_pretrained(folder, use_safetensors=True).to(pick_device(), torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    chunks = [
        pipeline(
            batch_size=min(100, count - start),
            num_inference_steps=steps,
            generator=torch.Generator().manual_seed(seed + start),
            output_type="np",
        ).images
        for start in range(0, count, 100)
    ]
    return np.rint(255 * np.concatenate(chunks)[..., 0]).astype(np.uint8)


def train(images: NDArray[np.uint8], budget: Budget, work: Path, batch: int, seed: int) -> tuple[nn.Module, Progress]:
    """Train from `work`'s checkpoint, or from the start; the averaged network and what was done."""
    torch.manual_seed(seed)
    device = pick_device()
    network = build_network().to(device, memory_format=torch.channels_last)
    batches = NoisyBatches(network, torch.tensor(images).to(device), batch)
    return Training(network, batches, budget, work, average_decay=0.999).run()


def quick() -> None:
    """A few steps of everything, in a temporary folder."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        network, progress = train(read_subset().images, Budget(1, steps=4), folder / "work", batch=8, seed=0)
        save(network, folder / "model")
        write_facts(folder / "model", progress, batch=8, seed=0)
        assert draw(folder / "model", count=1, steps=3, seed=0).shape == (1, 28, 28)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with the original files of Fashion-MNIST")
    parser.add_argument("--out", type=Path, default=ASSET, help="folder of the finished model")
    parser.add_argument("--work", type=Path, default=Path("runs/fashion-ddpm"), help="folder of the checkpoint")
    parser.add_argument("--minutes", type=float, default=30.0, help="training time")
    parser.add_argument("--steps", type=int, help="end after so many steps, if that comes first")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="a few steps on the shipped subset, nothing kept")
    options = parser.parse_args()
    start = time.perf_counter()
    if options.quick:
        quick()
    elif options.data is None:
        parser.error("--data is needed: the folder with train-images-idx3-ubyte.gz and the other three files")
    else:
        images = read_original(options.data, "train").images
        network, progress = train(
            images, Budget(options.minutes, options.steps), options.work, options.batch, options.seed
        )
        save(network, options.out)
        write_facts(options.out, progress, options.batch, options.seed)
    print(f"done in {(time.perf_counter() - start) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
