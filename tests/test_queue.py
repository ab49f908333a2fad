"""What a round hands out, and when."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from diffwin import queue
from diffwin.queue import Queue
from diffwin.trials import Base, Trial

OLD, NEW, OTHER = (Base("a cook", index) for index in range(3))


def _trials(*told: tuple[Base, int]) -> list[Trial]:
    return [Trial(base.prompt, base.index, level, 0) for base, level in told]


def test_bases_come_first_and_what_waits_for_them_is_passed_over() -> None:
    trials = _trials((NEW, 9), (OLD, 8), (OTHER, 7), (OLD, 5))
    made = Queue([NEW, OTHER], trials)
    assert [next(made) for _ in range(5)] == [NEW, OTHER, trials[1], trials[3], None]
    assert made.left


def test_a_base_on_record_frees_its_regenerations_noisiest_first_and_in_their_order() -> None:
    trials = _trials((NEW, 9), (OTHER, 9), (NEW, 7), (OTHER, 7), (OLD, 2), (NEW, 1))
    made = Queue([NEW, OTHER], trials)
    assert [next(made) for _ in range(4)] == [NEW, OTHER, trials[4], None]
    made.on_record(OTHER, lost=False)
    made.on_record(NEW, lost=False)
    assert list(made) == [*trials[:4], trials[5]]
    assert not made.left


def test_a_lost_base_is_not_regenerated_whenever_it_was_lost() -> None:
    trials = _trials((OLD, 9), (NEW, 8), (OTHER, 7), (NEW, 3))
    made = Queue([NEW], trials, lost=[OLD])
    assert [next(made) for _ in range(3)] == [NEW, trials[2], None]
    made.on_record(NEW, lost=True)
    assert list(made) == []
    assert not made.left


def test_only_so_many_are_held_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "HELD", 2)
    taken = []

    def stream() -> Iterator[Trial]:
        for trial in _trials((NEW, 9), (NEW, 8), (NEW, 7), (OLD, 6)):
            taken.append(trial)
            yield trial

    made = Queue([NEW], stream())
    assert [next(made) for _ in range(3)] == [NEW, None, None]
    assert len(taken) == 2
    made.on_record(NEW, lost=False)
    assert list(made) == _trials((NEW, 9), (NEW, 8), (NEW, 7), (OLD, 6))


def test_nothing_to_do_is_at_its_end() -> None:
    made = Queue([], [])
    assert made.left  # nobody has looked yet
    assert list(made) == []
    assert not made.left
