"""The two-component family of survival curves, with a location and a scale in log-SNR.

Two Gaussian components at separation D leave, for a group of prior w, survival S(D, w) = E sigmoid(D^2/2 + D z +
logit w) (Biroli et al. 2024 for w = 1/2). Normalised by its floor w it is the same for both groups and for all bases
together, g(D, w) = (S(D, w) - w) / (1 - w). A noise level acts by D = 2 exp((y - y_centre) / (2 width)), which is 2 at
the centre, with y = ln(r / (1 + k r)) of the SNR r: saturation k is 0 for components narrower than the noise where they
are decided and 1 for components as wide as the data, whose separation ends by growing; it is set between the two by
how well each fits. Width 1 is the exact law.

What a world decides at several scales rises more steeply on one side of its centre than on the other. So with
u = (y - y_centre) / (2 width) the separation is

    ln D = ln 2 + u + bend (sqrt(u^2 + B^2) - B),

whose slope goes from 1 - bend to 1 + bend within B of the centre. How bent worlds are is known beforehand only as a
spread, `BENT`; each resample has its own draw of it for a prior mean, so that what the data leave open of the shape
widens the intervals (a draw from the posterior of a linear model; Bardsley et al. 2014, "Randomize-then-optimize").
The fit is

    S(x) = floor + (1 - floor) g(D(x), w),

by quasi-likelihood of counts, with what fresh generations say of the floor as one more count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy.special import expit, logit

from diffwin.levels import FloatArray
from diffwin.survival import Curve
from diffwin.theory.pair import normalised_survival
from diffwin.trials import ALL

_LOG_D = np.linspace(-4.5, 3.0, 301)
_LOGIT_W = np.linspace(-7.0, 0.0, 57)
_SAFE = 1e-4
_ENOUGH = 1e-4
"""A climb ends when twice running no row gains more than this in log-likelihood."""
_LOG_2 = float(np.log(2.0))
_UNSATURATED = -5.0
"""A decision at a lower log-SNR is where saturation does nothing yet."""
_NEVER = 40.0
"""Log-SNR that stands for one that is never reached."""
_B = 0.5
"""How near the centre a curve bends, in widths: about where a quarter of the rise lies, so that both edges show it."""
BENT = 0.35
"""Standard deviation of atanh(bend) beforehand."""
_MOST_BENT = 0.9


@dataclass(frozen=True, eq=False)
class Fits:
    """Fitted curves, one a row: `centre`, `log_width`, `floor`, `bend`, `saturation` (rows,); `survival` (rows, levels)
    at the levels."""

    centre: FloatArray
    log_width: FloatArray
    floor: FloatArray
    bend: FloatArray
    saturation: FloatArray
    survival: FloatArray
    group: str

    def crossings(self, values: Sequence[float]) -> FloatArray:
        """Log-SNR at which each row's normalised survival passes each value, (rows, values)."""
        log_d = _log_d_at(tuple(values), _logit_w(self.floor, self.group))
        moved = 2 * np.exp(self.log_width)[:, None] * _straight(log_d - _LOG_2, self.bend[:, None])
        saturation = self.saturation[:, None]
        return _straightened_back(_straightened(self.centre[:, None], saturation) + moved, saturation)

    def log_separation(self, log_snr: FloatArray, row: int = 0) -> FloatArray:
        """ln D of one row at any log-SNR (n,)."""
        saturation = self.saturation[row]
        moved = _straightened(log_snr, saturation) - _straightened(self.centre[row], saturation)
        return _LOG_2 + _bent(moved / (2 * np.exp(self.log_width[row])), self.bend[row])

    def prior(self, row: int = 0) -> float:
        """The prior that shapes a row's curve."""
        return float(shaping_prior(self.floor[row : row + 1], self.group)[0])

    def normalised(self, log_snr: FloatArray, row: int = 0) -> FloatArray:
        """Normalised survival of one row at any log-SNR (n,)."""
        log_d = self.log_separation(log_snr, row)
        return _shape(log_d, np.broadcast_to(_logit_w(self.floor[row : row + 1], self.group), log_d.shape))[0]


def _bent(u: FloatArray, bend: FloatArray) -> FloatArray:
    """ln D - ln 2 at u, widths from the centre."""
    return np.asarray(u + bend * (np.sqrt(u**2 + _B**2) - _B))


def _straight(bent: FloatArray, bend: FloatArray) -> FloatArray:
    """The u at which `_bent` is so much: the root of a quadratic that is 0 where that is."""
    v, left = bent + bend * _B, 1 - bend**2
    return np.asarray((v - bend * np.sqrt(v**2 + left * _B**2)) / left)


