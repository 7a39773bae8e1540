"""Who sits where: teams (one strategy object, a block and a role) and the seating of the population round by round.

Member m of the population (0..G·n−1) belongs to the role of seat m mod n. Under `fixed` matching member m sits in seat
m mod n of group m div n for ever; under `strangers` the members of each role are dealt anew over the role's seats every
round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from auctionlab import kernels
from auctionlab.arrays import Array
from auctionlab.core import Strategy
from auctionlab.errors import ConfigError
from auctionlab.kernels import compiled
from auctionlab.rng import Stream


@dataclass(frozen=True)
class Block:
    """One [[agents]] block: a strategy to copy for each role, and whom it drives (default: everyone not taken)."""

    strategy: Strategy
    seats: tuple[int, ...] | None = None
    count: int | None = None
    role: int | None = None
    name: str = ""


@dataclass(frozen=True)
class Team:
    """The members that one strategy object drives; `block` numbers its [[agents]] block."""

    strategy: Strategy
    role: int
    members: Array  # (M,) ints, ascending
    block: int
    name: str


def line_up(blocks: Sequence[Block], roles: Sequence[int], groups: int) -> list[tuple[Block, int, int, Array]]:
    """Who is driven by which block: (block, its number, role, members) for each block and role that has members.

    Raises ConfigError where a member is claimed twice or by nobody.
    """
    n = len(roles)
    role_of = np.tile(np.asarray(roles), groups)
    owner = np.full(n * groups, -1)
    order = sorted(range(len(blocks)), key=lambda b: (blocks[b].seats is None, blocks[b].count is None))
    for b in order:
        block = blocks[b]
        members = _claim(block, b, owner, role_of, n)
        taken = members[owner[members] >= 0]
        if taken.size:
            first = int(taken[0])
            raise ConfigError(
                f"agents: seat {first % n} is filled twice, by blocks {int(owner[first])} and {b} (counted from 0)"
            )
        owner[members] = b
    if (owner < 0).any():
        empty = sorted({int(m) % n for m in np.flatnonzero(owner < 0)})
        free = int((owner < 0).sum())
        raise ConfigError(
            f"agents: {free} of {n * groups} places are left empty (seats {empty}): add a block without seats or count"
        )
    return [
        (blocks[b], b, role, np.flatnonzero((owner == b) & (role_of == role)))
        for b in range(len(blocks))
        for role in sorted(set(roles))
        if ((owner == b) & (role_of == role)).any()
    ]


def _claim(block: Block, number: int, owner: Array, role_of: Array, n: int) -> Array:
    population = np.arange(len(owner))
    if block.seats is not None:
        wrong = [seat for seat in block.seats if not 0 <= seat < n]
        if wrong:
            raise ConfigError(f"agents.{number}.seats: no seat {wrong[0]}, allowed: 0 to {n - 1}")
        return population[np.isin(population % n, block.seats)]
    free = population[owner < 0]
    if block.role is not None:
        free = free[role_of[free] == block.role]
    if block.count is None:
        return free
    if block.count > len(free):
        raise ConfigError(f"agents.{number}.count: {block.count} agents, but only {len(free)} places are left")
    return free[: block.count]


class Seating:
    """The seating of one round: `place` says where each member sits, `members` who sits in each seat."""

    def __init__(self, roles: Sequence[int], groups: int, replications: int, matching: str) -> None:
        self._n, self._groups, self._replications = len(roles), groups, replications
        self.population = self._n * groups
        self.fixed = matching == "fixed"
        role_of = np.tile(np.asarray(roles), groups)
        self._positions = [np.flatnonzero(role_of == role) for role in sorted(set(roles))]
        self._offsets = (np.arange(replications) * self.population)[:, None]
        self.members: Array = np.arange(self.population).reshape(1, groups, self._n)
        self.place: Array = np.arange(self.population)[None, :] + self._offsets  # (R, P) flat index into (R, G, n)

    def deal(self, rng: Stream, rounds: int = 1) -> tuple[Array, Array]:
        """Seat everyone for some rounds: place (T, R, P) and members (T, R, G, n); the last seating stays.

        Under fixed matching nothing changes: both are given once, (1, R, P) and (1, 1, G, n).
        """
        if self.fixed:
            return self.place[None], self.members[None]
        draws = rng.random((rounds * self._replications, self.population))
        if len(self._positions) == 1:
            place, members = shuffled(draws)
        else:
            place, members = np.empty(draws.shape, np.intp), np.empty(draws.shape, np.intp)
            for positions in self._positions:
                order, inverse = shuffled(draws[:, positions])
                place[:, positions], members[:, positions] = positions[order], positions[inverse]
        places = place.reshape(rounds, self._replications, self.population) + self._offsets
        seated = members.reshape(rounds, self._replications, self._groups, self._n)
        self.place, self.members = places[-1], seated[-1]
        return places, seated


def shuffled(draws: Array) -> tuple[Array, Array]:
    """A random order of the columns of each row of draws (R, P), by their size, and its inverse."""
    order, inverse = np.empty(draws.shape, np.intp), np.empty(draws.shape, np.intp)
    fast = compiled(kernels.shuffle)
    if fast is not None:
        fast(draws, order, inverse)
        return order, inverse
    order = np.argsort(draws, axis=1)
    np.put_along_axis(inverse, order, np.broadcast_to(np.arange(draws.shape[1]), draws.shape), axis=1)
    return order, inverse
