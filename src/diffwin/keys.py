"""Addressed randomness: a draw is a function of where it is used, never of what was drawn before.

A key names (seed, prompt, base, level, repeat, purpose); noise for one of its steps comes from a Philox counter
(Salmon et al. 2011) whose top word is that step. So the same trial gets the same noise in any batch, order, process or
resumption. Drawn in float32 on the CPU and then moved.

Repeats come in antithetic pairs: 1 has the noise of 0 with its sign turned, 3 that of 2, and so on. Each alone has the
law it should; what the noise pushes out of a feature in one of them it tends to keep in the other, so that their mean
varies less (Hammersley and Morton 1956). The bases, on which intervals rest, stay independent.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.random.bit_generator import ISeedSequence
from numpy.typing import NDArray

from diffwin.trials import Base, Trial

Purpose = Literal["start", "erase", "step"]


@dataclass(frozen=True)
class Key:
    """The address of one generation's noise, and its sign."""

    seed: int
    prompt: str
    base: int
    level: int
    repeat: int
    sign: int = 1

    @classmethod
    def of_base(cls, seed: int, base: Base) -> Key:
        """Fresh generations have no level or repeat of their own."""
        return cls(seed, base.prompt, base.index, -1, -1)

    @classmethod
    def of_trial(cls, seed: int, trial: Trial) -> Key:
        turned = trial.repeat % 2
        return cls(seed, trial.prompt, trial.base, trial.level, trial.repeat - turned, -1 if turned else 1)

    @cached_property
    def _prefix(self) -> bytes:
        # the prompt is hashed apart, so that no text can imitate the fields around it
        text = hashlib.blake2b(self.prompt.encode(), digest_size=32).digest()
        return text + f"|{self.seed}|{self.base}|{self.level}|{self.repeat}".encode()

    def noise(self, purpose: Purpose, step: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Standard normal noise of `shape` for one purpose and step, float32."""
        digest = hashlib.blake2b(self._prefix + b"|" + purpose.encode(), digest_size=16).digest()
        words = _Words(digest)
        counter = np.array([0, 0, 0, step], np.uint64)
        stream = np.random.Philox(words, counter=counter)  # type: ignore[arg-type]  # numpy's stubs know SeedSequence only
        drawn = np.random.Generator(stream).standard_normal(shape, dtype=np.float32)
        return drawn if self.sign > 0 else -drawn


class _Words(ISeedSequence):
    """Hands a digest over as Philox's key; `Philox(key=...)` would gather the system's entropy first, and be slow."""

    def __init__(self, digest: bytes) -> None:
        self._words = np.frombuffer(digest, np.uint64)

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> NDArray[np.uint64]:
        return self._words
