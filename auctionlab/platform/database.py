"""Opens the database and says in one sentence what is wrong with it.

SQLite runs in WAL mode with `synchronous = NORMAL`: a killed process loses nothing that was committed; a power failure
may lose the last transactions, and never leaves half of one. Writers take the write lock when they begin (BEGIN
IMMEDIATE) and wait for each other, so several runs can share a file.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, StaticPool, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from auctionlab.errors import StoreError
from auctionlab.platform import schema

PAGE_BYTES: Final = 8192
CACHE_KIB: Final = 16_384
WAL_PAGES: Final = 2_000  # 16 MB of log before it is folded into the file

_SQLITE: Final = b"SQLite format 3\0"
_COMPLAINTS: Final = {  # what the driver says -> what the user can do
    "database is locked": "another program holds it locked; close that program, or wait, and repeat the command",
    "database table is locked": "another program holds it locked; close that program, or wait, and repeat the command",
    "disk is full": "the disk is full; free some space and repeat the command, it goes on from the last checkpoint",
    "readonly database": "the file or its folder is not writable; change permissions or name another with --database",
    "unable to open": "the file cannot be opened; check that the folder exists and is writable",
    "not a database": "the file is not a SQLite database; name another with --database",
    "malformed": "the file is damaged; restore it from a copy or name another with --database",
    "disk i/o error": "the disk refused to read or write; check it, then repeat the command",
    "bid_row.id": "these rows exist already, because another process plays the same run; let it finish",
    "no such table": "a table is missing; the file was changed by another program, name another with --database",
    "no such column": "a column is missing; the file was changed by another program, name another with --database",
}


def parse_url(database: str) -> URL:
    """The URL of a database; raises StoreError where it is none."""
    try:
        url = make_url(database)
        return url.set(drivername="postgresql+psycopg") if url.drivername == "postgresql" else url
    except ArgumentError:
        raise StoreError(
            f"database {database!r}: not a database URL; for a file write sqlite:///{database or 'auctionlab.db'}"
        ) from None


def open_engine(url: URL, create: bool, timeout: float) -> Engine:
    """An engine for a database of ours; with `create`, one that does not exist yet is made.

    Raises StoreError where the database is missing, foreign, newer, locked or not writable. A foreign file is told by
    its header alone, so it is never opened.
    """
    where = shown(url)
    unknown = f"{where}: unknown kind of database; use sqlite or postgresql"
    if url.get_backend_name() == "sqlite":
        _check_file(url, create)
    try:
        engine = _engine(url, timeout)
    except NoSuchModuleError:
        raise StoreError(unknown) from None
    except ModuleNotFoundError as error:
        if url.get_backend_name() != "postgresql":
            raise StoreError(unknown) from None
        raise StoreError(f"{where}: the driver {error.name!r} is missing; pip install 'auctionlab[postgres]'") from None
    try:
        with explained(where):
            _prepare(engine, where, create, timeout)
    except StoreError:
        engine.dispose()
        raise
    return engine


def shown(url: URL) -> str:
    """The URL as it may be printed: without the password."""
    return url.render_as_string(hide_password=True)


def in_memory(url: URL) -> bool:
    """True for SQLite without a file."""
    return url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:")


@contextmanager
def explained(where: str) -> Iterator[None]:
    """Turns what the driver raises into a StoreError of one sentence."""
    try:
        yield
    except DBAPIError as error:
        said = str(error.orig).strip()
        for complaint, advice in _COMPLAINTS.items():
            if complaint in said.lower():
                raise StoreError(f"{where}: {advice}") from error
        raise StoreError(f"{where}: the database refused ({said.splitlines()[0] if said else error})") from error


def _check_file(url: URL, create: bool) -> None:
    if in_memory(url) or url.query:  # a file name with SQLite's own options is taken as it is
        return
    where, path = shown(url), Path(str(url.database))
    if not path.exists() or (path.is_file() and path.stat().st_size == 0):
        if not create:
            raise StoreError(f"{where}: no such database; run an experiment first, or name another with --database")
        if not path.parent.is_dir():
            raise StoreError(
                f"{where}: there is no folder {str(path.parent)!r}; make it or name another with --database"
            )
        return
    try:
        with path.open("rb") as file:
            header = file.read(100)
    except OSError as error:
        raise StoreError(f"{where}: cannot be read ({error.strerror}); name another with --database") from None
    if not header.startswith(_SQLITE):
        raise StoreError(f"{where}: {_COMPLAINTS['not a database']}")
    if int.from_bytes(header[68:72], "big") != schema.APPLICATION:
        raise StoreError(f"{where}: the database of another program; nothing was changed, name another with --database")


def _engine(url: URL, timeout: float) -> Engine:
    if url.get_backend_name() != "sqlite":
        return create_engine(url)
    options: dict[str, Any] = {"connect_args": {"timeout": timeout, "check_same_thread": False}}
    if in_memory(url):
        options["poolclass"] = StaticPool
    engine = create_engine(url, **options)

    @event.listens_for(engine, "connect")
    def connect(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # transactions begin where `begin` below says so, nowhere else
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("auctionlab_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _prepare(engine: Engine, where: str, create: bool, timeout: float) -> None:
    with engine.connect() as connection:
        found = schema.version(connection)
    if found is None and create:
        if engine.dialect.name == "sqlite" and not in_memory(engine.url):
            _new_file(engine, timeout)
        with writing(engine) as connection:  # two processes may get here at once
            found = schema.version(connection)
            if found is None:
                schema.create(connection)
                found = schema.VERSION
    if found is None:
        raise StoreError(f"{where}: holds no experiments; run one first, or name another with --database")
    if found < 0:
        raise StoreError(f"{where}: the database of another program; nothing was changed, name another with --database")
    if found > schema.VERSION:
        raise StoreError(
            f"{where}: written by a newer auctionlab (schema {found}, this release knows {schema.VERSION}); upgrade it"
        )


def _new_file(engine: Engine, timeout: float) -> None:
    """Mark a new file as ours, then switch it to WAL; SQLite does not wait for the lock by itself there."""
    deadline = time.monotonic() + timeout
    connection = engine.raw_connection()
    try:
        while True:
            try:
                connection.cursor().execute(f"PRAGMA page_size = {PAGE_BYTES}")
                connection.cursor().execute(f"PRAGMA application_id = {schema.APPLICATION}")
                connection.cursor().execute("PRAGMA journal_mode = WAL")
                return
            except engine.dialect.loaded_dbapi.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise DBAPIError("PRAGMA journal_mode", None, error) from error
                time.sleep(0.01)
    finally:
        connection.close()


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction that takes the write lock at once; rolled back where an error leaves it."""
    with engine.connect().execution_options(auctionlab_writes=True) as connection, connection.begin():
        yield connection
