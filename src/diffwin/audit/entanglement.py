"""How much of a sensitive feature is fixed once the ordinary ones are.

Two measures. Across prompts: the share of the uncertainty about the feature that goes once the prompt is known, Theil's
(1970) uncertainty coefficient U = I(feature; prompt) / H(feature), every prompt counting alike. Within a prompt that
leaves both open: how far the sensitive feature has risen from chance, (S - floor) / (1 - floor), at the noise level
where the ordinary one is decided.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import entr

from diffwin.estimate import Estimate
from diffwin.levels import FloatArray
from diffwin.monotone import rises
from diffwin.shares import Shares
from diffwin.survival import t_quantile
from diffwin.trials import ALL
from diffwin.window import CONFIDENCE

DRAWS = 400


@dataclass(frozen=True)
class Coefficient:
    """Theil's U of one feature over a suite's prompts, in [0, 1]; `information` = U times the entropy, in nats."""

    feature: str
    value: float
    low: float
    high: float
    information: float
    entropy: float
    prompts: int


@dataclass(frozen=True)
class Fixed:
    """Normalised survival of a sensitive feature at the decision of an ordinary one, in one prompt."""

    prompt: str
    sensitive: str
    ordinary: str
    log_snr: float
    value: float
    low: float
    high: float


def coefficient(shares: Sequence[Shares], seed: int = 0) -> Coefficient | None:
    """U of one feature, from its shares in each prompt; None with fewer than two prompts or nothing to decide.

    The plug-in estimate is too large for small samples; what redrawn samples (from the estimated shares, through the
    probe's errors and back) exceed it by is taken off, and they give the interval about it.
    """
    known = [each for each in shares if each.pictures]
    if len(known) < 2:
        return None
    rows = np.stack([each.shown for each in known])
    information, entropy = _information(rows[None])
    if entropy[0] <= 0.01:
        return None
    value = float(information[0] / entropy[0])
    again, of = _information(_redrawn(known, rows, seed))
    drawn = again / np.maximum(of, 1e-9)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    corrected = float(np.clip(2 * value - drawn.mean(), 0, 1))
    low, high = (float(np.clip(2 * value - end, 0, 1)) for end in (high, low))
    feature = known[0].feature
    return Coefficient(feature, corrected, low, high, corrected * float(entropy[0]), float(entropy[0]), len(known))


def _information(rows: FloatArray) -> tuple[FloatArray, FloatArray]:
    """I(label; prompt) and H(label), (draws,) each in nats, of shares (draws, prompts, labels)."""
    entropy = entr(rows.mean(axis=1)).sum(axis=1)
    return np.asarray(entropy - entr(rows).sum(axis=2).mean(axis=1)), np.asarray(entropy)


def _redrawn(shares: Sequence[Shares], rows: FloatArray, seed: int) -> FloatArray:
    """(DRAWS, prompts, labels): shares of samples as large, read and corrected anew."""
    generator = np.random.Generator(np.random.Philox([seed, 2]))
    parts = []
    for each, row in zip(shares, rows, strict=True):
        read = row @ each.correction.matrix
        counts = generator.multinomial(each.pictures, read / read.sum(), size=DRAWS)
        back = np.clip(counts / each.pictures @ each.correction.inverse, 0.0, None)
        parts.append(back / back.sum(axis=1, keepdims=True))
    return np.stack(parts, axis=1)


def fixed_at_decision(sensitive: Estimate, ordinary: Estimate) -> Fixed | None:
    """How far `sensitive` is fixed where `ordinary` of the same prompt is decided; None unless that is located.

    The interval takes the ordinary decision where each resample has it, so that it holds the doubt about both.
    """
    located = ordinary.located.get(ALL)
    curve = sensitive.used.get(ALL)
    if located is None or located.draws is None or located.window.decision is None or curve is None:
        return None
    rows = np.flatnonzero(curve.usable & np.isfinite(located.draws[:, 1]))
    if len(rows) < 50 or rows[0] != 0 or len(curve.log_snr) < 3:
        return None
    levels = located.draws[rows, 1]
    values = np.clip(np.diagonal(rises(curve, rows).at(levels)), 0, 1)
    half = float(t_quantile(CONFIDENCE, curve.independent)) * curve.spread * float(values[1:].std())
    at = float(values[0])
    return Fixed(
        sensitive.readings.prompt, sensitive.readings.feature, ordinary.readings.feature, float(levels[0]), at,
        max(at - half, 0.0), min(at + half, 1.0),
    )  # fmt: skip
