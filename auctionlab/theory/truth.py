"""Truthful bids in the second-price auction: chances and payments for any priors, with ties where they have atoms."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from auctionlab.arrays import Array
from auctionlab.core import Prior
from auctionlab.theory.means import mean_value_below
from auctionlab.theory.quadrature import TO_INTEGRAL, Piecewise, nodes
from auctionlab.theory.rivals import Rivals, cached, chance, distinct, starting_edges


def gather(priors: tuple[Prior, ...]) -> Rivals:
    """Equal priors together, with how many seats have them."""
    return tuple((prior, float(priors.count(prior))) for prior in distinct(priors))


def winning_chance(rivals: Rivals, values: Array) -> Array:
    """The chance to win with truthful bids, ties shared: ∫_0^1 Π (F(v−) + u P(X = v)) du, u a tie-breaking draw."""
    if not any(prior.atoms for prior, _ in rivals):
        return chance(rivals, values)
    draws, weights = np.polynomial.legendre.leggauss(int(sum(power for _, power in rivals)) // 2 + 1)
    draws, weights = (1 + draws) / 2, weights / 2
    product = np.ones((*np.shape(values), len(draws)))
    for prior, power in rivals:
        upper = np.asarray(prior.cdf(values))[..., None]
        lower = np.asarray(prior.cdf(np.nextafter(values, -np.inf)))[..., None] if prior.atoms else upper
        product = product * (lower + draws * (upper - lower)) ** power
    return product @ weights


def truthful_payment(rivals: Rivals, reserve: float, values: Array) -> Array:
    """E[max(reserve, highest rival value); win] of truthful types from the reserve up.

    It is the value won less ∫_r^v K, the utility, to which ties do not matter.
    """
    if not rivals:
        return np.full(np.shape(values), reserve)
    if any(prior.atoms for prior, _ in rivals):
        return values * winning_chance(rivals, values) - _chance_integral(rivals, reserve)(values)
    low = max(prior.low for prior, _ in rivals)
    return chance(rivals, values) * mean_value_below(rivals, max(low, reserve))(values)


@cached
def _chance_integral(rivals: Rivals, reserve: float) -> Callable[[Array], Array]:
    """∫_r^v K where priors have atoms: panels between all of them; K is 1 beyond the last."""
    parts = [support(prior) if prior.atoms else starting_edges(((prior, 1.0),), prior.low) for prior, _ in rivals]
    points = np.concatenate(parts)
    last = max(float(points.max()), reserve + 1)
    ends = np.unique(np.concatenate([points[points > reserve], [reserve, last]]))
    half = np.diff(ends)[:, None] / 2
    cumulated = half * chance(rivals, nodes(ends[:-1], ends[1:])) @ TO_INTEGRAL.T
    starts = np.append(0.0, np.cumsum(cumulated[:, -1])[:-1])
    inside = Piecewise(ends, starts[:, None] + cumulated[:, :-1])
    return lambda v: inside(v) + np.maximum(v - last, 0.0)


def support(prior: Prior) -> Array:
    """The values that have positive probability, in order; none for a prior with a density."""
    return np.asarray(getattr(prior, "support", prior.breaks)) if prior.atoms else np.empty(0)


def kinks(priors: tuple[Prior, ...]) -> tuple[float, ...]:
    """Where a chance to win is not smooth inside a support: finite ends and breaks of the priors, if they differ."""
    if len(distinct(priors)) == 1:
        return ()
    points = {float(point) for prior in priors for point in (prior.low, prior.high, *prior.breaks)}
    return tuple(sorted(point for point in points if math.isfinite(point)))
