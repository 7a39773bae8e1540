"""One item to the highest bid: first-price, second-price, k-th-price, all-pay, war of attrition.

Every rule has a reserve and an entry fee. A message that is finite and at least the reserve is a bid; any other takes
no part: it wins nothing and pays nothing, the fee included. The highest bid gets the item. Where several are highest,
one of them is drawn, so that they share it equally in expectation; with ties = "nobody" the seller keeps it, which
matters on a grid of bids or values. Inside, arrays are (n, B), seats first.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from auctionlab.arrays import (
    NO_BID,
    Array,
    enumerate_highest,
    highest_two,
    namespace,
    share_highest,
    sole_highest,
    transposed,
)
from auctionlab.core import BidFunction, Box, Environment, Mechanism, Outcome, truth
from auctionlab.errors import NoEquilibrium
from auctionlab.mechanisms._claims import against_outside, facts, private
from auctionlab.registry import kind_of
from auctionlab.rng import Stream

Reserve = Annotated[float, Field(ge=0, description="the lowest legal bid and the least a winner pays, in money")]
Fee = Annotated[float, Field(ge=0, description="paid by everyone who bids, knowing the own value only, in money")]
Ties = Annotated[
    Literal["drawn", "nobody"],
    Field(description="who wins where highest bids are equal: one of them, each as likely, or nobody"),
]


@dataclass(frozen=True)
class SingleItem(Mechanism, ABC):
    """The item goes to the highest bid of at least the reserve; a subclass says who pays what.

    Payments are affine in the allocation once the bids are given, so ties and lotteries average exactly.
    """

    reserve: Reserve = 0.0
    entry_fee: Fee = 0.0
    ties: Ties = "drawn"

    @abstractmethod
    def charge(self, bids: Array, allocation: Array) -> Array:
        """Payments (n, B) without the fee, for bids (n, B) with -inf for no part, and who gets the item (n, B)."""

    def messages(self, environment: Environment) -> Box:
        """Any price from the reserve up."""
        return Box(self.reserve, float("inf"))

    def run(self, messages: Array, rng: Stream | None = None) -> Outcome:
        """Allocation and payments (B, n) for messages (B, n), in the messages' floating type."""
        bids = self._bids(messages)
        allocation = share_highest(bids, None, rng, axis=0) if self.ties == "drawn" else sole_highest(bids)
        return Outcome(transposed(allocation), transposed(self._payments(bids, allocation)))

    def lottery(self, messages: Array) -> tuple[Array, Outcome]:
        """One outcome for each of the tied: weights (K, B), arrays (K, B, n); K is the largest number of tied."""
        xp = namespace(messages)
        bids = self._bids(messages)
        if self.ties == "drawn":
            chances, winners = enumerate_highest(bids)
        else:
            chances, winners = xp.ones((1, bids.shape[1]), dtype=bids.dtype), sole_highest(bids)[None, ...]
        payments = [transposed(self._payments(bids, winners[k, ...])) for k in range(winners.shape[0])]
        return chances, Outcome(xp.permute_dims(winners, (0, 2, 1)), xp.stack(payments))

    def deviations(self, messages: Array, seats: Array, trials: Array) -> Outcome:
        """By the rivals' highest bids alone: whether they are met or beaten, and the few that payments depend on."""
        rivals = self._bids(messages).astype(float)  # (n, B)
        rivals[seats, np.arange(len(seats))] = NO_BID
        best, depth = rivals.max(axis=0), min(self.depth, len(rivals) - 1)
        tied = np.add.reduce(rivals == best, axis=0)
        own = np.atleast_2d(np.where((trials >= self.reserve) & (trials < np.inf), trials, NO_BID)).T  # (K, 1 or B)
        bids = np.empty((1 + depth, len(own), len(seats)))
        bids[0] = own
        bids[1:] = (best[None] if depth == 1 else np.sort(rivals, axis=0)[len(rivals) - depth :])[:, None]
        won: Array = (own > best) + ((own == best) & (own > NO_BID)) / (1.0 + tied) * (self.ties == "drawn")
        return Outcome(won.T, self._payments(bids, won[None])[0].T)

    def price(self, messages: Array) -> Array:
        """The highest bid among the others, or the reserve where nobody else bids that much: (B, n)."""
        xp = namespace(messages)
        bids = self._bids(messages)
        first, second = highest_two(bids)
        return transposed(self._floor(xp.where(bids == first, second, first)))

    def claims(self, environment: Environment) -> frozenset[str]:
        """What holds here; see `facts` for the part that follows from the equilibrium.

        `no-deficit` always: nobody is ever paid. A rule adds what it promises to truthful bidders.
        """
        if not private(environment):
            return frozenset()
        promises = self._promises()
        claims = frozenset({"no-deficit"}) | promises | facts(self, environment, truthful="bic" in promises)
        if self.ties == "nobody":
            claims -= {"efficient"}  # the item is kept where values tie
        return against_outside(claims, environment)

    def equilibrium(self, environment: Environment) -> tuple[BidFunction, ...]:
        """Truth where the rule promises that it is dominant; a rule that knows more overrides this."""
        if "dsic" in self._promises() and private(environment):
            return (truth,) * environment.n
        raise NoEquilibrium(f"no formula is known for the equilibrium of {kind_of(self)}")

    def _promises(self) -> frozenset[str]:
        """What this rule promises to truthful bidders with private values."""
        return frozenset()

    def _formulas(self, environment: Environment) -> Any:
        """The bid formulas, imported when first asked for: running a mechanism needs no SciPy.

        Raises NoEquilibrium where ties have weight and are lost, which the formulas do not know of.
        """
        from auctionlab.theory import bidding

        priors: tuple[Any, ...] = getattr(environment, "priors", ())
        if self.ties == "nobody" and any(prior.atoms for prior in priors):
            raise NoEquilibrium(
                f'{kind_of(self)}: with ties = "nobody" no equilibrium is known where a single value has weight'
            )
        return bidding

    @property
    def depth(self) -> int:
        """How many of the rivals' highest bids can matter to what a seat pays."""
        return 1

    def _bids(self, messages: Array) -> Array:
        """Legal bids, seats first: (B, n) messages to (n, B), -inf where the message takes no part."""
        xp = namespace(messages)
        bids = transposed(messages)
        legal = (bids >= self.reserve) & (bids < float("inf"))
        return bids if xp.all(legal) else xp.where(legal, bids, xp.asarray(NO_BID, dtype=bids.dtype))

    def _payments(self, bids: Array, allocation: Array) -> Array:
        payments = self.charge(bids, allocation)
        if self.entry_fee == 0:
            return payments
        xp = namespace(bids)
        return payments + self.entry_fee * xp.astype(bids > NO_BID, bids.dtype)

    def _floor(self, prices: Array) -> Array:
        """The prices, but at least the reserve."""
        xp = namespace(prices)
        return xp.maximum(prices, xp.asarray(self.reserve, dtype=prices.dtype))


