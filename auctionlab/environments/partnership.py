"""A partnership to be dissolved: who owns a share of a firm values staying in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from auctionlab.arrays import Array, namespace
from auctionlab.core import Prior
from auctionlab.environments._checks import require
from auctionlab.environments._finite import Finite, Priors, alike, known, settle, shared, spread


@dataclass(frozen=True)
class Partnership(Finite):
    """Partners own shares of a firm that is worth a private value to each; one of them may take it over whole.

    Allocations are shares owned. Nothing happens without everybody's consent, so staying out keeps the shares:
    the outside option is the own share of the own value. An unequal division may be worth more than 1/n each.
    Source: Cramton, Gibbons and Klemperer (1987); Krishna (2010), problem 5.3.
    """

    partners: Annotated[int | None, Field(ge=2, description="number of seats; may be left out with priors")] = None
    prior: Annotated[Prior | None, Field(description="the distribution of every partner's value of the firm")] = None
    priors: Priors = ()
    shares: Annotated[
        tuple[float, ...], Field(strict=False, description="shares owned, one a partner, sum 1; equal by default")
    ] = ()

    def __post_init__(self) -> None:
        priors = spread(self.partners, self.prior, self.priors, "partners")
        n = len(priors)
        require(n >= 2, f"partners: should be at least 2, got {n}")
        shares = tuple(self.shares) or (1 / n,) * n
        require(len(shares) == n, f"shares: should be {n}, one a partner, got {len(shares)}")
        good = all(share >= 0 for share in shares) and abs(sum(shares) - 1) < 1e-9
        require(good, f"shares: should be 0 or more and sum to 1, got {shares}")
        settle(self, partners=n, prior=shared(priors), priors=priors, shares=shares)

    def to_parameters(self) -> dict[str, Any]:
        return known(self, super().to_parameters())

    def roles(self) -> tuple[int, ...]:
        return alike(list(zip(self.priors, self.shares, strict=True)))

    def outcomes(self) -> Array:
        return np.concatenate([np.eye(self.n), [self.shares]])

    def without(self) -> Array:
        """Without any one of them only the partnership as it is remains."""
        rows = np.zeros((self.n + 1, self.n), dtype=bool)
        rows[-1] = True
        return rows

    def outside(self, values: Array) -> Array:
        return values * namespace(values).asarray(self.shares, dtype=values.dtype)
