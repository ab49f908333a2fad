"""From the readings of one feature to its curves and windows, corrected for the probe where that can be done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from diffwin.correction import Correction, corrected_curve, corrected_tables, errors_repeat
from diffwin.levels import FloatArray, Grid
from diffwin.monotone import rises
from diffwin.survival import RESAMPLES, Curve, Readings, Tables, interval, t_quantile, widening, with_resamples
from diffwin.trials import ALL
from diffwin.window import CONFIDENCE, Located, Status, Window, locate

UNMEASURED = "its probe's error has not been measured"
BLIND = "its probe confuses labels too much to be corrected"
_POINTS = 120
REPEATED = "its probe repeats its errors on the same picture, which the correction takes for independent"


@dataclass(frozen=True, eq=False)
class Estimate:
    """One prompt and feature. `raw` and `corrected` hold the curve of each group; `uncorrected` says why not."""

    readings: Readings
    raw: dict[str, Curve]
    corrected: dict[str, Curve]
    uncorrected: str
    located: dict[str, Located]

    @property
    def used(self) -> dict[str, Curve]:
        """The curves that the windows were read off."""
        return self.raw if self.uncorrected else self.corrected

    @property
    def exact(self) -> bool:
        """Whether the probe is known to make no errors, so that the corrected curves are the raw ones."""
        return not self.uncorrected and self.corrected is self.raw

    def normalised(self, group: str, log_snr: FloatArray) -> FloatArray:
        """Normalised survival (n,) at log-SNR (n,) along the fitted curve: the family where it fits, else monotone."""
        fits, curve = self.located[group].fits, self.used[group]
        if fits is not None:
            return fits.normalised(log_snr)
        return np.asarray(rises(curve, np.array([0])).at(log_snr)[0])

    def fitted(self, group: str, log_snr: FloatArray) -> FloatArray:
        """Survival (n,) along the same curve, from the floor that was fitted with it."""
        fits, curve = self.located[group].fits, self.used[group]
        floor = float(curve.floor[0] if fits is None else fits.floor[0])
        return floor + (1 - floor) * self.normalised(group, log_snr)


def estimate(
    readings: Readings,
    grid: Grid,
    correction: Correction | None = None,
    *,
    seed: int = 0,
    groups: Sequence[str] | None = None,
    resamples: int = RESAMPLES,
    stopped: bool = False,
) -> Estimate:
    """Curves and windows of one feature, for every group that has bases or for the `groups` named.

    Windows are read off the corrected curves where the probe's confusion matrix is known and can be undone; the same
    `seed` gives the same resamples of bases to every feature of a prompt. `stopped` says that the run went on until its
    intervals were narrow enough.
    """
    weights = with_resamples(readings, seed, resamples)
    tables = Tables.of(readings, weights)
    raw = {group: Curve.of(tables, readings, group) for group in groups or readings.groups}
    corrected, why = _corrected(readings, raw, weights, correction, seed)
    used = raw if why else corrected
    located = {group: locate(used[group], readings, grid, corrected=not why, stopped=stopped) for group in raw}
    return Estimate(readings, raw, corrected, why, located)


def estimates(
    readings: Iterable[Readings],
    grid: Grid,
    corrections: Mapping[str, Correction],
    *,
    seed: int = 0,
    stopped: bool = False,
) -> list[Estimate]:
    """The same for every prompt and feature of a run; `corrections` are known by feature."""
    return [estimate(each, grid, corrections.get(each.feature), seed=seed, stopped=stopped) for each in readings]


def _corrected(
    readings: Readings, raw: dict[str, Curve], weights: FloatArray, correction: Correction | None, seed: int
) -> tuple[dict[str, Curve], str]:
    """Corrected curves of every group, and why they are not to be used, or ''."""
    if correction is None:
        return {}, UNMEASURED
    if correction.exact or not len(readings.members(ALL)):
        return raw, ""
    if not correction.possible:
        return {}, BLIND
    tables = corrected_tables(readings, weights, correction.inverses(len(weights) - 1, seed))
    curves = {group: corrected_curve(readings, curve, tables, correction) for group, curve in raw.items()}
    return curves, REPEATED if errors_repeat(next(iter(curves.values()))) else ""


CURVE_COLUMNS = (
    "prompt", "feature", "group", "level", "log_snr", "time", "survival", "low", "high", "floor", "bases", "trials",
    "missing", "weighted", "floor_low", "floor_high", "corrected", "corrected_low", "corrected_high", "screened",
)  # fmt: skip


def curve_table(
    estimates: Sequence[Estimate], time: Sequence[float], ended: Mapping[tuple[str, int], float] | None = None
) -> pd.DataFrame:
    """Every curve, one row a level; `time` is the model time of each grid level.

    `weighted` is the probability-weighted survival; `corrected` is NaN where the probe's error is unknown; `screened`
    is the share of the prompt's regenerations from that level that were read before their end, from `ended`.
    """
    frames = [_curve(each, group, np.asarray(time), ended or {}) for each in estimates for group in each.raw]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(CURVE_COLUMNS))


def _curve(estimate: Estimate, group: str, time: FloatArray, ended: Mapping[tuple[str, int], float]) -> pd.DataFrame:
    readings, raw = estimate.readings, estimate.raw[group]
    members = readings.members(group)
    low, high = interval(readings, group)
    with np.errstate(invalid="ignore"):
        weighted = readings.agreement[members].sum(axis=0) / readings.read[members].sum(axis=0)
    floor_low, floor_high = _bounds(raw.floor[:, None], np.array([raw.bases]))
    corrected = _corrected_columns(estimate.corrected.get(group), len(readings.levels))
    values = {
        "prompt": readings.prompt,
        "feature": readings.feature,
        "group": group,
        "level": readings.levels,
        "log_snr": readings.log_snr,
        "time": time[readings.levels],
        "survival": raw.among_levels(raw.survival[0]),
        "low": low,
        "high": high,
        "floor": raw.floor[0] if raw.bases else np.nan,
        "bases": raw.bases,
        "trials": readings.read[members].sum(axis=0),
        "missing": readings.missing if group == ALL else 0,
        "weighted": weighted,
        "floor_low": floor_low[0],
        "floor_high": floor_high[0],
        **corrected,
        "screened": [ended.get((readings.prompt, int(level)), 0.0) for level in readings.levels],
    }
    return pd.DataFrame(values, columns=list(CURVE_COLUMNS))


def fitted_table(estimates: Iterable[Estimate]) -> pd.DataFrame:
    """The fitted curve of every window found, between the levels measured: prompt, feature, group, log_snr, survival.

    A crossing lies on the curve, so each stands in the table.
    """
    frames = [
        _fitted(each, group, located.window)
        for each in estimates
        for group, located in each.located.items()
        if located.window.status is Status.FOUND
    ]
    columns = ["prompt", "feature", "group", "log_snr", "survival"]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)


def _fitted(estimate: Estimate, group: str, window: Window) -> pd.DataFrame:
    levels = estimate.used[group].log_snr
    read_off = [point.log_snr for point in (window.onset, window.decision, window.end) if point is not None]
    axis = np.unique(np.concatenate([levels, np.linspace(levels[0], levels[-1], _POINTS), read_off]))
    names = {"prompt": window.prompt, "feature": window.feature, "group": group}
    return pd.DataFrame({**names, "log_snr": axis, "survival": np.clip(estimate.fitted(group, axis), 0, 1)})


def _corrected_columns(curve: Curve | None, levels: int) -> dict[str, FloatArray]:
    names = ("corrected", "corrected_low", "corrected_high")
    if curve is None:
        return {name: np.full(levels, np.nan) for name in names}
    columns = (curve.survival[0], *_bounds(curve.survival, curve.behind))
    return {name: curve.among_levels(values) for name, values in zip(names, columns, strict=True)}


def _bounds(draws: FloatArray, bases: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Interval of shares (1 + R, n), each of so many bases (n,), from their resamples; within [0, 1], NaN without."""
    told = np.ma.masked_invalid(draws[1:])
    spread = np.where(told.count(axis=0) >= 2, told.std(axis=0).filled(np.nan), np.nan)
    half = t_quantile(CONFIDENCE, bases) * widening(bases) * spread
    return np.clip(draws[0] - half, 0, 1), np.clip(draws[0] + half, 0, 1)
