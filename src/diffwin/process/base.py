"""What diffwin asks of a generative model: erase, regenerate, and show the result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray

from diffwin.levels import Grid
from diffwin.trials import Base, Mode, Switch, Trial

State = torch.Tensor
"""One sample in the model's own space, on the CPU: latents (c, h, w), pixels (c, h, w) or a point (d,)."""

Samples = NDArray[Any]
"""Rendered states: uint8 RGB pictures (n, h, w, 3), or float64 points (n, d) for a world without pictures."""

States = Callable[[Trial], State]
"""Where a trial starts: the clean base in renoise mode, the kept noisy state in branch mode."""

SwitchStates = Callable[[Switch], State]
"""Where a switched generation sets in: the state of its base at its entry."""


@dataclass(frozen=True)
class Generation:
    """A fresh sample and, for branch mode, the states it passed through, by level."""

    base: Base
    state: State
    passed: dict[int, State] = field(default_factory=dict)


class Screen(Protocol):
    """Says when the model's estimate of a finished sample is enough, so that the rest of its walk is saved."""

    def looks(self, trial: Trial) -> Sequence[int]:
        """Levels below the trial's, noisiest first, at which its estimate is shown."""

    def ends(self, shown: Sequence[tuple[Trial, int]], estimates: Sequence[State]) -> Sequence[bool]:
        """Whether each trial ends there, from the model's x0hat on the way to that level."""


@runtime_checkable
class Process(Protocol):
    """A few verbs, streams rather than batches, so that an engine can fill its slots."""

    name: str
    """What was asked for: a shipped name, a hub id or a folder."""
    grid: Grid
    solver: str
    stochastic: bool
    takes_prompt: bool
    """Whether the model reads a prompt; a process that does not is given the empty one."""
    provenance: dict[str, str]
    """Identity for the record: kind, revision or content hash, class names, licence."""
    feature_labels: dict[str, tuple[str, ...]]
    """Labels known exactly for every sample (mixtures, image sets), by feature; empty for a trained model."""

    tokens: tuple[str, ...]
    """Words that embeddings laid over the model have taught it."""

    @property
    def device(self) -> str:
        """Where its network runs: cpu, mps, cuda or cuda:N."""

    @property
    def guidance(self) -> float:
        """The weight of classifier-free guidance; 1 is none."""

    @property
    def evaluations(self) -> int:
        """Network rows spent so far: one sample once through the network; a guidance pair is two."""

    def check_prompt(self, prompt: str) -> None:
        """BadInput for a prompt that the model cannot read whole."""

    def cost(self, level: int, prompt: str | None = None) -> int:
        """Network rows of one regeneration from `level`; the negative prompt has no guidance pair, others have."""

    def sample(self, bases: Iterable[Base], keep: Sequence[int] = ()) -> Iterator[Generation]:
        """Fresh generations, in the order they finish, with the states at the levels of `keep`."""

    def make(
        self,
        wanted: Iterable[Base | Trial | None],
        states: States,
        mode: Mode,
        keep: Sequence[int] = (),
        screen: Screen | None = None,
    ) -> Iterator[Generation | tuple[Trial, State]]:
        """`sample` and `regenerate` in the same slots, without the trials that the screen ends.

        None among what is wanted says that nothing can be begun before something under way has finished; it is asked
        again then, and this ends if nothing is under way.
        """

    def erase(self, state: State, trial: Trial) -> State:
        """x_t ~ q(x_t | x_0 = state) at the trial's level, by the trial's own noise; level 0 is the identity."""

    def regenerate(self, trials: Iterable[Trial], states: States, mode: Mode) -> Iterator[tuple[Trial, State]]:
        """Finished samples of the trials, in the order they finish."""

    def estimate(self, states: Sequence[State], level: int, prompts: Sequence[str]) -> list[State]:
        """The network's x0hat of noisy states at one level, each told its prompt; no guidance, one row each."""

    def encode(self, pictures: Samples) -> list[State]:
        """Finished states of real pictures, uint8 RGB (n, h, w, 3): the inverse of `render`, up to rounding and to what
        an autoencoder loses. BadInput for pictures of another size than the model's own."""

    def entry(self, switch: Switch) -> int:
        """The level from which a switched generation is walked: where it switches, or the top if steps look back."""

    def switch(self, switches: Iterable[Switch], states: SwitchStates) -> Iterator[tuple[Switch, State]]:
        """Finished generations under switched prompts, in the order they finish.

        They go on from what their bases passed through at `entry`, with the noise of those bases.
        """

    def switch_cost(self, switch: Switch) -> int:
        """Network rows of one."""

    def render(self, states: Sequence[State]) -> Samples:
        """Decode finished states, in chunks that fit in memory."""

    def read_truth(self, samples: Samples, feature: str) -> NDArray[np.float64]:
        """Exact P(label | sample), shape (n, labels), for a feature of `feature_labels`."""
