"""What was played: a `Round` as it happens, and the ledger that hands rounds on in chunks of bounded size.

Everything that looks at play in bulk (the recorder, the metrics) consumes chunks, so its cost is paid once a chunk
rather than once a round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from auctionlab.arrays import Array

CHUNK_ROWS: Final = 100_000  # bids a chunk, unless one round has more


@dataclass(frozen=True)
class Round:
    """One round of every group of every replication: arrays (R, G, n, *shape); realised, not expected."""

    number: int
    signals: Array
    values: Array
    messages: Array
    allocation: Array
    payments: Array
    utility: Array
    members: Array  # (R or 1, G, n): the population member in each seat


@dataclass(frozen=True)
class Chunk:
    """Consecutive rounds first, first + 1, ...: arrays (T, R, G, n, *shape). Messages that take no part are -inf."""

    first: int
    signals: Array
    values: Array  # the same array as `signals` where values are private
    messages: Array
    allocation: Array
    payments: Array
    utility: Array
    members: Array  # (T or 1, R or 1, G, n); broadcasts

    @property
    def rounds(self) -> int:
        """Number of rounds in the chunk."""
        return len(self.payments)


class Consumer(Protocol):
    """Anything that takes chunks, and whose memory of them can be put into a checkpoint."""

    def consume(self, chunk: Chunk) -> None: ...
    def state(self) -> dict[str, Array]: ...
    def restore(self, state: dict[str, Array]) -> None: ...


_FIELDS: Final = ("signals", "values", "messages", "allocation", "payments", "utility", "members")


class Ledger:
    """An observer that gathers rounds and hands them on as chunks; `flush` hands on what it holds."""

    def __init__(self, consumers: Sequence[Consumer], chunk_rows: int = CHUNK_ROWS) -> None:
        self.consumers = list(consumers)
        self._chunk_rows = chunk_rows
        self._arrays: dict[str, Array] = {}
        self._first = 0
        self._held = 0
        self._size = 0

    def __call__(self, round: Round) -> None:
        if not self._arrays:
            self._open(round)
        row = self._held
        for name, array in self._arrays.items():
            array[row] = getattr(round, name)
        self._held += 1
        if self._held == self._size:
            self.flush()

    def _open(self, round: Round) -> None:
        self._size = max(1, self._chunk_rows // round.payments.size)
        self._first = round.number
        for name in _FIELDS:
            array = getattr(round, name)
            if name == "values" and array is round.signals:
                continue
            if name == "members" and len(array) < len(round.payments):  # fixed matching: the same in every round
                continue
            self._arrays[name] = np.empty((self._size, *array.shape), array.dtype)
        self._members = round.members[None]

    def flush(self) -> None:
        """Hand the rounds held so far to every consumer."""
        if not self._held:
            return
        arrays = {name: array[: self._held] for name, array in self._arrays.items()}
        arrays.setdefault("values", arrays["signals"])
        arrays.setdefault("members", self._members)
        chunk = Chunk(first=self._first, **arrays)
        self._arrays, self._held = {}, 0
        for consumer in self.consumers:
            consumer.consume(chunk)
