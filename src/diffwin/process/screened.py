"""Walks that a screen may end before the clean end, from the model's own estimate of the finished sample.

A row stops at each level at which it is to be looked at. The stopped ones are shown a chunk at a time; those that do
not end there go on with the same noise and the same previous estimate, so that a row carried to the end is the row that
never stopped.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from diffwin.process.base import Screen, State
from diffwin.process.engine import Engine, Row
from diffwin.trials import Trial

SHOWN = 32
"""Rows that are looked at together."""


def screened(engine: Engine, rows: Iterator[Row | None], screen: Screen) -> Iterator[tuple[Row, State]]:
    """The rows that are carried to the clean end, with their states, in the order they finish; all but those of trials
    are."""
    feed = _Feed(rows, screen)
    while feed.more():
        for row, state in engine.walk(feed):
            if row.stop:
                feed.park(row, state)
            else:
                yield row, state
        feed.look()  # at the last ones, too few to be looked at before


@dataclass(eq=False)
class _Feed:
    """Rows to walk: those that go on, then new ones. It may be empty now and have rows again after a look."""

    rows: Iterator[Row | None]
    screen: Screen
    parked: list[tuple[Row, State]] = field(default_factory=list)
    going_on: deque[Row] = field(default_factory=deque)

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> Row | None:
        if self.going_on:
            return self.going_on.popleft()
        row = next(self.rows)
        return None if row is None else replace(row, stop=self._next_stop(row))

    def more(self) -> bool:
        """Whether a row can be begun now, with one drawn to see."""
        first = next(self, None)
        if first is not None:
            self.going_on.appendleft(first)
        return first is not None

    def park(self, row: Row, state: State) -> None:
        self.parked.append((row, state))
        if len(self.parked) >= SHOWN:
            self.look()

    def look(self) -> None:
        """Show what is parked; what does not end goes on to its next look or to the clean end."""
        parked, self.parked = self.parked, []
        if not parked:
            return
        shown = [(_trial(row), row.stop) for row, _ in parked]
        estimates = [row.previous for row, _ in parked if row.previous is not None]
        ends = self.screen.ends(shown, estimates)
        for (row, state), ended in zip(parked, ends, strict=True):
            if not ended:
                here = replace(row, level=row.stop, start=state)
                self.going_on.append(replace(here, stop=self._next_stop(here)))

    def _next_stop(self, row: Row) -> int:
        looks = self.screen.looks(row.job) if isinstance(row.job, Trial) else ()
        return max((look for look in looks if look < row.level), default=0)


def _trial(row: Row) -> Trial:
    assert isinstance(row.job, Trial)
    return row.job
