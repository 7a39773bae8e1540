"""What another message would have earned against the recorded messages of the rivals.

The best reply is chosen on one half of the sampled rounds and scored on the other, both ways, so the gain reported is
that of a policy fixed beforehand: maximising over noise does not inflate it (DESIGN §8). With few rounds the policy is
poorly chosen and the gain too small; it never is too large on average.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final

import numpy as np
from scipy.sparse import coo_array

from auctionlab.arrays import NO_BID, Array
from auctionlab.core import Environment, Mechanism, Seat, expected_utility
from auctionlab.experiments.cells import Cells
from auctionlab.experiments.parties import seat_of_role

_GRID: Final = 200  # equal steps of deviations; points just above rivals' messages come on top
_ABOVE: Final = 200  # distinct messages of the rivals up to which there are such points
_NODES: Final = 50  # values at which a reply is chosen, where rivals' messages do not depend on the own value
_CELLS: Final = 10  # of own signals, where they may
_WIDTHS: Final = (0, 10, 30, 60)  # steps of the grid over which payoffs may be smoothed before a reply is chosen
_ALONE: Final = 400  # sampled rounds from which every member of a fixed group gets its own best reply
_WORK: Final = 20_000_000  # auctions evaluated for a whole run
_HELD: Final = 5_000_000  # payoffs of one replication kept at once
_BLOCK: Final = 30_000  # auctions evaluated at once: bounds memory


@dataclass(frozen=True)
class Sample:
    """Rounds of play: arrays (S, R, G, n); parties (S or 1, R or 1, G, n): whose seat it was; fixed: same rivals."""

    signals: Array
    values: Array
    messages: Array
    parties: Array
    fixed: bool = True

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


def truth_gains(environment: Environment, mechanism: Mechanism, sample: Sample, parties: int) -> Array:
    """Payoff at stake, (R, parties): expected utility of the truth less that of the message sent, a bid.

    Rivals' messages are as recorded, ties and lotteries averaged. NaN where a party has no bids.
    """
    low = _lowest(environment, mechanism)
    found = np.empty((sample.messages.shape[1], parties))
    for replication in range(len(found)):
        play = sample.of(replication)
        gain = np.empty(play.messages.shape)
        own = expected_utility(mechanism, environment, play.messages, play.values)
        for seat in range(environment.n):
            tried = play.messages.copy()
            tried[:, seat] = np.where(play.signals[:, seat] >= low[seat], play.signals[:, seat], NO_BID)
            gain[:, seat] = expected_utility(mechanism, environment, tried, play.values)[:, seat] - own[:, seat]
        found[replication] = _mean_by(play.parties.ravel(), gain.ravel(), parties)
    return found


def best_reply_gains(environment: Environment, mechanism: Mechanism, sample: Sample, parties: int) -> Array:
    """Exploitability, (R, parties): expected utility of the best reply less that of the message sent, a bid.

    Under fixed matching with enough rounds every member has a best reply of its own to its own rivals; else the reply
    is to the play of the replication's population, one for each party. Replies may be any of 200 equal steps, the
    points just above rivals' messages, and no part at all. Where values are private and independent and utility is
    linear, a reply is chosen for each of 50 values against all sampled messages of the rivals; else for each of 10
    cells of signals against the rounds with such signals. NaN where a party has no bids.
    """
    replications = sample.messages.shape[1]
    found = np.empty((replications, parties))
    for replication in range(replications):
        found[replication] = _gains(environment, mechanism, sample, replication, parties, _WORK // replications)
    return found


def _gains(
    environment: Environment, mechanism: Mechanism, sample: Sample, replication: int, parties: int, work: int
) -> Array:
    play = sample.of(replication)
    candidates = _candidates(environment, mechanism, play.messages)
    linear = _is_linear(environment, sample)
    limit = work if linear else min(work, _HELD)
    step = -(-_profiles(play, linear) * candidates.size // limit)
    if step > 1:
        play = sample.of(replication, step)
    groups = sample.messages.shape[2]
    auctions, n = play.messages.shape
    rounds = auctions // groups
    units = play.parties
    if sample.fixed and rounds >= _ALONE:
        units = np.tile(np.arange(groups * n).reshape(groups, n), (rounds, 1))
    fold = np.repeat(np.arange(rounds) % 4, groups)
    rule = (_ByValue if linear else _ByCell)(environment, mechanism, play, candidates, units, fold)
    return _mean_by(play.parties.ravel(), _cross_fit(rule, units, fold).ravel(), parties)


def _cross_fit(rule: _Rule, units: Array, fold: Array) -> Array:
    """Gains (A, n) of replies chosen on folds 0 and 2 in the rounds of 1 and 3, and the other way round.

    How much to smooth, and whether to deviate at all, is settled for each unit on the choosing half alone: chosen on
    one of its folds, scored on the other.
    """
    gains = np.zeros(units.shape)
    count = int(units.max()) + 1
    for own, other in (((0, 2), (1, 3)), ((1, 3), (0, 2))):
        scores = np.zeros((len(_WIDTHS) + 1, count))  # the last: no deviation
        for train, test in (own, own[::-1]):
            policies, rows = rule.replies((train,)), fold == test
            for level, policy in enumerate(policies):
                won = rule.gain(policy, rows)
                scores[level] += np.bincount(units[rows].ravel(), weights=won.ravel(), minlength=count)
        best = scores.argmax(axis=0)  # (units,)
        rows = np.isin(fold, other)
        for level, policy in enumerate(rule.replies(own)):
            chosen = best[units[rows]] == level
            gains[rows] += np.where(chosen, rule.gain(policy, rows), 0.0)
    return gains


class _Rule(ABC):
    """Chooses replies on some folds of the sampled rounds and says what they gain in any rounds."""

    candidates: Array
    place: Array  # (A, n) the row of the table of replies that each bid belongs to

    def __init__(
        self, environment: Environment, mechanism: Mechanism, play: Sample, candidates: Array, units: Array, fold: Array
    ) -> None:
        self.n, self.candidates = environment.n, candidates
        self.own = expected_utility(mechanism, environment, play.messages, play.values)
        seats = [seat_of_role(environment, mechanism, role) for role in environment.roles()]
        self.prepare(environment, mechanism, play, units, fold, seats)

    @abstractmethod
    def prepare(
        self, environment: Environment, mechanism: Mechanism, play: Sample, units: Array, fold: Array, seats: list[Seat]
    ) -> None: ...

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


class _ByValue(_Rule):
    """U(v, b) = v q(b) − m(b), with q and m from all rounds: values private and independent, utility linear."""

    def prepare(
        self, environment: Environment, mechanism: Mechanism, play: Sample, units: Array, fold: Array, seats: list[Seat]
    ) -> None:
        count, nodes = int(units.max()) + 1, (np.arange(_NODES) + 0.5) / _NODES
        self.values = play.values
        self.tables = [_reply_table(mechanism, play.messages, seat, self.candidates) for seat in range(self.n)]
        self.totals = np.zeros((2, count, 4, self.candidates.size))
        self.place = np.empty(units.shape, np.intp)
        self.nodes = np.zeros((count, _NODES))  # the value at which a unit's reply is chosen
        for seat, (chances, payments, profile) in enumerate(self.tables):
            keys = units[:, seat] * 4 + fold
            seen = coo_array((np.ones(len(profile)), (keys, profile)), (count * 4, len(chances))).tocsr()
            self.totals += np.stack([seen @ chances, seen @ payments]).reshape(self.totals.shape)
            node = Cells(seats[seat].edges(_NODES))(play.values[:, seat])
            self.place[:, seat] = units[:, seat] * _NODES + node
            prior: Any = environment.priors[seat]
            self.nodes[np.unique(units[:, seat])] = prior.quantile(nodes)

    def replies(self, folds: tuple[int, ...]) -> list[Array]:
        chances, payments = self.totals[:, :, list(folds)].sum(axis=2)  # (units, K)
        found = []
        for width in _WIDTHS:
            q, m = _smooth(chances, width, 0.0), _smooth(payments, width, np.inf)
            best = [(nodes[:, None] * q[unit] - m[unit]).argmax(axis=1) for unit, nodes in enumerate(self.nodes)]
            found.append(np.concatenate(best))
        return found

    def payoff(self, seat: int, rows: Array, chosen: Array) -> Array:
        chances, payments, profile = self.tables[seat]
        return self.values[rows, seat] * chances[profile[rows], chosen] - payments[profile[rows], chosen]


class _ByCell(_Rule):
    """U(cell, b) from the rounds with a signal in the cell: right also where the rivals' play depends on it."""

    def prepare(
        self, environment: Environment, mechanism: Mechanism, play: Sample, units: Array, fold: Array, seats: list[Seat]
    ) -> None:
        size = self.candidates.size
        self.totals = np.zeros(((int(units.max()) + 1) * _CELLS, 4, size))
        self.place = np.empty(units.shape, np.intp)
        self.payoffs = np.empty((self.n, len(fold), size))
        rows = max(1, _BLOCK // size)
        for seat in range(self.n):
            for begin in range(0, len(fold), rows):
                block = slice(begin, begin + rows)
                tried, values = (np.repeat(array[block], size, axis=0) for array in (play.messages, play.values))
                tried[:, seat] = np.tile(self.candidates, len(play.messages[block]))
                utility = expected_utility(mechanism, environment, tried, values)[:, seat]
                self.payoffs[seat, block] = utility.reshape(-1, size)
            cell = Cells(seats[seat].edges(_CELLS))(play.signals[:, seat])
            self.place[:, seat] = units[:, seat] * _CELLS + cell
            np.add.at(self.totals, (self.place[:, seat], fold), self.payoffs[seat])

    def replies(self, folds: tuple[int, ...]) -> list[Array]:
        payoff = self.totals[:, list(folds)].sum(axis=1)
        return [_smooth(payoff, width, -np.inf).argmax(axis=1) for width in _WIDTHS]

    def payoff(self, seat: int, rows: Array, chosen: Array) -> Array:
        return self.payoffs[seat, np.flatnonzero(rows), chosen]


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


def _reply_table(mechanism: Mechanism, messages: Array, seat: int, candidates: Array) -> tuple[Array, Array, Array]:
    """Chance to win and payment (P, K) of each candidate against each distinct profile of rivals; profile (A,)."""
    rivals = np.delete(messages, seat, axis=1)
    if rivals.shape[1] == 1:
        distinct, profile = np.unique(rivals[:, 0], return_inverse=True)
        distinct = distinct[:, None]
    else:
        distinct, profile = np.unique(rivals, axis=0, return_inverse=True)
    chances, payments = np.empty((2, len(distinct), candidates.size))
    rows = max(1, _BLOCK // candidates.size)
    for begin in range(0, len(distinct), rows):
        block = slice(begin, begin + rows)
        part = distinct[block]
        tried = np.empty((len(part), candidates.size, messages.shape[1]))
        tried[..., :seat], tried[..., seat + 1 :] = part[:, None, :seat], part[:, None, seat:]
        tried[..., seat] = candidates
        outcome = mechanism.run(tried.reshape(-1, messages.shape[1]))
        chances[block] = outcome.allocation[:, seat].reshape(len(part), -1)
        payments[block] = outcome.payments[:, seat].reshape(len(part), -1)
    return chances, payments, profile.reshape(-1)


def _profiles(play: Sample, linear: bool) -> int:
    """How many auctions a table of replies has, for one candidate and all seats."""
    auctions, n = play.messages.shape
    if not linear:
        return auctions * n
    if n == 2:
        return sum(len(np.unique(play.messages[:, seat])) for seat in range(n))
    return sum(len(np.unique(np.delete(play.messages, seat, axis=1), axis=0)) for seat in range(n))


def _candidates(environment: Environment, mechanism: Mechanism, messages: Array) -> Array:
    """The messages tried, (K,): no part, equal steps up to the highest bid that makes sense, just above rivals'."""
    finite = np.unique(messages[np.isfinite(messages)])
    top = max(seat_of_role(environment, mechanism, role).top for role in set(environment.roles()))
    low = float(_lowest(environment, mechanism).min())
    if not np.isfinite(low):
        low = min(0.0, float(finite.min(initial=0.0)))
    top = max(top, float(finite.max(initial=low)))
    steps = np.concatenate([[NO_BID], np.linspace(low, top, _GRID)])
    if finite.size > _ABOVE:  # then the steps come as near as any
        return steps
    return np.concatenate([steps, finite + 1e-9 * (top - low)])


def _is_linear(environment: Environment, sample: Sample) -> bool:
    """True where values are private and independent and utility is value × allocation − payment."""
    return (
        sample.values is sample.signals
        and environment.risk_neutral
        and all(prior is not None for prior in environment.priors)
        and type(environment).value is Environment.value
    )


def _lowest(environment: Environment, mechanism: Mechanism) -> Array:
    """The lowest legal message of each seat, (n,)."""
    return np.broadcast_to(np.asarray(mechanism.messages(environment).low, float), (environment.n,))


def _mean_by(keys: Array, numbers: Array, count: int) -> Array:
    """Mean of the numbers under each key, (count,); NaN where there are none."""
    totals = np.bincount(keys, weights=numbers, minlength=count)
    with np.errstate(invalid="ignore"):
        return totals / np.bincount(keys, minlength=count)
