"""Auctions a second against an idiomatic Mesa model of the same game, and how speed grows with the market.

    python -m benchmarks throughput [--quick]

The game: 100 bidders in pairs, first-price, uniform values, 21 bids and 21 value cells, 100 replications. The baseline
(`benchmarks/naive_mesa.py`) keeps its records in memory; we write every bid to a SQLite file. Both are timed in the
same process, one after the other; only ratios mean anything on another machine.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import auctionlab
from benchmarks import naive_mesa


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


def ours(learner: str, bidders: int, replications: int, bids: str, seconds: float = 5.0) -> float:
    """Auctions a second of whole runs (set-up, play, metrics, records), of about `seconds` each."""
    with tempfile.TemporaryDirectory() as folder:

        def measure(rounds: int) -> float:
            database = f"sqlite:///{Path(folder) / f'{rounds}.db'}"
            start = time.perf_counter()
            auctionlab.run(config(learner, bidders, replications, rounds, bids), database=database, again=True)
            return time.perf_counter() - start

        measure(20)  # imports and caches
        short, long = measure(21), measure(121)
        rounds = max(200, int(100 * seconds / max(long - short, 1e-3)))  # of play; set-up and judging come on top
        elapsed = measure(rounds)
        return bidders // 2 * replications * rounds / elapsed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only the headline comparison, shorter")
    quick = parser.parse_args().quick
    seconds = 6.0 if quick else 15.0
    print(f"{'100 bidders × 100 replications':<34}{'auctions/s':>12}{'ratio':>8}")
    for learner, target, target_none in (("epsilon-greedy", 4, 10), ("exp3", 8, 10)):
        base = naive_mesa.auctions_per_second(learner, 100, 2, 60 if quick else 200)
        logged = ours(learner, 100, 100, "all", seconds)
        silent = ours(learner, 100, 100, "none", seconds)
        print(f"{learner + ', naive Mesa, in memory':<34}{base:>12,.0f}{1.0:>8.1f}")
        print(f"{learner + ', every bid in SQLite':<34}{logged:>12,.0f}{logged / base:>8.1f}   (at least {target})")
        print(f"{learner + ', bids = none':<34}{silent:>12,.0f}{silent / base:>8.1f}   (at least {target_none})")
        print(f"{'  share of the time that is records':<36}{1 - logged / silent:>10.0%}")
    if quick:
        return
    print("\ngrowth, auctions a second, every bid in SQLite")
    print(f"{'bidders':>8}{'replications':>14}{'epsilon-greedy':>16}{'exp3':>12}")
    sizes = [(2, 1), (2, 10), (2, 100), (2, 1000), (10, 100), (100, 1), (100, 10), (100, 100), (1000, 1), (1000, 100)]
    for bidders, replications in sizes:
        speeds = [ours(learner, bidders, replications, "all", 2.0) for learner in ("epsilon-greedy", "exp3")]
        print(f"{bidders:>8}{replications:>14}{speeds[0]:>16,.0f}{speeds[1]:>12,.0f}")


if __name__ == "__main__":
    main()
