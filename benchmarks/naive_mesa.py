"""The yardstick: the repeated first-price auction as a competent Mesa user would write it, without auctionlab.

One agent holds one NumPy table (cells × bids), bids and learns one number at a time; a DataCollector keeps every value,
bid and payoff in memory; a model is one replication and replications run one after another. Written to be good Mesa:
no lookups repeated in vain, no `rng.choice(p=...)`, no `step` that copies. `python benchmarks/naive_mesa.py` prints its
speed; `auctions_per_second` is what other benchmarks divide by.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable

import mesa
import numpy as np

BIDS, CELLS = 21, 21
GRID = np.linspace(0.0, 1.0, BIDS).tolist()


class Bidder(mesa.Agent):
    """Draws a value on [0, 1), bids from a grid, learns from its own payoff."""

    def __init__(self, model: AuctionModel) -> None:
        super().__init__(model)
        self.random_number = model.rng.random  # NumPy's, scalar calls
        self.value = self.bid = self.payoff = 0.0

    def act(self) -> None:
        self.value = value = self.random_number()
        self.cell = int(value * CELLS)
        self.arm = self.choose()
        self.bid = GRID[self.arm]


class EpsilonGreedyBidder(Bidder):
    """Bids what has earned most on average in this value cell, with probability epsilon any bid."""

    epsilon = 0.1

    def __init__(self, model: AuctionModel) -> None:
        super().__init__(model)
        self.estimates = model.rng.random((CELLS, BIDS)) * 1e-9  # breaks ties
        self.counts = np.zeros((CELLS, BIDS), int)

    def choose(self) -> int:
        if self.random_number() < self.epsilon:
            return int(self.random_number() * BIDS)
        return int(self.estimates[self.cell].argmax())

    def learn(self) -> None:
        at = self.cell, self.arm
        self.counts[at] += 1
        self.estimates[at] += (self.payoff - self.estimates[at]) / self.counts[at]


class Exp3Bidder(Bidder):
    """Draws bids by exponential weights on importance-weighted payoffs, mixed with an even draw."""

    def __init__(self, model: AuctionModel) -> None:
        super().__init__(model)
        visits = max(1.0, model.rounds / CELLS)
        self.exploration = min(1.0, math.sqrt(BIDS * math.log(BIDS) / ((math.e - 1) * visits)))
        self.logs = np.zeros((CELLS, BIDS))

    def choose(self) -> int:
        logs = self.logs[self.cell]
        weights = np.exp(logs - logs.max())
        chances = weights * ((1 - self.exploration) / weights.sum()) + self.exploration / BIDS
        running = chances.cumsum()
        arm = min(int(running.searchsorted(self.random_number())), BIDS - 1)
        self.chance = chances[arm]
        return arm

    def learn(self) -> None:
        gain = (self.payoff + 1) / 2  # payoffs lie in [-1, 1]
        self.logs[self.cell, self.arm] += self.exploration / BIDS * gain / self.chance


LEARNERS = {"epsilon-greedy": EpsilonGreedyBidder, "exp3": Exp3Bidder}


class AuctionModel(mesa.Model):
    """`bidders` learners in fixed pairs; each pair plays a first-price auction every round."""

    def __init__(self, learner: type[Bidder], bidders: int, rounds: int, rng: int | None = None) -> None:
        super().__init__(rng=rng)
        self.rounds = rounds
        agents = list(learner.create_agents(self, bidders))
        self.pairs = list(zip(agents[::2], agents[1::2], strict=True))
        self.datacollector = mesa.DataCollector(agent_reporters={"value": "value", "bid": "bid", "payoff": "payoff"})

    def step(self) -> None:
        self.agents.do("act")
        flip = self.rng.random
        for one, two in self.pairs:
            one.payoff = two.payoff = 0.0
            one_wins = one.bid > two.bid or (one.bid == two.bid and flip() < 0.5)
            winner = one if one_wins else two
            winner.payoff = winner.value - winner.bid
        self.agents.do("learn")
        self.datacollector.collect(self)


def play(learner: str, bidders: int, rounds: int, seed: int) -> AuctionModel:
    """One replication from start to end."""
    model = AuctionModel(LEARNERS[learner], bidders, rounds, rng=seed)
    for _ in range(rounds):
        model.step()
    return model


def auctions_per_second(
    learner: str, bidders: int, replications: int, rounds: int, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Auctions played in a second, all replications one after another, every bid kept in memory."""
    start = clock()
    for seed in range(replications):
        play(learner, bidders, rounds, seed).remove_all_agents()  # else Mesa keeps the model alive
    return replications * rounds * (bidders // 2) / (clock() - start)


def main(bidders: int = 100, replications: int = 3, rounds: int = 300) -> None:
    print(f"Mesa {mesa.__version__}, {bidders} bidders in pairs, {replications} replications of {rounds} rounds")
    for learner in LEARNERS:
        print(f"{learner:16s} {auctions_per_second(learner, bidders, replications, rounds):10,.0f} auctions a second")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
