"""How much of a feature is decided where, in nats: bounds from survival, the rate, and its share inside the window.

Survival bounds the information that a noisy image holds about a feature on both sides. The rate and the shares follow
the curve that the window was read off: the two-component family, whose information is exact (I-MMSE, Guo, Shamai and
Verdu 2005), or halfway between the bounds of the monotone curve.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import entr

from diffwin.estimate import Estimate
from diffwin.family import Fits
from diffwin.levels import FloatArray
from diffwin.theory.information import information_bounds
from diffwin.theory.pair import erased
from diffwin.trials import ALL

_POINTS = 400


@dataclass(frozen=True, eq=False)
class Information:
    """One found window of all bases together.

    entropy: of the feature in fresh generations, in nats. log_snr (n,) ascending, with low, high (n,): bounds on
    I(feature; x_t) in nats, and rate (n,): nats per unit of log-SNR. centre: the log-SNR where the rate peaks,
    None off a curve of several rises, which has no single fastest point.
    before, inside, after: shares of the information that come in noisier than the onset, within the window and cleaner
    than its end; they sum to 1.
    """

    prompt: str
    feature: str
    entropy: float
    log_snr: FloatArray
    low: FloatArray
    high: FloatArray
    rate: FloatArray
    centre: float | None
    before: float
    inside: float
    after: float


def information(estimate: Estimate) -> Information | None:
    """The information of one prompt and feature; None unless its window is found with both edges."""
    located = estimate.located[ALL]
    window = located.window
    if window.onset is None or window.end is None:
        return None
    curve = estimate.used[ALL]
    prior = estimate.readings.one_hot.sum(axis=0)
    prior = prior[prior > 0] / prior.sum()
    entropy = float(entr(prior).sum())
    axis = np.linspace(curve.log_snr[0], curve.log_snr[-1], _POINTS)
    floor = float(prior @ prior)  # of these shares, so that the bounds meet at zero
    fits = located.fits
    low, high = information_bounds(np.clip(floor + (1 - floor) * estimate.normalised(ALL, axis), floor, 1), prior)
    known = _of_family(fits, axis) if fits else _rising((low + high) / 2 / entropy)
    rate = entropy * np.gradient(known, axis)
    before, until = np.interp([window.onset.log_snr, window.end.log_snr], axis, known)
    parts = (float(before), float(until - before), float(1 - until))
    peak = float(axis[int(np.argmax(rate))]) if fits else None
    return Information(window.prompt, window.feature, entropy, axis, low, high, rate, peak, *parts)


def _of_family(fits: Fits, log_snr: FloatArray) -> FloatArray:
    """Share of a two-component label's entropy that is known at each log-SNR, (n,)."""
    w = fits.prior()
    log_d = np.linspace(-8, 5, 1301)
    # dI / d(D^2) = w (1 - w) erased / 2, so dI / d ln D = D^2 w (1 - w) erased
    slope = np.exp(2 * log_d) * w * (1 - w) * erased(np.exp(log_d), w)
    total = np.concatenate([[0.0], np.cumsum((slope[1:] + slope[:-1]) / 2 * np.diff(log_d))])
    return np.asarray(np.interp(fits.log_separation(log_snr), log_d, total / total[-1]))


def _rising(values: FloatArray) -> FloatArray:
    return np.clip(np.maximum.accumulate(values), 0.0, 1.0)


def information_table(found: Iterable[Information]) -> pd.DataFrame:
    """Bounds and rate along the noise: prompt, feature, log_snr, low, high, rate."""
    frames = [
        pd.DataFrame({"log_snr": i.log_snr, "low": i.low, "high": i.high, "rate": i.rate}).assign(
            prompt=i.prompt, feature=i.feature
        )
        for i in found
    ]
    columns = ["prompt", "feature", "log_snr", "low", "high", "rate"]
    return pd.concat(frames, ignore_index=True)[columns] if frames else pd.DataFrame(columns=columns)
