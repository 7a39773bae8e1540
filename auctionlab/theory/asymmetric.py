"""First-price auctions among bidders with different priors: inverse bid functions from a boundary value problem.

Let φ_i(b) be the type of role i that bids b, L_i = log F_i(φ_i), and m_i the number of seats in the role. A type that
bids in the interior is content where Σ_j m_j L_j′ − L_i′ = u′(φ_i − b)/u(φ_i − b) =: h_i, hence

    L_i′ = Σ_j m_j h_j / (n − 1) − h_i      for the n seats that bid there  (Lebrun 1999; Maskin and Riley 2000).

All that bid there reach their highest type at the same top bid, which is unknown; the lowest bid is known:
  - the highest of the lowest values, or the reserve where that is higher: φ_i = b there for all;
  - where one bidder's lowest value a is above all other lowest values and the reserve, that type picks the lowest bid,
    argmax u(a − b) Π F_j(b), and types of the others below it never win (Kaplan and Zamir 2012, for two bidders).
Of three or more bidders, one whose highest value is low may only bid below some bid, at which it would be content.
Types that can never win bid their value: that is what makes the lowest bid worth paying.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from auctionlab.arrays import Array
from auctionlab.core import Environment, Prior
from auctionlab.errors import NoEquilibrium
from auctionlab.theory import lowest_bid
from auctionlab.theory.collocation import Curves, newton, refined, unresolved
from auctionlab.theory.contest import Contest
from auctionlab.theory.guesses import geometric_mean, quantile_mean
from auctionlab.theory.late_roles import entry, first_entries, with_entries
from auctionlab.theory.quadrature import Piecewise, bisect, far_from, tail
from auctionlab.theory.rivals import cached, chance, distinct, log_cdf, private_priors, require_density, risk_of
from auctionlab.theory.symmetric import Bidding

_RULE = "first-price"
_METHOD = "collocation of the boundary value problem of Lebrun (1999)"
_ROUGH = 1e-4  # relative accuracy on the way
_RESOLVED, _PANELS, _REFINEMENTS = 1e-10, 600, 12
_SHARES = (
    1.0,
    0.9,
    0.8,
    0.7,
    0.6,
    0.5,
    0.4,
    1.1,
)  # of the range of bids up to the top bid of a symmetric auction, where to begin
_ENTRIES = 40  # how often the bids at which roles begin to bid are adjusted


def first_price(environment: Environment, reserve: float = 0.0) -> tuple[Bidding, ...]:
    """The highest bid wins and pays itself, bidders have different priors; CRRA and CARA are allowed, fees are not.

    Raises NoEquilibrium for priors with atoms or gaps, for a single bidder, and where no solution is found.
    """
    priors, risk = private_priors(environment, _RULE), risk_of(environment, _RULE)
    if len(priors) < 2:
        raise NoEquilibrium(f"{_RULE}: an equilibrium needs at least 2 bidders, got {len(priors)}")
    kinds = distinct(priors)
    for kind in kinds:
        require_density(_RULE, kind, priors.index(kind))
    roles = _solve(tuple(kinds), tuple(priors.count(kind) for kind in kinds), reserve, risk)
    return tuple(roles[kinds.index(prior)] for prior in priors)


@cached
def _solve(priors: tuple[Prior, ...], counts: tuple[int, ...], reserve: float, risk: Any) -> tuple[Bidding, ...]:
    """One behaviour a role."""
    bottom, wins = lowest_bid.find(priors, counts, reserve, risk)
    alone = sum(count for count, win in zip(counts, wins, strict=True) if win) < 2
    curves = contest = None
    if not alone:
        kept = [i for i, win in enumerate(wins) if win]
        bottom = replace(bottom, touching=bottom.touching[kept])
        contest = Contest(tuple(priors[i] for i in kept), np.array([counts[i] for i in kept], float), bottom, risk)
        curves = _curves(contest)
    found, place = [], 0
    for i, prior in enumerate(priors):
        others = tuple((p, float(c - (j == i))) for j, (p, c) in enumerate(zip(priors, counts, strict=True)))
        start = max(prior.low, reserve)
        if not wins[i]:
            start = start if prior.high > reserve else np.inf
            found.append(Bidding(_METHOD, start, lambda v: v, _never, _never, _never, numerical=True))
        elif contest is None or curves is None:
            found.append(_unrivalled(others, start, bottom.bid, risk))
        else:
            found.append(_behaviour(contest, curves, place, start))
            place += 1
    return tuple(found)


def _never(values: Array) -> Array:
    return np.zeros(np.shape(values))


def _unrivalled(others: Any, start: float, bid: float, risk: Any) -> Bidding:
    """The only bidder who can win bids the same whatever its value."""
    win = float(chance(others, np.array(bid)))

    def gains(v: Array) -> Array:
        return win * (v - bid if risk is None else np.asarray(risk.u(v - bid)))

    def constant(level: float) -> Callable[[Array], Array]:
        return lambda v: np.full(np.shape(v), level)

    return Bidding(_METHOD, start, constant(bid), constant(win), constant(win * bid), gains, numerical=True)


def _curves(contest: Contest) -> Curves:
    """All roles together; those of low highest values begin to bid where they would be content to."""
    curves, entries = _first_curves(contest)
    for _ in range(_ENTRIES):
        moved = np.array([entry(contest, curves, i) for i in range(len(entries))])
        late = np.isfinite(moved)
        if np.array_equal(late, np.isfinite(entries)) and np.all(np.abs(moved[late] - entries[late]) < 1e-11):
            break
        entries = moved
        curves = _settle(contest, with_entries(contest, curves, entries))
    bids = contest.low + (curves.top - contest.low) * curves.mesh.nodes
    rates = contest.rates(bids, curves.at_nodes, curves.mesh.active[:, None, :])
    if rates.values.min() < -1e-6 * rates.values.max(axis=(1, 2)).min():
        raise NoEquilibrium(f"{_RULE}: no rising bid functions solve the equations for these priors")
    return curves


def _first_curves(contest: Contest) -> tuple[Curves, Array]:
    """The solution for guessed entries, from the first guess of the top bid that leads to one."""
    reason = NoEquilibrium(f"{_RULE}: the equations for these different priors could not be solved")
    for share in _SHARES:
        guess = geometric_mean(contest, share)
        entries = first_entries(contest, guess.top)
        try:
            return _settle(contest, with_entries(contest, guess, entries)), entries
        except NoEquilibrium as refusal:
            reason = refusal
            if not contest.bottom.choice and not np.isfinite(entries).any():
                return _from_symmetric(contest), entries
    raise reason


def _from_symmetric(contest: Contest) -> Curves:
    """From the auction in which all have the average quantile function to the one that is asked for, step by step."""
    curves, own, step = quantile_mean(contest), 0.0, 0.25
    while own < 1:
        here, there = replace(contest, own=own), replace(contest, own=min(1.0, own + step))
        at_nodes, at_edges = (there.logs(here.types(logs)) for logs in (curves.at_nodes, curves.at_edges))
        at_edges[-1] = contest.highest
        guess = replace(curves, at_edges=at_edges, at_nodes=np.minimum(at_nodes, -1e-300))
        found = newton(there.system, guess, _ROUGH)
        if found is None:
            step /= 2
            if step < 1 / 256:
                break
        else:
            curves, own, step = found, there.own, 1.5 * step
    return _settle(contest, curves)


def _settle(contest: Contest, curves: Curves) -> Curves:
    """Newton's method, and panels halved until they resolve the solution."""
    for refinement in range(_REFINEMENTS + 1):
        solved = newton(contest.system, curves)
        if solved is None:
            raise NoEquilibrium(f"{_RULE}: the equations for these different priors could not be solved")
        curves, split = solved, unresolved(contest.system, solved) > _RESOLVED
        if not split.any() or len(split) + split.sum() > _PANELS or refinement == _REFINEMENTS:
            break
        curves = solved.moved(refined(solved.mesh, split))
    return curves


