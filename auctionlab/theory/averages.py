"""Averages over rivals' types, and functions of one type kept for large batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from auctionlab.arrays import Array
from auctionlab.core import Prior
from auctionlab.theory.quadrature import Piecewise

_LATTICE = 1 << 13
_NOISE = 3e-14  # of the largest coefficient: below it is what rounding leaves


class Series(Piecewise):
    """A piecewise Legendre series of no higher degree than needed, for large batches."""

    def __init__(self, edges: Array, values: Array) -> None:
        super().__init__(edges, values)
        size = np.abs(self.series).max(axis=1)
        self.series = self.series[: 1 + int(np.flatnonzero(size > _NOISE * size.max())[-1]) if size.max() > 0 else 1]

    def __call__(self, x: Array) -> Array:
        x = np.clip(np.asarray(x, dtype=float), self.edges[0], self.edges[-1])
        panel = np.searchsorted(self.edges[1:-1], x, side="right")
        z = (x - self.middle[panel]) * self.scale[panel]
        last = before = np.zeros_like(z)
        series = self.series.take(panel, axis=1)  # one gather for all degrees
        for k in range(len(series) - 1, -1, -1):  # Clenshaw
            grown = (2 * k + 1) / (k + 1) * z
            grown *= last
            grown += series[k]
            before = (k + 1) / (k + 2) * before
            grown -= before
            last, before = grown, last
        return last


class Table:
    """A function known at finitely many types, linear between them."""

    def __init__(self, types: Array, values: Array) -> None:
        self.types, self.values = types, values

    def __call__(self, types: Array) -> Array:
        return np.interp(types, self.types, self.values)


class Except:
    """A function of types that has values of its own at finitely many of them, ascending (K,)."""

    def __init__(self, function: Callable[[Array], Array], types: Array, values: Array) -> None:
        self.function, self.types, self.values = function, types, values

    def __call__(self, types: Array) -> Array:
        found = self.function(types)
        if not len(self.types):
            return found
        place = np.minimum(np.searchsorted(self.types, types), len(self.types) - 1)
        return np.where(self.types[place] == types, self.values[place], found)


def profiles_of(priors: tuple[Prior, ...]) -> tuple[Array, Array]:
    """Profiles (N, m) of m seats and weights (N,) that average smooth functions of their types."""
    if not priors:
        return np.zeros((1, 0)), np.ones(1)
    if len(priors) > 2:
        uniform = (np.arange(1, _LATTICE + 1)[:, None] * steps(len(priors))) % 1.0
        folded = np.clip(np.abs(2 * uniform - 1), 1e-12, 1 - 1e-12)  # periodic, so that the lattice converges faster
        nodes = np.stack([prior.quantile(folded[:, j]) for j, prior in enumerate(priors)], axis=1)
        return nodes, np.full(_LATTICE, 1 / _LATTICE)
    axes = [_axis(prior, *((24, 6) if len(priors) == 1 else (6, 2))) for prior in priors]
    nodes = np.stack(np.meshgrid(*(axis[0] for axis in axes), indexing="ij"), axis=-1).reshape(-1, len(priors))
    weights: Any = axes[0][1]
    for _, more in axes[1:]:
        weights = np.multiply.outer(weights, more)
    return nodes, np.ravel(weights)


def _axis(prior: Any, panels: int, shrinking: int) -> tuple[Array, Array]:
    """Types and weights of one prior: Gauss-Legendre in probability, panels shrinking towards both ends."""
    if hasattr(prior, "support"):
        return np.asarray(prior.support), np.asarray(prior.masses)
    ends = 8.0 ** -np.arange(2.0, 2.0 + shrinking)
    edges = np.unique(np.concatenate([np.linspace(0, 1, panels + 1), ends, 1 - ends, prior.cdf(prior.breaks)]))
    points, weights = np.polynomial.legendre.leggauss(8)
    half = np.diff(edges)[:, None] / 2
    chances = edges[:-1, None] + half * (1 + points)
    return np.asarray(prior.quantile(chances.ravel())), (half * weights).ravel()


def all_profiles(priors: list[Prior]) -> tuple[Array, Array]:
    axes: list[Any] = list(priors)
    if not axes:
        return np.zeros((1, 0)), np.ones(1)
    grid = np.stack(np.meshgrid(*(prior.support for prior in axes), indexing="ij"), axis=-1).reshape(-1, len(axes))
    masses = np.stack(np.meshgrid(*(prior.masses for prior in axes), indexing="ij"), axis=-1).reshape(-1, len(axes))
    return grid, masses.prod(axis=1)


def steps(n: int) -> Array:
    """The generator of a Kronecker lattice in n dimensions (generalised golden ratio)."""
    root = 1.5
    for _ in range(60):
        root = (1 + root) ** (1 / (n + 1))
    return root ** -np.arange(1, n + 1)