@dataclass(frozen=True)
class FirstPrice(SingleItem):
    """The highest bid wins and pays itself. Bids are shaded below values, more so the fewer the bidders.

    Source: Vickrey (1961); Krishna (2010), section 2.3.
    """

    @property
    def sufficient_price(self) -> bool:
        return True

    def charge(self, bids: Array, allocation: Array) -> Array:
        return allocation * self._floor(namespace(bids).max(bids, axis=0))

    def equilibrium(self, environment: Environment) -> tuple[BidFunction, ...]:
        """E[highest rival value or reserve | it is below v] for the risk-neutral.  Krishna (2010), prop. 2.2"""
        return self._formulas(environment).first_price(environment, self.reserve, self.entry_fee)

    def _promises(self) -> frozenset[str]:
        """Who bids the value pays at most the value: `ex-post-ir`, unless there is a fee to lose."""
        return frozenset({"ex-post-ir"} if self.entry_fee == 0 else ())

    @classmethod
    def examples(cls) -> Iterable[tuple[Mechanism, Environment]]:
        e = _environments()
        yield cls(), e.PrivateValues(2, e.Uniform())
        yield cls(), e.PrivateValues(5, e.Power(exponent=2.0))
        yield cls(reserve=0.5), e.PrivateValues(2, e.Uniform())
        yield cls(reserve=0.2, entry_fee=0.05), e.PrivateValues(3, e.Uniform())
        yield cls(reserve=1.0), e.PrivateValues(3, e.Exponential(mean=1.0))
        yield cls(), e.PrivateValues(3, e.Uniform(), risk=e.Crra(rho=0.5))
        yield cls(), e.PrivateValues(2, priors=(e.Uniform(), e.Uniform(low=0.0, high=2.0)))
        yield cls(), e.PrivateValues(2, e.Discrete(values=(0.0, 0.5, 1.0), weights=(1.0, 2.0, 1.0)))
        yield cls(ties="nobody"), e.PrivateValues(3, e.Uniform())


