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
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from auctionlab.arrays import Array
from auctionlab.core import Outcome
from auctionlab.errors import NoEquilibrium
from auctionlab.theory.indifference import Play
from auctionlab.theory.own_bids import CUT, tabulated, tops
from auctionlab.theory.sealed import Roles

_SPREAD = np.unique(
    np.concatenate(
        [np.geomspace(1e-14, 1e-3, 2000), np.linspace(1e-3, 1 - 1e-3, 16001), 1 - np.geomspace(1e-3, 1e-14, 2000)]
    )
)
_BIDS = 240  # of each part of the descent
_POWER, _FLOOR = 4, 2e-4  # bids leave the lowest as s⁴, s from 0 to 1, so that levels leave it smoothly; the first s
_ROUGH, _FINE = 1e-5, 1e-7  # relative accuracy of a descent, on the way and in the end
_LEAST = 1e-12  # chances to win and gains from winning below this count as this, relative to the values' range
_CHANGES = 40  # the most roles that come and go
_PATIENCE = 20_000  # slopes asked for between two changes


class _Stuck(NoEquilibrium):
    """A descent that takes too many steps."""


@dataclass(frozen=True)
class Part:
    """Bids (N,) that fall, and the levels (R, N) of the types that send them; which roles bid here (R,)."""

    bids: Array
    levels: Array
    bidding: Array


@dataclass(frozen=True)
class Fall:
    """From a top bid down: the parts, where it ended, and by how much that misses (below 0: the top is too low)."""

    parts: list[Part]
    miss: float


