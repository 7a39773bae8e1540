"""The record of runs: one database, opened once, from which every number of a report can be had again."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from sqlalchemy import Connection, Select, delete, insert, select, update

from auctionlab.arrays import Array
from auctionlab.errors import StoreError
from auctionlab.platform import checkpoint, database, owner, queries, rows, runs, schema
from auctionlab.platform.runs import RunInfo
from auctionlab.platform.writer import Writer

if TYPE_CHECKING:
    import pandas as pd

_ROWS: Final = 5_000  # of metrics, made and entered at a time


class Store:
    """A database of runs. Everything that writes does so in one transaction; reading never waits for a writer.

    url : "sqlite:///file.db" or any other SQLAlchemy URL of SQLite or PostgreSQL.
    create : make the database where it does not exist; otherwise that is a StoreError.
    timeout : seconds to wait for another program's lock.
    """

    def __init__(self, url: str = "sqlite:///auctionlab.db", create: bool = True, timeout: float = 60.0) -> None:
        parsed = database.parse_url(url)
        self.url = url
        self._where = database.shown(parsed)
        self._engine = database.open_engine(parsed, create, timeout)
        self._writer = Writer(self._engine, threaded=not database.in_memory(parsed))

    @classmethod
    def open(cls, url: str = "sqlite:///auctionlab.db", create: bool = True, timeout: float = 60.0) -> Store:
        """The same as the constructor."""
        return cls(url, create, timeout)

    def close(self) -> None:
        """Write what waits and close all connections; raises what the writing met with."""
        self._writer.close()
        self._engine.dispose()
        self._writer.check()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if error is None:
            self.close()
            return
        self._writer.close()  # the error on its way says more than a second one would
        self._engine.dispose()

    # runs

    def begin_run(
        self,
        *,
        name: str,
        config: Mapping[str, Any],
        fingerprint: str,
        seed: int,
        rounds: int,
        replications: int,
        groups: int,
        seats: int,
        versions: Mapping[str, str],
        point: Mapping[str, Any] | None = None,
        single_item: bool = True,
    ) -> int:
        """Enter a new run, played by this process, and return its id.

        single_item : False where welfare is not "the value of who gets the item"; the view `auction` then says nothing
        about efficiency.
        """
        cells = rounds * replications * groups * seats
        if cells > schema.SPAN:
            raise StoreError(
                f"{name}: {cells:.3g} bids are more than one run can number, at most 2^44; "
                "take fewer rounds or replications"
            )
        if not -(2**63) <= seed < 2**63:
            raise StoreError(f"{name}: seed {seed} does not fit a database, which takes -2^63 to 2^63 - 1")
        experiment = {"name": name, "config": dict(config), "fingerprint": fingerprint}
        shape = {"rounds": rounds, "replications": replications, "groups": groups, "seats": seats}
        run = {**shape, "seed": seed, "point": point, "versions": dict(versions), "single_item": single_item}
        with self._write() as connection:
            run_id = runs.enter(connection, experiment, run)
            if run_id > schema.MAX_RUNS:
                raise StoreError(f"{self._where}: full after {schema.MAX_RUNS} runs; name another with --database")
        return run_id

    def claim(self, run_id: int) -> None:
        """Take over an unfinished run; raises StoreError while another process plays it."""
        with self._write() as connection:
            row = connection.execute(select(schema.run).where(schema.run.c.id == run_id)).one()
            if row.status == "running" and owner.lives(row.owner) and row.owner != owner.me():
                raise StoreError(f"run {run_id}: another process plays it ({row.owner}); let it finish, or use --again")
            changes = {"status": "running", "owner": owner.me(), "finished": None}
            connection.execute(update(schema.run).where(schema.run.c.id == run_id).values(changes))

    def set_status(self, run_id: int, status: str, round: int | None = None) -> None:
        """Say that a run is "running", "interrupted" or "finished", and how many rounds have been played.

        A finished run needs no checkpoint any more: it is deleted.
        """
        changes: dict[str, Any] = {"status": status, "finished": runs.now() if status == "finished" else None}
        changes |= {"owner": owner.me()} if status == "running" else {}
        changes |= {} if round is None else {"round": round}
        with self._write(check=status == "finished") as connection:
            connection.execute(update(schema.run).where(schema.run.c.id == run_id).values(changes))
            if status == "finished":
                connection.execute(delete(schema.checkpoint).where(schema.checkpoint.c.run_id == run_id))

    def set_points(self, points: Mapping[int, Mapping[str, Any] | None]) -> None:
        """Say which point of a sweep each of these runs is, by run id."""
        with self._write() as connection:
            for run_id, point in points.items():
                connection.execute(update(schema.run).where(schema.run.c.id == run_id).values(point=point))

    def runs(self) -> list[RunInfo]:
        """All runs, oldest first."""
        return self._runs(runs.query())

    def run(self, ref: int | str) -> RunInfo:
        """The run with this id, the newest of this name, or the newest of all ("last")."""
        query, text = runs.query(), str(ref)
        if text.isdecimal():
            query = query.where(schema.run.c.id == int(text))
        elif text != "last":
            query = query.where(schema.experiment.c.name == text)
        found = self._runs(query)
        if not found:
            raise StoreError(f"{self._where}: {runs.unknown(text, self.runs())}")
        return found[-1]

    def find_run(self, fingerprint: str) -> RunInfo | None:
        """The newest run of the experiment with this fingerprint; see `alive` and `claim` before going on with it."""
        found = self._runs(runs.query().where(schema.experiment.c.fingerprint == fingerprint))
        return found[-1] if found else None

    def _runs(self, query: Select) -> list[RunInfo]:
        with self._read() as connection:
            return [RunInfo(**row) for row in connection.execute(query).mappings()]

    # agents

    def add_agents(self, run_id: int, agents: Sequence[Mapping[str, Any]]) -> Array:
        """Enter the population, one row a member (role, member, strategy, parameters); agent ids (P,) by member.

        An agent's id is its member number. Entering the same population again changes nothing.
        """
        members = sorted(int(row["member"]) for row in agents)
        if members != list(range(len(agents))):
            raise StoreError(f"run {run_id}: members must be numbered 0 to {len(agents) - 1}, each once")
        values = [{**row, "run_id": run_id, "agent_id": int(row["member"])} for row in agents]
        with self._write() as connection:
            connection.execute(delete(schema.agent).where(schema.agent.c.run_id == run_id))
            if values:
                connection.execute(insert(schema.agent), values)
        return np.arange(len(agents))

    def agents(self, run_id: int) -> pd.DataFrame:
        """The population: agent_id, role, member, strategy, parameters (dict)."""
        table = schema.agent
        columns = [table.c.agent_id, table.c.role, table.c.member, table.c.strategy, table.c.parameters]
        return self._frame(select(*columns).where(table.c.run_id == run_id).order_by(table.c.agent_id))

    # bids

    def write_rows(self, make: Callable[[], rows.Block]) -> None:
        """Write a block in one transaction, in the background; `make` builds it there. Errors come at a later call."""
        self._writer.submit(make, rows.insert)

    def flush(self) -> None:
        """Until all rows are written; raises what the writing met with."""
        self._writer.wait()
        self._writer.check()

    def bids(
        self,
        run_id: int,
        *,
        rounds: tuple[int, int] | None = None,
        replications: Collection[int] | None = None,
        columns: Sequence[str] | None = None,
        limit: int | None = None,
    ) -> pd.DataFrame:
        """Rows of the view `bid` in the order of play, for rounds lo ≤ round < hi of some replications.

        A message that takes no part is NaN; vectors are lists.
        """
        import pandas as pd

        parts = list(self.bid_parts(run_id, rounds=rounds, replications=replications, columns=columns, limit=limit))
        return parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)

    def bid_parts(
        self,
        run_id: int,
        *,
        rounds: tuple[int, int] | None = None,
        replications: Collection[int] | None = None,
        columns: Sequence[str] | None = None,
        limit: int | None = None,
    ) -> Iterator[pd.DataFrame]:
        """The same in portions of about 100,000 rows (at least one, maybe empty), for runs larger than memory."""
        selection = queries.Selection(self.run(run_id), rounds, replications, columns, limit)
        with self._read() as connection:
            yield from queries.bid_parts(connection, selection)

    def auctions(
        self, run_id: int, *, rounds: tuple[int, int] | None = None, replications: Collection[int] | None = None
    ) -> pd.DataFrame:
        """Rows of the view `auction` in the order of play; NaN where the view has NULL."""
        selection = queries.Selection(self.run(run_id), rounds, replications)
        with self._read() as connection:
            return queries.auctions(connection, selection)

    def delete_after(self, run_id: int, round: int) -> None:
        """Delete the rows of this round and all later ones."""
        info = self.run(run_id)
        low = schema.key(run_id, round * info.replications * info.groups * info.seats)
        table = schema.bid_table(self._engine.dialect.name)
        with self._write() as connection:
            connection.execute(delete(table).where(table.c.id >= low, table.c.id < schema.key(run_id + 1)))

    # checkpoints

    def save_checkpoint(self, run_id: int, round: int, arrays: Mapping[str, Array]) -> None:
        """Replace the run's checkpoint: `round` rounds are played, and all their rows are written before it is."""
        parts = itertools.count()
        with self._write() as connection:
            connection.execute(delete(schema.checkpoint).where(schema.checkpoint.c.run_id == run_id))
            row = {"run_id": run_id, "round": round}
            enter = insert(schema.checkpoint)
            checkpoint.pack(arrays, lambda data: connection.execute(enter, row | {"part": next(parts), "arrays": data}))
            connection.execute(update(schema.run).where(schema.run.c.id == run_id).values(round=round))

    def load_checkpoint(self, run_id: int) -> tuple[int, dict[str, Array]] | None:
        """Rounds played and arrays of the last checkpoint; None where there is none."""
        table = schema.checkpoint
        with self._read() as connection:
            parts = connection.execute(select(table).where(table.c.run_id == run_id).order_by(table.c.part)).all()
        if not parts:
            return None
        try:
            return parts[0].round, checkpoint.unpack([part.arrays for part in parts])
        except StoreError as error:
            raise StoreError(f"{self._where}: run {run_id}: {error}") from error

    # results

    def write_results(
        self, run_id: int, metrics: Iterable[Mapping[str, Any]], verdicts: Iterable[Mapping[str, Any]]
    ) -> None:
        """Replace the run's metrics and verdicts.

        metrics : rows (or a DataFrame) with replication, agent or agent_id, round, name, value.
        verdicts : rows with name, verdict, estimate, low, high, theory, margin, note; other keys go to `details`.
        """
        with self._write() as connection:
            for table, make, found in (
                (schema.metric, queries.metric_row, metrics),
                (schema.verdict, queries.verdict_row, verdicts),
            ):
                connection.execute(delete(table).where(table.c.run_id == run_id))
                made = (make(run_id, row) for row in _records(found))
                while some := list(itertools.islice(made, _ROWS)):
                    connection.execute(insert(table), some)

    def metrics(self, run_id: int, names: Collection[str] | None = None, prefix: str = "") -> pd.DataFrame:
        """replication, agent_id, round, name, value; NA where a metric has no replication, agent or round.

        Of all metrics, or those with these names, or those whose names begin with `prefix`.
        """
        table = schema.metric
        query = select(table.c.replication, table.c.agent_id, table.c.round, table.c.name, table.c.value)
        query = query.where(table.c.run_id == run_id)
        if prefix:
            query = query.where(table.c.name.startswith(prefix, autoescape=True))
        frame = self._frame(query if names is None else query.where(table.c.name.in_(list(names))))
        integers = dict.fromkeys(("replication", "agent_id", "round"), "Int64")
        return frame.astype({**integers, "value": "float64"})

    def verdicts(self, run_id: int) -> pd.DataFrame:
        """name, verdict, estimate, low, high, theory, margin, note, details (dict or None)."""
        columns = [column for column in schema.verdict.c if column.name != "run_id"]
        return self._frame(select(*columns).where(schema.verdict.c.run_id == run_id))

    # connections

    def _frame(self, query: Select) -> pd.DataFrame:
        import pandas as pd

        with self._read() as connection:
            result = connection.execute(query)
            return pd.DataFrame([tuple(row) for row in result], columns=list(result.keys()))

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        self.flush()
        with database.explained(self._where), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _write(self, check: bool = True) -> Iterator[Connection]:
        self._writer.wait()
        if check:
            self._writer.check()
        with database.explained(self._where), database.writing(self._engine) as connection:
            yield connection


def _records(table: Any) -> Iterable[Mapping[str, Any]]:
    return table.to_dict("records") if hasattr(table, "to_dict") else table
