"""Conditions of an equilibrium in which bids are continuous: types between neighbouring bids are content with both.

The bids of a role are given at quantiles of its prior and are linear in the value in between, so there are no ties and
no bid grid. With K the chance that the highest rival bid is below a bid, the conditions are

    U(v̄_m, b_{m+1}) = U(v̄_m, b_m),      v̄_m the mean value in the cell from b_m to b_{m+1}, weighted by dK,

one a cell. For the risk-neutral they add up to the envelope formula, so that payments are exact at the nodes. Outcomes
come from running the mechanism, and derivatives from running it at bids and at prices that are moved a little.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from auctionlab.arrays import NO_BID, Array
from auctionlab.core import Prior
from auctionlab.theory.sealed import Outcomes, Roles

_UNDER = 16  # cells of rivals' bids below all own bids
_FIRM = 1e3  # the weight of the conditions on the lowest types
_SMOOTH = 1e-7  # the weight of changes of slope, which settle what the conditions leave open
_GAUSS, _WEIGHTS = np.polynomial.legendre.leggauss(4)
_INNER = (1 + _GAUSS) / 2


@dataclass(frozen=True, eq=False)
class Play:
    """Bids of a role at quantile levels (M + 1,), all that take part, linear in the value in between."""

    prior: Prior
    levels: Array
    values: Array
    bids: Array

    def below(self, prices: Array) -> Below:
        """P(bid ≤ price, or no part), with the slopes that Newton's method needs."""
        bids, values = self.bids, self.values
        cell = np.clip(np.searchsorted(bids, prices, side="right") - 1, 0, len(bids) - 2)
        width = bids[cell + 1] - bids[cell]
        rises = width > 0
        part = np.where(rises, np.clip((prices - bids[cell]) / np.where(rises, width, 1.0), 0.0, 1.0), 1.0)
        gap = values[cell + 1] - values[cell]
        value = values[cell] + part * gap
        chance = np.where(
            part == 0, self.levels[cell], np.where(part == 1, self.levels[cell + 1], self.prior.cdf(value))
        )
        inside = rises & (prices >= bids[0]) & (prices <= bids[-1])
        density = np.where(inside, self.prior.pdf(value) * gap / np.where(rises, width, 1.0), 0.0)
        return Below(
            np.where(prices < bids[0], self.levels[0], chance), np.where(np.isfinite(density), density, 0.0), cell, part
        )


@dataclass(frozen=True, eq=False)
class Below:
    """The chance that a role's bid is below each price, its density there, the cell of its bids and how far into it."""

    chance: Array
    density: Array
    cell: Array
    part: Array


