"""What bids of a grid earn on average against rivals who bid by tables of chances: the game that bots think of."""

from __future__ import annotations

from typing import Final

import numpy as np

from auctionlab.agents._table import utility_range
from auctionlab.arrays import NO_BID, Array
from auctionlab.core import Environment, Mechanism, Seat, counterfactual
from auctionlab.errors import ConfigError
from auctionlab.rng import Stream, stream

_DRAWS: Final = 2_000  # of the rivals' values and bids
_NODES: Final = 8  # values a cell


class Rivalry:
    """Roles, their grids of bids and cells of values, and a fixed sample of auctions (common random numbers).

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
        self.roles = self.environment.roles()
        self.seats = {
            role: Seat(self.roles.index(role), 1, 1, self.environment, self.mechanism, role) for role in set(self.roles)
        }
        self.grids = {role: where.grid(bids, *ends) for role, where in self.seats.items()}
        self.units = {role: float(np.ptp(utility_range(where))) for role, where in self.seats.items()}
        random = stream(20, "evaluate")
        self.shares = _stratified(random, _DRAWS, self.environment.n)  # which cell each rival's value is in
        self.picks = _stratified(random, _DRAWS, self.environment.n)  # and which bid it sends there

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
        own = self.seats[role].index
        messages = np.empty(self.shares.shape)
        for seat, other in enumerate(self.roles):
            cell = (self.shares[:, seat] * self.cells).astype(np.intp)
            running = np.cumsum(mixes[other], axis=1)
            running /= running[:, -1:]
            place = np.add.reduce(running[cell, :-1] <= self.picks[:, seat, None], axis=1)
            messages[:, seat] = self.grids[other][place]
        seats = np.full(len(messages), own)
        low = np.broadcast_to(np.asarray(self.mechanism.messages(self.environment).low, float), (len(self.roles),))
        messages = np.where(messages >= low, messages, NO_BID)
        trials = np.where(self.grids[role] >= low[own], self.grids[role], NO_BID)
        values = self.nodes(role)
        if self.environment.linear:
            outcome = self.mechanism.deviations(messages, seats, trials)
            won, paid = outcome.allocation.mean(axis=0), outcome.payments.mean(axis=0)
            return values.mean(axis=1)[:, None] * won - paid
        worth = np.empty(messages.shape)
        found = np.empty((self.cells, len(trials)))
        for row, value in enumerate(values.mean(axis=1)):
            worth[:] = value
            found[row] = counterfactual(self.mechanism, self.environment, messages, worth, seats, trials).mean(axis=0)
        return found


def _stratified(random: Stream, draws: int, columns: int) -> Array:
    """Uniform numbers (draws, columns), one in each of `draws` equal steps of every column, in random order."""
    order = np.argsort(random.random((draws, columns)), axis=0)
    return (order + random.random((draws, columns))) / draws
