"""Equilibria among different bidders who pay by their own bids, win or lose: down from the top bid, where all begin.

Let p_i be the level of the type of role i that bids b, K_i = Π p_j over its rivals the chance to win, and w and l the
utility of winning and losing with b. A type that bids b is content where K_i′ (w − l) = −K_i w′ − (1 − K_i) l′, so
with h_i = K_i′ / K_i and m_j seats in role j

    p_i′ / p_i = Σ_j m_j h_j / (n − 1) − h_i      for the n seats that bid there.

All that bid at the top bid have their highest type there, and the rest follow on the way down:
  - a role whose highest types would rather bid less comes in at the bid that makes them content;
  - a role whose type expects no more than by staying out leaves, and its lower types stay out or send the lowest bid;
  - the auction ends where a single bidder would be left, whose lower types, if any, bunch at the lowest bid.
That has to be the lowest legal bid, which fixes the top bid. Bids may have gaps: with three or more different bidders
the lower types of one may bid nothing while the others bid little (Parreiras and Rubinchik 2010, for the all-pay
auction; Amann and Leininger 1996 for two bidders; Lebrun 1999 for the first-price auction).
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from auctionlab.arrays import Array
from auctionlab.errors import NoEquilibrium
from auctionlab.theory.facing import Facing
from auctionlab.theory.indifference import Play

_BIDS = 240  # of each part of the descent
_POWER, _FLOOR = 4, 2e-4  # bids leave the lowest as s⁴, s from 0 to 1, so that levels leave it smoothly; the first s
_ROUGH, _FINE = 1e-5, 1e-7  # relative accuracy of a descent, on the way and in the end
_CHANGES = 40  # the most roles that come and go
_PATIENCE = 20_000  # slopes asked for between two changes


class _Stuck(NoEquilibrium):
    """A descent that takes too many steps, or cannot be followed."""


@dataclass(frozen=True)
class Part:
    """Bids (N,) that fall, and the levels and values (R, N) of the types that send them; which roles bid here (R,)."""

    bids: Array
    levels: Array
    values: Array
    bidding: Array


@dataclass(frozen=True)
class Fall:
    """From a top bid down: the parts, where it ended, and by how much that misses (below 0: the top is too low)."""

    parts: list[Part]
    miss: float


@dataclass(frozen=True, eq=False)
class Descent(Facing):
    """The search for the top bid, among roles of which `own_bid_decides` is true."""

    def solve(self) -> list[Play]:
        """Bids of each role; NoEquilibrium where no top bid leads down to the lowest bid."""
        if self.counts @ (np.array(self.roles.least) < 1) < 2:  # the lowest bid is enough for the one who takes part
            alone = Part(np.array([self.low]), np.ones((len(self.tops), 1)), self.tops[:, None], self.tops < -np.inf)
            return self.plays(Fall([alone], 0.0))
        low, high = self.low + 1e-3 * (self.top - self.low), self.top - 1e-9 * (self.top - self.low)
        low, high = self._between(low, high, _ROUGH, 100 * _ROUGH)
        wide = max(2 * low - high, self.low), min(2 * high - low, self.top)
        try:
            return self._exactly(*wide, _FINE)
        except _Stuck:  # some cannot be followed very accurately: the certificate tells what that costs
            return self._exactly(*wide, _ROUGH)

    def _exactly(self, low: float, high: float, accuracy: float) -> list[Play]:
        return self.plays(self.fall(self._between(low, high, accuracy, 0.1 * accuracy)[0], accuracy))

    def _between(self, low: float, high: float, accuracy: float, near: float) -> tuple[float, float]:
        """Top bids from which the descent ends too late and too soon, a little apart."""
        misses: dict[float, float] = {}

        def miss(top: float) -> float:
            if top not in misses:
                misses[top] = self.fall(top, accuracy).miss
            return misses[top]

        if not miss(low) < 0 < miss(high):
            raise NoEquilibrium(f"{self.roles.rule}: no top bid leads down to the lowest bid")
        brentq(miss, low, high, xtol=near * (self.top - self.low), rtol=1e-15)
        return max(top for top in misses if misses[top] <= 0), min(top for top in misses if misses[top] > 0)

    # ---- down from a top bid ----

    def floor(self, top: float) -> float:
        """Where a descent from a top bid ends."""
        return self.low + _FLOOR**_POWER * (top - self.low)

    def fall(self, top: float, accuracy: float) -> Fall:
        """The bids that begin at a top bid, down to where a single bidder is left, or to the lowest bid."""
        places = np.ones(len(self.counts))
        bid, left = top, np.zeros(len(places), dtype=bool)
        bidding = self._first(bid, places)
        numbers = np.arange(len(places))
        parts: list[Part] = []
        for _ in range(_CHANGES):
            expects = self.pressures(bid, *self.at(places)[:2])[1]
            leaving = bidding & (expects <= 1e-13 * self.roles.scale)
            bidding, left = bidding & ~leaving, left | leaving
            if self.counts[bidding].sum() < 2:
                return Fall(parts, bid - self.low)
            if bid <= self.floor(top):
                break
            bid, places, event = self._stretch(top, bid, places, bidding, left, parts, accuracy)
            if event is None:
                break
            leaving = numbers == event
            bidding, left = (bidding | (numbers == event - len(places))) & ~leaving, left | leaving
            if self.counts[bidding].sum() < 2:
                return Fall(parts, bid - self.low)
        expects = self.pressures(self.floor(top), *self.at(places)[:2])[1]
        seats = np.repeat(np.where(bidding, expects, -np.inf), self.counts)
        return Fall(parts, -float(np.sort(seats)[-2]))

    def _first(self, bid: float, places: Array) -> Array:
        """Who bids up to the top: all but those who would rather bid less, left out one after the other."""
        pressures, expects = self.pressures(bid, *self.at(places)[:2])
        bidding = expects > 0
        while self.counts[bidding].sum() > 2:
            rates = np.where(bidding, self.rates(pressures, bidding), np.inf)
            if rates.min() > 0:
                break
            bidding = bidding & (np.arange(len(places)) != int(np.argmin(rates)))
        return bidding

    def _stretch(
        self,
        top: float,
        bid: float,
        places: Array,
        bidding: Array,
        left: Array,
        parts: list[Part],
        accuracy: float,
    ) -> tuple[float, Array, int | None]:
        """Down to the next role that leaves (its number) or comes in (number + R), or to the lowest bid (None)."""
        waiting = ~bidding & ~left
        reach = top - self.low

        def at(s: float | Array) -> Any:
            return self.low + reach * s**_POWER

        stuck = _Stuck(f"{self.roles.rule}: the bids cannot be followed down from the top bid")
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
            pressures, _, moves = pressures_at(s, y)
            return _POWER * reach * s ** (_POWER - 1) * moves * self.rates(pressures, bidding)

        def leaves(role: int) -> Callable[[float, Array], float]:
            return lambda s, y: float(pressures_at(s, y)[1][role])

        def enters(role: int) -> Callable[[float, Array], float]:
            def excess(s: float, y: Array) -> float:
                pressures = pressures_at(s, y)[0]
                return float(self.counts @ self.rates(pressures, bidding) - pressures[role])

            return excess

        events: list[Any] = [leaves(r) for r in np.flatnonzero(bidding).tolist()] + [
            enters(r) for r in np.flatnonzero(waiting).tolist()
        ]
        numbers = [*np.flatnonzero(bidding), *(len(places) + np.flatnonzero(waiting))]
        for event, number in zip(events, numbers, strict=True):
            event.terminal, event.direction = True, (-1 if number < len(places) else 1)
        start = ((bid - self.low) / reach) ** (1 / _POWER)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of LSODA, before it gives up
            try:
                found: Any = solve_ivp(
                    slope,
                    (start, _FLOOR),
                    places,
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
        inner = end + (start - end) * (1 + np.cos(np.linspace(0, np.pi, _BIDS))) / 2
        steps = np.unique(np.concatenate([found.t, inner]))[::-1]
        levels, values, _ = (np.stack(rows, axis=1) for rows in zip(*map(self.at, found.sol(steps).T), strict=True))
        parts.append(Part(at(steps), np.clip(levels, 0.0, 1.0), values, bidding))
        which = next((int(numbers[k]) for k, times in enumerate(found.t_events or ()) if len(times)), None)
        return (at(end), found.y[:, -1], which) if found.status == 1 else (self.floor(top), found.y[:, -1], None)

    # ---- bids as functions of values ----

    def plays(self, fall: Fall) -> list[Play]:
        """Bids of each role at the levels of the descent, and of the types below them."""
        ends = np.array([part.levels[:, -1] for part in fall.parts])[-1]
        return [self._play(role, fall, ends) for role in range(len(self.counts))]

    def _play(self, role: int, fall: Fall, ends: Array) -> Play:
        game = self.roles.games[role]
        own = [part for part in fall.parts if part.bidding[role]]
        bids = np.concatenate([part.bids for part in own] or [np.array([self.low])])[::-1]
        levels = np.concatenate([part.levels[role] for part in own] or [np.ones(1)])[::-1]
        values = np.concatenate([part.values[role] for part in own] or [self.tops[role : role + 1]])[::-1]
        first = self._entrant(role, float(levels[0]), ends)
        if first < levels[0]:
            last = own and own[-1] is fall.parts[-1] and self.roles.stakes[role] <= 0  # others may bunch: above them
            lowest = (self.low + bids[0]) / 2 if last else self.low
            if bids[0] - lowest > 1e-9 * (self.top - self.low):  # a gap in the bids
                levels, bids = np.append(levels[0] * (1 - 1e-9), levels), np.append(lowest, bids)
                values = np.append(game.prior.quantile(levels[:1]), values)
            levels, bids = np.append(first, levels), np.append(lowest, np.append(lowest, bids[1:]))
            values = np.append(game.prior.quantile(levels[:1]), values)
        if not np.isfinite(values[0]):
            values[0] = float(game.prior.quantile(np.array(levels[1] / 2)))
        return Play(game.prior, *(np.maximum.accumulate(x) for x in (levels, values, bids)))

    def _entrant(self, role: int, level: float, ends: Array) -> float:
        """The level of the lowest type that takes part, if only with the lowest bid."""
        least = self.roles.least[role]
        if self.roles.stakes[role] <= 0:
            return min(level, least)
        chance = float(self.chances(ends)[role])

        def worth(p: float) -> float:
            types = np.full(len(self.counts), float(self.roles.games[role].prior.quantile(np.array(p))))
            win, lose, _, _ = self._worth(self.low, types)
            return float(chance * win[role] + (1 - chance) * lose[role])

        if level <= least or worth(level) <= 1e-9 * self.roles.scale:
            return level
        return least if worth(least) >= 0 else float(brentq(worth, least, level, xtol=1e-15))
