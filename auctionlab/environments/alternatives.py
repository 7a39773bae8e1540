"""Finitely many alternatives, of which one is chosen for all: values along one type a seat, or a value for each."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from auctionlab.arrays import Array, namespace
from auctionlab.core import Box, Draw, Prior
from auctionlab.environments._checks import require
from auctionlab.environments._finite import (
    Finite,
    Options,
    Priors,
    alike,
    known,
    require_options,
    settle,
    shared,
    spread,
)
from auctionlab.errors import ConfigError
from auctionlab.rng import Stream

Row = Annotated[tuple[float, ...], Field(strict=False)]
Costs = Annotated[
    tuple[float, ...],
    Field(strict=False, description="what each alternative costs the designer, in money; 0 for all by default"),
]


class _Decision(Finite, ABC):
    """One of K alternatives for all seats: allocations (n, K) have a 1 at the alternative chosen, in every seat's row.

    Nobody is exempt from the decision. Values are (n, K): what each alternative is worth to each seat.
    """

    @property
    def count(self) -> int:
        """The number of alternatives."""
        raise NotImplementedError

    def outcomes(self) -> Array:
        return np.repeat(np.eye(self.count)[:, None], self.n, axis=1)

    def without(self) -> Array:
        return np.ones((self.count, self.n), dtype=bool)

    def cost(self, allocation: Array) -> Array:
        xp = namespace(allocation)
        costs = getattr(self, "costs", ()) or (0.0,) * self.count
        return xp.sum(allocation[:, 0, :] * xp.asarray(costs, dtype=allocation.dtype), axis=1)


@dataclass(frozen=True)
class Alternatives(_Decision):
    """One of finitely many alternatives is chosen; it is worth its factor for a bidder times the bidder's type.

    `alternatives` has a row an alternative and an entry a bidder: (1, 0, -0.5) is worth the type to the first, nothing
    to the second, and costs the third half its type. Most of the other environments are special cases.
    Source: Okumura (2018), section 2.5, with v_i(x, θ_i) linear in θ_i; Krishna (2010), section 5.3.
    """

    alternatives: Annotated[
        tuple[Row, ...], Field(strict=False, description="value per unit of type: rows of one a bidder")
    ]
    bidders: Annotated[int | None, Field(ge=1, description="number of seats; may be left out with priors")] = None
    prior: Annotated[Prior | None, Field(description="the distribution of every bidder's type")] = None
    priors: Priors = ()
    costs: Costs = ()
    outside_options: Options = ()

    def __post_init__(self) -> None:
        count = self.bidders
        if self.prior is not None and count is None and self.alternatives:
            count = len(self.alternatives[0])
        priors = spread(count, self.prior, self.priors, "bidders")
        require(len(self.alternatives) > 0, "alternatives: should be at least one row of values, got none")
        for number, row in enumerate(self.alternatives):
            if len(row) != len(priors):
                lacks = f"no value for bidder {len(row)}" if len(row) < len(priors) else "a value for nobody"
                raise ConfigError(f"alternatives.{number}: {lacks}: should be {len(priors)}, one a bidder, got {row}")
            require(bool(np.isfinite(row).all()), f"alternatives.{number}: should be finite numbers, got {row}")
        _require_costs(self.costs, len(self.alternatives))
        require_options(self.outside_options, len(priors))
        rows = tuple(tuple(float(entry) for entry in row) for row in self.alternatives)
        settle(self, alternatives=rows, bidders=len(priors), prior=shared(priors), priors=priors)

    def to_parameters(self) -> dict[str, Any]:
        return known(self, super().to_parameters())

    @property
    def count(self) -> int:
        return len(self.alternatives)

    def roles(self) -> tuple[int, ...]:
        options = self.outside_options or (0.0,) * self.n
        return alike(list(zip(self.priors, zip(*self.alternatives, strict=True), options, strict=True)))

    def values(self, signals: Array) -> Array:
        xp = namespace(signals)
        factors = xp.asarray(self.alternatives, dtype=signals.dtype)  # (K, n)
        return signals[:, :, None] * factors.T[None]


@dataclass(frozen=True)
class RichAlternatives(_Decision):
    """One of `count` alternatives is chosen, and every bidder has a value of its own for each: types are vectors.

    All values are independent, those of one bidder from one prior. Rich enough for Green, Laffont and Holmström: what
    is efficient and dominant-strategy incentive compatible here is a Groves mechanism, and none of them balances.
    Source: Green and Laffont (1979); Holmström (1979); Okumura (2018), remark 2.6.
    """

    count: Annotated[int, Field(ge=1, le=1000, description="number of alternatives")] = 2
    bidders: Annotated[int | None, Field(ge=1, description="number of seats; may be left out with each")] = None
    prior: Annotated[Prior | None, Field(description="the distribution of every value of every bidder")] = None
    each: Annotated[tuple[Prior, ...], Field(strict=False, description="one prior a bidder, instead of prior")] = ()
    costs: Costs = ()
    outside_options: Options = ()

    def __post_init__(self) -> None:
        priors = spread(self.bidders, self.prior, self.each, "bidders")
        require(self.count >= 1, f"count: should be at least 1, got {self.count}")
        _require_costs(self.costs, self.count)
        require_options(self.outside_options, len(priors))
        settle(self, bidders=len(priors), prior=shared(priors), each=priors)

    def to_parameters(self) -> dict[str, Any]:
        return known(self, super().to_parameters())

    @property
    def priors(self) -> tuple[Prior | None, ...]:
        return (None,) * self.n  # types are not scalar

    @property
    def independent(self) -> bool:
        return True

    @property
    def n(self) -> int:
        return self.bidders or 0

    @property
    def signal(self) -> Box:
        low, high = (np.array([[getattr(prior, end)] for prior in self.each]) for end in ("low", "high"))
        return Box(low, high, (self.count,))

    def roles(self) -> tuple[int, ...]:
        return alike(list(zip(self.each, self.outside_options or (0.0,) * self.n, strict=True)))

    def sample(self, rng: Stream, batch: int) -> Draw:
        signals = rng.random((batch, self.n, self.count))
        for seat, prior in enumerate(self.each):
            signals[:, seat] = prior.quantile(signals[:, seat])
        return Draw(signals, signals)


def _require_costs(costs: tuple[float, ...], count: int) -> None:
    require(len(costs) in (0, count), f"costs: should be {count}, one an alternative, got {len(costs)}")
    require(bool(np.isfinite(costs).all()), f"costs: should be finite numbers, got {tuple(costs)}")
