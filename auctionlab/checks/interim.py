"""Does it pay on average to leave one's bid, or to stay out? All deviations meet the same draws of rivals.

Averages are over all profiles of few discrete types, by quadrature against one rival with a density, else over shifted
lattices (see `theory.draws`). There a deviation is chosen on one sample and scored on another: gains chosen and scored
on the same draws are biased upward.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from auctionlab import rng
from auctionlab.arrays import Array
from auctionlab.checks import profiles
from auctionlab.checks.evidence import Case, Finding, worst
from auctionlab.checks.incentives import TOLERANCE
from auctionlab.checks.play import play_of
from auctionlab.core import BidFunction, Environment, Mechanism, expected_utility, truth
from auctionlab.errors import NoEquilibrium
from auctionlab.rng import Stream
from auctionlab.theory.draws import Draws, draws
from auctionlab.theory.rival import one_rival, over_rival
from auctionlab.theory.rivals import cached

SIGMAS = 5.0  # standard errors that a sampled violation must exceed
BLOCKS, SCORED = 16, 1024  # draws that count
_ROUGH, _FINE = 1e-5, 1e-12  # accuracy of quadrature while searching, and of what is found
_QUADRATURE = 1e-6  # of the largest value: gains below may be errors of quadrature, of payments too
_SEARCHED, _KEPT, _CHILDREN, _TYPES = 128, 5, 16, 17
_STEPS = (0.2, 0.05, 0.01)
_SEATS = 4
_DEPENDENT = "types are dependent, so rivals cannot be drawn whatever the own type"


def interim_gain(mechanism: Mechanism, environment: Environment, tolerance: float = TOLERANCE) -> Finding:
    """`bic`: the most that a type expects to gain by not telling the truth when all others do."""
    if not profiles.direct(mechanism, environment):
        return Finding("bic", None, note="messages are not types, so there is no truth to tell")
    return _deviations("bic", mechanism, environment, (truth,) * environment.n, tolerance)


def equilibrium_gain(mechanism: Mechanism, environment: Environment, tolerance: float = TOLERANCE) -> Finding:
    """`equilibrium`: the most that a type expects to gain by leaving the mechanism's own equilibrium."""
    try:
        bids = mechanism.equilibrium(environment)
    except NoEquilibrium as error:
        return Finding("equilibrium", None, note=str(error))
    return _deviations("equilibrium", mechanism, environment, bids, tolerance)


