"""What metrics are called, and the windows and cells that they are taken over.

A name is `revenue`, or `utility[0]:exp3` for role 0 under exp3, or `bid_mean[0,12]:exp3` for cell 12 of its signals.
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

import numpy as np

from auctionlab.arrays import Array
from auctionlab.core import Environment, Mechanism
from auctionlab.experiments.cells import Cells
from auctionlab.experiments.parties import seat_of_role
from auctionlab.rng import stream

CELLS: Final = 50  # of equal prior probability, for bid functions
STAGE_CELLS: Final = 20  # the same, for bid functions in the stages of a run
_NODES: Final = 20  # quantiles a cell, for means of theory in it
_PAIRS: Final = 10  # times as many auctions, for chances of winning
_NAME: Final = re.compile(r"(\w+)(?:\[(\d+)(?:,(\d+))?\]:(.*))?", re.DOTALL)


STOPPED: Final = "stopped"  # the metric that says from which round on a replication counts no more


class MetricName(NamedTuple):
    """A metric's name in parts: `bid_mean[0,12]:exp3` is ("bid_mean", 0, "exp3", 12)."""

    name: str
    role: int | None = None
    strategy: str | None = None
    cell: int | None = None

    def __str__(self) -> str:
        if self.role is None:
            return self.name
        cell = "" if self.cell is None else f",{self.cell}"
        return f"{self.name}[{self.role}{cell}]:{self.strategy}"

    @classmethod
    def parse(cls, text: str) -> MetricName:
        """The parts of a name in the metric table."""
        match = _NAME.fullmatch(text)
        if match is None:
            return cls(text)
        name, role, cell, strategy = match.groups()
        return cls(name, None if role is None else int(role), strategy, None if cell is None else int(cell))


def window_of(rounds: int, share: float) -> tuple[int, int, int]:
    """First round of the window, the round that halves it, and the round after it: the last `share` of the rounds."""
    start = rounds - max(1, round(share * rounds))
    return start, (start + rounds) // 2, rounds


def stages_of(rounds: int, start: int) -> Array:
    """Edges of the stages of a run: five before the window, each some three times the last, and the window."""
    before = np.geomspace(max(start / 100, 1), max(start, 1), 5)
    return np.unique(np.rint(np.concatenate([[0], before, [rounds]])).astype(int))


def cell_signals(
    environment: Environment, mechanism: Mechanism, role: int, count: int = CELLS
) -> tuple[Array, Array, Array]:
    """Lowest, highest and median signal of each cell of a role's signals, (count,) each; NaN where a cell is empty."""
    signals, cells = _nodes(environment, mechanism, role, count)
    seat = seat_of_role(environment, mechanism, role)
    edges = np.asarray(seat.edges(count), float)
    low, high = _support(environment, seat.index)
    low, high = (low if np.isfinite(low) else signals[0]), (high if np.isfinite(high) else signals[-1])
    inside = [signals[cells == cell] for cell in range(count)]
    median = np.array([np.median(part) if len(part) else np.nan for part in inside])
    return np.concatenate([[low], edges]), np.concatenate([edges, [high]]), median


def theory_by_cell(
    environment: Environment, mechanism: Mechanism, role: int, bids: Any, no_bid: float = np.nan, cells: int = CELLS
) -> Array:
    """Mean equilibrium bid of a role in each cell, (cells,); `no_bid` stands for signals that take no part."""
    signals, cell = _nodes(environment, mechanism, role, cells)
    seat = mechanism.roles(environment).index(role)
    messages = np.asarray(bids[seat](signals), float)
    messages = np.where(np.isfinite(messages), messages, no_bid)
    with np.errstate(invalid="ignore"):
        return np.bincount(cell, weights=messages, minlength=cells) / np.bincount(cell, minlength=cells)


def win_by_cell(environment: Environment, mechanism: Mechanism, role: int, bids: Any) -> Array | None:
    """Probability that a role gets the item in equilibrium, by cell of its signals, (CELLS,); None where unknown.

    Averaged over equally likely signals of each seat, paired at random; ties and lotteries averaged.
    """
    if not environment.independent:
        return None
    seat = seat_of_role(environment, mechanism, role)
    draws = stream(0).random((environment.n, CELLS * _NODES * _PAIRS))
    ranks = draws.argsort(axis=1).argsort(axis=1)
    quantiles = (ranks + 0.5) / ranks.shape[1]
    priors: Any = environment.priors
    signals = [np.asarray(prior.quantile(own), float) for prior, own in zip(priors, quantiles, strict=True)]
    sent = np.stack([np.asarray(bid(own), float) for bid, own in zip(bids, signals, strict=True)], axis=1)
    allocation = mechanism.run(sent).allocation
    if allocation.ndim != 2:
        return None
    cells = Cells(seat.edges(CELLS))(signals[seat.index])
    with np.errstate(invalid="ignore"):
        won = np.bincount(cells, weights=allocation[:, seat.index], minlength=CELLS)
        return won / np.bincount(cells, minlength=CELLS)


def _nodes(environment: Environment, mechanism: Mechanism, role: int, count: int) -> tuple[Array, Array]:
    """Signals at equally likely quantiles, and the cell that each falls into."""
    seat = seat_of_role(environment, mechanism, role)
    inner = (np.arange(count * _NODES) + 0.5) / (count * _NODES)
    prior = environment.priors[seat.index]
    if prior is not None:
        signals = np.asarray(prior.quantile(inner), float)
    else:
        low, high = _support(environment, seat.index)
        signals = low + inner * (high - low)
    return signals, Cells(seat.edges(count))(signals)


def _support(environment: Environment, seat: int) -> tuple[float, float]:
    low, high = (
        np.broadcast_to(np.asarray(end, float), (environment.n,))
        for end in (environment.signal.low, environment.signal.high)
    )
    return float(low[seat]), float(high[seat])
