"""The equilibrium of the learners' own game: bids from their grid, values known only up to their cells, ties shared.

Learners on a grid cannot play the continuous equilibrium, and revenue on the grid can lie some per cent off it. So a
symmetric equilibrium of the game on the grid is computed by fictitious play (Brown 1951; Robinson 1951) from the
continuous one, and vouched for by what a best reply to it could still gain. The game may have others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Final

import numpy as np

from auctionlab.arrays import Array
from auctionlab.core import Environment, Mechanism, Outcome, Seat
from auctionlab.errors import NoEquilibrium
from auctionlab.theory.equilibria import bid_functions

_PROFILES: Final = 20_000  # of rivals' bids
_TABLE: Final = 4_000_000  # numbers in the tables of payoffs
_ROUNDS: Final = 3_000  # of fictitious play
_STALE: Final = 500_000_000  # multiplications, after which it stops
_LEAST: Final = 0.1  # of the mean value: what gains are compared with where utility vanishes
_INDIFFERENT: Final = 1e-10  # of the mean value, a step: of equal bids, the nearest to where play began
_NODES: Final = 50  # values a cell
_BLOCK: Final = 50_000


@dataclass(frozen=True)
class GridEquilibrium:
    """A symmetric equilibrium: revenue an auction, bids (K,) of the grid, chances (C, K) of each in every cell.

    gain : what a best reply could still gain, relative to a bidder's utility (or a tenth of the mean value if higher).
    """

    revenue: float
    gain: float
    bids: Array
    chances: Array


def grid_equilibrium(
    environment: Environment, mechanism: Mechanism, seat: Seat, bids: int, cells: int, tolerance: float = 0.01
) -> GridEquilibrium:
    """A symmetric equilibrium among bidders with `bids` grid points and `cells` equally likely cells of values.

    Raises NoEquilibrium where the game is not symmetric with scalar independent private values, is too large, or
    fictitious play has not come within `tolerance` of an equilibrium (gain relative to utility).
    """
    prior = environment.priors[0]
    if prior is None or len(set(mechanism.roles(environment))) > 1 or mechanism.messages(environment).shape != ():
        raise NoEquilibrium("the equilibrium of a bid grid is computed for symmetric private values only")
    grid = seat.grid(bids)
    quantiles = (np.arange(cells * _NODES) + 0.5) / (cells * _NODES)
    values = np.asarray(prior.quantile(quantiles), float).reshape(cells, _NODES).mean(axis=1)
    profiles = _profiles(len(grid), environment.n - 1)
    payments, payoffs, loadings = _tables(environment, mechanism, grid, values, profiles)
    orders = _orders(profiles)
    chances = _start(mechanism, environment, grid, values)
    near = _INDIFFERENT * np.abs(np.arange(len(grid)) - chances.argmax(axis=1)[:, None]) * np.abs(values).mean()
    rounds = min(_ROUNDS, _STALE // payoffs.size)
    for step in range(1, rounds + 1):
        reply = (loadings @ (payoffs @ _weights(chances, profiles, orders)) - near).argmax(axis=1)
        rate = 2.0 / (step + 2.0)
        chances *= 1.0 - rate
        chances[np.arange(cells), reply] += rate
    weights = _weights(chances, profiles, orders)
    utility = loadings @ (payoffs @ weights)  # (C, K)
    own = float((chances * utility).sum() / cells)
    gain = float(utility.max(axis=1).mean() - own)
    scale = max(own, _LEAST * float(np.abs(values).mean()))
    if not gain <= tolerance * scale:
        raise NoEquilibrium(f"a best reply could still gain {gain:.2g} where fictitious play on the bid grid stopped")
    paid = float((chances @ (payments @ weights)).mean())
    return GridEquilibrium(environment.n * paid, gain / scale, grid, chances)


def _profiles(bids: int, rivals: int) -> Array:
    """Every multiset of rivals' bids, (M, rivals) indices."""
    if math.comb(bids + rivals - 1, rivals) > _PROFILES:
        raise NoEquilibrium(
            f"{rivals} rivals with {bids} bids each have too many profiles to compute an equilibrium of"
        )
    found = list(combinations_with_replacement(range(bids), rivals))
    return np.array(found, np.intp).reshape(len(found), rivals)


def _orders(profiles: Array) -> Array:
    """In how many orders the rivals can hold each multiset, (M,)."""
    rivals = profiles.shape[1]
    found = np.empty(len(profiles))
    for m, profile in enumerate(profiles):
        counts = np.unique(profile, return_counts=True)[1]
        found[m] = math.factorial(rivals) / math.prod(math.factorial(int(count)) for count in counts)
    return found


def _weights(chances: Array, profiles: Array, orders: Array) -> Array:
    """Probability of each multiset when every rival bids by `chances` (C, K)."""
    return orders * chances.mean(axis=0)[profiles].prod(axis=1)


def _tables(
    environment: Environment, mechanism: Mechanism, grid: Array, values: Array, profiles: Array
) -> tuple[Array, Array, Array]:
    """Payments (K, M), and payoffs (J, K, M) with loadings (C, J): the payoff in a cell is their weighted sum.

    Linear utility: chance to win and payment, loaded with value and −1. Else: utility in each cell.
    """
    linear = environment.risk_neutral and type(environment).value is Environment.value
    depth = 2 if linear else len(values)
    if depth * len(grid) * len(profiles) > _TABLE:
        raise NoEquilibrium("the game on the bid grid is too large to compute an equilibrium of")
    payments, payoffs = np.empty((len(grid), len(profiles))), np.empty((depth, len(grid), len(profiles)))
    for k, bid in enumerate(grid):
        for begin in range(0, len(profiles), _BLOCK):
            block = slice(begin, begin + _BLOCK)
            rivals = grid[profiles[block]]
            tried = np.concatenate([np.full((len(rivals), 1), bid), rivals], axis=1)
            outcome = mechanism.run(tried)
            payments[k, block] = outcome.payments[:, 0]
            if linear:
                payoffs[:, k, block] = outcome.allocation[:, 0], outcome.payments[:, 0]
                continue
            chances, outcomes = mechanism.lottery(tried)
            for cell, value in enumerate(values):
                worth = np.full(tried.shape, value)
                payoffs[cell, k, block] = sum(
                    chance * environment.utility(Outcome(*way), worth)[:, 0]
                    for chance, *way in zip(chances, outcomes.allocation, outcomes.payments, strict=True)
                )
    loadings = np.stack([values, -np.ones_like(values)], axis=1) if linear else np.eye(len(values))
    return payments, payoffs, loadings


def _start(mechanism: Mechanism, environment: Environment, grid: Array, values: Array) -> Array:
    """Every cell at the grid point nearest to the continuous equilibrium, or to half the value, (C, K)."""
    known = bid_functions(mechanism, environment)
    wanted = values / 2 if known is None else np.asarray(known[0](values), float)
    points = np.where(np.isfinite(grid), grid, -1e300)
    wanted = np.where(np.isfinite(wanted), wanted, points.min())
    chances = np.zeros((len(values), len(grid)))
    chances[np.arange(len(values)), np.abs(wanted[:, None] - points).argmin(axis=1)] = 1.0
    return chances
