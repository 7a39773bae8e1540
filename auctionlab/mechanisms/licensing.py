"""The sale of a licence by a first-price auction, where losing hurts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Annotated

import numpy as np
from pydantic import Field

from auctionlab.arrays import Array, namespace, share_highest, transposed
from auctionlab.core import BidFunction, Box, Environment, Mechanism, Outcome
from auctionlab.environments.licensing import Licensing
from auctionlab.environments.private import PrivateValues
from auctionlab.errors import ConfigError, NoEquilibrium
from auctionlab.mechanisms._efficient import environments
from auctionlab.registry import kind_of
from auctionlab.rng import Stream


@dataclass(frozen=True)
class LicensingAuction(Mechanism):
    """The highest bid gets the licence and pays itself; all other firms suffer from it.

    Winning instead of losing is worth (1 + α) x, so bids are 1 + α times those of a first-price auction: with two
    firms and values uniform on [0, 1], (1 + α) x/2, and revenue (1 + α)/3, the same as of the VCG mechanism.
    Source: Krishna (2010), problem 5.4.
    """

    environment: Annotated[
        Environment | None, Field(description="the firms and their externality; the experiment's unless given")
    ] = None

    def __post_init__(self) -> None:
        if self.environment is not None:
            _ = self._firms

    @cached_property
    def _firms(self) -> Licensing:
        if not isinstance(self.environment, Licensing):
            raise ConfigError(f"environment: should be licensing, got {kind_of(self.environment)}")
        return self.environment

    def messages(self, environment: Environment) -> Box:
        """Any price from 0 up."""
        return Box(0.0, float("inf"))

    def run(self, messages: Array, rng: Stream | None = None) -> Outcome:
        xp = namespace(messages)
        firms = self._firms
        legal = xp.isfinite(messages) & (messages >= 0)
        if firms.stay_out == "nobody":
            legal = legal & xp.all(legal, axis=1, keepdims=True)
        bids = xp.where(legal, messages, xp.full_like(messages, -float("inf")))
        won = transposed(share_highest(transposed(bids), None, rng, axis=0))
        sold = xp.sum(won, axis=1, keepdims=True)
        paid = won * xp.where(legal, messages, xp.zeros_like(messages))
        return Outcome(won - firms.externality * (sold - won), paid)

    def equilibrium(self, environment: Environment) -> tuple[BidFunction, ...]:
        """(1 + α) E[highest rival value | it is below x]: staying out saves nothing while a rival is licensed."""
        from auctionlab.theory.bidding import first_price

        if not isinstance(environment, Licensing) or environment.externality != self._firms.externality:
            raise NoEquilibrium("licensing-auction: needs the licensing environment it was made for")
        if environment.stay_out == "nobody":
            raise NoEquilibrium(
                "licensing-auction: low values would veto the licence, and no formula is known for that"
            )
        if min(prior.low for prior in environment.priors) < 0:
            raise NoEquilibrium("licensing-auction: no formula is known where the licence may be worth less than 0")
        bids = first_price(PrivateValues(priors=environment.priors))
        return tuple(partial(_scaled, 1 + environment.externality, bid) for bid in bids)

    def claims(self, environment: Environment) -> frozenset[str]:
        """Never a deficit; in equilibrium all take part, and among equal firms it is efficient if selling always is."""
        if not isinstance(environment, Licensing) or environment != self.environment:
            return frozenset()
        claims = {"no-deficit"}
        if environment.stay_out == "rival":
            claims.add("ex-post-ir")
        try:
            self.equilibrium(environment)
        except NoEquilibrium:
            return frozenset(claims)
        claims.add("interim-ir")
        if environment.prior is not None and environment.externality * (environment.n - 1) <= 1:
            claims.add("efficient")
        return frozenset(claims)

    @classmethod
    def examples(cls) -> Iterable[tuple[Mechanism, Environment]]:
        e = environments()
        for where in (
            e.Licensing(0.5, 2, e.Uniform()),
            e.Licensing(0.3, 3, e.Power(exponent=2.0)),
            e.Licensing(0.8, 3, e.Uniform(low=0.5, high=1.0)),
            e.Licensing(0.5, 2, e.Uniform(), stay_out="nobody"),
        ):
            yield cls(environment=where), where


def _scaled(factor: float, bid: BidFunction, values: Array) -> Array:
    return np.asarray(factor * bid(values))
