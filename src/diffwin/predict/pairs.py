"""A world of two components, by every convention that has been used for when it is decided."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from diffwin.levels import log_snr_at, ou_time
from diffwin.theory.blink import exact_thresholds, printed_thresholds
from diffwin.theory.conventions import drift_instability_time
from diffwin.theory.pair import DECIDED_AT, EVEN, crossing, log_snr_of_separation, steepest
from diffwin.worlds.image_set import ImageSet
from diffwin.worlds.mixture import GaussianMixture


@dataclass(frozen=True)
class Convention:
    """One answer to "when": as OU time and log-SNR, with who gives it."""

    name: str
    ou_time: float
    log_snr: float
    source: str


@dataclass(frozen=True)
class PairTheory:
    """Two components `apart` from each other, of one std, the first with this weight."""

    apart: float
    std: float
    weight: float
    conventions: tuple[Convention, ...]


def pair_theory(world: GaussianMixture | ImageSet, eps: float) -> PairTheory | None:
    """The conventions of a pair; None for anything else."""
    std = 0.0 if isinstance(world, ImageSet) else world.common_std
    if std is None or len(world.weights) != 2:
        return None
    points = world.offsets if isinstance(world, ImageSet) else world.means
    apart = float(np.linalg.norm(points[0].astype(np.float64) - points[1]))
    weight = float(world.weights[0])
    return PairTheory(apart, std, weight, tuple(_conventions(apart, std, weight, eps)))


def _conventions(apart: float, std: float, weight: float, eps: float) -> Iterator[Convention]:
    """Those that exist, the cleanest first."""
    found = {
        ("half of what can survive does", ""): crossing(0.5, apart, std, weight),
        ("D = 2, speciation", "Biroli et al. 2024"): float(log_snr_of_separation(DECIDED_AT, apart, std)),
    }
    if std == 1:
        at = log_snr_of_separation(steepest(weight).separation, apart, std)
        found["survival falls fastest in OU time", ""] = float(at)
    if weight == EVEN:
        found |= _of_even(apart, std, eps)
    finite = {key: at for key, at in found.items() if np.isfinite(at)}
    for (name, source), level in sorted(finite.items(), key=lambda item: -item[1]):
        yield Convention(name, float(ou_time(level)), level, source)


def _of_even(apart: float, std: float, eps: float) -> dict[tuple[str, str], float]:
    """Those that are known for two even components only."""
    mu, blink = apart / 2, "Li, Karan & Chen 2025"
    exact = exact_thresholds(mu, eps, std)
    times = {
        ("the reverse drift turns unstable", "Raya & Ambrogioni 2023"): float(drift_instability_time(mu, std)),
        (f"T_before, total variation {eps:g}", blink): exact.before,
        (f"T_after, total variation 1 - {eps:g}^2", blink): exact.after,
    }
    if std == 1:
        printed = printed_thresholds(mu, eps)
        times["T_before, the printed bound", blink] = printed.before
        times["T_after, the printed bound", blink] = printed.after
    return {key: float(log_snr_at(t)) for key, t in times.items() if t > 0}
