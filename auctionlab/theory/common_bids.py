"""Equilibria in which bidders with different priors share one interval of bids, by Gauss-Newton on inverse bids.

Let φ_r(b) be the type of role r that bids b. At common bids b_0 < … < b_M, with types linear in between, the chance K
to beat all rivals is smooth in all φ, and the conditions are those of `indifference`: the mean type of a cell, weighted
by dK, is content with both ends of it. The roles who bid most reach their highest type at the same top bid, which is
unknown. Where roles may stop, the highest type of one bids less if it would rather not bid more: with s ≥ 0 what it
loses by that and r ≥ 0 by how much it is higher than the type at a bid, s r = 0, or s + r = √(s² + r²) (Fischer 1992).
At the lowest bid a role is at its lowest type, or at the type that expects nothing; one single bidder at most may bunch
there, whose mass of types the others beat by bidding a little more (Amann and Leininger 1996, for the all-pay auction).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy.optimize import brentq

from auctionlab.arrays import NO_BID, Array
from auctionlab.theory.sealed import Outcomes, Roles

_STEPS, _TOLERANCE = 40, 1e-6  # Gauss-Newton; relative to the values' range
_IDLE, _LESS = 4, 0.9  # so many steps that ask for `much` but leave so much of what is missed end a search
_DAMPING = (1.0, 0.5, 0.25, 0.1, 0.03)
_FIRM, _SMOOTH = 1e3, 1e-7  # weights of the conditions on the lowest types, and of changes of slope
_UNLIKELY = 1e-7  # conditions count less where all is less likely to be decided
_AS_GOOD = 1e-6  # relative to a role's range of types
_GAUSS, _WEIGHTS = np.polynomial.legendre.leggauss(4)
_INNER = (1 + _GAUSS) / 2


@dataclass(frozen=True, eq=False)
class Inverse:
    """Types (R, M + 1) that bid common bids, which are `low` + (`top` − `low`) × steps (M + 1,) from 0 to 1."""

    steps: Array
    types: Array
    low: float
    top: float

    @cached_property
    def bids(self) -> Array:
        return self.low + (self.top - self.low) * self.steps

    @cached_property
    def last(self) -> Array:
        """The first bid of each role, (R,), that is as good as one of its highest type."""
        tops = self.types[:, -1:]
        return np.asarray(np.argmax(self.types >= tops - _AS_GOOD * (tops - self.types[:, :1]), axis=1))


@dataclass(frozen=True, eq=False)
class CommonBids:
    """The conditions of all roles; `bunching` is the role, of one seat, that may bunch at the lowest bid, or None."""

    roles: Roles
    bunching: int | None = None
    much: float = 0.1  # relative to the values' range
    stops: bool = False  # whether roles may stop below the top bid; a bad start then makes them stop at once

    def solve(self, start: Inverse) -> Inverse:
        """From a start to where the conditions hold, or as near to that as it gets."""
        at, idle = start, 0
        for _ in range(_STEPS):
            parts = self._parts(at)
            residual, matrix, norms = self._linearised(at, parts)
            if not (np.all(np.isfinite(matrix)) and np.all(np.isfinite(residual))):
                break
            change = np.linalg.lstsq(matrix, -residual, rcond=1e-13)[0]
            size, best, tried = float(residual @ residual), np.inf, at
            for damping in _DAMPING:
                moved = self._moved(at, damping * change)
                after = self._residual(moved, self._parts(moved), norms)
                if float(after @ after) < best:
                    best, tried = float(after @ after), moved
                if best < size:
                    break
            far = float(np.abs(self._moved(at, change).types - at.types).max()) / self.roles.scale
            at, idle = tried, idle + 1 if best > _LESS * size and far > self.much else 0
            if far < _TOLERANCE or idle >= _IDLE:
                break
        return at

    def _moved(self, at: Inverse, change: Array) -> Inverse:
        """All types but the highest, which are given, and the top bid changed."""
        types = at.types.copy()
        types[:, :-1] += change[:-1].reshape(len(types), -1)
        for r, game in enumerate(self.roles.games):
            low = float(game.prior.quantile(np.array(self.roles.least[r])))
            types[r] = np.minimum(np.maximum.accumulate(np.maximum(types[r], low)), at.types[r, -1])
        width = at.top - at.low
        return replace(at, types=types, top=at.low + width * float(np.clip(1 + change[-1] / width, 0.5, 2.0)))

    def entrants(self, at: Inverse) -> list[float]:
        """The lowest type of each role that takes part, if only with the lowest bid."""
        found = []
        for part, game, types in zip(self._parts(at), self.roles.games, at.types, strict=True):
            low, first = float(game.prior.quantile(np.array(self.roles.least[part.role]))), float(types[0])
            if np.isfinite(low) and self.roles.stakes[part.role] <= 0:
                found.append(min(low, first))
                continue
            if not np.isfinite(low) or low >= first or part.worth(first) <= 0:
                found.append(first)
            elif part.worth(low) >= 0:
                found.append(low)
            else:
                found.append(float(brentq(part.worth, low, first)))
        return found

    # ---- what a role faces ----

    def part(self, *what: Any) -> Part:
        return Part(self.roles, *what)

    def _parts(self, at: Inverse) -> list[Part]:
        chances = np.stack([game.prior.cdf(types) for game, types in zip(self.roles.games, at.types, strict=True)])
        inner = at.types[:, :-1, None] + np.diff(at.types, axis=1)[..., None] * _INNER  # (R, M, 4)
        below = np.stack([game.prior.cdf(types) for game, types in zip(self.roles.games, inner, strict=True)])
        density = np.stack([game.prior.pdf(types) for game, types in zip(self.roles.games, inner, strict=True)])
        density = np.where(np.isfinite(density), density, 0.0) * np.diff(at.types, axis=1)[..., None]
        found = []
        for r in range(len(at.types)):
            others = [count - (j == r) for j, count in enumerate(self.roles.counts)]
            chance = np.prod([level**count for level, count in zip(chances, others, strict=True)], axis=0)
            weights = _rate(below, density, others) * _WEIGHTS
            total = weights.sum(axis=1, keepdims=True)
            weights = np.where(total > 0, weights, _WEIGHTS) / np.where(total > 0, total, _WEIGHTS.sum())
            found.append(self.part(r, at, chances, others, chance, weights @ _INNER))
        return found

    # ---- the conditions ----

    def _residual(self, at: Inverse, parts: list[Part], norms: list[Array]) -> Array:
        cells = [self.either(part, norm)[0] for part, norm in zip(parts, norms, strict=True)]
        lowest = [_FIRM * self._lowest(part)[0] for part in parts]
        bends = [bend @ types for bend, types in zip(self._bends(at), at.types, strict=True)]
        return np.concatenate([*cells, lowest, *bends])

    def either(self, part: Part, norm: Array | float) -> tuple[Array, Array, Array]:
        """What a role misses in each cell, (M,), and the derivatives to what it gains there and to its lower type.

        0 where a gain is 0 or, if no types are left and it may stop, below 0.
        """
        gain, types, scale = part.differences / norm, part.at.types[part.role], self.roles.scale
        if not self.stops:
            return gain, np.ones(gain.shape), np.zeros(gain.shape)
        room = (types[-1] - types[:-1]) / scale
        size = np.maximum(np.hypot(gain, room), 1e-300)
        return gain - room + size, 1 + gain / size, (1 - room / size) / scale

    def _lowest(self, part: Part) -> tuple[float, bool, bool]:
        """What the lowest type misses, and whether that is to expect nothing, or to be the lowest of all."""
        if part.role == self.bunching:
            return 0.0, False, False
        level = float(part.chances[part.role, 0]) - self.roles.least[part.role]
        expects = part.expects / self.roles.scale
        return (level, False, True) if level <= expects or self.roles.stakes[part.role] <= 0 else (expects, True, False)

    def _bends(self, at: Inverse) -> list[Array]:
        gaps = np.maximum(np.diff(at.steps), 1e-9)
        rows = _SMOOTH * np.diff(np.diff(np.eye(len(gaps) + 1), axis=0) / gaps[:, None], axis=0)
        rows = rows * (np.minimum(gaps[1:], gaps[:-1]) / gaps.max())[:, None]
        return [rows] * len(at.types)

    def _linearised(self, at: Inverse, parts: list[Part]) -> tuple[Array, Array, list[Array]]:
        count, size = at.types.shape
        cells, lowest = [], []
        for part in parts:
            matrix, first = part.derivatives()  # (M, R, M + 1), (R, M + 1)
            row = np.zeros((count, size))
            _, nothing, least = self._lowest(part)
            if nothing:
                row = first / self.roles.scale
            elif least:
                row[part.role, 0] = float(self.roles.games[part.role].prior.pdf(at.types[part.role, :1])[0])
                row[part.role, 0] = min(row[part.role, 0] or 1.0 / self.roles.scale, 1e6 / self.roles.scale)
            cells.append(matrix)
            lowest.append(_FIRM * row)
        equal = [part.equals() for part in parts]
        norms = [
            np.maximum(
                np.maximum(np.abs(matrix).max(axis=(1, 2)) * self.roles.scale, same), _UNLIKELY * self.roles.scale
            )
            for matrix, same in zip(cells, equal, strict=True)
        ]
        bends = np.zeros((count, size - 2, count, size))
        for r, rows in enumerate(self._bends(at)):
            bends[r, :, r] = rows
        blocks = []
        for part, matrix, norm in zip(parts, cells, norms, strict=True):
            _, gain, lower = self.either(part, norm)
            block, inner = matrix * (gain / norm)[:, None, None], np.arange(size - 1)
            block[inner, part.role, inner] += lower
            blocks.append(block)
        whole = np.concatenate([*blocks, np.stack(lowest), *bends])[:, :, :-1]  # the highest types are given
        residual = self._residual(at, parts, norms)
        step = 1e-6 * (at.top - at.low)
        there = replace(at, top=at.top + step)
        moved = self._residual(there, self._parts(there), norms)
        return residual, np.column_stack([whole.reshape(len(whole), -1), (moved - residual) / step]), norms


class Part:
    """What one role faces: profiles of its rivals' bids (Q, J), their masses, and the outcomes of its own bids.

    Here: nobody or only those who bunch, at NO_BID, or the highest rival bid in each cell.
    """

    masses: Array  # (Q,)

    def __init__(
        self, roles: Roles, role: int, at: Inverse, chances: Array, others: list[int], chance: Array, parts: Array
    ) -> None:
        self.roles, self.role, self.at, self.game = roles, role, at, roles.games[role]
        self.chances, self.others, self.chance, self.parts = chances, others, chance, parts
        self.types = (at.types[role, :-1] + parts * np.diff(at.types[role]))[:, None]
        self.table = self.game.against(at.bids, self.rivals())
        self.gain = self._gain(self.types)
        self.differences = self.gain @ self.masses
        self.lowest = self.game.payoff(at.types[role, :1, None], self._rows(0, 1))  # (1, Q)
        self.expects = float((self.lowest @ self.masses)[0])

    def rivals(self) -> Array:
        """The profiles; their masses are set."""
        bids = self.at.bids
        self.masses = np.concatenate([self.chance[:1], np.maximum(np.diff(self.chance), 0.0)])
        return np.concatenate([[NO_BID], bids[:-1] + self.parts * np.diff(bids)])[:, None]

    def slopes(self, numbers: Array) -> Array:
        """Derivatives (K, R, M + 1) of numbers (K, Q) times the masses to the chance of each role at each bid."""
        count, size = self.at.types.shape
        rates, found = np.eye(count)[:, :, None] * np.ones(size), np.zeros((len(numbers), count, size))
        steps = numbers - np.append(numbers[:, 1:], np.zeros((len(numbers), 1)), axis=1)
        for j in range(count):
            if self.others[j]:
                found[:, j] = steps * _rate(self.chances, rates[j], self.others)
        return found

    def _rows(self, start: int, stop: int | None) -> Outcomes:
        return Outcomes(*(field[:, start:stop] for field in self.table))

    def _gain(self, types: Array) -> Array:
        return np.asarray(self.game.payoff(types, self._rows(1, None)) - self.game.payoff(types, self._rows(0, -1)))

    def worth(self, value: float) -> float:
        """What a type expects from the lowest bid."""
        return float((self.game.payoff(np.array([[value]]), self._rows(0, 1)) @ self.masses)[0])

    def derivatives(self) -> tuple[Array, Array]:
        """Of the differences, (M, R, M + 1), and of what the lowest type expects, (R, M + 1), to all types."""
        size = self.at.types.shape[1]
        rates = np.stack([game.prior.pdf(types) for game, types in zip(self.roles.games, self.at.types, strict=True)])
        rates = np.where(np.isfinite(rates), rates, 0.0)
        matrix, first = self.slopes(self.gain) * rates, self.slopes(self.lowest)[0] * rates
        step = 1e-6 * self.roles.scale
        worth = (self._gain(self.types + step) - self.gain) @ self.masses / step
        cells = np.arange(size - 1)
        matrix[cells, self.role, cells] += worth * (1 - self.parts)
        matrix[cells, self.role, cells + 1] += worth * self.parts
        moved = self.game.payoff(self.at.types[self.role, :1, None] + step, self._rows(0, 1))
        first[self.role, 0] += float(((moved - self.lowest) @ self.masses)[0]) / step
        return matrix, first

    def equals(self) -> Array:
        """The chance that the highest of equally strong rivals is in each cell."""
        return np.maximum(np.diff(self.chances[self.role] ** (self.roles.n - 1)), 1e-300)


def _rate(chances: Array, densities: Array, powers: list[int]) -> Array:
    """The derivative of Π chances^powers, where chances (R, …) have these densities."""
    total = np.zeros(chances.shape[1:])
    for j, power in enumerate(powers):
        if power:
            term = power * chances[j] ** (power - 1) * densities[j]
            for i, other in enumerate(powers):
                if i != j:
                    term = term * chances[i] ** other
            total += term
    return total
