"""What incentive compatibility implies, computed: convex U, rising q, the payment formula, revenue equivalence.

Krishna (2010), section 5.1. For supports [α, ω] the formulas hold with α in place of 0 and U(α) = q(α) α − m(α) in
place of −m(0). A rising q alone does not make a mechanism incentive compatible, as the text has it: payments must also
be those of (5.8), which its proof uses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from auctionlab.arrays import Array
from auctionlab.core import BidFunction, Environment, Mechanism
from auctionlab.errors import ConfigError
from auctionlab.theory.adaptive import cumulate
from auctionlab.theory.interim import Interim, by_formula, interim, type_grid
from auctionlab.theory.quadrature import TO_INTEGRAL, nodes, tail
from auctionlab.theory.virtual import information_rent, virtual_values

_SIGMAS = 5.0
_ROUNDING = 1e-9  # of the largest type


@dataclass(frozen=True)
class Implications:
    """Each implication of incentive compatibility for one seat, as the most by which it fails; 0 where it holds.

    rent : ∫ q from the lowest type, (K,).   payments : (5.8) at the same types, (K,).
    """

    interim: Interim
    rent: Array
    payments: Array
    falls: float  # the most that q falls from a lower type to a higher one: it should never
    below_line: float  # the most that U lies below a line that should support it, (5.5): the most a false report gains
    slope: float  # the largest |U(x) − U(α) − ∫ q|, (5.7)
    payment: float  # the largest |m(x) − (5.8)|
    tolerance: float  # rounding, quadrature and 5 standard errors

    @property
    def hold(self) -> bool:
        """True where none fails by more than the tolerance."""
        return max(self.falls, self.below_line, self.slope, self.payment) <= self.tolerance


def implications(
    mechanism: Mechanism,
    environment: Environment,
    seat: int = 0,
    types: Array | None = None,
    bids: Sequence[BidFunction] | None = None,
) -> Implications:
    """q rises, U is convex with slope q, and m follows from q, for one seat.  Krishna (2010), (5.5) to (5.8)

    bids : default the equilibrium, whose direct mechanism is judged (prop. 5.1).
    Raises ConfigError for the risk-averse, whose payoffs are not affine in money, and for types without a density,
    whose payments the allocation does not determine; NoEquilibrium where no equilibrium is known.
    """
    _require_density(environment, seat)
    played = tuple(mechanism.equilibrium(environment) if bids is None else bids)
    x = type_grid(environment, seat, bids=played) if types is None else np.asarray(types, dtype=float)
    found = interim(mechanism, environment, seat, x, played)
    rent, error = _rent(mechanism, environment, found, played)
    u, q = found.utility, found.allocation
    formula = q * x - rent - u[0]  # m(x), as U(α) = q(α) α − m(α)
    lines = found.payoff(x)  # (T, K)
    unit = float(np.abs(x).max())
    return Implications(
        interim=found,
        rent=rent,
        payments=formula,
        falls=float(np.max(np.maximum.accumulate(q) - q)),
        below_line=float(np.max(lines - u[:, None])),
        slope=float(np.abs(u - u[0] - rent).max()),
        payment=float(np.abs(found.payment - formula).max()),
        tolerance=_ROUNDING * unit + error + _SIGMAS * float(found.errors.max()) * (1 + np.ptp(x)),
    )


@dataclass(frozen=True)
class Equivalence:
    """Several mechanisms in one environment: what types (K,) of each seat get, pay and keep, arrays (mechanisms, n, K).

    constants : (mechanisms, n), U(α) of each.   allocation_gap, payment_gap : the largest difference between two of
    them, of q, and of m + U(α), which (5.8) says depends on q alone.
    """

    types: Array  # (n, K)
    allocation: Array
    payment: Array
    utility: Array
    constants: Array
    allocation_gap: float
    payment_gap: float
    tolerance: float

    @property
    def same_allocation(self) -> bool:
        return self.allocation_gap <= self.tolerance

    @property
    def equivalent(self) -> bool:
        """True where payments differ by constants only."""
        return self.payment_gap <= self.tolerance


def revenue_equivalence(
    mechanisms: Sequence[Mechanism], environment: Environment, types: Array | None = None
) -> Equivalence:
    """Payments and payoffs of mechanisms with one allocation rule differ by constants.  Krishna (2010), prop. 5.2

    types : (K,) or (n, K); default 41 equal steps over each seat's support. Raises as `implications` does.
    """
    seats = range(environment.n)
    for seat in seats:
        _require_density(environment, seat)
    if types is None:
        ends = [type_grid(environment, seat)[[0, -1]] for seat in seats]
        grid = np.stack([np.linspace(low, high, 41) for low, high in ends])
    else:
        grid = np.broadcast_to(np.asarray(types, dtype=float), (environment.n, np.shape(types)[-1]))
    found = [[interim(mechanism, environment, seat, grid[seat]) for seat in seats] for mechanism in mechanisms]
    q, m, u = (
        np.array([[getattr(one, name) for one in row] for row in found])
        for name in ("allocation", "payment", "utility")
    )
    errors = max(float(one.errors.max()) for row in found for one in row)
    constants = u[:, :, 0]
    adjusted = m + constants[:, :, None]
    return Equivalence(
        grid, q, m, u, constants,
        allocation_gap=float(np.ptp(q, axis=0).max()),
        payment_gap=float(np.ptp(adjusted, axis=0).max()),
        tolerance=_ROUNDING * max(1.0, float(np.abs(grid).max())) + 2 * _SIGMAS * errors,
    )  # fmt: skip


def revenue_from_allocation(mechanism: Mechanism, environment: Environment) -> float:
    """Σ E[ψᵢ(Xᵢ) qᵢ(Xᵢ)] − Uᵢ(αᵢ): expected revenue from who gets what alone.  Krishna (2010), (5.9)

    Of mechanisms whose equilibrium knows its chances by formula. The book's mᵢ(0) is −Uᵢ(αᵢ) at a lower end αᵢ.
    """
    return _expected(mechanism, environment, lambda prior, x: virtual_values(prior, x), -1.0)


def expected_rents(mechanism: Mechanism, environment: Environment) -> float:
    """Σ E[(1 − Fᵢ)/fᵢ qᵢ] + Uᵢ(αᵢ): what bidders keep because only they know their types.  Krishna (2010), problem 5.1

    Positive wherever a type above α gets anything: incentive compatibility and participation leave no way to take it.
    """
    return _expected(mechanism, environment, information_rent, 1.0)


def _expected(
    mechanism: Mechanism, environment: Environment, weight: Callable[[Any, Array], Array], sign: float
) -> float:
    from auctionlab.theory.benchmarks import expectation
    from auctionlab.theory.truth import kinks

    total, bids = 0.0, mechanism.equilibrium(environment)
    priors: list[Any] = list(environment.priors)
    bid: Any
    for seat, (prior, bid) in enumerate(zip(priors, bids, strict=True)):
        _require_density(environment, seat)
        if not by_formula(bid, environment):
            raise ConfigError("mechanism: its equilibrium does not tell the chances to win one item by formula")

        def earned(x: Array, prior: Any = prior, bid: Any = bid) -> Array:
            return weight(prior, x) * bid.win(x)

        bends = (*kinks(tuple(priors)), *getattr(bid, "bends", ()))
        total += expectation(prior, earned, bid.threshold, bends)
        lowest = interim(mechanism, environment, seat, np.array([prior.low])).utility[0]
        total += sign * float(lowest)
    return total


def _rent(
    mechanism: Mechanism, environment: Environment, found: Interim, bids: tuple[BidFunction, ...]
) -> tuple[Array, float]:
    """∫ q from the first of the types to each, (K,), and how wrong the quadrature may be."""
    x = found.reports
    bid: Any = bids[found.seat]
    if by_formula(bid, environment):
        inner = [mark for mark in getattr(bid, "bends", ()) if x[0] < mark < x[-1]]
        return cumulate(bid.win, np.unique(np.concatenate([x, inner])))(x), 0.0
    if found.errors.any():
        middle, half = (x[1:] + x[:-1]) / 2, np.diff(x) / 2
        points = np.stack([middle - half / np.sqrt(3), middle + half / np.sqrt(3)], axis=1)  # Gauss, two nodes
        q = interim(mechanism, environment, found.seat, points.ravel(), bids).allocation.reshape(points.shape)
        pieces, trapezoids = half * q.sum(axis=1), half * (found.allocation[1:] + found.allocation[:-1])
        error = float(np.abs(pieces - trapezoids).sum())
    else:
        points = nodes(x[:-1], x[1:])  # (K − 1, q)
        q = interim(mechanism, environment, found.seat, points.ravel(), bids).allocation.reshape(points.shape)
        pieces, error = np.diff(x) / 2 * (q @ TO_INTEGRAL[-1]), float(np.sum(tail(q) * np.diff(x)))
    return np.append(0.0, np.cumsum(pieces)), error


def _require_density(environment: Environment, seat: int) -> None:
    if not environment.risk_neutral:
        raise ConfigError("environment: the payment formula is that of the risk-neutral, got a risk attitude")
    prior = environment.priors[seat]
    if prior is None or prior.atoms:
        raise ConfigError(f"environment: seat {seat}: the payment formula needs a type with a density, got {prior}")
