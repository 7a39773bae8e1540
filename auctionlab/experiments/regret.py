"""Regret: what the best fixed bid function would have earned more, in hindsight, than was earned.

Bid functions send one bid of the learner's own grid from each of its value cells. External regret compares with the
best of them. Swap regret compares with the best rule that replaces each bid at each value cell by another (Blum and
Mansour 2007); play without it is a correlated equilibrium. Rivals' messages are as recorded, ties averaged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.sparse import coo_array

from auctionlab.arrays import NO_BID, Array
from auctionlab.core import Environment, Mechanism, counterfactual, expected_utility
from auctionlab.experiments.cells import Cells
from auctionlab.experiments.kept import spread
from auctionlab.experiments.parties import Party, seat_of_role
from auctionlab.experiments.reply_rules import Sample, lowest

POINTS: Final = 16  # numbers of rounds at which regret is told, evenly spaced on a log axis
_SMALL: Final = 1_000  # bids × cells of a strategy, up to which swap regret is told
_FEWEST: Final = 25  # sampled rounds a cell; on fewer the best of many bids looks better than it is in all rounds
_BIDS, _CELLS = 50, 20  # the grid of bid functions for learners that have none of their own
_WORK: Final = 10_000_000  # bids tried for a whole run, where they have to be tried one by one


@dataclass(frozen=True)
class Regret:
    """Regret an auction of a party's members in one replication, (M,): members in ascending order.

    external : (T, M) at each of the checkpoints, over all rounds up to there; swap : (M,) over all, or None.
    """

    external: Array
    swap: Array | None


def checkpoints(rounds: int) -> Array:
    """Numbers of rounds after which regret is told: POINTS of them evenly spaced on a log axis; the last is all."""
    first = max(1, min(rounds, 10))
    return np.unique(np.rint(np.geomspace(first, max(rounds, 1), POINTS)).astype(int))


def regret_of(
    environment: Environment,
    mechanism: Mechanism,
    play: Sample,
    rounds: Array,
    members: Array,
    party: Party,
    ends: Array,
    total: int,
) -> Regret | None:
    """The regret of a party in one replication; None where not all rounds are there and its cells have too few.

    play : auctions (A, n), rounds slowest; rounds : (S,) their numbers; members : (A, n); ends : checkpoints; total :
    replications of the run, which share the work.
    """
    grid, cells = _grid(environment, mechanism, party)
    groups = len(play.messages) // len(rounds)
    rows = np.isin(members, party.members)
    budget = _WORK // max(1, total * groups * environment.n * grid.size)
    compact = environment.linear and mechanism.sufficient_price
    if compact:
        profile = _profiles(mechanism, play.messages, rows)
        compact = int(profile.max()) + 1 <= budget * groups * environment.n
    used = len(rounds) if compact else min(len(rounds), budget)
    if used < ends[-1] and used < _FEWEST * cells.count:
        return None
    if used < len(rounds):
        rows &= np.isin(np.arange(len(rounds)), spread(used, len(rounds))).repeat(groups)[:, None]
    auction, seat = np.nonzero(rows)  # (B,), in the order of play
    own = expected_utility(mechanism, environment, play.messages, play.values)[auction, seat]
    lane = np.searchsorted(party.members, members[auction, seat])
    cell = cells(play.signals[auction, seat])
    period = np.searchsorted(ends, rounds[auction // groups], side="right")
    value = play.values[auction, seat] if environment.linear else None
    table = _Payoffs(environment, mechanism, play, auction, seat, grid, profile[rows] if compact else None)
    shape = len(ends), len(party.members), cells.count
    place = (period * shape[1] + lane) * shape[2] + cell
    tried = table.total(place, shape[0] * shape[1] * shape[2], value).reshape(*shape, grid.size)
    earned, count = (
        np.bincount(period * shape[1] + lane, weights=weights, minlength=shape[0] * shape[1]).reshape(shape[:2])
        for weights in (own, None)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        best = np.cumsum(tried, axis=0).max(axis=3).sum(axis=2)  # (T, M)
        external = (best - np.cumsum(earned, axis=0)) / np.cumsum(count, axis=0)
        if cells.count * grid.size > _SMALL:
            return Regret(external, None)
        sent = _nearest(grid, play.messages[auction, seat])
        place = (lane * shape[2] + cell) * grid.size + sent
        seen, place = np.unique(place, return_inverse=True)
        swapped = table.total(place, len(seen), value).max(axis=1)
        owner = seen // (shape[2] * grid.size)
        best = np.bincount(owner, weights=swapped, minlength=shape[1])
        return Regret(external, (best - earned.sum(axis=0)) / count.sum(axis=0))


def _grid(environment: Environment, mechanism: Mechanism, party: Party) -> tuple[Array, Cells]:
    """The bids and the cells of values of a party's bid functions."""
    seat = seat_of_role(environment, mechanism, party.role)
    bids = np.asarray(party.grid or seat.grid(party.bids or _BIDS), float)
    count = party.cells if party.grid or party.bids else _CELLS
    low = float(lowest(environment, mechanism)[party.seat])
    return np.where(bids >= low, bids, NO_BID), Cells(np.asarray(seat.edges(max(count, 1)), float))


def _nearest(grid: Array, messages: Array) -> Array:
    """The place in the grid of the bid nearest to each message."""
    order = np.argsort(grid, kind="stable")
    with np.errstate(invalid="ignore"):
        middles = (grid[order][:-1] + grid[order][1:]) / 2
    return order[np.searchsorted(middles, messages)]


def _profiles(mechanism: Mechanism, messages: Array, rows: Array) -> Array:
    """Numbers what rivals sent, (A, n), as far as it matters where a price to win tells all: the price and the tied."""
    price = np.asarray(mechanism.price(messages), float)
    tied = np.stack([(np.delete(messages, i, 1) == price[:, i : i + 1]).sum(1) for i in range(messages.shape[1])], 1)
    level = np.unique(price, return_inverse=True)[1]
    found = np.zeros(messages.shape, np.intp)
    key = level.reshape(messages.shape) * messages.shape[1] + tied
    found[rows] = np.unique(key[rows], return_inverse=True)[1]
    return found


class _Payoffs:
    """What each bid of the grid would have earned in the place of each message: v q − m, or tried one by one."""

    def __init__(
        self,
        environment: Environment,
        mechanism: Mechanism,
        play: Sample,
        auction: Array,
        seat: Array,
        grid: Array,
        profile: Array | None,
    ) -> None:
        self.profile = np.arange(len(auction)) if profile is None else profile
        first = np.unique(self.profile, return_index=True)[1]
        auctions, seats = auction[first], seat[first]
        if environment.linear:
            outcome = mechanism.deviations(play.messages[auctions], seats, grid)
            self.chances, self.payments = outcome.allocation, outcome.payments
        else:
            values = play.values[auctions]
            self.payoffs = counterfactual(mechanism, environment, play.messages[auctions], values, seats, grid)

    def total(self, place: Array, places: int, value: Array | None) -> Array:
        """Payoffs of every bid, summed over the messages of each place, (places, K)."""
        shape = places, int(self.profile.max()) + 1
        counted = coo_array((np.ones(len(place)), (place, self.profile)), shape).tocsr()
        if value is None:
            return np.asarray(counted @ self.payoffs)
        weighed = coo_array((value, (place, self.profile)), shape).tocsr()
        return np.asarray(weighed @ self.chances - counted @ self.payments)
