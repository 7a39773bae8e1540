"""What bidders who pay by their own bids, win or lose, face at a bid: chances, and how fast these have to rise.

Types are told by their places: levels near the top of a prior whose density vanishes there are alike to a double.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from auctionlab.arrays import Array
from auctionlab.core import Prior
from auctionlab.errors import NoEquilibrium
from auctionlab.theory.own_bids import CUT, tabulated, tops
from auctionlab.theory.sealed import Roles
from auctionlab.theory.tables import Tables

_NEAR = np.geomspace(1e-14, 1e-2, 1500)
_PLACES = np.unique(np.concatenate([[0.0, 1.0], _NEAR, np.linspace(1e-2, 1 - 1e-2, 4001), 1 - _NEAR]))
_NEWTON, _RISE = 3, 1e-300  # steps to the values at places; the least rise of levels there
_LEAST = 1e-12  # chances to win and gains from winning below this count as this, relative to the values' range


@dataclass(frozen=True, eq=False)
class Facing:
    """Roles of which `own_bid_decides` is true, and the conditions of their types, as `descent` states them."""

    roles: Roles

    @cached_property
    def low(self) -> float:
        return self.roles.games[0].low

    @cached_property
    def tops(self) -> Array:
        return tops(self.roles)[0]

    @cached_property
    def top(self) -> float:
        """Nobody bids more."""
        return float(self._payments.axis[-1])

    @cached_property
    def counts(self) -> Array:
        return np.array(self.roles.counts)

    @cached_property
    def _others(self) -> Array:
        """Seats of role j that a bidder of role i faces, (R, R)."""
        return np.tile(self.counts, (len(self.counts), 1)) - np.eye(len(self.counts))

    @cached_property
    def at(self) -> Tables:
        """Levels, values and how fast levels rise, (3, R), at the places (R,) of types, from 0 to 1.

        A place is the mean of the level and of the value's share of the range: near an end where the density vanishes
        levels tell values apart no more, and values hardly tell levels apart where it is large.
        """
        games = zip(self.roles.games, self.tops, strict=True)
        return Tables(_PLACES, np.stack([_placed(game.prior, top) for game, top in games]))

    @cached_property
    def _payments(self) -> Tables:
        """What winners and losers pay, and the slopes of both, (4, 1), by their bids."""
        table = tabulated(self.roles.games[0], tops(self.roles)[1])
        if table is None:
            raise NoEquilibrium(f"{self.roles.rule}: payments depend on more than the own bid")
        slopes = [np.gradient(paid, table[0]) for paid in table[1:]]
        return Tables(table[0], np.stack([[*table[1:], *slopes]]))

    @cached_property
    def lost(self) -> bool:
        """Whether losers pay anything."""
        return bool(np.any(self._payments.heights[0, 1] > 0))

    def lowered(self, places: Array, bidding: Array, falls: Array) -> Array:
        """Places of types whose levels are lower by so much, (R,), where a role that bids is at its highest type.

        There levels may fall so steeply in places that no step along these would be small enough.
        """
        found = places.copy()
        for r in np.flatnonzero(bidding & (places == 1)):
            levels = self.at.heights[r, 0]
            found[r] = np.interp(levels[-1] - falls[r], levels, _PLACES)
        return found

    @cached_property
    def risk(self) -> Any:
        """The attitude to risk, None for the risk-neutral."""
        return None if self.roles.environment.risk_neutral else self.roles.environment.risk  # type: ignore[attr-defined]

    def chances(self, levels: Array) -> Array:
        """K of each role, (R,)."""
        return np.asarray(np.prod(np.maximum(levels, 0.0) ** self._others, axis=1))

    def _worth(self, bid: float, types: Array) -> tuple[Array, Array, Array, Array]:
        """The utility of winning and of losing, and how fast each falls as the bid rises, (R,) each or one for all."""
        win, lose, more, waste = self._payments(np.array([bid]))
        money = np.stack([types - win, -lose + 0 * types])
        if self.risk is None:
            return money[0], money[1], more, waste
        here, rates = self.risk.u(money), self.risk.slope(money)
        return here[0], here[1], more * rates[0], waste * rates[1] if self.lost else waste

    def pressures(self, bid: float, levels: Array, types: Array) -> tuple[Array, Array]:
        """h of each role, kept finite where no type should be, and what each expects, (R,)."""
        win, lose, more, waste = self._worth(bid, types)
        chance = self.chances(levels)
        odds = (1 - chance) / np.maximum(chance, _LEAST)
        gain = np.maximum(win - lose, _LEAST * self.roles.scale)
        return (more + odds * waste) / gain, chance * win + (1 - chance) * lose if self.lost else win

    def rates(self, pressures: Array, bidding: Array) -> Array:
        """p′/p of the roles that bid, 0 for others."""
        return rates(self.counts, pressures, bidding)


def rates(counts: Array, pressures: Array, bidding: Array) -> Array:
    """p′/p of the roles that bid, in which all are content, and 0 for others; pressures : h of each role, (R,).

    Σ_j m_j h_j / (n − 1) − h_i, so written that nothing cancels between two.
    """
    seats, asked = counts * bidding, np.where(bidding, pressures, 0.0)
    rivals = seats - np.eye(len(seats)) * bidding  # (R, R)
    return np.where(bidding, (rivals @ asked - (seats.sum() - 2) * asked) / (seats.sum() - 1), 0.0)


def _placed(prior: Prior, top: float) -> Array:
    """Levels, values and how fast levels rise at `_PLACES`, (3, N)."""
    low = prior.low if np.isfinite(prior.low) else float(prior.quantile(np.array(CUT)))
    reach = top - low
    values = np.unique(np.concatenate([prior.quantile(_PLACES[1:-1]), low + reach * _PLACES]))
    values = values[(values >= low) & (values <= top)]
    found = np.interp(_PLACES, (np.asarray(prior.cdf(values)) + (values - low) / reach) / 2, values)
    with np.errstate(divide="ignore"):
        for _ in range(_NEWTON):
            miss = (np.asarray(prior.cdf(found)) + (found - low) / reach) / 2 - _PLACES
            found = np.clip(found - 2 * miss / (np.asarray(prior.pdf(found)) + 1 / reach), low, top)
        rises = 2 / (1 + 1 / np.maximum(reach * np.asarray(prior.pdf(found)), _RISE))
    found[0], found[-1] = low, top
    return np.stack([np.asarray(prior.cdf(found)), found, rises])