def _straightened(log_snr: FloatArray, saturation: FloatArray) -> FloatArray:
    """ln(r / (1 + saturation r)) of the SNR r, along which ln D is a straight line."""
    return np.asarray(-np.logaddexp(-log_snr, np.log(np.maximum(saturation, 1e-300))))


def _straightened_back(at: FloatArray, saturation: FloatArray) -> FloatArray:
    """The log-SNR there; very clean where a saturated separation never gets so far."""
    return np.asarray(-np.log(np.maximum(np.exp(-at) - saturation, np.exp(-_NEVER))))


@lru_cache(maxsize=1)
def _table() -> tuple[FloatArray, FloatArray]:
    """g on the grid of (ln D, logit w), and its slope along ln D."""
    g = normalised_survival(np.exp(_LOG_D)[:, None], expit(_LOGIT_W))
    return g, np.gradient(g, _LOG_D, axis=0)


def _shape(log_d: FloatArray, logit_w: FloatArray) -> tuple[FloatArray, FloatArray]:
    """g and dg / d ln D by bilinear interpolation; the arguments have one shape."""
    u = np.clip((log_d - _LOG_D[0]) / (_LOG_D[1] - _LOG_D[0]), 0, len(_LOG_D) - 1.001)
    v = np.clip((-np.abs(logit_w) - _LOGIT_W[0]) / (_LOGIT_W[1] - _LOGIT_W[0]), 0, len(_LOGIT_W) - 1.001)
    i, j = u.astype(np.int64), v.astype(np.int64)
    a, b = u - i, v - j
    at = i * len(_LOGIT_W) + j
    rows = ((at, 1 - a), (at + len(_LOGIT_W), a))
    corners = [(where + k, share * part) for where, share in rows for k, part in ((0, 1 - b), (1, b))]
    values, slopes = (sum(table.ravel()[where] * share for where, share in corners) for table in _table())
    return np.asarray(values), np.asarray(slopes)


def _log_d_at(values: tuple[float, ...], logit_w: FloatArray) -> FloatArray:
    """ln D where g passes each value, (len(logit_w), len(values))."""
    g = _table()[0]
    rows = np.clip(-np.abs(logit_w), _LOGIT_W[0], _LOGIT_W[-1])
    columns = [[np.interp(value, g[:, k], _LOG_D) for k in range(len(_LOGIT_W))] for value in values]
    return np.stack([np.interp(rows, _LOGIT_W, column) for column in columns], axis=-1)


def _logit_w(floor: FloatArray, group: str) -> FloatArray:
    """The prior that shapes a curve, from its floor.

    A label's floor is its prior. For all bases floor = w^2 + (1 - w)^2 with two labels; with many, each label faces
    the rest and its share, which is the floor where labels are even, takes over; both are 1/2 at floor 1/2.
    """
    if group != ALL:
        return np.asarray(logit(np.clip(floor, _SAFE, 1 - _SAFE)))
    two = 0.5 * (1 - np.sqrt(np.maximum(2 * floor - 1, 0.0)))
    return np.asarray(logit(np.clip(np.where(floor >= 0.5, two, floor), _SAFE, 0.5)))


def shaping_prior(floor: FloatArray, group: str) -> FloatArray:
    """The prior (rows,) of the rarer component that shapes a curve with a floor (rows,)."""
    return np.asarray(expit(-np.abs(_logit_w(floor, group))))


def survival(theta: FloatArray, log_snr: FloatArray, group: str) -> FloatArray:
    """Survival (rows, levels) at any log-SNR (levels,) under theta = (centre, ln width, logit floor, atanh bend),
    (rows, 4)."""
    floor = expit(theta[:, 2:3])
    log_d = _LOG_2 + _bent((log_snr - theta[:, :1]) / (2 * np.exp(theta[:, 1:2])), np.tanh(theta[:, 3:]))
    return np.asarray(floor + (1 - floor) * _shape(log_d, np.broadcast_to(_logit_w(floor, group), log_d.shape))[0])


def crossings(theta: FloatArray, values: Sequence[float], group: str) -> FloatArray:
    """Log-SNR (rows, values) at which the normalised survival of each row of theta passes each value."""
    log_d = _log_d_at(tuple(values), _logit_w(expit(theta[:, 2]), group))
    return np.asarray(theta[:, :1] + 2 * np.exp(theta[:, 1:2]) * _straight(log_d - _LOG_2, np.tanh(theta[:, 3:])))


