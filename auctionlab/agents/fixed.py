"""Bidders that do not learn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from auctionlab.arrays import NO_BID, Array
from auctionlab.core import Seat, Strategy
from auctionlab.errors import ConfigError, NoEquilibrium
from auctionlab.rng import Stream
from auctionlab.theory.equilibria import equilibrium


@dataclass
class Truthful(Strategy):
    """Bids its value, whatever the mechanism.

    Dominant in a second-price auction without a fee, and in every mechanism that claims `dsic`.
    Source: Vickrey (1961), J. Finance 16.
    """

    def act(self, signals: Array, rng: Stream) -> Array:
        return signals


@dataclass
class Equilibrium(Strategy):
    """Bids the Bayes-Nash equilibrium of the mechanism in this environment, and stays out where that says so.

    Where no formula is known it is solved numerically; raises NoEquilibrium at the start where that fails too.
    Source: the bid function's own; Krishna (2010), Auction Theory, chapters 2 to 4.
    """

    def start(self, seat: Seat) -> None:
        super().start(seat)
        try:
            self.bid = equilibrium(seat.mechanism, seat.environment).of_role(
                seat.mechanism, seat.environment, seat.index
            )
        except NoEquilibrium as error:
            raise NoEquilibrium(f"equilibrium: seat {seat.index} has no bid function to play: {error}") from error

    def act(self, signals: Array, rng: Stream) -> Array:
        return self.bid(signals)


@dataclass
class Shading(Strategy):
    """Bids a fixed fraction of its value.

    With n bidders and a uniform prior on [0, 1], (n − 1)/n is the first-price equilibrium.
    Source: Vickrey (1961), J. Finance 16.
    """

    fraction: Annotated[float, Field(ge=0, description="bid per unit of value; above 1 overbids")] = 0.5

    def act(self, signals: Array, rng: Stream) -> Array:
        return self.fraction * signals


@dataclass
class Random(Strategy):
    """Bids evenly at random between the lowest legal bid and a ceiling: its own value, or the top of all values.

    Where the ceiling lies below the lowest legal bid it takes no part. "value" never bids above its value.
    Source: Gode and Sunder (1993), J. Political Economy 101 (zero intelligence, with and without a budget constraint).
    """

    ceiling: Annotated[Literal["value", "top"], Field(description='highest bid: own "value" or the "top" value')] = (
        "value"
    )

    def start(self, seat: Seat) -> None:
        super().start(seat)
        if seat.environment.signal.shape or seat.mechanism.messages(seat.environment).shape:
            raise ConfigError("random: needs scalar signals and messages")
        self.floor = seat.low if np.isfinite(seat.low) else 0.0
        self.top = seat.top

    def act(self, signals: Array, rng: Stream) -> Array:
        ceiling = signals if self.ceiling == "value" else np.full_like(signals, self.top)
        bids = self.floor + (ceiling - self.floor) * rng.random(self.seat.lanes)
        return np.where(ceiling < self.floor, NO_BID, bids)
