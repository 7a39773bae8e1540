"""Bilateral trade: one seller who can produce one good, one buyer, each with private information."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from auctionlab.arrays import Array, namespace
from auctionlab.core import Prior
from auctionlab.environments._checks import require, require_resolved
from auctionlab.environments._finite import Finite, Options, known, require_options
from auctionlab.errors import ConfigError


@dataclass(frozen=True)
class BilateralTrade(Finite):
    """A buyer (seat 0) values a good that a seller (seat 1) can produce at a cost; each knows only its own number.

    The seller's signal and message are the cost, its value of trading is minus the cost. Traded, both seats receive 1.
    Trade is efficient where the value exceeds the cost, which must be possible: the supports may be shifted, but the
    highest value must exceed the lowest cost.
    Source: Myerson and Satterthwaite (1983); Krishna (2010), section 5.3.3.
    """

    buyer: Annotated[Prior, Field(description="the distribution of the buyer's value, in money")]
    seller: Annotated[Prior, Field(description="the distribution of the seller's cost, in money")]
    outside_options: Options = ()

    def __post_init__(self) -> None:
        for name, prior in (("buyer", self.buyer), ("seller", self.seller)):
            require(isinstance(prior, Prior), f"{name}: should be a prior, got {prior!r}")
        if self.buyer.high <= self.seller.low:
            raise ConfigError(
                f"buyer and seller: supports should overlap, got values up to {self.buyer.high:g} and costs from "
                f"{self.seller.low:g}: they would never trade"
            )
        require_resolved(self.priors)
        require_options(self.outside_options, 2)

    def to_parameters(self) -> dict[str, object]:
        return known(self, super().to_parameters())

    @property
    def priors(self) -> tuple[Prior, ...]:
        return self.buyer, self.seller

    def roles(self) -> tuple[int, ...]:
        return 0, 1

    def values(self, signals: Array) -> Array:
        xp = namespace(signals)
        return signals * xp.asarray([1.0, -1.0], dtype=signals.dtype)

    def outcomes(self) -> Array:
        return np.array([[0.0, 0.0], [1.0, 1.0]])
