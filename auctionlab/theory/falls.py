"""Down from a bid: the types of different bidders who pay by their own bids, win or lose; see `descent`."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

from auctionlab.arrays import Array
from auctionlab.errors import NoEquilibrium
from auctionlab.theory import lowest_bid
from auctionlab.theory.facing import Facing
from auctionlab.theory.rivals import risk_of

_BIDS, _CLOSE = 600, 1e-7  # of each part of a descent; the least distance between them, in s
_POWER, _FLOOR = 4, 2e-4  # utility of losers leaves 0 as s⁴, s from 0 to 1, so that levels do so smoothly; the first s
_NEAR, _WORTH = 0.03, 1e-9  # where losers pay nothing: the first s, and what is left to who leaves, relative to values
_JUMP = 1e-9  # the first step from a highest type, relative to the range of bids
_CHANGES = 40  # the most roles that come and go
_PATIENCE, _EFFORT = 20_000, 150_000  # slopes asked for between two changes, and in a whole search


class Stuck(NoEquilibrium):
    """A descent that takes too many steps, or cannot be followed."""


@dataclass(frozen=True)
class State:
    """A bid, the places (R,) of the types that send it, and which roles bid here and which have left (R,)."""

    bid: float
    places: Array
    bidding: Array
    left: Array


@dataclass(frozen=True)
class Part:
    """Bids (N,) that fall, the places (R,) of the types that send one, and who bids here or left before, (R,)."""

    bids: Array
    places: Callable[[float], Array]
    bidding: Array
    left: Array

    def at(self, bid: float) -> State:
        return State(bid, self.places(bid), self.bidding, self.left)


@dataclass(frozen=True)
class Fall:
    """From a bid down: the parts, and by how much the end misses the lowest bid (below 0: it began too low)."""

    parts: list[Part]
    miss: float


@dataclass(frozen=True, eq=False)
class Falling(Facing):
    """Descents among roles of which `own_bid_decides` is true."""

    @cached_property
    def effort(self) -> Iterator[int]:
        """Counts the slopes asked for."""
        return itertools.count()

    @cached_property
    def bottom(self) -> float:
        """The lowest bid that can win."""
        if self.lost:
            return self.low
        roles = self.roles
        priors, risk = tuple(game.prior for game in roles.games), risk_of(roles.environment, roles.rule)
        paid = lowest_bid.find(priors, tuple(roles.counts), float(self._payments.heights[0, 0, 0]), risk)[0].bid
        return float(np.interp(paid, self._payments.heights[0, 0], self._payments.axis))

    @cached_property
    def power(self) -> float:
        """Bids leave the lowest as s to this power."""
        if not self.lost or self.risk is None or self._payments.heights[0, 1, 0] > 0:
            return _POWER
        twice, once = self.risk.u(-1e-9 * self.roles.scale * np.array([2.0, 1.0]))
        return _POWER / float(np.log2(twice / once))

    @cached_property
    def first(self) -> float:
        """The s at which a descent ends."""
        return _FLOOR if self.lost else _NEAR

    def floor(self, top: float) -> float:
        """Where a descent from a top bid ends."""
        return self.bottom + self.first**self.power * (top - self.bottom)

    def fall(self, top: float, accuracy: float, start: State | None = None) -> Fall:
        """From a top bid, or a state below it, down to where a single bidder is left, or to the lowest bid."""
        at = start or self._first(top)
        numbers = np.arange(len(self.counts))
        parts: list[Part] = []
        bid, places, bidding, left = at.bid, at.places, at.bidding, at.left
        for _ in range(_CHANGES):
            expects = self.pressures(bid, *self.at(places)[:2])[1]
            leaving = bidding & (expects <= 1e-13 * self.roles.scale)
            bidding, left = bidding & ~leaving, left | leaving
            if self.counts[bidding].sum() < 2 or (leaving.any() and not self.lost):
                return Fall(parts, bid - self.bottom)
            if bid <= self.floor(top):
                break
            try:
                part, event = self._stretch(top, State(bid, places, bidding, left), accuracy)
            except Stuck:
                if self.lost:
                    raise
                return Fall(parts, bid - self.bottom)  # types that are left nothing, which they reach infinitely fast
            parts.append(part)
            bid = float(part.bids[-1])
            places = part.places(bid)
            if event is None:
                break
            leaving = numbers == event
            bidding, left = (bidding | (numbers == event - len(places))) & ~leaving, left | leaving
            if self.counts[bidding].sum() < 2 or (leaving.any() and not self.lost):
                return Fall(parts, bid - self.bottom)
        expects = self.pressures(self.floor(top), *self.at(places)[:2])[1]
        seats = np.repeat(np.where(bidding, expects, -np.inf), self.counts)
        return Fall(parts, -float(np.sort(seats)[-2]))

    def _first(self, bid: float) -> State:
        """Who bids up to the top: all but those who would rather bid less, left out one after the other."""
        places = np.ones(len(self.counts))
        pressures, expects = self.pressures(bid, *self.at(places)[:2])
        bidding = expects > 0
        while self.counts[bidding].sum() > 2:
            rates = np.where(bidding, self.rates(pressures, bidding), np.inf)
            if rates.min() >= 0:
                break
            bidding = bidding & (np.arange(len(places)) != int(np.argmin(rates)))
        return State(bid, places, bidding, np.zeros(len(places), dtype=bool))

    def _stretch(self, top: float, start: State, accuracy: float) -> tuple[Part, int | None]:
        """Down to the next role that leaves (its number) or comes in (number + R), or to the lowest bid (None)."""
        bid, bidding = start.bid, start.bidding
        waiting = ~bidding & ~start.left
        reach = top - self.bottom

        def at(s: float | Array) -> Any:
            return self.bottom + reach * s**self.power

        stuck = Stuck(f"{self.roles.rule}: the bids cannot be followed down from the top bid")
        asked = itertools.count()
        known: dict[tuple[float, bytes], tuple[Array, Array, Array]] = {}  # the last: events are asked at one place

        def pressures_at(s: float, y: Array) -> tuple[Array, Array, Array]:
            """h, what each expects, and how fast places move with the level's relative change."""
            where = s, y.tobytes()
            if where not in known:
                known.clear()
                levels, types, rises = self.at(y)
                known[where] = *self.pressures(at(s), levels, types), levels / rises
            return known[where]

        def slope(s: float, y: Array) -> Array:
            if next(asked) > _PATIENCE:
                raise stuck
            if next(self.effort) > _EFFORT:
                raise NoEquilibrium(f"{self.roles.rule}: the search for the top bid was given up")
            pressures, _, moves = pressures_at(s, y)
            return self.power * reach * s ** (self.power - 1) * moves * self.rates(pressures, bidding)

        least = 0.0 if self.lost else _WORTH * self.roles.scale

        def leaves(role: int) -> Callable[[float, Array], float]:
            return lambda s, y: float(pressures_at(s, y)[1][role]) - least

        def enters(role: int) -> Callable[[float, Array], float]:
            def excess(s: float, y: Array) -> float:
                pressures = pressures_at(s, y)[0]
                return float(self.counts @ self.rates(pressures, bidding) - pressures[role])

            return excess

        events: list[Any] = [leaves(r) for r in np.flatnonzero(bidding).tolist()] + [
            enters(r) for r in np.flatnonzero(waiting).tolist()
        ]
        numbers = [*np.flatnonzero(bidding), *(len(bidding) + np.flatnonzero(waiting))]
        for event, number in zip(events, numbers, strict=True):
            event.terminal, event.direction = True, (-1 if number < len(bidding) else 1)
        levels, types, _ = self.at(start.places)
        jump = min(_JUMP * reach, 0.5 * (bid - self.floor(top)))
        falls = jump * levels * self.rates(self.pressures(bid, levels, types)[0], bidding)
        moved = self.lowered(start.places, bidding, falls)
        first = ((bid - jump - self.bottom) / reach) ** (1 / self.power)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of LSODA, before it gives up
            try:
                found: Any = solve_ivp(
                    slope,
                    (first, self.first),
                    moved,
                    "LSODA",
                    dense_output=True,
                    events=events,
                    rtol=accuracy,
                    atol=1e-3 * accuracy,
                )
            except (ValueError, IndexError) as confused:  # its interpolants miss an event that its steps have seen
                raise stuck from confused
        if found.status < 0:
            raise stuck
        end = float(found.t[-1])

        def places(price: float) -> Array:
            s = ((price - self.bottom) / reach) ** (1 / self.power)
            return start.places if s > first else np.asarray(found.sol(max(s, end)))

        inner = end + (first - end) * (1 + np.cos(np.linspace(0, np.pi, _BIDS))) / 2
        apart = np.abs(found.t[:, None] - inner).min(axis=1) > _CLOSE * (first - end)
        steps = np.unique(np.concatenate([found.t[apart], inner]))[::-1]
        part = Part(np.append(bid, at(steps)), places, bidding, start.left)
        which = next((int(numbers[k]) for k, times in enumerate(found.t_events or ()) if len(times)), None)
        return part, which if found.status == 1 else None
