"""Dissolving a partnership: the bids of the auction between two partners, and when it can be done efficiently."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from auctionlab.arrays import Array
from auctionlab.core import Prior
from auctionlab.errors import ConfigError, NoEquilibrium
from auctionlab.theory.adaptive import LEVELS, cumulate, integrate
from auctionlab.theory.rivals import cached, top_value

Function = Callable[[Array], Array]
_NEAR = 1e-4  # of the support: so near to the price-setting type the bid is read off its slope there


@cached
def dissolution_bid(prior: Prior, weight: float) -> Function:
    """Symmetric equilibrium bid of two equal partners for the other's half.  Cramton, Gibbons and Klemperer (1987)

    The higher bid gets the firm and pays the other p = k (higher bid) + (1 − k)(lower bid), k = `weight`. A type x that
    bids like z wins against types below z and receives p from those above, so
    β′(z)(1 − k − F(z)) = f(z)(2β(z) − x) at z = x, of which the solution that stays finite is
    β(x) = ½ (x − ∫_m^x (F − F(m))² / (F(x) − F(m))²), F(m) = 1 − k.
    Uniform and k = 0 (Krishna 2010, problem 5.3): x/3 + 1/6. Raises NoEquilibrium for priors with atoms.
    """
    if prior.atoms:
        raise NoEquilibrium("partnership-dissolution: the prior puts weight on single values, so partners mix")
    low, top = (prior.low if np.isfinite(prior.low) else float(prior.quantile(np.array(1e-12)))), top_value(prior)
    middle = float(prior.quantile(np.array(1.0 - weight))) if 0 < weight < 1 else (top if weight == 0 else low)
    inner = np.concatenate([[low, middle, top], np.asarray(prior.quantile(LEVELS)), prior.breaks])
    edges = np.unique(inner[(inner >= low) & (inner <= top)])

    def lead(x: Array) -> Array:
        """F(x) − F(m)."""
        return np.asarray(prior.cdf(x) - (1 - weight) if weight > 0 else -prior.sf(x))

    above = cumulate(lambda x: lead(x) ** 2, edges[edges >= middle]) if middle < top else None
    mirrored = -edges[edges <= middle][::-1]
    below = cumulate(lambda x: lead(-x) ** 2, mirrored) if middle > low else None

    def bid(x: Array) -> Array:
        x = np.clip(np.asarray(x, float), low, top)
        area = np.zeros(x.shape)
        if above is not None:
            area = np.where(x > middle, above(x), area)
        if below is not None:
            area = np.where(x < middle, -below(-x), area)
        near = np.abs(x - middle) <= _NEAR * (top - low)
        gap = np.where(near, 1.0, lead(x))
        return np.asarray((x - np.where(near, (x - middle) / 3, area / gap**2)) / 2)

    return bid


def dissolvable(prior: Prior, shares: tuple[float, ...]) -> float:
    """What an efficient, incentive compatible and individually rational dissolution expects to have left over.

    Σ_i [∫_{s_i}^ω (1 − F) u dG − ∫_α^{s_i} F u dG] with G = F^(n−1) and G(s_i) = r_i, the type that expects to end up
    with its own share: the firm can be dissolved efficiently without a subsidy exactly where this is ≥ 0.
    Source: Cramton, Gibbons and Klemperer (1987), theorem 1; the same as prop. 5.6 of Krishna (2010) for partnerships.
    """
    n = len(shares)
    if n < 2 or prior.atoms or not np.isfinite([prior.low, prior.high]).all():
        raise ConfigError("dissolvable: needs at least 2 partners and a bounded prior with a density")
    inner = np.concatenate([[prior.low, prior.high], np.asarray(prior.quantile(LEVELS)), prior.breaks])

    def density(u: Array) -> Array:
        return np.asarray((n - 1) * prior.cdf(u) ** (n - 2) * prior.pdf(u))

    total = 0.0
    for share in shares:
        at = float(prior.quantile(np.array(share ** (1 / (n - 1)))))
        upper, lower = np.append(inner[inner > at], at), np.append(inner[inner < at], at)
        total += integrate(lambda u: prior.sf(u) * u * density(u), upper)
        total -= integrate(lambda u: prior.cdf(u) * u * density(u), lower)
    return total
