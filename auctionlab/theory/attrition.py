"""The war of attrition among different bidders, and under CRRA: bids without bound, of a continuum of equilibria.

What the types that bid there are content with (`waiting`) leaves it open who holds out longer: for two bidders without
risk aversion, with Λ = −log(1 − F) the accumulated hazard, T₁(v) = T₂(w) + c where T(v) = ∫ dΛ/v, with any constant c
(Nalebuff and Riley 1985; Fudenberg and Tirole 1986). The equilibrium computed for two

  - has none of them bunch at the lowest bid, where T has a lower bound (few low types), so that c decides who would;
  - else lets types at one quantile bid the same: the median, or with a stake the middle of those above the lowest
    quantile at which both would gain.

Of three or more bidders with different highest values all but two, or the equals who are strongest, stop at some bid:
near the top each gives up at the pace at which the others' chances to lose shrink, 1 − K_i ∝ exp(−b / v_i), and these
add up only for two, or for equals. Seats with one prior then bid differently, where one of them is the second of the
two. Who bids without bound does so, high up, as if alone; the others come in and leave as `giving_up` says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import brentq

from auctionlab.arrays import Array
from auctionlab.core import Environment, Prior
from auctionlab.errors import NoEquilibrium, NoMethod
from auctionlab.theory.course import Course
from auctionlab.theory.giving_up import GivingUp
from auctionlab.theory.rivals import cached, distinct, private_priors, require_density, risk_of
from auctionlab.theory.symmetric import Bidding
from auctionlab.theory.waiting import FURTHEST, Waiting, stuck

_RULE = "war-of-attrition"
_METHOD = "differential equations of all bidders, numerically"
_ONE = "; of a continuum of equilibria the one in which "
_SHIFTS = (1.0, -1.0, 2.0, -2.0)  # of log odds, to other equilibria
_BOTTOM, _SLOPE = (
    -15.0,
    1e-3,
)  # where T is as good as 0, if it has a lower bound: how steep it is, relative to the middle
_FAR = 3.0  # log odds between two that are no more alike enough not to bunch
_BEGIN = -24.0  # the place from which two are followed who begin with their lowest types
_GRID, _ZOOMS, _HALVINGS = 401, 4, 56  # to find two who bid the reserve and expect nothing


def war_of_attrition(environment: Environment, reserve: float, fee: float) -> tuple[Bidding, ...]:
    """The bids of all seats.

    Raises NoEquilibrium for atoms, gaps among different priors and other attitudes to risk; NoMethod where the
    equations could not be solved.
    """
    priors, risk = private_priors(environment, _RULE), risk_of(environment, _RULE)
    kinds = distinct(priors)
    for kind in kinds:
        require_density(_RULE, kind, priors.index(kind), gaps=len(kinds) == 1)
    if len(priors) < 2:
        raise NoEquilibrium(f"{_RULE}: an equilibrium needs at least 2 bidders, got {len(priors)}")
    return _solve(priors, reserve, fee, risk)


@cached
def _solve(priors: tuple[Prior, ...], reserve: float, fee: float, risk: Any) -> tuple[Bidding, ...]:
    """One behaviour a seat."""
    stake = reserve + fee
    there = [seat for seat, prior in enumerate(priors) if prior.high > stake]
    if len(there) < 2:
        return tuple(_unrivalled(prior, reserve, stake, risk) for prior in priors)
    for sides in _choices(priors, there):
        game = Waiting(tuple(side.prior for side in sides), np.array([len(s.seats) for s in sides]), stake, risk)
        found = Contest(game, sides, reserve, len(priors)).solved(None)
        if found is not None:
            return found
    raise stuck()


def _unrivalled(prior: Prior, reserve: float, stake: float, risk: Any) -> Bidding:
    """Nobody else has anything to gain: the reserve wins."""
    start = max(prior.low, stake) if prior.high > stake else np.inf

    def always(level: float) -> Callable[[Array], Array]:
        return lambda values: np.full(np.shape(values), level)

    def gains(values: Array) -> Array:
        return np.asarray(values - stake if risk is None else risk.u(values - stake))

    return Bidding("nobody else has anything to gain", start, always(reserve), always(1.0), always(stake), gains)


@dataclass(frozen=True)
class Side:
    """Seats with one prior that bid alike, and whether they bid without bound."""

    prior: Prior
    seats: tuple[int, ...]
    last: bool


def _choices(priors: tuple[Prior, ...], there: list[int]) -> Iterator[list[Side]]:
    """Who may bid without bound, the most alike first: all with the highest top; of the strongest, equals or two."""

    def top(kind: Prior) -> float:
        return kind.high if np.isfinite(kind.high) else float(kind.quantile(np.array(1 - 1e-12)))

    kinds = distinct(tuple(priors[seat] for seat in there))
    kinds.sort(key=lambda kind: (-top(kind), -float(kind.quantile(np.array(0.5)))))
    seats = [tuple(seat for seat in there if priors[seat] == kind) for kind in kinds]
    tied = sum(top(kind) == top(kinds[0]) for kind in kinds)
    for count in dict.fromkeys([tied, 1]):
        if sum(map(len, seats[:count])) > 1:
            yield [Side(kind, own, k < count) for k, (kind, own) in enumerate(zip(kinds, seats, strict=True))]
    if len(seats[0]) == 1:
        pair = [Side(kinds[0], seats[0], True), Side(kinds[1], seats[1][:1], True)]
        equals = [Side(kinds[1], seats[1][1:], False)] if seats[1][1:] else []
        yield pair + equals + [Side(kind, own, False) for kind, own in zip(kinds[2:], seats[2:], strict=True)]


@dataclass(frozen=True, eq=False)
class Contest:
    """Sides of a game, and the number of all seats, of which some may have nothing to gain."""

    game: Waiting
    sides: list[Side]
    reserve: float
    size: int

    @property
    def last(self) -> Array:
        return np.array([side.last for side in self.sides])

    def solved(self, shift: float | None) -> tuple[Bidding, ...] | None:
        """All seats' bids: the choice above, or where the second's log odds are so much above the first's; or None."""
        game, last = self.game, self.last
        start = self._start() if shift is None else None
        try:
            if start is not None:
                stretches = [game.follow(start, float(game.clock(game.stake)), last, 1)[0]]
                method = _METHOD
                if len(self.sides) > 1:
                    method += _ONE + (
                        "none bunches at the lowest bid" if game.stake else "only the lowest types bid nothing"
                    )
            else:
                middle = self._middle(shift or 0.0)
                stretches, method = GivingUp(game, last).through(middle), _METHOD + _ONE + self._told(middle)
        except NoMethod:
            return None
        course = Course(game, stretches, self.reserve, method)
        family = self._others if last.sum() > 1 else None
        nobody = Bidding(method, np.inf, np.zeros_like, np.zeros_like, np.zeros_like, np.zeros_like, numerical=True)
        seats = dict.fromkeys(range(self.size), replace(nobody, family=family))
        for number, side in enumerate(self.sides):
            seats |= dict.fromkeys(side.seats, replace(course.behaviour(number), family=family))
        return tuple(seats.values())

    def _others(self, k: int) -> tuple[Bidding, ...]:
        found = self.solved(_SHIFTS[(k - 1) % len(_SHIFTS)])
        if found is None:
            raise stuck()
        return found

    def _start(self) -> Array | None:
        """Where equals begin, or two of whom none bunches at the lowest bid; None where that is not known."""
        game = self.game
        if len(self.sides) == 1:
            if game.stake == 0:
                return np.array([-FURTHEST])
            return np.array([brentq(lambda z: float(game.worth(np.array([z]))[0]), -FURTHEST, FURTHEST, xtol=1e-14)])
        return _corner(game) if len(self.sides) == game.counts.sum() == 2 else None

    def _middle(self, shift: float) -> Array:
        """Places of the last, halfway up from where one of them gains nothing among equal levels; others are out."""

        def places(level: float) -> Array:
            return np.where(self.last, np.log(np.maximum(level - game.under, 1e-300)) - np.log1p(-level), np.inf)

        game, low = self.game, float(self.game.under[self.last].max())
        if game.stake > 0:
            low = float(brentq(lambda p: float(game.worth(places(p))[self.last].min()), low, 1 - 1e-14))
        middle = places((1 + low) / 2)
        middle[np.flatnonzero(self.last)[:2]] += [max(-shift, 0.0), max(shift, 0.0)][: int(self.last.sum())]
        return middle

    def _told(self, middle: Array) -> str:
        levels = self.game.levels(middle)[0][self.last]
        quantiles = sorted({f"{level:.2g}" for level in levels})
        types = "median types" if quantiles == ["0.5"] else f"types at quantile {' and '.join(quantiles)}"
        if len(levels) == len(self.sides):
            return f"{types} bid the same"
        seats = sorted(seat for side in self.sides if side.last for seat in side.seats)
        return (
            f"seats {', '.join(map(str, seats))} bid without bound, and {types} of theirs the same if they were alone"
        )


