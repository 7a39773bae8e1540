"""What cannot be had, computed: balanced Groves budgets, full surplus extraction, AGV with correlated types."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from auctionlab import rng
from auctionlab.arrays import Array
from auctionlab.core import Environment, Mechanism
from auctionlab.errors import ConfigError
from auctionlab.theory.choice import Choice
from auctionlab.theory.efficient import groves_accounts

_EQUATIONS = 20_000


@dataclass(frozen=True)
class GreenLaffont:
    """The contradiction: what h_2(w₁⁺) − h_2(w₁⁻) would have to be for each of two types of agent 2.

    required : w₁⁺ + w₂ for both w₂;  imbalance : the least that some Groves budget misses 0 by, whatever h_1 and h_2.
    """

    required: tuple[float, float]
    imbalance: float


def green_laffont(high: float, low: float, other: float, altered: float) -> GreenLaffont:
    """No Groves mechanism is balanced: two agents, build (worth their types) or not (worth 0).  Green, Laffont (1979)

    high, low : types w₁⁺ and w₁⁻ of agent 1;  other, altered : two types of agent 2, with both of which w₁⁺ builds and
    w₁⁻ does not. Balance at (w₁⁺, w₂) and (w₁⁻, w₂) leaves w₂ = h_2(w₁⁺) − h_2(w₁⁻) − w₁⁺, of which only the left side
    changes with w₂. Raises ConfigError where the types do not decide as the argument needs.
    """
    if not all(high + w > 0 > low + w for w in (other, altered)):
        raise ConfigError(
            f"types: the project should be built with {high:g} and not with {low:g}, whichever of {other:g} and "
            f"{altered:g} the other agent has"
        )
    return GreenLaffont((high + other, high + altered), abs(other - altered) / 4)


def least_imbalance(environment: Environment, types: Sequence[Sequence[float]]) -> float:
    """The least ε such that some Groves mechanism misses budget balance by at most ε at all profiles of these types.

    Payments sum to Σ h_i(x_-i) − (n − 1) W(x) beyond the cost, so this is the distance of (n − 1) W from sums of
    functions that each ignore one type: a linear program in the h_i. 0 only for environments that are not rich.
    types : a list of types a seat.
    """
    from scipy.optimize import linprog
    from scipy.sparse import coo_array

    n = environment.n
    if len(types) != n:
        raise ConfigError(f"types: should be {n} lists, one a seat, got {len(types)}")
    sizes = [len(own) for own in types]
    count = int(np.prod(sizes))
    if count > _EQUATIONS:
        raise ConfigError(f"types: should give at most {_EQUATIONS:,} profiles, got {count:,}")
    index = np.array(list(itertools.product(*(range(size) for size in sizes))))
    signals = np.stack([np.asarray(own, float)[index[:, j]] for j, own in enumerate(types)], axis=1)
    welfare = Choice(environment).reports(signals).welfare.max(axis=0) * (n - 1)
    columns, start = [], 0
    for seat in range(n):
        rivals = [j for j in range(n) if j != seat]
        shape = tuple(sizes[j] for j in rivals)
        columns.append(
            start + np.ravel_multi_index(tuple(index[:, j] for j in rivals), shape) if rivals else np.zeros(count, int)
        )
        start += int(np.prod(shape))
    rows = np.tile(np.arange(count), n)
    sums = coo_array((np.ones(n * count), (rows, np.concatenate(columns))), (count, start)).toarray()
    slack = np.ones((count, 1))
    matrix = np.block([[sums, -slack], [-sums, -slack]])
    found = linprog(
        np.append(np.zeros(start), 1.0),
        A_ub=matrix,
        b_ub=np.concatenate([welfare, -welfare]),
        bounds=[(None, None)] * start + [(0, None)],
    )
    return float(found.fun or 0.0)


def groves_remainder(mechanism: Mechanism, environment: Environment, rivals: int = 200, reports: int = 33) -> float:
    """How far payments are from Groves form: the most that p_i + (others' welfare) varies with i's own report.

    0 for every efficient mechanism in which truth is dominant, if types are rich enough (Green and Laffont 1979;
    Holmström 1979): then p_i = h_i(x_-i) − others' welfare. Looked up at `rivals` profiles and `reports` own types.
    """
    source = rng.stream(16)
    drawn = environment.sample(source, rivals).signals
    own = environment.sample(source, reports).signals
    most = 0.0
    for seat in range(environment.n):
        signals = np.repeat(drawn, reports, axis=0)
        signals[:, seat] = np.tile(own[:, seat], (rivals, *(1,) * (own.ndim - 2)))
        outcome = mechanism.run(signals)
        values = environment.values(signals)
        worth = environment.value(outcome.allocation, values)
        others = worth.sum(axis=1) - worth[:, seat] - environment.cost(outcome.allocation)
        remainder = (outcome.payments[:, seat] + others).reshape(rivals, reports)
        most = max(most, float(np.ptp(remainder, axis=1).max()))
    return most


@dataclass(frozen=True)
class Extraction:
    """welfare : E[W], the whole surplus;  revenue : the most that an efficient mechanism collects beyond the cost;
    rents : what that leaves to each seat beyond its outside option, E[∫ q_i] from the worst-off type on.
    """

    welfare: float
    revenue: float
    rents: tuple[float, ...]


def surplus_extraction(environment: Environment) -> Extraction:
    """With independent values the whole surplus cannot be extracted.  Krishna (2010), problem 5.1

    All of it would take an efficient mechanism that leaves U_i = 0 to all types. But incentive compatibility makes
    U_i′ = q_i (5.6), the probability of winning, which is positive for all but the lowest types; so U_i rises, and with
    U_i ≥ 0 at the bottom the rents E[∫ q_i] are lost to the designer.
    """
    accounts = groves_accounts(environment, "worst-off")
    from auctionlab.theory.welfare import welfare_of

    seats = welfare_of(environment).seats
    outside = [seat.mean(seat.outside) for seat in seats]
    rents = tuple(utility - option for utility, option in zip(accounts.utility, outside, strict=True))
    return Extraction(accounts.welfare, accounts.surplus, rents)


def externality_gain(types: tuple[Sequence[float], Sequence[float]], joint: Array, cost: float = 0.0) -> float:
    """The most that a type gains by misreporting in the AGV mechanism of a public project, for any joint distribution.

    Two citizens; the project is built where x_1 + x_2 ≥ cost, which they share. Seat i is paid δ_i(report), computed
    with the beliefs of the reported type. 0 where types are independent. Okumura's remark 2.7 says that independence is
    not needed; with correlated types the gain can be positive, because the true type has other beliefs.

    joint : (K_1, K_2) probabilities.
    """
    chances = np.asarray(joint, float)
    first, second = (np.asarray(own, float) for own in types)
    if chances.shape != (len(first), len(second)) or (chances < 0).any() or abs(chances.sum() - 1) > 1e-9:
        raise ConfigError(f"joint: should be probabilities of shape ({len(first)}, {len(second)}) that sum to 1")
    built = first[:, None] + second[None, :] >= cost
    best = -np.inf
    for own, other, table, decision in ((first, second, chances, built), (second, first, chances.T, built.T)):
        beliefs = table / table.sum(axis=1, keepdims=True)  # of the other's type, by own type
        net_own, net_other = own - cost / 2, other - cost / 2
        externality = (beliefs * decision * net_other).sum(axis=1)  # δ(report)
        expected = net_own[:, None] * (beliefs @ decision.T) + externality[None, :]  # (type, report)
        best = max(best, float((expected - np.diag(expected)[:, None]).max()))
    return best
