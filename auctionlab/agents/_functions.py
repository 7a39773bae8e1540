"""What learners of bid functions share: monotone piecewise-linear functions of the own value, one a lane."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from auctionlab.agents._table import utility_range
from auctionlab.arrays import Array
from auctionlab.core import Seat, Strategy
from auctionlab.errors import ConfigError
from auctionlab.registry import kind_of


@dataclass
class BidFunctions(Strategy, ABC):
    """Bids by heights at knots, linear between; the knots are values at equal steps of probability, ends included.

    `heights_` (L, knots) rise from left to right and stay between the lowest legal bid (or 0) and the top value.
    """

    knots: Annotated[
        int, Field(ge=2, le=1_000, description="knots of the bid function, equally likely values apart")
    ] = 11
    begin: Annotated[float, Field(ge=0, le=1, description="bid per unit of value at the start; 1 is the value")] = 1.0

    def start(self, seat: Seat) -> None:
        super().start(seat)
        boxes = seat.environment.signal, seat.mechanism.messages(seat.environment)
        if any(box.shape != () for box in boxes):
            raise ConfigError(f"{kind_of(self)}: needs scalar signals and messages")
        self.at = self._values(seat)  # (knots,)
        self.floor = seat.low if np.isfinite(seat.low) else min(0.0, float(self.at[0]))
        self.span = seat.top - self.floor
        if not self.span > 0:
            raise ConfigError(f"{kind_of(self)}: there is no bid between {self.floor:g} and {seat.top:g}")
        worst, best = utility_range(seat)
        self.worst, self.unit = worst, best - worst
        self.lanes = np.arange(seat.lanes)
        self.heights_ = np.tile(self.legal(self.begin * self.at[None, :]), (seat.lanes, 1))
        self.rounds_ = np.zeros((), np.int64)

    def _values(self, seat: Seat) -> Array:
        """Values at equal steps of probability; the ends of an unbounded prior are its 0.1 % quantiles."""
        prior, box = seat.environment.priors[seat.index], seat.environment.signal
        shares = np.linspace(0.0, 1.0, self.knots)
        if prior is None:
            low, high = (float(np.broadcast_to(end, (seat.environment.n,))[seat.index]) for end in (box.low, box.high))
            return low + shares * (high - low)
        shares[0] = 0.0 if np.isfinite(prior.low) else 0.001
        shares[-1] = 1.0 if np.isfinite(prior.high) else 0.999
        return np.asarray(prior.quantile(shares), float)

    def hats(self, values: Array) -> tuple[Array, Array]:
        """The knot left of each value, (L,), and how far it lies on the way to the next, (L,) in 0..1."""
        left = np.clip(np.searchsorted(self.at, values, side="right") - 1, 0, self.knots - 2)
        width = self.at[left + 1] - self.at[left]
        share = np.where(width > 0, (values - self.at[left]) / np.where(width > 0, width, 1.0), 0.0)
        return left, np.clip(share, 0.0, 1.0)

    def read(self, heights: Array, left: Array, share: Array) -> Array:
        """The functions (L, knots) at these places, (L,)."""
        return (1.0 - share) * heights[self.lanes, left] + share * heights[self.lanes, left + 1]

    def legal(self, heights: Array) -> Array:
        """Heights that rise and stay in range: the mean of the lowest rising function above and the highest below.

        A function of which a height overflowed is not a number anywhere.
        """
        known = np.where(np.isfinite(heights), heights, np.nan)
        inside = np.clip(known, self.floor, self.floor + self.span)
        above = np.maximum.accumulate(inside, axis=1)
        below = np.minimum.accumulate(inside[:, ::-1], axis=1)[:, ::-1]
        return (above + below) / 2
