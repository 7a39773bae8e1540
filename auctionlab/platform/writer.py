"""A thread that writes in the background: SQLite works outside Python's lock, so play goes on meanwhile.

Blocks are written in order, one transaction each, and at most `QUEUE` wait, which bounds memory. A block is made before
its transaction begins, so that other processes can write meanwhile. After an error nothing more is written, so that the
record stays a prefix of the run, and every later call raises that error.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import Connection, Engine

from auctionlab.errors import StoreError
from auctionlab.platform.database import explained, shown, writing

QUEUE: Final = 2

Job = tuple[Callable[[], Any], Callable[[Connection, Any], None]]


class Writer:
    """Writes blocks to the database, in a thread of its own unless told otherwise."""

    def __init__(self, engine: Engine, *, threaded: bool = True) -> None:
        self._engine = engine
        self._threaded = threaded
        self._jobs: queue.Queue[Job | None] = queue.Queue(QUEUE)
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def submit(self, make: Callable[[], Any], write: Callable[[Connection, Any], None]) -> None:
        """Have written what `make` returns, by `write` in a transaction; raises what an earlier one met with."""
        self.check()
        job = (make, write)
        if not self._threaded:
            self._write(job)
            self.check()
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="auctionlab-writer", daemon=True)
            self._thread.start()
        self._jobs.put(job)

    def wait(self) -> None:
        """Until every block so far is written or has failed."""
        self._jobs.join()

    def check(self) -> None:
        """Raise what making or writing a block met with."""
        if isinstance(self._error, StoreError):
            raise StoreError(str(self._error)) from self._error
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Write what waits, then end the thread."""
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()
            self._thread = None

    def _serve(self) -> None:
        while True:
            job = self._jobs.get()
            try:
                if job is None:
                    return
                if self._error is None:
                    self._write(job)
            finally:
                del job  # and with it the arrays
                self._jobs.task_done()

    def _write(self, job: Job) -> None:
        make, write = job
        try:
            block = make()
            with explained(shown(self._engine.url)), writing(self._engine) as connection:
                write(connection, block)
        except BaseException as error:
            self._error = error
