"""Array helpers that several floors share; array-API functions only where mechanisms use them."""

from __future__ import annotations

from typing import Any, TypeAlias

import array_api_compat
import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]

NO_BID = float("-inf")  # the message that takes no part


def namespace(*arrays: Array) -> Any:
    """The array-API namespace (NumPy, torch, ...) of `arrays`."""
    if all(type(array) is np.ndarray for array in arrays):
        return np
    return array_api_compat.array_namespace(*arrays)


def share_highest(scores: Array, eligible: Array, rng: Any = None) -> Array:
    """Who gets one item by the highest score: (B, n) probabilities, or one-hot rows when `rng` is given.

    scores, eligible : (B, n); a row with nobody eligible gives the item to nobody. Ties share equally in expectation;
    with `rng` one of the tied is drawn with equal chances.
    """
    xp = namespace(scores)
    masked = xp.where(eligible, scores, xp.asarray(NO_BID, dtype=scores.dtype))
    top = (masked == xp.max(masked, axis=1, keepdims=True)) & eligible  # (B, n)
    if rng is None:
        count = xp.sum(xp.astype(top, scores.dtype), axis=1, keepdims=True)
        return xp.astype(top, scores.dtype) / xp.where(count == 0, xp.ones_like(count), count)
    place = xp.cumulative_sum(xp.astype(top, scores.dtype), axis=1)  # rank among the tied, 1..count
    draw = xp.asarray(rng.random(scores.shape[0]), dtype=scores.dtype)[:, None]
    chosen = xp.floor(draw * place[:, -1:]) + 1
    return xp.astype(top & (place == chosen), scores.dtype)


def draw_index(probabilities: Array, uniforms: Array) -> Array:
    """One index a row by inverting its cumulated weights: probabilities (L, K), uniforms (L,) -> (L,) ints.

    Rows need not be normalised.
    """
    cumulated = np.cumsum(probabilities, axis=1)
    chosen = (cumulated < (uniforms * cumulated[:, -1])[:, None]).sum(axis=1)
    return np.minimum(chosen, probabilities.shape[1] - 1)
