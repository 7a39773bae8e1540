"""Rules that choose replies to recorded messages: what to try, by which values, from which rounds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, ClassVar, Final

import numpy as np
from scipy.sparse import coo_array

from auctionlab.arrays import NO_BID, Array
from auctionlab.core import Environment, Mechanism, Outcome, Seat, expected_utility
from auctionlab.experiments.cells import Cells
from auctionlab.experiments.parties import seat_of_role

WIDTHS: Final = (0, 10, 30, 60)  # steps of the grid over which payoffs may be smoothed before a reply is chosen
_GRID: Final = 200  # equal steps of deviations; points just above rivals' messages come on top
_ABOVE: Final = 200  # distinct messages of the rivals up to which there are such points
_NODES: Final = 50  # values at which a reply is chosen, where rivals' messages do not depend on the own value
_CELLS: Final = 10  # the same where utility is not linear; cells of own signals, where rivals' messages do depend
_BLOCK: Final = 30_000  # auctions evaluated at once: bounds memory


@dataclass(frozen=True)
class Sample:
    """Rounds of play: arrays (S, R, G, n); parties (S or 1, R or 1, G, n): whose seat it was; fixed: same rivals."""

    signals: Array
    values: Array
    messages: Array
    parties: Array
    fixed: bool = True
    total: int = 1  # replications of the whole run, which share the work

    def of(self, replication: int, step: int = 1) -> Sample:
        """Every `step`-th round of one replication, as auctions: arrays (A, n), rounds slowest."""
        rounds, _, groups, _ = self.messages.shape

        def pick(array: Array) -> Array:
            own = array[:, replication if array.shape[1] > 1 else 0]
            own = np.broadcast_to(own, (rounds, *own.shape[1:]))[::step]
            return own.reshape(len(own) * groups, *own.shape[2:])

        same = self.values is self.signals
        signals = pick(self.signals)
        return replace(
            self,
            signals=signals,
            values=signals if same else pick(self.values),
            messages=pick(self.messages),
            parties=pick(self.parties),
        )


class Rule(ABC):
    """Chooses replies on some folds of the sampled rounds and says what they gain in any rounds."""

    cost: ClassVar[int] = 1  # of one auction tried, beside that of the cheapest rule
    place: Array  # (A, n) the row of the table of replies that each bid belongs to

    def __init__(
        self, environment: Environment, mechanism: Mechanism, play: Sample, candidates: Array, units: Array,
        fold: Array, widths: tuple[int, ...] = WIDTHS,
    ) -> None:  # fmt: skip
        self.n, self.candidates, self.widths = environment.n, candidates, widths
        self.environment, self.mechanism, self.play = environment, mechanism, play
        self.own = expected_utility(mechanism, environment, play.messages, play.values)
        seats = [seat_of_role(environment, mechanism, role) for role in mechanism.roles(environment)]
        self.prepare(play, units, fold, seats)

    @abstractmethod
    def prepare(self, play: Sample, units: Array, fold: Array, seats: list[Seat]) -> None:
        """Tabulate payoffs by place and fold."""

    @classmethod
    def profiles(cls, play: Sample) -> int:
        """How many auctions have to be tried with each candidate."""
        return sum(len(_distinct(play.messages, seat)[0]) for seat in range(play.messages.shape[1]))

    @abstractmethod
    def replies(self, folds: tuple[int, ...]) -> list[Array]:
        """For each of the widths: index of the best candidate, (places,), by the payoffs in these folds."""

    @abstractmethod
    def payoff(self, seat: int, rows: Array, chosen: Array) -> Array:
        """Expected utility of candidates `chosen` (rows,) in the auctions where `rows` (A,) is true."""

    def gain(self, policy: Array, rows: Array) -> Array:
        """What the policy's replies gain over the messages sent, (rows, n)."""
        gained = [self.payoff(seat, rows, policy[self.place[rows, seat]]) for seat in range(self.n)]
        return np.stack(gained, axis=1) - self.own[rows]


