"""Draws of all seats' signals for averages: every profile where types are few, else shifted lattices.

Means over blocks are independent and unbiased, so their spread gives a standard error; all that is compared meets the
same draws.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from auctionlab.arrays import Array
from auctionlab.core import Environment
from auctionlab.rng import Stream

_FEW = 4096  # profiles of discrete types that are enumerated


@dataclass(frozen=True)
class Draws:
    """Signals (blocks, N, n, *S) of independent types and the weights (N,) that average a block."""

    signals: Array
    weights: Array

    @property
    def exact(self) -> bool:
        """True where the one block has every profile of a discrete prior."""
        return len(self.signals) == 1

    @property
    def size(self) -> int:
        """Profiles in all blocks."""
        return int(self.signals.shape[0] * self.signals.shape[1])

    def means(self, rows: Array) -> Array:
        """Weighted means over N of rows (blocks, ..., N)."""
        return np.asarray(rows @ self.weights)

    def judge(self, blocks: Array, unit: float) -> tuple[Array, Array]:
        """Mean and standard error of block means (blocks, P); an error below `unit` / N could have missed an event."""
        mean = blocks.mean(axis=0)
        if self.exact:
            return mean, np.zeros_like(mean)
        return mean, np.maximum(blocks.std(axis=0, ddof=1) / np.sqrt(len(blocks)), unit / self.size)


def draws(environment: Environment, blocks: int, size: int, rng: Stream) -> Draws:
    """All profiles where priors are discrete and those are few; else lattices, each block with its own random shift.

    Vectors of types, which have no quantile function, are sampled.
    Cranley and Patterson (1976); the lattice is the Kronecker sequence of the generalised golden ratio.
    """
    n = environment.n
    priors: list[Any] = list(environment.priors)
    if any(prior is None for prior in priors):
        sampled = environment.sample(rng, blocks * size).signals
        return Draws(sampled.reshape(blocks, size, *sampled.shape[1:]), np.full(size, 1 / size))
    supports = [prior.support for prior in priors if hasattr(prior, "support")]
    if len(supports) == n and math.prod(len(support) for support in supports) <= _FEW:
        grid: Array = np.stack(np.meshgrid(*supports, indexing="ij"), axis=-1).reshape(1, -1, n)
        masses = np.stack(np.meshgrid(*(prior.masses for prior in priors), indexing="ij"), axis=-1).reshape(-1, n)
        return Draws(grid, masses.prod(axis=1))
    root = 1.5
    for _ in range(60):
        root = (1 + root) ** (1 / (n + 1))  # x^(n+1) = x + 1
    steps = np.arange(1, size + 1)[:, None] * root ** -np.arange(1, n + 1)  # (size, n)
    uniform = np.clip((steps + rng.random((blocks, 1, n))) % 1.0, 1e-12, 1 - 1e-12)
    signals = np.stack([np.asarray(prior.quantile(uniform[..., j])) for j, prior in enumerate(priors)], axis=-1)
    return Draws(signals, np.full(size, 1 / size))
