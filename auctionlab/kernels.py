"""Loops over lanes that numba compiles where it is installed (`pip install "auctionlab[fast]"`).

Each loop does what the NumPy code beside its caller does, number by number in the same order, so results agree to the
last bit; without numba the NumPy code runs. One pass that keeps a lane's row in the cache is several times as fast as
ten passes over all lanes. AUCTIONLAB_COMPILE=0 turns numba off. All loops are in this file, because numba compiles a
loop anew when its own file has changed, not when that of a part of it has.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Loop = Callable[..., Any]
Game = tuple[int, int, float, float, bool]  # seats, rule, reserve, entry fee, whether ties are drawn


@cache
def available() -> bool:
    """True where loops can be compiled."""
    return os.environ.get("AUCTIONLAB_COMPILE", "1") != "0" and _numba() is not None


@cache
def compiled(loop: Loop) -> Loop | None:
    """The loop as machine code, kept on disk between processes where that is possible; None without numba."""
    if not available():
        return None
    numba = _numba()
    try:
        return numba.njit(cache=True, error_model="numpy")(loop)
    except RuntimeError:  # no folder to keep it in
        return numba.njit(error_model="numpy")(loop)


@cache
def _numba() -> Any:
    """The compiler, told of the parts that loops are made of; None where there is none."""
    try:
        import numba
        from numba.extending import register_jitable
    except ImportError:  # not installed, or older than this NumPy
        return None
    for part in (
        highest,
        top,
        ties,
        one_of,
        next_best,
        total,
        passed,
        powers,
        cell_of,
        search,
        settle,
        lead,
        fetch,
        high,
    ):
        register_jitable(part)
    return numba


_ONE = 1 << 32


def highest(table: Array, row: int, which: float) -> int:
    """The place of the highest number of a row, one of the tied by `which`, uniform on [0, 1)."""
    best = top(table, row)
    tied = ties(table, row, best)
    return tied - _ONE if tied >> 32 == 1 else one_of(table, row, best, int(which * (tied >> 32)))


def top(table: Array, row: int) -> float:
    """The highest number of a row."""
    best = -np.inf
    for k in range(table.shape[1]):
        best = max(best, table[row, k])
    return best


def ties(table: Array, row: int, best: float) -> int:
    """How many numbers of a row are the best, times 2^32, and the sum of their places."""
    tied = 0
    for k in range(table.shape[1]):
        if table[row, k] == best:
            tied += k + _ONE
    return tied


def one_of(table: Array, row: int, best: float, skip: int) -> int:
    """The place of a number of a row that is the best, after so many others; the last place where there is none."""
    place = 0
    while place < table.shape[1] - 1:
        if table[row, place] == best:
            if skip == 0:
                break
            skip -= 1
        place += 1
    return place


def next_best(table: Array, row: int, place: int) -> float:
    """The highest number of a row but for the one at a place."""
    best = -np.inf
    for k in range(table.shape[1]):
        best = max(best, -np.inf if k == place else table[row, k])
    return best


def total(table: Array, row: int) -> float:
    """The sum of a row, one number after the other."""
    running = table[row, 0]
    for k in range(1, table.shape[1]):
        running += table[row, k]
    return running


def passed(table: Array, row: int, target: float) -> int:
    """The place at which the running sum of a row passes the target."""
    running, choice = table[row, 0], 0
    for k in range(1, table.shape[1]):  # without a branch: where the sum passes is anybody's guess
        choice += running <= target
        running += table[row, k]
    return choice


def greedy(rows: Array, uniforms: Array, epsilon: float, out: Array) -> None:
    """The place of the highest number of each row (L, K), ties even; any place with chance epsilon.

    uniforms (L, 2): whether to explore, and which of the tied or of all.
    """
    lanes, count = rows.shape
    for lane in range(lanes):
        which = uniforms[lane, 1]
        choice = highest(rows, lane, which)
        out[lane] = int(which * count) if uniforms[lane, 0] < epsilon else choice


def weighted(rows: Array, uniforms: Array, mixture: float, out: Array, chance: Array) -> None:
    """A place of each row (L, K) drawn by its weights, any place with chance `mixture`; and the chance it had.

    uniforms (L, 2): whether to explore, and where to invert the running sum of the weights.
    """
    lanes, count = rows.shape
    for lane in range(lanes):
        which = uniforms[lane, 1]
        whole = total(rows, lane)
        choice = passed(rows, lane, which * whole)
        if uniforms[lane, 0] < mixture:
            choice = int(which * count)
        out[lane] = choice
        chance[lane] = (1 - mixture) * (rows[lane, choice] / whole) + mixture / count


HEAVY, LIGHT = 1e100, 1e-280  # a row's weights are kept in the range of floats
_LN2 = 6.93147180369123816490e-01, 1.90821492927058770002e-10  # ln 2 in two parts: multiples of the first are exact
_SERIES = tuple(1.0 / k for k in range(13, 0, -1))


def powers(x: Any) -> Any:
    """exp(x) of an array or a number, as fraction × 2^exponent: the same bits on any computer, compiled or not.

    The last bit of `exp` differs between libraries and processors; learners who draw by weights would part ways there.
    """
    exponent = np.floor(x * 1.4426950408889634 + 0.5)
    rest = (x - exponent * _LN2[0]) - exponent * _LN2[1]  # at most ln 2 / 2 in size
    fraction = rest * 0.0 + 1.0
    for share in _SERIES:  # 1 + x (1 + x / 2 (1 + x / 3 ( ...
        fraction = 1.0 + rest * share * fraction
    return fraction, exponent


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


def add_up(sums: Array, bins: Array, numbers: Array) -> None:
    """Add numbers (T, R, S), one after the other, to the sums (bins, R, 1) of their rounds' bins (T,)."""
    rounds, replications, count = numbers.shape
    for t in range(rounds):
        for r in range(replications):
            running = sums[bins[t], r, 0]
            for s in range(count):
                running += numbers[t, r, s]
            sums[bins[t], r, 0] = running


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


