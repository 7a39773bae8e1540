"""What types expect of the efficient outcome: welfare, their own part of it, and what is left to the others.

W(x) is welfare at the efficient outcome, less the designer's cost; w_i(x_i) = E[W(x_i, X_-i)] is convex. By revenue
equivalence an efficient and incentive compatible mechanism gives type x_i the utility w_i(x_i) less a constant
(Krishna 2010, section 5.3), so everything about budgets follows from these functions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from auctionlab.arrays import Array
from auctionlab.core import Environment, Prior
from auctionlab.errors import ConfigError
from auctionlab.registry import kind_of
from auctionlab.theory.averages import Except, Series, Table, all_profiles, profiles_of, steps
from auctionlab.theory.benchmarks import expectation
from auctionlab.theory.choice import Choice
from auctionlab.theory.lines import excess, mean_of_highest_line
from auctionlab.theory.quadrature import Piecewise, bisect, nodes, tail
from auctionlab.theory.rivals import cached, top_value
from auctionlab.theory.truth import gather, support, winning_chance

_PROFILES = 60_000  # of rivals' discrete types that are enumerated
_POINTS = 500_000  # (type, rivals) pairs evaluated at once: bounds memory
_DRAWS = 4096  # of rivals, for outside options that depend on them
_PANELS = {1: 60, 2: 60, 3: 24}  # by number of seats: halving cannot mend the error of averages over many rivals
_JUMP = 1e-7  # of the largest value, beyond which a type is taken to tie with rivals' atoms
_CORNERS = 16  # combinations of the ends of rivals' supports at which expectations may bend

Function = Callable[[Array], Array]


@dataclass(frozen=True, eq=False)
class Interim:
    """What one seat's types expect at the efficient outcome: functions of the type (...,), in money.

    welfare : w_i, of all, less cost.  own : value of the outcome to the seat.  cost : of the outcome to the designer.
    outside : of not taking part.
    types : where they are known best, ascending: both ends, kinks, and points between.
    ties : types among these with which rivals' atoms tie, so that own and cost are there what no type beside expects.
    """

    welfare: Function
    own: Function
    cost: Function
    outside: Function
    types: Array
    prior: Prior
    ties: Array = field(default_factory=lambda: np.empty(0))

    def others(self, types: Array) -> Array:
        """Expected welfare of the others, less cost: the expected externality of Krishna (2010), (5.23)."""
        return np.asarray(self.welfare(types) - self.own(types))

    def tabulated(self, function: Function) -> Function:
        """The same function of types, evaluated once and fast from then on."""
        if self.prior.atoms:
            return Table(self.types, np.asarray(function(self.types)))
        smooth = Series(self.types, np.asarray(function(nodes(self.types[:-1], self.types[1:]))))
        return Except(smooth, self.ties, np.asarray(function(self.ties))) if len(self.ties) else smooth

    def mean(self, function: Function) -> float:
        """The expectation of a function of this seat's type."""
        return expectation(self.prior, function, bends=tuple(self.types[1:-1]))

    def least(self, function: Function) -> tuple[float, float]:
        """The type at which a function is lowest, and its value there; refined between the `types`."""
        values = np.asarray(function(self.types))
        k = int(np.argmin(values))
        best, at, rounding = float(values[k]), float(self.types[k]) + 0.0, 1e-13 * float(np.abs(values).max())
        if self.prior.atoms or len(self.types) < 3:
            return at, best
        low, high = (float(self.types[min(max(k + step, 0), len(self.types) - 1)]) for step in (-1, 1))
        for _ in range(6):  # each pass is forty times finer
            points = np.linspace(low, high, 81)
            values = np.asarray(function(points))
            k = int(np.argmin(values))
            if values[k] < best - rounding:
                best, at = float(values[k]), float(points[k])
            low, high = float(points[max(k - 1, 0)]), float(points[min(k + 1, 80)])
        return at, best