def _behaviour(contest: Contest, curves: Curves, role: int, start: float) -> Bidding:
    """Bids of one role as a function of its values, and what its types expect."""
    low, reach, prior = contest.low, curves.top - contest.low, contest.priors[role]
    edges = curves.mesh.edges
    shapes = [Piecewise(edges, curves.at_nodes[..., j]) for j in range(len(contest.counts))]
    bid = _bid_function(contest, curves, shapes[role], role)

    def bids(v: Array) -> Array:
        return np.where(v <= low, v, np.maximum(bid(v), low))

    others = contest.counts - (np.arange(len(contest.counts)) == role)
    rivals = tuple(pair for pair in zip(contest.priors, others.tolist(), strict=True) if pair[1] > 0)
    lowest = float(chance(rivals, np.array(low)))  # the chance to win with the lowest bid

    def chances(v: Array) -> Array:
        t = (bids(v) - low) / reach
        logs = sum(count * shape(t) for count, shape in zip(others, shapes, strict=True))
        return np.where(v > max(low, prior.low), np.exp(np.minimum(logs, 0.0)), lowest)

    def gains(v: Array) -> Array:
        return chances(v) * contest.utility(v - bids(v))

    bends = _bends(contest, curves, shapes, bid, role)
    return Bidding(_METHOD, start, bids, chances, lambda v: chances(v) * bids(v), gains, numerical=True, bends=bends)


