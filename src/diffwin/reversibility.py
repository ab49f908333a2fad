"""The reversibility gap: survival from renoised images less survival from the states the generation passed through.

For an exact posterior sampler both have one law (renoise: Li and Chen 2024; branch: Biroli et al. 2024), so what lies
between them measures how far the model and its solver, with their number of steps, are from one. The same bases are
compared, so bases are resampled in pairs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from diffwin.errors import BadInput
from diffwin.estimate import estimate
from diffwin.levels import Grid
from diffwin.order import NORMAL, joint
from diffwin.survival import Readings, Tables, t_quantile, widening, with_resamples
from diffwin.trials import ALL
from diffwin.window import CONFIDENCE


@dataclass(frozen=True, eq=False)
class Gap:
    """One prompt and feature.

    levels: log_snr, renoise, branch, gap = renoise - branch, low, high; the intervals hold for all levels at once.
    shift: decision point of renoise less that of branch in log-SNR, with its interval; None unless both are found.
    """

    prompt: str
    feature: str
    levels: pd.DataFrame
    shift: tuple[float, float, float] | None

    @property
    def reversible(self) -> bool:
        """Whether no level shows a gap that chance does not explain."""
        return bool(((self.levels["low"] <= 0) & (self.levels["high"] >= 0)).all())

    @property
    def largest(self) -> pd.Series:
        """The level with the largest gap."""
        return self.levels.iloc[int(np.argmax(np.abs(self.levels["gap"].to_numpy())))]


def gaps(renoise: Sequence[Readings], branch: Sequence[Readings], grid: Grid, *, seed: int = 0) -> Iterator[Gap]:
    """The gap of every prompt and feature that both have. BadInput where their bases are not the same."""
    other = {(each.prompt, each.feature): each for each in branch}
    for first in renoise:
        second = other.get((first.prompt, first.feature))
        if second is not None:
            yield gap(first, second, grid, seed=seed)


def gap(renoise: Readings, branch: Readings, grid: Grid, *, seed: int = 0) -> Gap:
    """The gap of one prompt and feature over the levels that both measured."""
    if not np.array_equal(renoise.base_labels, branch.base_labels):
        raise BadInput(
            f"the bases of {renoise.feature} are not the same in the two runs",
            cure="run both with the same model, prompts, seed and number of bases",
        )
    weights = with_resamples(renoise, seed)
    measured = [each.levels[each.behind(ALL) > 0] for each in (renoise, branch)]
    both = np.intersect1d(measured[0], measured[1])
    pair = [(each, np.searchsorted(each.levels, both)) for each in (renoise, branch)]
    survival = [Tables.of(each, weights).survival(ALL)[:, where] for each, where in pair]
    bases = np.min([each.behind(ALL)[where] for each, where in pair], axis=0)
    draws = survival[0] - survival[1]
    spread, reach = joint(draws, bases)
    # where nothing varied, the resamples cannot say how much might have: one base in each direction is allowed
    half = np.maximum(reach * spread, 1 / bases) * t_quantile(CONFIDENCE, bases) / NORMAL
    columns = {
        "log_snr": grid.log_snr[both],
        "renoise": survival[0][0],
        "branch": survival[1][0],
        "gap": draws[0],
        "low": draws[0] - half,
        "high": draws[0] + half,
    }
    return Gap(renoise.prompt, renoise.feature, pd.DataFrame(columns), _shift(renoise, branch, grid, seed))


def _shift(renoise: Readings, branch: Readings, grid: Grid, seed: int) -> tuple[float, float, float] | None:
    found = [estimate(each, grid, seed=seed, groups=[ALL]).located[ALL] for each in (renoise, branch)]
    first, second = (each.draws for each in found)
    if first is None or second is None:
        return None
    draws = first[:, 1] - second[:, 1]
    bases = min(each.bases for each in found)
    half = t_quantile(CONFIDENCE, bases) * np.nanstd(draws[1:]) * widening(bases)
    return float(draws[0]), float(draws[0] - half), float(draws[0] + half)
