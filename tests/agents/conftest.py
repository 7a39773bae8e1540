"""What the strategy tests share: seats in small auctions, and feedback made by hand."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from auctionlab.arrays import Array
from auctionlab.core import Feedback, Seat, Strategy
from auctionlab.registry import build
from auctionlab.rng import Source

UNIFORM = {"kind": "uniform", "low": 0.0, "high": 1.0}


@pytest.fixture
def sit() -> Callable[..., Seat]:
    """A seat among `bidders` with values on [0, 1]; keywords beyond the named ones are the mechanism's."""

    def make(
        lanes: int = 1,
        rounds: int = 1000,
        kind: str = "first-price",
        bidders: int = 2,
        prior: dict[str, Any] | None = None,
        risk: dict[str, Any] | None = None,
        **mechanism: Any,
    ) -> Seat:
        environment = {"kind": "private-values", "bidders": bidders, "prior": prior or UNIFORM}
        if risk is not None:
            environment["risk"] = risk
        return Seat(
            0, lanes, rounds, build("environments", environment), build("mechanisms", {"kind": kind} | mechanism)
        )

    return make


@pytest.fixture
def play() -> Callable[..., list[dict[str, Array]]]:
    """Plays a seated strategy for some rounds in a world of its own; returns what happened, one dict a round.

    world(number, messages, uniforms) gives the utility (L,); values are uniform on [0, 1] unless `value` fixes them.
    """

    def run(
        strategy: Strategy,
        source: Source,
        rounds: range,
        world: Callable[[Array, Array, Array], Array],
        value: float | None = None,
        payoff: Callable[[Array, Array], Array] | None = None,
    ) -> list[dict[str, Array]]:
        lanes = strategy.seat.lanes
        history = []
        for number in rounds:
            deal = source.stream(number, "deal").random((lanes, 2))
            signals = deal[:, 0].copy() if value is None else np.full(lanes, value)
            messages = strategy.act(signals, source.stream(number, "act"))
            utility = world(signals, messages, deal[:, 1])
            counterfactual = None if payoff is None else lambda bids, v=signals, u=deal[:, 1]: payoff(bids, v, u)
            strategy.learn(
                Feedback(signals, messages, utility, np.zeros(lanes), np.zeros(lanes), payoff=counterfactual)
            )
            history.append({"signals": signals, "messages": messages, "utility": utility, "rivals": deal[:, 1]})
        return history

    return run


def first_price(values: Array, bids: Array, rivals: Array) -> Array:
    """Utility against one rival who bids half of a uniform value: bid half of the own is the best reply."""
    return np.where(bids > rivals / 2, values - bids, 0.0)


def every_bid(bids: Array, values: Array, rivals: Array) -> Array:
    """The same for every bid of a grid, (L, K)."""
    return first_price(values[:, None], bids[None, :], rivals[:, None])


@pytest.fixture
def against_half() -> dict[str, Any]:
    """Keywords of `play` for a first-price auction against one rival who bids half of a uniform value."""
    return {"world": first_price, "payoff": every_bid}
