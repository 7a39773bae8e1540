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
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp
from scipy.interpolate import PchipInterpolator
from scipy.optimize import brentq, fsolve

from auctionlab.arrays import Array
from auctionlab.core import BidFunction, Prior
from auctionlab.environments.priors import Uniform
from auctionlab.errors import NoEquilibrium
from auctionlab.theory import trade_paths
from auctionlab.theory.rivals import cached, require_density
from auctionlab.theory.trade import linear_double_auction

_METHOD = (
    "differential equations of Chatterjee and Samuelson (1983); of a continuum of equilibria the one with finite "
    "slopes at both ends"
)
_THROUGH = (
    "differential equations of Chatterjee and Samuelson (1983); of a continuum of equilibria the one in which value "
    "{1:.4g} and cost {2:.4g} name the price {0:.4g}"
)
_NEAR = 1e-4  # of the range of prices: where the equations are left for their limits at both ends
_CUT = 1e-9  # the probability that is cut off where the trader who names the price has no best type
_TINY = 1e-12  # the level at which slopes at the ends of priors are measured
_GUESSES = tuple(np.array(change) for change in ((0, 0), (-1, 1), (1, -1)))
_POINTS = 400  # prices on either side of the middle

Function = Callable[[float], float]
Family = Callable[[int], tuple["Smooth", ...]]  # both traders in other equilibria of the continuum, by number


@dataclass(frozen=True, eq=False)
class Smooth:
    """The message of a trader: prices over the types (ascending) that may trade.

    Buyers above and sellers below these types send the last price, the others, who do not trade, their own number.
    """

    types: Array
    prices: Array
    buys: bool
    method: str = _METHOD
    numerical: bool = True
    family: Family | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "_curve", PchipInterpolator(self.types, self.prices))

    def __call__(self, signals: Array) -> Array:
        x = np.asarray(signals, float)
        inside = x >= self.types[0] if self.buys else x <= self.types[-1]
        curve: Any = self._curve  # type: ignore[attr-defined]
        return np.where(inside, curve(np.clip(x, self.types[0], self.types[-1])), x)


@dataclass(frozen=True, eq=False)
class Linear:
    """The message of a trader by the linear equilibrium, which is one of a continuum."""

    line: BidFunction
    family: Family | None

    def __call__(self, signals: Array) -> Array:
        return self.line(signals)


def double_auction(buyer: Prior, seller: Prior, k: float) -> tuple[BidFunction, ...]:
    """Bid and ask at price k bid + (1 − k) ask: linear for uniform priors that allow it, else smooth and numerical.

    Where no solution has finite slopes at both ends, as for unbounded priors, one through the middle by `trade_paths`.
    Raises NoEquilibrium for priors with atoms or gaps, and where values and costs do not overlap.
    """
    if isinstance(buyer, Uniform) and isinstance(seller, Uniform):
        with suppress(NoEquilibrium):
            lines = linear_double_auction(buyer, seller, k)
            family = partial(_member, buyer, seller, k) if 0 < k < 1 else None
            return Linear(lines.bid, family), Linear(lines.ask, family)
    return _smooth(buyer, seller, k)


def _member(buyer: Prior, seller: Prior, k: float, number: int) -> tuple[Smooth, ...]:
    """The equilibrium through a point in the middle at which bids are steeper or flatter, 0 to 4."""
    point = trade_paths.middle(buyer, seller, k, trade_paths.STEEPER[number % len(trade_paths.STEEPER)])
    return _traders(trade_paths.through(buyer, seller, k, point), _THROUGH.format(*point))


@cached
def _smooth(buyer: Prior, seller: Prior, k: float) -> tuple[Smooth, ...]:
    for seat, prior in enumerate((buyer, seller)):
        require_density("double-auction", prior, seat)
    if k in (0.0, 1.0):
        return _traders(_one_names_the_price(buyer, seller, k))
    family = partial(_member, buyer, seller, k)
    try:
        found = _traders(_both(buyer, seller, k))
    except NoEquilibrium:
        found = family(0)
    return tuple(replace(one, family=family) for one in found)


def _traders(paths: tuple[Array, Array, Array], method: str = _METHOD) -> tuple[Smooth, ...]:
    prices, values, costs = paths
    if not (np.all(np.diff(values) > 0) and np.all(np.diff(costs) > 0)):
        raise NoEquilibrium("double-auction: the prices that make both content do not rise with value and cost")
    return Smooth(values, prices, True, method), Smooth(costs, prices, False, method)


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
    low, high = (float(prior.quantile(np.array(level))) for prior, level in ((seller, _CUT), (buyer, 1 - _CUT)))
    low, high = (end if np.isfinite(end) else cut for end, cut in ((seller.low, low), (buyer.high, high)))
    bottom, top = max(low, buyer.low), min(high, seller.high)
    if k == 1:
        last = top
        if top + _below(seller, top) > high:
            last = _crossing(lambda p: p + _below(seller, p) - high, low, top, "the highest bid")
        prices = low + (last - low) * steps[1:]
        values = prices + np.array([_below(seller, p) for p in prices])
        return tuple(np.append(low, path) for path in (prices, values, prices))  # type: ignore[return-value]
    first = bottom
    if bottom - _above(buyer, bottom) < low:
        first = _crossing(lambda p: p - _above(buyer, p) - low, bottom, high, "the lowest ask")
    prices = first + (high - first) * steps[:-1]
    costs = prices - np.array([_above(buyer, p) for p in prices])
    return tuple(np.append(path, high) for path in (prices, prices, costs))  # type: ignore[return-value]


def _both(buyer: Prior, seller: Prior, k: float) -> tuple[Array, Array, Array]:
    """Prices, and the values and costs that send them: from both ends to the middle, where they have to meet."""
    if not np.isfinite([buyer.high, seller.low]).all():
        raise NoEquilibrium(
            "double-auction: without a highest value and a lowest cost slopes at both ends have no limit"
        )
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
