"""Plays a stretch of rounds at once in a compiled loop, where a market is the common case of a bandit experiment.

The common case: one block of epsilon-greedy, Q-learning from own results without memory, or Exp3, in a sealed auction
of one item, among risk-neutral bidders with private values, watched by observers that look at rounds alone. Draws come
from the same addresses and numbers are worked out in the same order as in `Market.step`, so every bit of every round
and of what is learned is the same; all other markets step. Between stretches the market is whole, as between steps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

import numpy as np

from auctionlab import kernels
from auctionlab.agents.bandits import EpsilonGreedy, Exp3
from auctionlab.agents.qlearning import QLearning
from auctionlab.arrays import Array
from auctionlab.core import Mechanism
from auctionlab.environments.private import PrivateValues
from auctionlab.kernels import compiled
from auctionlab.mechanisms.single_item import AllPay, FirstPrice, KthPrice, SecondPrice, WarOfAttrition
from auctionlab.platform.ledger import Chunk, Ledger, needs_only_rounds
from auctionlab.platform.market import Market

BIDS: Final = 100_000  # in a stretch
_MOST: Final = 10  # times that, where nobody keeps them: a longer stretch finds more rows still in the cache
_ROUNDS: Final = 200
_CACHE: Final = 1 << 14  # bytes of tables worked on at a time
_RULES: Final[dict[type, int]] = {
    FirstPrice: kernels.FIRST,
    SecondPrice: kernels.SECOND,
    AllPay: kernels.ALL_PAY,
    WarOfAttrition: kernels.ATTRITION,
}


def advancer(market: Market, kept: bool = True) -> Callable[[], object]:
    """What plays the market's next rounds: a stretch of them where that is possible, else `market.step`.

    kept : whether observers keep rounds for a while, as a recorder does; stretches are then shorter, for memory.
    """
    return Stretch(market, kept).play if suits(market) else market.step


def suits(market: Market) -> bool:
    """True where the market is the common case and loops can be compiled."""
    environment, strategy = market.environment, market.teams[0].strategy
    return (
        compiled(kernels.settle) is not None
        and len(market.teams) == 1
        and market.datacollector is None
        and all(needs_only_rounds(observe) for observe in market.observers)
        and type(environment) is PrivateValues
        and environment.risk_neutral
        and _rule(market.mechanism) is not None
        and (type(strategy) in (EpsilonGreedy, Exp3) or (type(strategy) is QLearning and strategy.plain))
    )


def _rule(mechanism: Mechanism) -> int | None:
    if type(mechanism) is KthPrice:
        return {1: kernels.FIRST, 2: kernels.SECOND}.get(mechanism.k)
    return _RULES.get(type(mechanism))


class Stretch:
    """Plays the rounds of a market that `suits`."""

    def __init__(self, market: Market, kept: bool = True) -> None:
        self.market, self.team, self.strategy = market, market.teams[0], cast(Any, market.teams[0].strategy)
        self.lanes = market.replications * market.seating.population
        self.length = max(1, BIDS // self.lanes, 0 if kept else min(_ROUNDS, _MOST * BIDS // self.lanes))
        self._again = None if kept else self._blank(self.length)
        rows = self.lanes * self.strategy.cells
        self.leaders, self.rivals = np.full(rows, -1, np.int32), np.zeros(rows)

    def play(self) -> None:
        """The next rounds: at once for the learners, then for the observers."""
        market, first = self.market, self.market.round
        count = min(self.length, market.rounds - market.round)
        again = self._again if count == self.length else None
        book, choose, award = again or self._blank(count)
        place, members = market.seating.deal(market.source.rounds(first, count, "match"), count)
        dealt = market.environment.sample(market.source.rounds(first, count, "deal"), award.size)
        book[kernels.SIGNALS] = dealt.signals.reshape(count, self.lanes)
        market.source.rounds(first, count, "act", market.address(self.team)).random(choose.shape, choose)
        market.source.rounds(first, count, "settle").random(award.shape, award)
        self._loop(book, place.reshape(len(place), self.lanes), choose, award)
        pages = book.reshape(5, count, market.replications, market.groups, market.n)
        signals, messages, allocation, payments, utility = pages
        self._tell(
            Chunk(
                first=first,
                signals=signals,
                values=signals,
                messages=messages,
                allocation=allocation,
                payments=payments,
                utility=utility,
                members=members,
            )
        )

    def _blank(self, count: int) -> tuple[Array, Array, Array]:
        """A book for so many rounds, and places for what is drawn; written on again where nobody keeps it, since fresh
        memory costs more than a read of it.
        """
        auctions = self.lanes // self.market.n
        return np.empty((5, count, self.lanes)), np.empty((count, self.lanes, 2)), np.empty((count, auctions))

    def _tell(self, chunk: Chunk) -> None:
        """Go on to the round after the chunk, and tell the observers."""
        market = self.market
        market.round += chunk.rounds
        market.last = chunk.round(chunk.rounds - 1)
        for observe in market.observers:
            if isinstance(observe, Ledger):
                observe.take(chunk)
            else:
                for t in range(chunk.rounds):
                    observe(chunk.round(t))

    def _loop(self, book: Array, place: Array, choose: Array, award: Array) -> None:
        """Fill the book, and teach the strategy."""
        strategy, mechanism = self.strategy, cast(Any, self.market.mechanism)
        drawn = mechanism.ties == "drawn"
        game = self.market.n, _rule(mechanism), float(mechanism.reserve), float(mechanism.entry_fee), drawn
        population, size = self.market.seating.population, strategy.cells * strategy.grid.size
        width = population * max(1, _CACHE // (12 * population * size))
        play = book, place, choose, award, game, strategy.grid, strategy.edges.reshape(-1), width
        if isinstance(strategy, Exp3):
            weights = strategy.weights_.reshape(-1, strategy.grid.size)
            scale = strategy.mixture, strategy.growth, strategy.worst, strategy.best
            _run(kernels.play_weights, *play, weights, *scale)
            return
        first = int(strategy.round_)
        explore = np.array([strategy.epsilon_in(first + t) for t in range(len(choose))])
        strategy.round_ += len(choose)
        step = strategy.rate if isinstance(strategy, QLearning) else strategy.step
        counts = strategy.counts_ if step is None else np.zeros(strategy.grid.size, np.int32)
        means, counts = (table.reshape(-1, strategy.grid.size) for table in (strategy.estimates_, counts))
        learn = means, counts, explore, step or 0.0, self.leaders, self.rivals
        if not getattr(strategy, "discount", 0.0):
            _run(kernels.play_greedy, *play, *learn, 0.0, np.zeros(0, np.intp), np.zeros(0))
            return
        if not strategy.pending_.size:
            strategy.pending_, strategy.earned_ = np.full(self.lanes, -1, np.intp), np.zeros(self.lanes)
        _run(kernels.play_greedy, *play, *learn, float(strategy.discount), strategy.pending_, strategy.earned_)


def _run(loop: Callable[..., float], *arguments: Any) -> None:
    (compiled(loop) or loop)(*arguments)
