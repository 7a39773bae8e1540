"""Bandit learners: they see only what their own bid earned (disclose = "own")."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field
from scipy.special import ndtri

from auctionlab import kernels
from auctionlab.agents._simplex import softmax
from auctionlab.agents._table import Greedy, Table, utility_range
from auctionlab.arrays import Array, invert, running_sums
from auctionlab.core import Feedback, Seat
from auctionlab.errors import ConfigError
from auctionlab.kernels import compiled
from auctionlab.rng import Stream

_STEEP = 200.0  # a weight may grow by exp of this in a round


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
        if self.step is not None:
            self.correct(self.played, feedback.utility, self.step)
            return
        played, means, counts = self.played, self.estimates_.reshape(-1), self.counts_.reshape(-1)
        fast = compiled(kernels.average)
        if fast is not None:
            fast(means, counts, played, feedback.utility)
            return
        counts[played] = tries = counts[played] + 1
        means[played] += 1.0 / tries * (feedback.utility - means[played])


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
        uniforms = rng.random((self.seat.lanes, 2))
        fast = compiled(kernels.weighted)
        if fast is not None:
            choice, self.chance = np.empty(self.seat.lanes, np.intp), np.empty(self.seat.lanes)
            fast(self.gather(self.weights_), uniforms, self.mixture, choice, self.chance)
            return choice
        explore, which = uniforms.T
        running = running_sums(self.rows(self.weights_))
        choice = np.where(explore < self.mixture, self.any_bid(which), invert(running, which))
        share = self.weights_.reshape(-1)[self.row * self.grid.size + choice] / running[-1]
        self.chance = (1 - self.mixture) * share + self.mixture / self.grid.size
        return choice

    def learn(self, feedback: Feedback) -> None:
        gain = scaled(feedback.utility, self.worst, self.best)
        weights = self.weights_.reshape(-1)
        fraction, exponent = kernels.powers(self.growth * gain / self.chance)
        grown = weights[self.played] * np.ldexp(fraction, exponent.astype(np.intc))
        weights[self.played] = grown
        heavy = grown > kernels.HEAVY
        if heavy.any():
            rows = self.weights_.reshape(-1, self.grid.size)
            at = self.row[heavy]
            rows[at] = np.maximum(rows[at] / grown[heavy, None], kernels.LIGHT)


@dataclass
class Exp3P(Table):
    """Exp3 whose estimates carry a bonus / chance for every bid, so that regret is small almost surely, not on average.

    Chances are (1 − exploration) × softmax(rate × estimated totals) + exploration / K; a round adds (utility of the bid
    played + bonus) / chance to it and bonus / chance to every other. Utility is scaled to [0, 1] as in Exp3. With the
    defaults regret in a cell stays below 5.15 √(T K ln(K / risk)) of the range but for the probability `risk`.
    Source: Auer, Cesa-Bianchi, Freund and Schapire (2002), section 6; rates: Bubeck and Cesa-Bianchi (2012), th. 3.3.
    """

    risk: Annotated[float, Field(gt=0, lt=1, description="probability with which the bound on regret may fail")] = 0.05
    exploration: Annotated[
        float | None, Field(gt=0, le=1, description="share of even draws; none: 1.05 √(K ln K / T), at most 1/2")
    ] = None
    rate: Annotated[float | None, Field(gt=0, description="learning rate; none: 0.95 √(ln K / (T K))")] = None
    bonus: Annotated[
        float | None, Field(ge=0, description="added to every estimate over its chance; none: √(ln(K / risk) / (T K))")
    ] = None

    def start(self, seat: Seat) -> None:
        super().start(seat)
        count, rounds = self.grid.size, self.visits
        even = min(0.5, 1.05 * math.sqrt(count * math.log(count) / rounds))
        self.mixture = even if self.exploration is None else self.exploration
        self.growth = 0.95 * math.sqrt(math.log(count) / (rounds * count)) if self.rate is None else self.rate
        bonus = math.sqrt(math.log(count / self.risk) / (rounds * count))
        self.extra = bonus if self.bonus is None else self.bonus
        self.worst, self.best = utility_range(seat)
        self.totals_ = self.table(0.0)

    def choose(self, rng: Stream) -> Array:
        chances = softmax(self.growth * self.rows(self.totals_))
        chances *= 1 - self.mixture
        chances += self.mixture / self.grid.size
        self.chances = chances  # (K, L)
        return self.draw(chances.copy(), rng.random(self.seat.lanes))

    def learn(self, feedback: Feedback) -> None:
        gain = scaled(feedback.utility, self.worst, self.best)
        own = self.chances[self.choice, self.lanes]
        self.totals_.reshape(-1, self.grid.size)[self.row] += self.extra / self.chances.T
        self.totals_.reshape(-1)[self.played] += gain / own


@dataclass
class Ucb1(Table):
    """Bids what has the highest mean utility + width × √(2 ln t / tries) after t rounds in this cell; first each once.

    Utility is scaled to [0, 1] as in Exp3. Ties are broken evenly at random. Made for rewards that are drawn alike in
    every round: against rivals who learn, its logarithmic regret is not promised.
    Source: Auer, Cesa-Bianchi and Fischer (2002), Machine Learning 47, fig. 1.
    """

    width: Annotated[
        float, Field(ge=0, description="width of the confidence bounds; 1 is UCB1, less explores less, 0 is greedy")
    ] = 1.0

    def start(self, seat: Seat) -> None:
        super().start(seat)
        self.worst, self.best = utility_range(seat)
        self.means_ = self.table(0.0)
        self.counts_ = self.table(0, np.int32)

    def choose(self, rng: Stream) -> Array:
        counts = self.counts_.reshape(-1, self.grid.size)[self.row].T  # (K, L)
        bonus = np.sqrt(2 * np.log(np.maximum(counts.sum(axis=0), 1)) / np.maximum(counts, 1))
        index = self.rows(self.means_) + self.width * bonus
        self.lost_ |= ~np.isfinite(index.max(axis=0))
        index = np.where(counts == 0, np.inf, index)
        ties = (index == index.max(axis=0)).astype(np.int16)
        return self.draw(ties, rng.random(self.seat.lanes))

    def learn(self, feedback: Feedback) -> None:
        gain = scaled(feedback.utility, self.worst, self.best)
        counts, means = self.counts_.reshape(-1), self.means_.reshape(-1)
        counts[self.played] = tries = counts[self.played] + 1
        means[self.played] += (gain - means[self.played]) / tries


@dataclass
class ThompsonSampling(Table):
    """Bids the best of estimates drawn from N(total utility / (tries + 1), spread² / (tries + 1)), one a bid.

    Utility is scaled to [0, 1] as in Exp3. With spread = 1 its regret is of order √(K T ln K) for rewards drawn alike
    in every round; auctions vary by a fraction of the range, hence the smaller default. No promise against learners.
    Source: Thompson (1933); Agrawal and Goyal (2017), J. ACM 64, algorithm 2.
    """

    spread: Annotated[
        float, Field(gt=0, description="prior standard deviation of an estimate, in units of the range of utility")
    ] = 0.25

    def start(self, seat: Seat) -> None:
        super().start(seat)
        self.worst, self.best = utility_range(seat)
        self.totals_ = self.table(0.0)
        self.counts_ = self.table(0, np.int32)

    def choose(self, rng: Stream) -> Array:
        totals, counts = (table.reshape(-1, self.grid.size)[self.row] for table in (self.totals_, self.counts_))
        # the middle of a step of the generator, so that no draw is infinite
        noise = ndtri(rng.random((self.seat.lanes, self.grid.size)) + 2.0**-54)
        drawn = totals / (counts + 1) + self.spread / np.sqrt(counts + 1) * noise
        return self.leader(drawn)

    def learn(self, feedback: Feedback) -> None:
        self.totals_.reshape(-1)[self.played] += scaled(feedback.utility, self.worst, self.best)
        self.counts_.reshape(-1)[self.played] += 1


def scaled(utility: Array, worst: float, best: float) -> Array:
    """Utility on [0, 1]; what lies outside the range counts as its end."""
    return np.clip((utility - worst) / (best - worst), 0.0, 1.0)
