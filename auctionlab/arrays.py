"""Array helpers that several floors share; array-API functions only where mechanisms use them."""

from __future__ import annotations

from typing import Any, TypeAlias

import array_api_compat
import numpy as np
from numpy.typing import NDArray

from auctionlab import kernels

Array: TypeAlias = NDArray[Any]

NO_BID = float("-inf")  # the message that takes no part


def namespace(*arrays: Array) -> Any:
    """The array-API namespace (NumPy, torch, ...) of `arrays`."""
    if all(type(array) is np.ndarray for array in arrays):
        return np
    return array_api_compat.array_namespace(*arrays)


def transposed(array: Array) -> Array:
    """The transpose of a matrix as contiguous memory: passes over seats are several times faster with seats first."""
    if 1 in array.shape:
        return array.T
    xp = namespace(array)
    if xp is np:
        return np.ascontiguousarray(array.T)
    return xp.reshape(xp.reshape(array.T, (-1,)), (array.shape[1], array.shape[0]))


def share_highest(scores: Array, eligible: Array | None = None, rng: Any = None, axis: int = 1) -> Array:
    """Who gets one item by the highest score: (B, n) probabilities, or one-hot rows when `rng` is given.

    scores, eligible : (B, n), or (n, B) where seats are on axis 0; a score of -inf is never eligible, and with none
    eligible nobody gets it. Ties share equally in expectation; with `rng` one of the tied is drawn, each as likely.
    """
    xp = namespace(scores)
    if eligible is not None:
        scores = xp.where(eligible, scores, xp.asarray(NO_BID, dtype=scores.dtype))
    if axis == 1:
        return transposed(share_highest(transposed(scores), None, rng, axis=0))
    if rng is not None and type(scores) is np.ndarray and scores.dtype == float:
        fast = kernels.compiled(kernels.award)
        if fast is not None:
            winners = np.zeros(scores.shape)
            fast(np.ascontiguousarray(scores), rng.random(scores.shape[1]), winners)
            return winners
    top, count = _tied(scores)
    if rng is None:
        return top / count
    draw = xp.asarray(rng.random(scores.shape[1]), dtype=scores.dtype)
    chosen = xp.minimum(xp.floor(draw * count) + 1, count)  # single precision may round a draw up to 1
    return xp.astype(_places(top) == chosen, scores.dtype) * top


def sole_highest(scores: Array) -> Array:
    """Who gets one item by the highest of scores (n, B), where nobody does if several are highest: (n, B)."""
    xp = namespace(scores)
    top, count = _tied(scores)
    return xp.where(count == 1, top, xp.zeros_like(top))


def enumerate_highest(scores: Array) -> tuple[Array, Array]:
    """Every way to give one item to one of the highest scores: chances (K, B) and one-hot winners (K, n, B).

    scores : (n, B), -inf where not eligible. K is the largest number of tied; chances of a column sum to 1.
    """
    xp = namespace(scores)
    top, count = _tied(scores)
    place = _places(top)
    ways = xp.arange(1, int(xp.max(count)) + 1, dtype=scores.dtype)
    chances = xp.astype(ways[:, None] <= count, scores.dtype) / count
    return chances, xp.astype(place == ways[:, None, None], scores.dtype) * top


def highest_two(scores: Array) -> tuple[Array, Array]:
    """The highest and the second-highest of (n, B) scores, equal where tied: (B,), (B,)."""
    xp = namespace(scores)
    if scores.shape[0] > 16:
        ordered = xp.sort(scores, axis=0)
        return ordered[-1, :], ordered[-2, :]
    first, second = scores[0, :], xp.full_like(scores[0, :], NO_BID)
    for i in range(1, scores.shape[0]):
        second = xp.maximum(second, xp.minimum(first, scores[i, :]))
        first = xp.maximum(first, scores[i, :])
    return first, second


def _tied(scores: Array) -> tuple[Array, Array]:
    """Ones at the highest scores (n, B), and how many they are (B,), at least 1."""
    xp = namespace(scores)
    best = xp.max(scores, axis=0)
    top = xp.astype((scores == best) & (best > NO_BID), scores.dtype)
    count = xp.sum(top, axis=0)
    return top, xp.maximum(count, xp.ones_like(count))


def _places(top: Array) -> Array:
    """The running count of ones down the seats, (n, B)."""
    xp = namespace(top)
    place = [top[0, :]]
    for i in range(1, top.shape[0]):
        place.append(place[-1] + top[i, :])
    return xp.stack(place)


def draw_index(probabilities: Array, uniforms: Array) -> Array:
    """One index a row by inverting its cumulated weights: probabilities (L, K), uniforms (L,) -> (L,) ints.

    Rows need not be normalised.
    """
    return invert(running_sums(probabilities.T.copy()), uniforms)


def running_sums(weights: Array) -> Array:
    """Sums down the columns of weights (K, L), in place; one pass a row is several times faster than `cumsum`."""
    for k in range(1, len(weights)):
        weights[k] += weights[k - 1]
    return weights


def invert(running: Array, uniforms: Array) -> Array:
    """The index (L,) at which each column of `running` (K, L) passes the share `uniforms` (L,) of its last entry."""
    target = (uniforms * running[-1]).astype(running.dtype)
    return np.add.reduce(running[:-1] <= target, axis=0, dtype=np.int16).astype(np.intp)
