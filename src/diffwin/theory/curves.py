"""Exact survival of every label of a world along the noise axis, and where it crosses a value.

Two components that share a covariance have a closed form. Anything else is a Monte Carlo over one set of draws for all
levels, so that the curve is smooth, with the standard error of each point; between levels it is a cubic spline.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.optimize import brentq

from diffwin.levels import FloatArray
from diffwin.theory.pair import separation_along, survival
from diffwin.worlds.base import Feature
from diffwin.worlds.exact import Draws, Survival
from diffwin.worlds.image_set import ImageSet
from diffwin.worlds.mixture import GaussianMixture
from diffwin.worlds.read import own_range

ALL = "all"
SPACING = 0.2
"""Of the axis in log-SNR: crossings of the spline are then right to 1e-5 (measured on pairs)."""

_MOST_DRAWS = 2**15
_MOST_PRODUCTS = 2**23


@dataclass(frozen=True)
class Crossing:
    """Where a curve passes a value; -inf if above it all along, +inf if below. `error` is numerical, one sigma."""

    log_snr: float
    error: float = 0.0


@dataclass(frozen=True, eq=False)
class ExactCurve:
    """Survival of one group of one feature: `log_snr` (n,) rises, `survival` and `standard_error` (n,)."""

    feature: str
    group: str
    floor: float
    log_snr: FloatArray
    survival: FloatArray
    standard_error: FloatArray

    @property
    def normalised(self) -> FloatArray:
        """(S - floor) / (1 - floor), which rises from 0; NaN for a label that is certain."""
        room = 1 - self.floor
        return (self.survival - self.floor) / room if room > 0 else np.full(len(self.survival), np.nan)

    def at(self, log_snr: FloatArray) -> FloatArray:
        """Survival at other levels, shape of `log_snr`; beyond the axis that of its end."""
        inside = np.clip(log_snr, self.log_snr[0], self.log_snr[-1])
        return np.asarray(np.clip(CubicSpline(self.log_snr, self.survival)(inside), 0.0, 1.0))

    def crossing(self, level: float) -> Crossing:
        """Where the normalised survival passes `level`, in (0, 1).

        The error joins the Monte Carlo's, its standard error over the slope, and the interpolation's, judged by leaving
        out every other level.
        """
        curve = np.maximum.accumulate(np.nan_to_num(self.normalised, nan=1.0))
        found = _solve(self.log_snr, curve, level)
        if not np.isfinite(found):
            return Crossing(found)
        slope = float(CubicSpline(self.log_snr, curve)(found, 1))
        spread = float(np.interp(found, self.log_snr, self.standard_error)) / (1 - self.floor)
        coarse = _solve(self.log_snr[::2], curve[::2], level)
        return Crossing(found, float(np.hypot(spread / max(slope, 1e-12), coarse - found)))


def exact_curves(
    world: GaussianMixture | ImageSet,
    features: Mapping[str, Feature],
    *,
    ends: tuple[float, float] | None = None,
    draws: int | None = None,
    seed: int = 0,
) -> dict[str, list[ExactCurve]]:
    """For each feature the curve of `all`, then of each label, between `ends` in log-SNR (the world's own range)."""
    low, high = ends or own_range(world)
    axis = np.linspace(low, high, max(int(np.ceil((high - low) / SPACING)), 8) + 1)
    closed = {name: d for name, feature in features.items() if (d := _separations(world, feature, axis)) is not None}
    open_ = {name: feature for name, feature in features.items() if name not in closed}
    counted = _by_draws(world, open_, axis, draws or draws_for(world), seed)
    return {
        name: _pair_curves(name, feature, world, axis, closed[name])
        if name in closed
        else _counted_curves(name, feature, world, axis, [level[name] for level in counted])
        for name, feature in features.items()
    }


def draws_for(world: GaussianMixture | ImageSet) -> int:
    """As many as keep a curve to seconds and a few hundred MB."""
    return int(np.clip(_MOST_PRODUCTS // len(world.weights), 1000, _MOST_DRAWS))


def _by_draws(
    world: GaussianMixture | ImageSet, features: dict[str, Feature], axis: FloatArray, draws: int, seed: int
) -> list[dict[str, Survival]]:
    if not features:
        return []
    seen = Draws(world, draws, seed)
    return [seen.survivals(features, at) for at in axis]


def _counted_curves(
    name: str, feature: Feature, world: GaussianMixture | ImageSet, axis: FloatArray, levels: list[Survival]
) -> list[ExactCurve]:
    prior = world.weights @ feature.table
    whole = [(level.value, level.standard_error) for level in levels]
    groups = [[level.groups[label] for level in levels] for label in feature.labels]
    floors = [float(prior @ prior), *map(float, prior)]
    return [
        ExactCurve(name, group, floor, axis, *np.clip(np.array(points).T, 0.0, 1.0))
        for group, floor, points in zip((ALL, *feature.labels), floors, [whole, *groups], strict=True)
    ]


def _pair_curves(
    name: str, feature: Feature, world: GaussianMixture | ImageSet, axis: FloatArray, d: FloatArray
) -> list[ExactCurve]:
    prior = world.weights @ feature.table
    groups = [survival(d, w) for w in prior]
    curves = [np.asarray(prior @ groups), *groups]
    floors = [float(prior @ prior), *map(float, prior)]
    none = np.zeros(len(axis))
    return [
        ExactCurve(name, group, floor, axis, curve, none)
        for group, floor, curve in zip((ALL, *feature.labels), floors, curves, strict=True)
    ]


def _separations(world: GaussianMixture | ImageSet, feature: Feature, axis: FloatArray) -> FloatArray | None:
    """D at each level of two components that share a covariance and have a label each; None for anything else."""
    if len(world.weights) != 2 or not np.array_equal(np.sort(feature.table, axis=0), [[0, 0], [1, 1]]):
        return None
    if isinstance(world, ImageSet):
        return separation_along(world.offsets[0] - world.offsets[1], 0.0, axis)
    apart = world.means[0] - world.means[1]
    if np.ptp(world.variance, axis=0).any() or (world.axes is not None and np.ptp(world.axes, axis=0).any()):
        return None
    along = apart if world.axes is None else apart @ world.axes[0]
    return separation_along(along, world.variance[0], axis)


def _solve(axis: FloatArray, curve: FloatArray, level: float) -> float:
    """Where a non-decreasing curve first passes a level, by a cubic spline."""
    if curve[0] >= level:
        return -np.inf
    if curve[-1] < level:
        return np.inf
    spline, first = CubicSpline(axis, curve - level), int(np.argmax(curve >= level))
    return float(brentq(spline, axis[first - 1], axis[first], xtol=1e-10))
