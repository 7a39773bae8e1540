"""What has no closed form under risk aversion: first-price bids with a fee under CRRA, second-price utility."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from auctionlab.arrays import Array
from auctionlab.core import Prior
from auctionlab.theory.quadrature import NODES, WEIGHTS, Piecewise, resolve
from auctionlab.theory.rivals import cached, ends, log_chance, starting_edges

Function = Callable[[Array], Array]


@cached
def bid_with_fee(prior: Prior, n: int, start: float, reserve: float, fee: float, rho: float) -> Piecewise:
    """b with b′ = (g/G)(u(w) + u(e))/u′(w), w = v − b − e, b(start) = reserve, for u(x) = x^(1−rho)/(1−rho).

    Solved for w, w′ = 1 − (g/G)(w + e^(1−rho) w^rho)/(1−rho), by an explicit Runge-Kutta method of order 8.
    """
    from scipy.integrate import solve_ivp  # here: nothing else needs it

    rivals = ((prior, n - 1.0),)
    panels = resolve(lambda x: log_chance(rivals, x), starting_edges(rivals, start), ends(rivals))

    def slope(x: float, w: Array) -> Array:
        value = np.array(x)
        ratio = (n - 1) * prior.pdf(value) / prior.cdf(value) / (1 - rho)
        inside = np.maximum(w, 0.0)
        return np.asarray(1 - ratio * (inside + fee ** (1 - rho) * inside**rho))

    x = panels.nodes.ravel()
    surplus = np.array([start - reserve - fee])
    span, least = (start, float(x[-1])), 1e-13 * max(1.0, abs(start))
    solution: Any = solve_ivp(slope, span, surplus, "DOP853", dense_output=True, rtol=1e-11, atol=least)
    return Piecewise(panels.edges, (x - fee - solution.sol(x)[0]).reshape(panels.nodes.shape))


def second_price_utility(prior: Prior, n: int, start: float, reserve: float, fee: float, u: Function) -> Function:
    """Expected utility of a truthful bidder against n − 1 truthful rivals of whom those below `start` stay out.

    U(v) = G(t) u(v − r − e) + ∫_t^v u(v − y − e) dG(y) + (1 − G(v)) u(−e), integrated over the quantiles of G.
    """
    points, weights = _graded()

    def between(v: Array, lower: Array, upper: Array) -> Array:
        chances = lower[:, None] + (upper - lower)[:, None] * points
        prices = np.asarray(prior.quantile(chances ** (1 / (n - 1))))
        return (upper - lower) * (u(v[:, None] - np.minimum(prices, v[:, None]) - fee) @ weights)

    def utility(values: Array) -> Array:
        v = np.asarray(values, dtype=float).ravel()
        alone, win = (np.asarray(prior.cdf(x)) ** (n - 1) for x in (np.full(v.shape, start), v))
        kink = np.clip(np.asarray(prior.cdf(v - fee)) ** (n - 1), alone, win)  # where u is not smooth
        paid = between(v, alone, kink) + between(v, kink, win) if fee > 0 else between(v, alone, win)
        whole = alone * u(v - max(reserve, 0.0) - fee) + paid + (1 - win) * u(np.full(v.shape, -fee))
        return whole.reshape(np.shape(values))

    return utility


def _graded() -> tuple[Array, Array]:
    """Nodes and weights on [0, 1], panels that shrink towards both ends."""
    ends = 0.5 * 6.0 ** -np.arange(9.0, -1.0, -1)
    edges = np.concatenate([[0.0], ends, 1 - ends[-2::-1], [1.0]])
    half = np.diff(edges)[:, None] / 2
    return (edges[:-1, None] + half * (1 + NODES)).ravel(), (half * WEIGHTS).ravel()
