"""Symmetric equilibria of sealed auctions in which lower rival bids matter, as smooth bid functions.

Where losers get and pay the same whatever they bid, a type v is content with its bid b where

    g E[u(win) − u(lose); one rival bids b, the others less] + b′ G E[du(win)/db; all rivals bid less] = 0,

G = F^(n−1), g = G′: a little more beats that rival, and costs more where the own bid is paid. Gauss-Newton finds the
coefficients of `spline_bids` that meet the conditions of many types, with ever less weight on evenness. Where small
changes of low bids grow without bound in those of higher types, as in the third-price auction under CRRA, bids that
wriggle meet the conditions too, to first order: 2v + ε v^1.725 cos(6.694 log v) for three uniform values and ρ = 1/2,
where ∫ |1 − 2x|^(−1/2) x^(1.725 + 6.694 i) dx = 0 over x < 1. What is found is even.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from scipy.interpolate import PchipInterpolator

from auctionlab.arrays import NO_BID, Array
from auctionlab.errors import NoEquilibrium
from auctionlab.theory.lower_faced import Block, Faced
from auctionlab.theory.sealed import Outcomes, Roles
from auctionlab.theory.solve import Start
from auctionlab.theory.spline_bids import Splines
from auctionlab.theory.symmetric import Bidding, Function

_TYPES, _SIZE = 40, 14  # conditions, coefficients
_UNEVEN = (1e-2, 1e-3, 1e-4)  # weights of third differences of coefficients, one after the other
_STEPS, _TOLERANCE, _HELP = 40, 1e-5, 1e-2  # Gauss-Newton; the least share of the residual that a step has to save
_DAMPING, _TRIES, _ENOUGH = 1e-3, 6, 0.1
_LONGEST, _SHARES = 3.0, (1.0, 0.5, 0.2)  # of the logarithm of a slope; shares of a step that are tried
_MET = 3e-3  # the mean relative error at which conditions are met
_LITTLE = 0.1  # of what money is worth: errors in utility are relative to this at least
_FLOOR = 0.05  # of the values' range: errors are relative to how far a type is from the lowest, or this
_EXPECTED = 96  # cells of types at which expectations are computed


@dataclass(frozen=True, eq=False)
class Smooth:
    """The search for the bids of all seats of a symmetric auction."""

    sides: Roles

    @cached_property
    def faced(self) -> Faced:
        entry = self.sides.entry[0]
        if entry >= 1:
            raise NoEquilibrium(f"{self.sides.rule}: no type has anything to gain by taking part")
        return Faced(self.sides, Splines(self.sides.games[0].prior, entry, _SIZE))

    @cached_property
    def types(self) -> Array:
        """Whose conditions are to be met, (N,)."""
        return self.faced.splines.value((1 - np.cos(np.pi * (np.arange(_TYPES) + 0.5) / _TYPES)) / 2)

    @cached_property
    def suits(self) -> bool:
        """Whether what losers get and pay does not depend on bids."""
        game, bids = self.sides.games[0], self.faced.probes
        for rank in range(1, self.sides.n):
            found = game.outcomes(bids[:, rank], np.delete(bids, rank, axis=1))
            if any(np.ptp(np.sum(found.chances * field, axis=0)) > 0 for field in found[1:]):
                return False
        return True

    @cached_property
    def _beaten(self) -> Outcomes:
        low = self.sides.games[0].low
        return self.sides.games[0].outcomes(np.array([low]), np.array([[low + self.sides.scale]]))

    @cached_property
    def _tied(self) -> list[Block]:
        return self.faced.blocks(self.types, self.sides.n - 2, tied=True)

    @cached_property
    def _ahead(self) -> list[Block]:
        """All rivals below, where the own bid counts then."""
        faced = self.faced
        return faced.blocks(self.types, self.sides.n - 1, tied=False) if faced.own_bid_counts else []

    @cached_property
    def _pinned(self) -> bool:
        """Whether the lowest type, who wins only if alone, wants to bid as little as is legal."""
        game, low = self.sides.games[0], self.sides.games[0].low
        own = low + np.array([0.0, 1e-3 * self.sides.scale])
        worth = game.payoff(self.faced.splines.values[:1], game.outcomes(own, np.full((2, 1), NO_BID)))
        return bool(self.faced.splines.entry > 0 and worth[1] < worth[0] - 1e-9 * abs(worth[0]))

    # ---- the conditions ----

    def conditions(self, chosen: Array, derive: bool = True) -> tuple[Array, Array, Array]:
        """The left sides over g (N,), derivatives (N, 1 + C), and how much bids change each, (N,)."""
        faced, types, splines = self.faced, self.types, self.faced.splines
        curve, own = splines.curve(chosen), splines.points(types)
        won, matrix, size = self._summed(
            self._tied, partial(faced.worth, types, curve=curve, own=own, more=1, derive=derive)
        )
        gains, unit = self._compared(won)
        if not self._ahead:
            return gains, matrix / unit[:, None], size / unit
        near = faced.near(curve, own)
        up, down = (
            self._summed(self._ahead, partial(faced.worth, types, curve=curve, own=own, more=more, derive=derive))
            for more in (2, 1)
        )
        costs, slopes = (up[0] - down[0]) / near, (up[1] - down[1]) / near[:, None]
        basis = splines.log_slopes(types)
        prior = self.sides.games[0].prior
        weight = np.asarray(prior.cdf(types) / prior.pdf(types)) / (self.sides.n - 1)  # G / g
        weight, norm = weight * np.exp(basis @ chosen[1:]), 1 / (1 + weight / self.sides.scale)
        slopes = slopes + costs[:, None] * np.pad(basis, ((0, 0), (1, 0)))
        size = size + weight * np.abs(costs)
        return (gains + weight * costs) * norm, (matrix + weight[:, None] * slopes) * norm[:, None], size * norm

    def _summed(self, blocks: list[Block], worth: Callable[[Block], tuple[Array, ...]]) -> list[Array]:
        """The worth of types (N,), its derivatives (N, 1 + C) and their size (N,), over how many take part."""
        count = len(self.types)
        total = [np.zeros(count), np.zeros((count, 1 + _SIZE)), np.zeros(count)]
        for block in blocks:
            for whole, part in zip(total, worth(block), strict=True):
                whole[block.rows] += (block.likely * part.T).T
        return total

    def _compared(self, won: Array) -> tuple[Array, Array]:
        """How much more winning is worth than losing, and the unit of that.

        In certain money under CARA, where utility falls exponentially with bids, if that is all; else in utility.
        """
        lost = self.sides.games[0].payoff(self.types, self._beaten)
        alpha = getattr(getattr(self.sides.environment, "risk", None), "alpha", None)
        if alpha is None or self.faced.utility is None or self._ahead:
            return won - lost, np.ones(len(won))
        return (np.log1p(-alpha * lost) - np.log1p(-alpha * won)) / alpha, 1 - alpha * won

    # ---- the search ----

    def solve(self, starts: Sequence[Start]) -> Array:
        """The lowest bid and the coefficients, from bids to begin with, one after another until conditions are met."""
        best, least = np.zeros(0), np.inf
        for start in starts:
            chosen = self._solved(start)
            gains, _, size = self.conditions(chosen)
            left = float(np.abs(gains / self._norm(size)).mean())
            if not best.size or left < least:
                best, least = chosen, left
            if left < _MET:
                break
        return best

    @cached_property
    def _reach(self) -> Array:
        """What errors of the types are relative to, in bids."""
        return np.asarray(self.types - self.faced.splines.values[0] + _FLOOR * self.sides.scale)

    def _norm(self, size: Array) -> Array:
        """The same in utility; where bids hardly matter, a share of what the money is worth."""
        return np.maximum(self._reach * size, _LITTLE * self.faced.of_money(self._reach))

    def _solved(self, start: Start) -> Array:
        chosen = self.faced.splines.like(start)
        low = self.sides.games[0].low
        chosen[0] = low if self._pinned else max(chosen[0], low)
        for weight in _UNEVEN:
            chosen = self._settled(chosen, weight * np.diff(np.eye(1 + _SIZE)[1:], 3, axis=0))
        return chosen

    def _settled(self, chosen: Array, uneven: Array) -> Array:
        """Gauss-Newton, damped where steps do not help, along the lowest legal bid where it leads below that."""
        low, damping = self.sides.games[0].low, _DAMPING
        for _ in range(_STEPS):
            gains, matrix, size = self.conditions(chosen)
            norm = self._norm(size)
            here, rows = np.append(gains / norm, uneven @ chosen), np.concatenate([matrix / norm[:, None], uneven])
            least = float(here @ here)
            if not (np.isfinite(rows).all() and np.isfinite(least)):
                break
            best, tried = least, chosen
            for _ in range(_TRIES):
                step = _step(rows, here, damping)
                if self._pinned or chosen[0] + step[0] < low:
                    step[0] = low - chosen[0]
                    step[1:] = _step(rows[:, 1:], here + rows[:, 0] * step[0], damping)
                step *= min(1.0, _LONGEST / max(np.abs(step[1:]).max(), 1e-300))
                for share in _SHARES:
                    moved = chosen + share * step
                    there = np.append(self.conditions(moved, derive=False)[0] / norm, uneven @ moved)
                    if there @ there < best:
                        best, tried = float(there @ there), moved
                    if best < (1 - _ENOUGH) * least:
                        break
                if best < (1 - _ENOUGH) * least:
                    break
                damping *= 10
            damping /= 10
            far, chosen = float(np.abs(tried - chosen).max()), tried
            if far < _TOLERANCE or best > (1 - _HELP) * least:
                break
        return chosen

    # ---- what it means for bidders ----

    def bidding(self, chosen: Array, method: str) -> Bidding:
        """What every seat does and expects."""
        splines, prior = self.faced.splines, self.sides.games[0].prior
        places = (1 - np.cos(np.pi * np.arange(_EXPECTED + 1) / _EXPECTED)) / 2
        types = splines.value(np.maximum(places, 1e-6))
        heights = self._expected(chosen, types)
        if not np.isfinite(heights).all():
            raise NoEquilibrium(f"{self.sides.rule}: bids grew beyond numbers")
        win, paid, gains = (PchipInterpolator(types, height) for height in heights)

        def within(function: Function) -> Function:
            return lambda values: np.asarray(function(np.clip(values, types[0], types[-1])))

        threshold = max(float(splines.values[0]) if splines.entry > 0 else -np.inf, prior.low)
        bids = splines.function(chosen)
        return Bidding(method, threshold, bids, within(win), within(paid), within(gains), numerical=True)

    def _expected(self, chosen: Array, types: Array) -> tuple[Array, Array, Array]:
        """The chance to win, payments and utility of types, (N,) each."""
        faced, game, curve = self.faced, self.sides.games[0], self.faced.splines.curve(chosen)
        own = curve.at(faced.splines.points(types)) + 1e-12 * self.sides.scale
        ahead = np.asarray(game.prior.cdf(types)) ** (self.sides.n - 1)
        shares, paid = (np.sum(self._beaten.chances * field) * (1 - ahead) for field in self._beaten[1:])
        gains = game.payoff(types, self._beaten) * (1 - ahead)
        for block in faced.blocks(types, self.sides.n - 1, tied=False, fine=True):
            rows, sent = block.rows, faced.sent(block, curve)
            found = faced.outcomes(np.broadcast_to(own[rows, None, None], sent.shape[:-1]), sent)
            likely = block.likely * ahead[rows]
            for total, field in ((shares, found.shares), (paid, found.paid)):
                total[rows] += likely * faced.mean(None, np.sum(found.chances * field, axis=0), block.masses)[0]
            gains[rows] += likely * faced.mean(faced.utility, faced.payoffs(types[rows], found), block.masses)[0]
        return shares, paid, gains


def _step(rows: Array, here: Array, damping: float) -> Array:
    """What makes residuals small without being large itself."""
    count = rows.shape[1]
    left = np.concatenate([rows, damping**0.5 * np.eye(count)])
    return np.asarray(np.linalg.lstsq(left, np.append(-here, np.zeros(count)))[0])
