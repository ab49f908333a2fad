"""Survival corrected for the probe: what a probe with a known confusion matrix would have read without its errors.

With errors that are independent from image to image, the table of (label of the base, label of the regeneration) that
is read is M^T J M, for the true table J and M = P(read | true); so J = M^-T (read) M^-1, for any number of labels.
The symmetric case of two labels is S_read = 2 e (1 - e) + (1 - 2 e)^2 S.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from diffwin.levels import FloatArray
from diffwin.survival import Curve, Readings, Tables, per_trial, t_quantile
from diffwin.trials import ALL

WORST_CONDITION = 50.0
"""A matrix with a larger condition number than this leaves more noise than signal after its inverse."""


@dataclass(frozen=True, eq=False)
class Correction:
    """`matrix` (labels, labels): P(read | true), a row a true label; `counts` (labels,): samples behind a row."""

    matrix: FloatArray
    counts: tuple[int, ...] | None = None

    @property
    def exact(self) -> bool:
        """Whether there is nothing to correct."""
        return bool(np.array_equal(self.matrix, np.eye(len(self.matrix))))

    @property
    def possible(self) -> bool:
        """Whether the labels can be told apart well enough to undo the errors."""
        return bool(np.linalg.cond(self.matrix) <= WORST_CONDITION)

    @cached_property
    def inverse(self) -> FloatArray:
        return np.asarray(np.linalg.inv(self.matrix))

    def inverses(self, count: int, seed: int) -> FloatArray:
        """(1 + count, labels, labels): the inverse, then inverses of matrices that the counts leave possible.

        Rows are drawn from Dirichlet(counts M + 1 / labels), the posterior of a row under a sparse prior, so that the
        doubt about the matrix widens the interval. Without counts the matrix is taken as known.
        """
        if self.counts is None:
            return np.broadcast_to(self.inverse, (1 + count, *self.matrix.shape))
        generator = np.random.Generator(np.random.Philox([seed, 1]))
        shape = self.matrix * np.array(self.counts)[:, None] + 1 / len(self.counts)
        rows = generator.gamma(np.broadcast_to(shape, (count, *shape.shape)))
        drawn = rows / rows.sum(axis=2, keepdims=True)
        return np.concatenate([self.inverse[None], np.linalg.inv(drawn)])

    def ceiling(self, share: FloatArray, column: int | None) -> float:
        """How often two independent readings of one image agree; `share` (labels,) are true shares.

        `column` is the label first read, or None for any.
        """
        share = np.clip(share, 0.0, None)
        once, twice = share @ self.matrix, share @ self.matrix**2
        return float(twice.sum() / share.sum() if column is None else twice[column] / once[column])


def corrections_of(record: dict[str, Any]) -> dict[str, Correction]:
    """What is known of each probe's errors, by feature."""
    return {
        feature: Correction(np.array(told["matrix"]), None if told["counts"] is None else tuple(told["counts"]))
        for feature, told in record.get("confusion", {}).items()
    }


def corrected_tables(readings: Readings, weights: FloatArray, inverses: FloatArray) -> Tables:
    """Tables of the true labels under base weights (R, bases), with an inverse (R, labels, labels) for each row."""
    known = readings.base_labels >= 0
    base, counts = readings.base_labels[known], readings.counts[known].astype(float)
    bases, levels, labels = counts.shape
    flat = counts.reshape(bases, levels * labels)
    one_hot, weights = np.eye(labels)[base], weights[:, known]
    kept, read, counted = np.empty((3, len(weights), levels, labels))
    seen = weights @ one_hot
    for row, (weight, inverse) in enumerate(zip(weights, inverses, strict=True)):
        pairs = ((one_hot * weight[:, None]).T @ flat).reshape(labels, levels, labels)
        counted[row] = pairs.sum(axis=2).T
        pairs = pairs * per_trial(counted[[row]], seen[[row]])[0].T[:, :, None]
        kept[row] = np.einsum("as,alb,bs->ls", inverse, pairs, inverse, optimize=True)
        read[row] = np.einsum("as,al->ls", inverse, pairs.sum(axis=2))
    share = np.einsum("ra,ras->rs", seen, inverses)
    itself = np.einsum("ra,ras->r", weights**2 @ one_hot, inverses**2)
    return Tables(readings.labels, kept, read, counted, share, itself, (weights**2).sum(axis=1))


def corrected_curve(readings: Readings, raw: Curve, tables: Tables, correction: Correction) -> Curve:
    """The corrected curve of the group of `raw`; it remembers the scale on which its readings were counted."""
    curve = replace(Curve.of(tables, readings, raw.group), trials=raw.trials)
    column = None if raw.group == ALL else readings.labels.index(raw.group)
    ceiling = correction.ceiling(tables.share[0], column)
    slope = (ceiling - raw.floor[0]) / (1 - curve.floor[0]) if curve.floor[0] < 1 else 1.0
    return replace(curve, scale=(ceiling - slope, slope))


def errors_repeat(curve: Curve, confidence: float = 0.95) -> bool:
    """Whether a corrected curve lies above 1 by more than chance over its two cleanest levels.

    Then base and regeneration share their misreadings, which the correction takes for independent, and it overcorrects.
    """
    trials = curve.trials[:, -2:]
    with np.errstate(invalid="ignore"):  # a resample may hold no base that was regenerated
        clean = np.where(trials > 0, curve.survival[:, -2:] * trials, 0.0).sum(axis=1) / trials.sum(axis=1)
    clean = clean[np.isfinite(clean)]
    return bool(clean[0] - 1 > t_quantile(confidence, curve.independent) * curve.spread * clean[1:].std() + 1e-9)
