"""Q-learning: the state is the value cell, with memory also what happened last; the action is a bid of the grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from auctionlab.agents._table import Greedy
from auctionlab.arrays import Array
from auctionlab.core import Feedback, Seat
from auctionlab.errors import ContractError
from auctionlab.rng import Stream


@dataclass
class QLearning(Greedy):
    """Moves the estimate of its bid by rate × (utility + discount × best estimate in the next state − estimate).

    Bids the highest estimate of its state, ties broken evenly at random, or with probability epsilon any bid of the
    grid. The state is the value cell, and with `memory` also the level of the last price to win or of its own last bid.
    The next state is known when the next value is dealt, so with a discount the correction waits until then. Values are
    dealt anew every round, whatever was bid: without memory a discount shifts all bids of a cell alike in expectation,
    and only noise and early estimates tell it from the default of none; with a fixed value it breeds collusion.
    `synchronous` corrects every bid of the grid by what it would have earned, where the experiment discloses that.
    Source: Watkins and Dayan (1992), Machine Learning 8; in auctions Banchio and Skrzypacz (2022).
    """

    rate: Annotated[float, Field(gt=0, le=1, description="learning rate: share of the error corrected at once")] = 0.1
    discount: Annotated[float, Field(ge=0, lt=1, description="what the next round's utility counts for now")] = 0.0
    memory: Annotated[
        Literal["none", "price", "bid"],
        Field(description="what the state holds beside the value cell: the last price to win, or its own last bid"),
    ] = "none"
    levels: Annotated[int, Field(ge=2, le=1_000, description="equal steps in which the memory is kept")] = 5
    synchronous: Annotated[bool, Field(description="correct every bid, by what it would have earned")] = False

    def __post_init__(self) -> None:
        wanted = {"price": self.memory == "price", "payoff": self.synchronous}
        self.needs = frozenset(name for name, needed in wanted.items() if needed)  # type: ignore[misc]

    @property
    def plain(self) -> bool:
        """True where nothing but the own result of a round counts: without memory or counterfactuals."""
        return not (self.synchronous or self.memory != "none")

    @property
    def states(self) -> int:
        return self.cells * (1 if self.memory == "none" else self.levels)

    def start(self, seat: Seat) -> None:
        super().start(seat)
        self.level_ = np.zeros(seat.lanes, np.intp)
        self.pending_ = np.zeros(0, np.intp)  # rows or entries played in the last round, waiting for the next state
        self.earned_ = np.zeros(0)  # and what they earned

    def place(self, cell: Array) -> Array:
        if self.memory == "none":
            return super().place(cell)
        return (self.lanes * self.cells + cell) * self.levels + self.level_

    def choose(self, rng: Stream) -> Array:
        if self.pending_.size:
            ahead = self.rows(self.estimates_).max(axis=0)
            self.move(self.pending_, self.earned_, ahead)
            self.pending_ = self.pending_[:0]
        return super().choose(rng)

    def move(self, at: Array, earned: Array, ahead: Array) -> None:
        """Correct entries `at` (L,), or all entries of rows `at` when synchronous, by what they earned."""
        if self.synchronous:
            table = self.estimates_.reshape(-1, self.grid.size)
            table[at] += self.rate * (earned + self.discount * ahead[:, None] - table[at])
        else:
            self.correct(at, earned + self.discount * ahead, self.rate)

    def learn(self, feedback: Feedback) -> None:
        self.round_ += 1
        if self.synchronous:
            if feedback.payoff is None:
                raise ContractError("q-learning: synchronous learns from payoff, which this feedback does not hold")
            at, earned = self.row, feedback.payoff(self.grid)
        else:
            at, earned = self.played, feedback.utility
        if self.discount == 0:
            self.move(at, earned, np.zeros(1))
        else:
            self.pending_, self.earned_ = at, np.array(earned)
        if self.memory != "none":
            self.level_ = self.seen(feedback)

    def seen(self, feedback: Feedback) -> Array:
        """The level (L,) of the price or bid of this round; no bid counts as the lowest, what is beyond as the end."""
        known = feedback.price if self.memory == "price" else feedback.messages
        if known is None:
            raise ContractError("q-learning: memory of the price needs a price, which this feedback does not hold")
        low, high = self.grid[0], self.seat.top
        share = np.clip((known - low) / (high - low), 0.0, 1.0)
        return np.minimum((share * self.levels).astype(np.intp), self.levels - 1)
