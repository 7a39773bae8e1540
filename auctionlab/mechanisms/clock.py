"""Clocks: a price that moves in public elicits the messages of a sealed rule. People and bots share one clock.

A message is the price at which the seat leaves a rising clock or stops a falling one. `run` settles those prices by the
sealed rule, so only rules that never ask for a price that the clock has not shown are allowed.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Annotated, ClassVar, cast

from pydantic import Field

from auctionlab.arrays import Array
from auctionlab.core import BidFunction, Box, Environment, Mechanism, Outcome
from auctionlab.errors import ConfigError, NoEquilibrium
from auctionlab.mechanisms.single_item import FirstPrice, KthPrice, SecondPrice, SingleItem, WarOfAttrition
from auctionlab.registry import kind_of
from auctionlab.rng import Stream


@dataclass(frozen=True)
class _Clock(Mechanism, ABC):
    """What both clocks share: everything is asked of the sealed rule."""

    sealed: Mechanism

    @property
    def rule(self) -> SingleItem:
        """The sealed rule that settles the prices."""
        return cast(SingleItem, self.sealed)

    @property
    def reserve(self) -> float:
        """The sealed rule's reserve: a rising clock starts there, a falling one ends there."""
        return self.rule.reserve

    @property
    def entry_fee(self) -> float:
        """The sealed rule's entry fee."""
        return self.rule.entry_fee

    @property
    def sufficient_price(self) -> bool:
        return self.sealed.sufficient_price

    def claims(self, environment: Environment) -> frozenset[str]:
        return self.sealed.claims(environment)

    def roles(self, environment: Environment) -> tuple[int, ...]:
        return self.sealed.roles(environment)

    def messages(self, environment: Environment) -> Box:
        return self.sealed.messages(environment)

    def run(self, messages: Array, rng: Stream | None = None) -> Outcome:
        return self.sealed.run(messages, rng)

    def deviations(self, messages: Array, seats: Array, trials: Array) -> Outcome:
        return self.sealed.deviations(messages, seats, trials)

    def lottery(self, messages: Array) -> tuple[Array, Outcome]:
        return self.sealed.lottery(messages)

    def price(self, messages: Array) -> Array | None:
        return self.sealed.price(messages)

    def equilibrium(self, environment: Environment) -> tuple[BidFunction, ...]:
        return self.sealed.equilibrium(environment)


@dataclass(frozen=True)
class Ascending(_Clock):
    """The price rises from the reserve; who leaves is out for good, and the last one in gets the item.

    Around the second-price rule the winner pays the price at which the last rival left, and staying until the value
    is reached is dominant. Around the war of attrition everyone pays for the time they stayed.
    Source: Milgrom and Weber (1982); Krishna (2010), section 1.3.
    """

    clock: ClassVar[str] = "up"
    sealed: Annotated[
        Mechanism, Field(description="settles the exit prices: second-price, kth-price with k = 2, or war-of-attrition")
    ] = field(default_factory=SecondPrice)

    def __post_init__(self) -> None:
        if isinstance(self.sealed, KthPrice) and self.sealed.k != 2:
            why = "the winner's own exit is never seen" if self.sealed.k == 1 else "once two remain neither would leave"
            raise ConfigError(f"sealed: kth-price under a rising clock needs k = 2, got k = {self.sealed.k} ({why})")
        if not isinstance(self.sealed, SecondPrice | KthPrice | WarOfAttrition):
            raise ConfigError(
                f"sealed: a rising clock settles by second-price, kth-price with k = 2 or war-of-attrition, "
                f"got {kind_of(self.sealed)!r}"
            )

    def claims(self, environment: Environment) -> frozenset[str]:
        """Those of the sealed rule, as long as its equilibrium is one of the clock too."""
        claims = self.sealed.claims(environment)
        return claims if self._unmoved_by_exits(environment) else claims & {"no-deficit"}

    def equilibrium(self, environment: Environment) -> tuple[BidFunction, ...]:
        """The sealed rule's, where seeing the others leave changes nothing: a value to stop at, or a single rival.

        Three or more in a war of attrition do learn from exits.  Bulow and Klemperer (1999)
        """
        if not self._unmoved_by_exits(environment):
            raise NoEquilibrium("war-of-attrition on a rising clock: with more than two bidders exits reveal values")
        return self.sealed.equilibrium(environment)

    def _unmoved_by_exits(self, environment: Environment) -> bool:
        return environment.n == 2 or not isinstance(self.sealed, WarOfAttrition)

    @classmethod
    def examples(cls) -> Iterable[tuple[Mechanism, Environment]]:
        yield from ((cls(sealed=rule), where) for rule, where in islice(SecondPrice.examples(), 4))
        yield from ((cls(sealed=rule), where) for rule, where in WarOfAttrition.examples())


@dataclass(frozen=True)
class Descending(_Clock):
    """The price falls until somebody stops it, who gets the item and pays that price; it never falls below the reserve.

    Nothing is learned before it is over, so bids are those of the sealed first-price auction.
    Source: Vickrey (1961); Krishna (2010), section 1.4.
    """

    clock: ClassVar[str] = "down"
    sealed: Annotated[Mechanism, Field(description="settles the stop prices: first-price, or kth-price with k = 1")] = (
        field(default_factory=FirstPrice)
    )

    def __post_init__(self) -> None:
        if isinstance(self.sealed, KthPrice) and self.sealed.k != 1:
            raise ConfigError(f"sealed: kth-price under a falling clock needs k = 1, got k = {self.sealed.k}")
        if not isinstance(self.sealed, FirstPrice | KthPrice):
            raise ConfigError(
                f"sealed: a falling clock settles by first-price or kth-price with k = 1, got {kind_of(self.sealed)!r}"
            )

    @classmethod
    def examples(cls) -> Iterable[tuple[Mechanism, Environment]]:
        yield from ((cls(sealed=rule), where) for rule, where in islice(FirstPrice.examples(), 4))
