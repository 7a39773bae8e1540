"""Equilibria of any sealed auction with independent private values, by Gauss-Newton on `indifference`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from auctionlab.arrays import Array
from auctionlab.errors import NoEquilibrium
from auctionlab.registry import kind_of
from auctionlab.theory.indifference import Conditions, Play
from auctionlab.theory.sealed import Roles

_SIZE = 128  # cells of quantiles
_STEPS, _TOLERANCE = 60, 1e-6  # Gauss-Newton; relative to the values' range
_RAMP = 1e-9  # the least rise of bids from node to node, relative to the values' range
_ENDS, _END = 0.2, 1e-9  # the share of nodes close to both ends of the quantiles, and how close
_DAMPING = (1.0, 0.5, 0.25, 0.1, 0.03)

Start = Callable[[Array], Array]


@dataclass(frozen=True)
class Step:
    """One iteration: the bids of each role so far, and the largest change, relative to the values' range."""

    plays: tuple[Play, ...]
    change: float


Watch = Callable[[Step], None]


@dataclass(frozen=True, eq=False)
class Quantiles(Roles):
    """Bids of each role at quantiles of its prior, `size` cells each, and the search for an equilibrium."""

    size: int = _SIZE
    ends: float = _ENDS  # the share of nodes that lie close to both ends
    patience: int = _STEPS  # so many steps that hardly help end the search

    @cached_property
    def shares(self) -> list[Array]:
        """By role, nodes (M + 1,) from the lowest type that takes part, 0, to the highest, 1.

        They are spread evenly over quantiles, over values, and over the logarithms of the distance from both ends.
        """
        ends = np.geomspace(_END, 0.5, 1000)
        fine = np.concatenate([[0.0], ends, 1 - ends[::-1], [1.0]])
        near = np.log((fine + _END) / (1 - fine + _END))
        found = []
        for game, entry in zip(self.games, self.entry, strict=True):
            values = np.asarray(game.prior.quantile(np.clip(entry + (1 - entry) * fine, _END, 1 - _END)))
            parts = [(part - part[0]) / (part[-1] - part[0]) for part in (fine, values, near)]
            spread = np.average(parts, axis=0, weights=[0.45 * (1 - self.ends), 0.55 * (1 - self.ends), self.ends])
            found.append(np.interp(np.linspace(0, 1, self.size + 1), spread, fine))
        return found

    # ---- the search ----

    def play(self, role: int, level: float, bids: Array | Start) -> Play:
        """Bids, made to rise, or a function of values to begin with, at nodes from a level up."""
        game = self.games[role]
        levels = level + (1 - level) * self.shares[role]
        values = np.asarray(game.prior.quantile(np.minimum(levels, 1 - 2**-53)), float)
        if not np.isfinite(values[0]):
            values[0] = float(game.prior.quantile(np.array(levels[1] / 2)))
        if callable(bids):
            sent = np.asarray(bids(values), float)
            if np.any(sent < game.low):
                sent = np.maximum(sent, game.low + 0.1 * (values - values[0]))
        else:
            sent = np.maximum(bids, game.low)
        ramp = _RAMP * self.scale * np.arange(len(levels))
        return Play(game.prior, levels, values, np.maximum.accumulate(sent - ramp) + ramp)

    def solve(self, starts: Sequence[Start], watch: Watch | None = None) -> list[Play]:
        """Gauss-Newton with steps that are halved until they help."""
        entry = self.entry
        if min(entry) >= 1:
            raise NoEquilibrium(f"{kind_of(self.mechanism)}: no type has anything to gain by taking part")
        plays = [self.play(r, min(level, 1 - 1e-9), starts[r]) for r, level in enumerate(entry)]
        moving = [r for r, stake in enumerate(self.stakes) if stake > 1e-12 * self.scale and len(plays) > 1]
        for free in ([], moving) if moving else ([],):
            plays = self._search(plays, free, watch)
        return plays

    def _search(self, plays: list[Play], moving: list[int], watch: Watch | None) -> list[Play]:
        """Gauss-Newton from some plays; the levels of the roles that are `moving` are searched for too."""
        idle = 0
        for _ in range(_STEPS):
            here = self.linearised(plays, moving)
            if not (np.all(np.isfinite(here.matrix)) and np.all(np.isfinite(here.residual))):
                break
            change = np.linalg.lstsq(here.matrix, -here.residual, rcond=1e-13)[0]
            size, best, tried = float(here.residual @ here.residual), np.inf, plays
            for damping in _DAMPING:
                moved = self._moved(plays, moving, damping * change)
                after = self.residual(moved, moving, here.norms)
                if float(after @ after) < best:
                    best, tried = float(after @ after), moved
                if best < size:
                    break
            far = self._distance(self._moved(plays, moving, change), plays)
            plays = tried
            if watch is not None:
                watch(Step(tuple(plays), far))
            idle = idle + 1 if best > 0.9 * size else 0
            if far < _TOLERANCE or idle >= self.patience:
                break
        return plays

    def _distance(self, some: list[Play], others: list[Play]) -> float:
        """The largest difference in bids, relative to the values' range, or in levels."""
        pairs = list(zip(some, others, strict=True))
        bids = max(float(np.abs(new.bids - old.bids).max()) for new, old in pairs) / self.scale
        return max(bids, *(abs(float(new.levels[0] - old.levels[0])) for new, old in pairs))

    def _moved(self, plays: list[Play], moving: list[int], change: Array) -> list[Play]:
        """All bids and entry levels changed."""
        count, found = self.size + 1, []
        for r, play in enumerate(plays):
            level = play.levels[0]
            if r in moving:
                step = change[len(plays) * count + moving.index(r)]
                level = float(np.clip(level + step, self.least[r], 1 - 1e-9))
            found.append(self.play(r, level, play.bids + change[r * count : (r + 1) * count]))
        return found

    def expected(self, role: int, plays: list[Play]) -> tuple[Array, Array, Array]:
        """The chance to win, payments and utility of the types at the nodes of a role."""
        view, play = Conditions(self, role, plays, False), plays[role]
        table = view.outcomes(play.bids)
        win, paid = (np.sum(table.chances * field, axis=0) @ view.masses for field in (table.shares, table.paid))
        return win, paid, self.games[role].payoff(play.values[:, None], table) @ view.masses

    # ---- the conditions ----

    def residual(self, plays: list[Play], moving: list[int], norms: Sequence[Array]) -> Array:
        parts = [Conditions(self, r, plays, r in moving).residual(norms[r]) for r in range(len(plays))]
        return np.concatenate(parts)

    def linearised(self, plays: list[Play], moving: list[int]) -> Linear:
        """Residuals, and their derivatives to the bids of all roles and the levels from which some take part."""
        views = [Conditions(self, r, plays, r in moving) for r in range(len(plays))]
        derived = [view.derivatives() for view in views]
        norms = [norm for _, norm in derived]
        residual = np.concatenate([view.residual(norm) for view, norm in zip(views, norms, strict=True)])
        columns = [np.concatenate([matrix for matrix, _ in derived])]
        for r in moving:
            level = plays[r].levels[0]
            step = 1e-7 if level < 0.5 else -1e-7
            there = [self.play(j, level + step, p.bids) if j == r else p for j, p in enumerate(plays)]
            columns.append(((self.residual(there, moving, norms) - residual) / step)[:, None])
        return Linear(residual, np.concatenate(columns, axis=1), norms)


@dataclass(frozen=True, eq=False)
class Linear:
    """The conditions near some bids; norms : by role, the size of each cell's derivatives."""

    residual: Array
    matrix: Array
    norms: list[Array]
