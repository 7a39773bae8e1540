"""Contests of two in which no bid is sure to win, as the raffle: each type's best bid, by Newton's method.

Where outcomes are smooth in both bids, types are content where the derivative of their expected utility to the own bid
is 0. At quantiles of both priors, Gauss points among them, that is one equation a type, with the rival's bids at its
Gauss points as the lottery that it faces. Outcomes and their derivatives come from running the mechanism. Bids are
looked for by the logarithm of how far they are above the lowest; a type that would bid less than a bid next to that
bids it.  Tullock (1980), Efficient rent seeking; Fey (2008), Rent-seeking contests with incomplete information
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from auctionlab import rng
from auctionlab.arrays import Array
from auctionlab.errors import NoEquilibrium
from auctionlab.theory.indifference import Play
from auctionlab.theory.sealed import Outcomes, Roles, Sealed

_EDGES = np.concatenate([[0.0, 1e-4, 1e-3, 1e-2], np.linspace(0.06, 0.94, 9), [0.99, 0.999, 0.9999, 1.0]])  # of panels
_GAUSS, _WEIGHTS = np.polynomial.legendre.leggauss(6)
_TRIES, _CLOSE, _JUMP = 64, 1e-7, 1e-3  # bids next to a rival's, how near, and how much less of the item is no jump
_STEP = 1e-4  # of bids above the lowest, for derivatives
_LEAST = 1e-9  # the least bid above the lowest, relative to the values' range
_ROUNDS, _TOLERANCE, _FAR = 200, 1e-9, 0.5  # Newton's method on logarithms: steps, the last one, the largest


def contested(game: Sealed) -> bool:
    """True where bidding a little more than the highest rival wins hardly more of the item than a little less."""
    stream = rng.Source(6).stream(game.seat, "evaluate")
    span = float(game.prior.quantile(np.array(0.99))) - game.low
    bids = game.low + max(span, 1e-12) * (0.05 + stream.random(_TRIES))
    rivals = np.repeat(bids[:, None], game.n - 1, axis=1) * np.linspace(1.0, 0.5, game.n - 1)
    more, less = (
        (each.chances * each.shares).sum(axis=0)
        for each in (game.outcomes(bids + sign * _CLOSE * span, rivals) for sign in (1, -1))
    )
    return bool(np.all(np.abs(more - less) < _JUMP))


@dataclass(frozen=True, eq=False)
class Contested(Roles):
    """A contest of two, in one role or two, of which `contested` is true."""

    @cached_property
    def levels(self) -> Array:
        """Quantiles (N,): both ends, and Gauss points of panels in between."""
        half = np.diff(_EDGES)[:, None] / 2
        return np.concatenate([[0.0], (_EDGES[:-1, None] + half * (1 + _GAUSS)).ravel(), [1 - 1e-9]])

    @cached_property
    def weights(self) -> Array:
        """What each counts in an average, (N,): the ends nothing."""
        return np.concatenate([[0.0], (np.diff(_EDGES)[:, None] / 2 * _WEIGHTS).ravel(), [0.0]])

    @cached_property
    def values(self) -> list[Array]:
        found = [np.asarray(game.prior.quantile(self.levels), float) for game in self.games]
        return [np.append(v[1] if not np.isfinite(v[0]) else v[0], v[1:]) for v in found]

    def solve(self, share: float = 0.25) -> list[Play]:
        """Bids of each role, from a share of the values.  Raises NoEquilibrium where they do not settle."""
        lows = np.array([game.low for game in self.games])[:, None]
        least = np.log(_LEAST * self.scale)
        logs = np.log(np.maximum(share * (np.stack(self.values) - lows), _LEAST * self.scale))  # (R, N)
        for _ in range(_ROUNDS):
            slopes, matrix = self._conditions(lows + np.exp(logs))
            stuck = (logs <= least) & (slopes <= 0)
            matrix[stuck.ravel()] = 0.0
            matrix[stuck.ravel(), stuck.ravel()] = 1.0
            try:
                change = np.linalg.solve(matrix, -np.where(stuck, 0.0, slopes).ravel()).reshape(logs.shape)
            except np.linalg.LinAlgError:  # a bid that changes nothing
                raise NoEquilibrium(f"{self.rule}: best bids against best bids were not found") from None
            far = float(np.abs(change).max())
            logs = np.maximum(logs + change * min(1.0, _FAR / far) if far > 0 else logs, least)
            if far < _TOLERANCE:
                break
        else:
            raise NoEquilibrium(f"{self.rule}: best bids against best bids were not found")
        bids = np.maximum.accumulate(lows + np.exp(logs), axis=1)
        return [
            Play(game.prior, self.levels, v, sent) for game, v, sent in zip(self.games, self.values, bids, strict=True)
        ]

    def expected(self, role: int, plays: list[Play]) -> tuple[Array, Array, Array]:
        """The chance to win, payments and utility of the types at the nodes of a role."""
        game, own, rival = self.games[role], plays[role], plays[len(plays) - 1 - role]
        table = game.against(own.bids, np.interp(self.levels, rival.levels, rival.bids)[:, None])
        win, paid = (np.sum(table.chances * field, axis=0) @ self.weights for field in (table.shares, table.paid))
        return win, paid, game.payoff(own.values[:, None], table) @ self.weights

    def _conditions(self, bids: Array) -> tuple[Array, Array]:
        """Derivatives of expected utility to the logarithm of the own bid, (R, N), and theirs to all, (R N, R N)."""
        count = len(self.levels)
        slopes, matrix = np.zeros(bids.shape), np.zeros((bids.size, bids.size))
        for role in range(len(bids)):
            other = len(bids) - 1 - role
            table = self._table(role, bids[role], bids[other])  # (own: less, as is, more; rival the same; N, N)
            slope = (table[2] - table[0]) / (2 * _STEP)
            bend = (table[2, 1] - 2 * table[1, 1] + table[0, 1]) / _STEP**2
            slopes[role] = slope[1] @ self.weights
            rows = slice(role * count, (role + 1) * count)
            matrix[rows, other * count : (other + 1) * count] += (slope[2] - slope[0]) / (2 * _STEP) * self.weights
            matrix[rows, rows] += np.diag(bend @ self.weights)
        return slopes, matrix

    def _table(self, role: int, own: Array, rival: Array) -> Array:
        """Utility (3, 3, N, N) of types from own bids against rival bids, both moved by a step of their logarithms."""
        game, steps = self.games[role], np.exp(_STEP * np.array([-1.0, 0.0, 1.0]))
        mine, other = (low + steps[:, None] * (sent - low) for low, sent in ((game.low, own), (game.low, rival)))
        shape = (3, 3, len(own), len(rival))
        a = np.broadcast_to(mine[:, None, :, None], shape).ravel()
        b = np.broadcast_to(other[None, :, None, :], shape).ravel()
        found = game.outcomes(a, b[:, None])
        types = np.broadcast_to(self.values[role][:, None], shape).reshape(1, -1)
        payoff = game.payoff(types, Outcomes(*(field[:, None, :] for field in found)))
        return payoff.reshape(shape)