def _corner(game: Waiting) -> Array | None:
    """Places of two from which none bunches at the lowest bid; None where there are none, or T has no lower bound."""
    base, odds = replace(game, stake=0.0), np.array([[_BOTTOM, 0.0]] * 2)
    steep = base.levels(odds)[0] / base.values(odds)  # without risk aversion, as the choice should hardly depend on it
    if np.any(steep[:, 0] > _SLOPE * steep[:, 1]):
        return None
    if game.stake == 0:
        return _from_nothing(base)
    left, right, found = -FURTHEST, FURTHEST, None
    for _ in range(_ZOOMS):
        first = np.linspace(left, right, _GRID)
        low, high = np.full(_GRID, -FURTHEST), np.full(_GRID, FURTHEST)
        for _ in range(_HALVINGS):  # the second's place at which the first expects nothing
            second = (low + high) / 2
            loses = game.worth(np.stack([first, second]))[0] < 0
            low, high = np.where(loses, second, low), np.where(loses, high, second)
        both = np.stack([first, high])
        excess = np.where((low > -FURTHEST) & (high < FURTHEST), game.worth(both)[1], np.nan)
        turns = np.flatnonzero(excess[:-1] * excess[1:] <= 0)
        if not len(turns):
            break
        levels = game.levels(both)
        apart = np.abs(np.subtract(*(np.log(levels[0]) - np.log(levels[1]))))
        k = int(turns[np.argmin(apart[turns])])
        if apart[k] > _FAR:
            break
        left, right, found = float(first[k]), float(first[k + 1]), both[:, k]
    return found


def _from_nothing(game: Waiting) -> Array:
    """Places near the lowest types of two between which and the lowest lies the same ∫ dΛ / G, a power there."""

    def logs(places: Array) -> Array:
        here, up = (np.log(game.levels(z)[0] / game.gain(game.values(z), 0.0)) for z in (places, places + 0.1))
        return np.asarray(here - np.log((up - here) / 0.1))

    begin = float(logs(np.full(2, _BEGIN)).max())

    def excess(place: float, side: int) -> float:
        return float(logs(np.full(2, place))[side]) - begin

    return np.array([brentq(excess, -FURTHEST, 0.0, args=(side,)) for side in range(2)])
