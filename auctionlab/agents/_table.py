"""What learners over a table share: a grid of K bids, cells of values, a row of K numbers for every lane and cell."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from auctionlab import kernels
from auctionlab.arrays import Array, invert, running_sums
from auctionlab.core import Feedback, Outcome, Seat, Strategy
from auctionlab.errors import ConfigError, ContractError
from auctionlab.kernels import compiled
from auctionlab.registry import kind_of
from auctionlab.rng import Stream


@dataclass
class Table(Strategy, ABC):
    """Chooses one of K bids by the row of numbers that belongs to the cell of its value.

    Tables are (L, cells, K). Subclasses say how a row chooses (`choose`) and how the played entry changes (`learn`);
    between the two, `row` (L,) is the row of each lane, counted over lanes × cells, and `choice` (L,) its bid's index.
    """

    bids: Annotated[
        int, Field(ge=2, le=10_000, description="bids on the grid, in equal steps from lowest to highest")
    ] = 21
    cells: Annotated[int, Field(ge=1, le=10_000, description="value cells of equal probability, one row each")] = 20
    lowest: Annotated[float | None, Field(description="the first bid on the grid; none: 0")] = None
    highest: Annotated[float | None, Field(description="the last bid on the grid; none: the top value")] = None

    def start(self, seat: Seat) -> None:
        super().start(seat)
        for what, box in (
            ("signals", seat.environment.signal),
            ("messages", seat.mechanism.messages(seat.environment)),
        ):
            if box.shape != ():
                raise ConfigError(f"{kind_of(self)}: needs scalar {what}, here they have the shape {box.shape}")
        self.grid = seat.grid(self.bids, self.lowest, self.highest)  # (K,)
        if not (self.grid >= seat.low).any():
            raise ConfigError(
                f"{kind_of(self)}: no bid of its grid, {self.grid[0]:g} to {self.grid[self.bids - 1]:g}, is legal in "
                f"{kind_of(seat.mechanism)}, where the lowest legal bid is {seat.low:g}"
            )
        self.edges = seat.edges(self.cells)[:, None]  # (cells - 1, 1)
        self.lanes = np.arange(seat.lanes)
        self.gathered = np.empty((seat.lanes, self.grid.size))  # kept: fresh pages would cost more than the work
        self.columns = np.empty((self.grid.size, seat.lanes))
        self.row = self.choice = np.zeros(seat.lanes, np.intp)
        self.lost_ = np.zeros(seat.lanes, bool)  # whose numbers overflowed, so that they say nothing any more

    @property
    def states(self) -> int:
        """Rows of a lane: one a cell, more for learners that tell more apart."""
        return self.cells

    @property
    def visits(self) -> float:
        """Rounds that one row can expect, at least one."""
        return max(1.0, self.seat.rounds / self.states)

    def table(self, fill: float, dtype: type = float) -> Array:
        """A table (L, states, K) filled with one number."""
        return np.full((self.seat.lanes, self.states, self.grid.size), fill, dtype)

    def gather(self, table: Array) -> Array:
        """The rows of this round, (L, K); overwritten by the next call."""
        return table.reshape(-1, self.grid.size).take(self.row, axis=0, out=self.gathered, mode="clip")

    def rows(self, table: Array) -> Array:
        """The rows of this round as columns, (K, L), so that work runs along lanes; overwritten by the next call."""
        np.copyto(self.columns, self.gather(table).T)
        return self.columns

    @property
    def played(self) -> Array:
        """The entry of each lane's row and bid of this round, (L,), in the flattened table."""
        return self.row * self.grid.size + self.choice

    def act(self, signals: Array, rng: Stream) -> Array:
        cell = np.add.reduce(self.edges <= signals, axis=0, dtype=np.int16)  # faster than a binary search
        self.row = self.place(cell)
        self.choice = self.choose(rng)
        bids = self.grid[self.choice]
        return np.where(self.lost_, np.nan, bids) if self.lost_.any() else bids

    def place(self, cell: Array) -> Array:
        """The row of each lane, (L,), by the cell of its value."""
        return self.lanes * self.cells + cell

    @abstractmethod
    def choose(self, rng: Stream) -> Array:
        """The index of each lane's bid in the grid, (L,)."""

    def draw(self, weights: Array, uniforms: Array) -> Array:
        """Indices of bids drawn by weights (K, L), which are used up; a lane without a finite sum of them is lost."""
        running = running_sums(weights)
        self.lost_ |= ~((running[-1] > 0) & (running[-1] < np.inf))
        return invert(running, uniforms)

    def leader(self, scores: Array) -> Array:
        """The index (L,) of each lane's highest of scores (L, K); a lane whose highest is not finite is lost."""
        best = scores.argmax(axis=1)
        self.lost_ |= ~np.isfinite(scores[self.lanes, best])
        return best

    def any_bid(self, uniforms: Array) -> Array:
        """Indices of bids drawn evenly from the whole grid by uniforms (L,)."""
        return (uniforms * self.grid.size).astype(np.intp)


