"""How play moves over rounds, from the kept courses of some replications: mean bids by stretch, revenue's gap, cycles.

Whatever depends on the values drawn is adjusted for them, so that luck of the draw does not look like learning: mean
bids by linear regression on the values, revenue by the revenue of equilibrium play at the very same values.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from scipy.special import comb

from auctionlab.arrays import Array
from auctionlab.core import Mechanism

BLOCKS: Final = 100  # stretches of a run, for when it converged
SPAN: Final = 10  # blocks whose average must lie within the margin, and every later such average
_BINS: Final = 64  # stretches of the window, for cycles and persistence
_FEWEST: Final = 16  # the same, at least; each of four kept rounds or more
_LINE: Final = 2  # parameters of the straight line taken out


def adjusted_means(bids: Array, values: Array, owners: Array, places: Array, shape: tuple[int, int]) -> Array:
    """Mean bid of each owner in each place, (owners, places), as if its values had had their overall mean in each.

    bids, values, owners, places : (N,). Adjusted by each owner's own regression of bids on values. NaN where empty.
    """
    many, stretches = shape
    key = owners * stretches + places

    def total(keys: Array, numbers: Array | None, size: int) -> Array:
        return np.bincount(keys, weights=numbers, minlength=size)

    count = total(owners, None, many)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_value, mean_bid = total(owners, values, many) / count, total(owners, bids, many) / count
        off = values - mean_value[owners]
        spread = total(owners, off * off, many)
        slope = np.where(spread > 0, total(owners, off * (bids - mean_bid[owners]), many) / spread, 0.0)
        return (total(key, bids - slope[owners] * off, many * stretches) / total(key, None, many * stretches)).reshape(
            shape
        )


def revenue_gaps(mechanism: Mechanism, theory: Sequence[Any], signals: Array, messages: Array) -> Array:
    """Revenue (...,) of each auction less that of equilibrium bids at its signals (..., n); ties averaged."""
    n = signals.shape[-1]
    expected = np.stack([np.asarray(theory[i](signals[..., i]), float) for i in range(n)], axis=-1)
    got, wanted = (mechanism.run(sent.reshape(-1, n)).payments.sum(axis=1) for sent in (messages, expected))
    return np.asarray(got - wanted).reshape(signals.shape[:-1])


def running_gaps(gaps: Array, blocks: Array) -> Array:
    """Means (BLOCKS − SPAN + 1, R) of gaps (S, R) over SPAN blocks from each block on; NaN where one is empty."""
    count = np.bincount(blocks, minlength=BLOCKS).astype(float)
    sums = np.zeros((BLOCKS, gaps.shape[1]))
    np.add.at(sums, blocks, gaps)
    starts = range(BLOCKS - SPAN + 1)
    whole = np.array([np.nan if (count[k : k + SPAN] == 0).any() else count[k : k + SPAN].sum() for k in starts])
    return np.stack([np.cumsum(sums[k : k + SPAN], axis=0)[-1] for k in starts]) / whole[:, None]


def settled_from(running: Array, margin: float) -> Array:
    """The first place (R,) from which all of (K, R) lie within ± margin; NaN where the last one does not."""
    outside = ~(np.abs(running) <= margin)
    first = np.where(outside.any(axis=0), len(running) - outside[::-1].argmax(axis=0), 0).astype(float)
    return np.where(outside[-1], np.nan, first)


def bins_of_window(rounds: Array, start: int, end: int) -> Array | None:
    """Edges of equal stretches of the window with at least four of the kept rounds each; None where too few are."""
    kept = int(((rounds >= start) & (rounds < end)).sum())
    count = min(_BINS, kept // 4)
    return np.linspace(start, end, count + 1) if count >= _FEWEST else None


def persistence(series: Array) -> Array:
    """Lag-one autocorrelation of series (R, K) about a straight line, (R,), 0 on average for independent noise.

    From k independent numbers the plain estimate is off by about −1/k for each of the line's two parameters, which is
    added back. NaN where a series does not move.
    """
    left = _detrended(series)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = (left[:, 1:] * left[:, :-1]).sum(axis=1) / (left * left).sum(axis=1)
    return found + _LINE / series.shape[1]


def cycle(series: Array) -> tuple[Array, Array]:
    """Is one period stronger than chance?  Fisher's (1929) exact test of the largest periodogram ordinate.

    series (R, K) at equal steps; the line and first-order persistence are taken out first, so that slow wandering does
    not count as a cycle. Returns p (R,) and the period (R,) in steps. NaN where a series does not move.
    """
    left = _detrended(series)
    with np.errstate(invalid="ignore", divide="ignore"):
        rho = np.clip(persistence(series), -0.98, 0.98)[:, None]
        noise = left[:, 1:] - rho * left[:, :-1]
        power = np.abs(np.fft.rfft(noise - noise.mean(axis=1, keepdims=True), axis=1)) ** 2
        power = power[:, 1 : (noise.shape[1] - 1) // 2 + 1]
        share = power.max(axis=1) / power.sum(axis=1)
    p = np.array([_fisher(float(x), power.shape[1]) for x in share])
    period = noise.shape[1] / (1.0 + power.argmax(axis=1))
    return p, np.where(np.isnan(p), np.nan, period)


def _fisher(share: float, ordinates: int) -> float:
    """P(the largest of that many ordinates of white noise has at least this share of their sum)."""
    if math.isnan(share):
        return math.nan
    terms = np.arange(1, min(ordinates, math.floor(1.0 / share)) + 1)
    signs = np.where(terms % 2 == 1, 1.0, -1.0)
    chance = (signs * comb(ordinates, terms) * np.maximum(1.0 - terms * share, 0.0) ** (ordinates - 1)).sum()
    return float(min(max(chance, 0.0), 1.0))


def _detrended(series: Array) -> Array:
    """Each series (R, K) less its least-squares line; NaN where nothing but rounding is left."""
    time = np.arange(series.shape[1]) - (series.shape[1] - 1) / 2
    left = series - series.mean(axis=1, keepdims=True)
    left = left - ((left * time).sum(axis=1) / (time @ time))[:, None] * time
    moves = np.ptp(left, axis=1) > 1e-9 * (1e-300 + np.abs(series).max(axis=1))
    return np.where(moves[:, None], left, np.nan)
