"""Exact survival of every label of a world along the noise axis, and where it crosses a value.

Two components that share a covariance have a closed form. Anything else is a Monte Carlo over one set of draws for all
levels, so that the curve is smooth, with the standard error of each point; between levels it is a cubic spline.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.optimize import brentq

from diffwin.levels import EDGE, FloatArray
from diffwin.theory.pair import deterministic_survival, separation_along, survival
from diffwin.theory.panorama import Panorama
from diffwin.trials import ALL
from diffwin.worlds.base import Feature
from diffwin.worlds.exact import mean_and_error, survival_of
from diffwin.worlds.image_set import ImageSet
from diffwin.worlds.mixture import GaussianMixture

_APART = 6.0
"""D of components whose clean samples are misread less often than once in 700."""


@dataclass(frozen=True)
class Crossing:
    """Where a curve passes a value; -inf if above it all along, +inf if below. `error` is numerical, one sigma."""

    log_snr: float
    error: float = 0.0


@dataclass(frozen=True)
class ExactWindow:
    """Where the normalised survival rises through EDGE, 1/2 and 1 - EDGE."""

    onset: Crossing
    decision: Crossing
    end: Crossing


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

    def window(self) -> ExactWindow:
        """Onset, decision and end."""
        return ExactWindow(*(self.crossing(level) for level in (EDGE, 0.5, 1 - EDGE)))

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


def exact_curves(panorama: Panorama) -> dict[str, list[ExactCurve]]:
    """For each feature the curve of `all`, then that of each label."""
    return {name: _curves(panorama, name, feature) for name, feature in panorama.features.items()}


def deterministic_curves(panorama: Panorama) -> dict[str, list[ExactCurve]]:
    """The same under the probability flow, for features of two even components that clean samples tell apart."""
    found = {}
    for name, feature in panorama.features.items():
        d = _separations(panorama.world, feature, panorama.log_snr)
        if d is not None and np.allclose(panorama.world.weights, 0.5) and d[-1] > _APART:
            curve, none = deterministic_survival(d), np.zeros(len(d))
            found[name] = [
                ExactCurve(name, group, 0.5, panorama.log_snr, curve, none) for group in (ALL, *feature.labels)
            ]
    return found


def atom_curve(panorama: Panorama, name: str) -> ExactCurve:
    """How often the very atom comes back: of an image set that image, where an ideal model of it is memorising.

    The collapse of Biroli et al. (2024), for the set itself and not a Gaussian model of it.
    """
    points = [mean_and_error(level, panorama.weights) for level in panorama.itself]
    survival, error = np.array(points).T
    return ExactCurve(name, ALL, float(np.square(panorama.world.weights).sum()), panorama.log_snr, survival, error)


def _curves(panorama: Panorama, name: str, feature: Feature) -> list[ExactCurve]:
    prior = panorama.world.weights @ feature.table
    d = _separations(panorama.world, feature, panorama.log_snr)
    survival, error = _counted(panorama, name, feature) if d is None else _closed(d, prior)
    floors = [float(prior @ prior), *map(float, prior)]
    groups = zip((ALL, *feature.labels), floors, survival.T, error.T, strict=True)
    return [ExactCurve(name, group, floor, panorama.log_snr, value, spread) for group, floor, value, spread in groups]


def _counted(panorama: Panorama, name: str, feature: Feature) -> tuple[FloatArray, FloatArray]:
    """Survival of all and of each label, and their standard errors, each (levels, 1 + labels)."""
    columns = panorama.columns(name)
    own = panorama.own @ columns
    levels = [survival_of(feature.labels, own, shares @ columns, panorama.weights) for shares in panorama.shares]
    points = [[(level.value, level.standard_error), *level.groups.values()] for level in levels]
    survival, error = np.moveaxis(np.array(points), 2, 0)
    return np.clip(survival, 0.0, 1.0), error


def _closed(d: FloatArray, prior: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The same of a pair at separations D (levels,)."""
    groups = np.stack([survival(d, w) for w in prior], axis=1)
    both = np.column_stack([groups @ prior, groups])
    return both, np.zeros_like(both)


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
