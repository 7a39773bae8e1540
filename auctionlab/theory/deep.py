"""Equilibria of sealed auctions in which lower rival bids matter too, by Gauss-Newton on few cells.

The conditions are those of `indifference`: the middle type of each cell of bids is content with both ends of it. Its
rivals' bids are integrated as `lower_bids` says, with the role's own bids as edges, so what a bid earns changes
smoothly with all bids and derivatives are differences.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from auctionlab.arrays import Array
from auctionlab.theory.indifference import Play
from auctionlab.theory.lower_bids import Profiles, faced
from auctionlab.theory.sealed import Outcomes
from auctionlab.theory.solve import Linear, Quantiles

_SIZE, _ENDS = 40, 0.2  # cells of bids, and the share of them close to both ends
_UNDER = 8  # cells below all own bids, where other roles bid less
_PARTS = 4  # of each cell, for means
_POINTS = 81  # for the lower bids where all matter
_SMOOTH = 1e-6  # the weight of changes of slope, which settle what the conditions leave open
_UNLIKELY = 1e-8  # conditions count less where all is less likely to be decided
_STEP = 1e-4  # of the distance to the next bid, for derivatives


@dataclass(frozen=True, eq=False)
class Deep(Quantiles):
    """The search of `Quantiles` for games in which more than the highest rival bid decides."""

    size: int = _SIZE
    ends: float = _ENDS
    patience: int = 2  # the conditions leave much open, along which it would wander

    def rivals(self, role: int, plays: Sequence[Play]) -> Profiles:
        """What the first seat of a role faces."""
        game, bids = self.games[role], plays[role].bids
        least = min(float(play.bids[0]) for play in plays)
        marks = np.append(np.linspace(least, bids[0], _UNDER, endpoint=False), bids) if least < bids[0] else bids
        parts = 1 if game.depth is None else _PARTS
        inner = marks[:-1, None] + np.diff(marks)[:, None] * np.arange(parts) / parts
        edges = np.append(inner.ravel(), marks[-1])
        order = sorted(set(self.roles))
        sides = [plays[order.index(other)].below(edges) for j, other in enumerate(self.roles) if j != game.seat]
        upto = np.stack([side.chance for side in sides])
        return faced(edges, upto, upto, game.depth, _POINTS, merged=parts)

    def conditions(self, role: int, plays: Sequence[Play], stays: bool) -> Array:
        """What the middle type of each cell gains by the upper bid, and what the lowest type expects if it may stay."""
        game, play = self.games[role], plays[role]
        rivals = self.rivals(role, plays)
        table = game.against(play.bids, rivals.messages)
        upper, lower = (Outcomes(*(field[:, part] for field in table)) for part in (slice(1, None), slice(0, -1)))
        types = ((play.values[1:] + play.values[:-1]) / 2)[:, None]
        gains = (game.payoff(types, upper) - game.payoff(types, lower)) @ rivals.masses
        lowest = game.payoff(play.values[:1, None], Outcomes(*(field[:, :1] for field in table))) @ rivals.masses
        free = stays and (play.levels[0] > self.least[role] or lowest[0] < 0)
        return np.append(gains, lowest[0] if free else 0.0)

    def bends(self, play: Play) -> Array:
        """Changes of slope of the bids over the values, with a small weight."""
        gaps = np.maximum(np.diff(play.values), 1e-9 * self.scale)
        return np.asarray(_SMOOTH * np.diff(np.diff(play.bids) / gaps) * np.minimum(gaps[1:], gaps[:-1]) / gaps.max())

    def residual(self, plays: list[Play], moving: list[int], norms: Sequence[Array]) -> Array:
        parts = []
        for role, play in enumerate(plays):
            parts += [self.conditions(role, plays, role in moving) / norms[role], self.bends(play)]
        return np.concatenate(parts)

    def linearised(self, plays: list[Play], moving: list[int]) -> Linear:
        """Residuals and their derivatives; a condition is divided by the largest to any bid of its role."""
        count, roles = self.size + 1, range(len(plays))
        ones = [np.ones(count) for _ in roles]
        here, columns = self.residual(plays, moving, ones), []
        for play in plays:
            gaps = np.diff(play.bids)
            steps = _STEP * np.minimum(np.append(gaps, np.inf), np.append(np.inf, gaps))
            for node, step in enumerate(np.where(steps > 0, steps, 1e-9 * self.scale)):
                bids = play.bids.copy()
                bids[node] += step
                there = [replace(p, bids=bids) if p is play else p for p in plays]
                columns.append((self.residual(there, moving, ones) - here) / step)
        for role in moving:
            level = plays[role].levels[0]
            step = 1e-6 if level < 0.5 else -1e-6
            there = [self.play(j, level + step, p.bids) if j == role else p for j, p in enumerate(plays)]
            columns.append((self.residual(there, moving, ones) - here) / step)
        matrix = np.stack(columns, axis=1)
        rows = 2 * count - 1  # conditions and bends of a role
        norms = []
        for role in roles:
            block = slice(role * rows, role * rows + count)
            own = np.abs(matrix[block, role * count : (role + 1) * count]).max(axis=1)
            norms.append(np.maximum(own, _UNLIKELY * own.max()))
            matrix[block] /= norms[role][:, None]
            here[block] /= norms[role]
        return Linear(here, matrix, norms)

    def expected(self, role: int, plays: list[Play]) -> tuple[Array, Array, Array]:
        """The chance to win, payments and utility of the types at the nodes."""
        game, play, rivals = self.games[role], plays[role], self.rivals(role, plays)
        table = game.against(play.bids, rivals.messages)
        win, paid = (np.sum(table.chances * field, axis=0) @ rivals.masses for field in (table.shares, table.paid))
        return win, paid, game.payoff(play.values[:, None], table) @ rivals.masses
