"""What the equilibrium of a mechanism is worth: revenue, surplus, efficiency, probability of sale.

By quadrature over the quantiles of each seat's prior where the bids know what their types expect, by counting all
profiles where values are few, else by Monte Carlo with a standard error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np

from auctionlab import rng
from auctionlab.arrays import Array
from auctionlab.core import BidFunction, Environment, Mechanism, Prior, expected_utility
from auctionlab.errors import NoEquilibrium
from auctionlab.theory.bidding import Bidding
from auctionlab.theory.certificate import Certificate
from auctionlab.theory.equilibria import equilibrium
from auctionlab.theory.quadrature import WEIGHTS, bisect, tail
from auctionlab.theory.rivals import Rivals, cached, distinct
from auctionlab.theory.truth import gather, kinks, support, winning_chance

_PROFILES = 250_000  # the most value profiles that are counted one by one
_DRAWS, _BATCHES = 1 << 15, 16  # Monte Carlo
_REMOTE = 2.0 ** -np.array([27.0, 37.0])  # chances of higher values, where tails are compared
_QUARTERS = 4.0 ** -np.arange(1.0, 26.0)

Function = Callable[[Array], Array]


@dataclass(frozen=True)
class Benchmark:
    """Expected values in equilibrium, inf where they are infinite; money in the values' unit."""

    revenue: float
    surplus: tuple[float, ...]  # E[value − payment] by seat, in money
    utility: tuple[float, ...]  # expected utility by seat; the surplus of the risk-neutral
    efficiency: float  # E[welfare] / E[best welfare]
    sale_probability: float
    method: str
    standard_error: float  # of the revenue; 0 where there is no sampling
    bids: tuple[BidFunction, ...]
    welfare: float
    best_welfare: float
    certificate: Certificate | None = None  # of bids that were solved for numerically


def benchmark(mechanism: Mechanism, environment: Environment) -> Benchmark:
    """The benchmark of the equilibrium in this environment; raises NoEquilibrium where none is known or found."""
    found = equilibrium(mechanism, environment)
    return replace(_benchmark(mechanism, environment, found.bids), certificate=found.certificate)


def _benchmark(mechanism: Mechanism, environment: Environment, bids: tuple[BidFunction, ...]) -> Benchmark:
    if environment.n and all(isinstance(bid, Bidding) for bid in bids):
        return _by_quadrature(mechanism, environment, [bid for bid in bids if isinstance(bid, Bidding)])
    profiles = _profiles(environment)
    if profiles is not None:
        return _by_counting(mechanism, environment, bids, *profiles)
    return _by_sampling(mechanism, environment, bids)


def expectation(prior: Prior, function: Function, start: float = -np.inf, bends: tuple[float, ...] = ()) -> float:
    """E[function(X); X ≥ start], by quadrature over quantiles, or the sum over the support of a prior with atoms.

    Where X itself has no finite expectation, ±inf if the function grows so fast that it has none either.
    bends : values where the function is not smooth.
    """
    if prior.atoms:
        values = support(prior)
        chances = np.diff(prior.cdf(values), prepend=0.0)
        kept = values >= start
        return float(function(values[kept]) @ chances[kept])
    if float(prior.cdf(np.array(start))) >= 1:
        return 0.0
    if not np.isfinite(prior.expectation):
        near, far = np.asarray(function(np.asarray(prior.quantile(1 - _REMOTE))), float)
        if abs(far) * _REMOTE[1] > 0.99 * abs(near) * _REMOTE[0] > 0:  # as fast as 1 / (1 - F), whose integral diverges
            return float(np.copysign(np.inf, far))
    values, weights = _quantile_nodes(prior, max(start, prior.low), bends)
    return float(np.asarray(function(values)) @ weights)


