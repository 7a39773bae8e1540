"""What bids of a grid earn on average against rivals who bid by tables of chances: the game that bots think of."""

from __future__ import annotations

from functools import cached_property
from typing import Final

import numpy as np

from auctionlab.agents._table import utility_range
from auctionlab.arrays import NO_BID, Array
from auctionlab.core import Environment, Mechanism, Seat, counterfactual
from auctionlab.errors import ConfigError
from auctionlab.mechanisms.single_item import SingleItem
from auctionlab.rng import Stream, stream

_DRAWS: Final = 2_000  # of the rivals' values and bids
_KEPT: Final = 2**24  # numbers that are kept of what bids earn, at most
_NODES: Final = 8  # values a cell


class Rivalry:
    """Roles, their grids of bids and cells of values, and what their bids earn against each other.

    Where only the highest rival bid and how many tie at it matter, expectations over rivals are exact; elsewhere they
    are means over a fixed sample of auctions (common random numbers).
    mixes : one table (cells, K) of chances a role, rows may be unnormalised.   ends : of the grids, where not default.
    """

    def __init__(
        self,
        environment: Environment,
        mechanism: Mechanism,
        bids: int,
        cells: int,
        ends: tuple[float | None, float | None] = (None, None),
    ) -> None:
        self.environment, self.mechanism, self.cells = environment, mechanism, cells
        boxes = self.environment.signal, self.mechanism.messages(self.environment)
        if any(box.shape != () for box in boxes) or any(prior is None for prior in self.environment.priors):
            raise ConfigError("needs independent private values and scalar messages")
        self.roles = self.mechanism.roles(self.environment)
        self.seats = {
            role: Seat(self.roles.index(role), 1, 1, self.environment, self.mechanism, role) for role in set(self.roles)
        }
        self.grids = {role: where.grid(bids, *ends) for role, where in self.seats.items()}
        self.units = {role: float(np.ptp(utility_range(where))) for role, where in self.seats.items()}
        low = np.broadcast_to(np.asarray(boxes[1].low, float), (len(self.roles),))
        self.legal = {
            role: np.where(grid >= low[self.seats[role].index], grid, NO_BID) for role, grid in self.grids.items()
        }
        self.kept: dict[int, list[Array]] = {}

    def nodes(self, role: int) -> Array:
        """Equally likely values in every cell, (cells, nodes)."""
        prior = self.environment.priors[self.seats[role].index]
        assert prior is not None
        inner = (np.arange(self.cells * _NODES) + 0.5) / (self.cells * _NODES)
        return np.asarray(prior.quantile(inner), float).reshape(self.cells, _NODES)

    def truthful(self, role: int) -> Array:
        """The mix that bids the grid point nearest to the value, (cells, K)."""
        grid = self.grids[role]
        finite = np.where(np.isfinite(grid), grid, np.inf)
        nearest = np.abs(self.nodes(role).mean(axis=1)[:, None] - finite).argmin(axis=1)
        return np.eye(len(grid))[nearest]

    def even(self, role: int) -> Array:
        """The mix that sends every bid alike, (cells, K); no part is none of them."""
        grid = self.grids[role]
        return np.tile(np.isfinite(grid) * 1.0, (self.cells, 1))

    def payoffs(self, role: int, mixes: dict[int, Array]) -> Array:
        """Expected utility (cells, K) of every bid of a role's grid in each of its cells, against the mixes."""
        if self.by_highest:
            messages, weights = self.highest(role), self.chances(role, mixes)
        else:
            messages, weights = self.drawn(role, mixes), np.full(_DRAWS, 1 / _DRAWS)
        values = self.nodes(role).mean(axis=1)
        if self.environment.linear:
            seats = np.full(len(messages), self.seats[role].index)
            outcome = self.mechanism.deviations(messages, seats, self.legal[role])
            return values[:, None] * (weights @ outcome.allocation) - weights @ outcome.payments
        earned = self.kept.get(role) or [self.utilities(role, messages, value) for value in values]
        if self.by_highest:
            self.kept[role] = earned
        return np.array([weights @ each for each in earned])

    def utilities(self, role: int, messages: Array, value: float) -> Array:
        """Expected utility (B, K) of every bid of a role's grid at one value in each of the auctions (B, n)."""
        seats = np.full(len(messages), self.seats[role].index)
        worth = np.full(messages.shape, value)
        return counterfactual(self.mechanism, self.environment, messages, worth, seats, self.legal[role])

    @cached_property
    def by_highest(self) -> bool:
        """True where the highest rival bid and the number of its ties decide, and are few enough to go through."""
        rivals, bids = len(self.roles) - 1, sum(len(grid) for grid in self.grids.values())
        rule = getattr(self.mechanism, "sealed", self.mechanism)  # a clock settles by a sealed rule
        known = isinstance(rule, SingleItem) and type(rule).deviations is SingleItem.deviations and rule.depth == 1
        return known and rivals > 0 and rivals * bids * bids * self.cells <= _KEPT

    @cached_property
    def levels(self) -> Array:
        """The different legal bids of all grids in rising order, (M,), no part among them."""
        return np.unique(np.concatenate([[NO_BID], *self.legal.values()]))

    def highest(self, role: int) -> Array:
        """Auctions ((n - 1)·M, n) in which 1, 2, ... rivals send each level and the others take no part."""
        others = np.arange(1, len(self.roles))
        sent = np.where(others <= others[:, None, None], self.levels[:, None], NO_BID).reshape(-1, len(others))
        return np.insert(sent, self.seats[role].index, NO_BID, axis=1)

    def chances(self, role: int, mixes: dict[int, Array]) -> Array:
        """The chance ((n - 1)·M,) of each of those: that so many rivals send this level, and nobody more."""
        shares = {}
        for other, mix in mixes.items():
            mean = (mix / mix.sum(axis=1, keepdims=True)).mean(axis=0)
            shares[other] = np.bincount(np.searchsorted(self.levels, self.legal[other]), mean, len(self.levels))
        tied = np.zeros((len(self.roles), len(self.levels)))
        tied[0] = 1.0
        for seat, other in enumerate(self.roles):
            if seat != self.seats[role].index:
                at = shares[other]
                less = tied * (np.cumsum(at) - at)
                less[1:] += tied[:-1] * at
                tied = less
        return tied[1:].reshape(-1)

    @cached_property
    def sample(self) -> tuple[Array, Array]:
        """In which cell each seat's value is and which bid it sends there, as shares, (draws, n) each."""
        random = stream(20, "evaluate")
        n = self.environment.n
        return _stratified(random, _DRAWS, n), _stratified(random, _DRAWS, n)

    def drawn(self, role: int, mixes: dict[int, Array]) -> Array:
        """A sample of auctions (draws, n) in which everybody bids by the mixes."""
        shares, picks = self.sample
        messages = np.empty(shares.shape)
        for seat, other in enumerate(self.roles):
            cell = (shares[:, seat] * self.cells).astype(np.intp)
            running = np.cumsum(mixes[other], axis=1)
            running /= running[:, -1:]
            place = np.add.reduce(running[cell, :-1] <= picks[:, seat, None], axis=1)
            messages[:, seat] = self.legal[other][place]
        return messages


def _stratified(random: Stream, draws: int, columns: int) -> Array:
    """Uniform numbers (draws, columns), one in each of `draws` equal steps of every column, in random order."""
    order = np.argsort(random.random((draws, columns)), axis=0)
    return (order + random.random((draws, columns))) / draws