@dataclass(frozen=True, eq=False)
class Welfare:
    """The efficient outcomes of an environment with independent scalar types, on average.  See `welfare_of`."""

    environment: Environment
    choice: Choice
    slopes: Array  # (K, n): value of an outcome to a seat = intercept + slope × type
    intercepts: Array  # (K, n)
    priors: tuple[Prior, ...]

    @property
    def n(self) -> int:
        return len(self.priors)

    @cached_property
    def seats(self) -> tuple[Interim, ...]:
        """One a seat; seats of one role share."""
        roles = self.environment.roles()
        known = {role: self._interim(roles.index(role)) for role in set(roles)}
        return tuple(known[role] for role in roles)

    @cached_property
    def expected(self) -> float:
        """E[W(X)], the welfare that an efficient mechanism creates, less the designer's cost."""
        first = self.seats[0]
        return first.mean(first.welfare)

    @cached_property
    def cost(self) -> float:
        """E[cost] of the efficient outcome to the designer."""
        return self.seats[0].mean(self.seats[0].cost)

    def without_values(self, seat: int) -> float:
        """E[max over outcomes of the others' welfare]: what W would be if one seat did not care."""
        slopes, intercepts = self.slopes.copy(), self.intercepts.copy()
        slopes[:, seat] = intercepts[:, seat] = 0.0
        indifferent = Welfare(self.environment, self.choice, slopes, intercepts, self.priors)
        return float(indifferent.at(seat, np.zeros(1))[0][0])

    def at(self, seat: int, types: Array) -> Array:
        """w_i, the own value and the designer's cost expected at types (P,): (3, P)."""
        lines = self.intercepts[:, seat] + self.slopes[:, seat] * types[:, None] - self.choice.costs  # (P, K)
        own = self.intercepts[:, seat] + self.slopes[:, seat] * types[:, None]
        if self._counted is not None:
            return self._by_counting(seat, types)
        rivals = [j for j in range(self.n) if j != seat]
        if self._one_item:
            return self._of_one_item(seat, types)
        if not rivals:
            best = lines.argmax(axis=1)
            return np.stack(
                [lines.max(axis=1), np.take_along_axis(own, best[:, None], axis=1)[:, 0], self.choice.costs[best]]
            )
        last = rivals.pop(next((p for p, j in enumerate(rivals) if not self.priors[j].atoms), 0))
        profiles, weights = profiles_of(tuple(self.priors[j] for j in rivals))
        fixed = profiles @ self.slopes[:, rivals].T + self.intercepts[:, rivals].sum(axis=1) + self.intercepts[:, last]
        found = np.empty((3, len(types)))
        step = max(1, _POINTS // len(profiles))
        for begin in range(0, len(types), step):
            rows = slice(begin, begin + step)
            mean, chance = mean_of_highest_line(
                self.priors[last], self.slopes[:, last], lines[rows, None] + fixed[None]
            )
            chances = np.einsum("pnk,n->pk", chance, weights)
            found[:, rows] = mean @ weights, (chances * own[rows]).sum(axis=1), chances @ self.choice.costs
        return found

    @cached_property
    def _counted(self) -> bool | None:
        """True where all profiles of types are few enough to be counted."""
        sizes = [len(support(prior)) for prior in self.priors]
        few = all(prior.atoms for prior in self.priors) and float(np.prod(sizes)) <= _PROFILES
        return True if few and all(hasattr(prior, "support") for prior in self.priors) else None

    def _by_counting(self, seat: int, types: Array) -> Array:
        """The same with discrete types, ties shared as the mechanisms share them."""
        others = [prior for j, prior in enumerate(self.priors) if j != seat]
        grid, weights = all_profiles(others)
        profiles = np.insert(np.tile(grid, (len(types), 1)), seat, np.repeat(types, len(grid)), axis=1)
        reports = self.choice.reports(profiles)
        shares = self.choice.shares(reports)
        numbers = (reports.welfare, reports.worth[:, seat], self.choice.costs[:, None])
        return np.stack([(shares * number).sum(axis=0).reshape(len(types), -1) @ weights for number in numbers])

    def _at_ties(self, seat: int, types: Array) -> Array:
        """`at` for types that may tie with atoms of all rivals at once, whose profiles are then counted."""
        others = [prior for j, prior in enumerate(self.priors) if j != seat]
        few = float(np.prod([len(support(prior)) for prior in others])) <= _PROFILES
        counted = few and not self._one_item and all(hasattr(prior, "support") for prior in others)
        return self._by_counting(seat, types) if counted else self.at(seat, types)

    @cached_property
    def _one_item(self) -> bool:
        """True where one item goes to one of the seats or stays unsold."""
        kind = type(self.environment)
        return (
            kind.outcomes is Environment.outcomes and kind.values is Environment.values and not self.choice.costs.any()
        )

    def _of_one_item(self, seat: int, types: Array) -> Array:
        """E[max(0, x, M)] and x P(win): M, the highest of the rivals, has the distribution Π F_j."""
        rivals = gather(self.priors[:seat] + self.priors[seat + 1 :])
        own = np.where(types > 0, types * winning_chance(rivals, types), 0.0)
        return np.stack([np.maximum(types, 0.0) + excess(rivals)(np.maximum(types, 0.0)), own, np.zeros(types.shape)])

    def _interim(self, seat: int) -> Interim:
        prior, ties = self.priors[seat], np.empty(0)
        if hasattr(prior, "support"):
            types = support(prior)
            functions: list[Function] = [Table(types, row) for row in self.at(seat, types)]
        else:
            types = self._bends(seat)
            unit = 1e-11 * float(np.abs(self.at(seat, types)[0]).max() + 1e-290) * np.ptp(types)

            def own(points: Array) -> Array:
                return self.at(seat, points.ravel())[1].reshape(points.shape)

            def judge(values: Array, left: Array, right: Array) -> tuple[Array, Array]:
                return np.zeros(left.shape, dtype=bool), tail(values) * (right - left) / unit

            limit = 60 if self._one_item else _PANELS.get(self.n, 0)
            types, _ = bisect(types, own, judge, limit)
            points = nodes(types[:-1], types[1:])
            functions = [Piecewise(types, row.reshape(points.shape)) for row in self.at(seat, points.ravel())]
            if any(p.atoms for p in self.priors):
                shared = self._at_ties(seat, types)
                jumps = np.abs(shared - np.stack([f(types) for f in functions])) > _JUMP * np.abs(shared).max()
                tied = jumps.any(axis=0)
                ties = types[tied]
                functions = [Except(f, ties, row[tied]) for f, row in zip(functions, shared, strict=True)]
        welfare, value, cost = functions
        return Interim(welfare, value, cost, self._outside(seat), types, prior, ties)

    def _bends(self, seat: int) -> Array:
        """Edges between which expectations are smooth: ends, breaks, and types that tie at corners of the rivals'."""
        prior = self.priors[seat]
        low, top = (prior.low if np.isfinite(prior.low) else float(prior.quantile(np.array(1e-12)))), top_value(prior)
        corners = [
            np.unique([_bottom(p), top_value(p), *p.breaks, *support(p)])
            for j, p in enumerate(self.priors)
            if j != seat
        ]
        points = [
            np.array([low, top]),
            np.asarray(prior.breaks),
            np.asarray(prior.quantile(np.linspace(0, 1, 9)[1:-1])),
        ]
        if float(np.prod([len(corner) for corner in corners])) <= _CORNERS:
            grid = np.zeros((1, 0))
            if corners:
                grid = np.stack(np.meshgrid(*corners, indexing="ij"), axis=-1).reshape(-1, self.n - 1)
            rivals = [j for j in range(self.n) if j != seat]
            level = grid @ self.slopes[:, rivals].T + self.intercepts.sum(axis=1) - self.choice.costs  # (C, K)
            for k in range(len(self.slopes)):
                rise = self.slopes[k, seat] - self.slopes[:, seat]
                tied = rise != 0
                points.append(((level[:, tied] - level[:, [k]]) / rise[tied]).ravel())
        edges = np.unique(np.concatenate(points))
        edges = edges[(edges >= low) & (edges <= top)]
        kept = np.append(True, np.diff(edges) > 1e-12 * (top - low))
        return np.append(edges[kept][:-1], top) if len(edges[kept]) > 1 else edges

    def _outside(self, seat: int) -> Function:
        """E[outside option | own type]: rivals are averaged on a lattice where it depends on them."""
        uniform = (np.arange(1, _DRAWS + 1)[:, None] * steps(self.n)) % 1.0
        drawn = np.stack([prior.quantile(uniform[:, j]) for j, prior in enumerate(self.priors)], axis=1)

        def at(types: Array) -> Array:
            flat = np.ravel(types)
            return self._option(seat, flat, drawn).reshape(np.shape(types))

        return at

    def _option(self, seat: int, types: Array, drawn: Array) -> Array:
        few = drawn[:2]
        own = [self._options(seat, types, rivals) for rivals in few]
        if np.array_equal(own[0], own[1]):
            return own[0]
        return np.array(
            [self.environment.outside(self.environment.values(_put(drawn, seat, t)))[:, seat].mean() for t in types]
        )

    def _options(self, seat: int, types: Array, rivals: Array) -> Array:
        signals = np.tile(rivals, (len(types), 1))
        signals[:, seat] = types
        return np.asarray(self.environment.outside(self.environment.values(signals))[:, seat])


@cached
def welfare_of(environment: Environment) -> Welfare:
    """The expected welfare of an environment's efficient outcomes, seat by seat.

    Exact up to three seats and for few discrete types; tensor or lattice quadrature over all but one rival beyond.
    Raises ConfigError unless types are independent, scalar, and values linear in them.
    """
    priors = tuple(prior for prior in environment.priors if prior is not None)
    kind = kind_of(environment)
    if environment.signal.shape != ():
        raise ConfigError(
            f"environment: types should be scalar, in {kind} they have the shape {environment.signal.shape}"
        )
    if not environment.independent or len(priors) < environment.n:
        raise ConfigError(
            f"environment: types should be independent, one prior a seat, in {kind} they are not: with correlated "
            "types a report says something about the others, and the expected externality is no longer theirs"
        )
    if not environment.risk_neutral:
        raise ConfigError(f"environment: bidders should be risk-neutral, in {kind} they are not")
    choice = Choice(environment)
    points = (0.0, 1.0, 2.0)
    at = [np.asarray(choice.worth(np.full((1, environment.n), point)))[:, :, 0] for point in points]
    if not np.allclose(at[2] - at[1], at[1] - at[0]):
        raise ConfigError(f"environment: values should be linear in types, in {kind} they are not")
    return Welfare(environment, choice, at[1] - at[0], at[0], priors)


def _put(drawn: Array, seat: int, value: float) -> Array:
    signals = drawn.copy()
    signals[:, seat] = value
    return signals


def _bottom(prior: Prior) -> float:
    return prior.low if np.isfinite(prior.low) else float(prior.quantile(np.array(1e-12)))
