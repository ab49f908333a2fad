"""Critical windows of text that is masked or cut short (Li, Karan & Chen 2025, examples 3 and 5).

No network and no Gaussian noise: two strings whose tokens are erased at random, and walks of biased steps whose last
tokens are dropped. Both are stochastic localisation samplers, so what diffwin measures of pictures can be measured of
them; here tokens are drawn one by one, labels read, and survival and windows located by `diffwin.estimate` on each
process's own axis of noise. Writes `blink-tokens.md` and `blink-tokens.png`.

    python experiments/blink_tokens.py --out docs
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression
from scipy.special import expit, logit

from cards import table
from comparison import (
    NONE,
    Compared,
    comparison,
    dots,
    measured_survival,
    plain,
    with_error,
    with_interval,
    write_page,
)
from diffwin.estimate import Estimate, estimate
from diffwin.levels import FloatArray, Grid
from diffwin.report.style import FEATURES, INK, MUTED
from diffwin.survival import Readings
from diffwin.theory.blink import regeneration_bound
from diffwin.theory.discrete import (
    masking_decision,
    masking_survival,
    masking_thresholds,
    printed_masking_thresholds,
    printed_walk_thresholds,
    walk_survival,
    walk_thresholds,
    walk_total_variation,
)
from diffwin.trials import ALL

EPS = 0.1
LENGTH = 64
DISTANCES = (1, 4, 16, 64)

DELTA = 0.05
"""A step of the walk goes up with probability 1/2 + DELTA under one mode, 1/2 - DELTA under the other."""

FAR = 1100
"""Where a walk stops: solved at FAR, wrong at -FAR. No prefix that is measured can have got there."""

STRICT = (0.004, 0.015)
"""(Delta, eps) for which the paper's assumption eps^2 < (1/2 - Delta) (1/2 + Delta) / 1000 holds."""


@dataclass(frozen=True)
class Size:
    """How much is simulated."""

    bases: int
    repeats: int
    levels: int
    draws: int


FULL, QUICK = Size(256, 4, 24, 100_000), Size(24, 2, 8, 5000)


class Masking:
    """Two strings of `LENGTH` tokens that differ in `distance`; at noise t each token is erased with probability t."""

    def __init__(self, distance: int) -> None:
        self.strings = np.ones((2, LENGTH), np.int8)
        self.strings[1, :distance] = -1
        self.distance = distance

    def grid(self, levels: int) -> Grid:
        """Even in the log-odds of a token to be kept, which stands where log-SNR does: alpha^2 is the share kept."""
        odds = np.linspace(4.0, -8.0, levels)
        kept = np.concatenate([[1.0], expit(odds)])
        return Grid(np.sqrt(kept), np.sqrt(1 - kept), 1 - kept)

    def regenerate(self, text: NDArray[np.int8], erased: FloatArray, rng: np.random.Generator) -> NDArray[np.int8]:
        """Mask each text (n, LENGTH) at its own noise (n,), and draw it from the posterior of the two strings."""
        kept = rng.random(text.shape) >= erased[:, None]
        possible = np.stack([~(kept & (text != string)).any(axis=1) for string in self.strings], axis=1)
        share = possible[:, 0] / possible.sum(axis=1)
        drawn = (rng.random(len(text)) >= share).astype(np.int64)
        return self.strings[drawn]

    def read(self, text: NDArray[np.int8]) -> NDArray[np.int64]:
        """Which string each text is."""
        return (text != self.strings[0]).any(axis=1).astype(np.int64)

    def readings(self, size: Size, seed: int) -> tuple[Readings, Grid]:
        """One run: labels of regenerations from every base and level."""
        rng, grid = np.random.default_rng(seed), self.grid(size.levels)
        base = self.strings[rng.integers(0, 2, size.bases)]
        shape = (size.bases, grid.top, size.repeats)
        text = np.repeat(base, grid.top * size.repeats, axis=0)
        erased = np.broadcast_to(grid.time[1:, None], shape).ravel()
        back = self.read(self.regenerate(text, erased, rng)).reshape(shape)
        return _readings("string", self.read(base), back, grid), grid

    def forgotten(self, draws: int, seed: int) -> FloatArray:
        """Of many masked texts, the noise at which the last token that tells the strings apart is erased, sorted."""
        return np.sort(np.random.default_rng(seed).random((draws, self.distance)).max(axis=1))


