"""The second route: mechanisms run on every profile of a grid of quantiles, best replies by search, linear programmes.

Nothing here knows a formula of auction theory: outcomes come from `Mechanism.run`, optima from search.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import linprog

from auctionlab import rng
from auctionlab.arrays import Array
from auctionlab.core import BidFunction, Draw, Environment, Mechanism, truth
from auctionlab.experiments.textbook.plays import AUCTIONS, Play


def midpoints(environment: Environment, points: int, first: int = 0) -> Array:
    """Profiles (P, n) of the quantiles (k + 1/2)/points of seats `first` on, equally likely; earlier seats are 0."""
    levels = (np.arange(points) + 0.5) / points
    priors: list[Any] = list(environment.priors)
    axes = [np.zeros(1) if seat < first else prior.quantile(levels) for seat, prior in enumerate(priors)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(priors))


def run_all(
    mechanism: Mechanism, environment: Environment, points: int = 400, bids: Sequence[BidFunction] | None = None
) -> Play:
    """The mechanism run at every profile of the grid, in its equilibrium unless `bids` are given."""
    signals = midpoints(environment, points)
    outcome = mechanism.run(_sent(mechanism, environment, signals, bids))
    return Play(Draw(signals, environment.values(signals)), outcome, environment)


class Reports(NamedTuple):
    """What reports (K,) of seat 0 bring on average over rivals: allocation and payment."""

    reports: Array
    allocation: Array
    payment: Array

    def best(self, own: Array) -> Array:
        """The most that types (T,) can expect."""
        return self.payoffs(own).max(axis=1)

    def payoffs(self, own: Array) -> Array:
        """(T, K), for a risk-neutral bidder whose value is its type."""
        return np.asarray(np.asarray(own)[:, None] * self.allocation - self.payment)


def run_reports(
    mechanism: Mechanism,
    environment: Environment,
    reports: Array,
    bids: Sequence[BidFunction] | None = None,
    points: int = 400,
) -> Reports:
    """Reports of seat 0, sent through its bid function, against every profile of rivals on the grid."""
    rivals, rows = midpoints(environment, points, first=1), []
    for report in np.asarray(reports, dtype=float):
        signals = rivals.copy()
        signals[:, 0] = report
        outcome = mechanism.run(_sent(mechanism, environment, signals, bids))
        rows.append((outcome.allocation[:, 0].mean(), outcome.payments[:, 0].mean()))
    allocation, payment = np.array(rows).T
    return Reports(np.asarray(reports, dtype=float), allocation, payment)


def play_type(
    mechanism: Mechanism,
    environment: Environment,
    own: float,
    seed: int = 1,
    bids: Sequence[BidFunction] | None = None,
    auctions: int = AUCTIONS,
) -> Play:
    """Realised outcomes where seat 0 is of one type and its rivals are drawn."""
    signals = np.array(environment.sample(rng.stream(seed), auctions).signals)
    signals[:, 0] = own
    outcome = mechanism.run(_sent(mechanism, environment, signals, bids), rng.stream(seed, "settle"))
    return Play(Draw(signals, environment.values(signals)), outcome, environment)


def play_sent(
    mechanism: Mechanism, environment: Environment, bids: Sequence[BidFunction], seed: int = 1, auctions: int = AUCTIONS
) -> Play:
    """Realised outcomes where these bids are sent, an equilibrium or not."""
    draw = environment.sample(rng.stream(seed), auctions)
    outcome = mechanism.run(_sent(mechanism, environment, draw.signals, bids), rng.stream(seed, "settle"))
    return Play(draw, outcome, environment)


def truths(environment: Environment) -> tuple[BidFunction, ...]:
    """Everybody sends the type."""
    return (truth,) * environment.n


def most_payment(types: Array, allocation: Array) -> float:
    """The most that a seat with equally likely types (K,) and these chances pays on average: a linear programme.

    Over interim payments m, subject to q_k x_k − m_k ≥ q_j x_k − m_j and q_k x_k − m_k ≥ 0 for all types k and j.
    """
    count = len(types)
    own, other = (index.ravel() for index in np.nonzero(~np.eye(count, dtype=bool)))
    matrix = np.zeros((len(own), count))
    matrix[np.arange(len(own)), own], matrix[np.arange(len(own)), other] = 1.0, -1.0
    limit = (allocation[own] - allocation[other]) * types[own]
    bounds = [(None, float(top)) for top in types * allocation]
    found = linprog(-np.full(count, 1 / count), A_ub=matrix, b_ub=limit, bounds=bounds)
    return _best(found)


def limit_of(value: Any, coarse: int) -> float:
    """Richardson's limit of value(K) for ever more types, where the error falls like 1/K."""
    return 2 * float(value(2 * coarse)) - float(value(coarse))


def best_sale(supports: Sequence[Array], masses: Sequence[Array]) -> float:
    """The most that any mechanism earns from two buyers with discrete types: a linear programme over (Q, m).

    Subject to Bayesian incentive compatibility, individual rationality and one item. Variables: Q_1, Q_2 at every
    profile, then interim payments of every type.
    """
    (x, y), (f, g) = supports, masses
    rows, columns = len(x), len(y)
    cells = rows * columns
    chance = [np.zeros((rows, 2 * cells)), np.zeros((columns, 2 * cells))]  # interim q as functions of Q
    for i in range(rows):
        chance[0][i, i * columns : (i + 1) * columns] = g
    for j in range(columns):
        chance[1][j, cells + j : 2 * cells : columns] = f
    matrix, limit = [np.hstack([np.eye(cells), np.eye(cells), np.zeros((cells, rows + columns))])], [np.ones(cells)]
    for own, q, start in ((x, chance[0], 2 * cells), (y, chance[1], 2 * cells + rows)):
        for k in range(len(own)):
            lies = np.delete(np.arange(len(own)), k)
            block = np.zeros((len(own), 2 * cells + rows + columns))
            block[:-1, : 2 * cells] = own[k] * (q[lies] - q[k])
            block[-1, : 2 * cells] = -own[k] * q[k]
            block[:, start + k] = 1.0
            block[np.arange(len(lies)), start + lies] = -1.0
            matrix.append(block)
            limit.append(np.zeros(len(own)))
    aim = np.concatenate([np.zeros(2 * cells), -f, -g])
    bounds = [(0, 1)] * (2 * cells) + [(None, None)] * (rows + columns)
    found = linprog(aim, A_ub=np.concatenate(matrix), b_ub=np.concatenate(limit), bounds=bounds)
    return _best(found)


def _best(found: Any) -> float:
    """The maximum that a linear programme of minimising found; nan, which agrees with nothing, where there is none."""
    return float("nan") if found.fun is None else -float(found.fun)


def _sent(mechanism: Mechanism, environment: Environment, signals: Array, bids: Sequence[BidFunction] | None) -> Array:
    played = mechanism.equilibrium(environment) if bids is None else bids
    return np.stack([np.asarray(bid(signals[:, seat])) for seat, bid in enumerate(played)], axis=1)
