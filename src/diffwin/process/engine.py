"""The denoising loop: the only one in diffwin.

Slots hold rows that stand at different levels, of different prompts. One network call advances every row by its own
row of the solver table; a finished row leaves and a waiting one takes its slot. Guidance pairs ride in the same batch.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch

from diffwin.keys import Key
from diffwin.process.base import State
from diffwin.process.solvers import Table


class Network(Protocol):
    """A model's forward pass on rows of different times and conditions."""

    def __call__(self, x: torch.Tensor, time: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """x: (rows, ...) scaled by k; time: (rows,) float64 model time; condition: (rows,) int64 ids, 0 = none."""


@dataclass(eq=False)
class Row:
    """One walk from `start` at `level` to the clean end.

    `passed` fills with the states at the levels of `keep`, on the CPU; `level` itself may be one.
    """

    job: Hashable
    key: Key
    level: int
    condition: int
    start: State
    keep: frozenset[int] = frozenset()
    passed: dict[int, State] = field(default_factory=dict)


@dataclass(frozen=True)
class Settings:
    """How the loop runs. `clip` bounds the estimate of the finished sample, as DDPM's clip_sample does."""

    shape: tuple[int, ...]
    slots: int = 32
    guidance: float = 1.0
    clip: float | None = None
    device: str = "cpu"
    dtype: torch.dtype = torch.float32


class Engine:
    """Advances rows through a table; `evaluations` counts the network rows spent."""

    def __init__(self, network: Network, table: Table, settings: Settings) -> None:
        self.network, self.table, self.settings = network, table, settings
        self.evaluations = 0
        put = {"device": settings.device}
        double = torch.float32 if settings.device.startswith("mps") else torch.float64  # mps has no float64
        self._time = torch.as_tensor(table.time, dtype=double, **put)
        names = ("k", "a", "b", "c_x", "c_0", "c_p", "c_n", "c_first", "c_clip")
        # one (levels, 9) tensor: a single gather a step gives every coefficient of every row
        self._coefficients = torch.as_tensor(
            np.stack([getattr(table, name) for name in names], axis=1), dtype=settings.dtype, **put
        ).nan_to_num()

    @property
    def guided(self) -> bool:
        return self.settings.guidance != 1.0

    def cost(self, level: int) -> int:
        """Network rows of one walk from `level`."""
        return level * (2 if self.guided else 1)

    @torch.inference_mode()
    def walk(self, rows: Iterable[Row]) -> Iterator[tuple[Row, State]]:
        """Each row with its finished state on the CPU, in the order they finish."""
        waiting = iter(rows)
        batch = _Batch(self.settings)
        while True:
            yield from batch.fill(waiting)
            if not batch.rows:
                return
            self._step(batch)
            yield from batch.finished()

    def _step(self, batch: _Batch) -> None:
        level = torch.as_tensor(batch.levels, device=self.settings.device)
        k, a, b, c_x, c_0, c_p, c_n, c_first, c_clip = (
            self._coefficients[level].T.reshape(9, -1, *(1,) * len(self.settings.shape)).unbind(0)
        )
        x, previous = batch.x, batch.previous
        out = self._predict(k * x, self._time[level], batch.conditions)
        x0 = raw = a * x + b * out
        if self.settings.clip is not None:
            x0 = raw.clamp(-self.settings.clip, self.settings.clip)
        if self.table.second_order:
            first = batch.first_step().reshape(k.shape)
            x = c_x * x + torch.where(first, c_first, c_0) * x0 + torch.where(first, 0.0, c_p) * previous
        else:
            x = c_x * x + c_first * x0
        if self.settings.clip is not None:
            x = x + c_clip * (raw - x0)
        if self.table.noisy:
            x = x + c_n * batch.noise()
        batch.advance(x, x0)

    def _predict(self, x: torch.Tensor, time: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        self.evaluations += len(x) * (2 if self.guided else 1)
        if not self.guided:
            return self.network(x, time, condition)
        both = self.network(
            torch.cat([x, x]), torch.cat([time, time]), torch.cat([torch.zeros_like(condition), condition])
        )
        without, given = both.chunk(2)
        return without + self.settings.guidance * (given - without)


class _Batch:
    """The rows under way: tensors of shape (rows, ...) beside the rows' own records."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.rows: list[Row] = []
        self.levels = np.zeros(0, np.int64)
        self.x = torch.zeros((0, *settings.shape), dtype=settings.dtype, device=settings.device)
        self.previous = torch.zeros_like(self.x)
        self.conditions = torch.zeros(0, dtype=torch.int64, device=settings.device)

    def fill(self, waiting: Iterator[Row]) -> Iterator[tuple[Row, State]]:
        """Take rows until every slot is full; a row at level 0 is finished already and passes through."""
        joined: list[Row] = []
        while len(self.rows) + len(joined) < self.settings.slots:
            row = next(waiting, None)
            if row is None:
                break
            if row.level == 0:
                yield row, row.start
            else:
                joined.append(row)
        if joined:
            self._join(joined)

    def _join(self, joined: list[Row]) -> None:
        start = torch.stack([row.start for row in joined]).to(self.x)
        self.rows += joined
        self.levels = np.concatenate([self.levels, [row.level for row in joined]])
        self.x = torch.cat([self.x, start])
        self.previous = torch.cat([self.previous, torch.zeros_like(start)])
        ids = torch.tensor([row.condition for row in joined], device=self.conditions.device)
        self.conditions = torch.cat([self.conditions, ids])
        self._keep(len(self.rows) - len(joined))

    def first_step(self) -> torch.Tensor:
        fresh = [row.level == level for row, level in zip(self.rows, self.levels, strict=True)]
        return torch.tensor(fresh, device=self.x.device)

    def noise(self) -> torch.Tensor:
        """This step's noise of every row, addressed by the level the row stands at."""
        drawn = [
            row.key.noise("step", int(level), self.settings.shape)
            for row, level in zip(self.rows, self.levels, strict=True)
        ]
        return torch.from_numpy(np.stack(drawn)).to(self.x)

    def advance(self, x: torch.Tensor, x0: torch.Tensor) -> None:
        self.x, self.previous = x, x0
        self.levels = self.levels - 1
        self._keep()

    def _keep(self, since: int = 0) -> None:
        """Copy the states, of the rows from `since` on, that stand at a level which their row keeps."""
        for i in range(since, len(self.rows)):
            if (level := int(self.levels[i])) in self.rows[i].keep:
                self.rows[i].passed[level] = self.x[i].cpu().clone()

    def finished(self) -> Iterator[tuple[Row, State]]:
        """Hand over the rows that reached level 0 and close the gaps they leave."""
        if self.levels.all():
            return
        done = [(self.rows[i], self.x[i].cpu().clone()) for i in np.flatnonzero(self.levels == 0)]
        stay = np.flatnonzero(self.levels)
        index = torch.as_tensor(stay, device=self.x.device)
        self.rows = [self.rows[i] for i in stay]
        self.levels = self.levels[stay]
        self.x, self.previous, self.conditions = self.x[index], self.previous[index], self.conditions[index]
        yield from done
