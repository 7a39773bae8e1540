"""Auctions a second against an idiomatic Mesa model of the same game, and how speed grows with the market.

    python -m benchmarks throughput [--quick]

The game: 100 bidders in pairs, first-price, uniform values, 21 bids and 21 value cells, 100 replications. The baseline
(`benchmarks/naive_mesa.py`) keeps its records in memory; we write every bid to a SQLite file. Both are timed in the
same process, one after the other; only ratios mean anything on another machine. Counted are the rounds with all that
they bring along; judging the finished run, a few seconds however long it was, is not.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

from benchmarks import bandits, naive_mesa


def config(learner: str, bidders: int, replications: int, rounds: int, bids: str, seed: int = 1) -> dict[str, Any]:
    return {
        "name": f"throughput-{learner}",
        "seed": seed,
        "rounds": rounds,
        "replications": replications,
        "environment": {"kind": "private-values", "bidders": 2, "prior": {"kind": "uniform"}},
        "mechanism": {"kind": "first-price"},
        "market": {"groups": bidders // 2},
        "agents": [{"strategy": {"kind": learner, "bids": 21, "cells": 21}}],
        "record": {"bids": bids},
    }


def ours(learner: str, bidders: int, replications: int, bids: str, auctions: float) -> float:
    """Auctions a second over a run of about so many: dealing, playing, learning, metrics, records."""
    rounds = int(min(max(auctions / (bidders // 2 * replications), 40), 20_000))
    bandits.ours(learner, bidders, replications, "fixed", 20, bids)  # compiles, or fetches what was compiled before
    return bandits.ours(learner, bidders, replications, "fixed", rounds, bids, time.perf_counter)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="shorter, for a look")
    quick = parser.parse_args().quick
    auctions = 1e6 if quick else 1e7
    print(f"{'100 bidders × 100 replications':<34}{'auctions/s':>12}{'ratio':>8}")
    for learner, target, target_none in (("epsilon-greedy", 4, 10), ("exp3", 8, 10)):
        base = naive_mesa.auctions_per_second(learner, 100, 2, 60 if quick else 200)
        logged = ours(learner, 100, 100, "all", auctions)
        silent = ours(learner, 100, 100, "none", auctions)
        print(f"{learner + ', naive Mesa, in memory':<34}{base:>12,.0f}{1.0:>8.1f}")
        print(f"{learner + ', every bid in SQLite':<34}{logged:>12,.0f}{logged / base:>8.1f}   (at least {target})")
        print(f"{learner + ', bids = none':<34}{silent:>12,.0f}{silent / base:>8.1f}   (at least {target_none})")
        print(f"{'  share of the time that is records':<36}{1 - logged / silent:>10.0%}")
    print("\ngrowth, auctions a second, every bid in SQLite")
    print(f"{'bidders':>8}{'replications':>14}{'epsilon-greedy':>16}{'exp3':>12}")
    sizes = [(2, 1), (2, 10), (2, 100), (2, 1000), (10, 100), (100, 1), (100, 10), (100, 100), (1000, 1), (1000, 100)]
    for bidders, replications in sizes:
        speeds = [ours(learner, bidders, replications, "all", auctions / 5) for learner in ("epsilon-greedy", "exp3")]
        print(f"{bidders:>8}{replications:>14}{speeds[0]:>16,.0f}{speeds[1]:>12,.0f}", flush=True)


if __name__ == "__main__":
    main()
