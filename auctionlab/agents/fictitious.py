"""Learners that reply to the past: what every bid of the grid would have earned on average so far."""

from __future__ import annotations

import math
from abc import ABC
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from auctionlab.agents._table import Informed
from auctionlab.arrays import Array
from auctionlab.core import Feedback, Seat
from auctionlab.rng import Stream


@dataclass
class _Past(Informed, ABC):
    """Keeps totals of what every bid would have earned, by cell; older rounds may lose weight."""

    forget: Annotated[
        float, Field(ge=0, le=1, description="share of its weight that the past loses with every round in a cell")
    ] = 0.0

    def start(self, seat: Seat) -> None:
        super().start(seat)
        self.totals_ = self.table(0.0)
        self.counts_ = np.zeros((seat.lanes, self.cells))

    def learn(self, feedback: Feedback) -> None:
        keep = 1.0 - self.forget
        self.set_row(self.totals_, keep * self.of_row(self.totals_) + self.earned(feedback))
        counts = self.counts_.reshape(-1)
        counts[self.row] = keep * counts[self.row] + 1.0


@dataclass
class FictitiousPlay(_Past):
    """Bids what would have earned most against all that the rivals did so far while the value was in this cell.

    Ties are broken evenly at random, so the first bid in a cell is any bid. With forget = 1 it replies to the last
    round alone (Cournot). It can be exploited: its regret against hostile rivals grows with the number of rounds.
    Source: Brown (1951); Fudenberg and Levine (1998), The Theory of Learning in Games, chapter 2.
    """

    def choose(self, rng: Stream) -> Array:
        totals = self.rows(self.totals_)
        ties = (totals == totals.max(axis=0)).astype(np.int16)
        return self.draw(ties, rng.random(self.seat.lanes))


@dataclass
class SmoothedBestResponse(_Past):
    """Draws bids with chances proportional to exp(mean utility so far in this cell / temperature).

    Also known as logit or stochastic fictitious play; where it settles, play is a logit quantal response equilibrium.
    Utility counts in units of its range. In the long run it forgoes at most temperature × ln K a round.
    Source: Fudenberg and Levine (1995), J. Econ. Dyn. Control 19; Fudenberg and Levine (1998), chapter 4.
    """

    temperature: Annotated[
        float, Field(gt=0, description="noise of the reply, in units of the range of utility; towards 0 the best reply")
    ] = 0.01

    def choose(self, rng: Stream) -> Array:
        scores = self.rows(self.totals_)  # (K, L)
        scores -= scores.max(axis=0)
        scores /= np.maximum(self.counts_.reshape(-1)[self.row], 1.0) * self.temperature
        np.exp(scores, out=scores)
        return self.draw(scores, rng.random(self.seat.lanes))


@dataclass
class FollowThePerturbedLeader(Informed):
    """Bids what is best by total utility so far in this cell plus exponential noise, drawn anew every round.

    Utility counts in units of its range. Regret in a cell is of order √(T ln K) of the range after T rounds.
    Source: Hannan (1957); Kalai and Vempala (2005), J. Comput. Syst. Sci. 71; Hutter and Poland (2005), JMLR 6.
    """

    noise: Annotated[
        float | None,
        Field(gt=0, description="mean of the noise, in units of the range; none: √(T / ln K), T rounds in one cell"),
    ] = None

    def start(self, seat: Seat) -> None:
        super().start(seat)
        self.mean = math.sqrt(self.visits / math.log(self.grid.size)) if self.noise is None else self.noise
        self.totals_ = self.table(0.0)

    def choose(self, rng: Stream) -> Array:
        noise = np.log1p(-rng.random((self.seat.lanes, self.grid.size)))
        noise *= -self.mean
        noise += self.of_row(self.totals_)
        return self.leader(noise)

    def learn(self, feedback: Feedback) -> None:
        self.totals_.reshape(-1, self.grid.size)[self.row] += self.earned(feedback)
