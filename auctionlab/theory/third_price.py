"""Third-price bids of the risk-averse, n ≥ 3 bidders with one prior.

A type v that ties with its highest rival is content where what the lower rivals bid is worth nothing on average:
∫ u(v − b(y)) dG(y) = 0 over y < v, G = F^(n−2).

cara  the mean of exp(αb) is exp(αv), the risk-neutral condition in exp(αv): b = v + log(1 + α F/((n − 2) f)) / α.
crra  where F is a power of the value, F ∝ v^a, the condition is the same for all types, so b = κ v; with m = a (n − 2),
      ∫_1^κ (z − 1)^(1−ρ) z^(m−1) dz = B(m, 2 − ρ), and from the lowest value likewise. Other priors are left to
      `smooth`. A reserve r above the lowest value keeps bids from rising: type v pays r with a chance that stays, so
      u(b(v) − r) is at least u(v − r) times a number over v − r, which has no bound next to r.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import beta

from auctionlab.arrays import Array
from auctionlab.core import Prior
from auctionlab.errors import NoEquilibrium, NoneExists
from auctionlab.theory.order_price import kth_price_bid, quantile_slope, rising
from auctionlab.theory.rivals import chance
from auctionlab.theory.symmetric import Bidding, Function

_LEVELS = np.linspace(0, 1, 4001)


def third_price(prior: Prior, n: int, risk: Any, start: float, reserve: float) -> Bidding:
    """The bids of all seats; the price is the third-highest bid, or the reserve.

    Raises NoneExists where bids cannot rise; NoEquilibrium under CRRA where F is no power of the value.
    """
    if hasattr(risk, "alpha"):
        neutral = kth_price_bid(prior, n, 3, start)

        def bids(v: Array) -> Array:
            return np.asarray(v + np.log1p(risk.alpha * (neutral(v) - v)) / risk.alpha)

        rising(prior, bids, start, 3)
        method = "the risk-neutral condition of Kagel and Levin (1993) in exp(αv)"
        return Bidding(method, start, bids, *_expected(prior, n, bids, start, reserve))
    inner = np.asarray(prior.quantile(_LEVELS[1:-1]))
    powers = (inner - prior.low) / quantile_slope(prior, inner)
    if start > prior.low:
        raise NoneExists(
            "kth-price with k = 3: under CRRA, with a reserve above the lowest value, types next to the reserve outbid "
            "any, so no rising equilibrium exists"
        )
    if not np.allclose(powers, powers[0], rtol=1e-9):
        raise NoEquilibrium("kth-price with k = 3: no formula is known under CRRA unless F is a power of the value")
    multiple = _multiple(float(powers[0]) * (n - 2), risk.rho)
    method = "multiples of values that make the price worth the value on average"

    def multiples(v: Array) -> Array:
        return np.asarray(prior.low + multiple * (v - prior.low))

    return Bidding(method, start, multiples, *_expected(prior, n, multiples, start, reserve))


def _multiple(power: float, rho: float) -> float:
    """κ for F^(n−2) ∝ v^power."""
    wanted = float(beta(power, 2 - rho))

    def excess(multiple: float) -> float:
        return float(quad(lambda z: (z - 1) ** (1 - rho) * z ** (power - 1), 1, multiple, epsabs=1e-13)[0]) - wanted

    high = 2.0
    while excess(high) < 0:
        high *= 2
    return float(brentq(excess, 1.0, high, xtol=1e-14))


def _expected(prior: Prior, n: int, bids: Function, start: float, reserve: float) -> tuple[Function, Function]:
    """The chance to win, and payments: E[price; win] = (n − 1) ∫ b (F(v) − F(y)) dG(y)."""
    types = np.asarray(prior.quantile(np.clip(_LEVELS, 1e-12, 1 - 1e-12)))
    prices = np.where(types < start, reserve, np.maximum(bids(np.maximum(types, start)), reserve))
    masses, middle = np.diff(_LEVELS ** (n - 2)), (_LEVELS[1:] + _LEVELS[:-1]) / 2
    price = (prices[1:] + prices[:-1]) / 2
    mean, weighted = (np.append(0.0, np.cumsum(masses * part)) for part in (price, price * middle))

    def paid(values: Array) -> Array:
        level = np.asarray(prior.cdf(values))
        return np.asarray((n - 1) * (level * np.interp(level, _LEVELS, mean) - np.interp(level, _LEVELS, weighted)))

    return lambda values: chance(((prior, n - 1.0),), values), paid
