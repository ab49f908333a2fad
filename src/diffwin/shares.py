"""Shares of a feature's labels in the pictures of one prompt, corrected for the probe, with score intervals.

With a confusion matrix M = P(read | true) the true shares p give the read ones q = p M, so p = q M^-1 (Rogan and Gladen
1978, for any number of labels). The estimate of one label is a mean over pictures of B = M^-1 at the label read, so at
a supposed share c its variance is known,

    V(c) = (sum_j q_j B_jk^2 - c^2) / n + sum_i p_i^2 (sum_j M_ij B_jk^2 - [i = k]) / (N_i + 1),

of the n pictures and of the N_i samples on which row i of M was measured. The interval is every c that the estimate
does not contradict, (estimate - c)^2 <= z^2 V(c): Wilson's (1927) score interval where the probe makes no errors, and
as honest as that near 0 and 1 where it does (Lang and Reiczigel 2014).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from diffwin.correction import Correction
from diffwin.estimate import BLIND, UNMEASURED
from diffwin.levels import FloatArray
from diffwin.window import CONFIDENCE

OTHERWISE = "its probe errs otherwise in these pictures than where its errors were measured"


@dataclass(frozen=True, eq=False)
class Shares:
    """What one probe read in the pictures of one prompt.

    read: (labels,) how many pictures were read as each label; missing: how many could not be read.
    share: (labels,) true shares by the estimate above, before they are kept within [0, 1]. correction: the matrix it
    rests on, the identity where `uncorrected` says why there is none.
    """

    prompt: str
    feature: str
    labels: tuple[str, ...]
    read: NDArray[np.int64]
    missing: int
    correction: Correction
    uncorrected: str

    @classmethod
    def of(
        cls, prompt: str, feature: str, labels: Sequence[str], base_labels: ArrayLike, known: Correction | None
    ) -> Shares:
        """From the label index of each picture, -1 where there is none."""
        index = np.asarray(base_labels, np.int64)
        read = np.bincount(index[index >= 0], minlength=len(labels)).astype(np.int64)
        told = (prompt, feature, tuple(labels), read, int(np.count_nonzero(index < 0)))
        if known is None or not known.possible:
            return cls(*told, Correction(np.eye(len(labels))), UNMEASURED if known is None else BLIND)
        corrected = cls(*told, known, "")
        return replace(corrected._as_read(), uncorrected=OTHERWISE) if corrected.contradicted else corrected

    def with_missing(self, missing: int) -> Shares:
        """The same with so many pictures that could not be read."""
        return replace(self, missing=missing)

    @property
    def contradicted(self) -> bool:
        """Whether no shares at all give such readings through the matrix, but for a chance of 1 in 100 a label."""
        return any(
            self._tail(at, side == 1, side) < 0.005
            for at in range(len(self.labels))
            for side in (1, -1)
            if self.pictures
        )

    @property
    def pictures(self) -> int:
        """Pictures that were read."""
        return int(self.read.sum())

    @property
    def lost(self) -> float:
        """Share of all pictures that could not be read."""
        return self.missing / max(self.pictures + self.missing, 1)

    @property
    def share(self) -> FloatArray:
        return np.asarray(self.read / max(self.pictures, 1) @ self.correction.inverse)

    @property
    def shown(self) -> FloatArray:
        """The shares kept within [0, 1] and scaled to sum to one."""
        kept = np.clip(self.share, 0.0, None)
        return np.asarray(kept / max(kept.sum(), np.finfo(float).tiny))

    def interval(self, label: int, confidence: float = CONFIDENCE, *, at_once: int = 1) -> tuple[float, float]:
        """Score interval of one label's share; `at_once` intervals hold together (Bonferroni)."""
        if not self.pictures:
            return 0.0, 1.0
        z2 = float(ndtri(1 - (1 - confidence) / (2 * at_once))) ** 2
        v0, v1, v2 = self._variance(label)
        estimate = float(self.share[label])
        a, b, c = 1 - z2 * v2, -(2 * estimate + z2 * v1), estimate**2 - z2 * v0
        inside = b * b - 4 * a * c
        if a <= 0 or inside < 0:  # so few samples behind the matrix that no share is contradicted
            return 0.0, 1.0
        low, high = (-b - np.sqrt(inside)) / (2 * a), (-b + np.sqrt(inside)) / (2 * a)
        if not 0 <= estimate <= 1:  # at odds with the matrix, though not surely, which then may not be what narrows it
            read = self._as_read().interval(label, confidence, at_once=at_once)
            low, high = min(low, read[0]), max(high, read[1])
        return float(np.clip(low, 0, 1)), float(np.clip(high, 0, 1))

    def beyond(self, label: int, low: float, high: float) -> float:
        """p-value of the hypothesis that the true share of all pictures lies in [low, high].

        At most 0.05 where the score interval of 95 % lies outside. Pictures that could not be read may have had any
        label, so their share is granted to the hypothesis.
        """
        readable = 1 - self.lost
        if not self.pictures or readable <= 0:
            return 1.0
        low, high = (low - self.lost) / readable, high / readable
        above = self._tail(label, high, 1) if high < 1 else 1.0
        below = self._tail(label, low, -1) if low > 0 else 1.0
        return min(1.0, 2 * min(above, below))

    def granting_missing(self, label: int, *, at_once: int = 1) -> tuple[float, float]:
        """The interval of the share among all pictures, whatever those that could not be read showed."""
        low, high = self.interval(label, at_once=at_once)
        return low * (1 - self.lost), high * (1 - self.lost) + self.lost

    def _as_read(self) -> Shares:
        """The same, not corrected."""
        return replace(self, correction=Correction(np.eye(len(self.labels))))

    def _tail(self, label: int, share: float, side: int) -> float:
        """Chance of an estimate as high (side 1) or as low (-1) as this one, at a supposed share."""
        variance = float(np.polyval(self._variance(label)[::-1], share))
        return float(ndtr(-side * (self.share[label] - share) / np.sqrt(max(variance, 1e-12))))

    def _variance(self, label: int) -> tuple[float, float, float]:
        """V(c) = v0 + v1 c + v2 c^2 of one label's estimate; what it leaves goes to the others as they were read."""
        matrix, column = self.correction.matrix, self.correction.inverse[:, label]
        others = np.clip(self.share, 0.0, None)
        others[label] = 0.0
        if not others.sum():
            others = 1.0 - np.eye(len(others))[label]
        start = others / others.sum()
        along = np.eye(len(start))[label] - start  # the shares are start + c along
        square = matrix @ column**2
        n = self.pictures
        v0, v1, v2 = float(start @ square) / n, float(along @ square) / n, -1.0 / n
        if self.correction.counts is not None:
            doubt = (square - np.eye(len(start))[label]) / (np.array(self.correction.counts) + 1)
            v0, v1, v2 = v0 + start**2 @ doubt, v1 + 2 * start * along @ doubt, v2 + along**2 @ doubt
        return float(v0), float(v1), float(v2)