@dataclass(frozen=True, eq=False)
class Descent:
    """The search for the top bid, among roles of which `own_bid_decides` is true."""

    roles: Roles

    def solve(self) -> list[Play]:
        """Bids of each role; NoEquilibrium where no top bid leads down to the lowest bid."""
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
        """Top bids from which the descent ends too soon and too late, a little apart, by bisection."""
        if not self.fall(low, accuracy).miss < 0 < self.fall(high, accuracy).miss:
            raise NoEquilibrium(f"{self.roles.rule}: no top bid leads down to the lowest bid")
        while high - low > near * (self.top - self.low):
            middle = (low + high) / 2
            low, high = (low, middle) if self.fall(middle, accuracy).miss > 0 else (middle, high)
        return low, high

    # ---- what the bidders face ----

    @cached_property
    def low(self) -> float:
        return self.roles.games[0].low

    @cached_property
    def tops(self) -> Array:
        return tops(self.roles)[0]

    @cached_property
    def top(self) -> float:
        return tops(self.roles)[1]

    def floor(self, top: float) -> float:
        """Where a descent from a top bid ends."""
        return self.low + _FLOOR**_POWER * (top - self.low)

    @cached_property
    def counts(self) -> Array:
        return np.array(self.roles.counts)

    @cached_property
    def _others(self) -> Array:
        """Seats of role j that a bidder of role i faces, (R, R)."""
        return np.tile(self.counts, (len(self.counts), 1)) - np.eye(len(self.counts))

    @cached_property
    def _quantiles(self) -> list[Array]:
        return [
            np.minimum(np.asarray(g.prior.quantile(_SPREAD)), t)
            for g, t in zip(self.roles.games, self.tops, strict=True)
        ]

    @cached_property
    def _payments(self) -> tuple[Array, Array]:
        """Bids, and what winners and losers pay with their slopes, (4, N)."""
        table = tabulated(self.roles.games[0], self.top)
        if table is None:
            raise NoEquilibrium(f"{self.roles.rule}: payments depend on more than the own bid")
        slopes = [np.gradient(paid, table[0]) for paid in table[1:]]
        return table[0], np.stack([table[1], table[2], *slopes])

    def types(self, levels: Array) -> Array:
        """(R,) at levels (R,)."""
        return np.array([np.interp(p, _SPREAD, q) for p, q in zip(levels, self._quantiles, strict=True)])

    def chances(self, levels: Array) -> Array:
        """K of each role, (R,)."""
        return np.asarray(np.prod(np.maximum(levels, 0.0) ** self._others, axis=1))

    def _utility(self, money: Array) -> Array:
        nothing = np.zeros_like(money)
        return np.asarray(self.roles.games[0].environment.utility(Outcome(nothing, -money), nothing))

    def _worth(self, bid: float, types: Array) -> tuple[Array, Array, Array, Array]:
        """The utility of winning and of losing, and how fast each falls as the bid rises, (R,) each."""
        bids, table = self._payments
        win, lose, more, waste = (np.interp(bid, bids, row) for row in table)
        money = np.stack([types - win, np.full(types.shape, -lose)])
        step = 1e-5 * np.maximum(np.abs(money), 1e-12 * self.roles.scale)
        here, up, down = self._utility(np.stack([money, money + step, money - step]).reshape(6, -1)).reshape(3, 2, -1)
        rates = (up - down) / (2 * step)
        return here[0], here[1], more * rates[0], waste * rates[1]

    def pressures(self, bid: float, levels: Array) -> tuple[Array, Array]:
        """h of each role, kept finite where no type should be, and what each expects, (R,)."""
        win, lose, more, waste = self._worth(bid, self.types(levels))
        chance = self.chances(levels)
        lost = np.maximum(chance, _LEAST) * np.maximum(win - lose, _LEAST * self.roles.scale)
        return (chance * more + (1 - chance) * waste) / lost, chance * win + (1 - chance) * lose

    def rates(self, pressures: Array, bidding: Array) -> Array:
        """p′/p of the roles that bid, 0 for others."""
        seats = self.counts * bidding
        asked = np.where(bidding, pressures, 0.0)
        return np.where(bidding, (seats @ asked) / (seats.sum() - 1) - asked, 0.0)

    # ---- down from a top bid ----

    def fall(self, top: float, accuracy: float) -> Fall:
        """The bids that begin at a top bid, down to where a single bidder is left, or to the lowest bid."""
        levels = np.where([np.isfinite(g.prior.high) for g in self.roles.games], 1.0, 1 - CUT)
        bid, left = top, np.zeros(len(levels), dtype=bool)
        bidding = self._first(bid, levels)
        parts: list[Part] = []
        for _ in range(_CHANGES):
            expects = self.pressures(bid, levels)[1]
            leaving = bidding & (expects <= 1e-13 * self.roles.scale)
            bidding, left = bidding & ~leaving, left | leaving
            if self.counts[bidding].sum() < 2:
                return Fall(parts, bid - self.low)
            if bid <= self.floor(top):
                break
            bid, levels, event = self._stretch(top, bid, levels, bidding, left, parts, accuracy)
            if event is None:
                break
            if event < len(levels):
                bidding, left = bidding & (np.arange(len(levels)) != event), left | (np.arange(len(levels)) == event)
            else:
                bidding = bidding | (np.arange(len(levels)) == event - len(levels))
            if self.counts[bidding].sum() < 2:
                return Fall(parts, bid - self.low)
        seats = np.repeat(np.where(bidding, self.pressures(self.floor(top), levels)[1], -np.inf), self.counts)
        return Fall(parts, -float(np.sort(seats)[-2]))

    def _first(self, bid: float, levels: Array) -> Array:
        """Who bids up to the top: all but those who would rather bid less, left out one after the other."""
        pressures, expects = self.pressures(bid, levels)
        bidding = expects > 0
        while self.counts[bidding].sum() > 2:
            rates = np.where(bidding, self.rates(pressures, bidding), np.inf)
            if rates.min() > 0:
                break
            bidding = bidding & (np.arange(len(levels)) != int(np.argmin(rates)))
        return bidding

    def _stretch(
        self,
        top: float,
        bid: float,
        levels: Array,
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

        asked = itertools.count()
        known: dict[tuple[float, bytes], tuple[Array, Array]] = {}  # the last: all events are asked at the same place

        def pressures_at(s: float, p: Array) -> tuple[Array, Array]:
            place = s, p.tobytes()
            if place not in known:
                known.clear()
                known[place] = self.pressures(at(s), p)
            return known[place]

        def slope(s: float, p: Array) -> Array:
            if next(asked) > _PATIENCE:
                raise _Stuck(f"{self.roles.rule}: the bids cannot be followed down from the top bid in time")
            speed = _POWER * reach * s ** (_POWER - 1)
            return speed * p * self.rates(pressures_at(s, p)[0], bidding)

        def leaves(role: int) -> Callable[[float, Array], float]:
            return lambda s, p: float(pressures_at(s, p)[1][role])

        def enters(role: int) -> Callable[[float, Array], float]:
            def excess(s: float, p: Array) -> float:
                pressures = pressures_at(s, p)[0]
                return float(self.counts @ self.rates(pressures, bidding) - pressures[role])

            return excess

        events: list[Any] = [leaves(r) for r in np.flatnonzero(bidding).tolist()] + [
            enters(r) for r in np.flatnonzero(waiting).tolist()
        ]
        numbers = [*np.flatnonzero(bidding), *(len(levels) + np.flatnonzero(waiting))]
        for event, number in zip(events, numbers, strict=True):
            event.terminal, event.direction = True, (-1 if number < len(levels) else 1)
        start = ((bid - self.low) / reach) ** (1 / _POWER)
        found: Any = solve_ivp(
            slope,
            (start, _FLOOR),
            levels,
            "LSODA",
            dense_output=True,
            events=events,
            rtol=accuracy,
            atol=1e-3 * accuracy,
        )
        end = float(found.t[-1])
        inner = end + (start - end) * (1 + np.cos(np.linspace(0, np.pi, _BIDS))) / 2
        steps = np.unique(np.concatenate([found.t, inner]))[::-1]
        parts.append(Part(at(steps), np.clip(found.sol(steps), 0.0, 1.0), bidding))
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
        first = self._entrant(role, float(levels[0]), ends)
        if first < levels[0]:
            last = own and own[-1] is fall.parts[-1] and self.roles.stakes[role] <= 0  # others may bunch: above them
            lowest = (self.low + bids[0]) / 2 if last else self.low
            if bids[0] - lowest > 1e-9 * (self.top - self.low):  # a gap in the bids
                levels, bids = np.append(levels[0] * (1 - 1e-9), levels), np.append(lowest, bids)
            levels, bids = np.append(first, levels), np.append(lowest, np.append(lowest, bids[1:]))
        values = np.asarray(game.prior.quantile(np.minimum(levels, 1 - 2**-53)), float)
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
