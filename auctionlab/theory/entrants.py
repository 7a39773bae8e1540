"""Second-price auctions with an entry fee among different bidders: who enters bids its value, and thresholds say who.

A type v that enters wins where it is above the highest M of its rivals' bids, those who stay out bidding nothing:

    U(v) = E[u(v − max(M, r) − e) 1{M < v}] + P(M > v) u(−e),      P(M < y) = Π_j F_j(max(y, t_j)).

The lowest entrant of each role expects nothing, U_i(t_i) = 0: one equation a role. Higher thresholds of others lower
the own, so there may be several solutions; the one found is where replies lead that go half the way each time, from
thresholds at which nobody minds the others (Tan and Yilankaya 2006).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.optimize import brentq

from auctionlab.arrays import Array
from auctionlab.core import Environment, Prior
from auctionlab.errors import NoEquilibrium
from auctionlab.theory.rivals import distinct, private_priors, require_density, risk_of, top_value
from auctionlab.theory.symmetric import Bidding

_METHOD = "truth is dominant for those who enter; thresholds by replies that meet"
_RULE = "second-price"
_CELLS = 4000  # of rivals' bids
_TYPES = 400  # whose expected utility is tabulated
_ROUNDS, _CLOSE = 400, 1e-11  # of replies; relative to the values' range


def second_price(environment: Environment, reserve: float, fee: float) -> tuple[Bidding, ...]:
    """The bids of all seats.  Raises NoEquilibrium for priors with atoms, and where replies do not meet."""
    priors = private_priors(environment, _RULE)
    for seat, prior in enumerate(priors):
        require_density(_RULE, prior, seat, gaps=True)
    risk = risk_of(environment, _RULE)
    kinds = distinct(priors)
    game = Entrants(
        tuple(kinds), tuple(priors.count(kind) for kind in kinds), reserve, fee, _identity if risk is None else risk.u
    )
    thresholds = game.thresholds()
    found = [game.behaviour(role, thresholds) for role in range(len(kinds))]
    return tuple(found[kinds.index(prior)] for prior in priors)


@dataclass(frozen=True, eq=False)
class Entrants:
    """Roles with their priors and numbers of seats, the reserve, the fee, and the utility of money."""

    priors: tuple[Prior, ...]
    counts: tuple[int, ...]
    reserve: float
    fee: float
    u: Callable[[Array], Array]

    @cached_property
    def tops(self) -> Array:
        return np.array([top_value(prior) for prior in self.priors])

    @cached_property
    def edges(self) -> Array:
        """Ascending bids (N,) from the reserve up, cells between them."""
        levels = np.linspace(0, 1, _CELLS // (2 * len(self.priors)) + 2)[1:-1]
        inner = [np.asarray(prior.quantile(levels)) for prior in self.priors]
        top = max(float(self.tops.max()), self.reserve + 1e-9)
        points = np.unique(np.concatenate([np.linspace(self.reserve, top, _CELLS // 2), *inner]))
        return points[points >= self.reserve]

    @cached_property
    def _below(self) -> list[Array]:
        return [np.asarray(prior.cdf(self.edges)) for prior in self.priors]

    def chance(self, role: int, values: Array, thresholds: Array) -> Array:
        """P(all rivals of a role bid below values), any shape."""
        found = np.ones(np.shape(values))
        for j, (prior, count) in enumerate(zip(self.priors, self.counts, strict=True)):
            found = found * np.asarray(prior.cdf(np.maximum(values, thresholds[j]))) ** (count - (j == role))
        return found

    def _grid(self, role: int, thresholds: Array) -> Array:
        """The same at the edges, (N,)."""
        found = np.ones(len(self.edges))
        for j, (prior, count) in enumerate(zip(self.priors, self.counts, strict=True)):
            found = found * np.maximum(self._below[j], prior.cdf(np.array(thresholds[j]))) ** (count - (j == role))
        return found

    def utility(self, role: int, value: float, thresholds: Array) -> float:
        """What a type expects if it enters."""
        chance, edges = self._grid(role, thresholds), self.edges
        k = max(int(np.searchsorted(edges, value)), 1)
        edges = np.append(edges[:k], max(value, edges[0]))
        chance = np.append(chance[:k], self.chance(role, np.array(value), thresholds))
        prices = (edges[1:] + edges[:-1]) / 2
        money = np.concatenate([value - self.reserve - self.fee + np.zeros(1), value - prices - self.fee, [-self.fee]])
        masses = np.concatenate([chance[:1], np.diff(chance), [1 - chance[-1]]])
        return float(np.asarray(self.u(money)) @ masses)

    def reply(self, role: int, thresholds: Array) -> float:
        """The threshold of a role given those of the others, the highest value where nobody enters."""

        def worth(value: float) -> float:
            own = np.where(np.arange(len(thresholds)) == role, value, thresholds)
            return self.utility(role, value, own)

        low, top = max(self.priors[role].low, self.reserve), float(self.tops[role])
        if low >= top or worth(top) <= 0:
            return top
        return low if worth(low) >= 0 else float(brentq(worth, low, top, xtol=1e-14))

    def thresholds(self) -> Array:
        """Of all roles, the highest value where nobody enters."""
        roles = range(len(self.priors))
        at = np.array([max(prior.low, self.reserve) for prior in self.priors])
        span = float(self.edges[-1] - self.edges[0])
        for _ in range(_ROUNDS):
            replies = np.array([self.reply(role, at) for role in roles])
            far = float(np.abs(replies - at).max())
            at = (at + replies) / 2 if far > _CLOSE * span else replies
            if far <= _CLOSE * span:
                return at
        raise NoEquilibrium(
            f"{_RULE}: with these different priors and this entry fee, replies by thresholds do not meet"
        )

    def behaviour(self, role: int, thresholds: Array) -> Bidding:
        """Truth from the threshold up."""
        start = float(thresholds[role]) if thresholds[role] < self.tops[role] else np.inf
        chances = partial(self.chance, role, thresholds=thresholds)
        values = np.linspace(start if np.isfinite(start) else self.edges[0], self.edges[-1], _TYPES)
        expected = PchipInterpolator(values, [self.utility(role, float(value), thresholds) for value in values])
        chance = self._grid(role, thresholds)
        below = np.append(0.0, np.cumsum(np.diff(self.edges) * (chance[1:] + chance[:-1]) / 2))

        def paid(v: Array) -> Array:
            """By parts, E[max(M, r) 1{M < v}] = v P(M < v) − ∫_r^v P(M < y) dy."""
            return np.asarray(self.fee + v * chances(v) - np.interp(v, self.edges, below))

        return Bidding(_METHOD, start, _identity, chances, paid, expected, numerical=True)


def _identity(values: Array) -> Array:
    return values
