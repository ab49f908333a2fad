"""The denoising loop: the only one in diffwin.

Slots hold rows that stand at different levels, of different prompts and guidance. One network call advances every row
by its own row of the solver table; a finished row leaves and a waiting one takes its slot. The unconditional halves of
guided rows ride in the same batch.

On a device of its own the network works while each step's noise is drawn on another thread. On CUDA nothing in the
loop waits for the device but the handing over of finished rows, and that comes one step late, when the next is already
queued. (On the CPU a thread gains nothing: noise is a thousandth of a real network's time.)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from diffwin.keys import Key
from diffwin.process.base import State
from diffwin.process.memory import Portions
from diffwin.process.solvers import Table


class Network(Protocol):
    """A model's forward pass on rows of different times and conditions."""

    def __call__(self, x: torch.Tensor, time: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """x: (rows, ...) scaled by k; time: (rows,) float64 model time; condition: (rows,) int64 ids, 0 = none."""


@dataclass(eq=False)
class Row:
    """One walk from `start` at `level` to the clean end, or to the level `stop` on the way there.

    `passed` fills with the states at the levels of `keep`, on the CPU; `level` itself may be one. `turns` puts the row
    under another condition from the level named on; `condition` is the one that it is under now. A row that stopped is
    handed over with its last estimate of the finished sample as `previous`, and one that has it goes on from there.
    """

    job: Hashable
    key: Key
    level: int
    condition: int
    start: State
    keep: frozenset[int] = frozenset()
    guidance: float = 1.0
    passed: dict[int, State] = field(default_factory=dict)
    turns: Mapping[int, int] = field(default_factory=dict)
    stop: int = 0
    previous: State | None = None

    @property
    def guided(self) -> bool:
        """Whether a step takes the network twice: guidance does nothing to the unconditional row."""
        return self.guidance != 1.0 and self.condition != 0


@dataclass(frozen=True)
class Settings:
    """How the loop runs. `clip` bounds the estimate of the finished sample, as DDPM's clip_sample does.

    `even` gives every network call the same number of rows, so that a compiled network is compiled once.
    """

    shape: tuple[int, ...]
    slots: int = 32
    clip: float | None = None
    device: str = "cpu"
    dtype: torch.dtype = torch.float32
    even: bool = False


class Engine:
    """Advances rows through a table; `evaluations` counts the network rows spent."""

    def __init__(self, network: Network, table: Table, settings: Settings) -> None:
        self.network, self.table, self.settings = network, table, settings
        self.evaluations = 0
        self.draws_beside = settings.device != "cpu"
        """Whether noise is drawn on a thread of its own."""
        self.steps_late = 1 if settings.device.startswith("cuda") else 0
        """How many steps later finished rows are handed over."""
        self._portions = Portions("network", 2 * settings.slots, even=settings.even)
        put = {"device": settings.device}
        double = torch.float32 if settings.device.startswith("mps") else torch.float64  # mps has no float64
        self._time = torch.as_tensor(table.time, dtype=double, **put)
        names = ("k", "a", "b", "c_x", "c_0", "c_p", "c_n", "c_first", "c_clip")
        # one (levels, 9) tensor: a single gather a step gives every coefficient of every row
        self._coefficients = torch.as_tensor(
            np.stack([getattr(table, name) for name in names], axis=1), dtype=settings.dtype, **put
        ).nan_to_num()
        self._spread = None if table.spread is None else torch.as_tensor(table.spread, dtype=settings.dtype, **put)

    @torch.inference_mode()
    def walk(self, rows: Iterable[Row | None]) -> Iterator[tuple[Row, State]]:
        """Each row with its finished state on the CPU, in the order they finish.

        `rows` is asked again at each step with a vacant slot, so that it may say by None, or by its end, that there is
        none now and have some later, while others are under way.
        """
        waiting, slots = iter(rows), _Slots(self.settings)
        leaving: deque[_Leaving] = deque()
        with ThreadPoolExecutor(1, "noise") if self.draws_beside else nullcontext() as drawer:
            while True:
                yield from slots.fill(waiting)
                if slots.rows:
                    self._step(slots, drawer)
                    leaving.append(slots.leave())
                elif not leaving:
                    break
                if len(leaving) > self.steps_late or not slots.rows:
                    yield from leaving.popleft().hand_over()  # others may have waited for these

    @torch.inference_mode()
    def estimate(self, x: torch.Tensor, level: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """x0hat of noisy states (rows, ...) at their levels (rows,), unguided and unclipped; on the CPU.

        One network row each, `slots` at a time.
        """
        parts = (slice(at, at + self.settings.slots) for at in range(0, len(x), self.settings.slots))
        return torch.cat([self._estimate(x[part], level[part], condition[part]) for part in parts])

    def _estimate(self, x: torch.Tensor, level: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        device = self.settings.device
        x, level = x.to(device, self.settings.dtype), level.to(device)
        k, a, b = self._coefficients[level, :3].T.reshape(3, -1, *(1,) * len(self.settings.shape)).unbind(0)
        out = self._call(k * x, self._time[level], condition.to(device))
        return (a * x + b * out[:, : x.shape[1]]).cpu()  # what comes after is a variance

    def _step(self, slots: _Slots, drawer: Executor | None) -> None:
        noise: Callable[[], torch.Tensor] = partial(slots.draw, self.table.c_n)
        if drawer is not None and self.table.noisy:
            noise = drawer.submit(noise).result
        level, x = slots.level, slots.x
        k, a, b, c_x, c_0, c_p, c_n, c_first, c_clip = (
            self._coefficients[level].T.reshape(9, -1, *(1,) * len(self.settings.shape)).unbind(0)
        )
        out = self._predict(k * x, self._time[level], slots)
        if self._spread is not None:
            out, between = out.chunk(2, dim=1)
            c_n = c_n * torch.exp(self._spread[level].reshape(k.shape) * (between + 1) / 2)
        x0 = raw = a * x + b * out
        if self.settings.clip is not None:
            x0 = raw.clamp(-self.settings.clip, self.settings.clip)
        if self.table.second_order:
            first = (level == slots.entered).reshape(k.shape)
            x = c_x * x + torch.where(first, c_first, c_0) * x0 + torch.where(first, 0.0, c_p) * slots.previous
        else:
            x = c_x * x + c_first * x0
        if self.settings.clip is not None:
            x = x + c_clip * (raw - x0)
        if self.table.noisy:
            x = x + c_n * slots.put(noise())
        slots.advance(x, x0)

    def _predict(self, x: torch.Tensor, time: torch.Tensor, slots: _Slots) -> torch.Tensor:
        condition, pairs = slots.condition, slots.pairs
        given = x, time, condition
        if pairs is None:
            return self._call(*given)
        without = x[pairs], time[pairs], torch.zeros_like(condition[pairs])
        both = self._call(*(torch.cat(halves) for halves in zip(without, given, strict=True)))
        bare, out = both[: -len(x)], both[-len(x) :]
        weight = slots.guidance[pairs].reshape(-1, *(1,) * len(self.settings.shape))
        out[pairs] = bare + weight * (out[pairs] - bare)
        return out

    def _call(self, x: torch.Tensor, time: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """The network, in as many portions as memory asks for."""
        out = self._portions(self.network, x, time, condition)
        self.evaluations += len(x)
        return out


class _Slots:
    """The rows under way: records on the CPU, and buffers on the device whose first `len(rows)` entries are theirs.

    A row keeps its slot; when none waits any more, the last rows move into the slots that fall vacant.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.asynchronous = settings.device.startswith("cuda")
        self.rows: list[Row] = []
        self.pairs: slice | torch.Tensor | None = None
        """Which rows are guided, as an index: all, some or none."""
        self._levels, self._stops = np.zeros((2, settings.slots), np.int64)
        self._vacant: list[int] = []
        self._keeping = self._turning = False
        count, device = settings.slots, settings.device
        states = torch.zeros((2, count, *settings.shape), dtype=settings.dtype, device=device)
        whole = torch.zeros((3, count), dtype=torch.int64, device=device)
        self._buffers = (*states, *whole, torch.ones(count, dtype=settings.dtype, device=device))
        self._show()

    def _show(self) -> None:
        """Views of the entries in use: states and estimates (rows, ...), the rest (rows,)."""
        views = [buffer[: len(self.rows)] for buffer in self._buffers]
        self.x, self.previous, self.level, self.entered, self.condition, self.guidance = views

    def put(self, made: torch.Tensor | NDArray[np.generic] | Sequence[int]) -> torch.Tensor:
        """On the device, without waiting for it."""
        there = torch.as_tensor(made)
        if self.asynchronous and not there.is_pinned():
            there = there.pin_memory()
        return there.to(self.settings.device, non_blocking=self.asynchronous)

    def fill(self, waiting: Iterator[Row | None]) -> Iterator[tuple[Row, State]]:
        """Take rows until every slot is full; one that is where it stops passes through."""
        open_slots = deque([*self._vacant, *range(len(self.rows), self.settings.slots)])
        taken: dict[int, Row] = {}
        while open_slots and (row := next(waiting, None)) is not None:
            if row.level == row.stop:
                yield row, row.start
            else:
                taken[open_slots.popleft()] = row
        gaps = [slot for slot in self._vacant if slot not in taken]
        if taken:
            self._join(taken)
        if gaps:
            self._close(gaps)
        if taken or gaps:
            self._find_pairs()
        self._vacant = []

    def _join(self, taken: dict[int, Row]) -> None:
        rows = list(taken.values())
        for slot, row in taken.items():
            self.rows[slot : slot + 1] = [row]
            self._levels[slot], self._stops[slot] = row.level, row.stop
            self._turning |= bool(row.turns)
            if row.keep:
                self._keeping = True
                if row.level in row.keep:
                    row.passed[row.level] = row.start.to(self.settings.dtype, copy=True)
        self._show()
        slots = self.put(list(taken))
        start = torch.stack([row.start for row in rows]).to(self.settings.dtype)
        self.x[slots] = self.put(start)
        self.level[slots] = self.put([row.level for row in rows])
        # a row that goes on is nowhere on its first step: it has a previous estimate
        self.entered[slots] = self.put([row.level if row.previous is None else -1 for row in rows])
        if going_on := {slot: row.previous for slot, row in taken.items() if row.previous is not None}:
            estimates = torch.stack(list(going_on.values())).to(self.settings.dtype)
            self.previous[self.put(list(going_on))] = self.put(estimates)
        self.condition[slots] = self.put([row.condition for row in rows])
        self.guidance[slots] = self.put(torch.tensor([row.guidance for row in rows], dtype=self.settings.dtype))

    def _close(self, gaps: list[int]) -> None:
        """Move the last rows into the slots that stay vacant."""
        count = len(self.rows) - len(gaps)
        empty = set(gaps)
        movers = [slot for slot in range(count, len(self.rows)) if slot not in empty]
        holes = [slot for slot in gaps if slot < count]
        if holes:
            to, start = self.put(holes), self.put(movers)
            for buffer in self._buffers:
                buffer[to] = buffer[start]
            self._levels[holes], self._stops[holes] = self._levels[movers], self._stops[movers]
            for hole, mover in zip(holes, movers, strict=True):
                self.rows[hole] = self.rows[mover]
        del self.rows[count:]
        self._show()

    def _find_pairs(self) -> None:
        guided = [slot for slot, row in enumerate(self.rows) if row.guided]
        if len(guided) == len(self.rows):
            self.pairs = slice(None)
        else:
            self.pairs = self.put(guided) if guided else None

    def draw(self, c_n: NDArray[np.float64]) -> torch.Tensor:
        """This step's noise of every row, addressed by the level the row stands at; 0 where the step adds none."""
        drawn = torch.zeros((len(self.rows), *self.settings.shape), pin_memory=self.asynchronous)
        into = drawn.numpy()
        for slot, row in enumerate(self.rows):
            level = int(self._levels[slot])
            if c_n[level]:
                into[slot] = row.key.noise("step", level, self.settings.shape)
        return drawn

    def advance(self, x: torch.Tensor, x0: torch.Tensor) -> None:
        self.x.copy_(x)
        self.previous.copy_(x0)
        self.level -= 1
        self._levels[: len(self.rows)] -= 1
        if self._turning:
            self._turn()

    def _turn(self) -> None:
        """Put the rows that came to a level of their `turns` under the condition that begins there."""
        turned = [slot for slot, row in enumerate(self.rows) if int(self._levels[slot]) in row.turns]
        for slot in turned:
            self.rows[slot].condition = self.rows[slot].turns[int(self._levels[slot])]
        if turned:
            self.condition[self.put(turned)] = self.put([self.rows[slot].condition for slot in turned])
            self._find_pairs()

    def leave(self) -> _Leaving:
        """The rows that are where they stop, and the states that others keep, on their way to the CPU."""
        levels = self._levels[: len(self.rows)]
        self._vacant = np.flatnonzero(levels == self._stops[: len(self.rows)]).tolist()
        kept = []
        if self._keeping:
            kept = [slot for slot, row in enumerate(self.rows) if int(levels[slot]) in row.keep]
        told = [(self.rows[slot], int(levels[slot])) for slot in kept]
        done = [self.rows[slot] for slot in self._vacant]
        wanted = [self.x[slot] for slot in (*kept, *self._vacant)]
        wanted += [self.previous[slot] for slot in self._vacant if self.rows[slot].stop]
        states = torch.stack(wanted).to("cpu", non_blocking=self.asynchronous) if wanted else None
        return _Leaving(told, done, states, self._mark())

    def _mark(self) -> torch.cuda.Event | None:
        """A point in the device's queue of work to wait for."""
        if not self.asynchronous:
            return None
        event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(self.settings.device))
        return event


@dataclass(frozen=True, eq=False)
class _Leaving:
    """What one step hands over: states kept on the way, those of rows that end, and the estimates of those that
    stopped before the clean end, stacked in that order."""

    kept: list[tuple[Row, int]]
    done: list[Row]
    states: torch.Tensor | None
    queued: torch.cuda.Event | None

    def hand_over(self) -> Iterator[tuple[Row, State]]:
        if self.queued is not None:
            self.queued.synchronize()
        if self.states is None:
            return
        states = self.states.unbind(0)
        for (row, level), state in zip(self.kept, states, strict=False):
            row.passed[level] = state.clone()
        ended, stopped = states[len(self.kept) :], [row for row in self.done if row.stop]
        for row, estimate in zip(stopped, ended[len(self.done) :], strict=True):
            row.previous = estimate.clone()
        for row, state in zip(self.done, ended, strict=False):
            yield row, state.clone()
