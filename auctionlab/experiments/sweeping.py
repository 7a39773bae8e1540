"""Plays the points of a sweep: here one after the other, on worker processes, or on an executor of the caller's.

Every point is a run of its own, entered before the first one begins, so that ids, rows and results do not depend on
who plays what and when. All write into one database, which waits for one writer at a time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from auctionlab.errors import AuctionlabError, ConfigError, Stopped, StoreError
from auctionlab.experiments import playing
from auctionlab.experiments.api import database_of
from auctionlab.experiments.sweep import Point, Sweep, load_sweep
from auctionlab.experiments.sweep_result import Failure, SweepResult, stopped_replications
from auctionlab.experiments.workers import (
    FAILED,
    FINISHED,
    STOPPED,
    Outcome,
    Shared,
    Task,
    play_in_worker,
    play_point,
    worker_processes,
)
from auctionlab.platform.runner import StopRequest, stop_on_signals
from auctionlab.platform.store import Store
from auctionlab.registry import plugin_files

Watch = Callable[[Sequence[int]], None]  # is told the round that each point has reached, -1 before it begins

_BEAT = 0.2  # seconds between looks at where the points are


class SweepInterrupted(Stopped):
    """A sweep was stopped; everything played is recorded and the same command goes on."""

    def __init__(self, result: SweepResult, finished: int) -> None:
        self.result = result
        done = f"stopped after {finished:,} of {len(result.run_ids):,} points"
        super().__init__(f"{result.name}: {done}; nothing is lost. The same command goes on from there")


def run_sweep(
    source: str | Path | Mapping[str, Any] | Sweep,
    overrides: Iterable[str] | Mapping[str, Any] = (),
    *,
    executor: Executor | None = None,
    workers: int = 1,
    database: str | None = None,
    again: bool = False,
    watch: Watch = lambda rounds: None,
    tell: Callable[[str], None] = lambda message: None,
    checkpoint_seconds: float = 10.0,
    **settings: Any,
) -> SweepResult:
    """Run and judge every point of a [sweep]; go on with what was stopped, skip what is finished.

    source, overrides, database, again, tell, settings : as in `auctionlab.run`; they hold for all points.
    workers : processes on this computer, each with one BLAS thread; 1 plays here. A script that wants more has to be
        guarded by `if __name__ == "__main__":`, as always with processes.
    executor : any `concurrent.futures.Executor` instead, which is left open. On a cluster, for example, with Dask
        (pip install 'auctionlab[cluster]'):

            with dask.distributed.Client("tcp://scheduler:8786") as client:
                auctionlab.run_sweep("my.toml", executor=client.get_executor(), database="postgresql://host/lab")

        Its workers open the database by its URL, so it has to be PostgreSQL, or a file that all of them share.
    watch : is told a few times a second which round each point has reached.
    A point that fails is told, listed in `failures`, and does not hold up the others. Raises ConfigError where a point
    is not a valid experiment, before the first one runs, and SweepInterrupted after Ctrl-C.
    """
    if workers < 1:
        raise ConfigError(f"workers: should be at least 1, got {workers}")
    sweep = load_sweep(source, overrides, **settings)
    url = database_of(database or sweep.database)
    with Store(url) as store:
        run_ids, left = _enter(sweep, store, again, tell)
        points = sweep.points
        tasks = [
            Task(at, run_ids[at], points[at].config.document, url, plugin_files(), checkpoint_seconds) for at in left
        ]
        rounds = [-1 if at in left else point.config.rounds for at, point in enumerate(points)]
        failures: list[Failure] = []
        with stop_on_signals() as stop, closing(_play(tasks, executor, workers, rounds, watch, stop)) as outcomes:
            for outcome in outcomes:
                point, run_id = points[outcome.position], run_ids[outcome.position]
                if outcome.status == FAILED and not _settle(store, run_id):
                    failures.append(Failure(point.number, point.label, outcome.reason))
                    tell(f"point {point.number} of {len(points)} ({point.label}) failed: {outcome.reason}")
                elif outcome.status == STOPPED:
                    stop.asked = True
                else:
                    tell(_told(store, point, len(points), run_id))
        result = SweepResult(url, sweep.name, run_ids, tuple(sorted(failures, key=lambda failure: failure.number)))
        finished = sum(info.status == FINISHED for info in result.points)
    if stop.asked and finished + len(failures) < len(points):
        raise SweepInterrupted(result, finished)
    return result


def _enter(
    sweep: Sweep, store: Store, again: bool, tell: Callable[[str], None]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The run of every point, found or entered anew, and the positions of the points still to play.

    Runs say which point of the sweep of their name they are; those that it has no longer say so no more.
    """
    known = [info for info in store.runs() if info.name == sweep.name and info.point is not None]
    newest = {info.fingerprint: info for info in known}
    found = [newest.get(point.config.fingerprint) for point in sweep.points]
    finished = [info is not None and info.status == FINISHED for info in found]
    if again and all(finished):
        found, finished = [None] * len(found), [False] * len(found)
    playing.warn_of_size([p.config for p, info in zip(sweep.points, found, strict=True) if info is None], tell)
    run_ids: list[int] = []
    stamps: dict[int, dict[str, Any]] = {}
    for point, info in zip(sweep.points, found, strict=True):
        stamp = {"number": point.number, "of": len(sweep.points), "settings": point.settings}
        if info is None:
            run_ids.append(playing.enter(point.config, store, stamp))
            store.set_status(run_ids[-1], "waiting")
        else:
            run_ids.append(info.id)
            stamps |= {info.id: stamp} if info.point != stamp else {}
    taken = set(run_ids)
    stamps |= {
        info.id: {"settings": info.point["settings"]}
        for info in known
        if info.point is not None and "number" in info.point and info.id not in taken
    }
    if stamps:
        store.set_points(stamps)
    if all(finished):
        kept = playing.kept_words(store.run(run_ids[0]).config, sweep.points[0].config).replace("it was", "they were")
        tell(f"{sweep.name}: all {len(finished):,} points are already finished{kept}; --again plays them once more")
    elif any(finished):
        tell(f"{sweep.name}: {sum(finished):,} of {len(finished):,} points are already finished; the others go on")
    return tuple(run_ids), tuple(at for at, done in enumerate(finished) if not done)


