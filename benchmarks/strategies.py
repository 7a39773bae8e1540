"""Milliseconds a round that each learner takes by itself: `python benchmarks/strategies.py [lanes] [bids] [cells]`.

The learners choose and learn on dealt values against made-up rivals; dealing and settling are outside the clock.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from auctionlab.arrays import Array
from auctionlab.core import Environment, Feedback, Seat, Strategy
from auctionlab.registry import build
from auctionlab.rng import Source

LEARNERS = ("random", "equilibrium", "epsilon-greedy", "q-learning", "exp3", "hedge")


def milliseconds(strategy: Strategy, lanes: int, rounds: int = 100) -> float:
    """Median time of `act` and `learn` together in one round, in milliseconds."""
    environment = build("environments", {"kind": "private-values", "bidders": 2, "prior": {"kind": "uniform"}})
    strategy.start(Seat(0, lanes, 20_000, environment, build("mechanisms", "first-price")))
    source = Source(1, replications=lanes)
    times = []
    for number in range(rounds):
        values, rivals = deal(environment, source, number, lanes)
        start = time.perf_counter()
        messages = strategy.act(values, source.stream(number, "act"))
        chosen = time.perf_counter()
        feedback = answer(strategy, values, rivals, messages)
        learning = time.perf_counter()
        strategy.learn(feedback)
        times.append(time.perf_counter() - learning + chosen - start)
    return float(np.median(times[rounds // 5 :])) * 1e3


def deal(environment: Environment, source: Source, number: int, lanes: int) -> tuple[Array, Array]:
    """Own values and rival bids, (L,) each: rivals bid half their values."""
    signals = environment.sample(source.stream(number, "deal"), lanes).signals
    return signals[:, 0].copy(), signals[:, 1] / 2


def answer(strategy: Strategy, values: Array, rivals: Array, messages: Array) -> Feedback:
    """What a first-price auction with one rival tells, and to those who need it what every bid would have earned."""
    won = messages > rivals
    utility = np.where(won, values - messages, 0.0)
    payoff = None
    if "payoff" in strategy.needs:
        grid = strategy.grid
        earned = (values[:, None] - grid) * (grid > rivals[:, None])  # (L, K), ready before the clock starts
        payoff = lambda bids: earned  # noqa: E731
    return Feedback(values, messages, utility, won * 1.0, np.where(won, messages, 0.0), payoff=payoff)


def main(lanes: int = 10_000, bids: int = 21, cells: int = 21) -> None:
    print(f"{lanes:,} lanes, {bids} bids, {cells} cells")
    for kind in LEARNERS:
        table = {} if kind in ("random", "equilibrium") else {"bids": bids, "cells": cells}
        print(f"{kind:16s} {milliseconds(build('agents', {'kind': kind, **table}), lanes):8.3f} ms a round")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
