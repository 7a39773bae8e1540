"""Users who do not tell their own learning agent what the item is worth to them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated

from pydantic import Field

from auctionlab.agents.fixed import Truthful
from auctionlab.arrays import Array
from auctionlab.core import Feedback, Outcome, Seat, Strategy
from auctionlab.environments.private import PrivateValues
from auctionlab.errors import ConfigError
from auctionlab.registry import kind_of
from auctionlab.rng import Stream


@dataclass
class Misreport(Strategy):
    """Tells another strategy a value of factor × the own, and plays what that bids.

    The strategy acts and learns as if the report were the value: what it is told to have earned, and what any other bid
    would have earned, is computed with the report. Payoffs on record are the user's, with the true value. Its grid of
    bids is laid for the true values, unless it has ends of its own.
    Source: Kolumbus and Nisan (2022), WWW; and (2022), NeurIPS (the users' game of what to report).
    """

    strategy: Annotated[Strategy, Field(description="who bids: any strategy, with its parameters")] = field(
        default_factory=Truthful
    )
    factor: Annotated[float, Field(ge=0, description="report per unit of value; 1 is honest")] = 1.0

    def __post_init__(self) -> None:
        self.needs = self.strategy.needs  # type: ignore[misc]

    @property
    def bids(self) -> int:
        """Bids on the strategy's grid, 0 where it has none."""
        return int(getattr(self.strategy, "bids", 0))

    @property
    def cells(self) -> int:
        """Cells of values that the strategy tells apart, 0 where it uses the value itself."""
        return int(getattr(self.strategy, "cells", 0))

    @property
    def lowest(self) -> float | None:
        """Where the strategy's grid begins; None for the default."""
        return getattr(self.strategy, "lowest", None)

    @property
    def highest(self) -> float | None:
        """Where the strategy's grid ends; None for the default."""
        return getattr(self.strategy, "highest", None)

    def start(self, seat: Seat) -> None:
        super().start(seat)
        if not isinstance(seat.environment, PrivateValues):
            raise ConfigError(f"{kind_of(self)}: needs independent private values")
        self.strategy.start(seat)

    def act(self, signals: Array, rng: Stream) -> Array:
        return self.strategy.act(self.factor * signals, rng)

    def leave(self, history: Array, signals: Array, rng: Stream) -> Array:
        return self.strategy.leave(history, self.factor * signals, rng)

    def learn(self, feedback: Feedback) -> None:
        reports = self.factor * feedback.signals
        outcome = Outcome(feedback.allocation[:, None], feedback.payments[:, None])
        utility = self.seat.environment.utility(outcome, reports[:, None])[:, 0]
        known = feedback.payoff

        def payoff(trials: Array, values: Array | None = None) -> Array:
            return known(trials, reports if values is None else values)  # type: ignore[misc]

        self.strategy.learn(replace(feedback, signals=reports, utility=utility, payoff=known and payoff))

    def state(self) -> dict[str, Array]:
        return self.strategy.state()

    def restore(self, state: dict[str, Array]) -> None:
        self.strategy.restore(state)
