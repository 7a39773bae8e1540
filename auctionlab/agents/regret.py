"""No-regret learners with full information: they see what every bid of the grid would have earned."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from auctionlab.agents._table import Table, utility_range
from auctionlab.arrays import Array, invert, running_sums
from auctionlab.core import Feedback, Seat
from auctionlab.errors import ContractError
from auctionlab.rng import Stream


@dataclass
class Hedge(Table):
    """Draws bids with chances proportional to exp(rate × total utility that the bid would have earned in this cell).

    Utility counts in units of its range, from losing the top bid and the entry fee for nothing to gaining the top
    value for nothing. A round teaches the row of the own value only: what a bid would have earned at another value
    is not disclosed. External regret in a cell is at most √(T ln K / 2) of the range after T rounds.
    Source: Freund and Schapire (1997), J. Comput. Syst. Sci. 55; rate: Cesa-Bianchi and Lugosi (2006), theorem 2.2.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"payoff"})

    rate: Annotated[
        float | None, Field(gt=0, description="learning rate; none: √(8 ln K / T), T the rounds in one cell")
    ] = None

    def start(self, seat: Seat) -> None:
        super().start(seat)
        worst, best = utility_range(seat)
        rate = math.sqrt(8 * math.log(self.grid.size) / self.visits) if self.rate is None else self.rate
        self.growth = rate / (best - worst)  # per unit of utility
        self.totals_ = self.table(0.0)

    def choose(self, rng: Stream) -> Array:
        totals = self.rows(self.totals_)  # (K, L)
        totals -= totals.max(axis=0)
        totals *= self.growth
        np.exp(totals, out=totals)
        return invert(running_sums(totals), rng.random(self.seat.lanes))

    def learn(self, feedback: Feedback) -> None:
        if feedback.payoff is None:
            raise ContractError("hedge: learns from payoff, which this feedback does not hold")
        self.totals_.reshape(-1, self.grid.size)[self.row] += feedback.payoff(self.grid)
