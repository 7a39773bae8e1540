"""Equilibria among different bidders who pay by their own bids, win or lose: down from the top bid, where all begin.

Let p_i be the level of the type of role i that bids b, K_i = Π p_j over its rivals the chance to win, and w and l the
utility of winning and losing with b. A type that bids b is content where K_i′ (w − l) = −K_i w′ − (1 − K_i) l′, so
with h_i = K_i′ / K_i and m_j seats in role j

    p_i′ / p_i = Σ_j m_j h_j / (n − 1) − h_i      for the n seats that bid there.

All that bid at the top bid have their highest type there, and the rest follow on the way down:
  - a role whose highest types would rather bid less comes in at the bid that makes them content;
  - a role whose type expects no more than by staying out leaves, and its lower types stay out or send the lowest bid;
  - the auction ends where a single bidder would be left, whose lower types, if any, bunch at the lowest bid.
That has to be the lowest legal bid, which fixes the top bid. Where losers pay nothing nobody leaves, and the descent
ends at the lowest bid that can win, where types pay what they are worth (see `lowest_bid`).

Bids may have gaps: with three or more different bidders the lower types of one may bid nothing while the others bid
little (Parreiras and Rubinchik 2010, for the all-pay auction; Amann and Leininger 1996 for two bidders; Lebrun 1999
for the first-price auction).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from auctionlab.arrays import Array
from auctionlab.errors import NoEquilibrium
from auctionlab.theory.falls import Fall, Falling, Part, State, Stuck
from auctionlab.theory.indifference import Play
from auctionlab.theory.own_bids import CUT

_NODES = 600  # bids of which so many or less than twice as many are kept
_ROUGH, _FINE = 1e-5, 1e-7  # relative accuracy of a descent, on the way and in the end
_ENDS, _WIDER = (-16.0, 27.0), 15  # log odds of the top bid; how often a range that has it not is made wider
_ALIKE, _RELAYS = 1e-5, 12  # places that are less apart are alike; how often a descent begins anew
_WORTHLESS = 41  # types who cannot win


@dataclass(frozen=True, eq=False)
class Descent(Falling):
    """The search for the top bid, among roles of which `own_bid_decides` is true."""

    def solve(self) -> list[Play]:
        """Bids of each role; NoEquilibrium where no top bid leads down to the lowest bid."""
        if self.counts @ (np.array(self.roles.least) < 1) < 2:  # the lowest bid is enough for the one who takes part
            nobody = self.tops < -np.inf
            return self.plays(Fall([Part(np.array([self.low]), lambda _: np.ones(len(nobody)), nobody, nobody)], 0.0))
        (low, _), (high, _) = self._between(self._falling(_ROUGH), _ENDS[0], self._highest(), 100 * _ROUGH)
        for accuracy in (
            _FINE,
            _ROUGH,
        ):  # some cannot be followed very accurately: the certificate tells what that costs
            try:
                (_, under), (_, over) = self._between(self._falling(accuracy), low, high, 0.1 * accuracy)
                return self.plays(self._relayed(under, over, accuracy))
            except Stuck as reason:
                stuck = reason
        raise stuck

    def _highest(self) -> float:
        """The highest log odds of a top bid from which a descent can be followed."""
        for odds in np.linspace(*_ENDS, 19)[::-1].tolist():
            with suppress(Stuck):
                self._falling(_ROUGH)(odds)
                return float(odds)
        return _ENDS[1]

    def _falling(self, accuracy: float) -> Callable[[float], Fall]:
        """Descents by the log odds of where between the lowest bid and the highest value they begin."""
        return lambda odds: self.fall(self.bottom + (self.top - self.bottom) * float(expit(odds)), accuracy)

    def _between(
        self, falling: Callable[[float], Fall], low: float, high: float, near: float
    ) -> tuple[tuple[float, Fall], tuple[float, Fall]]:
        """Starts from which descents end too late and too soon, a little apart, with these descents.

        Looked for between two starts, or from some way before the one to some way behind the other.
        """
        known: dict[float, Fall] = {}

        def miss(start: float) -> float:
            if start not in known:
                known[start] = falling(start)
            missed = known[start].miss
            return missed if np.isfinite(missed) else self.top

        for _ in range(_WIDER):
            if miss(low) < 0 < miss(high):
                break
            low, high = (2 * low - high, high) if miss(low) >= 0 else (low, 2 * high - low)
            low, high = max(low, _ENDS[0]), min(high, _ENDS[1])
        else:
            raise NoEquilibrium(f"{self.roles.rule}: no top bid leads down to the lowest bid")
        brentq(miss, low, high, xtol=near, rtol=1e-15)
        under, over = max(x for x in known if miss(x) <= 0), min(x for x in known if miss(x) > 0)
        return (under, known[under]), (over, known[over])

    def _relayed(self, under: Fall, over: Fall, accuracy: float) -> Fall:
        """The descent between one that ends too late and one that ends too soon.

        The two may part long before the lowest bid, however near they begin. Where they do, descents begin anew from
        between them, and so on.
        """
        top, kept = float(under.parts[0].bids[0]), []
        last = np.inf
        for _ in range(_RELAYS):
            parting = self._parting(under, over)
            if parting is None or not parting[1] < last:
                break
            number, last = parting
            here, there = (fall.parts[number].at(last) for fall in (under, over))
            if self.chances(self.at(here.places)[0]).max() < 1e-7:
                break

            def falling(share: float, here: State = here, there: State = there) -> Fall:
                places = here.places + share * (there.places - here.places)
                return self.fall(top, accuracy, State(here.bid, places, here.bidding, here.left))

            try:
                (_, later), (_, sooner) = self._between(falling, 0.0, 1.0, 1e-7)
            except NoEquilibrium:
                break
            part = under.parts[number]
            kept += [*under.parts[:number], replace(part, bids=part.bids[part.bids > last])]
            under, over = later, sooner
        if kept:  # without the first bids of the last part, at which the one before ended
            under.parts[0] = replace(under.parts[0], bids=under.parts[0].bids[2:])
        return Fall(kept + under.parts, under.miss)

    def _parting(self, under: Fall, over: Fall) -> tuple[int, float] | None:
        """The number of the part in which two descents part, and a bid at which they are about to; None if never."""
        last: tuple[int, float] | None = None
        for number, (one, other) in enumerate(zip(under.parts, over.parts, strict=False)):
            if np.any(one.bidding != other.bidding):
                return last
            bids = one.bids[(one.bids <= other.bids[0]) & (one.bids >= other.bids[-1])]
            alike = bisect_left(bids, True, key=lambda b: _apart(one, other, float(b)))
            if alike > 0:
                last = number, float(bids[alike - 1])
            if alike < len(bids):
                return last
        return None if len(under.parts) == len(over.parts) and last and last[1] <= under.parts[-1].bids[-1] else last

    # ---- bids as functions of values ----

    def plays(self, fall: Fall) -> list[Play]:
        """Bids of each role at the levels of the descent, and of the types below them."""
        every = 1 + sum(len(part.bids) for part in fall.parts) // _NODES
        parts = [replace(part, bids=part.bids[_thinned(part.bids, every)]) for part in fall.parts]
        types = [np.stack([self.at(part.places(bid))[:2] for bid in part.bids], axis=2) for part in parts]  # (2, R, N)
        return [self._play(role, parts, types) for role in range(len(self.counts))]

    def _play(self, role: int, parts: list[Part], types: list[Array]) -> Play:
        game = self.roles.games[role]
        own = [part for part in parts if part.bidding[role]]
        bids = np.concatenate([part.bids for part in own] or [np.array([self.low])])[::-1]
        sent = [found[:, role] for part, found in zip(parts, types, strict=True) if part.bidding[role]]
        levels, values = np.concatenate(sent or [np.array([[1.0], [self.tops[role]]])], axis=1)[:, ::-1]
        levels, ends = np.clip(levels, 0.0, 1.0), np.clip(types[-1][0, :, -1], 0.0, 1.0)
        first = self._entrant(role, float(levels[0]), ends)
        if not self.lost:
            below = self._worthless(role, float(values[0]) if own else np.inf)
            levels, values, bids = (np.append(x, y) for x, y in zip(below, (levels, values, bids), strict=True))
        elif first < levels[0]:
            last = own and own[-1] is parts[-1] and self.roles.stakes[role] <= 0  # others may bunch: above them
            most = np.argsort(-np.where(parts[-1].bidding, ends, -1.0))
            order = np.argsort(most)  # who has more types that bunch bids less
            lowest = self.low + (bids[0] - self.low) * (1 + order[role]) / (1 + len(order)) if last else self.low
            levels = np.concatenate([[first, levels[0] * (1 - 1e-9)], levels])  # then bids leave the lowest at once
            values = np.append(game.prior.quantile(levels[:2]), values)
            bids = np.append([lowest, lowest], bids)
        if not np.isfinite(values[0]):
            values[0] = float(game.prior.quantile(np.array(levels[1] / 2)))
        return Play(game.prior, *(np.maximum.accumulate(x) for x in (levels, values, bids)))

    def _worthless(self, role: int, below: float) -> tuple[Array, Array, Array]:
        """Levels, values and bids of types who cannot win: they bid what would cost them their value."""
        prior, paid = self.roles.games[role].prior, self._payments.heights[0, 0]
        first = float(prior.quantile(np.array(self.roles.least[role])))
        first = first if np.isfinite(first) else float(prior.quantile(np.array(CUT)))
        most = min(float(np.interp(self.bottom, self._payments.axis, paid)), below, float(self.tops[role]))
        values = np.linspace(min(first, most), most, _WORTHLESS)
        return np.asarray(prior.cdf(values)), values, np.interp(values, paid, self._payments.axis)

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


def _apart(one: Part, other: Part, bid: float) -> bool:
    """Whether different types send a bid in two descents."""
    return bool(np.abs(one.places(bid) - other.places(bid)).max() > _ALIKE)


def _thinned(bids: Array, every: int) -> Array:
    """The places of one in so many bids, and of both ends."""
    return np.unique(np.append(np.arange(0, len(bids), every), len(bids) - 1))
