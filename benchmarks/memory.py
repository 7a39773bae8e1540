"""Peak memory of a run of 10 million auctions, every bid recorded: bounded by the chunk, not by the run.

python -m benchmarks memory [--auctions 10000000]
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path
from typing import Any


def play(rounds: int, folder: str, answer: Any) -> None:
    import auctionlab
    from benchmarks.throughput import config

    start = time.perf_counter()
    auctionlab.run(config("epsilon-greedy", 100, 100, rounds, "all"), database=f"sqlite:///{folder}/memory.db")
    answer.put((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, time.perf_counter() - start))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--auctions", type=int, default=10_000_000)
    total = parser.parse_args().auctions
    process = multiprocessing.get_context("spawn")
    print(f"{'auctions':>12}{'peak memory, MB':>18}{'database, MB':>15}{'seconds':>10}")
    for auctions in (total // 10, total):
        with tempfile.TemporaryDirectory() as folder:
            answer = process.SimpleQueue()
            child = process.Process(target=play, args=(auctions // 5_000, folder, answer))
            child.start()
            child.join()
            if child.exitcode:
                raise SystemExit(f"the run failed with exit code {child.exitcode}")
            peak, seconds = answer.get()
            size = sum(path.stat().st_size for path in Path(folder).iterdir()) / 2**20
        print(f"{auctions:>12,}{peak:>18,.0f}{size:>15,.0f}{seconds:>10,.0f}")
    print("target at 10 million: under 600 MB")


if __name__ == "__main__":
    main()
