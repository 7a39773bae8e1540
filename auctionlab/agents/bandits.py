"""Bandit learners: they see only what their own bid earned (disclose = "own")."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from auctionlab.agents._table import Greedy, Table, utility_range
from auctionlab.arrays import Array, invert, running_sums
from auctionlab.core import Feedback, Seat
from auctionlab.errors import ConfigError
from auctionlab.rng import Stream

_HEAVY, _LIGHT, _STEEP = 1e100, 1e-280, 200.0  # a row's weights are kept in the range of floats


@dataclass
class EpsilonGreedy(Greedy):
    """Bids what has earned most on average in this value cell; with probability epsilon, any bid of the grid.

    The estimate of a bid is the mean of what it earned, or with `step` a moving average that forgets older rounds
    (rivals learn too). Ties for the best are broken evenly at random, so that losing bids are not all the lowest.
    Source: Sutton and Barto (2018), Reinforcement Learning, sections 2.2-2.7.
    """

    step: Annotated[
        float | None, Field(gt=0, le=1, description="weight of the newest utility in an estimate; none: running mean")
    ] = None

    def start(self, seat: Seat) -> None:
        super().start(seat)
        if self.step is None:
            self.counts_ = self.table(0, np.int32)

    def learn(self, feedback: Feedback) -> None:
        self.round_ += 1
        played = self.played
        steps: float | Array
        if self.step is None:
            counts = self.counts_.reshape(-1)
            counts[played] = tries = counts[played] + 1
            steps = 1.0 / tries
        else:
            steps = self.step
        self.correct(played, feedback.utility, steps)


@dataclass
class Exp3(Table):
    """Draws bids by weights that grow as exp(rate × utility / chance), mixed with an even draw from the grid.

    Utility is scaled to [0, 1], where 0 is losing the top bid and the entry fee for nothing and 1 is gaining the top
    value for nothing; what falls outside counts as 0 or 1. No regret against any rivals, also hostile ones. Weights
    more than 280 decades below their row's heaviest are lifted to that, which changes chances by less than a rounding.
    Source: Auer, Cesa-Bianchi, Freund and Schapire (2002), SIAM J. Comput. 32, fig. 1 and corollary 3.2.
    """

    exploration: Annotated[
        float | None,
        Field(gt=0, le=1, description="share of even draws; none: √(K ln K / (1.72 T)), T the rounds in one cell"),
    ] = None
    rate: Annotated[float | None, Field(gt=0, description="learning rate; none: exploration / K")] = None

    def start(self, seat: Seat) -> None:
        super().start(seat)
        count = self.grid.size
        bound = math.sqrt(count * math.log(count) / ((math.e - 1) * self.visits))
        self.mixture = min(1.0, bound) if self.exploration is None else self.exploration
        self.growth = self.mixture / count if self.rate is None else self.rate
        if self.growth * count / self.mixture > _STEEP:
            raise ConfigError(
                f"exp3: rate: one round could multiply a weight by exp(rate × K / exploration) = "
                f"exp({self.growth * count / self.mixture:.4g}), at most exp({_STEEP:g}) is allowed"
            )
        self.worst, self.best = utility_range(seat)
        self.chance = np.ones(seat.lanes)  # of what was chosen
        self.weights_ = self.table(1.0)

    def choose(self, rng: Stream) -> Array:
        explore, which = rng.random((self.seat.lanes, 2)).T
        running = running_sums(self.rows(self.weights_))
        choice = np.where(explore < self.mixture, self.any_bid(which), invert(running, which))
        share = self.weights_.reshape(-1)[self.row * self.grid.size + choice] / running[-1]
        self.chance = (1 - self.mixture) * share + self.mixture / self.grid.size
        return choice

    def learn(self, feedback: Feedback) -> None:
        gain = np.clip((feedback.utility - self.worst) / (self.best - self.worst), 0.0, 1.0)
        weights = self.weights_.reshape(-1)
        grown = weights[self.played] * np.exp(self.growth * gain / self.chance)
        weights[self.played] = grown
        heavy = grown > _HEAVY
        if heavy.any():
            rows = self.weights_.reshape(-1, self.grid.size)
            at = self.row[heavy]
            rows[at] = np.maximum(rows[at] / grown[heavy, None], _LIGHT)
