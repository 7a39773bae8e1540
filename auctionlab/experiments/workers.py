"""Plays one point of a sweep, in this process or another, and starts the worker processes of this computer."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from auctionlab.errors import AuctionlabError
from auctionlab.experiments.config import load_config
from auctionlab.experiments.playing import play
from auctionlab.platform.ledger import only_rounds
from auctionlab.platform.store import Store
from auctionlab.registry import in_plugin, load_plugins

FINISHED: Final = "finished"
STOPPED: Final = "stopped"
FAILED: Final = "failed"

_SPAWN: Final = multiprocessing.get_context("spawn")  # Mesa sets a start method for the whole process: name our own
_THREADS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


@dataclass(frozen=True)
class Task:
    """All that another process, perhaps on another computer, needs to play a point: plain data."""

    position: int  # of the point in its sweep, from 0
    run_id: int
    document: dict[str, Any]
    database: str
    plugins: tuple[str, ...]
    checkpoint_seconds: float


@dataclass(frozen=True)
class Outcome:
    """What became of a point: finished, stopped on request or failed, and then why, in one sentence."""

    position: int
    status: str
    reason: str = ""


def play_point(
    task: Task, reached: Callable[[int], None] = lambda round: None, stopping: Callable[[], bool] = lambda: False
) -> Outcome:
    """Play the run of a point to its end, or on from its checkpoint; whatever goes wrong is its outcome."""
    reached(0)
    try:
        load_plugins(task.plugins)
        config = load_config(task.document)
        with Store(task.database, create=False) as store:

            def begin() -> int:
                store.claim(task.run_id)
                return task.run_id

            def observe(market: Any, benchmark: Any) -> Callable[[Any], None]:
                return only_rounds(lambda round: reached(round.number + 1))

            _, done = play(config, store, begin, observe, task.checkpoint_seconds, stopping)
    except AuctionlabError as error:
        return Outcome(task.position, FAILED, " ".join(str(error).split()))
    except Exception as error:  # a strategy of the user's own, or memory that ran out
        place = in_plugin(error)
        said = f"{place}: {type(error).__name__}: {error}" if place else f"{type(error).__name__}: {error}"
        return Outcome(task.position, FAILED, " ".join(said.split()))
    return Outcome(task.position, FINISHED if done else STOPPED)


class Shared:
    """Memory that the worker processes share: the round that each point has reached, and whether to stop."""

    def __init__(self, points: int) -> None:
        self.rounds: Any = _SPAWN.Array("q", [-1] * points, lock=False)
        self.stop: Any = _SPAWN.Value("b", 0, lock=False)


_shared: Any = None  # Shared, in a worker process


@contextmanager
def worker_processes(count: int, shared: Shared) -> Iterator[ProcessPoolExecutor]:
    """An executor of `count` processes with one BLAS thread each; left, it waits for points in progress to stop."""
    with _one_thread():
        pool = ProcessPoolExecutor(count, mp_context=_SPAWN, initializer=_start, initargs=(shared,))
        try:
            yield pool
        finally:
            shared.stop.value = 1
            pool.shutdown(cancel_futures=True)


def play_in_worker(task: Task) -> Outcome:
    """`play_point` in a worker process."""
    memory = _shared

    def reached(round: int) -> None:
        memory.rounds[task.position] = round

    return play_point(task, reached, lambda: bool(memory.stop.value))


def _start(shared: Shared) -> None:
    global _shared
    _shared = shared
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; a point in progress handles it
    threading.Thread(target=_follow, daemon=True).start()


def _follow() -> None:
    """End with the process that started this one, however it ended, so that its runs are free at once."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Processes that start meanwhile use one thread for linear algebra, unless the user has said otherwise."""
    ours = [name for name in _THREADS if name not in os.environ]
    os.environ.update(dict.fromkeys(ours, "1"))
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)
