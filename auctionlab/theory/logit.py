"""Logit equilibrium of the first-price auction on a grid of bids, for any number of bidders and attitude to risk.

Everybody bids b with chance proportional to exp(weight × P(b) u(v − b)), where P(b) is the chance of winning with b
against n − 1 rivals who do the same (McKelvey and Palfrey 1995; Goeree, Holt and Palfrey 2002). Rivals matter only
through the shares h of their bids on the grid, so the equilibrium is a fixed point of K numbers; ties are split evenly.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from scipy.special import log_softmax

from auctionlab.arrays import Array
from auctionlab.core import Prior
from auctionlab.errors import NoEquilibrium

Utility = Callable[[Array], Array]

_NODES: Final = 100  # equally likely values over which rivals are averaged
_STEPS: Final = 3.0, 1.3  # weights are raised so many times, from one over the range of utility; slower if need be
_MEMORY: Final = 6  # steps that Anderson's mixing looks back
_MOST: Final = 400  # steps at one weight
_SETTLED: Final = 1e-11  # largest change of a share at the end
_GOOD: Final = 1e-6  # and what will do
_ROUGH: Final = 1e-3  # on the way


def logit_log_chances(win: Array, values: Array, grid: Array, weight: float, u: Utility) -> Array:
    """Log-chances (B, K) of the bids of the grid at values (B,), given the chances (K,) of winning with them."""
    return np.asarray(log_softmax(weight * win * u(values[:, None] - grid), axis=1))


def first_price_logit(prior: Prior, n: int, grid: Array, weight: float, u: Utility) -> Array:
    """Chances (K,) of winning with each bid of the grid in the logit equilibrium of n bidders with one prior.

    weight : of utility, per unit of utility.   u : utility of money payoffs, with u(0) = 0.
    Followed up from even bids; raises NoEquilibrium where bids do not settle at this weight.
    """
    values = np.asarray(prior.quantile((np.arange(_NODES) + 0.5) / _NODES), float)
    gains = u(values[:, None] - grid)  # (M, K)
    start = 1 / float(np.ptp(gains))
    for step in _STEPS:
        shares = np.full(grid.size, 1 / grid.size)
        rises = max(0.0, np.log(weight / start) / np.log(step)) if weight > 0 else 0.0
        for raised in start * step ** np.arange(rises):
            shares, _ = _settle(shares, n, raised * gains, _ROUGH)
        shares, moved = _settle(shares, n, weight * gains, _SETTLED)
        if moved < _GOOD:
            return winning(shares, n)
    raise NoEquilibrium(f"first-price: logit responses do not settle at the weight {weight:g} of utility")


def winning(shares: Array, n: int) -> Array:
    """Chances (K,) of winning with each bid when each of n − 1 rivals bids by `shares` (K,), ties split evenly.

    Σ_j C(n−1, j) h^j L^(n−1−j)/(j + 1) over the number j of rivals who tie is (H^n − L^n)/(n h), H = L + h.
    """
    at_most = np.cumsum(shares)
    below = at_most - shares
    powers = np.arange(n)[:, None]
    return np.asarray((at_most**powers * below ** (n - 1 - powers)).mean(axis=0))


def _settle(shares: Array, n: int, gains: Array, tolerance: float) -> tuple[Array, float]:
    """Shares (K,) that are their own logit response, and how far the last response was off.

    Half-way steps, made faster by Anderson's mixing (Walker and Ni 2011, SIAM J. Numer. Anal. 49).
    """
    tried: list[Array] = []
    steps: list[Array] = []
    moved = np.inf
    for _ in range(_MOST):
        chances = winning(shares, n) * gains
        chances -= chances.max(axis=1, keepdims=True)
        np.exp(chances, out=chances)
        chances /= chances.sum(axis=1, keepdims=True)
        step = chances.mean(axis=0) - shares
        moved = float(np.abs(step).max())
        if moved < tolerance:
            break
        tried, steps = [*tried[-_MEMORY:], shares], [*steps[-_MEMORY:], step]
        shares = shares + step / 2
        if len(steps) > 1:
            bends, ways = np.diff(steps, axis=0).T, np.diff(tried, axis=0).T  # (K, memory)
            shares = shares - (ways + bends / 2) @ np.linalg.lstsq(bends, step, rcond=None)[0]
        shares = np.maximum(shares, 0.0)
        shares /= shares.sum()
    return shares, moved
