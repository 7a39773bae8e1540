"""Runs as the record knows them: what one is, how one is entered, how one is found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any

from sqlalchemy import Connection, Select, insert, select

from auctionlab.platform import owner, schema


@dataclass(frozen=True)
class RunInfo:
    """One row of `run`, with the name, config and fingerprint of its experiment."""

    id: int
    name: str
    config: dict[str, Any]
    fingerprint: str
    seed: int
    point: dict[str, Any] | None  # of a sweep: settings, and number and of where it belongs to the last one of its name
    versions: dict[str, str]
    status: str  # waiting (a sweep's), running, interrupted, failed (a sweep's), finished
    round: int  # rounds played so far
    rounds: int
    replications: int
    groups: int
    seats: int
    single_item: bool
    owner: str | None
    started: str
    finished: str | None

    @property
    def alive(self) -> bool:
        """True while a process on this computer plays the run; False after a kill, however sudden."""
        return self.status == "running" and owner.lives(self.owner)


def query() -> Select:
    """Every run with its experiment, oldest first, one column for each field of RunInfo."""
    run, experiment = schema.run, schema.experiment
    columns = [column for column in run.c if column.name != "experiment_id"]
    chosen = select(experiment.c.name, experiment.c.config, experiment.c.fingerprint, *columns)
    return chosen.join_from(run, experiment).order_by(run.c.id)


def enter(connection: Connection, experiment: Mapping[str, Any], run: Mapping[str, Any]) -> int:
    """A new row of `run`, played by this process, of an experiment that may be known already; its id."""
    values = {**run, "experiment_id": _experiment(connection, experiment)}
    values |= {"status": "running", "round": 0, "owner": owner.me(), "started": now()}
    return _new_id(connection.execute(insert(schema.run).values(values)))


def _experiment(connection: Connection, experiment: Mapping[str, Any]) -> int:
    table = schema.experiment
    same = (table.c.fingerprint == experiment["fingerprint"]) & (table.c.name == experiment["name"])
    for row in connection.execute(select(table).where(same)):
        if row.config == experiment["config"]:
            return row.id
    return _new_id(connection.execute(insert(table).values(dict(experiment))))


def _new_id(result: Any) -> int:
    return int(result.inserted_primary_key[0])


def unknown(ref: str, known: Sequence[RunInfo]) -> str:
    """What to say when no run answers to `ref`."""
    if not known:
        return f"no run {ref!r}; there are none yet"
    near = get_close_matches(ref, [info.name for info in known], n=1)
    last = ", ".join(f"{info.id} ({info.name})" for info in known[-5:])
    return f"no run {ref!r}. {f'Did you mean {near[0]!r}? ' if near else ''}The last runs: {last}"


def now() -> str:
    """The time as it is recorded: UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")
