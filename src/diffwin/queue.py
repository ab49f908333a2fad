"""What a round has to generate, handed out as it can be begun: bases, then regenerations whose base is on record."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Collection, Iterable, Iterator

from diffwin.trials import Base, Trial

HELD = 4096
"""Regenerations that are held back at most, each of a base that is under way."""


class Queue:
    """Bases first, for they are the longest; then regenerations in the order given, noisiest first.

    A regeneration whose base is not on record yet is passed over until it is, so that slots are not left vacant while
    bases finish; one whose base was lost is left out. None says that all that is left waits for bases under way.
    """

    def __init__(self, bases: Collection[Base], trials: Iterable[Trial], lost: Collection[Base] = ()) -> None:
        self._bases, self._trials = deque(bases), iter(trials)
        self._under_way, self._lost = set(bases), set(lost)
        self._held: dict[Base, list[tuple[int, int, Trial]]] = {}
        self._ready: list[tuple[int, int, Trial]] = []
        self._passed_over = self._now_held = 0
        self._ended = False

    def __iter__(self) -> Iterator[Base | Trial | None]:
        return self

    def __next__(self) -> Base | Trial | None:
        if self._bases:
            return self._bases.popleft()
        if self._ready:
            return heapq.heappop(self._ready)[-1]
        while not self._ended and self._now_held < HELD:
            trial = next(self._trials, None)
            if trial is None:
                self._ended = True
            elif trial.of in self._under_way:
                self._hold(trial)
            elif trial.of not in self._lost:
                return trial
        if self._held:
            return None
        raise StopIteration

    @property
    def left(self) -> bool:
        """Whether anything may be left to hand out."""
        return bool(self._bases or self._ready or self._held or not self._ended)

    def on_record(self, base: Base, *, lost: bool) -> None:
        """A base is where its regenerations can start from it, or was lost and has none."""
        self._under_way.discard(base)
        held = self._held.pop(base, [])
        self._now_held -= len(held)
        if lost:
            self._lost.add(base)
            return
        for each in held:
            heapq.heappush(self._ready, each)

    def _hold(self, trial: Trial) -> None:
        self._passed_over += 1
        self._now_held += 1
        # of one level, in the order given: repeats of a base follow each other
        self._held.setdefault(trial.of, []).append((-trial.level, self._passed_over, trial))
