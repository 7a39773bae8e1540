"""Rows of bids between arrays and the database, at the speed of the driver.

On SQLite rows go into statements of many VALUES as one flat sequence of numbers; NaN arrives as NULL. Where a block of
consecutive keys comes last in the table only its first key is sent: appending without a key spares SQLite two searches
a row. Other databases take the same rows by Core's bulk insert.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, cast

import numpy as np
from sqlalchemy import Connection, text

from auctionlab.arrays import Array
from auctionlab.platform import schema

STATEMENT_ROWS: Final = 2_000  # of at most 8 columns: half of the 32,766 variables that SQLite takes; measured best
FETCH_ROWS: Final = 2_000
FETCH_PORTIONS: Final = 50


@dataclass(frozen=True)
class Block:
    """Rows to be written: their keys, and a flat array (or a list of JSON texts and None) for each column."""

    keys: Array  # (N,) increasing
    columns: Mapping[str, Array | list[str | None]]

    @property
    def consecutive(self) -> bool:
        """True where each key is the one before plus one."""
        return len(self.keys) > 0 and int(self.keys[-1] - self.keys[0]) == len(self.keys) - 1


def insert(connection: Connection, block: Block) -> None:
    """Write a block inside the caller's transaction."""
    if connection.dialect.name == "sqlite":
        _insert_flat(connection, block)
    else:
        _insert_core(connection, block)


@lru_cache(maxsize=64)
def statement(columns: tuple[str, ...], count: int) -> str:
    """INSERT of so many rows of these columns."""
    row = f"({','.join('?' * len(columns))})"
    return f"INSERT INTO bid_row ({','.join(columns)}) VALUES {','.join([row] * count)}"


def _insert_flat(connection: Connection, block: Block) -> None:
    keyed = {"id": block.keys, **block.columns}
    last = connection.exec_driver_sql("SELECT MAX(id) FROM bid_row").scalar()
    if block.consecutive and (last is None or last < block.keys[0]):  # SQLite itself counts on from the first key
        _send(connection, keyed, 0, 1)
        _send(connection, block.columns, 1, len(block.keys))
    else:
        _send(connection, keyed, 0, len(block.keys))


def _send(connection: Connection, columns: Mapping[str, Array | list[str | None]], start: int, end: int) -> None:
    names, width = tuple(columns), len(columns)
    for low in range(start, end, STATEMENT_ROWS):
        high = min(low + STATEMENT_ROWS, end)
        flat: list[Any] = [None] * ((high - low) * width)
        for place, column in enumerate(columns.values()):
            part = column[low:high]
            flat[place::width] = part.tolist() if isinstance(part, np.ndarray) else part
        connection.exec_driver_sql(statement(names, high - low), tuple(flat))


def _insert_core(connection: Connection, block: Block) -> None:
    table = schema.bid_table(connection.dialect.name)
    plain = {name: column for name, column in block.columns.items() if isinstance(column, np.ndarray)}
    texts = {name: column for name, column in block.columns.items() if not isinstance(column, np.ndarray)}
    columns: dict[str, Sequence[Any]] = {"id": block.keys.tolist()}
    for name, column in plain.items():
        columns[name] = _or_none(column, ~np.isnan(column)).tolist() if column.dtype.kind == "f" else column.tolist()
    if texts:
        parsed = {
            name: [None if cell is None else json.loads(cell) for cell in column] for name, column in texts.items()
        }
        columns["vectors"] = [dict(zip(parsed, cells, strict=True)) for cells in zip(*parsed.values(), strict=True)]
    names = tuple(columns)
    for low in range(0, len(block.keys), STATEMENT_ROWS * 5):
        parts = (column[low : low + STATEMENT_ROWS * 5] for column in columns.values())
        connection.execute(table.insert(), [dict(zip(names, row, strict=True)) for row in zip(*parts, strict=True)])


def numbers(column: Array) -> Array:
    """Floats as they are stored: a message that takes no part becomes NaN, and so NULL."""
    column = np.asarray(column, dtype=np.float64)
    out = column == -np.inf
    return np.where(out, np.nan, column) if out.any() else column


def texts(column: Array) -> list[str | None]:
    """Vectors (N, ...) as JSON; what is not a number is null, and a vector of no-bids is NULL altogether."""
    flat = column.reshape(len(column), -1)
    silent = np.all(flat == -np.inf, axis=1)
    clean = _or_none(column, np.isfinite(column))
    return [None if none else json.dumps(vector.tolist()) for none, vector in zip(silent, clean, strict=True)]


def _or_none(column: Array, keep: Array) -> Array:
    objects = column.astype(object)
    objects[~keep] = None
    return objects


def fetch(connection: Connection, query: str) -> Iterator[dict[str, Array]]:
    """The result of a query as arrays by column, in portions; NULL is NaN, JSON a list (dtype object)."""
    held: list[Array] = []
    with connection.execution_options(stream_results=True).execute(text(query)) as result:
        names = list(result.keys())
        direct = connection.dialect.name == "sqlite"  # the driver's own cursor: no row objects in between
        cursor = cast(Any, result.cursor if direct else result)
        while portion := cursor.fetchmany(FETCH_ROWS):
            held.append(_table(portion))
            if len(held) == FETCH_PORTIONS:
                yield _columns(names, held)
                held = []
    if held:
        yield _columns(names, held)


def _table(portion: Sequence[Sequence[Any]]) -> Array:
    try:
        return np.array(portion, dtype=np.float64)
    except (TypeError, ValueError):  # JSON among the numbers
        table = np.empty((len(portion), len(portion[0])), dtype=object)
        for row, cells in enumerate(portion):
            for column, cell in enumerate(cells):
                table[row, column] = json.loads(cell) if isinstance(cell, str) else cell
        return table


def _columns(names: list[str], tables: list[Array]) -> dict[str, Array]:
    table = np.concatenate(tables)
    columns = dict(zip(names, table.T, strict=True))
    if table.dtype == object:
        for name, column in columns.items():
            if not any(isinstance(cell, list | dict) for cell in column):
                columns[name] = column.astype(np.float64)
    return columns