def _bid_function(contest: Contest, curves: Curves, shape: Piecewise, role: int) -> Piecewise:
    """Bids as Legendre series on panels of values: the inverse of L at log F(v)."""
    low, reach, prior = contest.low, curves.top - contest.low, contest.priors[role]
    mesh, logs = curves.mesh, curves.at_edges[:, role]
    bottom = max(low, prior.low)

    def inverse(values: Array) -> Array:
        wanted = log_cdf(prior, values)
        panel = np.clip(np.searchsorted(logs, wanted, side="right") - 1, 0, len(logs) - 2)
        left, right = mesh.edges[panel], mesh.edges[panel + 1]
        for _ in range(52):
            middle = (left + right) / 2
            above = shape(middle) > wanted
            left, right = np.where(above, left, middle), np.where(above, middle, right)
        return low + reach * (left + right) / 2

    def judge(values: Array, left: Array, right: Array) -> tuple[Array, Array]:
        smooth = far_from(bottom, left, right) & far_from(-contest.tops[role], -right, -left)
        error = tail(values) / (1e-12 * reach)
        return ~smooth & (error > 1), error

    types = contest.types(curves.at_edges)[:, role]
    edges = np.concatenate([types, [contest.tops[role]], np.asarray(prior.breaks)])
    edges = np.unique(edges[(edges > bottom) & (edges >= types[0]) & (edges <= contest.tops[role])])
    gaps = np.append(True, np.diff(edges) > 1e-14 * np.maximum(1.0, np.abs(edges[1:])))
    edges, values = bisect(edges[gaps], inverse, judge, limit=2_000)
    return Piecewise(edges, values, bottom, low)


def _bends(contest: Contest, curves: Curves, shapes: list[Piecewise], bid: Piecewise, role: int) -> tuple[float, ...]:
    """Values where the chance to win is not smooth: those that bid what types at a break or an end of a prior bid."""
    entries = curves.mesh.edges[1:-1][np.any(np.diff(curves.mesh.active, axis=0), axis=1)]
    points = [float(x) for x in contest.types(curves(entries))[:, role]]
    for j, prior in enumerate(contest.priors):
        inside = [point for point in map(float, prior.breaks) if contest.low < point < contest.tops[j]]
        if j != role and inside:
            wanted = log_cdf(prior, np.array(inside))
            levels = np.interp(wanted, curves.at_edges[:, j], curves.mesh.edges)
            points += [float(x) for x in contest.types(curves(levels))[:, role]]
    return (max(contest.low, contest.priors[role].low), *points)
