"""What there shall be of one prompt: how many bases, and how often each is regenerated from each level."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 1024
"""Bases whose regenerations are listed together."""

Cost = Callable[[int], int]
"""Network rows of one regeneration from a level; from the top one, of a base."""

PAIR = 2
"""Repeats are added in pairs, whose noise is antithetic."""


@dataclass(frozen=True, eq=False)
class Design:
    """What there shall be of one prompt: how often each base is regenerated from each level.

    counts: (bases, N + 1), column 0 unused.
    """

    counts: NDArray[np.int64]

    @classmethod
    def even(cls, bases: int, top: int, levels: Sequence[int], repeats: int) -> Design:
        counts = np.zeros((bases, top + 1), np.int64)
        counts[:, list(levels)] = repeats
        return cls(counts)

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Design:
        """From `as_dict`."""
        counts = np.zeros((told["bases"], told["top"] + 1), np.int64)
        for level, column in told["counts"].items():
            counts[: len(column), int(level)] = column
        return cls(counts)

    def as_dict(self) -> dict[str, Any]:
        columns = {str(level): self.counts[:, level].tolist() for level in self.levels}
        return {"bases": self.bases, "top": self.counts.shape[1] - 1, "counts": columns}

    @property
    def bases(self) -> int:
        return len(self.counts)

    @property
    def levels(self) -> list[int]:
        return [int(level) for level in np.flatnonzero(self.counts.any(axis=0))]

    def lacking(self, done: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
        """Base, level and repeat (n, 3) of the regenerations that are not done (m, 3), noisiest first.

        A part at a time, and as numbers, so that a plan of millions needs no more memory than a small one.
        """
        done = done[np.argsort(done[:, 0])]
        for level in reversed(self.levels):
            here = done[done[:, 1] == level]
            for start in range(0, self.bases, BLOCK):
                counts = self.counts[start : start + BLOCK, level]
                base = np.repeat(np.arange(start, start + len(counts)), counts)
                repeat = np.arange(len(base)) - np.repeat(np.cumsum(counts) - counts, counts)
                first, last = np.searchsorted(here[:, 0], (start, start + BLOCK))
                there = here[first:last, 0], here[first:last, 2]
                width = 1 + max(repeat.max(initial=0), there[1].max(initial=0))
                left = ~np.isin(base * width + repeat, there[0] * width + there[1])
                yield np.stack([base, np.full_like(base, level), repeat], axis=1)[left]

    def rows(self, cost: Cost) -> int:
        """Network rows of the whole design, its bases among them."""
        each = [cost(level) for level in range(self.counts.shape[1])]
        return self.bases * each[-1] + int(self.counts.sum(axis=0) @ each)

    def looked_at(self, levels: Sequence[int], bases: int) -> Design:
        """With each of so many bases regenerated once, at least, from each of some levels."""
        counts = self.counts.copy()
        counts[:bases, list(levels)] = np.maximum(counts[:bases, list(levels)], 1)
        return Design(counts)

    def with_pairs(self, level: int, pairs: int) -> Design:
        """With a pair of repeats more at a level for those bases that have the fewest there, and in all.

        Whatever their labels: a level that one label alone is regenerated from would tell of all bases what is true of
        that label.
        """
        counts = self.counts.copy()
        fewest = np.lexsort((np.arange(self.bases), counts.sum(axis=1), counts[:, level]))[:pairs]
        counts[fewest, level] += PAIR
        return Design(counts)

    def regenerating(self, bases: int) -> Design:
        """With no more than the first so many bases regenerated; the others only add to shares and floors."""
        counts = self.counts.copy()
        counts[bases:] = 0
        return Design(counts)

    def with_bases(self, bases: int) -> Design:
        """With new bases."""
        return Design(np.concatenate([self.counts, np.zeros((bases, self.counts.shape[1]), np.int64)]))
