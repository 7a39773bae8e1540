"""Bilateral trade: why it cannot be efficient without a subsidy, and what double auctions and posted prices lose.

V is the buyer's value with distribution F and density f, C the seller's cost with G and g.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from auctionlab.arrays import Array
from auctionlab.core import Prior
from auctionlab.environments.priors import Uniform
from auctionlab.environments.trade import BilateralTrade
from auctionlab.errors import ConfigError, NoEquilibrium
from auctionlab.theory.adaptive import integrate
from auctionlab.theory.efficient import groves_accounts
from auctionlab.theory.lines import shortfall
from auctionlab.theory.rivals import top_value

Function = Callable[[Array], Array]


@dataclass(frozen=True)
class Impossibility:
    """The Myerson-Satterthwaite theorem in numbers: what efficient trade would cost whoever organises it.

    gains : E[(V − C)⁺];  buyer_pays, seller_receives : expected VCG transfers;  deficit : their difference, the least
    subsidy with which any efficient, incentive compatible and individually rational mechanism can work.
    """

    gains: float
    buyer_pays: float
    seller_receives: float

    @property
    def deficit(self) -> float:
        return self.seller_receives - self.buyer_pays


def myerson_satterthwaite(buyer: Prior, seller: Prior) -> Impossibility:
    """The expected VCG deficit of bilateral trade.  Krishna (2010), prop. 5.7

    The buyer pays max{C, v̲}, the seller receives min{V, c̄}. The difference is V − C, the whole gain from trade, where
    the supports coincide; Krishna's text says so in general, but with V > c̄ or C < v̲ it is less, though never 0.
    Raises ConfigError where the supports do not overlap: with v̲ ≥ c̄ any price between is efficient and balanced.
    """
    if buyer.low >= seller.high:
        raise ConfigError(
            f"buyer and seller: supports should overlap, got values from {buyer.low:g} and costs up to "
            f"{seller.high:g}: any price between them trades efficiently without a subsidy"
        )
    accounts = groves_accounts(BilateralTrade(buyer, seller), "lowest")
    return Impossibility(accounts.welfare, accounts.payments[0], -accounts.payments[1])


@dataclass(frozen=True)
class Lines:
    """The linear equilibrium of a double auction: bid and ask as functions of value and cost.

    bid = (v + k ask_low) / (1 + k) for v ≥ ask_low;  ask = (c + (1 − k) bid_high) / (2 − k) for c ≤ bid_high.
    Types beyond never trade and send their own number.
    """

    k: float
    ask_low: float
    bid_high: float

    def bid(self, values: Array) -> Array:
        """The buyer's bid."""
        v = np.asarray(values, float)
        return np.where(v >= self.ask_low, (v + self.k * self.ask_low) / (1 + self.k), v)

    def ask(self, costs: Array) -> Array:
        """The seller's ask."""
        c = np.asarray(costs, float)
        return np.where(c <= self.bid_high, (c + (1 - self.k) * self.bid_high) / (2 - self.k), c)


def linear_double_auction(buyer: Prior, seller: Prior, k: float) -> Lines:
    """The linear equilibrium at price k bid + (1 − k) ask, for uniform priors.  Chatterjee and Samuelson (1983)

    The buyer's first-order condition against asks that are uniform from ask_low is v − b = k (b − ask_low); the
    seller's against bids uniform up to bid_high is s − c = (1 − k)(bid_high − s). With b(v̄) = bid_high and
    s(c̲) = ask_low they give bid_high = ((2 − k) v̄ + k c̲)/2 and ask_low = ((1 − k) v̄ + (1 + k) c̲)/2. It is an
    equilibrium where v̲ ≤ ask_low, unless k = 1 (asks are then the costs), and c̄ ≥ bid_high, unless k = 0 (bids are
    then the values): else asks or bids would bunch at an end of the others'.
    Raises NoEquilibrium for other priors, where equilibria are many and have no closed form.
    """
    if not isinstance(buyer, Uniform) or not isinstance(seller, Uniform):
        raise NoEquilibrium("double-auction: the linear equilibrium is known for uniform priors only")
    bid_high = ((2 - k) * buyer.high + k * seller.low) / 2
    ask_low = ((1 - k) * buyer.high + (1 + k) * seller.low) / 2
    slack = 1e-12 * (abs(bid_high) + abs(ask_low))
    if (k < 1 and buyer.low > ask_low + slack) or (k > 0 and seller.high < bid_high - slack):
        raise NoEquilibrium(
            f"double-auction: no linear equilibrium with these supports: values should reach down to {ask_low:g} and "
            f"costs up to {bid_high:g}, got values from {buyer.low:g} and costs up to {seller.high:g}"
        )
    return Lines(k, ask_low, bid_high)


def double_auction_gains(buyer: Uniform, seller: Uniform, k: float) -> float:
    """E[(V − C) trade] in the linear equilibrium: 9/64 of 1/6 possible for k = 1/2 and uniform priors on [0, 1]."""
    lines, below = linear_double_auction(buyer, seller, k), shortfall(seller)

    def of(values: Array) -> Array:
        limit = (2 - k) * lines.bid(values) - (1 - k) * lines.bid_high  # the cost that asks as much
        return np.asarray((values - limit) * seller.cdf(limit) + below(limit))

    last = (1 + k) * ((seller.high + (1 - k) * lines.bid_high) / (2 - k)) - k * lines.ask_low
    points = np.array([buyer.low, lines.ask_low, min(last, buyer.high), buyer.high])
    return _mean(buyer, of, np.unique(np.clip(points, max(buyer.low, lines.ask_low), buyer.high)))


def best_posted_price(buyer: Prior, seller: Prior) -> tuple[float, float]:
    """The fixed price that creates most gains, and those gains: E[(V − C); V ≥ p ≥ C].  Hagerty and Rogerson (1987)

    A posted price is the only form of trade that is dominant-strategy incentive compatible, ex-post individually
    rational and balanced.
    """
    low, high = max(seller.low, buyer.low), min(top_value(buyer), top_value(seller))
    if low >= high:
        low, high = min(low, high), max(low, high)
    best, at = -np.inf, low
    for _ in range(6):
        prices = np.linspace(low, high, 201)
        gains = posted_price_gains(buyer, seller, prices)
        k = int(np.argmax(gains))
        best, at = float(gains[k]), float(prices[k])
        low, high = float(prices[max(k - 1, 0)]), float(prices[min(k + 1, 200)])
    return at, best


def posted_price_gains(buyer: Prior, seller: Prior, prices: Array) -> Array:
    """E[(V − C); V ≥ p ≥ C] = E[(V − p)⁺] G(p) + E[(p − C)⁺] P(V ≥ p)."""
    p = np.asarray(prices, float)
    above = buyer.expectation - p + shortfall(buyer)(p)
    return np.asarray(above * seller.cdf(p) + shortfall(seller)(p) * buyer.sf(np.nextafter(p, -np.inf)))


def _mean(prior: Prior, function: Function, edges: Array) -> float:
    return integrate(lambda x: np.asarray(function(x) * prior.pdf(x)), edges)
