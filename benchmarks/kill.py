"""Kill runs at random moments with SIGKILL, continue them, and compare every row with an unbroken run.

    python -m benchmarks kill [--runs 100]

Prints how many runs were killed (and in which phase) and how many rows, metrics or verdicts were lost or differ: 0.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import os
import random
import signal
import sqlite3
import tempfile
import time
from pathlib import Path
from typing import Any

import auctionlab

CONFIG: dict[str, Any] = {
    "name": "kill",
    "seed": 11,
    "rounds": 600,
    "replications": 10,
    "environment": {"kind": "private-values", "bidders": 2, "prior": {"kind": "beta", "a": 2.0, "b": 5.0}},
    "mechanism": {"kind": "first-price", "reserve": 0.05},
    "market": {"groups": 5, "matching": "strangers", "disclose": "price"},
    "agents": [
        {"strategy": {"kind": "exp3", "bids": 21, "cells": 11}, "count": 4},
        {"strategy": {"kind": "hedge", "bids": 21, "cells": 11}, "count": 4},
        {"strategy": {"kind": "q-learning", "bids": 21, "cells": 11}},
    ],
}
COLUMNS = {  # all but the run's number, and the columns that order the rows
    "bid": ("round, replication, group_index, seat, agent_id, signal, value, message, allocation, payment, utility", 4),
    "metric": ("name, replication, agent_id, round, value", 4),
    "verdict": ("name, verdict, estimate, low, high, theory, margin", 1),
    "agent": ("agent_id, role, member, strategy", 1),
}


def play(database: str, checkpoint_seconds: float) -> None:
    auctionlab.run(CONFIG, database=database, checkpoint_seconds=checkpoint_seconds)


def contents(path: Path) -> dict[str, tuple[int, str]]:
    """Number of rows and digest of every table."""
    connection = sqlite3.connect(path)
    found = {}
    for table, (columns, keys) in COLUMNS.items():
        digest, count = hashlib.sha256(), 0
        order = ", ".join(str(key + 1) for key in range(keys))
        for row in connection.execute(f"SELECT {columns} FROM {table} ORDER BY {order}"):
            digest.update(repr(row).encode())
            count += 1
        found[table] = (count, digest.hexdigest())
    connection.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    process = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory() as folder:
        unbroken = Path(folder) / "unbroken.db"
        play(f"sqlite:///{unbroken}", 0.2)  # loads all that a fork then has
        expected = contents(unbroken)
        child = process.Process(target=play, args=(f"sqlite:///{folder}/timed.db", 0.2))
        start = time.perf_counter()
        child.start()
        child.join()
        length = time.perf_counter() - start
        print(f"an unbroken run: {length:.2f} s, rows { ({table: count for table, (count, _) in expected.items()}) }")
        killed = differ = number = 0
        reached: list[int] = []
        while killed < arguments.runs:
            number += 1
            path = Path(folder) / f"run-{number}.db"
            url = f"sqlite:///{path}"
            child = process.Process(target=play, args=(url, chance.choice([0.05, 0.2, 10.0])))
            child.start()
            child.join(chance.uniform(0.0, length))
            if child.is_alive():
                os.kill(child.pid or 0, signal.SIGKILL)
                killed += 1
            child.join()
            if path.exists():
                connection = sqlite3.connect(path)
                try:
                    reached.append(connection.execute("SELECT count(*) FROM bid").fetchone()[0])
                except sqlite3.OperationalError:  # killed before the schema was there
                    reached.append(0)
                connection.close()
            again = process.Process(target=play, args=(url, 0.2))
            again.start()
            again.join()
            found = contents(path)
            if again.exitcode or found != expected:
                differ += 1
                print(f"run {number} differs: {found} against {expected}")
            for leftover in path.parent.glob(f"{path.name}*"):
                leftover.unlink()
        total = expected["bid"][0]
        print(
            f"{killed} runs killed of {number}, with "
            f"{min(reached, default=0) / total:.0%} to {max(reached, default=0) / total:.0%} of the rows written"
        )
        print(f"runs with rows, metrics or verdicts lost or different: {differ}")
    raise SystemExit(bool(differ))


if __name__ == "__main__":
    main()
