"""What is read from a record: bids and auctions as frames, straight from the range of keys of a run."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import Connection

from auctionlab.arrays import Array
from auctionlab.errors import StoreError, suggest
from auctionlab.platform import rows, schema

if TYPE_CHECKING:
    import pandas as pd

    from auctionlab.platform.runs import RunInfo

_STORED = ("agent_id", "signal", "value", "message", "allocation", "payment", "utility")
_VERDICT = ("name", "verdict", "estimate", "low", "high", "theory", "margin", "note")


@dataclass(frozen=True)
class Selection:
    """Some rows and columns of the bids of a run: rounds lo ≤ round < hi, all or some replications."""

    run: RunInfo
    rounds: tuple[int, int] | None = None
    replications: Collection[int] | None = None
    columns: Sequence[str] | None = None
    limit: int | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of the view `bid` that are wanted."""
        for name in self.columns or ():
            if name not in schema.BID_COLUMNS:
                raise StoreError(f"bids: unknown column {name!r}. {suggest(name, schema.BID_COLUMNS)}")
        return tuple(self.columns or schema.BID_COLUMNS)

    def sql(self, stored: Sequence[str]) -> str:
        """SELECT of the cell and some stored columns, in the order of play."""
        run = self.run
        low, high = self.rounds if self.rounds is not None else (0, run.rounds)
        size, each = run.groups * run.seats, run.replications * run.groups * run.seats
        columns = ", ".join(f"{schema.DERIVED.get(name, name)} AS {name}" for name in stored)
        columns = columns.replace("cell", f"(id - {schema.key(run.id)})").replace("(groups * seats)", str(size))
        first, end = schema.key(run.id, max(0, low) * each), schema.key(run.id, min(high, run.rounds) * each)
        where = f"id >= {first} AND id < {end}"
        if self.replications is not None:
            listed = ", ".join(str(int(number)) for number in self.replications) or "NULL"
            where += f" AND (id - {schema.key(run.id)}) / {size} % {run.replications} IN ({listed})"
        limit = "" if self.limit is None else f" LIMIT {int(self.limit)}"
        comma = ", " if columns else ""
        return f"SELECT id - {schema.key(run.id)} AS cell{comma}{columns} FROM bid_row WHERE {where} ORDER BY id{limit}"

    def read(self, connection: Connection, stored: Sequence[str]) -> Iterator[dict[str, Array]]:
        """The cells (ints) and stored columns, in portions; vectors are lists."""
        typed = connection.dialect.name != "sqlite"
        for columns in rows.fetch(connection, self.sql([*stored, "vectors"] if typed else stored)):
            vectors = columns.pop("vectors", np.empty(0))
            if vectors.dtype == object:
                columns |= _unfold(vectors, columns)
            columns["cell"] = columns["cell"].astype(np.int64)
            yield columns


def _unfold(vectors: Array, columns: Mapping[str, Array]) -> dict[str, Array]:
    """The columns that lie in the JSON column `vectors`, as lists."""
    found: dict[str, Array] = {}
    for name in columns:
        if any(isinstance(cell, dict) and name in cell for cell in vectors):
            found[name] = np.empty(len(vectors), dtype=object)
            found[name][:] = [cell.get(name) if isinstance(cell, dict) else None for cell in vectors]
    return found


def bid_parts(connection: Connection, selection: Selection) -> Iterator[pd.DataFrame]:
    """Frames with the wanted columns; an empty one where there are no rows."""
    import pandas as pd

    names = selection.names
    stored = [name for name in names if name in _STORED]
    empty = True
    for columns in selection.read(connection, stored):
        empty = False
        columns |= address(selection.run, columns.pop("cell"))
        if "agent_id" in columns:
            columns["agent_id"] = columns["agent_id"].astype(np.int64)
        yield pd.DataFrame({name: columns[name] for name in names})
    if empty:
        kinds = {name: np.int64 if name in schema.BID_COLUMNS[:6] else np.float64 for name in names}
        yield pd.DataFrame({name: np.empty(0, kind) for name, kind in kinds.items()})


