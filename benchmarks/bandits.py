"""Bandit learners without a record of bids, compiled where numba is installed, against the naive Mesa model.

    python -m benchmarks bandits [--quick]

First-price, uniform values, 21 bids, 21 cells, record.bids = "none". Counted are the rounds with everything that they
bring along (dealing, seating, learning, metrics, checkpoints), not the judging of the finished run, which does not grow
with the rounds and which the baseline does not do. Seconds are seconds of the processor, so that other programs matter
less; baseline and we take turns, and the best of each counts. The baseline keeps fixed pairs also where we deal
strangers anew every round.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable

from auctionlab import kernels
from auctionlab.experiments.config import load_config
from auctionlab.experiments.metrics import Metrics
from auctionlab.experiments.playing import _agents, enter, make_market
from auctionlab.platform.recorder import Recorder
from auctionlab.platform.runner import play_run
from auctionlab.platform.store import Store
from benchmarks import naive_mesa

CASES = [(2, 1000, "fixed", 60), (100, 100, "strangers", 20)]
LEARNERS = ("epsilon-greedy", "exp3")


def ours(
    learner: str,
    bidders: int,
    replications: int,
    matching: str,
    rounds: int,
    bids: str = "none",
    clock: Callable[[], float] = time.process_time,
) -> float:
    """Auctions a second, by the clock, over `rounds` rounds of a run that records these bids."""
    table = {
        "name": f"bandits-{learner}",
        "seed": 1,
        "rounds": rounds,
        "replications": replications,
        "environment": {"kind": "private-values", "bidders": 2, "prior": {"kind": "uniform"}},
        "mechanism": {"kind": "first-price"},
        "market": {"groups": bidders // 2, "matching": matching},
        "agents": [{"strategy": {"kind": learner, "bids": naive_mesa.BIDS, "cells": naive_mesa.CELLS}}],
        "record": {"bids": bids},
    }
    config = load_config(table)
    market = make_market(config)
    metrics = Metrics.of(config)
    with tempfile.TemporaryDirectory() as folder, Store(f"sqlite:///{folder}/bandits.db") as store:
        run_id = enter(config, store)
        recorder = Recorder(
            store, run_id, policy=bids, rounds=rounds, agent_ids=store.add_agents(run_id, _agents(market)),
            replications=replications, groups=config.market.groups, seats=2,
        )  # fmt: skip
        start = clock()
        play_run(market, store, run_id, recorder, {"metrics": metrics})
        elapsed = clock() - start
    market.close()
    return bidders // 2 * replications * rounds / elapsed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="shorter, for a look")
    quick = parser.parse_args().quick
    auctions, base_auctions, turns = (2e6, 2e3, 2) if quick else (2e7, 2e4, 3)
    print(f"numba: {'yes' if kernels.available() else 'not installed, NumPy alone'}")
    print(f"{'':42}{'naive Mesa':>12}{'auctionlab':>14}{'ratio':>8}")
    for bidders, replications, matching, target in CASES:
        for learner in LEARNERS:
            ours(learner, bidders, replications, matching, 20)  # compiles, or fetches what was compiled before
            base = best = 0.0
            rounds = int(auctions / (bidders // 2 * replications))
            for _ in range(turns):
                length = int(base_auctions / (bidders // 2))
                base = max(base, naive_mesa.auctions_per_second(learner, bidders, 1, length, time.process_time))
                best = max(best, ours(learner, bidders, replications, matching, rounds))
            name = f"{learner}, {bidders} bidders × {replications} ({matching})"
            print(f"{name:42}{base:>12,.0f}{best:>14,.0f}{best / base:>8.0f}   (at least {target})", flush=True)


if __name__ == "__main__":
    main()
