"""Who becomes whom: what a picture was read as before and after it was regenerated from a noise level.

A sampler that draws exactly from its model moves as many pictures from a to b as from b to a (the pair of a base and
its regeneration can be exchanged), and reading errors that are independent of the picture keep that balance. A net flow
is therefore a bias of the regeneration itself. It is tested by the sign of each base's moves, the base being what
counts (the idea of McNemar 1947 and Bowker 1948, with clusters).

The table of (label before, label after) that is read is M^T J M for the true table J and M = P(read | true), where
errors are independent from image to image; so J = M^-T (read) M^-1, as in `correction`. Its intervals come from
resampling bases, each resample with a matrix drawn from what is known of M. They are wide where bases are few, as they
must be, but on simulated tables of 12 bases and more the corrected shares lie nearer to the true ones than those read
do, and only their intervals hold them (tests/audit/test_transitions.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr
from scipy.stats import false_discovery_control

from diffwin.audit.verdict import FALSE_FINDINGS
from diffwin.correction import Correction
from diffwin.intervene.effects import measured
from diffwin.levels import FloatArray
from diffwin.survival import RESAMPLES, Readings, resample

FEWEST_MOVES = 10
"""Bases that moved between two labels, below which their net flow is not judged."""


@dataclass(frozen=True, eq=False)
class Moves:
    """What share of all regenerations went from each label to each, (labels, labels), without the probe's errors.

    share: within [0, 1], its cells sum to one. low, high: of intervals that hold for the whole table at once.
    """

    share: FloatArray
    low: FloatArray
    high: FloatArray


@dataclass(frozen=True, eq=False)
class Transitions:
    """Regenerations of one prompt and feature from one level: counts (labels, labels), a row the label before.

    corrected: the same without the probe's errors, or None; uncorrected: why there is none.
    """

    prompt: str
    feature: str
    labels: tuple[str, ...]
    level: int
    log_snr: float
    counts: NDArray[np.int64]
    corrected: Moves | None = None
    uncorrected: str = ""


@dataclass(frozen=True)
class NetFlow:
    """Moves from `first` to `second` less those back, over all levels of one prompt and feature.

    there, back: regenerations. p_value of a balance; None where too few bases moved to say. settled: a net flow beyond
    chance, the share of false ones held over all flows of the audit.
    """

    prompt: str
    feature: str
    first: str
    second: str
    there: int
    back: int
    p_value: float | None = None
    settled: bool = False


def transitions(readings: Readings, known: Correction | str, seed: int = 0) -> list[Transitions]:
    """One a level that was regenerated from, from noise to image; `known` errors are undone, or a reason says why not.

    `seed` gives the resamples of bases and matrices, the same at every level.
    """
    named = (readings.prompt, readings.feature, readings.labels)
    each = readings.one_hot.astype(np.int64)[:, :, None, None] * readings.counts.transpose(0, 2, 1)[:, None]
    inverses = None if isinstance(known, str) else known.inverses(RESAMPLES, seed)
    why, found = known if isinstance(known, str) else "", []
    for at, (level, snr) in enumerate(zip(readings.levels, readings.log_snr, strict=True)):
        if level > 0 and each[..., at].any():
            moves = None if inverses is None else corrected(each[..., at], inverses, seed)
            found.append(Transitions(*named, int(level), float(snr), each[..., at].sum(axis=0), moves, why))
    return found[::-1]


def corrected(each: NDArray[np.int64], inverses: FloatArray, seed: int) -> Moves:
    """The true table of what was read of each base (bases, labels, labels), by inverses (1 + R, labels, labels)."""
    each = each[each.any(axis=(1, 2))]
    bases, labels, _ = each.shape
    weights = np.concatenate([np.ones((1, bases)), resample(bases, len(inverses) - 1, seed)])
    read = np.tensordot(weights, each / each.sum(axis=(1, 2)).mean(), axes=1) / bases
    draws = np.einsum("raj,rab,rbk->rjk", inverses, read, inverses, optimize=True)
    reach = np.ptp(inverses[0], axis=0)
    cells = measured(draws.reshape(len(draws), -1), bases, np.outer(reach, reach).ravel())
    share = np.clip(draws[0], 0.0, None)
    share /= share.sum()
    low, high = np.clip([[cell.low, cell.high] for cell in cells], 0, 1).T.reshape(2, labels, labels)
    return Moves(share, np.minimum(low, share), np.maximum(high, share))


def net_flows(readings: Sequence[Readings]) -> list[NetFlow]:
    """Every pair of labels between which something moved, judged together (Benjamini and Yekutieli)."""
    found = [flow for each in readings for flow in _flows(each)]
    tested = [flow.p_value for flow in found if flow.p_value is not None]
    adjusted = iter(false_discovery_control(tested, method="by") if tested else [])
    return [
        flow if flow.p_value is None else replace(flow, settled=bool(next(adjusted) <= FALSE_FINDINGS))
        for flow in found
    ]


def _flows(readings: Readings) -> list[NetFlow]:
    moved = readings.counts[:, readings.levels > 0].sum(axis=1)  # (bases, labels)
    flows = []
    for a, b in combinations(range(len(readings.labels)), 2):
        there, back = moved[readings.base_labels == a, b], moved[readings.base_labels == b, a]
        total = int(there.sum()), int(back.sum())
        if not any(total):
            continue
        named = (readings.prompt, readings.feature, readings.labels[a], readings.labels[b])
        flows.append(NetFlow(*named, *total, _balance(np.concatenate([there, -back]))))
    return flows


def _balance(moves: NDArray[np.int64]) -> float | None:
    """p-value of a mean of zero, of signed moves a base."""
    if np.count_nonzero(moves) < FEWEST_MOVES:
        return None
    return float(2 * ndtr(-abs(moves.sum()) / np.sqrt((moves.astype(float) ** 2).sum())))