@dataclass
class Greedy(Table, ABC):
    """Plays the bid with the highest estimate, ties broken evenly at random; sometimes a random bid to explore."""

    epsilon: Annotated[float, Field(ge=0, le=1, description="chance of a bid drawn evenly from the grid")] = 0.1
    decay: Annotated[float, Field(ge=0, description="how fast epsilon falls, a round; 0 keeps it constant")] = 0.0
    schedule: Annotated[
        Literal["exponential", "inverse"],
        Field(description="epsilon falls as exp(-decay × round), or as 1 / (1 + decay × round)"),
    ] = "exponential"
    initial: Annotated[
        float, Field(description="estimate of a bid not yet tried, in utility; high values make it try all bids first")
    ] = 0.0

    def start(self, seat: Seat) -> None:
        super().start(seat)
        self.estimates_ = self.table(self.initial)
        self.round_ = np.zeros((), np.int64)

    def choose(self, rng: Stream) -> Array:
        uniforms = rng.random((self.seat.lanes, 2))
        fast = compiled(kernels.greedy)
        if fast is not None:
            choice = np.empty(self.seat.lanes, np.intp)
            fast(self.gather(self.estimates_), uniforms, self.epsilon_in(int(self.round_)), choice)
            return choice
        explore, which = uniforms.T
        estimates = self.rows(self.estimates_)
        ties = (estimates == estimates.max(axis=0)).astype(np.int16)
        best = self.draw(ties, which)
        return np.where(explore < self.epsilon_in(int(self.round_)), self.any_bid(which), best)

    def epsilon_in(self, round: int) -> float:
        """The chance to explore in a round."""
        passed = self.decay * round
        return self.epsilon * (math.exp(-passed) if self.schedule == "exponential" else 1.0 / (1.0 + passed))

    def correct(self, entries: Array, targets: Array, step: float) -> None:
        """Move the estimates at `entries` a step of the way to `targets`, both (L,)."""
        estimates = self.estimates_.reshape(-1)
        fast = compiled(kernels.approach)
        if fast is not None:
            fast(estimates, entries, targets, step)
            return
        before = estimates[entries]
        estimates[entries] = before + step * (targets - before)


@dataclass
class Informed(Table, ABC):
    """A learner that is told what every bid of its grid would have earned; utility counts in units of its range.

    A round teaches the row of the own value only: what a bid would have earned at another value is not disclosed.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"payoff"})

    def start(self, seat: Seat) -> None:
        super().start(seat)
        worst, best = utility_range(seat)
        self.unit = best - worst

    def of_row(self, table: Array) -> Array:
        """The rows of this round in a table (L, cells, K), (L, K)."""
        return table.reshape(-1, self.grid.size)[self.row]

    def set_row(self, table: Array, rows: Array) -> None:
        """Put rows (L, K) back."""
        table.reshape(-1, self.grid.size)[self.row] = rows

    def payoffs(self, feedback: Feedback) -> Array:
        """What every bid would have earned, (L, K), in utility."""
        if feedback.payoff is None:
            raise ContractError(f"{kind_of(self)}: learns from payoff, which this feedback does not hold")
        return feedback.payoff(self.grid)

    def earned(self, feedback: Feedback) -> Array:
        """The same in units of the range of utility."""
        return self.payoffs(feedback) / self.unit

    def count(self, visits: Array) -> Array:
        """Count this round in `visits` (L, cells): the visits of each lane's row so far, this one included, (L,)."""
        flat = visits.reshape(-1)
        flat[self.row] += 1
        return flat[self.row]


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
