"""Does it ever pay to misreport, or does the truth ever lose? Searches over types, misreports and rivals' messages.

A search starts from profiles with corners and ties and random ones, and closes in on the worst: a pattern search in any
number of dimensions. Averages over rivals are in `interim`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from auctionlab import rng
from auctionlab.arrays import Array
from auctionlab.checks import profiles
from auctionlab.checks.evidence import Case, Finding, worst
from auctionlab.core import Environment, Mechanism, Outcome, expected_utility
from auctionlab.rng import Stream

TOLERANCE = 1e-7  # of the largest value: gains below are rounding
_START, _KEPT, _CHILDREN = 80_000, 24, 32  # starting points are shared among the seats
_STEPS = (0.5, 0.2, 0.1, 0.03, 0.01, 1e-3)


def dominant_gain(mechanism: Mechanism, environment: Environment, tolerance: float = TOLERANCE) -> Finding:
    """`dsic`: the most that a seat gains by not telling the truth, whatever the others send, taking no part included.

    Ties count at their expected utility. Not taking part is a message where messages end below, as prices do, so an
    entry fee breaks dominance of the truth; where any number is a report, taking part is judged by participation alone.
    """
    return _misreports("dsic", mechanism, environment, tolerance, rivals_truthful=False)


def ex_post_gain(mechanism: Mechanism, environment: Environment, tolerance: float = TOLERANCE) -> Finding:
    """`ex-post-ic`: the most that a seat gains by not telling the truth when all others do, whatever their types."""
    return _misreports("ex-post-ic", mechanism, environment, tolerance, rivals_truthful=True)


def ex_post_participation(mechanism: Mechanism, environment: Environment, tolerance: float = TOLERANCE) -> Finding:
    """`ex-post-ir`: the most by which a truthful seat ends below its outside option, in any outcome of any lottery."""
    if not profiles.direct(mechanism, environment):
        return Finding("ex-post-ir", None, note="messages are not types, so there is no truth to tell")
    random = rng.stream(3)
    points = [profiles.types(environment, seat, 25, random) for seat in range(environment.n)]
    signals = profiles.profiles(points, _START // 4, random)
    values = environment.values(signals)
    chances, outcomes = mechanism.lottery(signals)
    outside = environment.outside(values)
    short = np.full(outside.shape, -np.inf)  # (Q, n)
    for k in range(chances.shape[0]):
        utility = environment.utility(Outcome(outcomes.allocation[k], outcomes.payments[k]), values)
        short = np.maximum(short, np.where(chances[k][:, None] > 0, outside - utility, -np.inf))
    row, seat = np.unravel_index(int(np.argmax(short)), short.shape)
    loss = float(short[row, seat])
    case = _case(mechanism, int(seat), signals[row], signals[row], None, outside[row, seat] - loss, outside[row, seat])
    limit = tolerance * profiles.scale(environment)
    return Finding("ex-post-ir", loss <= limit, loss, case, len(signals), tolerance=limit)


# Misreports against given rivals: points are types of all, messages of the others, and the report to try.


@dataclass(frozen=True)
class _Points:
    signals: Array  # (P, n, *S)
    messages: Array  # (P, n, *M); the seat's own entry is not used
    report: Array  # (P, *M)

    def take(self, index: Array) -> _Points:
        return _Points(self.signals[index], self.messages[index], self.report[index])


def _misreports(
    property: str, mechanism: Mechanism, environment: Environment, tolerance: float, rivals_truthful: bool
) -> Finding:
    if not profiles.direct(mechanism, environment):
        return Finding(property, None, note="messages are not types, so there is no truth to tell")
    limit = tolerance * profiles.scale(environment)
    findings = []
    for seat in range(environment.n):
        random = rng.stream(seat)
        pool = _points(mechanism, environment, seat, random, rivals_truthful)
        gains = _gain(mechanism, environment, seat, pool)
        evaluated = len(gains)
        best, gains = _keep(pool, gains)
        for step in _STEPS:
            near = _neighbours(environment, seat, best, pool, step, random, rivals_truthful)
            found = _gain(mechanism, environment, seat, near)
            evaluated += len(found)
            best, gains = _keep(_join(best, near), np.concatenate([gains, found]))
        point = best.take(np.array([0]))
        case = _misreport_case(mechanism, environment, seat, point)
        findings.append(Finding(property, bool(gains[0] <= limit), float(gains[0]), case, evaluated, tolerance=limit))
    return worst(findings)


def _points(
    mechanism: Mechanism, environment: Environment, seat: int, random: Stream, rivals_truthful: bool
) -> _Points:
    """Where to start: profiles of types, rivals' messages and a report, on one grid so that ties abound."""
    n = environment.n
    fine = 41 if n == 2 else 21
    own = [profiles.types(environment, j, fine, random) for j in range(n)]
    sent = [profiles.messages(mechanism, environment, j, np.concatenate(own)) for j in range(n)]
    # one list to choose from: types of all, then messages of the others, then the report
    places = [*own, *([] if rivals_truthful else [sent[j] for j in range(n) if j != seat]), sent[seat]]
    lengths = np.array([len(place) for place in places])
    index = np.floor(random.random((_START // n, len(places))) * lengths).astype(int)
    if not rivals_truthful:
        index = np.concatenate([index, _corners(n, lengths)])
    signals = np.stack([own[j][index[:, j]] for j in range(n)], axis=1)
    messages = signals
    if not rivals_truthful:
        others = [j for j in range(n) if j != seat]
        messages = np.array(signals)
        for place, j in enumerate(others):
            messages[:, j] = sent[j][index[:, n + place]]
    return _Points(signals, messages, sent[seat][index[:, -1]])


def _corners(n: int, lengths: Array) -> Array:
    """Index rows where all rivals send the same, for every own type and report on a coarse grid."""
    grids = [np.unique(np.linspace(0, length - 1, 16).astype(int)) for length in (lengths[0], lengths[n], lengths[-1])]
    own, sent, report = (grid.ravel() for grid in np.meshgrid(*grids, indexing="ij"))
    types = np.minimum(own[:, None], lengths[:n] - 1)
    return np.concatenate([types, np.minimum(sent[:, None], lengths[n:-1] - 1), report[:, None]], axis=1)


def _neighbours(
    environment: Environment,
    seat: int,
    best: _Points,
    pool: _Points,
    step: float,
    random: Stream,
    rivals_truthful: bool,
) -> _Points:
    """Children of the best points: each coordinate moved a little towards somewhere, some reports made ties."""
    n = environment.n
    parent = best.take(np.repeat(np.arange(len(best.report)), _CHILDREN))
    count = len(parent.report)
    other = pool.take(np.floor(random.random(count) * len(pool.report)).astype(int))
    moves = profiles.steps(step, count, (n,), random)
    signals = np.stack(
        [profiles.near_types(environment, j, parent.signals[:, j], other.signals[:, j], moves[:, j]) for j in range(n)],
        axis=1,
    )
    shape, messages = parent.report.shape[1:], signals
    if not rivals_truthful:
        moves = profiles.steps(step, count, (n, *shape), random)
        messages = profiles.blend(parent.messages, other.messages, moves)
    report = profiles.blend(parent.report, other.report, profiles.steps(step, count, shape, random))
    tie = random.random(count)
    copied = (seat + 1 + np.floor(random.random(count) * (n - 1)).astype(int)) % n
    rival = messages[np.arange(count), copied]
    chosen = (tie < 0.1).reshape(-1, *(1,) * (report.ndim - 1))
    return _Points(signals, messages, np.where(chosen, rival, report))


def _gain(mechanism: Mechanism, environment: Environment, seat: int, points: _Points) -> Array:
    """Utility from the report less utility from the truth, (P,)."""
    values = environment.values(points.signals)
    lie, honest = np.array(points.messages), np.array(points.messages)
    lie[:, seat], honest[:, seat] = points.report, points.signals[:, seat]
    told = expected_utility(mechanism, environment, honest, values)[:, seat]
    return np.asarray(expected_utility(mechanism, environment, lie, values)[:, seat] - told)


def _keep(points: _Points, gains: Array) -> tuple[_Points, Array]:
    order = np.argsort(-gains, kind="stable")[:_KEPT]
    return points.take(order), gains[order]


def _join(first: _Points, second: _Points) -> _Points:
    pairs = (
        (first.signals, second.signals),
        (first.messages, second.messages),
        (first.report, second.report),
    )
    return _Points(*(np.concatenate(pair) for pair in pairs))


def _misreport_case(mechanism: Mechanism, environment: Environment, seat: int, point: _Points) -> Case:
    values = environment.values(point.signals)
    lie, honest = np.array(point.messages), np.array(point.messages)
    lie[:, seat], honest[:, seat] = point.report, point.signals[:, seat]
    told = float(expected_utility(mechanism, environment, honest, values)[0, seat])
    gained = float(expected_utility(mechanism, environment, lie, values)[0, seat])
    case = _case(mechanism, seat, point.signals[0], lie[0], honest[0, seat], gained, told)
    outcome = mechanism.run(honest)
    return replace(case, honest=(outcome.allocation[0], outcome.payments[0]))


def _case(
    mechanism: Mechanism,
    seat: int,
    types: Array,
    reports: Array,
    truth: Array | None,
    utility: float,
    instead: float,
) -> Case:
    outcome = mechanism.run(reports[None])
    return Case(seat, types, reports, float(utility), float(instead), truth, outcome.allocation[0], outcome.payments[0])
