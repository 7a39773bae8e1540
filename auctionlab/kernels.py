"""Loops over lanes that numba compiles where it is installed (`pip install "auctionlab[fast]"`).

Each loop does what the NumPy code beside its caller does, number by number in the same order, so results agree to the
last bit; without numba the NumPy code runs. One pass that keeps a lane's row in the cache is several times as fast as
ten passes over all lanes. AUCTIONLAB_COMPILE=0 turns numba off.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Loop = Callable[..., Any]


@cache
def available() -> bool:
    """True where loops can be compiled."""
    return os.environ.get("AUCTIONLAB_COMPILE", "1") != "0" and find_spec("numba") is not None


@cache
def compiled(loop: Loop) -> Loop | None:
    """The loop as machine code, kept on disk between processes where that is possible; None without numba."""
    if not available():
        return None
    import numba

    try:
        return numba.njit(cache=True, error_model="numpy")(loop)
    except RuntimeError:  # no folder to keep it in
        return numba.njit(error_model="numpy")(loop)


def greedy(rows: Array, uniforms: Array, epsilon: float, out: Array) -> None:
    """The place of the highest number of each row (L, K), ties even; any place with chance epsilon.

    uniforms (L, 2): whether to explore, and which of the tied or of all.
    """
    lanes, count = rows.shape
    for lane in range(lanes):
        which = uniforms[lane, 1]
        best = -np.inf
        for k in range(count):
            best = max(best, rows[lane, k])
        ties = 0
        choice = 0
        for k in range(count):  # without a branch: most rows have one best
            same = rows[lane, k] == best
            ties += same
            choice += k * same
        if ties != 1:
            left = int(which * ties)
            choice = 0
            while choice < count - 1:
                if rows[lane, choice] == best:
                    if left == 0:
                        break
                    left -= 1
                choice += 1
        out[lane] = int(which * count) if uniforms[lane, 0] < epsilon else choice


def weighted(rows: Array, uniforms: Array, mixture: float, out: Array, chance: Array) -> None:
    """A place of each row (L, K) drawn by its weights, any place with chance `mixture`; and the chance it had.

    uniforms (L, 2): whether to explore, and where to invert the running sum of the weights.
    """
    lanes, count = rows.shape
    for lane in range(lanes):
        which = uniforms[lane, 1]
        total = rows[lane, 0]
        for k in range(1, count):
            total += rows[lane, k]
        target = which * total
        running = rows[lane, 0]
        choice = 0
        for k in range(1, count):  # without a branch: where the sum passes is anybody's guess
            choice += running <= target
            running += rows[lane, k]
        if uniforms[lane, 0] < mixture:
            choice = int(which * count)
        out[lane] = choice
        chance[lane] = (1 - mixture) * (rows[lane, choice] / total) + mixture / count


def average(means: Array, counts: Array, played: Array, earned: Array) -> None:
    """Count each entry played (L,) of the flat tables, and move its mean to include what it earned."""
    for lane in range(len(played)):
        at = played[lane]
        counts[at] += 1
        means[at] += 1.0 / counts[at] * (earned[lane] - means[at])


def approach(means: Array, played: Array, targets: Array, step: float) -> None:
    """Move each entry played (L,) of the flat table a step of the way to its target."""
    for lane in range(len(played)):
        at = played[lane]
        means[at] += step * (targets[lane] - means[at])


def award(bids: Array, draws: Array, out: Array) -> None:
    """out (n, B), all zero, gets a 1 at a highest bid (n, B) above −inf of each column, ties drawn by draws (B,)."""
    n, batch = bids.shape
    for b in range(batch):
        best = bids[0, b]
        ties = 1
        for i in range(1, n):
            if bids[i, b] > best:
                best = bids[i, b]
                ties = 1
            elif bids[i, b] == best:
                ties += 1
        if not best > -np.inf:
            continue
        left = min(int(draws[b] * ties), ties - 1)
        for i in range(n):
            if bids[i, b] == best:
                if left == 0:
                    out[i, b] = 1.0
                    break
                left -= 1


def shuffle(draws: Array, order: Array, places: Array) -> None:
    """order = argsort of each row of draws (R, P), uniform on [0, 1); places its inverse. Buckets, then insertion."""
    rows, count = draws.shape
    start = np.empty(count + 1, np.int64)
    for r in range(rows):
        start[:] = 0
        for p in range(count):
            start[int(draws[r, p] * count) + 1] += 1
        for k in range(count):
            start[k + 1] += start[k]
        for p in range(count):
            bucket = int(draws[r, p] * count)
            order[r, start[bucket]] = p
            start[bucket] += 1
        for k in range(1, count):
            one = order[r, k]
            value = draws[r, one]
            j = k
            while j > 0 and draws[r, order[r, j - 1]] > value:
                order[r, j] = order[r, j - 1]
                j -= 1
            order[r, j] = one
        for k in range(count):
            places[r, order[r, k]] = k
