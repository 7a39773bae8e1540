"""A rule in which no bid is sure to win, for which no formula is built in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from auctionlab.arrays import Array
from auctionlab.core import Box, Environment, Mechanism, Outcome


@dataclass(frozen=True)
class Raffle(Mechanism):
    """Everybody pays the own bid and wins with a chance in proportion to it."""

    def claims(self, environment: Environment) -> frozenset[str]:
        return frozenset()

    def messages(self, environment: Environment) -> Box:
        return Box(0.0, np.inf)

    def run(self, messages, rng=None) -> Outcome:
        bids, chances = _tickets(messages)
        return Outcome(chances, bids)

    def lottery(self, messages):
        bids, chances = _tickets(messages)
        winners = np.broadcast_to(np.eye(bids.shape[1])[:, None, :], (bids.shape[1], *bids.shape))
        return chances.T, Outcome(winners, np.broadcast_to(bids, winners.shape))


def _tickets(messages) -> tuple[Array, Array]:
    taking = (messages >= 0) & (messages < np.inf)
    bids = np.where(taking, messages, 0.0)
    total = bids.sum(axis=1, keepdims=True)
    shares = taking / np.maximum(taking.sum(axis=1, keepdims=True), 1)
    return bids, np.where(total > 0, bids / np.where(total > 0, total, 1.0), shares)