@dataclass(frozen=True)
class SecondPrice(SingleItem):
    """The highest bid wins and pays the second-highest, or the reserve where that is higher. Truth is dominant.

    Source: Vickrey (1961); Krishna (2010), prop. 2.1.
    """

    @property
    def sufficient_price(self) -> bool:
        return True

    def charge(self, bids: Array, allocation: Array) -> Array:
        return allocation * self._floor(highest_two(bids)[1])

    def equilibrium(self, environment: Environment) -> tuple[BidFunction, ...]:
        """The value; with an entry fee, only from a threshold up.  Krishna (2010), prop. 2.1 and section 2.5"""
        return self._formulas(environment).second_price(environment, self.reserve, self.entry_fee)

    def _promises(self) -> frozenset[str]:
        """Without a fee truth is optimal against anything, not taking part included, and never loses.

        With a fee, staying out is better against strong rivals and worse against weak ones: nothing is dominant, and
        always taking part is no best reply either, so none of the truthfulness claims is made.
        """
        return frozenset({"dsic", "ex-post-ic", "bic", "ex-post-ir"} if self.entry_fee == 0 else ())

    @classmethod
    def examples(cls) -> Iterable[tuple[Mechanism, Environment]]:
        e = _environments()
        yield cls(), e.PrivateValues(2, e.Uniform())
        yield cls(), e.PrivateValues(4, e.Lognormal(mu=0.0, sigma=0.5))
        yield cls(reserve=0.5), e.PrivateValues(3, e.Uniform())
        yield cls(entry_fee=0.25), e.PrivateValues(2, e.Uniform())
        yield cls(reserve=0.5), e.PrivateValues(2, e.Uniform(low=1.0, high=2.0))
        yield cls(reserve=0.3), e.PrivateValues(2, priors=(e.Uniform(), e.Uniform(low=0.5, high=2.0)))
        yield cls(), e.PrivateValues(3, e.Discrete(values=(0.0, 1.0, 2.0), weights=(1.0, 1.0, 1.0)))
        yield cls(reserve=0.25), e.PrivateValues(3, e.Uniform(low=-1.0, high=1.0), risk=e.Cara(alpha=2.0))
        yield cls(ties="nobody"), e.PrivateValues(3, e.Discrete(values=(0.0, 1.0, 2.0), weights=(1.0, 1.0, 1.0)))


@dataclass(frozen=True)
class KthPrice(SingleItem):
    """The highest bid wins and pays the k-th highest, or the reserve where that is higher or fewer than k bid.

    k = 1 is the first-price, k = 2 the second-price auction; from k = 3 on bids exceed values.
    Source: Kagel and Levin (1993); Monderer and Tennenholtz (2000).
    """

    k: Annotated[int, Field(ge=1, description="which highest bid the winner pays; 1 is the own bid")] = 3

    @property
    def depth(self) -> int:
        return max(1, self.k - 1)

    @property
    def sufficient_price(self) -> bool:
        return self.k <= 2  # from the third price on, what a winner pays is not the price to win

    def charge(self, bids: Array, allocation: Array) -> Array:
        xp = namespace(bids)
        if self.k == 1:
            return allocation * self._floor(xp.max(bids, axis=0))
        if self.k == 2:
            return allocation * self._floor(highest_two(bids)[1])
        if self.k > bids.shape[0]:
            return allocation * self.reserve
        return allocation * self._floor(xp.sort(bids, axis=0)[bids.shape[0] - self.k, :])

    def equilibrium(self, environment: Environment) -> tuple[BidFunction, ...]:
        """From k = 3 on above the value: the price is a lower order statistic.  Krishna (2010), prop. 3.2"""
        return self._formulas(environment).kth_price(environment, self.k, self.reserve, self.entry_fee)

    def _promises(self) -> frozenset[str]:
        """Those of the second-price auction at k = 2; elsewhere a truthful winner still never pays above the value."""
        if self.k == 2:
            return SecondPrice(self.reserve, self.entry_fee)._promises()
        return frozenset({"ex-post-ir"} if self.entry_fee == 0 else ())

    @classmethod
    def examples(cls) -> Iterable[tuple[Mechanism, Environment]]:
        e = _environments()
        yield cls(k=3), e.PrivateValues(3, e.Uniform())
        yield cls(k=3), e.PrivateValues(5, e.Power(exponent=2.0))
        yield cls(k=4), e.PrivateValues(5, e.Uniform())
        yield cls(k=3), e.PrivateValues(2, e.Uniform())
        yield cls(k=2, reserve=0.5), e.PrivateValues(3, e.Uniform())
        yield cls(k=1), e.PrivateValues(2, e.Uniform())
        yield cls(k=3, reserve=0.2, entry_fee=0.1), e.PrivateValues(4, e.Uniform())


