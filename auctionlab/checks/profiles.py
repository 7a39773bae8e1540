"""Where checks look: types, messages, whole profiles with ties and corners, and neighbours of them."""

from __future__ import annotations

import itertools
import math

import numpy as np

from auctionlab.arrays import NO_BID, Array
from auctionlab.core import Environment, Mechanism
from auctionlab.rng import Stream, stream

_TAIL = 1e-6  # quantile that stands for the end of an unbounded support, and of an open one


def direct(mechanism: Mechanism, environment: Environment) -> bool:
    """True where messages have the form of types, so that there is a truth to tell."""
    return mechanism.messages(environment).shape == environment.signal.shape


def scale(environment: Environment) -> float:
    """The largest type in absolute terms, 0.1 % tails cut off: what tolerances are relative to."""
    largest = 0.0
    for seat, prior in enumerate(environment.priors):
        ends = types(environment, seat, 50, stream(4)) if prior is None else prior.quantile(np.array([1e-3, 1 - 1e-3]))
        largest = max(largest, float(np.abs(ends).max()))
    return largest


def interval(bound: object, environment: Environment, seat: int, shape: tuple[int, ...]) -> Array:
    """One end of a Box for one seat, (*shape,)."""
    return np.broadcast_to(np.asarray(bound, float), (environment.n, *shape))[seat]


def types(environment: Environment, seat: int, size: int, rng: Stream, ends: bool = True) -> Array:
    """About `size` types of a seat, (m, *S): quantiles from one end of the support to the other, or draws.

    With `ends` the very ends are among them where they are finite.
    """
    prior = environment.priors[seat]
    if prior is None:
        return np.asarray(environment.sample(rng, size).signals)[:, seat, ...]
    support = getattr(prior, "support", None)
    if support is not None and len(support) <= size:
        return np.asarray(support)
    inner = np.concatenate([[_TAIL, 1e-3, 1 - 1e-3, 1 - _TAIL], np.arange(1, size - 5) / (size - 5)])
    points = prior.quantile(np.sort(inner))
    if ends:
        points = np.concatenate([points, [end for end in (prior.low, prior.high) if math.isfinite(end)]])
    return np.unique(points)


def messages(mechanism: Mechanism, environment: Environment, seat: int, known: Array) -> Array:
    """Messages worth trying, (K, *M): the legal among the `known`, the ends of the box or beyond all known, no part.

    No part is a message where the box ends below, as prices do; where any number is a report, everybody takes part.
    """
    box = mechanism.messages(environment)
    low, high = (interval(end, environment, seat, box.shape) for end in (box.low, box.high))
    axes = tuple(range(1, known.ndim))
    legal = known[np.all((known >= low) & (known <= high), axis=axes)]
    least, most = np.min(known, axis=0), np.max(known, axis=0)
    reach = np.maximum(most - least, np.abs(most))
    bottom = np.where(np.isfinite(low), low, least - reach)
    top = np.where(np.isfinite(high), high, np.maximum(bottom, most) + reach)
    just = np.where(np.isfinite(high), high, np.maximum(bottom, most) + 0.1 * reach)
    extra = [bottom, top, just]
    if np.all(np.isfinite(low)):
        extra.append(np.full(box.shape, NO_BID))
    return np.concatenate([legal, np.stack(extra)])


def profiles(points: list[Array], size: int, rng: Stream) -> Array:
    """About `size` profiles (Q, n, ...) of one entry a seat out of its `points`; all of them where they are fewer.

    Otherwise random ones, and those where all seats are at the same place of their list (ties, corners).
    """
    lengths = [len(entries) for entries in points]
    if math.prod(lengths) <= size:
        index = np.array(list(itertools.product(*(range(length) for length in lengths))))
    else:
        uniform = rng.random((size, len(points)))
        index = np.floor(uniform * np.array(lengths)).astype(int)
        same = np.arange(max(lengths))[:, None]
        index = np.concatenate([index, np.minimum(same, np.array(lengths) - 1)])
    return np.stack([entries[index[:, j]] for j, entries in enumerate(points)], axis=1)


def blend(old: Array, other: Array, step: Array) -> Array:
    """Entries (P, ...) moved a fraction `step` of the way to others; who takes no part is replaced, or stays.

    step : (P,), or (P, ...) where each coordinate of a vector has its own.
    """
    weight = step.reshape(*step.shape, *(1,) * (old.ndim - step.ndim))
    with np.errstate(invalid="ignore"):
        mixed = old + weight * (other - old)
    swap = ~np.isfinite(mixed)
    return np.where(swap, np.where(weight > 0.5, other, old), mixed)


def steps(most: float, count: int, shape: tuple[int, ...], rng: Stream) -> Array:
    """How far to move entries of a shape, (count, *shape): at most `most`, and about half of the coordinates not."""
    draws = rng.random((count, *shape, 2))
    moves = np.where(draws[..., 0] < 0.5, most * draws[..., 1], 0.0)
    return (
        moves if shape == () else np.where(rng.random((count, *(1,) * len(shape))) < 0.3, most * draws[..., 1], moves)
    )


def near_types(environment: Environment, seat: int, old: Array, other: Array, step: Array) -> Array:
    """Types (P, *S) moved towards others; of scalar priors in probability, so that they stay in the support.

    Vectors move as a whole: a mixture of two is possible wherever the support is convex.
    """
    prior = environment.priors[seat]
    if prior is None:
        return blend(old, other, step)
    moved = prior.quantile(blend(prior.cdf(old), prior.cdf(other), step))
    return np.where(step == 0, old, moved)
