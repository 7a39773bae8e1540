"""One agent, whose taste for the principal's quantity or quality is private."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from auctionlab.arrays import Array, namespace
from auctionlab.core import Box, Draw, Environment, Prior
from auctionlab.errors import ConfigError
from auctionlab.rng import Stream


@dataclass(frozen=True)
class Screening(Environment):
    """A principal sells a quantity x to one agent, who values it at v(x, θ) and alone knows its type θ.

    taste   linear v = θx, power v = θx^exponent, quadratic v = θx − x²/2, logarithmic v = θ ln(1 + x): all linear in θ
            with v_θ = g(x) rising in x, so that higher types gain more from more (strictly increasing differences).
    cost    linear c(x) = rate x, or quadratic c(x) = rate x²/2.
    The allocation is the quantity; staying out is worth `outside_option` to every type.
    Source: Mussa and Rosen (1978); Maskin and Riley (1984).
    """

    prior: Annotated[Prior, Field(description="the distribution of the type")]
    taste: Annotated[
        Literal["linear", "power", "quadratic", "logarithmic"], Field(description="the family of v(x, θ)")
    ] = "linear"
    exponent: Annotated[float, Field(gt=0, lt=1, description="of x in v = θx^exponent; power only")] = 0.5
    technology: Annotated[Literal["linear", "quadratic"], Field(description="the family of the principal's cost")] = (
        "quadratic"
    )
    rate: Annotated[float, Field(gt=0, description="of the cost: rate x, or rate x²/2")] = 1.0
    capacity: Annotated[float | None, Field(gt=0, description="the highest quantity; none is no limit")] = None
    quantities: Annotated[
        tuple[float, ...], Field(strict=False, description="the quantities on offer beside 0; none is any")
    ] = ()
    outside_option: Annotated[float, Field(ge=0, description="what not taking part is worth, in money")] = 0.0

    def __post_init__(self) -> None:
        if self.taste == self.technology == "linear" and self.capacity is None and not self.quantities:
            raise ConfigError(
                "missing key 'capacity': with linear taste and cost any type that buys wants no end of it"
            )
        bad = [quantity for quantity in self.quantities if not 0 < quantity <= (self.capacity or np.inf)]
        if bad:
            raise ConfigError(f"quantities: should be above 0 and at most the capacity, got {bad[0]}")

    @property
    def n(self) -> int:
        return 1

    @property
    def signal(self) -> Box:
        return Box(self.prior.low, self.prior.high)

    @property
    def priors(self) -> tuple[Prior, ...]:
        return (self.prior,)

    def sample(self, rng: Stream, batch: int) -> Draw:
        types = np.asarray(self.prior.quantile(rng.random((batch, 1))))
        return Draw(types, types)

    def outside(self, values: Array) -> Array:
        return namespace(values).full_like(values, self.outside_option)

    def value(self, allocation: Array, values: Array) -> Array:
        """v(x, θ), any shape."""
        fixed = allocation * allocation / 2 if self.taste == "quadratic" else 0 * allocation
        return values * self.type_slope(allocation) - fixed

    def type_slope(self, quantity: Array) -> Array:
        """v_θ = g(x), any shape."""
        if self.taste == "power":
            return quantity**self.exponent
        return namespace(quantity).log1p(quantity) if self.taste == "logarithmic" else quantity

    def marginal_value(self, quantity: Array, types: Array) -> Array:
        """v_x(x, θ): what a type pays for a little more, any shape."""
        if self.taste == "power":
            return types * self.exponent * quantity ** (self.exponent - 1)
        if self.taste == "quadratic":
            return types - quantity
        return types / (1 + quantity) if self.taste == "logarithmic" else types + 0 * quantity

    def production_cost(self, quantity: Array) -> Array:
        """c(x), any shape."""
        return self.rate * (quantity * quantity / 2 if self.technology == "quadratic" else quantity)

    def marginal_cost(self, quantity: Array) -> Array:
        """c′(x), any shape."""
        return self.rate * (quantity if self.technology == "quadratic" else 1 + 0 * quantity)

    def cost(self, allocation: Array) -> Array:
        return namespace(allocation).sum(self.production_cost(allocation), axis=1)

    def best_quantity(self, types: Array) -> Array:
        """The quantity that maximises v(x, θ) − c(x), the first best, any shape; the larger of equally good ones.

        At a virtual type it maximises the virtual surplus, as v is linear in θ.
        """
        xp = namespace(types)
        if self.quantities:
            return self._best_listed(types)
        zero = xp.zeros_like(types)
        wanted = self._unbounded(xp.where(types > 0, types, zero))
        wanted = xp.where(wanted > 0, wanted, zero)
        return wanted if self.capacity is None else xp.where(wanted < self.capacity, wanted, zero + self.capacity)

    def _unbounded(self, types: Array) -> Array:
        """Where v_x(x, θ) = c′(x), for θ ≥ 0."""
        xp = namespace(types)
        steep = self.technology == "quadratic"
        if self.taste == "power":
            return (types * self.exponent / self.rate) ** (1 / ((2 if steep else 1) - self.exponent))
        if self.taste == "quadratic":
            return types / (1 + self.rate) if steep else types - self.rate
        if self.taste == "logarithmic":
            return (xp.sqrt(1 + 4 * types / self.rate) - 1) / 2 if steep else types / self.rate - 1
        if steep:
            return types / self.rate
        return xp.where(types >= self.rate, xp.full_like(types, float("inf")), xp.zeros_like(types))

    def _best_listed(self, types: Array) -> Array:
        xp = namespace(types)
        best, most = xp.zeros_like(types), xp.zeros_like(types)
        for quantity in sorted(self.quantities):
            offered = xp.full_like(types, quantity)
            gain = self.value(offered, types) - self.production_cost(offered)
            best, most = xp.where(gain >= most, offered, best), xp.where(gain >= most, gain, most)
        return best

    def best_welfare(self, values: Array) -> Array:
        quantity = self.best_quantity(values)
        return namespace(values).sum(self.value(quantity, values) - self.production_cost(quantity), axis=1)

    def outcomes(self) -> Array:
        """Nothing and each quantity on offer, (K, 1); none listed (K = 0) where any quantity is."""
        if self.quantities:
            return np.array([0.0, *sorted(self.quantities)])[:, None]
        if self.taste == self.technology == "linear":
            return np.array([[0.0], [float(self.capacity or 0.0)]])
        return np.empty((0, 1))

    def to_parameters(self) -> dict[str, Any]:
        parameters = super().to_parameters()
        unused = {key for key in ("capacity", "outside_option") if not parameters[key]}
        return {key: value for key, value in parameters.items() if key not in unused}
