"""Walks that a screen may end: those carried to the end are what they were, those that end cost what they spent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product

import pytest
import torch

from diffwin.levels import vp_grid
from diffwin.process.base import Generation, Samples, State
from diffwin.process.diffusion import Diffusion, Identity
from diffwin.process.engine import Settings
from diffwin.process.screened import SHOWN
from diffwin.process.solvers import SOLVERS, Walk, build
from diffwin.queue import Queue
from diffwin.trials import Base, Mode, Trial

SHAPE, GRID, LOOKS = (2, 3), vp_grid(-8, 6, 8), (5, 2)
TRIALS = [Trial("", base, level, repeat) for base, level, repeat in product(range(4), (1, 2, 4, 6, 8), range(3))]


class Toy(Diffusion):
    """Points that a network of sines moves about."""

    def render(self, states: Sequence[State]) -> Samples:
        return torch.stack(list(states)).numpy()


def network(x: torch.Tensor, time: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
    return (torch.tanh(x + x.roll(1, dims=2)) + torch.sin(time.reshape(-1, 1, 1))).to(x)


def process(solver: str, slots: int = 32) -> Toy:
    walk = Walk(solver, GRID, build(GRID, solver, "v_prediction"))
    return Toy(Identity("toy"), walk, network, Settings(SHAPE, slots=slots), seed=3)


def clean(trial: Trial) -> torch.Tensor:
    return torch.full(SHAPE, float(trial.base) - 1.5)


@dataclass
class Ending:
    """Ends every trial of some repeats at its first look, and remembers what it was shown."""

    repeats: tuple[int, ...] = ()
    seen: dict[tuple[Trial, int], State] = field(default_factory=dict)
    sizes: list[int] = field(default_factory=list)

    def looks(self, trial: Trial) -> Sequence[int]:
        return [look for look in LOOKS if look < trial.level]

    def ends(self, shown: Sequence[tuple[Trial, int]], estimates: Sequence[State]) -> Sequence[bool]:
        assert not self.seen.keys() & set(shown)
        self.seen |= dict(zip(shown, estimates, strict=True))
        self.sizes.append(len(shown))
        return [trial.repeat in self.repeats for trial, _ in shown]


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("slots", [1, 7, 64])
def test_a_trial_that_is_carried_to_the_end_is_what_it_was(solver: str, slots: int) -> None:
    plain = dict(process(solver).regenerate(TRIALS, clean, Mode.RENOISE))
    made, screen = process(solver, slots), Ending()
    carried = dict(made.make(TRIALS, clean, Mode.RENOISE, screen=screen))
    assert carried.keys() == plain.keys()
    assert screen.seen.keys() == {(trial, look) for trial in TRIALS for look in LOOKS if look < trial.level}
    for trial in TRIALS:
        torch.testing.assert_close(carried[trial], plain[trial], rtol=0, atol=1e-4)
    assert made.evaluations == sum(trial.level for trial in TRIALS)
    assert max(screen.sizes) <= SHOWN + slots


@pytest.mark.parametrize("slots", [1, 7, 64])
def test_a_trial_that_ends_costs_what_it_spent_and_is_not_handed_over(slots: int) -> None:
    made, screen = process("dpmpp-2m", slots), Ending(repeats=(1, 2))
    carried = dict(made.make(TRIALS, clean, Mode.RENOISE, screen=screen))
    assert carried.keys() == {t for t in TRIALS if t.repeat == 0 or t.level <= min(LOOKS)}
    ended = {trial: max(look for look in LOOKS if look < trial.level) for trial in TRIALS if trial not in carried}
    assert made.evaluations == sum(trial.level for trial in TRIALS) - sum(ended.values())


@pytest.mark.parametrize("slots", [1, 7, 64])
def test_bases_beside_screened_trials_are_carried_to_their_end(slots: int) -> None:
    bases = [Base("", index) for index in range(4)]
    made, screen = process("ddim", slots), Ending(repeats=(1, 2))
    queue, states, finished = Queue(bases, TRIALS), dict[Base, State](), []
    while queue.left:
        for each in made.make(queue, lambda trial: states[trial.of], Mode.RENOISE, screen=screen):
            if isinstance(each, Generation):
                states[each.base] = each.state
                queue.on_record(each.base, lost=False)
            else:
                finished.append(each[0])
    assert sorted(states) == bases
    assert set(finished) == {t for t in TRIALS if t.repeat == 0 or t.level <= min(LOOKS)}
    assert {trial for trial, _ in screen.seen} == {t for t in TRIALS if t.level > min(LOOKS)}
    alone = {each.base: each.state for each in process("ddim").sample(bases)}
    for base in bases:
        torch.testing.assert_close(states[base], alone[base], rtol=0, atol=1e-4)


def test_what_is_shown_is_the_estimate_of_the_step_onto_that_level() -> None:
    made, screen = process("ddim"), Ending()
    trial = Trial("", 1, 6, 0)
    dict(made.make([trial], clean, Mode.RENOISE, screen=screen))
    start = made.erase(clean(trial), trial)
    expected = made.estimate([start], 6, [""])[0]
    torch.testing.assert_close(screen.seen[trial, 5], expected, rtol=0, atol=1e-5)