_MULTIPLIERS = np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157)
_WEYL = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBB67AE8584CAA73B)
_LOW, _HALF, _SPARE = np.uint64(0xFFFFFFFF), np.uint64(32), np.uint64(11)
_STEP = 2.0**-53
_BLOCKS = 512  # of four numbers, worked on at a time


def high(one: Any, other: Any) -> Any:
    """The upper half of the product of two numbers of 64 bits."""
    low, up = one & _LOW, one >> _HALF
    small, large = other & _LOW, other >> _HALF
    first = up * small + (low * small >> _HALF)
    second = low * large + (first & _LOW)
    return up * large + (first >> _HALF) + (second >> _HALF)


def uniforms(out: Array, key: Array, skip: int, call: int, first: int, tag: int) -> None:
    """Rows of out (T, S): the uniforms at the addresses (call, first + t, tag) of `rng`, after `skip` others.

    Philox 4x64-10 (Salmon, Moraes, Dror and Shaw 2011), as in NumPy; each step goes over all numbers, so that several
    are worked out at once.
    """
    rounds, size = out.shape
    extra = skip % 4
    blocks = (size + extra + 3) // 4
    rows = max(1, _BLOCKS // blocks)
    a, b = np.empty(rows * blocks, np.uint64), np.empty(rows * blocks, np.uint64)
    c, d = np.empty(rows * blocks, np.uint64), np.empty(rows * blocks, np.uint64)
    numbers = np.empty((rows * blocks, 4))
    for begin in range(0, rounds, rows):
        count = min(rows, rounds - begin)
        for t in range(count):
            for k in range(blocks):
                place = t * blocks + k
                a[place] = np.uint64(skip // 4 + k + 1)
                b[place] = np.uint64(call)
                c[place] = np.uint64(first + begin + t)
                d[place] = np.uint64(tag)
        one, two = key[0], key[1]
        for _ in range(10):
            for k in range(count * blocks):
                p, q = a[k], c[k]
                a[k] = high(_MULTIPLIERS[1], q) ^ b[k] ^ one
                b[k] = _MULTIPLIERS[1] * q
                c[k] = high(_MULTIPLIERS[0], p) ^ d[k] ^ two
                d[k] = _MULTIPLIERS[0] * p
            one += _WEYL[0]
            two += _WEYL[1]
        for k in range(count * blocks):
            numbers[k, 0] = np.float64(a[k] >> _SPARE) * _STEP
            numbers[k, 1] = np.float64(b[k] >> _SPARE) * _STEP
            numbers[k, 2] = np.float64(c[k] >> _SPARE) * _STEP
            numbers[k, 3] = np.float64(d[k] >> _SPARE) * _STEP
        flat = numbers.reshape(-1)
        for t in range(count):
            for s in range(size):
                out[begin + t, s] = flat[t * blocks * 4 + extra + s]


# ---- many rounds of a market at once: see `platform.stretch` ----

SIGNALS, MESSAGES, ALLOCATION, PAYMENTS, UTILITY = range(5)  # pages of a book (5, T, S): rounds, seats of all auctions
_FEW = 64
FIRST, SECOND, ALL_PAY, ATTRITION = range(4)  # who pays what


def cell_of(edges: Array, signal: float) -> int:
    """How many of the edges are at most the signal: a few are counted, faster than they are searched."""
    if len(edges) > _FEW:
        return search(edges, signal)
    below = 0
    for k in range(len(edges)):
        below += edges[k] <= signal
    return below


def search(edges: Array, signal: float) -> int:
    """The same by halving."""
    low, high = 0, len(edges)
    while low < high:
        middle = (low + high) // 2
        if edges[middle] <= signal:
            low = middle + 1
        else:
            high = middle
    return low


def settle(book: Array, t: int, seat: int, game: Game, draw: float) -> None:
    """Round t of the auction in seats seat .. seat + n − 1: from signals and bids to all else, ties by the draw."""
    n, rule, reserve, fee, drawn = game
    best, second, tied = -np.inf, -np.inf, 0
    for i in range(seat, seat + n):
        bid = book[MESSAGES, t, i]
        bid = bid if bid >= reserve else -np.inf
        book[MESSAGES, t, i] = bid
        tied = 1 if bid > best else tied + (bid == best)  # without branches: who wins is anybody's guess
        second = max(second, min(bid, best))
        best = max(best, bid)
    price = max(best if rule == FIRST else second, reserve)
    left = min(int(draw * tied), tied - 1) if best > -np.inf and (drawn or tied == 1) else n
    for i in range(seat, seat + n):
        bid = book[MESSAGES, t, i]
        equal = bid == best
        won = 1.0 if equal and left == 0 else 0.0
        left -= equal
        paid = won * price
        if rule >= ALL_PAY:
            paid = bid if rule == ALL_PAY else min(bid, price)
            paid = max(paid, 0.0)
        paid += fee if bid > -np.inf else 0.0
        book[ALLOCATION, t, i] = won
        book[PAYMENTS, t, i] = paid
        book[UTILITY, t, i] = won * book[SIGNALS, t, i] - paid


def lead(means: Array, row: int, pick: int, leaders: Array, rivals: Array) -> None:
    """Keep the leader of a row, and what no other exceeds, where the mean of one bid has changed.

    Without branches: numba would count references to the arrays in each of them, which took half of the loop's time.
    """
    leader, mean, rival = leaders[row], means[row, pick], rivals[row]
    rival = rival if (rival >= mean) | (leader == pick) else mean
    rivals[row] = rival
    leaders[row] = leader if means[row, max(leader, 0)] > rival else -1


def fetch(table: Array, lanes: int, low: int, high: int) -> float:
    """Read one number of every 64 bytes that hold the lanes from low to high, in order: then the processor reads ahead.

    The sum has no meaning; it is returned, and has to be, so that the compiler does not leave the reading out.
    """
    flat, share = table.reshape(-1), table.size // lanes
    running = 0.0
    for k in range(low * share, high * share, 64 // table.itemsize):
        running += flat[k]
    return running


def play_greedy(
    book: Array, place: Array, choose: Array, award: Array, game: Game, grid: Array, edges: Array, width: int,
    means: Array, counts: Array, explore: Array, step: float, leaders: Array, rivals: Array,
    discount: float, pending: Array, earned: Array,
) -> float:  # fmt: skip
    """Rounds of learners who bid the highest mean; a step of 0 averages all that a bid has earned.

    With a discount a bid is credited with the best mean of the next round's row too, when that is known: pending (L,)
    holds the entries played in the round before, -1 at first, and earned (L,) what they earned.

    book (5, T, L) by seat; place (T or 1, L): the seat of each lane; choose (T, L, 2) and award (T, L / n): uniforms;
    explore (T,): epsilon; means and counts (L × cells, K). `width` lanes are played at a time, so that their rows stay
    in the cache. leaders (L × cells,): the one best bid of a row, -1 where it is not known; rivals: what no other bid
    of the row exceeds. Both are kept from call to call, so that most rows need not be read again.
    """
    n = game[0]
    rounds, lanes, count, cells = len(choose), choose.shape[1], len(grid), len(edges) + 1
    rows, picks = np.empty(width, np.int64), np.empty(width, np.int64)
    before, shares, fetched = np.empty(width), np.full(width, step), 0.0
    for low in range(0, lanes, width):
        high = min(low + width, lanes)
        fetched += fetch(means, lanes, low, high) + fetch(counts, lanes, low, high)
        fetched += fetch(leaders, lanes, low, high) + fetch(rivals, lanes, low, high)
        for t in range(rounds):
            seating = min(t, len(place) - 1)
            for lane in range(low, high):
                seat, which = place[seating, lane], choose[t, lane, 1]
                row = lane * cells + cell_of(edges, book[SIGNALS, t, seat])
                pick = leaders[row]
                if discount > 0.0 and pending[lane] >= 0:
                    ahead = means[row, pick] if pick >= 0 else top(means, row)
                    last, bid = pending[lane] // count, pending[lane] % count
                    means[last, bid] += step * (earned[lane] + discount * ahead - means[last, bid])
                    lead(means, last, bid, leaders, rivals)
                    pick = leaders[row]
                if pick < 0:
                    best = top(means, row)
                    tied = ties(means, row, best)
                    if tied >> 32 == 1:
                        pick = tied - _ONE
                        leaders[row], rivals[row] = pick, next_best(means, row, pick)
                    else:
                        pick = one_of(means, row, best, int(which * (tied >> 32)))
                if choose[t, lane, 0] < explore[t]:
                    pick = int(which * count)
                book[MESSAGES, t, seat] = grid[pick]
                if step == 0.0:
                    counts[row, pick] += 1
                    shares[lane - low] = 1.0 / counts[row, pick]
                rows[lane - low], picks[lane - low], before[lane - low] = row, pick, means[row, pick]
            for auction in range(low // n, high // n):
                settle(book, t, auction * n, game, award[t, auction])
            for lane in range(low, high):
                row, pick, mean = rows[lane - low], picks[lane - low], before[lane - low]
                utility = book[UTILITY, t, place[seating, lane]]
                if discount > 0.0:
                    pending[lane], earned[lane] = row * count + pick, utility
                else:
                    means[row, pick] = mean + shares[lane - low] * (utility - mean)
                    lead(means, row, pick, leaders, rivals)
    return fetched


def play_weights(
    book: Array, place: Array, choose: Array, award: Array, game: Game, grid: Array, edges: Array, width: int,
    weights: Array, mixture: float, growth: float, worst: float, best: float,
) -> float:  # fmt: skip
    """Rounds of Exp3 learners, who draw bids by weights (L × cells, K); the rest as in `play_greedy`."""
    n = game[0]
    rounds, lanes, count, cells = len(choose), choose.shape[1], len(grid), len(edges) + 1
    rows, picks, chances = np.empty(width, np.int64), np.empty(width, np.int64), np.empty(width)
    fetched = 0.0
    for low in range(0, lanes, width):
        high = min(low + width, lanes)
        fetched += fetch(weights, lanes, low, high)
        for t in range(rounds):
            seating = min(t, len(place) - 1)
            for lane in range(low, high):
                seat, which = place[seating, lane], choose[t, lane, 1]
                row = lane * cells + cell_of(edges, book[SIGNALS, t, seat])
                whole = total(weights, row)
                pick = passed(weights, row, which * whole)
                if choose[t, lane, 0] < mixture:
                    pick = int(which * count)
                rows[lane - low], picks[lane - low] = row, pick
                chances[lane - low] = (1 - mixture) * (weights[row, pick] / whole) + mixture / count
                book[MESSAGES, t, seat] = grid[pick]
            for auction in range(low // n, high // n):
                settle(book, t, auction * n, game, award[t, auction])
            for lane in range(low, high):
                row, pick = rows[lane - low], picks[lane - low]
                gain = min(max((book[UTILITY, t, place[seating, lane]] - worst) / (best - worst), 0.0), 1.0)
                fraction, exponent = powers(growth * gain / chances[lane - low])
                grown = weights[row, pick] * math.ldexp(fraction, int(exponent))
                weights[row, pick] = grown
                if grown > HEAVY:
                    for k in range(count):
                        weights[row, k] = max(weights[row, k] / grown, LIGHT)
    return fetched
