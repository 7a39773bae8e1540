"""Mixed bids: columns of chances (K, L) over a grid of K bids, one a lane."""

from __future__ import annotations

import numpy as np

from auctionlab.arrays import Array


def softmax(scores: Array) -> Array:
    """Chances (K, L) proportional to exp(scores), which may be any finite numbers; in place."""
    scores -= scores.max(axis=0)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=0)
    return scores


def project(points: Array) -> Array:
    """The nearest chances to points (K, L), column by column.

    Source: Duchi, Shalev-Shwartz, Singer and Chandra (2008), ICML, fig. 1.
    """
    ordered = -np.sort(-points, axis=0)
    places = np.arange(1, len(points) + 1)[:, None]
    excess = (np.cumsum(ordered, axis=0) - 1) / places  # what to take off when the first `places` keep some chance
    kept = np.count_nonzero(ordered > excess, axis=0)
    return np.maximum(points - excess[kept - 1, np.arange(points.shape[1])], 0.0)


def normalise(weights: Array) -> Array:
    """Chances (K, L) proportional to weights that are not negative; even where all are zero."""
    total = weights.sum(axis=0)
    idle = total == 0
    return np.where(idle, 1.0 / len(weights), weights / np.where(idle, 1.0, total))


def best_of(scores: Array) -> Array:
    """Even chances (K, L) among the highest scores of each column."""
    top = scores == scores.max(axis=0)
    return top / np.count_nonzero(top, axis=0)