class Walk:
    """Steps of +-1 with one of two biases; noise drops the last steps, and a language model writes them anew."""

    def __init__(self, delta: float) -> None:
        self.delta, self.bias = delta, 2 * delta

    def grid(self, levels: int) -> Grid:
        """Even in ln(steps kept), which stands where log-SNR does: a step kept is one more look at the bias."""
        kept = np.unique(np.geomspace(1, 2000, levels).round())[::-1]
        alpha, sigma = np.sqrt(kept / (1 + kept)), np.sqrt(1 / (1 + kept))
        return Grid(np.append(1.0, alpha), np.append(0.0, sigma), np.append(np.inf, kept))

    def finish(self, at: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        """Walk on from each place (n,), token by token, until solved (label 0) or wrong (label 1).

        P(next step is up | the steps so far) depends on where the walk stands alone: the log-odds of the modes are
        2 artanh(2 Delta) times that, so it is 1/2 + Delta tanh(artanh(2 Delta) at).
        """
        up = 0.5 + self.delta * np.tanh(np.arctanh(self.bias) * np.arange(-FAR, FAR + 1))
        at, walking = at.copy(), np.arange(len(at))
        while len(walking):
            at[walking] += np.where(rng.random(len(walking)) < up[at[walking] + FAR], 1, -1)
            walking = walking[np.abs(at[walking]) < FAR]
        return (at < 0).astype(np.int64)

    def prefixes(
        self, modes: NDArray[np.int64], kept: NDArray[np.int64], rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Where walks of the given modes (n,) stand after each number of steps, (n, len(kept)); `kept` rises."""
        up = np.where(modes == 0, 0.5 + self.delta, 0.5 - self.delta)[:, None]
        more = np.diff(kept, prepend=0)
        return np.cumsum(2 * rng.binomial(more, np.broadcast_to(up, (len(modes), len(kept)))) - more, axis=1)

    def readings(self, size: Size, seed: int) -> tuple[Readings, Grid]:
        """One run: the walk of each base is cut back to each level and finished anew."""
        rng, grid = np.random.default_rng(seed), self.grid(size.levels)
        kept = grid.time[:0:-1].astype(np.int64)
        stands = self.prefixes(rng.integers(0, 2, size.bases), kept, rng)
        whole = self.finish(stands[:, -1], rng)
        again = self.finish(np.repeat(stands[:, ::-1].ravel(), size.repeats), rng)
        return _readings("answer", whole, again.reshape(size.bases, grid.top, size.repeats), grid), grid

    def told_apart(self, draws: int, seed: int, low: float, high: float) -> tuple[FloatArray, FloatArray]:
        """Steps kept, and for each the total variation between the modes, from which side simulated walks are on.

        Where a walk stands is all that tells the modes apart, and the likelier one is the side it is on.
        """
        kept = np.unique(np.geomspace(low, high, 80).round().astype(np.int64))
        stands = self.prefixes(np.zeros(draws, np.int64), kept, np.random.default_rng(seed))
        return kept.astype(float), np.sign(stands).mean(axis=0)


def _readings(feature: str, base: NDArray[np.int64], back: NDArray[np.int64], grid: Grid) -> Readings:
    """What `diffwin.estimate` takes, from labels of bases (n,) and of regenerations (n, levels, repeats)."""
    counts = (back[..., None] == np.arange(2)).sum(axis=2)
    agreement = (back == base[:, None, None]).sum(axis=2).astype(float)
    levels = np.arange(1, grid.top + 1)
    none = np.zeros(len(levels), np.int64)
    return Readings("", feature, ("first", "second"), base, counts, agreement, none, levels, grid.log_snr[levels])


def crossing(kept: FloatArray, apart: FloatArray, value: float, draws: int) -> tuple[float, float]:
    """Steps kept at which a simulated total variation (n,) passes a value, and its standard error."""
    curve, axis = isotonic_regression(apart).x, np.log(kept)
    at = float(np.interp(value, curve, axis))
    slope = float(np.diff(np.interp([at - 0.3, at + 0.3], axis, curve))[0]) / 0.6
    error = np.sqrt((1 - value**2) / draws) / slope
    return float(np.exp(at)), float(np.exp(at) * error)


def of_masking(size: Size, found: dict[int, Estimate]) -> Iterator[Compared]:
    """Thresholds and half survival, as shares of tokens erased."""
    for h, seen in found.items():
        exact, printed = masking_thresholds(h, EPS), printed_masking_thresholds(h, EPS)
        gone = Masking(h).forgotten(size.draws, seed=h)
        for name, value, share in (("after", EPS**2, exact.after), ("before", 1 - 2 * EPS, exact.before)):
            # the standard error of a sample quantile, its density that of the largest of h uniforms
            error = np.sqrt(value * (1 - value) / len(gone)) / (h * share ** (h - 1))
            measured = with_error(float(np.quantile(gone, value)), error, 4)
            yield Compared(f"h = {h}: T_{name}", f"{getattr(printed, name):.4f}", f"{share:.4f}", measured)
        yield Compared(f"h = {h}: half survives", NONE, f"{float(masking_decision(h)):.4f}", _decision(seen))


def _decision(seen: Estimate) -> str:
    """The share erased at the decision that diffwin locates."""
    point = seen.located[ALL].window.decision
    if point is None:
        return seen.located[ALL].window.status.value
    return with_interval(*(float(expit(-at)) for at in (point.log_snr, point.high, point.low)), digits=4)


def of_walk(walk: Walk, eps: float, size: Size, seen: Estimate | None = None) -> Iterator[Compared]:
    """Thresholds and half survival, as steps kept."""
    exact, printed = walk_thresholds(walk.bias, eps), printed_walk_thresholds(walk.bias, eps)
    kept, apart = walk.told_apart(size.draws, 3, max(exact.before / 8, 1), 2 * exact.after)
    for name, value in (("before", 2 * eps), ("after", 1 - eps**2)):
        measured = with_error(*crossing(kept, apart, value, size.draws), digits=1 if exact.after < 10_000 else 0)
        yield Compared(f"T_{name}", f"{getattr(printed, name):,.1f}", f"{getattr(exact, name):,.0f}", measured)
    if seen is not None:
        point = seen.located[ALL].window.decision
        told = (
            "not found" if point is None else with_interval(*np.exp([point.log_snr, point.low, point.high]), digits=0)
        )
        steps = next(n for n in range(10_000) if walk_survival(n, walk.bias) >= 0.75)
        yield Compared("half survives", NONE, f"{steps}", told)


def of_theorem(masking: Masking, walk: Walk, draws: int) -> Iterator[tuple[str, ...]]:
    """Regenerations of the first half from its own thresholds: the bound, and how far they are from their target.

    The last two columns are the total variation of the label alone, which is all of it but for a walk at T_before,
    whose first steps are kept.
    """
    rng = np.random.default_rng(5)
    t, n = masking_thresholds(masking.distance, EPS), walk_thresholds(walk.bias, EPS)
    text = np.repeat(masking.strings[:1], draws, axis=0)
    name = f"masked, h = {masking.distance}"
    for told, erased in (("after", t.after), ("before", t.before)):
        lost = float(masking.read(masking.regenerate(text, np.full(draws, erased), rng)).mean())
        exact = 1 - float(masking_survival(erased, masking.distance))
        yield _theorem_row(name, told, lost, exact, draws)
    for told, kept in (("after", int(n.after)), ("before", int(n.before))):
        stands = walk.prefixes(np.zeros(draws, np.int64), np.array([kept]), rng)[:, 0]
        lost = float(walk.finish(stands, rng).mean())
        whole = walk_total_variation(kept, walk.bias) / 2 if told == "before" else None
        yield _theorem_row("walk", told, lost, 1 - walk_survival(kept, walk.bias), draws, whole)


def _theorem_row(
    name: str, told: str, lost: float, exact: float, draws: int, whole: float | None = None
) -> tuple[str, ...]:
    """At T_after the target is the half itself, and what is lost is off it; at T_before it is both halves."""
    rest = 1.0 if told == "after" else 0.0
    away, measured = (exact, lost) if told == "after" else (0.5 - exact, 0.5 - lost)
    error = np.sqrt(lost * (1 - lost) / draws)
    bound = f"{regeneration_bound(EPS, rest, 1.0):.4f}"
    return (
        f"{name}, at T_{told}",
        bound,
        f"{away if whole is None else whole:.4f}",
        f"{away:.4f}",
        with_error(measured, error, 4),
    )


def figure(masked: dict[int, Estimate], walk: Walk, walked: Estimate) -> Figure:
    drawn = Figure(figsize=(12.5, 4.8), layout="constrained")
    left, right = drawn.subplots(1, 2, sharey=True)
    axis = np.linspace(-8, 4, 400)
    for (h, seen), colour in zip(masked.items(), FEATURES, strict=False):
        left.plot(axis, masking_survival(expit(-axis), h), color=colour, lw=1.4, label=f"h = {h}")
        dots(left, seen.readings.log_snr, measured_survival(seen), colour)
    left.legend(frameon=False, fontsize=11, title="strings differ in h of 64 tokens", title_fontsize=11)
    plain(
        left, "Masking: lines exact, dots simulated", "log-odds of a token to be kept (noise on the left)", "survival"
    )
    steps = np.unique(np.geomspace(1, 2000, 200).round().astype(int))
    right.plot(steps, [walk_survival(int(n), walk.bias) for n in steps], color=INK, lw=1.4)
    dots(right, np.exp(walked.readings.log_snr), measured_survival(walked), FEATURES[0])
    exact, printed = walk_thresholds(walk.bias, EPS), printed_walk_thresholds(walk.bias, EPS)
    right.axvspan(exact.before, exact.after, color=FEATURES[0], alpha=0.1, lw=0, label="critical window, exact")
    for at, name in ((printed.before, "as printed"), (printed.after, None)):
        right.axvline(at, color=MUTED, lw=1.4, ls=(0, (5, 2)), label=name)
    right.set_xscale("log")
    right.xaxis.set_major_formatter("{x:g}")
    right.legend(frameon=False, fontsize=11, loc="upper left", bbox_to_anchor=(0.14, 1.0))
    plain(
        right,
        f"Walk, steps biased by ±{walk.delta:g}: line exact, dots simulated",
        "steps kept (noise on the left)",
        "",
    )
    left.set_ylim(0.42, 1.02)
    return drawn


PAGE = """\
# Critical windows of masked and of truncated text

Li, Karan & Chen (*Blink of an eye*, 2025, arXiv:2502.00921) define the critical window by total variation for any
process that forgets, and work out two that are no diffusion. Here both are simulated token by token, and the labels of
what comes back go through the same estimator as those of pictures, with the process's own noise in the place of
log-SNR. eps = {eps:g}; `published` is what the paper prints in its examples 3 and 5, `exact` the definition itself.
{size}

Made by

    python experiments/blink_tokens.py --out docs{quick}

![survival of masked strings and of walks](blink-tokens.png)

## Two strings, each token erased with probability t (example 3)

The strings differ in h of 64 tokens, and are told apart while one of those is left: survival is 1 − t^h / 2, total
variation 1 − t^h. The printed T_after is exact; the printed T_before bounds TV(one, other) where the definition asks
for TV(one, both), which is half of it. Shares erased; measured thresholds are quantiles of when the last token goes, ±
standard error; half survival is diffwin's decision point with its 95 % interval.

{masking}

The window T_before − T_after, exact, times h is {widths} for the four h: it narrows as 1/h, as
printed. In the log-odds of a token to be kept it does not; there it moves to noisier levels and keeps a width,
{odds}.

## A walk whose bias is one of two (example 5)

Each step is up with probability 1/2 + Delta when solving well and 1/2 − Delta when not, Delta = {delta:g}; a walk that
reaches {far} has solved the problem, one that reaches −{far} has not. Noise drops all but the first steps; regeneration
draws the next step from what the steps so far say, until the end, and the label is the answer. Steps kept, of which
fewer are more noise; exact thresholds are whole steps, measured ones are where the total variation of simulated walks
crosses between steps:

{walk}

The paper allows itself Delta and eps with eps^2 < (1/2 − Delta)(1/2 + Delta) / 1000, which the above is outside of.
Inside, Delta = {strict_delta:g}, eps = {strict_eps:g}:

{strict}

A step kept is one more look at the bias, so ln(steps kept) stands where log-SNR does, and long walks of a small bias
are a pair of Gaussians at D = 4 Delta √(steps kept): the curve is read off {method}.

## The theorem

For T between its thresholds, noising a sample of one half to T and regenerating it gives a sample of the target, but
for eps (1 + max(1, W) / √2): of the half itself at T_after (W = 1), of both halves at T_before (W = 0). {draws:,}
regenerations a row.

{theorem}
"""


def page(masked: dict[int, Estimate], walk: Walk, walked: Estimate, size: Size, *, quick: bool) -> str:
    thresholds = {h: masking_thresholds(h, EPS) for h in DISTANCES}
    strict = Walk(STRICT[0])
    draws = size.draws // 10
    head = ("", "bound", "exact", "of the label, exact", "of the label, measured")
    return PAGE.format(
        eps=EPS,
        size=f"{size.bases} bases, {size.repeats} regenerations a base and level, {size.levels} levels; "
        f"{size.draws:,} simulated texts and walks for the thresholds.",
        quick=" --quick" if quick else "",
        masking=comparison(of_masking(size, masked)),
        widths=", ".join(f"{h * (t.before - t.after):.2f}" for h, t in thresholds.items()),
        odds=", ".join(f"{float(logit(t.before) - logit(t.after)):.2f}" for t in thresholds.values()),
        delta=walk.delta,
        far=FAR,
        walk=comparison(of_walk(walk, EPS, size, walked)),
        strict_delta=STRICT[0],
        strict_eps=STRICT[1],
        strict=comparison(of_walk(strict, STRICT[1], size)),
        method={"family": "that family", "monotone": "a monotone fit"}[
            str(walked.located[ALL].window.method or "monotone")
        ],
        draws=draws,
        theorem=table(head, list(of_theorem(Masking(16), walk, draws))),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/blink-tokens"), help="folder of the page")
    parser.add_argument("--quick", action="store_true", help="few texts and walks, to see that it works")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    size = QUICK if given.quick else FULL
    masked = {h: estimate(*Masking(h).readings(size, seed=h)) for h in DISTANCES}
    walk = Walk(DELTA)
    walked = estimate(*walk.readings(size, seed=0))
    write_page(
        given.out,
        "blink-tokens",
        page(masked, walk, walked, size, quick=given.quick),
        partial(figure, masked, walk, walked),
    )


if __name__ == "__main__":
    main()
