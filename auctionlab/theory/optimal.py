"""The optimal auction: who wins, what it costs, what types expect, what it earns.  Myerson (1981); Krishna (2010), 5.2

The item goes to the highest ironed virtual value, if that is at least the seller's value; ties share it. By (5.15) the
winner's payment follows from the rule alone. With m the best the others (or the seller) have, c of them at m, and
a = inf{z: ψ̄ᵢ(z) ≥ m}, b = inf{z: ψ̄ᵢ(z) > m}, the chance to win steps from 0 to 1/(c+1) at a and to 1 at b, so

    one of the tied pays a when drawn,      a winner above all others pays (a + c b) / (c + 1).

Where ψ̄ rises, a = b = y_i(x_-i), the least value that would still win. On a flat part of ψ̄, where b > a, the second
payment is what a random order among the tied charges: a where the winner comes before all c of them, else b.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import numpy as np

from auctionlab.arrays import NO_BID, Array
from auctionlab.core import Prior
from auctionlab.theory.adaptive import LEVELS, cumulate, integrate
from auctionlab.theory.bidding import Bidding
from auctionlab.theory.ironing import Ironed, iron
from auctionlab.theory.rivals import cached, distinct, top_value


class Scale(Protocol):
    """Scores by which reports of one seat are ranked among all seats, with the reports that reach them."""

    def __call__(self, values: Array) -> Array: ...
    def lowest(self, virtual: Array) -> Array: ...
    def beyond(self, virtual: Array) -> Array: ...


class _Rank:
    """Ranks equal seats: a report is its own score, but on a flat part the score is where that begins."""

    def __init__(self, ironed: Ironed) -> None:
        self.low = np.array([flat.low for flat in ironed.flats])
        self.high = np.array([flat.high for flat in ironed.flats])

    def __call__(self, values: Array) -> Array:
        v = np.asarray(values, dtype=float)
        if not len(self.low):
            return v
        place = np.maximum(np.searchsorted(self.low, v, side="right") - 1, 0)
        return np.where((v >= self.low[place]) & (v <= self.high[place]), self.low[place], v)

    def lowest(self, virtual: Array) -> Array:
        return virtual

    def beyond(self, virtual: Array) -> Array:
        if not len(self.low):
            return virtual
        place = np.minimum(np.searchsorted(self.low, virtual, side="left"), len(self.low) - 1)
        return np.where(self.low[place] == virtual, self.high[place], virtual)


@dataclass(frozen=True, eq=False)
class Design:
    """An optimal auction for priors, one a seat, and a seller who values the item at `seller_value`."""

    ironed: tuple[Ironed, ...]
    scales: tuple[Scale, ...]
    reserves: tuple[float, ...]  # the lowest report of each seat that can win: ψ̄⁻¹(seller_value)
    lotteries: bool  # whether some flat part of ψ̄ can win

    def scores(self, reports: Array) -> Array:
        """Scores (n, B) of reports (n, B), −inf where the report is below the reserve or no number."""
        scores = np.full(reports.shape, NO_BID)
        for i, (scale, reserve) in enumerate(zip(self.scales, self.reserves, strict=True)):
            wins = (reports[i] >= reserve) & (reports[i] < np.inf)
            scores[i] = np.where(wins, scale(np.where(wins, reports[i], reserve)), NO_BID)
        return scores

    def thresholds(self, seat: int, best: Array) -> tuple[Array, Array]:
        """a and b, (K,), for a seat against the best score `best` (K,) of the others, −inf where there is none."""
        scale, reserve = self.scales[seat], self.reserves[seat]
        lowest = np.maximum(scale.lowest(best), reserve)
        return lowest, np.maximum(scale.beyond(best), reserve) if self.lotteries else lowest


@cached
def design(priors: tuple[Prior, ...], seller_value: float = 0.0) -> Design:
    """The optimal auction for these priors; irregular ones are ironed. ConfigError where an expectation is infinite."""
    ironed = tuple(iron(prior) for prior in priors)
    reserves = tuple(float(each.lowest(np.asarray(seller_value))) for each in ironed)
    equal = len(distinct(priors)) == 1
    scales: tuple[Scale, ...] = (_Rank(ironed[0]),) * len(priors) if equal else ironed
    flats = [flat for each, reserve in zip(ironed, reserves, strict=True) for flat in each.flats if flat.high > reserve]
    return Design(ironed, scales, reserves, lotteries=bool(flats))


def optimal_revenue(priors: Sequence[Prior], seller_value: float = 0.0) -> float:
    """E[max(ψ̄₁(X₁), …, ψ̄_n(X_n), s)] − s: what the optimal auction adds to keeping the item.  Krishna (5.16)

    By quadrature of P(some ψ̄ᵢ > z) over z ≥ s, a route that knows nothing of payments.
    """
    ironed = tuple(iron(prior) for prior in priors)
    edges = [seller_value]
    for each in distinct_scales(ironed):
        scores = each(_marks(each.prior))
        edges += [float(score) for score in scores if seller_value < score < np.inf]

    def exceeded(z: Array) -> Array:
        none = np.ones(z.shape)
        for each in ironed:
            none = none * _below(each.prior, each.beyond(z))
        return 1 - none

    return integrate(exceeded, np.array(edges))


def distinct_scales(ironed: Sequence[Ironed]) -> list[Ironed]:
    """One of each prior's ironed values (they are cached, so equal priors share theirs)."""
    return list({id(each): each for each in ironed}.values())


