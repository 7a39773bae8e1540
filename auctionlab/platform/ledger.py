"""What was played: a `Round` as it happens, and the ledger that hands rounds on in chunks of bounded size.

Everything that looks at play in bulk (the recorder, the metrics) consumes chunks, so its cost is paid once a chunk
rather than once a round.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Final, Protocol, TypeVar

import numpy as np

from auctionlab.arrays import Array

Observer = TypeVar("Observer", bound=Callable[..., object])

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

    def part(self, start: int, stop: int) -> Chunk:
        """The rounds from `start` to before `stop`, counted within the chunk."""
        arrays = {name: getattr(self, name) for name in _FIELDS}
        cut = {name: array[start:stop] for name, array in arrays.items() if name != "members" or len(array) > 1}
        if self.values is self.signals:
            cut["values"] = cut["signals"]
        return replace(self, first=self.first + start, **cut)

    def round(self, t: int) -> Round:
        """One of the rounds, counted within the chunk."""
        arrays = {name: getattr(self, name) for name in _FIELDS}
        return Round(self.first + t, **{name: array[t if len(array) > 1 else 0] for name, array in arrays.items()})


class Consumer(Protocol):
    """Anything that takes chunks, and whose memory of them can be put into a checkpoint."""

    def consume(self, chunk: Chunk) -> None: ...
    def state(self) -> dict[str, Array]: ...
    def restore(self, state: dict[str, Array]) -> None: ...


_FIELDS: Final = ("signals", "values", "messages", "allocation", "payments", "utility", "members")


def only_rounds(observe: Observer) -> Observer:
    """Mark an observer that looks at nothing but the rounds it is told of: the market may be further on by then."""
    vars(observe)["only_rounds"] = True
    return observe


def needs_only_rounds(observe: Callable[[Round], object]) -> bool:
    """True for an observer marked so."""
    return getattr(observe, "only_rounds", False) is True


class Ledger:
    """An observer that gathers rounds and hands them on as chunks; `flush` hands on what it holds."""

    only_rounds: ClassVar[bool] = True

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

    def take(self, chunk: Chunk) -> None:
        """Hand on many rounds, which follow those held so far, without a copy."""
        self.flush()
        step = max(1, self._chunk_rows // chunk.payments[0].size)
        for start in range(0, chunk.rounds, step):
            for consumer in self.consumers:
                consumer.consume(chunk.part(start, start + step))

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
