"""Is the outcome efficient, are payments enough, is revenue the most that it can be?"""

from __future__ import annotations

from typing import Any

import numpy as np

from auctionlab import rng
from auctionlab.arrays import Array
from auctionlab.checks import profiles
from auctionlab.checks.evidence import Case, Finding
from auctionlab.checks.incentives import TOLERANCE
from auctionlab.checks.interim import BLOCKS, SIGMAS
from auctionlab.checks.play import play_of
from auctionlab.core import BidFunction, Environment, Mechanism
from auctionlab.errors import NoEquilibrium
from auctionlab.mechanisms._claims import outside_range
from auctionlab.theory.draws import draws
from auctionlab.theory.ironing import iron

_PROFILES, _DRAWN = 20_000, 2048


def efficiency(mechanism: Mechanism, environment: Environment, tolerance: float = TOLERANCE) -> Finding:
    """`efficient`: the most welfare that the equilibrium allocation loses, over corners, ties and random profiles."""
    try:
        bids, solved, error = play_of(mechanism, environment)
    except NoEquilibrium as reason:
        return Finding("efficient", None, note=str(reason))
    random = rng.stream(6)
    grid = [profiles.types(environment, seat, 33, random, ends=False) for seat in range(environment.n)]
    drawn = environment.sample(random, _PROFILES // 2).signals
    signals = np.concatenate([profiles.profiles(grid, _PROFILES // 2, random), drawn])
    values, messages = environment.values(signals), _messages(bids, signals)
    outcome = mechanism.run(messages)
    welfare = environment.value(outcome.allocation, values).sum(axis=1) - environment.cost(outcome.allocation)
    best = environment.best_welfare(values)
    k = int(np.argmax(best - welfare))
    loss = float(best[k] - welfare[k])
    case = Case(
        0,
        signals[k],
        messages[k],
        float(welfare[k]),
        float(best[k]),
        allocation=outcome.allocation[k],
        payments=outcome.payments[k],
    )
    share = float(welfare[-len(drawn) :].mean() / max(best[-len(drawn) :].mean(), 1e-300))
    limit = max(tolerance, error) * profiles.scale(environment)
    note = f"expected welfare is {share:.2%} of the best"
    return Finding("efficient", loss <= limit, loss, case, len(signals), note, limit, solved=solved)


def deficit(mechanism: Mechanism, environment: Environment, tolerance: float = TOLERANCE) -> Finding:
    """`no-deficit`: the most by which payments miss the designer's cost, in any outcome of any legal messages."""
    return _budget("no-deficit", mechanism, environment, tolerance)


def balance(mechanism: Mechanism, environment: Environment, tolerance: float = TOLERANCE) -> Finding:
    """`balanced`: the most by which payments and the designer's cost differ, in any outcome of any legal messages."""
    return _budget("balanced", mechanism, environment, tolerance)


def optimality(mechanism: Mechanism, environment: Environment, tolerance: float = TOLERANCE) -> Finding:
    """`revenue-optimal`: how far equilibrium revenue is from E[max(0, highest ironed virtual value)].  Myerson (1981)

    No incentive compatible and individually rational mechanism for one item and risk-neutral bidders can expect more.
    """
    if not environment.risk_neutral or not one_item(environment):
        note = "the bound is known for one item and risk-neutral bidders with independent types and no outside option"
        return Finding("revenue-optimal", None, note=note)
    try:
        bids = mechanism.equilibrium(environment)
    except NoEquilibrium as reason:
        return Finding("revenue-optimal", None, note=str(reason))
    drawn = draws(environment, BLOCKS, _DRAWN, rng.stream(7))
    signals = drawn.signals.reshape(-1, environment.n)
    revenue = mechanism.run(_messages(bids, signals)).payments.sum(axis=1)
    priors: list[Any] = list(environment.priors)
    virtual = np.stack([np.asarray(iron(prior)(signals[:, j])) for j, prior in enumerate(priors)], axis=1)
    bound = np.maximum(virtual.max(axis=1), 0)
    unit = profiles.scale(environment)
    means = [drawn.means(rows.reshape(drawn.signals.shape[:2])) for rows in (revenue, bound)]  # (blocks,) each
    miss, error = (float(number[0]) for number in drawn.judge((means[1] - means[0])[:, None], unit))
    unknown = np.full(environment.n, np.nan)
    case = Case(0, unknown, unknown, float(means[0].mean()), float(means[1].mean()))
    limit = tolerance * unit + SIGMAS * error
    return Finding("revenue-optimal", abs(miss) <= limit, miss, case, len(signals), "", limit, error)


def one_item(environment: Environment) -> bool:
    """True where one item is sold to bidders with independent private values who get nothing when they stay out."""
    kind = type(environment)
    plain = all(getattr(kind, name) is getattr(Environment, name) for name in ("values", "value", "cost", "outcomes"))
    scalar = environment.signal.shape == () and all(prior is not None for prior in environment.priors)
    return plain and scalar and outside_range(environment) == (0.0, 0.0)


def _budget(property: str, mechanism: Mechanism, environment: Environment, tolerance: float) -> Finding:
    random = rng.stream(8)
    known = [profiles.types(environment, seat, 17, random) for seat in range(environment.n)]
    grid = [profiles.messages(mechanism, environment, j, np.concatenate(known)) for j in range(environment.n)]
    messages = profiles.profiles(grid, _PROFILES // 2, random)
    chances, outcomes = mechanism.lottery(messages)
    short = np.full(len(messages), -np.inf)
    for k in range(chances.shape[0]):
        missing = environment.cost(outcomes.allocation[k]) - outcomes.payments[k].sum(axis=1)
        missing = np.abs(missing) if property == "balanced" else missing
        short = np.maximum(short, np.where(chances[k] > 0, missing, -np.inf))
    row = int(np.argmax(short))
    outcome = mechanism.run(messages[row : row + 1])
    paid, cost = float(outcome.payments.sum()), float(environment.cost(outcome.allocation)[0])
    allocation, payments = outcome.allocation[0], outcome.payments[0]
    case = Case(0, messages[row], messages[row], paid, cost, allocation=allocation, payments=payments)
    limit = tolerance * profiles.scale(environment)
    return Finding(property, bool(short[row] <= limit), float(short[row]), case, len(messages), tolerance=limit)


def _messages(bids: tuple[BidFunction, ...], signals: Array) -> Array:
    return np.stack([np.asarray(bid(signals[:, j])) for j, bid in enumerate(bids)], axis=1)
