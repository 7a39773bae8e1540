"""What a principal offers one agent of unknown type: the optimal quantity and tariff.  Mussa and Rosen (1978)

By the envelope theorem, incentive compatible rules are the rising x(θ) with t(θ) = v(x(θ), θ) − ∫ v_θ(x(s), s) ds, and
profit is E[v − c − v_θ (1 − F)/f], the virtual surplus. With v = θ g(x) + k(x) that is the surplus of the virtual type
ψ(θ), so x(θ) is the first best of ψ̄(θ), ironed where ψ would fall: types on a flat part are bunched. A monotone hazard
rate makes ψ rise; so does the weaker regularity, which is all that is needed here.

A second route needs no virtual values and takes any v with increasing differences: each further unit of x is an item
of its own, which type θ values at v_x(x, θ) and which sells at the monopoly price, argmax (p − c′(x)) P(v_x(x, θ) ≥ p).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from auctionlab.arrays import Array
from auctionlab.core import Prior
from auctionlab.errors import ConfigError
from auctionlab.theory.adaptive import LEVELS, cumulate, integrate
from auctionlab.theory.benchmarks import expectation
from auctionlab.theory.ironing import Ironed, iron
from auctionlab.theory.rivals import top_value

Function = Callable[[Array], Array]
Family = Callable[[Array, Array], Array]  # of quantity and type


class Agent(Protocol):
    """What is known of the agent and of the cost of serving it; environments.screening.Screening is one."""

    @property
    def prior(self) -> Prior: ...
    def value(self, allocation: Array, values: Array) -> Array: ...
    def type_slope(self, quantity: Array) -> Array: ...
    def production_cost(self, quantity: Array) -> Array: ...
    def best_quantity(self, types: Array) -> Array: ...


@dataclass(frozen=True, eq=False)
class Offer:
    """The optimal direct mechanism: quantity, transfer and rent as functions of the type, (...,) -> (...,)."""

    agent: Agent
    ironed: Ironed

    def quantity(self, types: Array) -> Array:
        """x(θ): the first best of the ironed virtual type; types above the support get what the highest gets."""
        inside = np.minimum(types, self.agent.prior.high)
        return np.asarray(self.agent.best_quantity(np.maximum(self.ironed(inside), -1e300)))

    def rent(self, types: Array) -> Array:
        """U(θ) = ∫ v_θ(x(s), s) ds from the lowest type up: what the agent is left with for knowing its type."""
        v = np.asarray(types, dtype=float)
        beyond = np.maximum(v - self._edges[-1], 0.0)
        return np.asarray(self._rent(v) + beyond * self._slope(self._edges[-1:])[0])

    def transfer(self, types: Array) -> Array:
        """t(θ) = v(x(θ), θ) − U(θ)."""
        inside = np.minimum(types, self.agent.prior.high)
        return np.asarray(self.agent.value(self.quantity(inside), inside) - self.rent(inside))

    @property
    def profit(self) -> float:
        """E[t(θ) − c(x(θ))]."""
        return self._mean(lambda types: self.transfer(types) - self.agent.production_cost(self.quantity(types)))

    @property
    def virtual_surplus(self) -> float:
        """E[v(x, ψ̄) − c(x)] at the optimal x: the profit, by a route that knows nothing of transfers."""

        def surplus(types: Array) -> Array:
            virtual, quantity = np.maximum(self.ironed(types), -1e300), self.quantity(types)
            return np.where(
                quantity > 0, self.agent.value(quantity, virtual) - self.agent.production_cost(quantity), 0.0
            )

        return self._mean(surplus)

    @property
    def bunches(self) -> tuple[tuple[float, float, float], ...]:
        """The types from low to high that get one quantity because ψ was ironed there: (low, high, quantity)."""
        flats = [] if self.agent.prior.atoms else self.ironed.flats
        return tuple((low, high, float(self.quantity(np.asarray(low)))) for low, high, _ in flats)

    @cached_property
    def lowest_served(self) -> float:
        """The lowest type that gets anything; inf where none does."""
        return self._reach(5e-324)

    def _reach(self, quantity: float) -> float:
        """The lowest type that gets at least this much; inf where none does."""
        low, high = float(self._edges[0]), float(self._edges[-1])
        if self.quantity(np.asarray(low)) >= quantity:
            return low
        if not self.quantity(np.asarray(high)) >= quantity:
            return np.inf
        while low < (middle := low + (high - low) / 2) < high:
            low, high = (low, middle) if self.quantity(np.asarray(middle)) >= quantity else (middle, high)
        return high

    @cached_property
    def _edges(self) -> Array:
        prior = self.agent.prior
        if not np.isfinite(prior.low):
            raise ConfigError(f"prior: should have a lowest type, got {prior}")
        ends = np.array([end for flat in self.ironed.flats for end in flat[:2]])
        parts = [np.array([prior.low, top_value(prior)]), np.asarray(prior.breaks), ends]
        parts.append(np.asarray(getattr(prior, "support", ())) if prior.atoms else np.asarray(prior.quantile(LEVELS)))
        edges = np.unique(np.concatenate(parts))
        return edges[(edges >= prior.low) & (edges <= top_value(prior))]

    def _slope(self, types: Array) -> Array:
        return np.asarray(self.agent.type_slope(self.quantity(types)))

    @cached_property
    def _rent(self) -> Function:
        return cumulate(self._slope, self._steps)

    @cached_property
    def _steps(self) -> Array:
        """The edges, where the quantity leaves 0, and where it goes from one on offer to the next."""
        offered = [5e-324, *getattr(self.agent, "quantities", ())]
        steps = [step for step in map(self._reach, offered) if np.isfinite(step)]
        return np.unique(np.append(self._edges, steps))

    def _mean(self, function: Function) -> float:
        """E[function(θ)], by quadrature over probabilities."""
        prior = self.agent.prior
        if prior.atoms:
            return expectation(prior, function)
        levels = np.concatenate([[0.0, 1.0], np.asarray(prior.cdf(self._steps))])
        return integrate(lambda p: function(np.asarray(prior.quantile(np.minimum(p, 1 - 2.0**-53)))), levels)


def optimal_offer(agent: Agent) -> Offer:
    """The optimal mechanism for one agent with v linear in the type, by ironed virtual types."""
    return Offer(agent, iron(agent.prior))


def envelope(
    rule: Function, value: Family, type_slope: Family, types: Array, lowest_rent: float = 0.0
) -> tuple[Function, Function]:
    """The transfers t(θ) and rents U(θ) with which a rising rule x(θ) is incentive compatible.  Okumura, theorem 1.4

    value, type_slope : v and v_θ of (x, θ).   types : ascending, from the lowest to the highest type, with all points
    where the rule jumps. ConfigError, naming the place, where the rule falls: then no transfers do.
    """
    types = np.unique(np.asarray(types, dtype=float))
    steps = np.linspace(0.0, 1.0, 65)[:-1]
    grid = np.append((types[:-1, None] + np.diff(types)[:, None] * steps).ravel(), types[-1])
    given = np.asarray(rule(grid))
    drop = given[:-1] - given[1:]
    if np.any(drop > 1e-9 * max(1.0, float(np.abs(given).max()))):
        k = int(np.argmax(drop))
        raise ConfigError(
            f"envelope: the rule should rise with the type, but falls from {given[k]:.6g} at {grid[k]:.6g} to "
            f"{given[k + 1]:.6g} at {grid[k + 1]:.6g}: no transfers make it incentive compatible"
        )
    gained = cumulate(lambda s: np.asarray(type_slope(np.asarray(rule(s)), s)), types)

    def rent(theta: Array) -> Array:
        return np.asarray(lowest_rent + gained(theta))

    def transfer(theta: Array) -> Array:
        return np.asarray(value(np.asarray(rule(theta)), theta) - rent(theta))

    return transfer, rent


@dataclass(frozen=True)
class Tariff:
    """The price of each further unit, (K,): who buys it, and for how much."""

    quantities: Array
    cutoffs: Array  # the lowest type that buys this unit; inf where nobody does
    prices: Array  # v_x(x, cutoff)


def demand_profile(prior: Prior, marginal_value: Family, marginal_cost: Function, quantities: Array) -> Tariff:
    """The optimal tariff unit by unit: each x is sold at the price that maximises (p − c′(x)) P(v_x(x, θ) ≥ p).

    Needs v_x rising in θ; then it irons by itself, as a monopoly price skips flat parts. The cutoffs must rise with x,
    else units cannot be priced one by one: ConfigError names the place. Goldman, Leland and Sibley (1984).
    """
    x = np.asarray(quantities, dtype=float)[:, None]
    types = np.asarray(prior.support)[None] if prior.atoms else _type_grid(prior)[None]  # type: ignore[attr-defined]

    def earned(theta: Array) -> Array:
        below = np.nextafter(theta, -np.inf) if prior.atoms else theta
        return np.asarray((marginal_value(x, theta) - marginal_cost(x)) * prior.sf(below))

    theta, best = types, earned(types)
    if np.any(np.diff(marginal_value(x, types), axis=1) < 0):
        raise ConfigError("demand profile: the value of a further unit should rise with the type, and falls")
    place = np.argmax(best, axis=1)[:, None]
    rounds = 0 if prior.atoms else 7
    for _ in range(rounds):  # each round looks 32 times closer
        rows = np.broadcast_to(theta, (len(x), theta.shape[1]))
        low, high = (np.take_along_axis(rows, np.clip(place + k, 0, rows.shape[1] - 1), axis=1) for k in (-1, 1))
        theta = low + (high - low) * np.linspace(0.0, 1.0, 65)
        place = np.argmax(earned(theta), axis=1)[:, None]
    chosen = np.take_along_axis(np.broadcast_to(theta, (len(x), theta.shape[1])), place, axis=1)
    worth = earned(chosen)[:, 0]
    cutoffs = np.where(worth > 0, chosen[:, 0], np.inf)
    fall = np.flatnonzero(cutoffs[1:] < cutoffs[:-1] - 1e-6 * max(1.0, float(np.abs(types[np.isfinite(types)]).max())))
    if len(fall):
        k = int(fall[0])
        raise ConfigError(
            f"demand profile: the lowest type that buys should rise with the quantity, but falls from {cutoffs[k]:.6g} "
            f"at {x[k, 0]:.6g} to {cutoffs[k + 1]:.6g} at {x[k + 1, 0]:.6g}: units cannot be priced one by one"
        )
    prices = np.where(np.isfinite(cutoffs), marginal_value(x, chosen)[:, 0], np.inf)
    return Tariff(x[:, 0], cutoffs, prices)


def _type_grid(prior: Prior) -> Array:
    levels = np.unique(np.concatenate([LEVELS, np.linspace(0, 1, 2050)[1:-1]]))
    ends = [end for end in (prior.low, prior.high) if np.isfinite(end)]
    return np.unique(np.concatenate([np.asarray(prior.quantile(levels)), np.asarray(prior.breaks), ends]))
