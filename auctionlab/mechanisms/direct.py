"""The revelation principle: any mechanism and its equilibrium as a mechanism that asks for types."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from auctionlab.arrays import NO_BID, Array, namespace
from auctionlab.core import BidFunction, Box, Environment, Mechanism, Outcome
from auctionlab.errors import ConfigError, NoEquilibrium
from auctionlab.mechanisms._claims import private
from auctionlab.rng import Stream

_BUDGET = frozenset({"no-deficit", "balanced"})
_OUTCOME = _BUDGET | {"interim-ir", "efficient", "revenue-optimal"}  # what depends on the equilibrium outcome alone
_TRUTH = frozenset({"dsic", "ex-post-ic", "bic", "ex-post-ir"})


@dataclass(frozen=True)
class Direct(Mechanism):
    """Everyone reports a type; the mechanism sends for each the message that this type sends in equilibrium.

    Nobody gains by a false report, which would be another type's message, so truth is an equilibrium, and its outcomes
    are those of the mechanism inside. The equilibrium is that of `environment`. Reports below its lowest type take no
    part, and reports above the highest count as the highest.
    Source: Myerson (1981); Krishna (2010), prop. 5.1.
    """

    of: Annotated[
        Mechanism, Field(description="the mechanism whose equilibrium is played", examples=[{"kind": "first-price"}])
    ]
    environment: Annotated[
        Environment | None, Field(description="whose equilibrium is played; the experiment's unless given")
    ] = None

    def __post_init__(self) -> None:
        if self.environment is None:
            return
        lacks = getattr(self.of, "environment", self) is None and "environment" in (f.name for f in fields(self.of))
        if lacks:
            object.__setattr__(self, "of", replace(self.of, environment=self.environment))  # type: ignore[call-arg]
        _ = self.bids

    @cached_property
    def bids(self) -> tuple[BidFunction, ...]:
        """The equilibrium that is played for those who report; ConfigError, saying why, where none is known."""
        try:
            return self.of.equilibrium(self.believed)
        except NoEquilibrium as reason:
            raise ConfigError(f"of: needs a known equilibrium to be played for types; {reason}") from None

    def roles(self, environment: Environment) -> tuple[int, ...]:
        return self.of.roles(environment)

    def messages(self, environment: Environment) -> Box:
        """Types, from the lowest that the equilibrium is known for to the highest in either environment."""
        if environment.n != self.believed.n:
            raise ConfigError(f"environment: should have {environment.n} seats, as they play, got {self.believed.n}")
        own, believed = environment.signal, self.believed.signal
        return Box(believed.low, np.maximum(np.asarray(believed.high), np.asarray(own.high)), own.shape)

    def run(self, messages: Array, rng: Stream | None = None) -> Outcome:
        """The outcome (B, n) of the messages that the reported types (B, n, *S) send in equilibrium."""
        return self.of.run(self.play(messages), rng)

    def lottery(self, messages: Array) -> tuple[Array, Outcome]:
        return self.of.lottery(self.play(messages))

    def play(self, reports: Array) -> Array:
        """Equilibrium messages (B, n, *M) of reported types (B, n, *S), in the reports' type; −inf for no part."""
        types = np.asarray(reports, dtype=float)
        box = self.believed.signal
        low, high = (np.broadcast_to(np.asarray(end, dtype=float), types.shape[1:]) for end in (box.low, box.high))
        part = ((types >= low) & (types < np.inf)).reshape(*types.shape[:2], -1).all(axis=2)  # (B, n)
        known = np.clip(np.nan_to_num(types, neginf=0.0, posinf=0.0), low, high)
        sent = np.stack([np.asarray(bid(known[:, i])) for i, bid in enumerate(self.bids)], axis=1)
        sent = np.where(part.reshape(*part.shape, *(1,) * (sent.ndim - 2)), sent, NO_BID)
        return namespace(reports).asarray(sent, dtype=reports.dtype)

    def equilibrium(self, environment: Environment) -> tuple[BidFunction, ...]:
        """Truth, in the environment whose equilibrium is played; elsewhere only where it is dominant inside."""
        from auctionlab.theory.interim import truthful

        if environment == self.believed:
            return tuple(truthful(bid) for bid in self.bids)
        if "dsic" in self.claims(environment):
            return (truthful(),) * environment.n
        raise NoEquilibrium("direct: the equilibrium that is played is that of another environment")

    def claims(self, environment: Environment) -> frozenset[str]:
        """Truth is an equilibrium, with the outcomes of the mechanism inside; more where it is truthful itself.

        Where bids are no higher than values, a rule that never costs truthful bidders more than their value costs
        these no more either: type v is treated as type b(v) ≤ v of that rule.
        """
        inside = self.of.claims(environment)
        dominant = "dsic" in inside and "dsic" in self.of.claims(self.believed)
        known = np.all(np.asarray(environment.signal.low) >= np.asarray(self.believed.signal.low))
        kept = inside & (_TRUTH | {"interim-ir"}) if dominant and known else frozenset()
        if environment != self.believed:
            return kept | inside & _BUDGET
        claims = kept | inside & _OUTCOME | {"bic"}
        if private(environment) and "ex-post-ir" in inside and self._shaded:
            claims |= {"ex-post-ir"}
        return claims

    @property
    def believed(self) -> Environment:
        """The environment whose equilibrium is played; ConfigError where none is given."""
        if self.environment is None:
            raise ConfigError("missing key 'environment', whose equilibrium is played for types")
        return self.environment

    @cached_property
    def _shaded(self) -> bool:
        """Whether no type bids above its value, on a grid of quantiles."""
        for bid, prior in zip(self.bids, self.believed.priors, strict=True):
            values = np.asarray(prior.quantile(np.linspace(1e-6, 1 - 1e-6, 401))) if prior is not None else np.empty(0)
            if prior is None or np.any(np.asarray(bid(values)) > values + 1e-12 * np.abs(values)):
                return False
        return True

    @classmethod
    def examples(cls) -> Iterable[tuple[Mechanism, Environment]]:
        from auctionlab.mechanisms.optimal import OptimalAuction
        from auctionlab.mechanisms.single_item import AllPay, FirstPrice, KthPrice, SecondPrice, _environments

        e: Any = _environments()
        two, three = e.PrivateValues(2, e.Uniform()), e.PrivateValues(3, e.Uniform())
        averse = e.PrivateValues(2, e.Uniform(), risk=e.Crra(rho=0.5))
        unlike = e.PrivateValues(priors=(e.Uniform(), e.Uniform(high=2.0)))
        yield cls(of=FirstPrice(), environment=two), two
        yield cls(of=FirstPrice(reserve=0.5), environment=two), two
        yield cls(of=FirstPrice(), environment=averse), averse
        yield cls(of=AllPay(), environment=three), three
        yield cls(of=KthPrice(k=3), environment=three), three
        yield cls(of=SecondPrice(reserve=0.3), environment=two), unlike
        yield cls(of=OptimalAuction(), environment=unlike), unlike