def through(points: FloatArray, values: Sequence[float], logit_floor: FloatArray, group: str) -> FloatArray:
    """theta (rows, 4) of the curves of a floor that pass three `values` at `points` (rows, 3), as far as bends go; the
    outer two as far apart."""
    log_d = _log_d_at(tuple(values), _logit_w(expit(logit_floor), group)) - _LOG_2
    apart = points[:, 2] - points[:, 0]
    before = (points[:, 1] - points[:, 0]) / np.maximum(apart, 1e-9)
    tried = np.linspace(-_MOST_BENT, _MOST_BENT, 65)
    at = _straight(log_d[:, None, :], tried[:, None])  # (rows, tried, values)
    shares = (at[..., 1] - at[..., 0]) / (at[..., 2] - at[..., 0])
    bend = np.array([np.interp(here, share, tried) for here, share in zip(before, shares, strict=True)])
    u = _straight(log_d, bend[:, None])
    width = np.maximum(apart / (2 * (u[:, 2] - u[:, 0])), np.exp(-2.5))
    centre = points[:, 1] - 2 * width * u[:, 1]
    return np.stack([centre, np.log(width), logit_floor, np.arctanh(bend)], axis=1)


def fit(curve: Curve, fresh: float, bends: FloatArray) -> Fits:
    """Fit every usable row of a curve.

    `fresh` is how many counts the fresh generations' floor is worth: floor (1 - floor) / its variance. `bends`
    (rows of the curve,) are the prior means of atanh(bend): 0 for the sample, drawn for its resamples.
    """
    bends = bends[curve.usable]
    without, bare = _fit(curve, fresh, bends, np.zeros(len(bends)))
    if bare.centre[0] < _UNSATURATED:
        return bare
    within, full = _fit(curve, fresh, bends, np.ones(len(bends)))
    # the mean of the two, each as likely beforehand: a choice between them would leap where they fit about as well
    share = expit(without - within)
    centre, log_width, bend = (
        (1 - share) * one + share * other
        for one, other in ((bare.centre, full.centre), (bare.log_width, full.log_width), (bare.bend, full.bend))
    )
    start = np.stack([_straightened(centre, share), log_width, logit(bare.floor), np.arctanh(bend)], axis=1)
    return _fit(curve, fresh, bends, share, start)[1]


def _fit(
    curve: Curve, fresh: float, bends: FloatArray, saturation: FloatArray, start: FloatArray | None = None
) -> tuple[FloatArray, Fits]:
    """Misfit of each row (rows,) and its fit, at its own prior bend and saturation (rows,); searched for where no start
    is given."""
    problem = _Problem.of(curve, fresh, bends, saturation)
    first = problem.row(0)
    best = first.climb(first.search() if start is None else start[:1], steps=40)
    theta = problem.climb(np.repeat(best, problem.rows, axis=0) if start is None else start, steps=14)
    theta[0] = best[0]
    a, b = problem.scale
    centre, share = _straightened_back(theta[:, 0], saturation), problem.share(theta)
    bend, survival = np.tanh(theta[:, 3]), (share - a) / b
    made = Fits(centre, theta[:, 1], expit(theta[:, 2]), bend, saturation, survival, curve.group)
    return problem.misfit(theta), made


