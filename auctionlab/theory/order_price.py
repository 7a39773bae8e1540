"""Bids of k-th-price auctions, k ≥ 3: derivatives of the quantile function, by panels of Legendre series."""

from __future__ import annotations

from collections.abc import Callable
from math import comb, factorial

import numpy as np

from auctionlab.arrays import Array
from auctionlab.core import Prior
from auctionlab.errors import NoneExists
from auctionlab.theory.quadrature import Piecewise, bisect, far_from, nodes, slope, tail
from auctionlab.theory.rivals import cached, starting_edges

_GRID = np.concatenate(
    [np.geomspace(1e-6, 1e-2, 200), np.linspace(0.01, 0.99, 600)[1:-1], 1 - np.geomspace(1e-2, 1e-6, 200)]
)


def quantile_slope(prior: Prior, values: Array) -> Array:
    """p Q′(p) = F(v) / f(v) at v = Q(p); 0 at the bottom of the support."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = prior.cdf(values) / prior.pdf(values)
    return np.where(values > prior.low, ratio, 0.0)


def kth_price_bid(prior: Prior, n: int, k: int, start: float) -> Callable[[Array], Array]:
    """The bid function b = Σ_i C(k−2, i) (n−k)!/(n−k+i)! p^i Q^(i)(p) of types from `start` up, n ≥ k ≥ 3.

    Raises NoneExists where it falls anywhere between the quantiles 1e-6 and 1 − 1e-6.
    """
    bids: Callable[[Array], Array]
    if k == 3:

        def bids(v: Array) -> Array:
            inside = np.minimum(v, prior.high)
            return inside + quantile_slope(prior, inside) / (n - 2)
    else:
        bids = _from_derivatives(prior, n, k)
    rising(prior, bids, start, k)
    return bids


def rising(prior: Prior, bids: Callable[[Array], Array], start: float, k: int) -> None:
    """Raises NoneExists where bids of types from `start` up fall between the quantiles 1e-6 and 1 − 1e-6."""
    jumps = np.asarray(prior.breaks)
    values = np.sort(np.concatenate([prior.quantile(_GRID), np.nextafter(jumps, -np.inf), np.nextafter(jumps, np.inf)]))
    values = values[values >= start]
    levels = bids(values)
    if not np.all(np.isfinite(levels)) or np.any(np.diff(levels) < -1e-10 * np.abs(levels[1:])):
        raise NoneExists(
            f"kth-price with k = {k}: the bids that equate payments do not rise with the value under this prior, "
            "so no rising equilibrium exists"
        )


@cached
def _from_derivatives(prior: Prior, n: int, k: int) -> Piecewise:
    def judge(values: Array, left: Array, right: Array) -> tuple[Array, Array]:
        error = tail(values) / (1e-13 * np.abs(values).max(axis=1))
        above, below = far_from(prior.low, left, right), far_from(-prior.high, -right, -left)
        return ~above | (error > 1) & ~below, error

    edges = starting_edges(
        ((prior, 1.0),), prior.low, closed=False, levels=np.array([0.1, 0.9])
    )  # wide: they lose least
    edges, ratio = bisect(edges, lambda x: quantile_slope(prior, x), judge, limit=1000)
    x, half = nodes(edges[:-1], edges[1:]), np.diff(edges)[:, None] / 2
    total, term = x, x  # term = p^i Q^(i)(p); with D = p d/dp = ratio d/dv, the next is D term − i term
    for i in range(1, k - 1):
        term = ratio * slope(term, half) - (i - 1) * term
        total = total + comb(k - 2, i) * factorial(n - k) / factorial(n - k + i) * term
    return Piecewise(edges, total, prior.low, prior.low)
