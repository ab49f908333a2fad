"""One resumable training loop, shared by the scripts that make the small models that ship.

A training ends when its minutes are spent (or its steps are done), whatever the machine: the learning rate follows the
share of the budget that is used, so a stopped and resumed training ends like an uninterrupted one.
"""

from __future__ import annotations

import copy
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

WARM_UP = 0.03  # share of the budget over which the learning rate rises to its peak


@dataclass(frozen=True)
class Budget:
    """When a training ends: after `minutes` of wall clock, or after `steps` optimiser steps if that comes first."""

    minutes: float
    steps: int | None = None

    def used(self, seconds: float, steps: int) -> float:
        """Share of the budget that is spent, in [0, 1]."""
        by_time = seconds / (60 * self.minutes)
        by_steps = steps / self.steps if self.steps else 0.0
        return min(1.0, max(by_time, by_steps))


@dataclass
class Progress:
    """What a training has done so far; it is stored in the checkpoint."""

    steps: int = 0
    seconds: float = 0.0
    loss: float = math.nan
    history: list[tuple[int, float]] = field(default_factory=list)

    def note(self, loss: float, seconds: float) -> None:
        self.steps += 1
        self.seconds += seconds
        self.loss = loss if math.isnan(self.loss) else 0.98 * self.loss + 0.02 * loss


@dataclass(frozen=True)
class Training:
    """A model, the loss of one random batch, and the settings of AdamW with an averaged copy of the weights."""

    model: nn.Module
    batch_loss: Callable[[], Tensor]
    budget: Budget
    folder: Path
    rate: float = 1e-3
    weight_decay: float = 1e-2
    average_decay: float = 0.998
    save_every: float = 120.0  # seconds between checkpoints
    report_every: int = 50  # steps between printed lines

    def run(self) -> tuple[nn.Module, Progress]:
        """Train to the end of the budget; return the averaged model and what was done. Resumes from `folder`."""
        optimiser = torch.optim.AdamW(self.model.parameters(), lr=self.rate, weight_decay=self.weight_decay)
        average = copy.deepcopy(self.model).requires_grad_(False)
        progress = self._resume(optimiser, average)
        self.model.train()
        for _ in self._steps(progress, lambda: self._save(optimiser, average, progress)):
            self._step(optimiser, average, progress)
        return average.eval(), progress

    def _steps(self, progress: Progress, save: Callable[[], None]) -> Iterator[None]:
        saved = progress.seconds
        while self.budget.used(progress.seconds, progress.steps) < 1:
            yield
            if progress.steps % self.report_every == 0:
                progress.history.append((progress.steps, round(progress.loss, 5)))
                print(f"step {progress.steps}  {progress.seconds / 60:.1f} min  loss {progress.loss:.4f}", flush=True)
            if progress.seconds - saved > self.save_every:
                saved = progress.seconds
                save()
        save()

    def _step(self, optimiser: torch.optim.Optimizer, average: nn.Module, progress: Progress) -> None:
        start = time.perf_counter()
        used = self.budget.used(progress.seconds, progress.steps)
        for group in optimiser.param_groups:
            group["lr"] = self.rate * min(1.0, used / WARM_UP + 0.02) * 0.5 * (1 + math.cos(math.pi * used))
        loss = self.batch_loss()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        optimiser.step()
        # Early on a long memory would keep the random initial weights.
        follow(average, self.model, min(self.average_decay, (1 + progress.steps) / (10 + progress.steps)))
        progress.note(loss.item(), time.perf_counter() - start)

    @property
    def _checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    def _save(self, optimiser: torch.optim.Optimizer, average: nn.Module, progress: Progress) -> None:
        state: dict[str, Any] = {
            "model": self.model.state_dict(),
            "average": average.state_dict(),
            "optimiser": optimiser.state_dict(),
            "progress": vars(progress),
            "random": torch.get_rng_state(),
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        part = self._checkpoint.with_suffix(".part")
        torch.save(state, part)
        os.replace(part, self._checkpoint)  # a kill during the write leaves the older checkpoint whole

    def _resume(self, optimiser: torch.optim.Optimizer, average: nn.Module) -> Progress:
        if not self._checkpoint.exists():
            return Progress()
        state = torch.load(self._checkpoint, map_location="cpu", weights_only=True)
        self.model.load_state_dict(state["model"])
        average.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["random"])
        progress = Progress(**state["progress"])
        print(f"resuming at step {progress.steps}, {progress.seconds / 60:.1f} min spent", flush=True)
        return progress


@torch.no_grad()
def follow(average: nn.Module, model: nn.Module, decay: float) -> None:
    """Move the averaged weights towards the model's by a factor 1 - decay; buffers are copied."""
    for slow, fast in zip(average.parameters(), model.parameters(), strict=True):
        if fast.requires_grad:
            slow.lerp_(fast, 1 - decay)
    for slow, fast in zip(average.buffers(), model.buffers(), strict=True):
        slow.copy_(fast)


def pick_device() -> torch.device:
    """The GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def write_facts(folder: Path, progress: Progress, batch: int, seed: int) -> None:
    """What was done, beside the weights: the numbers that the card quotes."""
    facts = {
        "steps": progress.steps,
        "batch": batch,
        "seed": seed,
        "minutes": round(progress.seconds / 60, 1),
        "device": str(pick_device()),
        "threads": torch.get_num_threads(),
        "loss": progress.history[:: max(1, len(progress.history) // 12)],
    }
    (folder / "training.json").write_text(json.dumps(facts, indent=2) + "\n")
