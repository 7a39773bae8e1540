"""Who is compared with whom: members of one role that follow one strategy form a party."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from auctionlab.arrays import Array
from auctionlab.core import Environment, Mechanism, Seat, Strategy
from auctionlab.experiments.config import Config
from auctionlab.platform.matching import Block, line_up
from auctionlab.registry import describe, kind_of
from auctionlab.theory.equilibria import bid_functions


@dataclass(frozen=True)
class Party:
    """All members of one role under one strategy label, with the grid that its strategy bids on.

    seat : a seat of the role; bids, step : points of the bid grid and their distance, 0 where there is none; cells :
    number of equally likely cells of signals that the strategy tells apart, 0 where it uses the signal itself; learns :
    whether the strategy makes anything of feedback; grid : the bids that it chooses among, empty where all are legal.
    """

    role: int
    label: str
    seat: int
    members: tuple[int, ...]
    step: float = 0.0
    cells: int = 0
    bids: int = 0
    learns: bool = False
    grid: tuple[float, ...] = ()

    def tolerance(self, seat: Seat) -> tuple[Array, Array]:
        """Half a bid step plus half a cell by cell of signals: inner edges (k − 1,) of the cells, tolerance (k,)."""
        edges = np.asarray(seat.edges(self.cells), float) if self.cells > 1 else np.empty(0)
        if not self.cells:
            return edges, np.full(1, self.step / 2)
        prior = seat.environment.priors[seat.index]
        low = prior.low if prior is not None else float(np.min(seat.environment.signal.low))
        ends = np.concatenate(
            [[low if np.isfinite(low) else edges[0]], edges, [max(seat.top, edges[-1:].max(initial=0))]]
        )
        return edges, self.step / 2 + np.diff(ends) / 2


def parties(environment: Environment, mechanism: Mechanism, blocks: Sequence[Block], groups: int) -> tuple[Party, ...]:
    """The parties of a population, in the order of the [[agents]] blocks; see `platform.matching.line_up`."""
    found: dict[tuple[int, str], Party] = {}
    labels = label_strategies([block.strategy for block in blocks], [block.name for block in blocks])
    for block, number, role, members in line_up(blocks, mechanism.roles(environment), groups):
        seat = seat_of_role(environment, mechanism, role)
        step, cells, bids = grid_of(block.strategy, seat)
        grid = tuple(bids_of(block.strategy, seat).tolist())
        key = role, labels[number]
        earlier = found[key].members if key in found else ()
        together = tuple(sorted((*earlier, *(int(member) for member in members))))
        learns = type(block.strategy).learn is not Strategy.learn
        found[key] = Party(role, labels[number], seat.index, together, step, cells, bids, learns, grid)
    return tuple(found.values())


def parties_of(config: Config) -> tuple[Party, ...]:
    """The parties of an experiment's population."""
    blocks = [Block(block.build(), block.seats, block.count, block.role, block.name) for block in config.agents]
    return parties(config.environment, config.mechanism, blocks, config.market.groups)


def seat_of_role(environment: Environment, mechanism: Mechanism, role: int) -> Seat:
    """A seat of the role, for what depends on the game alone: top, grid, cells."""
    return Seat(
        index=mechanism.roles(environment).index(role),
        lanes=1,
        rounds=1,
        environment=environment,
        mechanism=mechanism,
        role=role,
        bids=partial(bid_functions, mechanism, environment),
    )


def grid_of(strategy: Strategy, seat: Seat) -> tuple[float, int, int]:
    """Bid step, cells and bids of a strategy; see `bids_of`.

    A grid with ends of its own counts no bids: no equilibrium of it is computed.
    """
    grid, cells = bids_of(strategy, seat), getattr(strategy, "cells", 0)
    if not len(grid):
        return 0.0, 0, 0
    finite = np.sort(grid[np.isfinite(grid)])
    own = getattr(strategy, "lowest", None) is not None or getattr(strategy, "highest", None) is not None
    count = 0 if own else int(getattr(strategy, "bids", 0))
    return float(np.diff(finite).max()), cells if isinstance(cells, int) else 0, count


def bids_of(strategy: Strategy, seat: Seat) -> Array:
    """The bids a strategy chooses among: by convention its parameters `bids`, `lowest`, `highest`; empty without."""
    bids = getattr(strategy, "bids", 0)
    if not isinstance(bids, int) or bids < 2:
        return np.empty(0)
    return seat.grid(bids, getattr(strategy, "lowest", None), getattr(strategy, "highest", None))


def label_strategies(strategies: Sequence[Strategy], names: Sequence[str] = ()) -> list[str]:
    """One label a block: its name or kind, with the parameters that differ where several share it: shading (0.5)."""
    names = [
        name or kind_of(strategy) for name, strategy in zip(names or [""] * len(strategies), strategies, strict=True)
    ]
    tables = [describe(strategy) for strategy in strategies]
    labels = []
    for name, table in zip(names, tables, strict=True):
        same = [other for other, theirs in zip(tables, names, strict=True) if theirs == name]
        differing = [key for key in table if any(other.get(key) != table[key] for other in same)]
        values = ", ".join(str(table[key]) for key in differing)
        labels.append(f"{name} ({values})" if values else name)
    return labels
