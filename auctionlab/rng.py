"""Addressed randomness: every draw is a pure function of (seed, round, purpose, block, call, replication).

A counter-based generator (Philox 4x64; Salmon, Moraes, Dror and Shaw 2011) is set to the address instead of being
consumed, so a run resumed at round t needs no generator state, and replication k sees the same numbers whatever the
number of replications, workers or chunks.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from auctionlab import kernels
from auctionlab.kernels import compiled

PURPOSES: Final = ("deal", "match", "act", "settle", "learn", "evaluate", "leave", "plain")
_BLOCK: Final = 4  # doubles per Philox counter value


class Stream:
    """Uniform draws at one address; each call of `random` has its own sub-address.

    Arrays are laid out row-major with the replication slowest, so the first axis must be replications, or
    replications × something.
    """

    def __init__(self, source: Source, round: int, purpose: int, block: int) -> None:
        self._source = source
        self._round = round
        self._tag = (purpose << 32) | block
        self._call = 0

    def random(self, shape: int | tuple[int, ...], out: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Uniforms on [0, 1) of `shape`, in `out` if it is given; the first axis is a multiple of the replications."""
        found = self._draw(self._round, shape, out)
        self._call += 1
        return found

    def _draw(self, round: int, shape: int | tuple[int, ...], out: NDArray[np.float64] | None) -> NDArray[np.float64]:
        size = shape if isinstance(shape, int) else math.prod(shape)
        source = self._source
        skip = source.first * (size // source.replications)
        source.place(skip // _BLOCK, self._call, round, self._tag)
        extra = skip % _BLOCK
        if extra:
            draws = source.generator.random(size + extra)[extra:].reshape(shape)
            if out is None:
                return draws
            out[...] = draws
            return out
        return source.generator.random(shape, out=out)


class Rounds(Stream):
    """The draws of several rounds at once, at addresses that differ in the round alone; rounds are slowest."""

    def __init__(self, source: Source, first: int, count: int, purpose: int, block: int) -> None:
        super().__init__(source, first, purpose, block)
        self._count = count

    def random(self, shape: int | tuple[int, ...], out: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Uniforms on [0, 1) of `shape`, in `out` (contiguous) if given; the first axis is rounds × replications × …"""
        found = np.empty(shape) if out is None else out
        rows = found.reshape(self._count, -1)
        fast = compiled(kernels.uniforms)
        if fast is None:
            for t, row in enumerate(rows):
                self._draw(self._round + t, row.size, row)
        else:
            skip = self._source.first * (rows.shape[1] // self._source.replications)
            fast(rows, self._source.key, skip, self._call, self._round, self._tag)
        self._call += 1
        return found


class Source:
    """The randomness of a run: `stream(round, purpose, block)` gives the draws at that address.

    replications, first : this source serves replications first, ..., first + replications − 1 of the run.
    """

    def __init__(self, seed: int, replications: int = 1, first: int = 0) -> None:
        self.seed = seed
        self.replications = replications
        self.first = first
        self._philox = np.random.Philox(0)
        self.generator = np.random.Generator(self._philox)
        self._counter = np.zeros(4, np.uint64)
        self.key = np.random.SeedSequence(seed).generate_state(2, np.uint64)
        state: Any = {
            "bit_generator": "Philox",
            "state": {"counter": self._counter, "key": self.key},
            "buffer": np.zeros(4, np.uint64),
            "buffer_pos": _BLOCK,
            "has_uint32": 0,
            "uinteger": 0,
        }
        self._state = state

    def stream(self, round: int, purpose: str, block: int = 0) -> Stream:
        """The draws of `purpose` (one of PURPOSES) and strategy block `block` in round `round`."""
        return Stream(self, round, PURPOSES.index(purpose), block)

    def rounds(self, first: int, count: int, purpose: str, block: int = 0) -> Rounds:
        """The draws of `count` rounds from `first` on, as `stream` gives them one by one."""
        return Rounds(self, first, count, PURPOSES.index(purpose), block)

    def place(self, position: int, call: int, round: int, tag: int) -> None:
        """Set the generator to an address (used by `Stream`)."""
        self._counter[0] = position
        self._counter[1] = call
        self._counter[2] = round
        self._counter[3] = tag
        self._philox.state = self._state


def stream(seed: int, purpose: str = "evaluate") -> Stream:
    """A stream of its own for theory, checks and tests, where there is no run."""
    return Source(seed).stream(0, purpose)
