"""A public project: build or not, and everybody lives with the decision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from auctionlab.arrays import Array
from auctionlab.core import Prior
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


@dataclass(frozen=True)
class PublicProject(Finite):
    """A project that costs `project_cost` is built or not; built, it is worth its own value to every citizen.

    Every seat receives the decision, 1 if built, also one that takes no part: nobody can be kept from a public good.
    With a cost of 0 and values of both signs it is a choice between two alternatives, of which one is worth 0 to all.
    Source: Clarke (1971); Green and Laffont (1979); Mas-Colell, Whinston and Green (1995), example 23.B.1.
    """

    citizens: Annotated[int | None, Field(ge=1, description="number of seats; may be left out with priors")] = None
    prior: Annotated[Prior | None, Field(description="the distribution of every citizen's value of the project")] = None
    priors: Priors = ()
    project_cost: Annotated[float, Field(description="what building costs the designer, in money")] = 0.0
    outside_options: Options = ()

    def __post_init__(self) -> None:
        priors = spread(self.citizens, self.prior, self.priors, "citizens")
        require(bool(np.isfinite(self.project_cost)), f"project_cost: should be finite, got {self.project_cost}")
        require_options(self.outside_options, len(priors))
        settle(self, citizens=len(priors), prior=shared(priors), priors=priors)

    def to_parameters(self) -> dict[str, Any]:
        return known(self, super().to_parameters())

    def roles(self) -> tuple[int, ...]:
        return alike(list(zip(self.priors, self.outside_options or (0.0,) * self.n, strict=True)))

    def outcomes(self) -> Array:
        return np.stack([np.zeros(self.n), np.ones(self.n)])

    def without(self) -> Array:
        return np.ones((2, self.n), dtype=bool)

    def cost(self, allocation: Array) -> Array:
        return self.project_cost * allocation[:, 0]