def _settle(store: Store, run_id: int) -> bool:
    """Mark a run as failed, unless it is finished after all or another process plays it; True where it is finished."""
    info = store.run(run_id)
    if info.status != FINISHED and not info.alive:
        with suppress(StoreError):  # what failed first says more
            store.set_status(run_id, FAILED)
    return info.status == FINISHED


def _told(store: Store, point: Point, count: int, run_id: int) -> str:
    """A line on a finished point."""
    verdicts = store.verdicts(run_id)
    said = "finished"
    for row in verdicts[verdicts["name"] == "revenue"].to_dict("records"):
        said = f"revenue {row['estimate']:.4g}" + (f", {row['verdict']}" if row["verdict"] else "")
    if gone := stopped_replications(store, run_id):
        said += (
            f"; {gone:,} of {store.run(run_id).replications:,} replications stopped, as a learner's numbers overflowed"
        )
    return f"point {point.number} of {count} ({point.label}): {said}"


# who plays


def _play(
    tasks: list[Task], executor: Executor | None, workers: int, rounds: list[int], watch: Watch, stop: StopRequest
) -> Generator[Outcome, None, None]:
    """The outcome of every task that was begun, as they come; `rounds` follows where the points are."""
    if executor is not None:
        played = _on_executor(executor, tasks, lambda: watch(rounds), stop)
    elif min(workers, len(tasks)) > 1:
        played = _on_workers(tasks, min(workers, len(tasks)), rounds, watch, stop)
    else:
        played = _here(tasks, rounds, watch, stop)
    for outcome in played:
        yield outcome
        watch(rounds)


def _here(tasks: list[Task], rounds: list[int], watch: Watch, stop: StopRequest) -> Iterator[Outcome]:
    """One after the other in this process."""
    looked = 0.0

    def reached(round: int) -> None:
        nonlocal looked
        rounds[task.position] = round
        if time.monotonic() - looked > _BEAT:
            looked = time.monotonic()
            watch(rounds)

    for task in tasks:
        if stop.asked:
            return
        yield play_point(task, reached)


def _on_executor(
    executor: Executor, tasks: list[Task], beat: Callable[[], None], stop: StopRequest
) -> Iterator[Outcome]:
    """On somebody's executor. After a request to stop, points in progress are played to their end there."""
    for task, future in _as_completed(executor, play_point, tasks, beat, stop):
        error = future.exception()
        yield future.result() if error is None else Outcome(task.position, FAILED, f"{type(error).__name__}: {error}")


def _on_workers(tasks: list[Task], count: int, rounds: list[int], watch: Watch, stop: StopRequest) -> Iterator[Outcome]:
    """On processes of this computer. If one dies (memory, say), what was in progress is played again, each point alone:
    the one that its process dies of once more has failed, and the others have not.
    """
    suspects: list[Task] = []
    while (tasks or suspects) and not stop.asked:
        batch, alone = (tasks, False) if tasks else (suspects[:1], True)
        shared, lost = Shared(len(rounds)), list[Task]()

        def beat(shared: Shared = shared) -> None:
            if stop.asked:
                shared.stop.value = 1
            rounds[:] = [max(pair) for pair in zip(rounds, shared.rounds, strict=True)]
            watch(rounds)

        with worker_processes(min(count, len(batch)), shared) as pool:
            for task, future in _as_completed(pool, play_in_worker, batch, beat, stop):
                error = future.exception()
                if isinstance(error, BrokenExecutor):
                    lost.append(task)
                elif isinstance(error, KeyboardInterrupt):
                    yield Outcome(task.position, STOPPED)
                else:
                    yield future.result()
        begun = [task for task in lost if shared.rounds[task.position] >= 0]
        if lost and not begun:
            raise AuctionlabError(
                'worker processes cannot start; a script that asks for them needs `if __name__ == "__main__":`'
            )
        if alone:
            suspects = suspects[1:]
            for task in begun:
                yield Outcome(task.position, FAILED, "its worker process died; perhaps memory ran out")
        else:
            suspects += begun
            tasks = [task for task in lost if task not in begun]


def _as_completed(
    executor: Executor,
    function: Callable[[Task], Outcome],
    tasks: list[Task],
    beat: Callable[[], None],
    stop: StopRequest,
) -> Iterator[tuple[Task, Future[Outcome]]]:
    """Tasks with their futures as they are done; those that have not begun when a stop is asked for are left out."""
    futures = {executor.submit(function, task): task for task in tasks}
    pending = set(futures)
    try:
        while pending:
            done, pending = wait(pending, _BEAT, FIRST_COMPLETED)
            if stop.asked:
                for future in pending:
                    future.cancel()
            beat()
            for future in done:
                if not future.cancelled():
                    yield futures[future], future
    finally:
        for future in pending:
            future.cancel()