def address(run: RunInfo, cell: Array) -> dict[str, Array]:
    """What a cell stands for: run_id, round, replication, group_index and seat."""
    group, seat = np.divmod(cell, run.seats)
    replication, group = np.divmod(group, run.groups)
    round, replication = np.divmod(replication, run.replications)
    places = {"round": round, "replication": replication, "group_index": group, "seat": seat}
    return {"run_id": np.full(len(cell), run.id), **places}


def auctions(connection: Connection, selection: Selection) -> pd.DataFrame:
    """The view `auction`, computed from arrays: all seats of an auction follow each other."""
    import pandas as pd

    run = selection.run
    stored = ("agent_id", "value", "allocation", "payment", "utility")
    parts = list(selection.read(connection, stored))
    if not parts:
        return pd.DataFrame({name: np.empty(0) for name in schema.AUCTION_COLUMNS})
    flat = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    grid = {name: column.reshape(-1, run.seats) for name, column in flat.items()}
    places = address(run, grid["cell"][:, 0])
    del places["seat"]
    return pd.DataFrame({**places, **_settle(run, grid)})[list(schema.AUCTION_COLUMNS)]


def _settle(run: RunInfo, grid: Mapping[str, Array]) -> dict[str, Array]:
    """Columns (B,) of auctions from columns (B, n) of bids."""
    values, allocation, payments = grid["value"], grid["allocation"], grid["payment"]
    unknown = np.full(len(payments), np.nan)
    revenue = _total(payments)
    settled: dict[str, Array] = dict.fromkeys(schema.AUCTION_COLUMNS[5:], unknown) | {"revenue": revenue}
    scalar = values.dtype != object and allocation.dtype != object
    settled["welfare"] = _total(values * allocation) if scalar else _total(grid["utility"] + payments)
    if values.dtype != object:
        settled["highest_value"] = values.max(axis=1)
    if allocation.dtype != object:
        gets = allocation > 0
        seat, one = gets.argmax(axis=1), gets.sum(axis=1) == 1
        agent = grid["agent_id"][np.arange(len(seat)), seat]
        settled |= {"winner_seat": np.where(one, seat, np.nan), "winner_agent_id": np.where(one, agent, np.nan)}
        settled["sold"] = np.any(gets, axis=1).astype(np.float64)
    if scalar and run.single_item:
        best: Array = np.maximum(settled["highest_value"], 0.0)
        settled["efficient"] = (settled["welfare"] >= best).astype(np.float64)
    return settled


def _total(columns: Array) -> Array:
    """Sum over seats from left to right, as the database does."""
    total = columns[:, 0].copy()
    for seat in range(1, columns.shape[1]):
        total += columns[:, seat]
    return total


def metric_row(run_id: int, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of `metric`."""
    agent = row["agent_id"] if "agent_id" in row else row.get("agent")
    places = {"replication": row.get("replication"), "agent_id": agent, "round": row.get("round")}
    numbers = {name: None if _missing(place) else int(place) for name, place in places.items()}  # type: ignore[arg-type]
    return {"run_id": run_id, "name": str(row["name"]), "value": _real(row["value"]), **numbers}


def verdict_row(run_id: int, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of `verdict`."""
    values = {name: row.get(name) for name in _VERDICT}
    for name in _VERDICT[2:7]:
        values[name] = _real(values[name])
    details = {name: _plain(value) for name, value in row.items() if name not in (*_VERDICT, "details")}
    return {"run_id": run_id, **values, "details": {**(row.get("details") or {}), **details} or None}


def _missing(value: Any) -> bool:
    return value is None or value is getattr(value, "NA", None) or bool(value != value)


def _real(value: Any) -> float | None:
    return None if value is None or not np.isfinite(float(value)) else float(value)


def _plain(value: Any) -> Any:
    value = value.tolist() if hasattr(value, "tolist") else value
    return None if isinstance(value, float) and not np.isfinite(value) else value
