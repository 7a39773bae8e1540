"""Dissolving a partnership of two by an auction between the partners."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from auctionlab.arrays import Array, namespace, share_highest
from auctionlab.core import BidFunction, Box, Environment, Mechanism, Outcome
from auctionlab.environments.partnership import Partnership
from auctionlab.errors import ConfigError, NoEquilibrium
from auctionlab.mechanisms._efficient import environments
from auctionlab.rng import Stream


@dataclass(frozen=True)
class PartnershipDissolution(Mechanism):
    """Two equal partners bid; the higher bid gets the whole firm and pays the other a price between the two bids.

    The price for the other's half is k (higher bid) + (1 − k)(lower bid); k = 0, the lower bid, is Krishna's procedure.
    Without both partners' bids everything stays as it is. With values uniform on [0, 1] and k = 0 the bid is
    x/3 + 1/6: efficient, and type x expects x²/2 + 1/6, more than the x/2 of keeping its half for all x.
    Source: Krishna (2010), problem 5.3; Cramton, Gibbons and Klemperer (1987).
    """

    weight: Annotated[float, Field(ge=0, le=1, description="weight k of the higher bid in the price, 0 to 1")] = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.weight <= 1:
            raise ConfigError(f"weight: should be between 0 and 1, got {self.weight!r}")

    def messages(self, environment: Environment) -> Box:
        """Prices from 0 up, or from half the lowest value where that is negative.

        ConfigError where shares are not equal: the price is that of half a firm.
        """
        shares = getattr(environment, "shares", (0.5, 0.5))
        if len(shares) == 2 and shares != (0.5, 0.5):
            raise ConfigError(f"partnership-dissolution: shares should be equal, got {shares}")
        return Box(min(0.0, float(np.min(np.asarray(environment.signal.low, float))) / 2), float("inf"))

    def run(self, messages: Array, rng: Stream | None = None) -> Outcome:
        xp = namespace(messages)
        if messages.shape[1] != 2:
            raise ConfigError(f"partnership-dissolution: needs 2 partners, got {messages.shape[1]}")
        here = xp.all(xp.isfinite(messages), axis=1, keepdims=True)
        bids = xp.where(here, messages, xp.zeros_like(messages))
        price = self.weight * xp.max(bids, axis=1) + (1 - self.weight) * xp.min(bids, axis=1)
        firm = share_highest(bids, None, rng)
        owned = xp.where(here, firm, xp.full_like(firm, 0.5))
        return Outcome(owned, (2 * owned - 1) * price[:, None])

    def equilibrium(self, environment: Environment) -> tuple[BidFunction, ...]:
        """½ (x − ∫ (F − 1 + k)² / (F(x) − 1 + k)²), the integral from where F is 1 − k.  See theory.partnership"""
        from auctionlab.theory.partnership import dissolution_bid

        if not isinstance(environment, Partnership) or environment.n != 2 or environment.shares != (0.5, 0.5):
            raise NoEquilibrium("partnership-dissolution: bids are known for two partners with equal shares")
        prior = environment.prior
        if prior is None:
            raise NoEquilibrium("partnership-dissolution: no formula is known for partners with different priors")
        return (dissolution_bid(prior, self.weight),) * 2

    def claims(self, environment: Environment) -> frozenset[str]:
        """Balanced; efficient and individually rational in the symmetric equilibrium (CGK, section 3)."""
        if not isinstance(environment, Partnership) or environment.shares != (0.5, 0.5):
            return frozenset()
        claims = {"balanced", "no-deficit"}
        try:
            self.equilibrium(environment)
        except NoEquilibrium:
            return frozenset(claims)
        return frozenset(claims | {"efficient", "interim-ir"})

    @classmethod
    def examples(cls) -> Iterable[tuple[Mechanism, Environment]]:
        e = environments()
        yield cls(), e.Partnership(2, e.Uniform())
        yield cls(weight=0.5), e.Partnership(2, e.Uniform(low=1.0, high=3.0))
        yield cls(weight=1.0), e.Partnership(2, e.Beta(a=2.0, b=1.0))
        yield cls(weight=0.25), e.Partnership(priors=(e.Uniform(), e.Uniform(high=2.0)))
