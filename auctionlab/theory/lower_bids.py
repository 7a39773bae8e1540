"""What a seat faces where more than the highest rival bid decides: profiles of its rivals' bids, and their masses.

Rivals bid independently, so all follows from the chance of each to bid below some ascending bids, the edges. A bid
between two edges stands at the middle. Where only the highest and the j-th highest rival bid matter, both are
integrated over pairs of cells: P(all ≤ x, the j-th highest ≤ y) is a sum of Poisson-binomial terms, exact at the edges.
Else one rival after the other is the highest, and the bids below it stand at the same points in every cell.
"""

from __future__ import annotations

from functools import lru_cache
from math import comb
from typing import NamedTuple

import numpy as np
from scipy.special import roots_sh_jacobi
from scipy.stats.qmc import Sobol

from auctionlab.arrays import NO_BID, Array


class Profiles(NamedTuple):
    """Rivals' messages (Q, J), in the order of the rivals given, and the probability of each, (Q,)."""

    messages: Array
    masses: Array


class Cells(NamedTuple):
    """Where a rival's bid may lie: messages (C,), the chances of each rival below (J, C) and up to it (J, C)."""

    messages: Array
    below: Array
    upto: Array


def faced(
    edges: Array,
    under: Array,
    upto: Array,
    depth: int | None,
    points: int = 64,
    shift: Array | None = None,
    merged: int = 1,
) -> Profiles:
    """The profiles of J rivals who bid below the edges (E,) with chances `under`, up to them with `upto`, both (J, E).

    depth : the j of the j-th highest rival bid that matters besides the highest;   None : all matter, and about
    `points` stand for the lower bids: Gauss points, or a Sobol lattice where rivals differ or a `shift` (J − 1,) moves
    it.   merged : so many cells between edges are one pair's, at the mean of their bids. A bid below the first edge is
    none.
    """
    cells = _cells(edges, under, upto)
    if depth == 1:
        return Profiles(cells.messages[:, None], np.diff(np.prod(cells.upto, axis=0), prepend=0.0))
    if depth is None:
        alike = bool(np.all(cells.upto == cells.upto[0]))
        below = _equals_below if alike and under[0, 0] > 0 else _below_the_highest
        return below(cells, edges, under, upto, points, shift)
    starts = np.arange(len(cells.messages))
    if merged > 1:
        starts = np.unique(np.searchsorted(cells.messages, np.append(NO_BID, edges[::merged])))
    return _pairs(cells, depth, starts[starts < len(cells.messages)])


def _cells(edges: Array, under: Array, upto: Array) -> Cells:
    """Bids below all edges, at an edge, between two, and beyond, as far as some rival may send them."""
    size = len(edges)
    beyond = edges[-1] + ((edges[-1] - edges[0]) / size if size > 1 else 1.0)
    messages = np.empty(2 * size + 1)
    messages[0], messages[1::2] = NO_BID, edges
    messages[2:-1:2], messages[-1] = (edges[1:] + edges[:-1]) / 2, beyond
    levels = np.ones((len(under), 2 * size + 1))
    levels[:, 0:-1:2], levels[:, 1::2] = under, upto
    levels = np.maximum.accumulate(levels, axis=1)
    below = np.concatenate([np.zeros((len(levels), 1)), levels[:, :-1]], axis=1)
    kept = np.any(levels > below, axis=0)
    kept[0] = True
    return Cells(messages[kept], below[:, kept], levels[:, kept])


def _pairs(cells: Cells, depth: int, starts: Array) -> Profiles:
    """Where the highest and the `depth`-th highest rival bid lie; those between bid as the latter does.

    starts : the first of the cells that are taken together; a pair of such groups stands at its mean.
    """
    total = pair_chances(cells.upto, depth)
    masses = np.maximum(np.diff(np.diff(total, axis=0, prepend=0.0), axis=1, prepend=0.0), 0.0)
    finite = np.append(0.0, cells.messages[1:])

    def grouped(numbers: Array) -> Array:
        return np.add.reduceat(np.add.reduceat(numbers, starts, axis=0), starts, axis=1)

    mass = grouped(masses)
    high, low = np.nonzero(mass > 0)
    mass = mass[high, low]
    highest, lower = (grouped(masses * part)[high, low] / mass for part in (finite[:, None], finite[None, :]))
    messages = np.full((len(high), len(cells.upto)), NO_BID)
    messages[:, 1:depth] = np.where(low > 0, lower, NO_BID)[:, None]
    messages[:, 0] = np.where(high > 0, highest, NO_BID)
    return Profiles(messages, mass)


def pair_chances(levels: Array, depth: int) -> Array:
    """P(all are at most in cell h, and the `depth`-th highest at most in cell l), (C, C), from chances (J, C)."""
    size = levels.shape[1]
    chance = np.zeros((depth, size, size))  # of so many above cell l, all at most in cell h
    chance[:1] = 1.0
    for level in levels:
        within, above = level[None, :], np.maximum(level[:, None] - level[None, :], 0.0)
        chance[1:] = chance[1:] * within + chance[:-1] * above
        chance[:1] *= within
    total = np.asarray(chance.sum(axis=0))
    total[np.triu_indices(size)] = np.repeat(np.diagonal(total), np.arange(size, 0, -1))
    return total