class Linear(Rule):
    """U(v, b) = v q(b) − m(b), with q and m from all rounds: values private and independent, utility linear."""

    def prepare(self, play: Sample, units: Array, fold: Array, seats: list[Seat]) -> None:
        count, quantiles = int(units.max()) + 1, (np.arange(_NODES) + 0.5) / _NODES
        self.totals = np.zeros((2, count, 4, self.candidates.size))
        self.place = np.empty(units.shape, np.intp)
        self.nodes = np.zeros((count, _NODES))  # the values at which a unit's replies are chosen
        self.tables = []
        for seat in range(self.n):
            distinct, profile = _distinct(play.messages, seat)
            chances, payments = np.empty((2, len(distinct), self.candidates.size))
            for block, tried in _tries(distinct, seat, self.candidates):
                outcome = self.mechanism.run(tried)
                chances[block] = outcome.allocation[:, seat].reshape(-1, self.candidates.size)
                payments[block] = outcome.payments[:, seat].reshape(-1, self.candidates.size)
            self.tables.append((chances, payments, profile))
            seen = _seen(units[:, seat], fold, profile, count, len(distinct))
            self.totals += np.stack([seen @ chances, seen @ payments]).reshape(self.totals.shape)
            self.place[:, seat] = units[:, seat] * _NODES + Cells(seats[seat].edges(_NODES))(play.values[:, seat])
            prior: Any = self.environment.priors[seat]
            self.nodes[np.unique(units[:, seat])] = prior.quantile(quantiles)

    def replies(self, folds: tuple[int, ...]) -> list[Array]:
        chances, payments = self.totals[:, :, list(folds)].sum(axis=2)  # (units, K)
        found = []
        for width in self.widths:
            q, m = _smooth(chances, width, 0.0), _smooth(payments, width, np.inf)
            best = [(nodes[:, None] * q[unit] - m[unit]).argmax(axis=1) for unit, nodes in enumerate(self.nodes)]
            found.append(np.concatenate(best))
        return found

    def payoff(self, seat: int, rows: Array, chosen: Array) -> Array:
        chances, payments, profile = self.tables[seat]
        return self.play.values[rows, seat] * chances[profile[rows], chosen] - payments[profile[rows], chosen]


class Private(Rule):
    """U(v, b) at a few values v, from all rounds: values private and independent, any utility."""

    cost = _CELLS

    def prepare(self, play: Sample, units: Array, fold: Array, seats: list[Seat]) -> None:
        count, quantiles = int(units.max()) + 1, (np.arange(_CELLS) + 0.5) / _CELLS
        self.totals = np.zeros((count, _CELLS, 4, self.candidates.size))
        self.place = np.empty(units.shape, np.intp)
        for seat in range(self.n):
            prior: Any = self.environment.priors[seat]
            distinct, profile = _distinct(play.messages, seat)
            seen = _seen(units[:, seat], fold, profile, count, len(distinct))
            payoffs = np.zeros((_CELLS, len(distinct), self.candidates.size))
            for block, tried in _tries(distinct, seat, self.candidates):
                weights, outcomes = self.mechanism.lottery(tried)
                for node, value in enumerate(np.asarray(prior.quantile(quantiles))):
                    values = np.full(tried.shape, value)
                    for k, weight in enumerate(weights):
                        outcome = Outcome(outcomes.allocation[k], outcomes.payments[k])
                        gained = weight * self.environment.utility(outcome, values)[:, seat]
                        payoffs[node, block] += gained.reshape(-1, self.candidates.size)
            for node in range(_CELLS):
                self.totals[:, node] += (seen @ payoffs[node]).reshape(count, 4, -1)
            self.place[:, seat] = units[:, seat] * _CELLS + Cells(seats[seat].edges(_CELLS))(play.values[:, seat])

    def replies(self, folds: tuple[int, ...]) -> list[Array]:
        payoff = self.totals[:, :, list(folds)].sum(axis=2).reshape(-1, self.candidates.size)
        return [_smooth(payoff, width, -np.inf).argmax(axis=1) for width in self.widths]

    def payoff(self, seat: int, rows: Array, chosen: Array) -> Array:
        tried = self.play.messages[rows].copy()
        tried[:, seat] = self.candidates[chosen]
        return expected_utility(self.mechanism, self.environment, tried, self.play.values[rows])[:, seat]


