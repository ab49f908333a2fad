"""A diffusion model as a Process: the engine, a grid and a condition for each prompt."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from diffwin.errors import BadInput
from diffwin.keys import Key
from diffwin.process.base import Generation, Samples, Screen, State, States, SwitchStates
from diffwin.process.engine import Engine, Network, Row, Settings
from diffwin.process.screened import screened
from diffwin.process.solvers import Walk
from diffwin.trials import Base, Mode, Switch, Trial


@dataclass(frozen=True)
class Identity:
    """What a process says of itself in results."""

    name: str
    provenance: dict[str, str] = field(default_factory=dict)


class Diffusion(ABC):
    """The verbs of `Process` over one engine; a family adds `render`, and `condition` if it reads prompts."""

    takes_prompt = False
    tells_guidance = False
    """Whether the network is told the guidance weight, so that no unconditional half goes through beside a row."""

    tokens: tuple[str, ...] = ()

    def __init__(
        self,
        identity: Identity,
        walk: Walk,
        network: Network,
        settings: Settings,
        *,
        seed: int,
        guidance: float = 1.0,
    ) -> None:
        self.name, self.provenance = identity.name, identity.provenance
        self.grid, self.solver, self.stochastic = walk.grid, walk.solver, walk.stochastic
        self.feature_labels: dict[str, tuple[str, ...]] = {}
        self.prior_scale, self.seed, self.guidance = walk.prior_scale, seed, guidance
        self.engine = Engine(network, walk.table, settings)

    @property
    def device(self) -> str:
        return self.engine.settings.device

    @property
    def evaluations(self) -> int:
        return self.engine.evaluations

    def check_prompt(self, prompt: str) -> None:
        if prompt and not self.takes_prompt:
            raise BadInput(f"{self.name} takes no prompt", where="--prompt", cure="leave the prompt out")

    def condition(self, prompt: str) -> int:
        """The id by which the network knows this prompt; 0 is the unconditional one."""
        return 0

    @property
    def paired(self) -> float:
        """The weight at which rows are guided by a pair; 1 is none."""
        return 1.0 if self.tells_guidance else self.guidance

    def cost(self, level: int, prompt: str | None = None) -> int:
        guided = self.paired != 1.0 and (prompt is None or self.condition(prompt) != 0)
        return level * (2 if guided else 1)

    def sample(self, bases: Iterable[Base], keep: Sequence[int] = ()) -> Iterator[Generation]:
        kept = frozenset(keep)
        for row, state in self.engine.walk(self._fresh(base, kept) for base in bases):
            yield _generation(row, state)

    def make(
        self,
        wanted: Iterable[Base | Trial | None],
        states: States,
        mode: Mode,
        keep: Sequence[int] = (),
        screen: Screen | None = None,
    ) -> Iterator[Generation | tuple[Trial, State]]:
        kept = frozenset(keep)

        def begun(one: Base | Trial | None) -> Row | None:
            if isinstance(one, Trial):
                return self._row(one, states(one), mode)
            return None if one is None else self._fresh(one, kept)

        rows = map(begun, wanted)
        for row, state in self.engine.walk(rows) if screen is None else screened(self.engine, rows, screen):
            yield (row.job, state) if isinstance(row.job, Trial) else _generation(row, state)

    def _fresh(self, base: Base, keep: frozenset[int]) -> Row:
        key, top = Key.of_base(self.seed, base), self.grid.top
        start = torch.from_numpy(key.noise("start", top, self.engine.settings.shape)) * self.prior_scale
        return Row(base, key, top, self.condition(base.prompt), start, keep, self.paired)

    def erase(self, state: State, trial: Trial) -> State:
        if trial.level == 0:
            return state
        noise = torch.from_numpy(Key.of_trial(self.seed, trial).noise("erase", trial.level, tuple(state.shape)))
        alpha, sigma = self.grid.alpha[trial.level], self.grid.sigma[trial.level]
        return float(alpha) * state + float(sigma) * noise.to(state)

    def regenerate(self, trials: Iterable[Trial], states: States, mode: Mode) -> Iterator[tuple[Trial, State]]:
        for made in self.make(trials, states, mode):
            assert not isinstance(made, Generation)
            yield made

    def _row(self, trial: Trial, state: State, mode: Mode) -> Row:
        start = self.erase(state, trial) if mode is Mode.RENOISE else state
        key, condition = Key.of_trial(self.seed, trial), self.condition(trial.prompt)
        return Row(trial, key, trial.level, condition, start, guidance=self.paired)

    def estimate(self, states: Sequence[State], level: int, prompts: Sequence[str]) -> list[State]:
        told = torch.tensor([self.condition(prompt) for prompt in prompts], dtype=torch.int64)
        return list(self.engine.estimate(torch.stack(list(states)), torch.full_like(told, level), told))

    def encode(self, pictures: Samples) -> list[State]:
        raise BadInput(
            f"{self.name} has no pictures to start from", where="--model", cure="give a model or a world of pictures"
        )

    def entry(self, switch: Switch) -> int:
        # the first step of a second-order solver on the other side of a stop is not that of a walk that never stopped
        return self.grid.top if self.engine.table.second_order else switch.start

    def switch(self, switches: Iterable[Switch], states: SwitchStates) -> Iterator[tuple[Switch, State]]:
        for row, state in self.engine.walk(self._switched(switch, states(switch)) for switch in switches):
            assert isinstance(row.job, Switch)
            yield row.job, state

    def _switched(self, switch: Switch, state: State) -> Row:
        own, other = self.condition(switch.base.prompt), self.condition(switch.prompt)
        turns = {switch.start: other, switch.stop: own}  # in this order: nothing is left of a switch over no step
        level = self.entry(switch)
        key = Key.of_base(self.seed, switch.base)
        return Row(switch, key, level, turns.get(level, own), state, guidance=self.paired, turns=turns)

    def switch_cost(self, switch: Switch) -> int:
        other = switch.start - switch.stop
        return self.cost(other, switch.prompt) + self.cost(self.entry(switch) - other, switch.base.prompt)

    @abstractmethod
    def render(self, states: Sequence[State]) -> Samples:
        """Decode finished states, in chunks that fit in memory."""

    def read_truth(self, samples: Samples, feature: str) -> NDArray[np.float64]:
        raise BadInput(
            f"{self.name} does not know the true {feature} of a sample",
            where="--probe truth",
            cure="truth probes read mixtures and image sets only",
        )


def _generation(row: Row, state: State) -> Generation:
    assert isinstance(row.job, Base)
    return Generation(row.job, state, row.passed)
