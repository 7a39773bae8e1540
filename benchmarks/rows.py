"""Rows a second into a SQLite file from the same arrays: the recorder against `executemany` and Core with dictionaries.

Everything is counted from arrays to committed rows, building included; every way uses WAL, synchronous = NORMAL and one
transaction a chunk. Ways take turns and the best of `--repeats` counts, so that a busy machine disturbs the ratios
little. Wall time is what a user waits; processor time is steadier on a shared machine.
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from sqlalchemy import insert

from auctionlab.platform import rows, schema
from auctionlab.platform.ledger import Chunk
from auctionlab.platform.recorder import Recorder
from auctionlab.platform.store import Store

REPLICATIONS, GROUPS, SEATS = 100, 50, 2
SHAPE = {"replications": REPLICATIONS, "groups": GROUPS, "seats": SEATS}
ROUND_ROWS = REPLICATIONS * GROUPS * SEATS
CHUNK_ROUNDS = 10
PHYSICAL = ("id", "agent_id", "signal", "message", "allocation", "payment", "value", "utility")
STORED = {"fixed": (0, 2, 3, 4, 5), "strangers": (0, 1, 2, 3, 4, 5)}


def played(first: int, strangers: bool) -> Chunk:
    """A chunk of first-price auctions on a grid of 21 bids."""
    rng = np.random.default_rng(first)
    values = rng.random((CHUNK_ROUNDS, REPLICATIONS, GROUPS, SEATS))
    messages = np.round(values * 10) / 20
    allocation = np.zeros_like(values)
    np.put_along_axis(allocation, messages.argmax(axis=-1)[..., None], 1.0, axis=-1)
    payments = allocation * messages
    members = np.arange(GROUPS * SEATS).reshape(1, 1, GROUPS, SEATS)
    if strangers:
        order = np.argsort(rng.random((CHUNK_ROUNDS, REPLICATIONS, GROUPS * SEATS)), axis=-1)
        members = order.reshape(CHUNK_ROUNDS, REPLICATIONS, GROUPS, SEATS)
    return Chunk(first, values, values, messages, allocation, payments, values * allocation - payments, members)


def physical(chunk: Chunk) -> list[np.ndarray]:
    """The eight columns of `bid_row`, all of them filled."""
    keys = schema.key(1, chunk.first * ROUND_ROWS) + np.arange(chunk.payments.size)
    agents = np.broadcast_to(chunk.members, chunk.payments.shape)
    rest = (chunk.signals, chunk.messages, chunk.allocation, chunk.payments, chunk.values, chunk.utility)
    return [keys, *(array.ravel() for array in (agents, *rest))]


def recorder(path: Path, chunks: Sequence[Chunk], threaded: bool) -> None:
    with Store(f"sqlite:///{path}") as store:
        store._writer._threaded = threaded
        rounds = len(chunks) * CHUNK_ROUNDS
        given = {"name": "x", "config": {}, "fingerprint": "x", "seed": 1, "versions": {}}
        run_id = store.begin_run(**given, rounds=rounds, **SHAPE)
        writer = Recorder(store, run_id, policy="all", rounds=rounds, agent_ids=np.arange(GROUPS * SEATS), **SHAPE)
        for chunk in chunks:
            writer.consume(chunk)
        writer.flush()


def executemany(path: Path, chunks: Sequence[Chunk], places: Sequence[int]) -> None:
    """The idiomatic way through `sqlite3`, with these of the physical columns."""
    Store(f"sqlite:///{path}").close()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = NORMAL")
    names = ",".join(PHYSICAL[place] for place in places)
    statement = f"INSERT INTO bid_row ({names}) VALUES ({','.join('?' * len(places))})"
    for chunk in chunks:
        columns = physical(chunk)
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(statement, zip(*(columns[place].tolist() for place in places), strict=True))
        connection.execute("COMMIT")
    connection.close()


def dictionaries(path: Path, chunks: Sequence[Chunk]) -> None:
    """SQLAlchemy Core's bulk insert of all eight columns."""
    with Store(f"sqlite:///{path}") as store:
        table = schema.bid_table("sqlite")
        for chunk in chunks:
            cells = zip(*(column.tolist() for column in physical(chunk)), strict=True)
            with store._write() as connection:
                connection.execute(insert(table), [dict(zip(PHYSICAL, row, strict=True)) for row in cells])


def building(chunks: Sequence[Chunk]) -> None:
    """The recorder's work without the database: arrays checked and turned into Python numbers."""
    nothing = SimpleNamespace(scalar=lambda: None)
    silent = SimpleNamespace(dialect=SimpleNamespace(name="sqlite"), exec_driver_sql=lambda text, values=(): nothing)
    sink = SimpleNamespace(write_rows=lambda make: rows.insert(silent, make()))  # type: ignore[arg-type]
    total = len(chunks) * CHUNK_ROUNDS
    writer = Recorder(sink, 1, policy="all", rounds=total, agent_ids=np.arange(GROUPS * SEATS), **SHAPE)  # type: ignore[arg-type]
    for chunk in chunks:
        writer.consume(chunk)


def measure(ways: dict[str, Callable[[Path], None]], repeats: int) -> dict[str, tuple[float, float]]:
    """Best wall and processor seconds of each way."""
    best = dict.fromkeys(ways, (np.inf, np.inf))
    for _ in range(repeats):
        for name, way in ways.items():
            with tempfile.TemporaryDirectory() as folder:
                wall, busy = time.perf_counter(), time.process_time()
                way(Path(folder) / "lab.db")
                wall, busy = time.perf_counter() - wall, time.process_time() - busy
            best[name] = (min(best[name][0], wall), min(best[name][1], busy))
    return best


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks rows", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    for matching in ("fixed", "strangers"):
        count = max(1, given.rows // (ROUND_ROWS * CHUNK_ROUNDS))
        chunks = [played(number * CHUNK_ROUNDS, matching == "strangers") for number in range(count)]
        total = count * CHUNK_ROUNDS * ROUND_ROWS
        stored = STORED[matching]
        ways: dict[str, Callable[[Path], None]] = {
            "recorder": lambda path: recorder(path, chunks, True),  # noqa: B023  used before the next turn
            "recorder, no thread": lambda path: recorder(path, chunks, False),  # noqa: B023
            "building alone": lambda path: building(chunks),  # noqa: B023
            "executemany, 8 columns": lambda path: executemany(path, chunks, range(8)),  # noqa: B023
            f"executemany, {len(stored)} columns": lambda path: executemany(path, chunks, stored),  # noqa: B023
            "Core with dictionaries, 8": lambda path: dictionaries(path, chunks),  # noqa: B023
        }
        best = measure(ways, given.repeats)
        base = best["executemany, 8 columns"]
        print(f"{matching} matching, {total:,} rows, {len(stored)} of 8 physical columns stored")
        print(f"{'':28}{'rows/s wall':>14}{'ratio':>8}{'rows/s cpu':>14}{'ratio':>8}")
        for name, (wall, busy) in best.items():
            print(f"{name:28}{total / wall:>14,.0f}{base[0] / wall:>8.2f}{total / busy:>14,.0f}{base[1] / busy:>8.2f}")
        share = best["building alone"][1] / best["recorder, no thread"][1]
        print(f"building is {share:.0%} of the recorder's processor time, binding and SQLite the rest\n")


if __name__ == "__main__":
    main()
