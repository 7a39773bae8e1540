"""Bilateral trade with a balanced budget: the double auction, a posted price, and the best that is possible."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from auctionlab.arrays import NO_BID, Array, namespace
from auctionlab.core import BidFunction, Box, Environment, Mechanism, Outcome, truth
from auctionlab.environments.trade import BilateralTrade
from auctionlab.errors import ConfigError, NoEquilibrium
from auctionlab.mechanisms._efficient import environments
from auctionlab.registry import kind_of
from auctionlab.rng import Stream

if TYPE_CHECKING:
    from auctionlab.theory.second_best import SecondBest


@dataclass(frozen=True)
class DoubleAuction(Mechanism):
    """Buyer and seller name prices at once; if the bid is at least the ask, they trade at k bid + (1 − k) ask.

    k = 1/2 splits the difference, k = 1 lets the buyer name the price, k = 0 the seller. Both shade, so some
    gains from trade are lost.
    Source: Chatterjee and Samuelson (1983); Myerson and Satterthwaite (1983), section 3.
    """

    k: Annotated[float, Field(ge=0, le=1, description="weight of the buyer's bid in the price, 0 to 1")] = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.k <= 1:
            raise ConfigError(f"k: should be between 0 and 1, got {self.k!r}")

    def messages(self, environment: Environment) -> Box:
        """Prices from 0 up, or from the lowest value or cost where that is negative."""
        low = float(np.min(np.asarray(environment.signal.low, float)))
        return Box(min(0.0, low), float("inf"))

    def run(self, messages: Array, rng: Stream | None = None) -> Outcome:
        bid, ask = messages[:, 0], messages[:, 1]
        xp = namespace(messages)
        here = xp.isfinite(bid) & xp.isfinite(ask)
        trade = here & (bid >= ask)
        zero = xp.zeros_like(bid)
        price = self.k * xp.where(here, bid, zero) + (1 - self.k) * xp.where(here, ask, zero)
        return _traded(trade, price, messages)

    def equilibrium(self, environment: Environment) -> tuple[BidFunction, ...]:
        """Linear for uniform priors: bid 2v/3 + 1/12, ask 2c/3 + 1/4 for k = 1/2 on [0, 1]; else smooth, numerical."""
        from auctionlab.theory.double_auction import double_auction

        where = traders(environment, "double-auction")
        return double_auction(where.buyer, where.seller, self.k)

    def claims(self, environment: Environment) -> frozenset[str]:
        """Balanced; a truthful trader never pays more than its value. Where an equilibrium is known, all take part."""
        if not isinstance(environment, BilateralTrade) or any(environment.outside_options):
            return frozenset({"balanced", "no-deficit"} if isinstance(environment, BilateralTrade) else ())
        claims = {"balanced", "no-deficit", "ex-post-ir"}
        try:
            self.equilibrium(environment)
        except NoEquilibrium:
            return frozenset(claims)
        return frozenset(claims | {"interim-ir"})

    @classmethod
    def examples(cls) -> Iterable[tuple[Mechanism, Environment]]:
        e = environments()
        yield cls(), e.BilateralTrade(e.Uniform(), e.Uniform())
        yield cls(k=0.0), e.BilateralTrade(e.Uniform(), e.Uniform())
        yield cls(k=1.0), e.BilateralTrade(e.Uniform(), e.Uniform())
        yield cls(k=0.3), e.BilateralTrade(e.Uniform(low=0.25, high=2.0), e.Uniform(low=0.0, high=2.5))
        yield cls(k=0.6), e.BilateralTrade(e.Uniform(low=-1.0, high=1.0), e.Uniform(low=-1.0, high=1.0))
        yield cls(), e.BilateralTrade(e.Beta(a=2.0, b=1.0), e.Uniform())


@dataclass(frozen=True)
class PostedTrade(Mechanism):
    """They trade at a fixed price if the buyer's report is at least the price and the seller's at most.

    The only form of trade that is dominant-strategy incentive compatible, ex-post individually rational and balanced.
    Source: Hagerty and Rogerson (1987).
    """

    trade_price: Annotated[float, Field(description="the price at which they may trade, in money")] = 0.5

    def __post_init__(self) -> None:
        if not np.isfinite(self.trade_price):
            raise ConfigError(f"trade_price: should be a finite number, got {self.trade_price!r}")

    def messages(self, environment: Environment) -> Box:
        """Any number is legal; only no number is no part."""
        return Box(NO_BID, float("inf"))

    def run(self, messages: Array, rng: Stream | None = None) -> Outcome:
        xp = namespace(messages)
        value, cost = messages[:, 0], messages[:, 1]
        trade = (value >= self.trade_price) & (cost <= self.trade_price) & (cost > NO_BID)
        return _traded(trade, xp.full_like(value, self.trade_price), messages)

    def claims(self, environment: Environment) -> frozenset[str]:
        """Everything but efficiency, which takes a price between all costs and all values."""
        if not isinstance(environment, BilateralTrade):
            return frozenset()
        claims = {"balanced", "no-deficit", "dsic", "ex-post-ic", "bic"}
        if not any(environment.outside_options):
            claims |= {"ex-post-ir", "interim-ir"}
        if environment.seller.high <= self.trade_price <= environment.buyer.low:
            claims.add("efficient")
        return frozenset(claims)

    @classmethod
    def examples(cls) -> Iterable[tuple[Mechanism, Environment]]:
        e = environments()
        yield cls(), e.BilateralTrade(e.Uniform(), e.Uniform())
        yield cls(trade_price=1.0), e.BilateralTrade(e.Uniform(low=1.0, high=2.0), e.Uniform())
        yield cls(trade_price=0.7), e.BilateralTrade(e.Exponential(mean=1.0), e.Discrete(values=(0.5, 0.7, 0.9)))


@dataclass(frozen=True)
class SecondBestTrade(Mechanism):
    """Trade takes place where v − λ (1 − F)/f is at least c + λ G/g, with the least λ that needs no subsidy.

    That maximises expected gains from trade subject to incentive compatibility, individual rationality and a balanced
    budget. The buyer pays m(v) + r(c) − E[r] to the seller, where m and r are what the types have to expect, also where
    they do not trade. Taking part is compulsory: reports beyond the types count as the nearest, no report as the type
    least eager to trade. With uniform priors on [0, 1] they trade where v − c ≥ 1/4.
    Source: Myerson and Satterthwaite (1983), theorem 2.
    """

    environment: Annotated[
        Environment | None, Field(description="the traders' priors, regular ones; the experiment's unless given")
    ] = None

    def __post_init__(self) -> None:
        if self.environment is not None:
            _ = self._payments

    @cached_property
    def design(self) -> SecondBest:
        """The rule for the priors; ConfigError where they are not regular or there are none."""
        from auctionlab.theory.second_best import second_best

        if not isinstance(self.environment, BilateralTrade):
            raise ConfigError(f"environment: should be bilateral-trade, got {kind_of(self.environment)}")
        return second_best(self.environment.buyer, self.environment.seller)

    @cached_property
    def _payments(self) -> tuple[Any, Any]:
        """m and r − E[r]."""
        design = self.design
        expected = design.receipt
        return design.buyer_payment, lambda costs: design.seller_receipt(costs) - expected

    def messages(self, environment: Environment) -> Box:
        """Any number is legal."""
        return Box(NO_BID, float("inf"))

    def run(self, messages: Array, rng: Stream | None = None) -> Outcome:
        xp = namespace(messages)
        sent = np.asarray(messages, float)
        design = self.design
        value, cost = (
            np.clip(np.where(np.isfinite(sent[:, i]), sent[:, i], least), prior.low, prior.high)
            for i, (prior, least) in enumerate(((design.buyer, design.buyer.low), (design.seller, design.seller.high)))
        )
        paid, received = self._payments
        price = xp.asarray(paid(value) + received(cost), dtype=messages.dtype)
        trade = xp.asarray(design.buyer_score(value) >= design.seller_score(cost), dtype=messages.dtype)
        return Outcome(xp.stack([trade, trade], axis=1), xp.stack([price, -price], axis=1))

    def equilibrium(self, environment: Environment) -> tuple[BidFunction, ...]:
        """The truth, where the designer knows the priors."""
        if environment != self.environment:
            raise NoEquilibrium("truth is an equilibrium where the designer's priors are right, here they are not")
        return (truth, truth)

    def claims(self, environment: Environment) -> frozenset[str]:
        if not isinstance(environment, BilateralTrade):
            return frozenset()
        claims = {"balanced", "no-deficit"}
        if environment == self.environment:
            claims |= {"bic"} | (set() if any(environment.outside_options) else {"interim-ir"})
            if self.design.weight == 0:
                claims.add("efficient")
        return frozenset(claims)

    @classmethod
    def examples(cls) -> Iterable[tuple[Mechanism, Environment]]:
        e = environments()
        for where in (
            e.BilateralTrade(e.Uniform(), e.Uniform()),
            e.BilateralTrade(e.Power(exponent=2.0), e.Uniform(low=0.0, high=1.5)),
            e.BilateralTrade(e.Uniform(low=1.0, high=2.0), e.Uniform()),
        ):
            yield cls(environment=where), where
        yield cls(environment=where), e.BilateralTrade(e.Uniform(), e.Uniform())


def traders(environment: Environment, rule: str) -> BilateralTrade:
    """The environment as bilateral trade; NoEquilibrium where it is something else."""
    if not isinstance(environment, BilateralTrade):
        raise NoEquilibrium(f"{rule}: needs a buyer and a seller, the environment bilateral-trade")
    return environment


def _traded(trade: Array, price: Array, messages: Array) -> Outcome:
    """Both receive 1 where they trade; the buyer pays the price to the seller."""
    xp = namespace(messages)
    done = xp.astype(trade, messages.dtype)
    paid = done * price
    return Outcome(xp.stack([done, done], axis=1), xp.stack([paid, -paid], axis=1))