def interim_participation(mechanism: Mechanism, environment: Environment, tolerance: float = TOLERANCE) -> Finding:
    """`interim-ir`: the most by which a type's expected equilibrium utility falls short of the outside option."""
    try:
        bids, solved, accuracy = play_of(mechanism, environment)
    except NoEquilibrium as reason:
        return Finding("interim-ir", None, note=str(reason))
    if not environment.independent:
        return Finding("interim-ir", None, note=_DEPENDENT)
    random = rng.stream(2)
    unit = profiles.scale(environment)
    limit = max(tolerance, accuracy) * unit
    average: _Average | _Rival
    if one_rival(environment):
        average = _Rival(mechanism, environment, bids, _FINE)
    else:
        average = _Average(
            mechanism, environment, bids, draws(environment, BLOCKS, _each(environment, SCORED // 2), random)
        )
    findings = []
    for seat in range(environment.n):
        own = profiles.types(environment, seat, _TYPES, random, ends=False)
        sent = np.asarray(bids[seat](own))
        expected, outside = average.utility(seat, own, sent), average.outside(seat, own)
        mean, error = average.judge(outside - expected, unit)
        k = int(np.argmax(mean - SIGMAS * error))
        case = _case(
            environment, seat, own[k], sent[k], None, float(expected[:, k].mean()), float(outside[:, k].mean())
        )
        findings.append(_sampled("interim-ir", mean[k], error[k], case, 0, limit))
    return replace(worst(findings), profiles=average.count, solved=solved)


def ex_ante_participation(mechanism: Mechanism, environment: Environment, tolerance: float = TOLERANCE) -> Finding:
    """`ex-ante-ir`: the most by which a seat's expected equilibrium utility, before it knows its type, falls short."""
    try:
        bids, solved, accuracy = play_of(mechanism, environment)
    except NoEquilibrium as reason:
        return Finding("ex-ante-ir", None, note=str(reason))
    unit, n = profiles.scale(environment), environment.n
    drawn = draws(environment, BLOCKS, 4 * SCORED, rng.stream(9))
    signals = drawn.signals.reshape(-1, *drawn.signals.shape[2:])
    messages = np.stack([np.asarray(bid(signals[:, j])) for j, bid in enumerate(bids)], axis=1)
    values = environment.values(signals)
    utility, outside = expected_utility(mechanism, environment, messages, values), environment.outside(values)
    means = [
        drawn.means(np.moveaxis(rows.reshape(*drawn.signals.shape[:2], n), 1, 2)) for rows in (utility, outside)
    ]  # (blocks, n) each
    mean, error = drawn.judge(means[1] - means[0], unit)
    seat = int(np.argmax(mean - SIGMAS * error))
    unknown = np.full(n, np.nan)
    case = Case(seat, unknown, unknown, float(means[0][:, seat].mean()), float(means[1][:, seat].mean()))
    limit = max(tolerance, accuracy) * unit
    return replace(_sampled("ex-ante-ir", mean[seat], error[seat], case, len(signals), limit), solved=solved)


def _deviations(
    property: str, mechanism: Mechanism, environment: Environment, bids: tuple[BidFunction, ...], tolerance: float
) -> Finding:
    if not environment.independent:
        return Finding(property, None, note=_DEPENDENT)
    return replace(_searched(mechanism, environment, bids, tolerance), property=property)


@cached
def _searched(
    mechanism: Mechanism, environment: Environment, bids: tuple[BidFunction, ...], tolerance: float
) -> Finding:
    """The most that leaving the bids gains; remembered, as where truth is the equilibrium two properties ask for it."""
    random = rng.stream(5)
    unit = profiles.scale(environment)
    limit = tolerance * unit
    search: _Average | _Rival
    score: _Average | _Rival
    if one_rival(environment):
        search, score = (_Rival(mechanism, environment, bids, accuracy) for accuracy in (_ROUGH, _FINE))
        limit = max(tolerance, _QUADRATURE) * unit
    else:
        search = _Average(mechanism, environment, bids, draws(environment, 1, _each(environment, _SEARCHED), random))
        score = _Average(mechanism, environment, bids, draws(environment, BLOCKS, _each(environment, SCORED), random))
    findings = []
    for seat in range(environment.n):
        own, report = _candidates(search, seat, random)
        sent = np.asarray(bids[seat](own))
        honest = score.utility(seat, own, sent)
        mean, error = score.judge(score.utility(seat, own, report) - honest, unit)  # (P,)
        k = int(np.argmax(mean - SIGMAS * error))
        told = float(honest[:, k].mean())
        case = _case(environment, seat, own[k], report[k], sent[k], told + float(mean[k]), told)
        findings.append(_sampled("", mean[k], error[k], case, 0, limit))
    return replace(worst(findings), profiles=search.count + score.count)


def _each(environment: Environment, size: int) -> int:
    """Draws for each seat: many seats share those of `_SEATS`, as work grows with the square of their number."""
    return max(16, size * _SEATS // max(_SEATS, environment.n))


def _candidates(search: _Average | _Rival, seat: int, random: Stream) -> tuple[Array, Array]:
    """The most tempting (type, report) pairs of a seat by the search's averages."""
    environment, bid = search.environment, search.bids[seat]
    own = profiles.types(environment, seat, _TYPES, random, ends=False)
    known = np.asarray(bid(own))
    if profiles.direct(search.mechanism, environment):
        known = np.concatenate([own, known])
    sent = known[np.isfinite(known).reshape(len(known), -1).all(axis=1)]
    pool = profiles.messages(search.mechanism, environment, seat, sent)
    types, reports = np.repeat(own, len(pool), axis=0), np.concatenate([pool] * len(own))
    honest = np.repeat(search.utility(seat, own, np.asarray(bid(own)))[0], len(pool))
    gains = search.utility(seat, types, reports)[0] - honest
    for step in _STEPS:
        order = np.argsort(-gains, kind="stable")[:_KEPT]
        types, reports, gains = types[order], reports[order], gains[order]
        parent = np.repeat(np.arange(len(order)), _CHILDREN)
        pick = np.floor(random.random((len(parent), 2)) * np.array([len(own), len(pool)])).astype(int)
        move = step * random.random(len(parent))
        near = profiles.near_types(environment, seat, types[parent], own[pick[:, 0]], move)
        move = profiles.steps(step, len(parent), pool.shape[1:], random)
        sent = profiles.blend(reports[parent], pool[pick[:, 1]], move)
        found = search.utility(seat, near, sent)[0] - search.utility(seat, near, np.asarray(bid(near)))[0]
        types, reports = np.concatenate([types, near]), np.concatenate([reports, sent])
        gains = np.concatenate([gains, found])
    order = np.argsort(-gains, kind="stable")[:_KEPT]
    return types[order], reports[order]


@dataclass
class _Average:
    """Expected utility of types and reports of one seat against rivals who bid by `bids`."""

    mechanism: Mechanism
    environment: Environment
    bids: tuple[BidFunction, ...]
    draws: Draws
    count: int = 0  # auctions evaluated

    @cached_property
    def sent(self) -> Array:
        """What the equilibrium sends at the draws, (blocks, N, n, *M)."""
        return np.stack([np.asarray(bid(self.draws.signals[:, :, j])) for j, bid in enumerate(self.bids)], axis=2)

    def utility(self, seat: int, own: Array, reports: Array) -> Array:
        """Means by block, (blocks, P), for types (P, *S) and reports (P, *M)."""
        messages, signals = self._with(self.sent, seat, reports), self._with(self.draws.signals, seat, own)
        self.count += len(signals)
        utility = expected_utility(self.mechanism, self.environment, messages, self.environment.values(signals))
        return self._means(utility[:, seat], len(own))

    def outside(self, seat: int, own: Array) -> Array:
        """Means by block of what not taking part is worth, (blocks, P)."""
        signals = self._with(self.draws.signals, seat, own)
        return self._means(self.environment.outside(self.environment.values(signals))[:, seat], len(own))

    def judge(self, blocks: Array, unit: float) -> tuple[Array, Array]:
        """Mean and standard error of block means (blocks, P)."""
        return self.draws.judge(blocks, unit)

    def _with(self, drawn: Array, seat: int, entries: Array) -> Array:
        """All draws once for each of the seat's entries: rows (blocks · P · N, n, ...)."""
        rows = np.repeat(drawn[:, None], len(entries), axis=1)  # (blocks, P, N, n, ...)
        rows[:, :, :, seat] = entries[:, None]
        return rows.reshape(-1, *drawn.shape[2:])

    def _means(self, rows: Array, count: int) -> Array:
        blocks, size = self.draws.signals.shape[:2]
        return self.draws.means(rows.reshape(blocks, count, size))


@dataclass
class _Rival:
    """The same against one rival whose type has a density, by quadrature: (1, P)."""

    mechanism: Mechanism
    environment: Environment
    bids: tuple[BidFunction, ...]
    accuracy: float
    count: int = 0  # auctions evaluated

    def utility(self, seat: int, own: Array, reports: Array) -> Array:
        """Expected utility for types and reports (P,)."""

        def play(which: Array, signals: Array) -> Array:
            signals[:, seat] = own[which]
            sent = np.asarray(self.bids[1 - seat](signals[:, 1 - seat]))
            pair = [reports[which], sent] if seat == 0 else [sent, reports[which]]
            values = self.environment.values(signals)
            self.count += len(which)
            return expected_utility(self.mechanism, self.environment, np.stack(pair, axis=1), values)[:, seat][None]

        return over_rival(play, self.environment, seat, own, self.accuracy)

    def outside(self, seat: int, own: Array) -> Array:
        """What not taking part is worth to types (P,)."""

        def play(which: Array, signals: Array) -> Array:
            signals[:, seat] = own[which]
            return self.environment.outside(self.environment.values(signals))[:, seat][None]

        return over_rival(play, self.environment, seat, own, self.accuracy)

    def judge(self, blocks: Array, unit: float) -> tuple[Array, Array]:
        return blocks[0], np.zeros(blocks.shape[1])


def _case(
    environment: Environment, seat: int, own: Array, report: Array, truth: Array | None, utility: float, instead: float
) -> Case:
    """Evidence on average over rivals, whose entries are NaN."""
    n = environment.n
    types, reports = np.full((n, *np.shape(own)), np.nan), np.full((n, *np.shape(report)), np.nan)
    types[seat], reports[seat] = own, report
    return Case(seat, types, reports, utility, instead, truth)


def _sampled(property: str, mean: float, error: float, case: Case, evaluated: int, limit: float) -> Finding:
    holds = bool(mean <= limit + SIGMAS * error)
    tolerance = float(limit + SIGMAS * error)
    return Finding(property, holds, float(mean), case, evaluated, tolerance=tolerance, standard_error=float(error))
