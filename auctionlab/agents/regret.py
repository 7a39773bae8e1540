"""No-regret learners with full information: they see what every bid of the grid would have earned."""

from __future__ import annotations

import math
from abc import ABC
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from auctionlab.agents._simplex import normalise
from auctionlab.agents._table import Informed
from auctionlab.arrays import Array
from auctionlab.core import Feedback, Seat
from auctionlab.rng import Stream


@dataclass
class Hedge(Informed):
    """Draws bids with chances proportional to exp(rate × total utility that the bid would have earned in this cell).

    Utility counts in units of its range, from losing the top bid and the entry fee for nothing to gaining the top
    value for nothing. A round teaches the row of the own value only: what a bid would have earned at another value
    is not disclosed. External regret in a cell is at most √(T ln K / 2) of the range after T rounds.
    Source: Freund and Schapire (1997), J. Comput. Syst. Sci. 55; rate: Cesa-Bianchi and Lugosi (2006), theorem 2.2.
    """

    rate: Annotated[
        float | None, Field(gt=0, description="learning rate; none: √(8 ln K / T), T the rounds in one cell")
    ] = None

    def start(self, seat: Seat) -> None:
        super().start(seat)
        rate = math.sqrt(8 * math.log(self.grid.size) / self.visits) if self.rate is None else self.rate
        self.growth = rate / self.unit  # per unit of utility
        self.totals_ = self.table(0.0)

    def choose(self, rng: Stream) -> Array:
        totals = self.rows(self.totals_)  # (K, L)
        totals -= totals.max(axis=0)
        totals *= self.growth
        np.exp(totals, out=totals)
        return self.draw(totals, rng.random(self.seat.lanes))

    def learn(self, feedback: Feedback) -> None:
        self.totals_.reshape(-1, self.grid.size)[self.row] += self.payoffs(feedback)


@dataclass
class _RegretMatcher(Informed, ABC):
    """Draws bids with chances proportional to their regrets, as far as these are positive; evenly where none is."""

    def start(self, seat: Seat) -> None:
        super().start(seat)
        self.regrets_ = self.table(0.0)

    def choose(self, rng: Stream) -> Array:
        self.chances = normalise(np.maximum(self.rows(self.regrets_), 0.0))  # (K, L)
        return self.draw(self.chances.copy(), rng.random(self.seat.lanes))

    def regrets(self, feedback: Feedback) -> Array:
        """The row's regrets with those of this round, (L, K): what each bid earned beyond the mixed bid drawn from."""
        earned = self.earned(feedback)
        own = np.einsum("lk,kl->l", earned, self.chances)
        return self.of_row(self.regrets_) + earned - own[:, None]


@dataclass
class RegretMatching(_RegretMatcher):
    """Draws bids with chances proportional to how much more each would have earned so far in this cell, if it would.

    The regret of a bid is the total of what it would have earned less what the mixed bids drawn from earned; while no
    regret is positive, bids are drawn evenly. External regret in a cell is at most √(K T) of the range after T rounds.
    It needs no learning rate.
    Source: Hart and Mas-Colell (2000), Econometrica 68, section 4; bound: Cesa-Bianchi and Lugosi (2006), section 2.1.
    """

    def learn(self, feedback: Feedback) -> None:
        self.set_row(self.regrets_, self.regrets(feedback))


@dataclass
class RegretMatchingPlus(_RegretMatcher):
    """Regret matching that forgets negative regrets at once, so a bid that becomes good is played without delay.

    Source: Tammelin, Burch, Johanson and Bowling (2015), IJCAI, section 3.
    """

    def learn(self, feedback: Feedback) -> None:
        self.set_row(self.regrets_, np.maximum(self.regrets(feedback), 0.0))
