"""What bids along a course mean for each side of a war of attrition: bids of values, chances, payments, utility."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.interpolate import CubicHermiteSpline, CubicSpline, PPoly

from auctionlab.arrays import Array
from auctionlab.theory.symmetric import Bidding
from auctionlab.theory.waiting import FURTHEST, Stretch, Waiting

_TYPES = 240  # whose expected utility is tabulated
_APART = 1e-7  # places closer together tell nothing of slopes
_LAST = 1.0  # places from the end within which a side has bid up to its last type

Function = Callable[[Array], Array]


@dataclass(frozen=True, eq=False)
class Course:
    """Stretches of bids, each beginning where the last one ends, from the lowest bid, the reserve, up."""

    game: Waiting
    stretches: list[Stretch]
    reserve: float
    method: str

    @cached_property
    def clock(self) -> Array:
        return np.concatenate([part.clock for part in self.stretches])

    @cached_property
    def paid(self) -> Array:
        """What losers pay, fee and all, (N,)."""
        return self.game.paid(self.clock)

    @cached_property
    def places(self) -> Array:
        return np.concatenate([part.places for part in self.stretches], axis=1)

    @cached_property
    def chances(self) -> tuple[Array, Array]:
        """Of each side to win with each bid, and to lose, (R, N) each."""
        return self.game.chances(self.places)

    @cached_property
    def expected(self) -> Array:
        """What each side pays on average with each bid, (R, N): stake + ∫ (1 − K) dx, as winners pay the next bid."""
        found, last = [], np.full(len(self.game.counts), self.game.stake)
        for part in self.stretches:
            rise = CubicSpline(part.steps, self.game.paid(part.clock))(part.steps, 1)
            lost = CubicSpline(part.steps, self.game.chances(part.places)[1] * rise, axis=1)
            found.append(last[:, None] + lost.antiderivative()(part.steps))
            last = found[-1][:, -1]
        return np.concatenate(found, axis=1)

    @cached_property
    def highest(self) -> Array:
        """The last type of each side, (R,)."""
        return self.game.values(np.full(len(self.game.counts), FURTHEST))

    @cached_property
    def _rows(self) -> list[slice]:
        """Which of the N points belong to each stretch."""
        ends = np.cumsum([0, *(len(part.clock) for part in self.stretches)]).tolist()
        return [slice(start, end) for start, end in itertools.pairwise(ends)]

    def _where(self, side: int) -> Array:
        """Which of the N points a side bids at, ascending; none where it bids the lowest at most."""
        bids = [rows for rows, part in zip(self._rows, self.stretches, strict=True) if part.bidding[side]]
        return np.concatenate([np.arange(rows.start, rows.stop) for rows in bids]) if bids else np.empty(0, dtype=int)

    def _by_value(self, side: int, heights: Array, below: float) -> Function:
        """What is known at the N points as a function of values; `below` for types under the first that bids there."""
        pieces = [
            _smooth(self.places[side, rows], heights[rows])
            for rows, part in zip(self._rows, self.stretches, strict=True)
            if part.bidding[side]
        ]
        shapes = [shape for shape in pieces if shape is not None]
        if not shapes:
            return lambda values: np.full(np.shape(values), below)
        edges = np.append(np.concatenate([shape.x[:-1] for shape in shapes]), shapes[-1].x[-1])
        whole = PPoly(np.concatenate([shape.c for shape in shapes], axis=1), edges)

        def height(values: Array) -> Array:
            z = self.game.places(side, values)
            return np.where(z < edges[0], below, whole(np.clip(z, edges[0], edges[-1])))

        return height

    def behaviour(self, side: int) -> Bidding:
        """Bids as a function of values, and what they expect."""
        game, where = self.game, self._where(side)
        first, last = self.places[side, where[[0, -1]]] if len(where) else (np.inf, np.inf)
        win = self.chances[0][side]
        never = self.paid[-1] - game.stake + self.reserve + float(self.highest.max())  # more than others would follow
        clock = self._by_value(side, self.clock, float(self.clock[0]))
        chances = self._by_value(side, win, float(win[0]))
        paid = self._by_value(side, self.expected[side], game.stake)

        def bids(values: Array) -> Array:
            found = game.paid(clock(values)) - game.stake + self.reserve
            if last < FURTHEST - _LAST:
                found = np.where(game.places(side, values) > last, never, found)
            return np.maximum(found, self.reserve)

        def surplus(values: Array) -> Array:
            return np.asarray(values * chances(values) - paid(values))

        gains = surplus if game.risk is None else self._gains(side, where)
        edges = np.array([part.places[side, 0] for part in self.stretches])
        bends = tuple(self._value(side, z) for z in edges[np.abs(edges) < FURTHEST])
        threshold = self._threshold(side, first)
        last_too = self.stretches[-1].bidding[side]
        return Bidding(self.method, threshold, bids, chances, paid, gains, True, bends, unbounded=bool(last_too))

    def _value(self, side: int, place: float) -> float:
        return float(self.game.values(np.full(len(self.game.counts), place))[side])

    def _threshold(self, side: int, first: float) -> float:
        """The lowest type to whom taking part is worth it, be it with the lowest bid."""
        game, low = self.game, float(self.game.least[side])
        if game.stake == 0:
            return low
        own = self._value(side, first) if np.isfinite(first) else np.inf
        win, lose = (float(chances[side, 0]) for chances in self.chances)
        if win > 0:
            needed = -lose / win * game.utility(-game.stake)
            with np.errstate(invalid="ignore"):
                least = game.stake + float(game.certain(needed))
            own = min(max(least, low), own) if np.isfinite(least) else own  # under CARA gains may be bounded by less
        return own if own < self.highest[side] else np.inf

    def _gains(self, side: int, where: Array) -> Function:
        """Expected utility of values, by sums over the highest rival bid."""
        game, (win, lose) = self.game, (chances[side] for chances in self.chances)
        where = where[self.places[side, where] < FURTHEST]
        if len(where):
            own = self.places[side, where]
            where = np.unique(where[np.searchsorted(own, np.linspace(own[0], own[-1], _TYPES))])
        places = self.places[side, where]
        types = game.values(np.tile(places, (len(game.counts), 1)))[side]
        prices = (self.paid[1:] + self.paid[:-1]) / 2
        with np.errstate(over="ignore"):
            reached = np.arange(len(prices)) < where[:, None]
            later = (np.where(reached, np.diff(win), 0.0) * game.utility(types[:, None] - prices)).sum(axis=1)
            lost = lose[where] * np.maximum(game.utility(-self.paid[where]), -1e300)
        earned = win[0] * game.utility(types - game.stake) + later + lost
        shape = _smooth(places, earned)

        def gains(values: Array) -> Array:
            lowest = win[0] * game.utility(values - game.stake) + lose[0] * game.utility(-game.stake)
            if shape is None:
                return np.asarray(lowest)
            z = game.places(side, values)
            return np.where(z < places[0], lowest, shape(np.clip(z, places[0], places[-1])))

        return gains


def _smooth(places: Array, heights: Array) -> PPoly | None:
    """A smooth function that never falls between points of places and heights that never fall; None of few places."""
    kept = np.diff(np.maximum.accumulate(places), prepend=-np.inf) > _APART
    z, f = places[kept], np.maximum.accumulate(heights[kept])
    if len(z) < 4:
        return None
    secants = np.diff(f) / np.diff(z)
    most = 3 * np.minimum(np.append(np.inf, secants), np.append(secants, np.inf))
    with np.errstate(over="ignore"):
        return CubicHermiteSpline(z, f, np.clip(CubicSpline(z, f)(z, 1), 0.0, most))
