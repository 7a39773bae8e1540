"""Independent private values: every seat knows its own value, drawn from its own prior."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from auctionlab.arrays import Array, namespace
from auctionlab.core import Box, Draw, Environment, Outcome, Prior
from auctionlab.environments._checks import require_resolved
from auctionlab.environments._finite import Options, alike, require_options
from auctionlab.environments.risk import Risk
from auctionlab.errors import ConfigError
from auctionlab.rng import Stream


@dataclass(frozen=True)
class PrivateValues(Environment):
    """Each seat's value is drawn independently of the others' from its prior, and the seat knows it exactly.

    Give `bidders` and one `prior` for all, or `priors`, one a seat; equal priors make an environment symmetric. Where
    staying away from the auction is worth something, say how much by seat: individual rationality is judged against it.
    Source: Krishna (2010), section 2.1; risk attitudes: section 4.1.
    """

    bidders: Annotated[
        int | None, Field(ge=1, le=1_000_000, description="number of seats; may be left out with priors")
    ] = None
    prior: Annotated[Prior | None, Field(description="the distribution of every seat's value")] = None
    priors: Annotated[tuple[Prior, ...], Field(strict=False, description="one prior a seat, instead of prior")] = ()
    risk: Annotated[Risk | None, Field(description="attitude to risk of every seat; none is risk-neutral")] = None
    outside_options: Options = ()

    def __post_init__(self) -> None:
        if self.bidders is not None and self.bidders < 1:
            raise ConfigError(f"bidders: should be at least 1, got {self.bidders}")
        priors = self._resolve()
        require_options(self.outside_options, len(priors))
        symmetric = all(prior == priors[0] for prior in priors)
        require_resolved(priors)
        for name, value in (
            ("bidders", len(priors)),
            ("prior", priors[0] if symmetric else None),  # however it was written, equal environments are equal
            ("priors", (priors[0],) * len(priors) if symmetric else priors),
        ):
            object.__setattr__(self, name, value)

    def _resolve(self) -> tuple[Prior, ...]:
        """One prior a seat, from whichever way they were given."""
        if self.prior is None:
            if not self.priors:
                raise ConfigError("missing key 'prior' (one for all seats) or 'priors' (one a seat)")
            if self.bidders not in (None, len(self.priors)):
                raise ConfigError(f"priors: should be {self.bidders}, one a bidder, got {len(self.priors)}")
            return tuple(self.priors)
        if self.bidders is None:
            raise ConfigError("missing key 'bidders', the number of seats that share the prior")
        same = (self.prior,) * self.bidders
        if self.priors not in ((), same):
            raise ConfigError("priors: should not be given together with 'prior'; give one of the two")
        return same

    def to_parameters(self) -> dict[str, Any]:
        parameters = super().to_parameters()
        unused = {"priors"} if self.symmetric else {"prior"}
        if self.risk is None:
            unused.add("risk")
        if not self.outside_options:
            unused.add("outside_options")
        return {key: value for key, value in parameters.items() if key not in unused}

    @property
    def n(self) -> int:
        return len(self.priors)

    @property
    def symmetric(self) -> bool:
        """True where all seats draw from the same prior."""
        return self.prior is not None

    @property
    def signal(self) -> Box:
        if self.prior is not None:
            return Box(self.prior.low, self.prior.high)
        return Box(np.array([prior.low for prior in self.priors]), np.array([prior.high for prior in self.priors]))

    @property
    def risk_neutral(self) -> bool:
        return self.risk is None or self.risk.neutral

    @cached_property
    def _seats(self) -> list[tuple[Prior, Array]]:
        """Each different prior and the seats that draw from it."""
        roles = self.roles()
        return [(self.priors[roles.index(role)], np.flatnonzero(np.equal(roles, role))) for role in sorted(set(roles))]

    def sample(self, rng: Stream, batch: int) -> Draw:
        values = rng.random((batch, self.n))
        if self.prior is not None:
            values = self.prior.quantile(values)
        else:
            for prior, seats in self._seats:
                values[:, seats] = prior.quantile(values[:, seats])
        return Draw(values, values)

    def roles(self) -> tuple[int, ...]:
        if not self.outside_options:
            return super().roles()
        return alike(list(zip(self.priors, self.outside_options, strict=True)))

    def outside(self, values: Array) -> Array:
        if not self.outside_options:
            return super().outside(values)
        xp = namespace(values)
        money = xp.broadcast_to(xp.asarray(self.outside_options, dtype=values.dtype), values.shape[:2])
        return money if self.risk is None else self.risk.u(money)

    def utility(self, outcome: Outcome, values: Array) -> Array:
        payoffs = super().utility(outcome, values)
        return payoffs if self.risk is None else self.risk.u(payoffs)
