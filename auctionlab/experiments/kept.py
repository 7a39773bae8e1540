"""Rounds of play kept as they were, in bounded memory, for what is computed once the run is played.

Two samples are kept: rounds of the window in all replications, and the whole course of a few replications.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from auctionlab.arrays import Array
from auctionlab.platform.ledger import Chunk

_PATH_BIDS: Final = 400_000  # of whole courses of play, over all replications: 16 bytes each
_FEWEST_PATHS: Final = 10  # replications followed from the first round on, for an interval; fewer only if there are
_MOST_PATHS: Final = 50
GOLDEN: Final = (5.0**0.5 - 1.0) / 2.0  # its multiples, modulo 1, are spread evenly and never repeat


def spread(count: int, total: int) -> Array:
    """`count` of `total` places: one of each of as many equal stretches, at a place in it that never repeats.

    Equal steps would see one side only of whoever does this in odd and that in even rounds.
    """
    if count >= total:
        return np.arange(total)
    inside = np.arange(1, count + 1) * GOLDEN % 1.0
    low, high = (np.arange(end, count + end) * total // count for end in (0, 1))
    return low + ((high - low) * inside).astype(int)


def courses(rounds: int, replications: int, population: int) -> tuple[Array, int]:
    """Which rounds of how many replications are kept from the first round on: all of them where they are not too many.

    Replications first: regret and convergence need every round of a replication more than they need many replications.
    """
    whole = _PATH_BIDS // (rounds * population)
    kept = min(replications, max(_FEWEST_PATHS, min(whole, _MOST_PATHS)))
    return spread(min(rounds, _PATH_BIDS // (kept * population)), rounds), kept


class Kept:
    """Chosen rounds (ascending) of the first `replications` replications: arrays (S, R, G, n).

    `values` is there only where they are not the signals, `members` only where seats change hands (not `fixed`).
    """

    def __init__(self, rounds: Array, replications: int, fixed: bool = True) -> None:
        self.schedule, self.replications, self.fixed = rounds, replications, fixed
        self._arrays: dict[str, Array] = {}
        self._held = 0

    @property
    def rounds(self) -> Array:
        """The rounds kept so far."""
        return self.schedule[: self._held]

    @property
    def arrays(self) -> dict[str, Array]:
        """What was kept so far, by name."""
        return {name: array[: self._held] for name, array in self._arrays.items()}

    def add(self, chunk: Chunk) -> None:
        """Keep the chosen rounds of a chunk; chunks come in the order of play."""
        last = chunk.first + chunk.rounds
        low, high = (int(place) for place in np.searchsorted(self.schedule, [chunk.first, last]))
        if low == high or low != self._held or not self.replications:  # after a gap nothing more is kept
            return
        rows = self.schedule[low:high] - chunk.first
        told = {"signals": chunk.signals, "messages": chunk.messages}
        if chunk.values is not chunk.signals:
            told["values"] = chunk.values
        if not self.fixed:
            told["members"] = np.broadcast_to(chunk.members, chunk.payments.shape)
        for name, array in told.items():
            own = array[rows, : self.replications]
            if name == "members":
                own = own.astype(np.int32)
            if name not in self._arrays:
                shape = (len(self.schedule), self.replications, *own.shape[2:])
                self._arrays[name] = np.empty(shape, own.dtype)
            self._arrays[name][low:high] = own
        self._held = high

    def restore(self, arrays: dict[str, Array]) -> None:
        """Go on from the `arrays` of earlier."""
        self._arrays, self._held = {}, 0
        for name, array in arrays.items():
            self._arrays[name] = np.empty((len(self.schedule), *array.shape[1:]), array.dtype)
            self._arrays[name][: len(array)] = array
            self._held = len(array)
