"""A buyer as a market: demand, revenue and marginal revenue; the virtual value is the marginal revenue.

A price p sells with probability q(p) = P(X ≥ p), the quantity; R(q) = q p(q) is the revenue function and
R′(q) = p − (1 − F(p)) / f(p) = ψ(p) its derivative.  Bulow and Roberts (1989); Krishna (2010), section 5.2.3
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from auctionlab.arrays import Array
from auctionlab.core import Prior
from auctionlab.theory.ironing import iron
from auctionlab.theory.virtual import virtual_values


def demand(prior: Prior, prices: Array) -> Array:
    """q(p) = P(X ≥ p), the probability that a buyer takes the offer p."""
    below = np.nextafter(prices, -np.inf) if prior.atoms else prices
    return np.asarray(prior.sf(below))


def inverse_demand(prior: Prior, quantities: Array) -> Array:
    """p(q) = F⁻¹(1 − q), the highest price that sells with probability q."""
    q = np.asarray(quantities, dtype=float)
    if not prior.atoms:
        return np.asarray(prior.quantile(1 - q))
    support, sold = np.asarray(prior.support), demand(prior, np.asarray(prior.support))  # type: ignore[attr-defined]
    return support[np.maximum(np.searchsorted(-sold, -q * (1 - 1e-14), side="right") - 1, 0)]


def revenue(prior: Prior, quantities: Array) -> Array:
    """R(q) = q F⁻¹(1 − q), what selling with probability q at one price earns."""
    return np.asarray(quantities * inverse_demand(prior, quantities))


def marginal_revenue(prior: Prior, quantities: Array) -> Array:
    """R′(q) = ψ(F⁻¹(1 − q)). Raises NoEquilibrium for priors with atoms."""
    return virtual_values(prior, inverse_demand(prior, quantities))


@dataclass(frozen=True)
class Market:
    """The curves of Krishna's figure 5.5 at the same quantities, (K,) each, and the monopoly price."""

    quantities: Array
    prices: Array
    revenue: Array
    marginal: Array  # ψ of the price
    hull: Array  # the concave hull of the revenue, what lotteries over prices can earn
    ironed: Array  # its derivative
    monopoly_price: float
    monopoly_quantity: float


def market(prior: Prior, points: int = 201, seller_value: float = 0.0) -> Market:
    """The demand side of one buyer, ready to be drawn; needs a density."""
    quantities = np.linspace(0.0, 1.0, points)
    quantities[0], quantities[-1] = 1e-6, 1.0 if np.isfinite(prior.low) else 1 - 1e-6
    prices = inverse_demand(prior, quantities)
    earned, ironed = quantities * prices, iron(prior)
    hull = earned.copy()
    for flat in ironed.flats:
        inside = (prices > flat.low) & (prices < flat.high)
        last = float(prior.sf(np.asarray(flat.high)))
        end = flat.high * last if last > 0 else 0.0
        hull = np.where(inside, end + flat.virtual * (quantities - last), hull)
    price = float(ironed.lowest(np.asarray(seller_value)))
    return Market(
        quantities=quantities,
        prices=prices,
        revenue=earned,
        marginal=virtual_values(prior, prices),
        hull=hull,
        ironed=ironed(prices),
        monopoly_price=price,
        monopoly_quantity=float(demand(prior, np.asarray(price))),
    )
