"""Equilibria of the double auction through any chosen point: the continuum of Satterthwaite and Williams (1989).

The conditions of `double_auction`, for the value V and the cost C that send the price p, along a parameter s,

    dp = (V − p)(p − C) ds,      dV = (1 − k) (1 − F)/f (V − p) ds,      dC = k G/g (p − C) ds,

have no singularity. Down they lead to the lowest ask, where C is the lowest cost and V = p, up to the highest bid,
where V is the highest value and C = p. Or they end earlier: buyers above the last value bid as that, sellers below the
last cost ask as that.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from auctionlab.arrays import Array
from auctionlab.core import Prior
from auctionlab.errors import NoEquilibrium
from auctionlab.theory.rivals import top_value

_CUT, _CLOSE = 1e-12, 1e-9  # what may be missed: chances, and distances relative to the range of prices
_LONG, _POINTS, _ROUNDS = 1e4, 600, 100
_INSIDE = 1.5  # how far inside a type has to be, in distances of the median of those who would trade
STEEPER = ((1.0, 1.0), (1.5, 1.5), (0.67, 0.67), (1.5, 0.67), (0.67, 1.5))  # slopes of V and C, in those of the linear

Paths = tuple[Array, Array, Array]


def middle(buyer: Prior, seller: Prior, k: float, steeper: tuple[float, float]) -> tuple[float, float, float]:
    """(p, V, C): the price at which as many would buy as sell, and types at which bids have certain slopes.

    V′ = 1 + k and C′ = 2 − k are the slopes of the linear equilibrium of uniform priors; `steeper` multiplies them.
    Where no such types lie well inside, a type is the median of those who would trade at the price.
    """
    low, high = max(_end(seller, _CUT), _end(buyer, _CUT)), min(_end(buyer, 1 - _CUT), _end(seller, 1 - _CUT))
    if low >= high:
        raise NoEquilibrium("double-auction: all values lie on one side of all costs")
    price = float(brentq(lambda p: float(seller.cdf(np.array(p)) - buyer.sf(np.array(p))), low, high))
    rise, climb = (1 + k) * steeper[0], (2 - k) * steeper[1]

    gain = cut = 0.0
    for _ in range(_ROUNDS):
        asked = k * _below(seller, price - cut) / climb, (1 - k) * _above(buyer, price + gain) / rise
        far = max(abs(asked[0] - gain), abs(asked[1] - cut))
        gain, cut = (gain + asked[0]) / 2, (cut + asked[1]) / 2
    better = _end(buyer, (1 + float(buyer.cdf(np.array(price)))) / 2) - price
    cheaper = price - _end(seller, float(seller.cdf(np.array(price))) / 2)
    if not (0 < gain < _INSIDE * better and 0 < cut < _INSIDE * cheaper and far < 1e-3 * (gain + cut)):
        gain, cut = better, cheaper
    return price, price + gain, price - cut


def through(buyer: Prior, seller: Prior, k: float, point: tuple[float, float, float]) -> Paths:
    """Prices, and the values and the costs that send them, from the lowest ask to the highest bid."""
    down, up = (_followed(buyer, seller, k, point, way) for way in (-1.0, 1.0))
    paths = np.maximum.accumulate(np.concatenate([down[:, :0:-1], up], axis=1), axis=1)
    kept = np.append(True, np.all(np.diff(paths, axis=1) > 0, axis=0))
    prices, values, costs = paths[:, kept]
    return prices, values, costs


def _end(prior: Prior, level: float) -> float:
    return float(prior.quantile(np.array(level)))


def _above(buyer: Prior, value: float) -> float:
    """(1 − F)/f, 0 beyond the highest value."""
    value = max(value, buyer.low)
    density = float(buyer.pdf(np.array(value)))
    return float(buyer.sf(np.array(value))) / density if density > 0 else 0.0


def _below(seller: Prior, cost: float) -> float:
    """G/g, 0 below the lowest cost."""
    cost = min(cost, seller.high)
    density = float(seller.pdf(np.array(cost)))
    return float(seller.cdf(np.array(cost))) / density if density > 0 else 0.0


def _followed(buyer: Prior, seller: Prior, k: float, point: tuple[float, float, float], way: float) -> Array:
    """(p, V, C) from a point on, (3, N)."""
    low, high = max(seller.low, _end(seller, _CUT)), min(buyer.high, top_value(buyer))
    scale = min(high, _end(buyer, 0.99)) - max(low, _end(seller, 0.01))

    def slopes(_: float, at: Array) -> Array:
        price, value, cost = at
        gain, cut = value - price, price - cost
        step = (1 - k) * _above(buyer, value) * gain, k * _below(seller, cost) * cut
        return way * np.array([gain * cut, *step]) / (gain + cut)

    def near(_: float, at: Array) -> float:
        """What is left, at the end that this way leads to."""
        price, value, cost = at
        left = (price - cost, high - value) if way > 0 else (value - price, cost - low)
        chance = float(buyer.sf(np.array(value))) if way > 0 else float(seller.cdf(np.array(cost)))
        return max(left[0] / scale - _CLOSE, min(left[1] / scale, chance) - _CLOSE)

    def ends(_: float, at: Array) -> float:
        return float(seller.high - at[2] if way > 0 else at[1] - buyer.low)

    events: list[Any] = [near, ends]
    for event in events:
        event.terminal, event.direction = True, -1
    found: Any = solve_ivp(
        slopes,
        (0.0, _LONG * scale),
        np.array(point),
        "LSODA",
        events=events,
        dense_output=True,
        rtol=1e-10,
        atol=1e-13 * scale,
    )
    if found.status != 1:
        raise NoEquilibrium("double-auction: bids and asks could not be followed to their ends")
    times = np.unique(np.concatenate([found.t, np.linspace(0, found.t[-1], _POINTS)]))
    return np.asarray(found.sol(times))
