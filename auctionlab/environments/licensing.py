"""A licence that harms who does not get it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from auctionlab.arrays import Array
from auctionlab.core import Prior
from auctionlab.environments._checks import require
from auctionlab.environments._finite import Finite, Priors, known, settle, shared, spread


@dataclass(frozen=True)
class Licensing(Finite):
    """Firm i's profit rises by X_i if it gets the licence, and falls by α X_i if a rival does, with 0 < α < 1.

    Allocations are what a seat experiences: 1 with the licence, −α where a rival has it, 0 where nobody has. The
    outside option depends on the others: who stays out sees a rival licensed and loses α X_i, unless one veto stops
    the licence altogether (`stay_out = "nobody"`), which makes it 0.
    Source: Krishna (2010), problem 5.4; Jehiel, Moldovanu and Stacchetti (1996).
    """

    externality: Annotated[
        float, Field(gt=0, lt=1, description="loss per unit of value when a rival gets the licence, between 0 and 1")
    ]
    firms: Annotated[int | None, Field(ge=2, description="number of seats; may be left out with priors")] = None
    prior: Annotated[Prior | None, Field(description="the distribution of every firm's gain from the licence")] = None
    priors: Priors = ()
    stay_out: Annotated[
        Literal["rival", "nobody"], Field(description="who gets the licence when a firm takes no part")
    ] = "rival"

    def __post_init__(self) -> None:
        alpha = self.externality
        require(0 < alpha < 1, f"externality: should be greater than 0 and less than 1, got {alpha!r}")
        allowed = ("rival", "nobody")
        require(self.stay_out in allowed, f"stay_out: should be 'rival' or 'nobody', got {self.stay_out!r}")
        priors = spread(self.firms, self.prior, self.priors, "firms")
        require(len(priors) >= 2, f"firms: should be at least 2, got {len(priors)}")
        settle(self, firms=len(priors), prior=shared(priors), priors=priors)

    def to_parameters(self) -> dict[str, Any]:
        return known(self, super().to_parameters())

    def outcomes(self) -> Array:
        own = np.eye(self.n)
        return np.concatenate([own - self.externality * (1 - own), np.zeros((1, self.n))])

    def without(self) -> Array:
        """Who takes no part cannot be licensed; under a veto nobody is."""
        outcomes = self.outcomes()
        return outcomes <= 0 if self.stay_out == "rival" else outcomes == 0

    def outside(self, values: Array) -> Array:
        return (-self.externality if self.stay_out == "rival" else 0.0) * values
