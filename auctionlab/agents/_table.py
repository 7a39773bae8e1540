"""What learners over a table share: a grid of K bids, cells of values, a row of K numbers for every lane and cell."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from auctionlab.arrays import Array, invert, running_sums
from auctionlab.core import Outcome, Seat, Strategy
from auctionlab.errors import ConfigError
from auctionlab.registry import kind_of
from auctionlab.rng import Stream


@dataclass
class Table(Strategy, ABC):
    """Chooses one of K bids by the row of numbers that belongs to the cell of its value.

    Tables are (L, cells, K). Subclasses say how a row chooses (`choose`) and how the played entry changes (`learn`);
    between the two, `row` (L,) is the row of each lane, counted over lanes × cells, and `choice` (L,) its bid's index.
    """

    bids: Annotated[
        int, Field(ge=2, le=10_000, description="bids on the grid: equal steps from 0 to the top value")
    ] = 21
    cells: Annotated[int, Field(ge=1, le=10_000, description="value cells of equal probability, one row each")] = 20

    def start(self, seat: Seat) -> None:
        super().start(seat)
        for what, box in (
            ("signals", seat.environment.signal),
            ("messages", seat.mechanism.messages(seat.environment)),
        ):
            if box.shape != ():
                raise ConfigError(f"{kind_of(self)}: needs scalar {what}, here they have the shape {box.shape}")
        self.grid = seat.grid(self.bids)  # (K,)
        self.edges = seat.edges(self.cells)[:, None]  # (cells - 1, 1)
        self.lanes = np.arange(seat.lanes)
        self.gathered = np.empty((seat.lanes, self.grid.size))  # kept: fresh pages would cost more than the work
        self.columns = np.empty((self.grid.size, seat.lanes))
        self.row = self.choice = np.zeros(seat.lanes, np.intp)

    @property
    def visits(self) -> float:
        """Rounds that one row can expect, at least one."""
        return max(1.0, self.seat.rounds / self.cells)

    def table(self, fill: float, dtype: type = float) -> Array:
        """A table (L, cells, K) filled with one number."""
        return np.full((self.seat.lanes, self.cells, self.grid.size), fill, dtype)

    def rows(self, table: Array) -> Array:
        """The rows of this round as columns, (K, L), so that work runs along lanes; overwritten by the next call."""
        table.reshape(-1, self.grid.size).take(self.row, axis=0, out=self.gathered, mode="clip")
        np.copyto(self.columns, self.gathered.T)
        return self.columns

    @property
    def played(self) -> Array:
        """The entry of each lane's row and bid of this round, (L,), in the flattened table."""
        return self.row * self.grid.size + self.choice

    def act(self, signals: Array, rng: Stream) -> Array:
        cell = np.add.reduce(self.edges <= signals, axis=0, dtype=np.int16)  # faster than a binary search
        self.row = self.lanes * self.cells + cell
        self.choice = self.choose(rng)
        return self.grid[self.choice]

    @abstractmethod
    def choose(self, rng: Stream) -> Array:
        """The index of each lane's bid in the grid, (L,)."""

    def any_bid(self, uniforms: Array) -> Array:
        """Indices of bids drawn evenly from the whole grid by uniforms (L,)."""
        return (uniforms * self.grid.size).astype(np.intp)


@dataclass
class Greedy(Table, ABC):
    """Plays the bid with the highest estimate, ties broken evenly at random; sometimes a random bid to explore."""

    epsilon: Annotated[float, Field(ge=0, le=1, description="chance of a bid drawn evenly from the grid")] = 0.1
    decay: Annotated[float, Field(ge=0, description="epsilon falls as exp(-decay × round); 0 keeps it constant")] = 0.0
    initial: Annotated[
        float, Field(description="estimate of a bid not yet tried, in utility; high values make it try all bids first")
    ] = 0.0

    def start(self, seat: Seat) -> None:
        super().start(seat)
        self.estimates_ = self.table(self.initial)
        self.round_ = np.zeros((), np.int64)

    def choose(self, rng: Stream) -> Array:
        explore, which = rng.random((self.seat.lanes, 2)).T
        estimates = self.rows(self.estimates_)
        ties = (estimates == estimates.max(axis=0)).astype(np.int16)
        best = invert(running_sums(ties), which)
        epsilon = self.epsilon * math.exp(-self.decay * int(self.round_))
        return np.where(explore < epsilon, self.any_bid(which), best)

    def correct(self, entries: Array, targets: Array, steps: float | Array) -> None:
        """Move the estimates at `entries` by `steps` of the way to `targets`, all (L,)."""
        estimates = self.estimates_.reshape(-1)
        before = estimates[entries]
        estimates[entries] = before + steps * (targets - before)


def utility_range(seat: Seat) -> tuple[float, float]:
    """Utility of losing the top bid and the entry fee for nothing, and of gaining the top value for nothing.

    No bid on the grid can end outside wherever nobody pays more than the own bid and the fee, or is paid for losing.
    """
    stake = seat.top + getattr(seat.mechanism, "entry_fee", 0.0)
    values = seat.environment.values(np.full((1, seat.environment.n), seat.top))
    worst, best = (
        seat.environment.utility(Outcome(np.zeros_like(values), np.full((1, seat.environment.n), paid)), values)
        for paid in (stake, -seat.top)
    )
    return float(worst[0, seat.index]), float(best[0, seat.index])
