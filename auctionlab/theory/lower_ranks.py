"""Quadrature over the bids of rivals who are all below some level: order statistics of their levels.

Ratios are levels relative to the one they are below. The innermost axis is the highest rival that is integrated over:
along it lie nodes with the mass of each piece between two, so that utility may bend within a piece. The other axes are
Gauss points in the root of the ratio, in which bids are smooth whether F starts linearly or as a square.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.special import betainc, roots_sh_jacobi

from auctionlab.arrays import Array


class Ranks(NamedTuple):
    """Profiles of some rivals: outer ratios (O, q) that fall along the last axis, and their weights (O,).

    upto : the chance that the innermost rival is within a share of the way from the first outer ratio, or from 0, to 1;
    None where no rival is integrated over.   copies : how many rivals bid as each does, from the innermost on.
    """

    ratios: Array
    weights: Array
    upto: Callable[[Array], Array] | None
    copies: tuple[int, ...] = ()


NOBODY = Ranks(np.zeros((1, 0)), np.ones(1), None)


def all_of(count: int, points: int) -> Ranks:
    """Every one of `count` rivals matters."""
    if count == 0:
        return NOBODY
    return Ranks(*_descending(count, points), lambda share: share, (1,) * count)


def one_of(count: int, rank: int) -> Ranks:
    """The `rank`-th highest of `count` matters alone, those above bid as it does; nobody where there are fewer."""
    if count < rank:
        return NOBODY
    ratios, weights, *_ = NOBODY
    return Ranks(ratios, weights, lambda share: np.asarray(betainc(count - rank + 1, rank, share)), (rank,))


def two_of(count: int, rank: int, points: int) -> Ranks:
    """The highest and the `rank`-th highest of `count` matter; those between bid as the latter."""
    if count == 0:
        return NOBODY
    if count < rank or rank == 1:
        return Ranks(*NOBODY[:2], lambda share: np.asarray(share**count), (1,))
    ratios, weights = _beta(points, count - rank + 1, rank)
    return Ranks(ratios[:, None], weights, lambda share: np.asarray(share ** (rank - 1)), (1, rank - 1))


@lru_cache(maxsize=64)
def _descending(count: int, points: int) -> tuple[Array, Array]:
    """The second-highest and lower of `count` uniform ratios (O, count − 1), and weights (O,)."""
    if count == 1:
        return NOBODY[:2]
    axes = [_beta(points, count - 1, 2), *(_beta(points, left, 1) for left in range(count - 2, 0, -1))]
    steps, weights = (np.meshgrid(*(axis[part] for axis in axes), indexing="ij") for part in (0, 1))
    ratios = np.stack(steps, axis=-1).reshape(-1, count - 1)
    return np.cumprod(ratios, axis=1), np.prod(weights, axis=0).ravel()


@lru_cache(maxsize=64)
def _beta(points: int, low: int, high: int) -> tuple[Array, Array]:
    """Gauss points for the Beta(low, high) density, with x = z²."""
    z, weights = roots_sh_jacobi(points, 2 * low + high - 1, 2 * low)
    weights = weights * (1 + z) ** (high - 1)
    return z * z, weights / weights.sum()