class Conditions:
    """The conditions of one role against what all roles bid.

    It faces no rival bid, one below all own bids, one in each cell of own bids, or one above: prices (P,), masses (P,).
    stays : whether its types may prefer to take no part, so that the lowest that does is to be found.
    """

    def __init__(self, roles: Roles, role: int, plays: list[Play], stays: bool) -> None:
        self.roles, self.role, self.stays = roles, role, stays
        self.plays, self.play, self.game = plays, plays[role], roles.games[role]
        self.others = [count - (j == role) for j, count in enumerate(roles.counts)]
        bids, values = self.play.bids, self.play.values
        chance, self.slopes = self._facing(bids, derive=True)
        alone = float(np.prod([play.levels[0] ** c for play, c in zip(plays, self.others, strict=True)]))
        under = np.linspace(min(float(play.bids[0]) for play in plays), bids[0], 1 + (_UNDER if len(plays) > 1 else 1))
        steps = np.diff(np.concatenate([[alone], self._facing(under[1:-1])[0], chance[:1]]))
        self.first = 1 + len(steps)  # of the cells of own bids
        masses = np.concatenate([[alone], steps, np.diff(chance), [1 - chance[-1]]])
        self.masses = np.maximum(masses, 0.0)
        inner = bids[:-1, None] + np.diff(bids)[:, None] * _INNER
        weights = self._facing(inner.ravel())[1].reshape(inner.shape) * _WEIGHTS
        total = weights.sum(axis=1, keepdims=True)
        weights = np.where(total > 0, weights, _WEIGHTS) / np.where(total > 0, total, _WEIGHTS.sum())
        self.parts = weights @ _INNER
        self.types = (values[:-1] + self.parts * np.diff(values))[:, None]
        below = np.minimum((under[1:] + under[:-1]) / 2, np.nextafter(bids[0], -np.inf))
        within = bids[:-1] + self.parts * np.diff(bids)
        self.prices = np.concatenate([[NO_BID], below, within, [bids[-1] + roles.scale]])
        table = self.outcomes(bids)
        self.upper, self.lower = _rows(table, 1, None), _rows(table, 0, -1)
        self.gain = self.game.payoff(self.types, self.upper) - self.game.payoff(self.types, self.lower)  # (M, P)
        self.lowest = self.game.payoff(values[:1, None], _rows(table, 0, 1))  # (1, P)

    def _facing(self, prices: Array, derive: bool = False) -> tuple[Array, Array]:
        """P(highest rival bid ≤ price), and its density, or where own bids are asked its derivatives to all bids."""
        seen = [play.below(prices) for play in self.plays]
        chance = np.ones(prices.shape)
        for one, count in zip(seen, self.others, strict=True):
            chance = chance * one.chance**count
        count = len(self.play.bids)
        density, slopes, rows = (
            np.zeros(prices.shape),
            np.zeros((len(prices), count * len(seen) if derive else 0)),
            np.arange(len(prices)),
        )
        for j, one in enumerate(seen):
            if self.others[j] == 0:
                continue
            weight = self.others[j] * one.density * one.chance ** (self.others[j] - 1)
            for i, other in enumerate(seen):
                if i != j:
                    weight = weight * other.chance ** self.others[i]
            density += weight
            if derive:
                slopes[rows, j * count + one.cell] -= weight * (1 - one.part)
                slopes[rows, j * count + one.cell + 1] -= weight * one.part
        if not derive:
            return chance, density
        slopes[rows, self.role * count + rows] += density
        return chance, slopes

    def outcomes(self, bids: Array, shift: Array | float = 0.0) -> Outcomes:
        """Outcomes (L, bids, prices)."""
        prices = self.prices + shift
        found = self.game.outcomes(np.repeat(bids, len(prices)), np.tile(prices, len(bids))[:, None])
        return Outcomes(*(field.reshape(-1, len(bids), len(prices)) for field in found))

    @cached_property
    def raw(self) -> Array:
        """U(v̄, upper bid) − U(v̄, lower bid), (M,)."""
        return np.asarray(self.gain @ self.masses)

    @cached_property
    def ends(self) -> tuple[bool, bool, float]:
        """Whether the lowest type may stay out, whether its bid must be the lowest legal one, and what it expects."""
        step, low, bid = 1e-6 * self.roles.scale, self.game.low, self.play.bids[:1]
        expects = float((self.lowest @ self.masses)[0])
        free = self.stays and (self.play.levels[0] > self.roles.least[self.role] or expects < 0)
        if bid[0] <= low + step:
            return free, True, expects
        less = self.game.payoff(self.play.values[:1, None], self.outcomes(bid - step)) @ self.masses
        return free, float(less[0]) > expects + 1e-9 * step, expects

    @cached_property
    def bends(self) -> Array:
        """Rows (M − 1, M + 1): changes of slope of the bids over the values, with a small weight."""
        gaps = np.maximum(np.diff(self.play.values), 1e-9 * self.roles.scale)
        rows = np.diff(np.diff(np.eye(len(gaps) + 1), axis=0) / gaps[:, None], axis=0)
        return np.asarray(_SMOOTH * self.roles.scale * rows * (np.minimum(gaps[1:], gaps[:-1]) / gaps.max())[:, None])

    def residual(self, norm: Array) -> Array:
        free, pinned, expects = self.ends
        scale = self.roles.scale
        ends = [
            _FIRM * expects / scale if free else 0.0,
            _FIRM * (self.play.bids[0] - self.game.low) / scale if pinned else 0.0,
        ]
        return np.concatenate([self.raw / norm, ends, self.bends @ self.play.bids])

    def derivatives(self) -> tuple[Array, Array]:
        """Derivatives of the residual to the bids of all roles, and the norms (M,) of the cells."""
        bids, count, scale = self.play.bids, len(self.play.bids), self.roles.scale
        own, cells = self.role * count, np.arange(count - 1)
        no = np.zeros((self.first - 1, self.slopes.shape[1]))
        masses = np.concatenate([no, self.slopes[:1], np.diff(self.slopes, axis=0), -self.slopes[-1:]])
        matrix, lowest = self.gain @ masses, (self.lowest @ masses)[0]
        gaps = np.diff(bids)
        steps = 1e-3 * np.minimum(np.append(gaps, np.inf), np.append(np.inf, gaps))
        steps = np.where(steps > 0, steps, 1e-9 * scale)
        there = self.outcomes(bids + steps)
        up = (
            self.game.payoff(self.types, _rows(there, 1, None)) - self.game.payoff(self.types, self.upper)
        ) @ self.masses
        down = (
            self.game.payoff(self.types, _rows(there, 0, -1)) - self.game.payoff(self.types, self.lower)
        ) @ self.masses
        matrix[cells, own + cells + 1] += up / steps[1:]
        matrix[cells, own + cells] -= down / steps[:-1]
        first = self.game.payoff(self.play.values[:1, None], _rows(there, 0, 1)) - self.lowest
        lowest[own] += float((first @ self.masses)[0]) / steps[0]
        shift = np.zeros(len(self.prices))
        shift[self.first : -1] = np.where(gaps > 0, 1e-3 * gaps, 1e-9 * scale)
        moved = self.outcomes(bids, shift)
        gain = self.game.payoff(self.types, _rows(moved, 1, None)) - self.game.payoff(self.types, _rows(moved, 0, -1))
        effect = (
            (gain - self.gain)[:, self.first : -1] / shift[self.first : -1] * self.masses[self.first : -1]
        )  # (M, M)
        matrix[:, own : own + count - 1] += effect * (1 - self.parts)
        matrix[:, own + 1 : own + count] += effect * self.parts
        norm = np.maximum(np.abs(matrix).max(axis=1), self._equals())
        free, pinned, _ = self.ends
        ends = np.zeros((2, self.slopes.shape[1]))
        ends[0] = _FIRM * lowest / scale if free else 0.0
        ends[1, own] = _FIRM / scale if pinned else 0.0
        bends = np.zeros((count - 2, self.slopes.shape[1]))
        bends[:, own : own + count] = self.bends
        return np.concatenate([matrix / norm[:, None], ends, bends]), norm

    def _equals(self) -> Array:
        """The chance that the highest of equally strong rivals is in each cell."""
        power, levels = self.roles.n - 1, self.play.levels
        with np.errstate(divide="ignore"):
            logs = np.log(levels)
            return np.maximum(np.exp(power * logs[1:]) * -np.expm1(power * (logs[:-1] - logs[1:])), 1e-300)


def _rows(table: Outcomes, start: int, stop: int | None) -> Outcomes:
    """The outcomes of some of the own bids."""
    return Outcomes(*(field[:, start:stop] for field in table))
