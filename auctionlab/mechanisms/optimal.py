"""The auction that earns most among bidders whose priors are known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from auctionlab.arrays import NO_BID, Array, enumerate_highest, highest_two, namespace, share_highest, transposed
from auctionlab.core import BidFunction, Box, Environment, Mechanism, Outcome
from auctionlab.errors import ConfigError, NoEquilibrium
from auctionlab.mechanisms._claims import against_outside, private
from auctionlab.rng import Stream

if TYPE_CHECKING:
    from auctionlab.theory.optimal import Design


@dataclass(frozen=True)
class OptimalAuction(Mechanism):
    """The highest virtual value wins, if it is not below the seller's value, and pays the least value that still wins.

    Virtual values are those of the priors of `environment`, ironed where they would fall, so bidders have reserves of
    their own and the highest value may lose. Ties on a flat part draw a random order of the tied: the first of them
    wins at the least value of the tie; a winner above the tie pays where the tie begins if it comes first in the order,
    and else where the tie ends. Truth is dominant in every order, hence also in expectation and for the risk-averse.
    Source: Myerson (1981); Krishna (2010), prop. 5.3.
    """

    environment: Annotated[
        Environment | None, Field(description="whose priors the seller believes in; the experiment's unless given")
    ] = None
    seller_value: Annotated[float, Field(description="what keeping the item is worth to the seller, in money")] = 0.0

    def __post_init__(self) -> None:
        if self.environment is not None:
            _ = self.design

    @cached_property
    def design(self) -> Design:
        """Scores, reserves and thresholds; ConfigError where the environment does not give independent priors."""
        from auctionlab.theory import optimal
        from auctionlab.theory.rivals import private_priors

        if self.environment is None:
            raise ConfigError("missing key 'environment', whose priors the auction is made for")
        try:
            priors = private_priors(self.environment, "optimal-auction")
        except NoEquilibrium as reason:
            raise ConfigError(f"environment: should have independent private values of one item; {reason}") from None
        return optimal.design(priors, self.seller_value)

    @property
    def sufficient_price(self) -> bool:
        return not self.design.lotteries

    def messages(self, environment: Environment) -> Box:
        """Values from the lowest that the seller thinks possible to the highest that is."""
        believed = [each.prior for each in self.design.ironed]
        highs = np.maximum([prior.high for prior in believed], environment.signal.high)
        return Box(np.array([prior.low for prior in believed]), highs)

    def run(self, messages: Array, rng: Stream | None = None) -> Outcome:
        """Allocation and payments (B, n) for reports (B, n)."""
        scores = self._scores(messages)
        allocation = share_highest(scores, None, rng, axis=0)
        first = None
        if rng is not None and self.design.lotteries:
            first = rng.random(messages.shape[0])
        return _outcome(messages, allocation, self._payments(scores, allocation, first))

    def lottery(self, messages: Array) -> tuple[Array, Outcome]:
        """Every winner among the tied; above a tied flat part, both payments: weights (K, B), arrays (K, B, n)."""
        xp = namespace(messages)
        scores = self._scores(messages)
        chances, winners = enumerate_highest(scores)
        payments = [self._payments(scores, winner, None) for winner in winners]
        if self.design.lotteries:
            alone, least = self._alone(scores)
            if len(chances) == 1:
                chances, winners = np.append(chances, 0 * chances, axis=0), np.append(winners, winners, axis=0)
            winners[1] = np.where(alone, winners[0], winners[1])
            chances[0], chances[1] = np.where(alone, least, chances[0]), np.where(alone, 1 - least, chances[1])
            payments[:2] = [self._payments(scores, winners[k], np.full(scores.shape[1], float(k))) for k in (0, 1)]
        kept = [_outcome(messages, winner, paid) for winner, paid in zip(winners, payments, strict=True)]
        outcome = Outcome(xp.stack([each.allocation for each in kept]), xp.stack([each.payments for each in kept]))
        return chances, outcome

    def price(self, messages: Array) -> Array | None:
        """y_i, the least report that would have won, (B, n); None where flat parts are drawn for."""
        if self.design.lotteries:
            return None
        scores = self._scores(messages)
        top, second = highest_two(scores) if len(scores) > 1 else (scores[0], np.full(scores.shape[1], NO_BID))
        rivals = np.where(scores == top, second, top)
        return _like(messages, np.stack([self.design.thresholds(i, best)[0] for i, best in enumerate(rivals)], axis=1))

    def equilibrium(self, environment: Environment) -> tuple[BidFunction, ...]:
        """Truth, of the types that can win; with what they expect, by quadrature of q_i.  Krishna (2010), (5.8)"""
        from auctionlab.theory import optimal
        from auctionlab.theory.rivals import private_priors

        bids = optimal.interim(self.design, private_priors(environment, "optimal-auction"))
        return bids if environment.risk_neutral else tuple(optimal.without_utility(bid) for bid in bids)

    def claims(self, environment: Environment) -> frozenset[str]:
        """Truth is dominant and safe whatever the priors; revenue is optimal where they are those of the design.

        Efficient only where equal bidders all can win and none are treated alike.
        """
        if not private(environment):
            return frozenset()
        claims = {"dsic", "ex-post-ic", "bic", "ex-post-ir", "interim-ir"}
        design, actual, believed = self.design, environment.priors, tuple(each.prior for each in self.design.ironed)
        if min(design.reserves) >= 0:
            claims.add("no-deficit")
        lowest = max(0.0, *(prior.low for prior in actual if prior is not None))
        equal = all(prior == actual[0] for prior in (*actual, *believed))
        if equal and not design.lotteries and max(design.reserves) <= lowest:
            claims.add("efficient")
        if actual == believed and environment.risk_neutral and self.seller_value == 0:
            claims.add("revenue-optimal")
        return against_outside(frozenset(claims), environment)

    def _scores(self, messages: Array) -> Array:
        return self.design.scores(transposed(np.asarray(messages, dtype=float)))

    def _alone(self, scores: Array) -> tuple[Array, Array]:
        """Where one seat is above all others (B,), and the chance to come before those tied next (B,)."""
        top, second = highest_two(scores) if len(scores) > 1 else (scores[0], np.full(scores.shape[1], NO_BID))
        tied = np.sum((scores == second) & (scores > NO_BID), axis=0)
        alone = top > second
        return alone, np.where(alone, 1 / (1 + tied), 1.0)

    def _payments(self, scores: Array, allocation: Array, first: Array | None) -> Array:
        """Payments (n, B): expected over the order of the tied, or in the order that `first` (B,) draws."""
        payments = np.zeros(scores.shape)
        top, second = highest_two(scores) if len(scores) > 1 else (scores[0], np.full(scores.shape[1], NO_BID))
        alone, least = self._alone(scores)
        for i in range(len(scores)):
            rows = np.flatnonzero(allocation[i] > 0)
            a, b = self.design.thresholds(i, np.where(alone[rows], second[rows], top[rows]))
            share = least[rows] if first is None else (first[rows] < least[rows]) * 1.0
            with np.errstate(invalid="ignore"):
                price = np.where(alone[rows] & (share < 1), share * a + (1 - share) * b, a)
            payments[i, rows] = allocation[i, rows] * price
        return payments

    @classmethod
    def examples(cls) -> Iterable[tuple[Mechanism, Environment]]:
        for where in _examples():
            yield cls(environment=where), where
        e = _environments()
        nath = e.PrivateValues(priors=(e.Uniform(high=12.0), e.Uniform(high=18.0)))
        yield cls(environment=nath), e.PrivateValues(priors=(e.Uniform(high=17.3), e.Uniform(high=12.0)))
        yield cls(environment=nath, seller_value=4.0), nath
        bumpy = e.PrivateValues(3, e.Empirical(data=(1.0, 2.0, 5.0)))
        yield cls(environment=bumpy), e.PrivateValues(3, e.Empirical(data=(1.0, 2.0, 5.0)), risk=e.Cara(alpha=0.5))


def _examples() -> Iterable[Environment]:
    e = _environments()
    yield e.PrivateValues(3, e.Uniform())
    yield e.PrivateValues(2, e.Uniform(low=1.0, high=2.0))
    yield e.PrivateValues(1, e.Exponential(mean=2.0))
    yield e.PrivateValues(priors=(e.Uniform(high=12.0), e.Uniform(high=18.0)))
    yield e.PrivateValues(priors=(e.Uniform(low=-1.0, high=1.0), e.Beta(a=2.0, b=2.0), e.Exponential(mean=0.5)))
    yield e.PrivateValues(3, e.Empirical(data=(1.0, 2.0, 5.0)))
    yield e.PrivateValues(
        priors=(e.Empirical(data=(1.0, 2.0, 5.0)), e.Empirical(data=(1.0, 2.0, 5.0)), e.Uniform(high=4.0))
    )
    yield e.PrivateValues(3, e.Discrete(values=(1.0, 2.0, 3.0), weights=(3.0, 1.0, 4.0)))
    yield e.PrivateValues(priors=(e.Discrete(values=(1.0, 3.0)), e.Discrete(values=(2.0, 4.0), weights=(3.0, 1.0))))


def _like(messages: Array, array: Array) -> Array:
    """The array in the messages' namespace and floating type."""
    return namespace(messages).asarray(array, dtype=messages.dtype)


def _outcome(messages: Array, allocation: Array, payments: Array) -> Outcome:
    """Seats-first arrays (n, B) as an outcome (B, n) of the messages' type."""
    return Outcome(_like(messages, transposed(allocation)), _like(messages, transposed(payments)))


def _environments() -> Any:
    from auctionlab.mechanisms.single_item import _environments as environments

    return environments()
