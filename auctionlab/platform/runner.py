"""Plays a market to its end, or to a clean stop, with checkpoints from which the same rows follow.

A checkpoint holds the round number, what the strategies have learned and what the consumers have accumulated; rows may
run ahead of it, and a resume deletes those first. So whenever the process dies, the database holds a prefix of the run.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Final

from auctionlab.arrays import Array
from auctionlab.platform.ledger import Consumer, Ledger, Round
from auctionlab.platform.market import Market
from auctionlab.platform.memory import keep_freed_memory
from auctionlab.platform.recorder import Recorder
from auctionlab.platform.store import Store
from auctionlab.platform.stretch import advancer

CHECKPOINT_SECONDS: Final = 10.0


class StopRequest:
    """Set by Ctrl-C or SIGTERM; the run stops after the round in progress. A second Ctrl-C does not wait."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """While inside, SIGINT and SIGTERM ask for a stop instead of raising (main thread only)."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def play_run(
    market: Market,
    store: Store,
    run_id: int,
    recorder: Recorder,
    consumers: Mapping[str, Consumer],
    observers: tuple[Callable[[Round], None], ...] = (),
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    stopping: Callable[[], bool] = lambda: False,
) -> bool:
    """Play from the last checkpoint (or the first round) on; True when the last round has been played.

    consumers : by name, what accumulates over rounds beside the recorder; their state is checkpointed.
    stopping : asked before every round, or stretch of rounds; True stops the run as Ctrl-C does.
    False means that a stop was asked for: everything played is in the database, and the next call goes on from there.
    """
    keep_freed_memory()
    resume(market, store, run_id, consumers)
    ledger = Ledger([recorder, *consumers.values()])
    market.observers = [ledger, *observers]
    advance = advancer(market, kept=recorder.records)
    store.set_status(run_id, "running", market.round)
    saved = time.monotonic()
    with stop_on_signals() as stop:
        while market.round < market.rounds and not (stop.asked or stopping()):
            advance()
            if time.monotonic() - saved > checkpoint_seconds:
                save(market, store, run_id, ledger, recorder, consumers)
                saved = time.monotonic()
        finished = market.round >= market.rounds
        if finished:  # what follows takes seconds; if it is cut off, the last checkpoint is not far back
            ledger.flush()
            recorder.flush()
            store.set_status(run_id, "running", market.round)
        else:
            save(market, store, run_id, ledger, recorder, consumers)
            store.set_status(run_id, "interrupted", market.round)
    return finished


def save(
    market: Market, store: Store, run_id: int, ledger: Ledger, recorder: Recorder, consumers: Mapping[str, Consumer]
) -> None:
    """Write all rows so far, then the checkpoint that goes with them."""
    ledger.flush()
    recorder.flush()
    arrays = {f"market/{key}": array for key, array in market.state().items()}
    for name, consumer in consumers.items():
        arrays |= {f"{name}/{key}": array for key, array in consumer.state().items()}
    store.save_checkpoint(run_id, market.round, arrays)


def resume(market: Market, store: Store, run_id: int, consumers: Mapping[str, Consumer]) -> None:
    """Put market and consumers where the last checkpoint left them, and delete the rows that ran ahead of it."""
    checkpoint = store.load_checkpoint(run_id)
    round, arrays = checkpoint if checkpoint is not None else (0, {})
    store.delete_after(run_id, round)
    if checkpoint is None:
        return
    market.restore(round, _part(arrays, "market"))
    for name, consumer in consumers.items():
        consumer.restore(_part(arrays, name))


def _part(arrays: Mapping[str, Array], name: str) -> dict[str, Array]:
    return {key.removeprefix(f"{name}/"): array for key, array in arrays.items() if key.startswith(f"{name}/")}
