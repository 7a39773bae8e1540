"""Equilibria of the double auction for any priors: smooth bids from the first-order conditions of buyer and seller.

Let V(p) and C(p) be the value and the cost that send the price p, F and G the priors of value and cost. Where both are
content (Chatterjee and Samuelson 1983)

    C′ = k G(C) / ((V − p) g(C)),      V′ = (1 − k) (1 − F(V)) / ((p − C) f(V)),

from the lowest ask a, where C is the lowest cost and V = a, to the highest bid t, where V is the highest value and
C = t. The solutions are a continuum: one passes through every (p, V, C) with C < p < V (Satterthwaite and Williams
1989). The one that is computed leaves both ends with finite positive slopes, the linear one for uniform priors.
That fixes a and t: with 1/m the slope of G/g at the lowest cost, V′(a) = 1 + k/m, and likewise C′(t) at the top.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp
from scipy.interpolate import PchipInterpolator
from scipy.optimize import brentq, fsolve

from auctionlab.arrays import Array
from auctionlab.core import BidFunction, Prior
from auctionlab.environments.priors import Uniform
from auctionlab.errors import NoEquilibrium
from auctionlab.theory.rivals import cached, require_density
from auctionlab.theory.trade import linear_double_auction

_METHOD = (
    "differential equations of Chatterjee and Samuelson (1983); of a continuum of equilibria the one with finite "
    "slopes at both ends"
)
_NEAR = 1e-4  # of the range of prices: where the equations are left for their limits at both ends
_TINY = 1e-12  # the level at which slopes at the ends of priors are measured
_GUESSES = tuple(np.array(change) for change in ((0, 0), (-1, 1), (1, -1)))
_POINTS = 400  # prices on either side of the middle

Function = Callable[[float], float]


@dataclass(frozen=True, eq=False)
class Smooth:
    """The message of a trader: prices over the types (ascending) that may trade; others send their own number."""

    types: Array
    prices: Array
    method: str = _METHOD
    numerical: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "_curve", PchipInterpolator(self.types, self.prices))

    def __call__(self, signals: Array) -> Array:
        x = np.asarray(signals, float)
        inside = (x >= self.types[0]) & (x <= self.types[-1])
        curve: Any = self._curve  # type: ignore[attr-defined]
        return np.where(inside, curve(np.clip(x, self.types[0], self.types[-1])), x)


def double_auction(buyer: Prior, seller: Prior, k: float) -> tuple[BidFunction, BidFunction]:
    """Bid and ask at price k bid + (1 − k) ask: linear for uniform priors that allow it, else smooth and numerical.

    Raises NoEquilibrium for priors with atoms, gaps or unbounded support, and where no such solution exists.
    """
    if isinstance(buyer, Uniform) and isinstance(seller, Uniform):
        lines = linear_double_auction(buyer, seller, k)
        return lines.bid, lines.ask
    return _smooth(buyer, seller, k)


@cached
def _smooth(buyer: Prior, seller: Prior, k: float) -> tuple[Smooth, Smooth]:
    for seat, prior in enumerate((buyer, seller)):
        require_density("double-auction", prior, seat)
    if not np.isfinite([buyer.high, seller.low]).all():
        raise NoEquilibrium(
            "double-auction: without a highest value and a lowest cost no equilibrium with finite slopes is known"
        )
    prices, values, costs = _one_names_the_price(buyer, seller, k) if k in (0.0, 1.0) else _both(buyer, seller, k)
    if not (np.all(np.diff(values) > 0) and np.all(np.diff(costs) > 0)):
        raise NoEquilibrium("double-auction: the prices that make both content do not rise with value and cost")
    return Smooth(values, prices), Smooth(costs, prices)


def _above(buyer: Prior, value: float) -> float:
    """(1 − F)/f."""
    return _quotient(buyer.sf(np.array(value)), buyer.pdf(np.array(value)))


def _below(seller: Prior, cost: float) -> float:
    """G/g."""
    return _quotient(seller.cdf(np.array(cost)), seller.pdf(np.array(cost)))


def _quotient(chance: Array, density: Array) -> float:
    return float(chance / density) if density > 0 else np.inf


def _crossing(function: Function, low: float, high: float, where: str) -> float:
    """Where it is 0 strictly between the ends."""
    margin = 1e-9 * (high - low)
    if high <= low or not function(low + margin) * function(high - margin) < 0:
        raise NoEquilibrium(
            f"double-auction: no equilibrium with finite slopes at both ends: with these priors {where} has no solution"
        )
    return float(brentq(function, low + margin, high - margin, xtol=1e-15))


def _one_names_the_price(buyer: Prior, seller: Prior, k: float) -> tuple[Array, Array, Array]:
    """k = 1: asks are costs, V = p + G/g;   k = 0: bids are values, C = p − (1 − F)/f."""
    steps = np.linspace(0, 1, 2 * _POINTS + 1)
    if k == 1:
        top = min(seller.high, buyer.high)
        last = _crossing(lambda p: p + _below(seller, p) - buyer.high, seller.low, top, "the highest bid")
        prices = seller.low + (last - seller.low) * steps[1:]
        return prices, prices + np.array([_below(seller, p) for p in prices]), prices
    bottom = max(seller.low, buyer.low)
    first = _crossing(lambda p: p - _above(buyer, p) - seller.low, bottom, buyer.high, "the lowest ask")
    prices = first + (buyer.high - first) * steps[:-1]
    return prices, prices, prices - np.array([_above(buyer, p) for p in prices])


def _both(buyer: Prior, seller: Prior, k: float) -> tuple[Array, Array, Array]:
    """Prices, and the values and costs that send them: from both ends to the middle, where they have to meet."""
    low, high = seller.low, buyer.high
    near_low = max(float(seller.quantile(np.array(_TINY))) - low, 1e-7 * (high - low))
    near_high = max(high - float(buyer.quantile(np.array(1 - _TINY))), 1e-7 * (high - low))
    rise = 1 + k * _below(seller, low + near_low) / near_low  # V′ at the lowest ask
    fall = 1 + (1 - k) * _above(buyer, high - near_high) / near_high  # C′ at the highest bid
    ends = max(low, buyer.low), min(high, seller.high)
    a = _crossing(lambda p: (1 - k) * _above(buyer, p) - rise * (p - low), *ends, "the lowest ask")
    t = _crossing(lambda p: k * _below(seller, p) - fall * (high - p), *ends, "the highest bid")
    if a >= t:
        raise NoEquilibrium(
            "double-auction: no equilibrium with finite slopes at both ends: the lowest ask is too high"
        )
    step, middle = _NEAR * (t - a), (a + t) / 2
    floor = 0.5 * step * min(rise - 1, fall - 1, 1.0)

    def slopes(price: float, types: Array) -> tuple[float, float]:
        value, cost = types
        gain, cut = max(value - price, floor), max(price - cost, floor)
        value, cost = min(max(value, buyer.low), high), min(max(cost, low), seller.high)
        return (1 - k) * _above(buyer, value) / cut, k * _below(seller, cost) / gain

    def up(slope: float, at: Array | None = None) -> Any:
        start = [a + rise * step, low + slope * step]
        return solve_ivp(slopes, (a + step, middle), start, "LSODA", at, rtol=1e-10, atol=1e-12)

    def down(slope: float, at: Array | None = None) -> Any:
        start = [high - slope * step, t - fall * step]
        return solve_ivp(slopes, (t - step, middle), start, "LSODA", at, rtol=1e-10, atol=1e-12)

    guess = np.log([(t - low) / (t - a), (high - a) / (t - a)])

    def apart(logs: Array) -> Array:
        first, last = np.exp(np.clip(logs, guess - 4, guess + 4))
        return np.nan_to_num(up(first).y[:, -1] - down(last).y[:, -1], nan=high - low)

    for change in _GUESSES:
        found = np.asarray(fsolve(apart, guess + change, xtol=1e-11, maxfev=80, full_output=True)[0])
        if np.all(np.isfinite(found)) and np.abs(apart(found)).max() < 1e-7 * (high - low):
            break
    else:
        raise NoEquilibrium(
            "double-auction: with these priors no equilibrium was found that leaves both ends with finite slopes"
        )
    first, last = np.exp(found)
    rising, falling = np.linspace(a + step, middle, _POINTS), np.linspace(t - step, middle, _POINTS)
    lower, upper = up(first, rising).y, down(last, falling).y[:, ::-1]
    prices = np.concatenate([[a], rising, falling[:-1][::-1], [t]])
    values = np.concatenate([[a], lower[0], upper[0, 1:], [high]])
    costs = np.concatenate([[low], lower[1], upper[1, 1:], [t]])
    return prices, values, costs