def second_price_revenue(priors: Sequence[Prior], reserve: float | None = None) -> float:
    """Expected price of a second-price auction among these bidders, with one reserve for all; None: it always sells.

    r P(highest ≥ r) + ∫_r^∞ P(second-highest > x) dx; without a reserve r is the second-highest of the lowest values.
    """
    lows = sorted(prior.low for prior in priors)
    start = (lows[-2] if len(lows) > 1 else lows[0]) if reserve is None else reserve
    marks = np.concatenate([_marks(prior) for prior in distinct(tuple(priors))])
    edges = np.append(marks[(marks > start) & (marks < np.inf)], start)

    def two_above(x: Array) -> Array:
        below = np.stack([np.asarray(prior.cdf(x)) for prior in priors])
        one = np.zeros(x.shape)
        for i in range(len(priors)):
            one = one + (1 - below[i]) * np.prod(np.delete(below, i, axis=0), axis=0)
        return np.asarray(1 - np.prod(below, axis=0) - one)

    none = float(np.prod([_below(prior, np.asarray(start)) for prior in priors]))
    return (start * (1 - none) if none < 1 else 0.0) + integrate(two_above, edges)


def best_common_reserve(priors: Sequence[Prior]) -> tuple[float, float]:
    """The reserve of a second-price auction that earns most, the same for all bidders, and what it earns.

    The revenue may peak several times: where bidders differ, or below a strong bidder's monopoly price.
    """
    marks = [np.asarray(prior.quantile(np.linspace(0, 1, 66)[1:-1])) for prior in distinct(tuple(priors))]
    grid = np.unique(np.concatenate([*marks, [max(0.0, min(prior.low for prior in priors))]]))
    earned = np.array([second_price_revenue(priors, float(r)) for r in grid])
    low, high = (grid[np.clip(int(earned.argmax()) + k, 0, len(grid) - 1)] for k in (-1, 1))
    slope = partial(_reserve_slope, tuple(priors))
    for _ in range(200):
        middle = low + (high - low) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if slope(middle) > 0 else (low, middle)
    return float(high), second_price_revenue(priors, float(high))


def _reserve_slope(priors: tuple[Prior, ...], reserve: float) -> float:
    """d revenue / d r = Σᵢ Πⱼ≠ᵢ Fⱼ(r) (1 − Fᵢ(r) − r fᵢ(r)): a higher price from who is alone, less sales at r."""
    r = np.asarray(reserve)
    below = [float(prior.cdf(r)) for prior in priors]
    total = 0.0
    for i, prior in enumerate(priors):
        rivals = float(np.prod(below[:i] + below[i + 1 :]))
        total += rivals * (float(prior.sf(r)) - reserve * float(prior.pdf(r)))
    return total


@dataclass(frozen=True, eq=False)
class Sale(Bidding):
    """Truthful behaviour of one seat in a direct mechanism, with the values at which its chances jump or bend."""

    bends: tuple[float, ...] = ()


