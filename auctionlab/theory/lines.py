"""E[max_k (b_k + a_k X)] for one random X, exactly: a maximum of lines is convex and has few kinks.

The welfare of the best outcome is a maximum of lines in every seat's type, so one seat can always be averaged out in
closed form, given its prior's F and I(t) = E[(t − X)⁺] = ∫ F below t.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from auctionlab.arrays import Array
from auctionlab.core import Prior
from auctionlab.theory.adaptive import LEVELS, cumulate
from auctionlab.theory.rivals import Rivals, cached, chance, top_value
from auctionlab.theory.truth import support

_SAME = 1e-13  # of the largest, or of 1: rounding of sums

Function = Callable[[Array], Array]


@cached
def shortfall(prior: Prior) -> Function:
    """I(t) = E[(t − X)⁺] for any t, by quadrature of F; −inf gives 0."""
    inner = np.concatenate([np.asarray(prior.quantile(LEVELS)), prior.breaks, support(prior)])
    low = prior.low if np.isfinite(prior.low) else float(np.min(inner))
    top = top_value(prior)
    inside = cumulate(prior.cdf, np.unique(np.concatenate([[low, top], inner[(inner > low) & (inner < top)]])))
    most = float(inside(np.array(top)))

    def value(t: Array) -> Array:
        bounded = np.clip(t, low, top)
        return np.where(t > top, most + (t - bounded), inside(bounded))

    return value


@cached
def excess(rivals: Rivals) -> Function:
    """E[(M − t)⁺] for the highest M of independent values: ∫ (1 − Π F) above t; t no lower than 0."""
    if not rivals:
        return lambda t: np.zeros(np.shape(t))
    points = [np.concatenate([np.asarray(p.quantile(LEVELS)), p.breaks, support(p), [top_value(p)]]) for p, _ in rivals]
    top = float(max(part.max() for part in points))
    if top <= 0:
        return lambda t: np.zeros(np.shape(t))
    inner = np.concatenate(points)
    below = cumulate(lambda t: 1 - chance(rivals, t), np.unique([0.0, *inner[inner > 0]]))
    whole = float(below(np.array(top)))
    return lambda t: whole - below(np.minimum(t, top))


def mean_of_highest_line(prior: Prior, slopes: Array, intercepts: Array) -> tuple[Array, Array]:
    """E[max_k (b_k + a_k X)], (...,), and the probability that each line is the highest, (..., K).

    slopes : (K,);  intercepts : (..., K), -inf for a line that never counts. Equal lines share the probability.
    """
    low, high = _active(slopes, intercepts)
    below = shortfall(prior)
    edges = np.stack([low, np.maximum(high, low)])  # (2, ..., K)
    finite = np.where(np.isfinite(edges), edges, 0.0)
    with np.errstate(invalid="ignore"):
        mass = np.where(np.isfinite(edges), prior.cdf(finite), edges > 0)
        part = np.where(np.isfinite(edges), finite * mass - below(finite), np.where(edges > 0, prior.expectation, 0.0))
    wins = mass[1] - mass[0]
    worth = np.where(np.isfinite(intercepts), intercepts, 0.0) * wins + slopes * (part[1] - part[0])
    return worth.sum(axis=-1), _shared(wins, slopes, intercepts)


def _shared(wins: Array, slopes: Array, intercepts: Array) -> Array:
    """Probabilities (..., K) of lines, of which the first of equal ones had that of all."""
    shared = wins.copy()
    for k in np.flatnonzero((slopes[:, None] == slopes).sum(axis=1) > 1):
        with np.errstate(invalid="ignore"):
            gap = np.abs(intercepts - intercepts[..., [k]])
        same = (slopes == slopes[k]) & (gap <= _SAME * np.maximum(1.0, np.abs(intercepts[..., [k]])))
        shared[..., k] = (wins * same).sum(axis=-1) / np.maximum(same.sum(axis=-1), 1)
    return shared


def _active(slopes: Array, intercepts: Array) -> tuple[Array, Array]:
    """Between which X each line is the highest, (..., K) each; the interval is empty where it never is."""
    low, high = np.full(intercepts.shape, -np.inf), np.full(intercepts.shape, np.inf)
    for k in range(len(slopes)):
        for m in range(len(slopes)):
            if m == k:
                continue
            rise, lead = slopes[k] - slopes[m], intercepts[..., k] - intercepts[..., m]
            lead = np.where(np.isneginf(intercepts[..., k]), -np.inf, lead)
            if rise == 0:
                beaten = (lead < 0) | ((lead == 0) & (m < k))
                high[..., k] = np.where(beaten, -np.inf, high[..., k])
            elif rise > 0:
                low[..., k] = np.maximum(low[..., k], -lead / rise)
            else:
                high[..., k] = np.minimum(high[..., k], -lead / rise)
    return low, high
