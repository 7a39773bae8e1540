"""Gradient methods on mixed bids: the gradient of expected utility is what every bid of the grid would have earned."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from auctionlab.agents._simplex import best_of, project, softmax
from auctionlab.agents._table import Informed
from auctionlab.arrays import Array
from auctionlab.core import Feedback, Seat
from auctionlab.rng import Stream


@dataclass
class _Ascent(Informed, ABC):
    """Keeps a table of points from which mixed bids follow, by the geometry; steps of size rate × visits^−power."""

    geometry: Annotated[
        Literal["entropic", "euclidean"],
        Field(description='"entropic": chances ∝ exp(score), all positive; "euclidean": nearest chances, many zero'),
    ] = "entropic"
    rate: Annotated[
        float | None,
        Field(gt=0, description="first step size; none: as theory has it for T rounds in one cell, reached at T"),
    ] = None
    power: Annotated[float, Field(ge=0, le=1, description="steps shrink as visits^−power; 0 keeps them constant")] = 0.5

    def start(self, seat: Seat) -> None:
        super().start(seat)
        count, rounds = self.grid.size, self.visits
        bound = 8 * math.log(count) if self.geometry == "entropic" else (1 - 1 / count) / count
        self.first = math.sqrt(bound / rounds) * rounds**self.power if self.rate is None else self.rate
        self.points_ = self.table(0.0)
        self.visits_ = np.zeros((seat.lanes, self.cells), np.int64)

    def choose(self, rng: Stream) -> Array:
        return self.draw(self.chances(self.rows(self.points_)), rng.random(self.seat.lanes))

    @abstractmethod
    def chances(self, points: Array) -> Array:
        """Mixed bids (K, L) at the points (K, L) of this round's rows."""

    def steps(self, visits: Array) -> Array:
        """Step sizes after so many visits."""
        return self.first * visits**-self.power


@dataclass
class DualAveraging(_Ascent):
    """Plays the mixed bid that maximises step × total utility so far in this cell − h(mix): the regularised leader.

    h is the negative entropy (entropic) or half the squared length (euclidean), so the mix is a softmax of the scaled
    totals or their projection. Steps fall with the root of the visits, so no horizon has to be known. Also known as
    follow the regularised leader; in auctions see Bichler, Fichtl and Oberlechner (2023). Regret in a cell is of order
    √(T ln K), euclidean √(T K), in units of the range of utility.
    Source: Nesterov (2009), Math. Program. 120; step: Cesa-Bianchi and Lugosi (2006), theorem 2.3.
    """

    def chances(self, points: Array) -> Array:
        visits = self.visits_.reshape(-1)[self.row]
        points *= self.steps(np.maximum(visits, 1))
        return softmax(points) if self.geometry == "entropic" else project(points)

    def learn(self, feedback: Feedback) -> None:
        self.count(self.visits_)
        self.points_.reshape(-1, self.grid.size)[self.row] += self.earned(feedback)


@dataclass
class MirrorAscent(_Ascent):
    """Moves the mixed bid of this cell a step along what every bid would have earned, in the geometry's own sense.

    Entropic: chances are multiplied by exp(step × utility); euclidean: step × utility is added and the nearest mix
    taken (online gradient ascent). Utility counts in units of its range. With constant steps the entropic one is Hedge.
    Regret in a cell is at most √(T ln K / 2), euclidean √(T K), of the range after T rounds.
    Source: Nemirovski and Yudin (1983); Beck and Teboulle (2003), Oper. Res. Lett. 31; euclidean: Zinkevich (2003).
    """

    power: Annotated[float, Field(ge=0, le=1, description="steps shrink as visits^−power; 0 keeps them constant")] = 0.0

    def chances(self, points: Array) -> Array:
        return softmax(points) if self.geometry == "entropic" else points + 1.0 / len(points)

    def learn(self, feedback: Feedback) -> None:
        steps = self.steps(self.count(self.visits_))
        moved = self.of_row(self.points_) + steps[:, None] * self.earned(feedback)
        if self.geometry == "euclidean":
            even = 1.0 / self.grid.size
            moved = project(moved.T + even).T - even
        self.set_row(self.points_, moved)


@dataclass
class FrankWolfe(Informed):
    """Moves the mixed bid of this cell a share 2/(t + 2) of the way to the best bid by a moving mean of utilities.

    The mean gives the round t of the cell the weight 4/(t + 8)^(2/3), so that single rounds do not decide; the best
    bids share the move where they tie. Every mix is an average of few bids, and none needs a projection.
    Source: Frank and Wolfe (1956), Nav. Res. Logist. Q. 3; with moving means Mokhtari, Hassani and Karbasi (2020).
    """

    def start(self, seat: Seat) -> None:
        super().start(seat)
        self.mixed_ = self.table(1.0 / self.grid.size)
        self.means_ = self.table(0.0)
        self.visits_ = np.zeros((seat.lanes, self.cells), np.int64)

    def choose(self, rng: Stream) -> Array:
        return self.draw(self.rows(self.mixed_), rng.random(self.seat.lanes))

    def learn(self, feedback: Feedback) -> None:
        visits = self.count(self.visits_)[:, None]  # from 1
        weight = np.minimum(4.0 / (visits + 8.0) ** (2 / 3), 1.0)
        means = self.of_row(self.means_)
        means += np.where(visits == 1, 1.0, weight) * (self.earned(feedback) - means)
        mixed = self.of_row(self.mixed_)
        mixed += 2.0 / (visits + 2.0) * (best_of(means.T).T - mixed)
        self.set_row(self.means_, means)
        self.set_row(self.mixed_, mixed)