@dataclass(frozen=True)
class AllPay(SingleItem):
    """The highest bid wins; every bidder pays the own bid, won or lost.

    Source: Krishna (2010), section 3.2; Baye, Kovenock and de Vries (1996).
    """

    @property
    def sufficient_price(self) -> bool:
        return True

    def charge(self, bids: Array, allocation: Array) -> Array:
        xp = namespace(bids)
        return xp.where(bids > NO_BID, bids, xp.zeros_like(bids))

    def equilibrium(self, environment: Environment) -> tuple[BidFunction, ...]:
        """The integral of x dF(x)^(n-1) up to v, from the lowest type that takes part.  Krishna (2010), section 3.2"""
        return self._formulas(environment).all_pay(environment, self.reserve, self.entry_fee)

    @classmethod
    def examples(cls) -> Iterable[tuple[Mechanism, Environment]]:
        e = _environments()
        yield cls(), e.PrivateValues(2, e.Uniform())
        yield cls(), e.PrivateValues(4, e.Exponential(mean=2.0))
        yield cls(reserve=0.25), e.PrivateValues(2, e.Uniform())
        yield cls(entry_fee=0.1), e.PrivateValues(3, e.Uniform())
        yield cls(), e.PrivateValues(2, e.Uniform(low=1.0, high=3.0))
        yield cls(), e.PrivateValues(2, e.Uniform(), risk=e.Cara(alpha=1.0))
        yield cls(ties="nobody"), e.PrivateValues(2, e.Uniform())


@dataclass(frozen=True)
class WarOfAttrition(SingleItem):
    """The highest bid wins and pays the second-highest, or the reserve where that is higher; losers pay their own bids.

    Source: Maynard Smith (1974); Krishna and Morgan (1997); Krishna (2010), section 3.2.
    """

    @property
    def sufficient_price(self) -> bool:
        return True

    def charge(self, bids: Array, allocation: Array) -> Array:
        xp = namespace(bids)
        cap = self._floor(highest_two(bids)[1])  # tied highest bids pay themselves, whoever is drawn
        return xp.where(bids > NO_BID, xp.minimum(bids, cap), xp.zeros_like(bids))

    def equilibrium(self, environment: Environment) -> tuple[BidFunction, ...]:
        """The integral of x g(x) / (1 - G(x)) up to v, with G = F^(n-1).  Krishna and Morgan (1997)"""
        return self._formulas(environment).war_of_attrition(environment, self.reserve, self.entry_fee)

    @classmethod
    def examples(cls) -> Iterable[tuple[Mechanism, Environment]]:
        e = _environments()
        yield cls(), e.PrivateValues(2, e.Uniform())
        yield cls(), e.PrivateValues(3, e.Exponential(mean=1.0))
        yield cls(reserve=0.1), e.PrivateValues(2, e.Uniform())
        yield cls(entry_fee=0.1), e.PrivateValues(2, e.Power(exponent=2.0))


def _environments() -> Any:
    """Environments, priors and risks under one name, for examples."""
    from types import SimpleNamespace

    from auctionlab.registry import kinds

    parts = (kinds("environments"), kinds("priors"), kinds("risks"))
    return SimpleNamespace(**{cls.__name__: cls for part in parts for cls in part.values()})
