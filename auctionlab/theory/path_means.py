"""Mean utility along a path on which money changes linearly from node to node, also where utility bends at 0."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from auctionlab.arrays import Array

Utility = Callable[[Array], Array]

_POWER = 4  # x = τ⁴ makes x^(1−ρ) smooth at 0
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(5)
_TAU = ((1 + _NODES) / 2) ** _POWER
_MASS = _WEIGHTS / 2 * _POWER * ((1 + _NODES) / 2) ** (_POWER - 1)
_ALIKE = 1e-4  # a relative difference of both ends of a piece that is as good as none
_STEP = 1e-5  # relative, for derivatives


def path_mean(utility: Utility | None, money: Array, masses: Array) -> tuple[Array, Array]:
    """Mean utility (...,) of money (..., T) at nodes, masses (..., T − 1) between them, and derivatives (..., T).

    utility : of money, with u(0) = 0;   None : money itself.
    """
    slopes = np.zeros(money.shape)
    first, last = money[..., :-1], money[..., 1:]
    middle = (first + last) / 2
    if utility is None:
        mean = middle
        left = right = np.array(0.5)
    elif not _bends(utility):  # Simpson's rule
        low, mid, high = (utility(x) for x in (first, middle, last))
        rise, between, end = (marginal(utility, x) for x in (first, middle, last))
        mean, left, right = (low + 4 * mid + high) / 6, (rise + 2 * between) / 6, (end + 2 * between) / 6
    else:  # the difference of the integral from 0
        ends, width = utility(money), last - first
        alike = np.abs(width) <= _ALIKE * np.maximum(np.abs(first), np.abs(last))
        width = np.where(alike, 1.0, width)
        total = money * np.tensordot(utility(money[..., None] * _TAU), _MASS, axes=(-1, 0))
        mean = np.where(alike, utility(middle), np.diff(total, axis=-1) / width)
        half = marginal(utility, middle) / 2
        left = np.where(alike, half, (mean - ends[..., :-1]) / width)
        right = np.where(alike, half, (ends[..., 1:] - mean) / width)
    slopes[..., :-1] += masses * left
    slopes[..., 1:] += masses * right
    return np.asarray((mean * masses).sum(axis=-1)), slopes


def marginal(utility: Utility, money: Array) -> Array:
    """u′ by differences."""
    step = _STEP * np.maximum(np.abs(money), 1e-6)
    return np.asarray((utility(money + step) - utility(money - step)) / (2 * step))


def _bends(utility: Utility) -> bool:
    """Whether u′ changes without bound next to 0."""
    close = np.array([1e-9, 1e-8])
    near, far = utility(close) / close
    return bool(abs(near / far - 1) > 1e-3)
