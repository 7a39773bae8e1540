"""Selling without an auction: a posted price, and take-it-or-leave-it offers to one buyer after another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from auctionlab.arrays import NO_BID, Array, enumerate_highest, namespace, share_highest, transposed
from auctionlab.core import BidFunction, Box, Environment, Mechanism, Outcome, Prior
from auctionlab.errors import ConfigError, NoEquilibrium
from auctionlab.mechanisms._claims import against_outside, private
from auctionlab.rng import Stream

Order = Annotated[
    Literal["random", "seats"], Field(description="who is asked first: drawn at random, or seat 0, 1, ...")
]
Believed = Annotated[
    Environment | None, Field(description="whose priors set the prices that are not given; the experiment's by default")
]


@dataclass(frozen=True)
class PostedPrice(Mechanism):
    """Buyers come one at a time, and the first whose message is at least the price gets the item and pays it.

    Without a price it is the one that earns most among the priors of `environment`.
    Source: Krishna (2010), introduction of chapter 5.
    """

    amount: Annotated[float | None, Field(description="the price, in money; none is the best one")] = None
    order: Order = "random"
    environment: Believed = None

    @cached_property
    def asked(self) -> float:
        """The price."""
        if self.amount is not None:
            return self.amount
        from auctionlab.theory.offers import posted_price

        return posted_price(_priors(self.environment, "amount"))[0]

    @property
    def sufficient_price(self) -> bool:
        return self.order == "seats"

    def messages(self, environment: Environment) -> Box:
        """Any value: who says less than the price says no."""
        return environment.signal

    def run(self, messages: Array, rng: Stream | None = None) -> Outcome:
        allocation = transposed(share_highest(self._places(messages), None, rng, axis=0))
        return Outcome(allocation, allocation * self.asked)

    def lottery(self, messages: Array) -> tuple[Array, Outcome]:
        """Each of the takers comes first with equal probability: weights (K, B), arrays (K, B, n)."""
        chances, winners = enumerate_highest(self._places(messages))
        allocation = namespace(messages).permute_dims(winners, (0, 2, 1))
        return chances, Outcome(allocation, allocation * self.asked)

    def price(self, messages: Array) -> Array | None:
        """The price where seats come in order and nobody earlier takes it, else out of reach; None in random order."""
        if self.order == "random":
            return None
        xp = namespace(messages)
        taken = xp.astype(messages >= self.asked, messages.dtype)
        before = xp.cumulative_sum(taken, axis=1) - taken
        return xp.where(before > 0, xp.full_like(messages, float("inf")), xp.full_like(messages, self.asked))

    def equilibrium(self, environment: Environment) -> tuple[BidFunction, ...]:
        """Truth: no message changes the price. Types below it take no part."""
        from auctionlab.theory import offers
        from auctionlab.theory.rivals import private_priors

        sales = offers.interim_posted(self.asked, private_priors(environment, "posted-price"), self.order == "seats")
        return _for(environment, sales)

    def claims(self, environment: Environment) -> frozenset[str]:
        """Truth is dominant and safe; with one buyer the best price is the best mechanism."""
        if not private(environment):
            return frozenset()
        return _claims(environment, (self.asked,))

    def _places(self, messages: Array) -> Array:
        """Scores (n, B): equal among takers in random order, falling by seat in order, −inf for no."""
        xp = namespace(messages)
        reports = transposed(messages)
        seats = xp.arange(reports.shape[0], dtype=messages.dtype)[:, None]
        rank = -seats if self.order == "seats" else 0 * seats
        takes = (reports >= self.asked) & (reports < float("inf"))
        return xp.where(takes, rank + xp.zeros_like(reports), xp.full_like(reports, NO_BID))

    @classmethod
    def examples(cls) -> Iterable[tuple[Mechanism, Environment]]:
        e = _environments()
        yield cls(amount=0.5), e.PrivateValues(2, e.Uniform())
        yield cls(amount=0.5, order="seats"), e.PrivateValues(3, e.Uniform())
        alone = e.PrivateValues(1, e.Power(exponent=2.0))
        yield cls(environment=alone), alone
        several = e.PrivateValues(priors=(e.Uniform(), e.Exponential(), e.Discrete(values=(0.5, 1.0))))
        yield cls(environment=several), several


@dataclass(frozen=True)
class SequentialOffers(Mechanism):
    """The seller offers the item at prices[0] to a first buyer, if refused at prices[1] to a second, and so on.

    A message of at least the price offered takes it. Without prices they are the best ones for the priors of
    `environment`, found backwards: what is expected from the later buyers is what the seller loses by selling now.
    Source: Krishna (2010), problem 5.5.
    """

    prices: Annotated[
        tuple[float, ...], Field(strict=False, description="one offer a position, in money; none are the best ones")
    ] = ()
    order: Order = "random"
    environment: Believed = None

    def __post_init__(self) -> None:
        if self.prices and not np.all(np.isfinite(self.prices)):
            raise ConfigError(f"prices: should be finite numbers, got {self.prices}")
        if not self.prices and self.environment is not None:
            _ = self.offers

    @cached_property
    def offers(self) -> tuple[float, ...]:
        """The offers, first to last."""
        if self.prices:
            return tuple(float(price) for price in self.prices)
        from auctionlab.theory.offers import sequential_prices

        priors = _priors(self.environment, "prices")
        if self.order == "random" and any(prior != priors[0] for prior in priors):
            raise ConfigError("prices: should be given for a random order of buyers with different priors, got none")
        return sequential_prices(priors)[0]

    def messages(self, environment: Environment) -> Box:
        """Any value: who says less than the price says no."""
        return environment.signal

    def run(self, messages: Array, rng: Stream | None = None) -> Outcome:
        """Expected over the orders, or in one drawn order."""
        if rng is None:
            sold = self._positions(np.asarray(messages, dtype=float))  # (B, n, k)
            return self._settle(messages, sold)
        uniform = rng.random(messages.shape)
        turns = (
            np.argsort(uniform, axis=1) if self.order == "random" else np.argsort(0 * uniform, axis=1, kind="stable")
        )
        return self._settle(messages, self._play(np.asarray(messages, dtype=float), turns))

    def lottery(self, messages: Array) -> tuple[Array, Outcome]:
        """Who buys at which offer, with its probability: weights (K, B), arrays (K, B, n); the last is no sale."""
        sold = self._positions(np.asarray(messages, dtype=float))
        batch, n, ways = sold.shape
        chances = np.concatenate([sold.reshape(batch, n * ways).T, 1 - sold.sum(axis=(1, 2))[None]])
        single = np.zeros((n * ways + 1, 1, n, ways))
        single[np.arange(n * ways), 0, np.repeat(np.arange(n), ways), np.tile(np.arange(ways), n)] = 1
        some = chances.max(axis=1) > 0
        whole = [self._settle(messages, np.broadcast_to(each, sold.shape)) for each in single[some]]
        xp = namespace(messages)
        allocation, payments = (
            xp.stack([each.allocation for each in whole]),
            xp.stack([each.payments for each in whole]),
        )
        return np.clip(chances[some], 0.0, 1.0), Outcome(allocation, payments)

    def equilibrium(self, environment: Environment) -> tuple[BidFunction, ...]:
        """Truth: no message changes the offers that one gets. Types below all of them take no part."""
        from auctionlab.theory import offers
        from auctionlab.theory.rivals import private_priors

        priors = private_priors(environment, "sequential-offers")
        return _for(environment, offers.interim_offers(self._offers(len(priors)), priors, self.order == "seats"))

    def claims(self, environment: Environment) -> frozenset[str]:
        """Truth is dominant and safe; with one buyer the best offer is the best mechanism."""
        return _claims(environment, self._offers(environment.n)) if private(environment) else frozenset()

    def _offers(self, n: int) -> tuple[float, ...]:
        if len(self.offers) != n:
            raise ConfigError(f"prices: should be {n}, one offer a buyer, got {len(self.offers)}")
        return self.offers

    def _play(self, reports: Array, turns: Array) -> Array:
        """Who buys at which offer when seat turns[:, k] comes k-th: (B, n, n) of zeros and at most a single one."""
        batch, n = reports.shape
        prices, sold, free = self._offers(n), np.zeros((batch, n, n)), np.ones(batch, bool)
        for k in range(n):
            report = np.take_along_axis(reports, turns[:, k : k + 1], axis=1)[:, 0]
            buys = free & (report >= prices[k]) & (report < np.inf)
            sold[np.flatnonzero(buys), turns[buys, k], k] = 1.0
            free &= ~buys
        return sold

    def _positions(self, reports: Array) -> Array:
        """The probability (B, n, n) that seat i buys at offer k, over the orders.

        In random order it comes k-th with probability 1/n. Nobody buys before if each earlier position has a seat that
        refuses its price; who refuses a price refuses all higher ones, so filling the positions from the lowest price
        up, each has those left who refuse its price: a product over positions counts the orders.
        """
        batch, n = reports.shape
        prices = self._offers(n)
        if self.order == "seats":
            return self._play(reports, np.tile(np.arange(n), (batch, 1)))
        takes = (reports[:, :, None] >= np.array(prices)) & (reports[:, :, None] < np.inf)  # (B, n, k)
        others = (~takes).sum(axis=1, keepdims=True) - ~takes  # others of seat i who refuse offer k
        sold = np.zeros((batch, n, n))
        for k in range(n):
            chance = np.full((batch, n), 1 / n)
            for used, j in enumerate(sorted(range(k), key=lambda j: prices[j])):
                chance = chance * np.maximum(others[:, :, j] - used, 0) / (n - 1 - used)
            sold[:, :, k] = chance * takes[:, :, k]
        return sold

    def _settle(self, messages: Array, sold: Array) -> Outcome:
        xp = namespace(messages)
        paid = sold @ np.array(self.offers)
        return Outcome(xp.asarray(sold.sum(axis=2), dtype=messages.dtype), xp.asarray(paid, dtype=messages.dtype))

    @classmethod
    def examples(cls) -> Iterable[tuple[Mechanism, Environment]]:
        e = _environments()
        two = e.PrivateValues(2, e.Uniform())
        yield cls(environment=two), two
        yield cls(prices=(0.25, 0.75, 0.5)), e.PrivateValues(3, e.Uniform())
        strong = e.PrivateValues(priors=(e.Uniform(high=2.0), e.Exponential()))
        yield cls(environment=strong, order="seats"), strong
        steps = e.PrivateValues(3, e.Discrete(values=(1.0, 2.0, 4.0)))
        yield cls(environment=steps), e.PrivateValues(3, e.Discrete(values=(1.0, 2.0, 4.0)), risk=e.Crra(rho=0.5))


def _claims(environment: Environment, prices: tuple[float, ...]) -> frozenset[str]:
    """What holds for every take-it-or-leave-it price: an offer that one cannot influence is answered truthfully."""
    from auctionlab.theory.optimal import optimal_revenue
    from auctionlab.theory.rivals import private_priors

    claims = {"dsic", "ex-post-ic", "bic", "ex-post-ir", "interim-ir"}
    if min(prices) >= 0:
        claims.add("no-deficit")
    if environment.n == 1 and environment.risk_neutral:
        from auctionlab.theory.marginal_revenue import demand

        (prior,) = private_priors(environment, "offers")
        earned = prices[0] * float(demand(prior, np.asarray(prices[0])))
        if abs(earned - optimal_revenue((prior,))) <= 1e-12 * max(1.0, abs(earned)):
            claims.add("revenue-optimal")
    return against_outside(frozenset(claims), environment)


def _for(environment: Environment, sales: tuple[Any, ...]) -> tuple[BidFunction, ...]:
    from auctionlab.theory.optimal import without_utility

    return sales if environment.risk_neutral else tuple(without_utility(sale) for sale in sales)


def _priors(environment: Environment | None, key: str) -> tuple[Prior, ...]:
    """The priors that set prices; ConfigError where there are none."""
    from auctionlab.theory.rivals import private_priors

    if environment is None:
        raise ConfigError(f"missing key {key!r}, or 'environment', whose priors tell the best")
    try:
        return private_priors(environment, "best prices")
    except NoEquilibrium as reason:
        raise ConfigError(f"environment: should have independent private values of one item; {reason}") from None


def _environments() -> Any:
    from auctionlab.mechanisms.single_item import _environments as environments

    return environments()
