"""The tables and views of the record, in SQLAlchemy Core; SQLite and PostgreSQL.

Bids lie in `bid_row`, whose one key packs the address (see `key`), so that writing is appending and a run, or a range
of its rounds, is a range of keys. What can be computed bit for bit from other columns is NULL there; the view `bid`
computes it: agent_id = position among the run's members, value = signal, utility = value * allocation - payment.
Vectors are JSON: in the same column on SQLite, in the column `vectors` on databases with typed columns.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    inspect,
    text,
)

VERSION: Final = 1  # of the schema; a database with a higher one is not touched
APPLICATION: Final = 0x4155_4354  # "AUCT", in the header of every SQLite file of ours
SPAN: Final = 2**44  # keys a run
MAX_RUNS: Final = 2**63 // SPAN - 1

KEY = BigInteger().with_variant(Integer, "sqlite")  # INTEGER PRIMARY KEY is SQLite's own row number

metadata = MetaData()

meta = Table("meta", metadata, Column("key", String, primary_key=True), Column("value", String, nullable=False))

experiment = Table(
    "experiment",
    metadata,
    Column("id", KEY, primary_key=True),
    Column("name", String, nullable=False),
    Column("config", JSON, nullable=False),
    Column("fingerprint", String, nullable=False, index=True),
)

run = Table(
    "run",
    metadata,
    Column("id", KEY, primary_key=True),
    Column("experiment_id", ForeignKey("experiment.id"), nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("point", JSON(none_as_null=True)),  # of a sweep
    Column("versions", JSON, nullable=False),
    Column("status", String, nullable=False),  # running, interrupted, finished
    Column("round", BigInteger, nullable=False),  # rounds played so far
    Column("rounds", BigInteger, nullable=False),
    Column("replications", BigInteger, nullable=False),
    Column("groups", BigInteger, nullable=False),
    Column("seats", BigInteger, nullable=False),
    Column("single_item", Boolean, nullable=False),  # the view `auction` judges efficiency only then
    Column("owner", String),  # the process that plays it
    Column("started", String, nullable=False),  # UTC, ISO 8601
    Column("finished", String),
    sqlite_autoincrement=True,  # a key is never given twice, so rows never change their run
)

agent = Table(
    "agent",
    metadata,
    Column("run_id", ForeignKey("run.id"), primary_key=True),
    Column("agent_id", Integer, primary_key=True, autoincrement=False),
    Column("role", Integer, nullable=False),
    Column("member", Integer, nullable=False),
    Column("strategy", String, nullable=False),
    Column("parameters", JSON, nullable=False),
)

metric = Table(
    "metric",
    metadata,
    Column("run_id", ForeignKey("run.id"), nullable=False),
    Column("replication", Integer),
    Column("agent_id", Integer),
    Column("round", BigInteger),
    Column("name", String, nullable=False),
    Column("value", Float),
    Index("metric_by_run", "run_id", "name"),
)

verdict = Table(
    "verdict",
    metadata,
    Column("run_id", ForeignKey("run.id"), primary_key=True),
    Column("name", String, primary_key=True),
    Column("verdict", String, nullable=False),
    *(Column(name, Float) for name in ("estimate", "low", "high", "theory", "margin")),
    Column("note", Text),
    Column("details", JSON(none_as_null=True)),  # everything else that the analysis said
)

checkpoint = Table(
    "checkpoint",
    metadata,
    Column("run_id", ForeignKey("run.id"), primary_key=True),
    Column("part", Integer, primary_key=True, autoincrement=False),
    Column("round", BigInteger, nullable=False),
    Column("arrays", LargeBinary, nullable=False),
)


def bid_table(dialect: str) -> Table:
    """The physical table of bids: eight columns, and one more for vectors where columns are typed."""
    return Table(
        "bid_row",
        MetaData(),
        Column("id", KEY, primary_key=True, autoincrement=False),
        Column("agent_id", Integer),
        *(Column(name, Float) for name in ("signal", "message", "allocation", "payment", "value", "utility")),
        *(() if dialect == "sqlite" else (Column("vectors", JSON(none_as_null=True)),)),
    )


def key(run_id: int, cell: int = 0) -> int:
    """The key of a bid: run_id * SPAN + cell, cell = ((round * R + replication) * G + group_index) * n + seat."""
    return run_id * SPAN + cell


BID_COLUMNS: Final = (
    *("run_id", "round", "replication", "group_index", "seat", "agent_id"),
    *("signal", "value", "message", "allocation", "payment", "utility"),
)

DERIVED: Final = {  # of a row of bid_row and its cell
    "agent_id": "COALESCE(agent_id, cell % (groups * seats))",
    "value": "COALESCE(value, signal)",
    "utility": "COALESCE(utility, COALESCE(value, signal) * allocation - payment)",
}

BID_VIEW: Final = f"""
CREATE VIEW bid AS
SELECT run_id,
       cell / (replications * groups * seats) AS round,
       cell / (groups * seats) % replications AS replication,
       cell / seats % groups AS group_index,
       cell % seats AS seat,
       {DERIVED["agent_id"]} AS agent_id,
       signal,
       {DERIVED["value"]} AS value,
       message, allocation, payment,
       {DERIVED["utility"]} AS utility{{vectors}}