@cached
def interim(rule: Design, priors: tuple[Prior, ...]) -> tuple[Sale, ...]:
    """What truthful types expect in an optimal auction when values really come from `priors`, one a seat.

    U_i(v) = ∫ q_i below v and m_i = v q_i − U_i (Krishna 2010, equation 5.8), with q_i by quadrature over tie-breaking.
    """
    seats: dict[tuple[int, int, tuple[tuple[int, int], ...]], Sale] = {}
    names = [distinct(priors).index(prior) for prior in priors]
    result = []
    for i in range(len(priors)):
        rivals = [j for j in range(len(priors)) if j != i]
        key = (names[i], id(rule.ironed[i]), tuple(sorted((names[j], id(rule.ironed[j])) for j in rivals)))
        if key not in seats:
            seats[key] = _interim(rule, priors, i, rivals)
        result.append(seats[key])
    return tuple(result)


def _interim(rule: Design, priors: tuple[Prior, ...], seat: int, rivals: list[int]) -> Sale:
    scale, reserve = rule.scales[seat], rule.reserves[seat]
    method = "quadrature of Myerson (1981): truth is dominant"

    def chances(v: Array) -> Array:
        score = scale(v)
        sides = [_sides(rule, priors, j, score) for j in rivals]
        return shared(sides) if sides else np.ones(np.shape(v))

    top = max(top_value(priors[seat]), reserve + 1e-12 * max(1.0, abs(reserve)))
    edges = [reserve, top, *_marks(priors[seat]), *_marks(rule.ironed[seat].prior)]
    for j in rivals:
        marks = np.maximum(np.append(_marks(priors[j]), _marks(rule.ironed[j].prior)), rule.reserves[j])
        edges += scale.lowest(rule.scales[j](marks)).tolist()
        edges += scale.beyond(rule.scales[j](marks)).tolist()
    bends = np.unique([edge for edge in edges if reserve <= edge <= top])
    if not reserve <= top_value(priors[seat]):
        return Sale(method, np.inf, _identity, _nothing, _nothing, _nothing)
    gained = cumulate(chances, bends)
    return Sale(
        method=method,
        threshold=reserve,
        bids=_identity,
        chances=chances,
        paid=lambda v: v * chances(v) - gained(v),
        gains=gained,
        bends=tuple(bends.tolist()),
    )


def _sides(rule: Design, priors: tuple[Prior, ...], seat: int, score: Array) -> tuple[Array, Array]:
    """P(the seat's score is below `score`) and P(it is not above), reports below the reserve included."""
    reserve = rule.reserves[seat]
    below = _below(priors[seat], np.maximum(rule.scales[seat].lowest(score), reserve))
    if not rule.lotteries:
        return below, below
    return below, np.maximum(below, _below(priors[seat], np.maximum(rule.scales[seat].beyond(score), reserve)))


def shared(sides: Sequence[tuple[Array, Array]]) -> Array:
    """The chance to win, ties shared: ∫_0^1 Π (Lⱼ + u (Uⱼ − Lⱼ)) du over rivals' chances to be below, and not above."""
    if all(low is high for low, high in sides):
        return np.prod([low for low, _ in sides], axis=0)
    draws, weights = np.polynomial.legendre.leggauss(len(sides) // 2 + 1)
    total = np.zeros(np.shape(sides[0][0]))
    for u, weight in zip((1 + draws) / 2, weights / 2, strict=True):
        total = total + weight * np.prod([low + u * (high - low) for low, high in sides], axis=0)
    return total


def _below(prior: Prior, values: Array) -> Array:
    """P(X < v)."""
    v = np.nextafter(values, -np.inf) if prior.atoms else values
    return np.asarray(prior.cdf(v))


def _marks(prior: Prior) -> Array:
    """Where a chance may jump or bend: ends, breaks, atoms and flat parts of a prior, and quantiles between."""
    ends = [prior.low, prior.high if np.isfinite(prior.high) else top_value(prior)]
    parts = [
        np.array(ends),
        np.asarray(prior.breaks),
        np.array([end for flat in iron(prior).flats for end in flat[:2]]),
    ]
    parts.append(np.asarray(getattr(prior, "support", ())) if prior.atoms else np.asarray(prior.quantile(LEVELS)))
    return np.unique(np.concatenate(parts))


def _identity(values: Array) -> Array:
    return values


def _nothing(values: Array) -> Array:
    return np.zeros(np.shape(values))


def without_utility(bid: Sale) -> Sale:
    """The same behaviour of somebody whose utility is not money."""
    return replace(bid, gains=None)