def _below_the_highest(
    cells: Cells, edges: Array, under: Array, upto: Array, points: int, shift: Array | None
) -> Profiles:
    """Every rival in turn is the first to reach the highest cell; rivals with the same chances stand for each other."""
    rivals, size = cells.upto.shape
    kinds = [next(i for i in range(rivals) if np.array_equal(cells.upto[i], row)) for row in cells.upto]
    before = np.cumprod(np.concatenate([np.ones((1, size)), cells.below[:-1]]), axis=0)
    after = np.cumprod(np.concatenate([cells.upto[1:], np.ones((1, size))])[::-1], axis=0)[::-1]
    chances = before * (cells.upto - cells.below) * after  # (J, C), adding up to P(the highest is in the cell)
    levels, weights = _levels(rivals - 1, len(set(kinds)) == 1, points, shift)
    bids = np.repeat(edges, 2)
    messages, masses = [], []
    for kind in sorted(set(kinds)):
        sent = np.empty((size, len(weights), rivals))
        sent[..., kind] = cells.messages[:, None]
        for place, j in enumerate(j for j in range(rivals) if j != kind):
            level = levels[:, place] * (cells.below[j] + cells.upto[j])[:, None] / 2  # (C, S)
            found = np.interp(level, np.stack([under[j], upto[j]], axis=1).ravel(), bids)
            sent[..., j] = np.where(level < under[j, 0], NO_BID, np.minimum(found, cells.messages[:, None]))
        mass = sum(chances[j] for j in range(rivals) if kinds[j] == kind)
        messages.append(sent.reshape(-1, rivals))
        masses.append(np.multiply.outer(mass, weights).ravel())
    rows, mass = np.concatenate(messages), np.concatenate(masses)
    return Profiles(rows[mass > 0], mass[mass > 0])


def _equals_below(cells: Cells, edges: Array, under: Array, upto: Array, points: int, shift: Array | None) -> Profiles:
    """The same for equal rivals some of whom take no part: as many as may be, one number after the other."""
    rivals, size = cells.upto.shape
    below, level, absent = cells.below[0], (cells.below[0] + cells.upto[0]) / 2, under[0, 0]
    chances = cells.upto[0] ** rivals - below**rivals
    ratio = np.minimum(absent / np.maximum(level, 1e-300), 1.0)
    bids, known = np.repeat(edges, 2), np.stack([under[0], upto[0]], axis=1).ravel()
    messages, masses = [], []
    for there in range(rivals):
        likely = comb(rivals - 1, there) * ratio ** (rivals - 1 - there) * (1 - ratio) ** there
        levels, weights = np.zeros((1, 0)), np.ones(1)
        if there:
            levels, weights = _levels(there, True, max(points // 2, 4), None if shift is None else shift[:there])
        sent = np.full((size, len(weights), rivals), NO_BID)
        sent[..., 0] = cells.messages[:, None]
        found = np.interp(absent + (level - absent)[:, None, None] * levels, known, bids)
        sent[..., 1 : 1 + there] = np.minimum(found, cells.messages[:, None, None])
        messages.append(sent.reshape(-1, rivals))
        masses.append(np.multiply.outer(chances * likely, weights).ravel())
    rows, mass = np.concatenate(messages), np.concatenate(masses)
    return Profiles(rows[mass > 0], mass[mass > 0])


@lru_cache(maxsize=8)
def _levels_at(count: int, alike: bool, points: int, shift: tuple[float, ...] | None) -> tuple[Array, Array]:
    """Chances (S, count) of rivals below the highest, relative to its own, and weights (S,).

    Of equal rivals the highest comes first, then the next: their bids are smoother in that than one by one.
    """
    powers = np.arange(count, 0, -1)
    each = min(5, int(points ** (1 / count) + 1e-9))
    if alike and shift is None and each > 1:
        axes = [roots_sh_jacobi(each, power, power) for power in powers]  # density power · x^(power − 1)
        grid = np.stack(np.meshgrid(*(axis[0] for axis in axes), indexing="ij"), axis=-1).reshape(-1, count)
        weights = [axis[1] / axis[1].sum() for axis in axes]
        masses = np.stack(np.meshgrid(*weights, indexing="ij"), axis=-1).reshape(-1, count).prod(axis=1)
        return np.cumprod(grid, axis=1), masses
    points = 1 << int(np.log2(points))
    spread = (Sobol(count, scramble=False).random(points) + 0.5 / points + np.array(shift or 0.0)) % 1.0
    return np.cumprod(spread ** (1 / powers), axis=1) if alike else spread, np.full(points, 1 / points)


def _levels(count: int, alike: bool, points: int, shift: Array | None) -> tuple[Array, Array]:
    return _levels_at(count, alike, points, None if shift is None else tuple(shift))