FROM (SELECT r.id AS run_id, r.replications, r.groups, r.seats, b.id - r.id * {SPAN} AS cell,
             b.agent_id, b.signal, b.message, b.allocation, b.payment, b.value, b.utility{{vectors}}
      FROM run r JOIN bid_row b ON b.id >= r.id * {SPAN} AND b.id < (r.id + 1) * {SPAN}) AS placed
"""

AUCTION_COLUMNS: Final = (
    *("run_id", "round", "replication", "group_index", "revenue", "welfare"),
    *("winner_seat", "winner_agent_id", "sold", "efficient", "highest_value"),
)

AUCTION_VIEW: Final = """
CREATE VIEW auction AS
SELECT run_id, round, replication, group_index, revenue, welfare,
       CASE WHEN winners = 1 THEN winner_seat END AS winner_seat,
       CASE WHEN winners = 1 THEN winner_agent_id END AS winner_agent_id,
       sold,
       CASE WHEN NOT single_item THEN NULL
            WHEN welfare >= highest_value AND welfare >= 0 THEN 1 ELSE 0 END AS efficient,
       highest_value
FROM (SELECT b.run_id, b.round, b.replication, b.group_index, r.single_item,
             SUM(b.payment) AS revenue,
             COALESCE(SUM({value} * {allocation}), SUM(b.utility + b.payment)) AS welfare,
             COUNT(CASE WHEN {allocation} > 0 THEN 1 END) AS winners,
             MAX(CASE WHEN {allocation} > 0 THEN b.seat END) AS winner_seat,
             MAX(CASE WHEN {allocation} > 0 THEN b.agent_id END) AS winner_agent_id,
             MAX(CASE WHEN {allocation} IS NOT NULL THEN CASE WHEN {allocation} > 0 THEN 1 ELSE 0 END END) AS sold,
             MAX({value}) AS highest_value
      FROM bid b JOIN run r ON r.id = b.run_id
      GROUP BY b.run_id, b.round, b.replication, b.group_index, r.single_item) AS settled
"""


def views(dialect: str) -> list[str]:
    """The statements that create the views; numbers only, where a column may also hold JSON."""
    if dialect == "sqlite":
        names = {name: f"CASE WHEN typeof(b.{name}) <> 'text' THEN b.{name} END" for name in ("value", "allocation")}
        return [BID_VIEW.format(vectors=""), AUCTION_VIEW.format(**names)]
    return [BID_VIEW.format(vectors=", vectors"), AUCTION_VIEW.format(value="b.value", allocation="b.allocation")]


def create(connection: Connection) -> None:
    """Make every table and view, inside the caller's transaction."""
    dialect = connection.dialect.name
    if dialect == "sqlite":
        connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION}")
    metadata.create_all(connection)
    bid_table(dialect).create(connection)
    for view in views(dialect):
        connection.execute(text(view))
    connection.execute(meta.insert().values(key="schema", value=str(VERSION)))


def version(connection: Connection) -> int | None:
    """The schema version of a database; None where there is no record, -1 where the tables are somebody else's."""
    names = set(inspect(connection).get_table_names())
    if "meta" in names:
        try:
            found = connection.execute(meta.select().where(meta.c.key == "schema")).first()
            return int(found.value) if found is not None else -1
        except Exception:  # a table `meta` with other columns
            return -1
    return -1 if names & {*metadata.tables, "bid_row"} else None