@dataclass(frozen=True, eq=False)
class _Problem:
    """Shares of counts and their numbers `trials` (rows, levels), to be met by (centre, ln width, logit floor, atanh
    bend).

    `axis` (rows, levels) is the log-SNR straightened, and the centre lies along it. `bends` (rows,) are prior means.
    """

    axis: FloatArray
    counted: FloatArray
    trials: FloatArray
    floor: FloatArray
    bends: FloatArray
    fresh: float
    group: str
    scale: tuple[float, float]

    @classmethod
    def of(cls, curve: Curve, fresh: float, bends: FloatArray, saturation: FloatArray) -> _Problem:
        # Half a base is added to both outcomes, in the data as in the model: where nearly all survive, the loss of one
        # base with all its repeats would else outweigh every other level.
        half = 0.5 / curve.bases
        a, b = half + (1 - 2 * half) * curve.scale[0], (1 - 2 * half) * curve.scale[1]
        rows = curve.usable
        trials = curve.trials[rows]
        counted = np.where(trials > 0, np.clip(a + b * curve.survival[rows], 0.0, 1.0), 0.5)  # of no weight where 0
        floor = np.clip(curve.floor[rows], _SAFE, 1 - _SAFE)
        axis = _straightened(curve.log_snr, saturation[:, None])
        return cls(axis, counted, trials, floor, bends, fresh, curve.group, (a, b))

    @property
    def rows(self) -> int:
        return len(self.counted)

    def row(self, at: int) -> _Problem:
        rows = slice(at, at + 1)
        own = {name: getattr(self, name)[rows] for name in ("axis", "counted", "trials", "floor", "bends")}
        return replace(self, **own)

    def search(self) -> FloatArray:
        """The best of a row of centres and widths, as a start for the climb, (1, 4)."""
        low, high = float(self.axis[0, 0]), float(self.axis[0, -1])
        centres, widths = np.meshgrid(np.linspace(low, high, 61), np.log([0.35, 0.7, 1.0, 1.6, 2.5]))
        floor = np.full(centres.size, logit(self.floor[0]))
        tried = np.stack([centres.ravel(), widths.ravel(), floor, np.zeros(centres.size)], axis=1)
        # the sample is one row, which broadcasts to all that are tried
        wide = replace(self, floor=np.repeat(self.floor, len(tried)))
        return tried[[int(wide.misfit(tried).argmin())]]

    def share(self, theta: FloatArray) -> FloatArray:
        """The model's share of counts, (rows, levels)."""
        return self._share(theta)[0]

    def _share(self, theta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Shares, their slope in ln D, and u."""
        u = (self.axis - theta[:, :1]) / (2 * np.exp(theta[:, 1:2]))
        log_d = _LOG_2 + _bent(u, np.tanh(theta[:, 3:]))
        floor = expit(theta[:, 2:3])
        g, slope = _shape(log_d, np.broadcast_to(_logit_w(floor, self.group), log_d.shape))
        a, b = self.scale
        return a + b * (floor + (1 - floor) * g), b * (1 - floor) * slope, u

    def misfit(self, theta: FloatArray) -> FloatArray:
        """Minus the quasi-log-likelihood, (rows,), with the priors; that of ln width, standard normal, keeps it
        finite."""
        share, floor = np.clip(self.share(theta), _SAFE, 1 - _SAFE), expit(theta[:, 2])
        counts = self.trials * (self.counted * np.log(share) + (1 - self.counted) * np.log1p(-share))
        fresh = self.fresh * (self.floor * np.log(floor) + (1 - self.floor) * np.log1p(-floor))
        prior = theta[:, 1] ** 2 / 2 + ((theta[:, 3] - self.bends) / BENT) ** 2 / 2
        return np.asarray(prior - counts.sum(axis=1) - fresh)

    def climb(self, theta: FloatArray, steps: int) -> FloatArray:
        """Fisher scoring, damped where a step does not help (Levenberg 1944, Marquardt 1963)."""
        damping, best, idle = np.full(self.rows, 1e-3), self.misfit(theta), 0
        for _ in range(steps):
            gradient, information = self._slopes(theta)
            scaled = np.maximum(np.diagonal(information, axis1=1, axis2=2), 1e-3) * damping[:, None]
            move = np.linalg.solve(information + np.eye(4) * scaled[:, None, :], gradient[..., None])[..., 0]
            tried = theta + np.clip(move, [-2.0, -0.7, -1.5, -0.5], [2.0, 0.7, 1.5, 0.5])
            tried[:, 0] = np.clip(tried[:, 0], self.axis[:, 0] - 4, self.axis[:, -1] + 4)
            tried[:, 1:] = np.clip(tried[:, 1:], [-2.5, -6.0, -1.5], [2.5, 6.0, 1.5])
            found = self.misfit(tried)
            better = found <= best
            gained = np.where(better, best - found, 0.0)
            theta, best = np.where(better[:, None], tried, theta), np.where(better, found, best)
            damping = np.clip(np.where(better, damping / 8, damping * 8), 1e-9, 1e6)
            idle = idle + 1 if gained.max() < _ENOUGH else 0
            if idle == 2:
                break
        return theta

    def _slopes(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Score (rows, 4) and expected information (rows, 4, 4)."""
        step, floor, bend = 1e-4, expit(theta[:, 2]), np.tanh(theta[:, 3:])
        share, slope, u = self._share(theta)
        along_floor = (self.share(theta + np.array([0, 0, step, 0])) - share) / step
        root = np.sqrt(u**2 + _B**2)
        steeper = slope * (1 + bend * u / root)
        along = np.stack(
            [-steeper / (2 * np.exp(theta[:, 1:2])), -steeper * u, along_floor, slope * (root - _B) * (1 - bend**2)],
            axis=2,
        )  # (rows, levels, 4)
        share = np.clip(share, _SAFE, 1 - _SAFE)
        weight = self.trials / (share * (1 - share))
        across = along.swapaxes(1, 2)
        gradient = (across @ (weight * (self.counted - share))[..., None])[..., 0]
        information = across @ (along * weight[..., None])
        gradient[:, 2] += self.fresh * (self.floor - floor)
        information[:, 2, 2] += self.fresh * floor * (1 - floor)
        gradient[:, 1] -= theta[:, 1]
        information[:, 1, 1] += 1
        gradient[:, 3] -= (theta[:, 3] - self.bends) / BENT**2
        information[:, 3, 3] += BENT**-2
        return gradient, information