class ByCell(Private):
    """U(cell, b) from the rounds with a signal in the cell: right also where the rivals' play depends on it."""

    cost = 4

    def prepare(self, play: Sample, units: Array, fold: Array, seats: list[Seat]) -> None:
        size = self.candidates.size
        totals = np.zeros(((int(units.max()) + 1) * _CELLS, 4, size))
        self.place = np.empty(units.shape, np.intp)
        rows = max(1, _BLOCK // size)
        for seat in range(self.n):
            cell = Cells(seats[seat].edges(_CELLS))(play.signals[:, seat])
            self.place[:, seat] = units[:, seat] * _CELLS + cell
            for begin in range(0, len(fold), rows):
                block = slice(begin, begin + rows)
                tried, values = (np.repeat(array[block], size, axis=0) for array in (play.messages, play.values))
                tried[:, seat] = np.tile(self.candidates, len(fold[block]))
                payoff = expected_utility(self.mechanism, self.environment, tried, values)[:, seat]
                np.add.at(totals, (self.place[block, seat], fold[block]), payoff.reshape(-1, size))
        self.totals = totals.reshape(-1, _CELLS, 4, size)

    @classmethod
    def profiles(cls, play: Sample) -> int:
        return play.messages.size


def rule_for(environment: Environment, sample: Sample) -> type[Rule]:
    """The sharpest rule that is right in this environment."""
    if sample.values is not sample.signals or any(prior is None for prior in environment.priors):
        return ByCell
    linear = environment.risk_neutral and type(environment).value is Environment.value
    return Linear if linear else Private


def _seen(units: Array, fold: Array, profile: Array, count: int, distinct: int) -> Any:
    """How often each unit met each profile of rivals in each fold: sparse (count × 4, distinct)."""
    shape = (count * 4, distinct)
    return coo_array((np.ones(len(profile)), (units * 4 + fold, profile)), shape).tocsr()


def _distinct(messages: Array, seat: int) -> tuple[Array, Array]:
    """The distinct messages (P, n − 1) of a seat's rivals, and which of them each auction has (A,)."""
    rivals = np.delete(messages, seat, axis=1)
    if rivals.shape[1] == 1:
        distinct, profile = np.unique(rivals[:, 0], return_inverse=True)
        return distinct[:, None], profile
    distinct, profile = np.unique(rivals, axis=0, return_inverse=True)
    return distinct, profile.reshape(-1)


def _tries(distinct: Array, seat: int, candidates: Array) -> Iterator[tuple[slice, Array]]:
    """Every candidate against every profile, (P K, n), in blocks of profiles."""
    rows = max(1, _BLOCK // candidates.size)
    for begin in range(0, len(distinct), rows):
        part = distinct[begin : begin + rows]
        tried = np.empty((len(part), candidates.size, part.shape[1] + 1))
        tried[..., :seat], tried[..., seat + 1 :] = part[:, None, :seat], part[:, None, seat:]
        tried[..., seat] = candidates
        yield slice(begin, begin + rows), tried.reshape(-1, tried.shape[2])


def _smooth(table: Array, width: int, fill: float) -> Array:
    """The table (..., K) with its equal steps smoothed over ± width steps; what is not on the steps becomes `fill`.

    No part (the first candidate) stays as it is; width 0 leaves everything as it is.
    """
    if width == 0:
        return table
    smoothed = np.full_like(table, fill)
    smoothed[..., 0] = table[..., 0]
    smoothed[..., 1 : _GRID + 1] = table[..., 1 : _GRID + 1] @ _local_quadratic(width).T
    return smoothed


@cache
def _local_quadratic(width: int) -> Array:
    """The matrix (GRID, GRID) of least-squares parabolas around each step, to the ± width steps that exist."""
    matrix = np.zeros((_GRID, _GRID))
    for row in range(_GRID):
        near = np.arange(max(0, row - width), min(_GRID, row + width + 1))
        powers = np.vander((near - row) / width, 3, increasing=True)
        matrix[row, near] = np.linalg.pinv(powers)[0]
    return matrix


def candidates_for(environment: Environment, mechanism: Mechanism, messages: Array) -> Array:
    """The messages tried, (K,): no part, equal steps up to the highest bid that makes sense, just above rivals'."""
    finite = np.unique(messages[np.isfinite(messages)])
    top = max(seat_of_role(environment, mechanism, role).top for role in set(mechanism.roles(environment)))
    low = float(lowest(environment, mechanism).min())
    if not np.isfinite(low):
        low = min(0.0, float(finite.min(initial=0.0)))
    top = max(top, float(finite.max(initial=low)))
    steps = np.concatenate([[NO_BID], np.linspace(low, top, _GRID)])
    if finite.size > _ABOVE:  # then the steps come as near as any
        return steps
    return np.concatenate([steps, finite + 1e-9 * (top - low)])


def lowest(environment: Environment, mechanism: Mechanism) -> Array:
    """The lowest legal message of each seat, (n,)."""
    return np.broadcast_to(np.asarray(mechanism.messages(environment).low, float), (environment.n,))