@cached
def _quantile_nodes(prior: Prior, start: float, bends: tuple[float, ...]) -> tuple[Array, Array]:
    """Values and weights for E[· ; X ≥ start]: panels that shrink towards both ends, finer where quantiles bend."""
    lowest = float(prior.cdf(np.array(start)))
    steps = (1 - lowest) * _QUARTERS
    inner = np.concatenate([lowest + steps, 1 - steps, prior.cdf(np.array([*prior.breaks, *bends]))])
    edges = np.unique(np.concatenate([[lowest, 1.0], inner[(inner > lowest) & (inner <= 1 - steps[-1])]]))

    def quantile(probabilities: Array) -> Array:
        return np.asarray(prior.quantile(np.minimum(probabilities, 1 - 2**-53)))

    scale = float(np.diff(quantile(np.array([0.1, 0.9])))[0])

    def judge(values: Array, left: Array, right: Array) -> tuple[Array, Array]:
        return np.zeros(left.shape, dtype=bool), tail(values) * (right - left) / (1e-13 * scale)

    edges, values = bisect(edges, quantile, judge, limit=20_000)
    weights = np.diff(edges)[:, None] / 2 * WEIGHTS
    return values.ravel(), weights.ravel()


def _by_quadrature(mechanism: Mechanism, environment: Environment, bids: list[Bidding]) -> Benchmark:
    priors = [prior for prior in environment.priors if prior is not None]
    bends = kinks(tuple(priors))
    known: list[tuple[Prior, Bidding, _Expected]] = []
    seats = []
    for prior, bid in zip(priors, bids, strict=True):
        same = [expected for other, known_bid, expected in known if known_bid is bid and other == prior]
        if not same:
            same = [_expected(prior, bid, bends)]
            known.append((prior, bid, same[0]))
        seats.append(same[0])
    method, utility = bids[0].method, tuple(seat.utility for seat in seats if seat.utility is not None)
    if len(utility) < len(seats):
        utility = _by_sampling(mechanism, environment, tuple(bids)).utility
        method += "; utility by Monte Carlo"
    welfare, best = sum(seat.value for seat in seats), _best_welfare(tuple(priors))
    return Benchmark(
        revenue=sum(seat.paid for seat in seats),
        surplus=tuple(seat.surplus for seat in seats),
        utility=utility,
        efficiency=_ratio(welfare, best),
        sale_probability=min(sum(seat.sold for seat in seats), 1.0),
        method=method,
        standard_error=0.0,
        bids=tuple(bids),
        welfare=welfare,
        best_welfare=best,
    )


class _Expected(NamedTuple):
    """Expected payment, value received, value less payment, chance to win, utility (None: unknown) of one seat."""

    paid: float
    value: float
    surplus: float
    sold: float
    utility: float | None


def _expected(prior: Prior, bid: Bidding, bends: tuple[float, ...]) -> _Expected:
    points = (*bends, *getattr(bid, "bends", ()))

    def expect(function: Function) -> float:
        return expectation(prior, function, bid.threshold, points)

    gains = None if bid.gains is None else expect(bid.gains)
    paid, value = expect(bid.payment), expect(lambda v: v * bid.win(v))
    infinite = np.isinf(paid) and np.isinf(value)
    surplus = expect(lambda v: v * bid.win(v) - bid.payment(v)) if infinite else value - paid
    return _Expected(paid, value, surplus, expect(bid.win), gains)


def _best_welfare(priors: tuple[Prior, ...]) -> float:
    """E[max(0, highest value)]: every seat's value times its chance to be the highest."""
    bends, total = kinks(priors), 0.0
    for prior in distinct(priors):
        seat = priors.index(prior)
        highest = partial(_value_of_highest, gather(priors[:seat] + priors[seat + 1 :]))
        total += priors.count(prior) * expectation(prior, highest, max(0.0, prior.low), bends)
    return total


def _value_of_highest(others: Rivals, values: Array) -> Array:
    return values * winning_chance(others, values)


