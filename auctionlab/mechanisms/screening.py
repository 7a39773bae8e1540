"""Offers to one agent of unknown type: the optimal direct mechanism, and a menu to choose from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from auctionlab.arrays import NO_BID, Array, namespace
from auctionlab.core import BidFunction, Box, Environment, Mechanism, Outcome
from auctionlab.errors import ConfigError, NoEquilibrium
from auctionlab.mechanisms._claims import against_outside
from auctionlab.registry import kind_of
from auctionlab.rng import Stream

if TYPE_CHECKING:
    from auctionlab.theory.screening import Offer


@dataclass(frozen=True)
class OptimalScreening(Mechanism):
    """The agent reports its type θ, gets the first-best quantity of the virtual type ψ̄(θ), and pays v less its rent.

    The rent, ∫ v_θ(x(s), s) ds below θ and what staying out is worth, makes truth optimal; the quantity is too small
    for all types but the highest, and one for all types between which ψ was ironed.
    Source: Mussa and Rosen (1978); Myerson (1981), section 6.
    """

    environment: Annotated[
        Environment | None, Field(description="the screening problem it is made for; the experiment's unless given")
    ] = None

    def __post_init__(self) -> None:
        if self.environment is not None:
            _screening(self.environment)

    @cached_property
    def offer(self) -> Offer:
        """Quantities and transfers by type."""
        from auctionlab.theory.screening import optimal_offer

        return optimal_offer(_screening(self.environment))

    def messages(self, environment: Environment) -> Box:
        """The types that the principal thinks possible."""
        prior = _screening(self.environment).prior
        return Box(prior.low, prior.high)

    def run(self, messages: Array, rng: Stream | None = None) -> Outcome:
        """Quantities and transfers (B, 1) for reports (B, 1)."""
        xp = namespace(messages)
        reports = np.asarray(messages, dtype=float)
        low = _screening(self.environment).prior.low
        takes = (reports >= low) & (reports < np.inf)
        inside = np.where(takes, reports, low)
        left = _screening(self.environment).outside_option
        quantity, paid = self.offer.quantity(inside), self.offer.transfer(inside) - left
        return Outcome(*(xp.asarray(np.where(takes, part, 0.0), dtype=messages.dtype) for part in (quantity, paid)))

    def claims(self, environment: Environment) -> frozenset[str]:
        """Truth is optimal and safe for an agent with the tastes of the design, whatever its prior."""
        if not _same_tastes(self.environment, environment):
            return frozenset()
        claims = frozenset({"dsic", "ex-post-ic", "bic", "ex-post-ir", "interim-ir", "no-deficit"})
        return claims if not _screening(environment).outside_option else claims - {"no-deficit"}

    @classmethod
    def examples(cls) -> Iterable[tuple[Mechanism, Environment]]:
        for where in _examples():
            yield cls(environment=where), where


@dataclass(frozen=True)
class Menu(Mechanism):
    """The agent asks for a quantity, gets the largest one on the menu that is not above it, and pays that one's price.

    Asking for less than the smallest takes no part. Any incentive compatible mechanism for one agent is a menu.
    Source: Rochet (1985), the taxation principle.
    """

    quantities: Annotated[tuple[float, ...], Field(strict=False, description="on the menu, ascending, above 0")]
    prices: Annotated[tuple[float, ...], Field(strict=False, description="one a quantity, in money")]

    def __post_init__(self) -> None:
        if not self.quantities or any(b <= a for a, b in zip((0.0, *self.quantities), self.quantities, strict=False)):
            raise ConfigError(f"quantities: should be above 0 and ascending, got {self.quantities}")
        if len(self.prices) != len(self.quantities):
            raise ConfigError(f"prices: should be {len(self.quantities)}, one a quantity, got {len(self.prices)}")

    def messages(self, environment: Environment) -> Box:
        """Quantities up to the largest; ConfigError where there is more than one agent to choose."""
        if environment.n != 1:
            raise ConfigError(f"menu: should be for one agent, got {environment.n} seats")
        return Box(self.quantities[0], self.quantities[-1])

    def run(self, messages: Array, rng: Stream | None = None) -> Outcome:
        xp = namespace(messages)
        quantity, price = xp.zeros_like(messages), xp.zeros_like(messages)
        for offered, asked in zip(self.quantities, self.prices, strict=True):
            takes = (messages >= offered) & (messages < float("inf"))
            quantity, price = xp.where(takes, offered, quantity), xp.where(takes, asked, price)
        return Outcome(xp.astype(quantity, messages.dtype), xp.astype(price, messages.dtype))

    def equilibrium(self, environment: Environment) -> tuple[BidFunction, ...]:
        """The quantity worth most after its price, no part where none is worth it; NoEquilibrium outside screening."""
        if environment.n != 1 or environment.signal.shape != ():
            raise NoEquilibrium("menu: the best choice is known for one agent with a scalar type")

        def choose(types: Array) -> Array:
            values = np.asarray(types, dtype=float)
            best, most = np.full(values.shape, NO_BID), np.zeros(values.shape)
            for offered, asked in zip(self.quantities, self.prices, strict=True):
                worth = environment.value(np.full(values.shape, offered), values) - asked
                best, most = np.where(worth >= most, offered, best), np.maximum(worth, most)
            return best

        return (choose,)

    def claims(self, environment: Environment) -> frozenset[str]:
        """Nobody has to choose, unless staying out is worth more; no deficit where every price covers its cost."""
        if environment.n != 1 or environment.signal.shape != ():
            return frozenset()
        quantities = np.array(self.quantities)[:, None]
        covered = bool(np.all(np.array(self.prices) >= environment.cost(quantities) - 1e-12))
        return against_outside(frozenset({"interim-ir"} | ({"no-deficit"} if covered else set())), environment)

    @classmethod
    def examples(cls) -> Iterable[tuple[Mechanism, Environment]]:
        where = _environments().Screening(prior=_environments().Uniform(), quantities=(0.25, 0.5, 1.0))
        yield cls(quantities=(0.25, 0.5), prices=(0.15, 0.35)), where
        yield cls(quantities=(0.5, 1.0), prices=(0.0625, 0.75)), where


def _examples() -> Iterable[Environment]:
    e = _environments()
    yield e.Screening(prior=e.Uniform(), quantities=(0.25, 0.5, 1.0))
    yield e.Screening(prior=e.Uniform(low=1.0, high=2.0), technology="linear", capacity=1.0)
    yield e.Screening(prior=e.Empirical(data=(1.0, 2.0, 5.0)), taste="power", quantities=(0.0625, 0.25, 1.0))
    yield e.Screening(prior=e.Exponential(mean=1.0), taste="logarithmic", quantities=(0.5, 1.5))
    yield e.Screening(prior=e.Discrete(values=(1.0, 2.0, 4.0)), taste="quadratic", quantities=(0.5, 1.0))


def _screening(environment: Environment | None) -> Any:
    """The environment, if it is a screening problem; ConfigError otherwise."""
    from auctionlab.environments.screening import Screening

    if environment is None:
        raise ConfigError("missing key 'environment', the screening problem that the offer is made for")
    if not isinstance(environment, Screening):
        raise ConfigError(f"environment: should be screening, got {kind_of(environment)}")
    return environment


def _same_tastes(design: Environment | None, environment: Environment) -> bool:
    """Whether the agent values quantities as the design thinks, at the same cost, with types it thinks possible."""
    from dataclasses import replace

    from auctionlab.environments.screening import Screening

    believed = _screening(design)
    if not isinstance(environment, Screening):
        return False
    inside = believed.prior.low <= environment.prior.low and environment.prior.high <= believed.prior.high
    return inside and replace(environment, prior=believed.prior) == believed


def _environments() -> Any:
    from auctionlab.mechanisms.single_item import _environments as environments

    return environments()
