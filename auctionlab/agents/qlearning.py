"""Q-learning: the state is the value cell, the action a bid of the grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from auctionlab.agents._table import Greedy
from auctionlab.arrays import Array
from auctionlab.core import Feedback, Seat
from auctionlab.rng import Stream


@dataclass
class QLearning(Greedy):
    """Moves the estimate of its bid by rate × (utility + discount × best estimate in the next cell − estimate).

    Bids the highest estimate of its value cell, ties broken evenly at random, or with probability epsilon any bid of
    the grid. The next cell is known when the next value is dealt, so with a discount the correction waits until then.
    Values are dealt anew every round, whatever was bid: a discount shifts all bids of a cell alike in expectation, and
    only noise and early estimates tell it from the default of none; with a fixed value it breeds collusion.
    Source: Watkins and Dayan (1992), Machine Learning 8; in auctions Banchio and Skrzypacz (2022).
    """

    rate: Annotated[float, Field(gt=0, le=1, description="learning rate: share of the error corrected at once")] = 0.1
    discount: Annotated[float, Field(ge=0, lt=1, description="what the next round's utility counts for now")] = 0.0

    def start(self, seat: Seat) -> None:
        super().start(seat)
        self.pending_ = np.zeros(0, np.intp)  # entries played in the last round, waiting for the next cell
        self.earned_ = np.zeros(0)  # and what they earned

    def choose(self, rng: Stream) -> Array:
        if self.pending_.size:
            ahead = self.rows(self.estimates_).max(axis=0)
            self.correct(self.pending_, self.earned_ + self.discount * ahead, self.rate)
            self.pending_ = self.pending_[:0]
        return super().choose(rng)

    def learn(self, feedback: Feedback) -> None:
        self.round_ += 1
        if self.discount == 0:
            self.correct(self.played, feedback.utility, self.rate)
        else:
            self.pending_, self.earned_ = self.played, feedback.utility.copy()
