"""Training in several processes, each on its own part of every batch, gradients averaged after each step.

On a CPU shared with others, processes of one thread each wait for each other once a step; threads of one process wait
at every operation.
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from trainer import Budget, Training


def run_processes(count: int, work: Callable[..., None], *arguments: Any) -> None:
    """Call `work(*arguments)` in `count` processes that know each other; in this one where `count` is 1."""
    if count == 1:
        work(*arguments)
        return
    os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
    os.environ.setdefault("MASTER_PORT", "29511")
    torch.multiprocessing.spawn(_join, args=(count, work, arguments), nprocs=count)


def rank() -> int:
    """The number of this process; 0 leads."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def size() -> int:
    """How many processes train together."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def synchronised(module: nn.Module) -> nn.Module:
    """`module` with its gradients averaged over the processes during backward."""
    return DistributedDataParallel(module) if distributed.is_initialized() else module


def train(
    model: nn.Module, batch_loss: Callable[[], torch.Tensor], budget: Budget, folder: Path, **how: Any
) -> nn.Module:
    """`Training.run`, with one process writing the checkpoint that all resume from; returns the averaged model.

    Several processes must end at the same step, so they need a budget in steps.
    """
    if size() > 1:
        if budget.steps is None:
            raise ValueError("several processes need a budget in steps, so that they end together")
        budget = Budget(math.inf, budget.steps)
    if rank() > 0:
        folder, how = _private_copy(folder), {**how, "save_every": math.inf}
    if distributed.is_initialized():
        distributed.barrier()
    averaged, _ = Training(model, batch_loss, budget, folder, **how).run()
    return averaged


def _private_copy(folder: Path) -> Path:
    own = folder / f"process-{rank()}"
    own.mkdir(parents=True, exist_ok=True)
    checkpoint = folder / "checkpoint.pt"
    if checkpoint.exists():
        shutil.copy(checkpoint, own)
    return own


def _join(index: int, count: int, work: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", rank=index, world_size=count)
    work(*arguments)
    distributed.destroy_process_group()