def _profiles(environment: Environment) -> tuple[Array, Array] | None:
    """All signal profiles (K, n) and their probabilities (K,); None where they are not few."""
    priors = environment.priors
    if not all(prior is not None and prior.atoms for prior in priors) or environment.signal.shape != ():
        return None
    values = [support(prior) for prior in priors if prior is not None]
    if np.prod([float(len(value)) for value in values]) > _PROFILES:
        return None
    chances = [
        np.diff(prior.cdf(value), prepend=0.0) for prior, value in zip(priors, values, strict=True) if prior is not None
    ]
    grid = np.stack([axis.ravel() for axis in np.meshgrid(*values, indexing="ij")], axis=1)
    weights = np.stack([axis.ravel() for axis in np.meshgrid(*chances, indexing="ij")], axis=1)
    return grid, weights.prod(axis=1)


def _by_counting(
    mechanism: Mechanism, environment: Environment, bids: tuple[BidFunction, ...], signals: Array, chances: Array
) -> Benchmark:
    columns = _play(mechanism, environment, bids, signals, environment.values(signals))
    return _collect(columns.T @ chances, environment.n, bids, f"all {len(signals):,} profiles of values counted", 0.0)


def _by_sampling(mechanism: Mechanism, environment: Environment, bids: tuple[BidFunction, ...]) -> Benchmark:
    if any(prior is not None and not np.isfinite(prior.expectation) for prior in environment.priors):
        raise NoEquilibrium("values have no finite expectation here, so means over sampled auctions would say nothing")
    means, squares = np.zeros(4 + 2 * environment.n), 0.0
    source = rng.Source(0)
    for batch in range(_BATCHES):
        draw = environment.sample(source.stream(batch, "evaluate"), _DRAWS)
        columns = _play(mechanism, environment, bids, draw.signals, draw.values)
        means, squares = means + columns.mean(axis=0) / _BATCHES, squares + (columns[:, 0] ** 2).mean() / _BATCHES
    draws = _DRAWS * _BATCHES
    error = float(np.sqrt(max(squares - means[0] ** 2, 0.0) / draws))
    known = [getattr(bid, "method", "") for bid in bids if getattr(bid, "numerical", False)]
    method = "; ".join([*known[:1], f"Monte Carlo with {draws:,} auctions"])
    return _collect(means, environment.n, bids, method, error)


def _play(
    mechanism: Mechanism, environment: Environment, bids: tuple[BidFunction, ...], signals: Array, values: Array
) -> Array:
    """Equilibrium play at these signals: columns revenue, welfare, best welfare, sale, surplus and utility by seat."""
    messages = np.stack([bid(signals[:, i, ...]) for i, bid in enumerate(bids)], axis=1)
    outcome = mechanism.run(messages)
    received = environment.value(outcome.allocation, values)
    shares = np.abs(outcome.allocation).reshape(len(signals), -1).sum(axis=1)  # who suffers from a sale has less than 0
    heads = [
        outcome.payments.sum(axis=1),
        received.sum(axis=1) - environment.cost(outcome.allocation),
        environment.best_welfare(values),
        np.minimum(shares, 1.0),
    ]
    surplus = received - outcome.payments
    utility = surplus if environment.risk_neutral else expected_utility(mechanism, environment, messages, values)
    return np.concatenate([np.stack(heads, axis=1), surplus, utility], axis=1)


def _collect(means: Array, n: int, bids: tuple[BidFunction, ...], method: str, error: float) -> Benchmark:
    revenue, welfare, best, sold, *rest = (float(mean) for mean in means)
    surplus, utility = tuple(rest[:n]), tuple(rest[n:])
    return Benchmark(revenue, surplus, utility, _ratio(welfare, best), sold, method, error, bids, welfare, best)


def _ratio(welfare: float, best: float) -> float:
    """Efficiency; 1 where there is nothing to gain, nan where welfare is infinite."""
    if np.isinf(best):
        return float("nan")
    return welfare / best if best > 0 else 1.0
