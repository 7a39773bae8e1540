"""Optimal auctions compared: with one more bidder, with the efficient allocation, and for two uniform buyers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from auctionlab.arrays import Array
from auctionlab.core import Prior
from auctionlab.errors import ConfigError
from auctionlab.theory.adaptive import LEVELS, cumulate, integrate
from auctionlab.theory.ironing import iron
from auctionlab.theory.optimal import optimal_revenue, second_price_revenue
from auctionlab.theory.rivals import top_value
from auctionlab.theory.virtual import is_regular, require_regular


@dataclass(frozen=True)
class Competition:
    """What a second-price auction without reserve earns among one bidder more than an optimal mechanism has."""

    auction: float  # n + 1 bidders, no reserve
    negotiation: float  # the best that any mechanism earns from n of them
    regular: bool

    @property
    def gain(self) -> float:
        """How much more the auction earns."""
        return self.auction - self.negotiation


def bulow_klemperer(prior: Prior, bidders: int = 1) -> Competition:
    """E[max ψ(X_1), …, ψ(X_{n+1})] ≥ E[max ψ(X_1), …, ψ(X_n), 0] for regular ψ.  Bulow and Klemperer (1996)

    Krishna (2010, section 5.2.3) argues it for one bidder against two. It uses E[ψ(X)] ≥ 0, that is a support that does
    not start below the seller's value 0 (there his E[ψ] = 0), and ψ rising, so that the highest value has the highest
    ψ. Either may fail: for irregular priors, where a few bidders are far above the rest, the optimal mechanism can earn
    more; so can it where values can be negative and the auction must sell.
    """
    if bidders < 1:
        raise ConfigError(f"bidders: should be at least 1, got {bidders}")
    auction = second_price_revenue((prior,) * (bidders + 1))
    return Competition(auction, optimal_revenue((prior,) * bidders), is_regular(prior))


@dataclass(frozen=True)
class Regions:
    """Who gets the item in the plane of two buyers' values, and what is lost against always serving the highest value.

    The frontier runs where both win equally, from the corner of the reserves up. Probabilities and losses of welfare
    are those of keeping an item that somebody values, and of giving it to the lower value.
    """

    reserves: tuple[float, float]
    frontier: tuple[Array, Array]  # values of the first and of the second, (K,)
    unsold: float
    first_despite_second: float  # the probability that the first gets it although the second values it more
    second_despite_first: float
    loss_unsold: float
    loss_misallocated: float

    def winner(self, first: Array, second: Array) -> Array:
        """0 or 1, the buyer who gets it, or −1 where it is kept, at values of any one shape."""
        able = (np.asarray(first) >= self.reserves[0], np.asarray(second) >= self.reserves[1])
        behind = np.asarray(second) > np.interp(first, *self.frontier)
        return np.where(able[1] & (behind | ~able[0]), 1, np.where(able[0], 0, -1))


def inefficiency_regions(priors: Sequence[Prior], points: int = 201) -> Regions:
    """Where the optimal auction for two buyers is inefficient.  Nath's example 3; Krishna (2010), section 5.2.3

    Two reasons: it keeps the item from values below the reserves, and it favours the buyer with less rent to give up.
    For U[0, 10] and U[0, 6] the frontier is x₂ = x₁ − 2: it is unsold with probability 1/4 and goes to the second
    buyer, though the first values it more, with probability 1/10. ConfigError unless both priors are regular.
    """
    if len(priors) != 2:
        raise ConfigError(f"priors: should be 2, one for each axis, got {len(priors)}")
    for prior in priors:
        require_regular(prior, "inefficiency regions")
    first, second = priors
    virtual, other = iron(first), iron(second)
    reserves = float(virtual.lowest(np.asarray(0.0))), float(other.lowest(np.asarray(0.0)))
    low, top = max(first.low, reserves[0]), top_value(first)

    def needed(x: Array) -> Array:
        """The least value with which the second buyer wins against x."""
        against = np.maximum(other.lowest(virtual(np.maximum(x, low))), reserves[1])
        return np.where(x >= reserves[0], against, reserves[1])

    marks = np.concatenate([np.asarray(first.quantile(LEVELS)), first.breaks, [first.low, top, *reserves]])
    edges = np.unique(marks[(marks >= first.low) & (marks <= top)])
    ends = np.array([second.low, top_value(second)])
    below = cumulate(second.cdf, np.unique(np.concatenate([np.asarray(second.quantile(LEVELS)), second.breaks, ends])))

    def whole(x: Array) -> Array:
        """∫ F₂ up to x, also above the support of the second buyer."""
        return np.asarray(below(x) + np.maximum(x - top_value(second), 0.0))

    def chance(x: Array, sign: float) -> Array:
        gap = second.cdf(x) - second.cdf(needed(x))
        return np.asarray(first.pdf(x) * np.maximum(sign * gap, 0.0))

    def lost(x: Array) -> Array:
        """f₁ ∫ |x − y| dF₂(y) over the y between x and what is needed that win, or do not, wrongly."""
        t = needed(x)
        wrong = whole(x) - whole(t) - (x - t) * second.cdf(t)
        return np.asarray(first.pdf(x) * np.where((x >= t) | (x >= reserves[0]), wrong, 0.0))

    kept = float(first.cdf(np.asarray(reserves[0])) * second.cdf(np.asarray(reserves[1])))
    last = float(virtual.lowest(np.maximum(other(np.asarray(second.high)), 0.0)))  # above it the second never wins
    most = first.high if np.isfinite(first.high) else float(first.quantile(np.asarray(0.999)))
    frontier = np.unique(np.append(np.linspace(low, most, points), min(max(last, low), most)))
    return Regions(
        reserves=reserves,
        frontier=(frontier, np.minimum(needed(frontier), second.high)),
        unsold=kept,
        first_despite_second=integrate(lambda x: np.where(x >= reserves[0], chance(x, -1.0), 0.0), edges),
        second_despite_first=integrate(lambda x: chance(x, 1.0), edges),
        loss_unsold=_kept_welfare(priors, reserves) if kept > 0 else 0.0,
        loss_misallocated=integrate(lost, edges),
    )


def _kept_welfare(priors: Sequence[Prior], reserves: tuple[float, float]) -> float:
    """E[max(X₁, X₂, 0); both below their reserves] = ∫_0 (P(both below) − P(both below min(z, reserve))) dz."""
    both = float(np.prod([prior.cdf(np.asarray(r)) for prior, r in zip(priors, reserves, strict=True)]))
    marks = np.concatenate([np.asarray(prior.quantile(LEVELS)) for prior in priors] + [np.array([0.0, *reserves])])
    edges = np.unique(marks[(marks >= 0) & (marks <= max(reserves))])

    def above(z: Array) -> Array:
        cut = [prior.cdf(np.minimum(z, r)) for prior, r in zip(priors, reserves, strict=True)]
        return np.asarray(both - cut[0] * cut[1])

    return integrate(above, edges) if len(edges) > 1 else 0.0


@dataclass(frozen=True)
class TwoUniforms:
    """Krishna (2010), problem 5.2: buyers with values uniform on [0, 1 + k] and [0, 1 − k]."""

    common_reserve: float  # the best reserve of a second-price auction
    common_revenue: float
    reserves: tuple[float, float]  # of the optimal auction
    handicap: float  # by how much the first buyer's value must exceed the second's to win it
    optimal_revenue: float


def two_uniform_buyers(k: float) -> TwoUniforms:
    """The best common reserve and the optimal auction as functions of k, 0 ≤ k < 1, in closed form.

    a. Up to r = 1 − k, revenue has the slope Σᵢ Fⱼ (1 − Fᵢ − r fᵢ) = 2 r (1 − 2 r) / (1 − k²): it peaks at r = 1/2
       whatever k is, at (1 − k)(1 + 2k) / (3(1 + k)) + 1 / (12 (1 − k²)). Above 1 − k only the first buyer can meet the
       reserve; the best is its monopoly price (1 + k)/2, which earns (1 + k)/4. The second peak is the higher one from
       the root of 11 k³ − 9 k² − 3 k + 2, k ≈ 0.41316, on: "r = 1/2" is not the whole answer.
    b. ψ₁ = 2x₁ − (1 + k) and ψ₂ = 2x₂ − (1 − k): reserves (1 ± k)/2, and the first buyer wins where x₁ > x₂ + k. With
       A = 1 + k, B = 1 − k it earns E[max(ψ₁, ψ₂, 0)] = B − (B²/3 + B + A B)/(4A) + k²/A.
    """
    if not 0 <= k < 1:
        raise ConfigError(f"k: should be at least 0 and below 1, got {k!r}")
    a, b = 1 + k, 1 - k
    shared = (1 - k) * (1 + 2 * k) / (3 * (1 + k)) + 1 / (12 * (1 - k**2))
    both = k <= 0.5 and 11 * k**3 - 9 * k**2 - 3 * k + 2 >= 0
    return TwoUniforms(
        common_reserve=0.5 if both else a / 2,
        common_revenue=shared if both else a / 4,
        reserves=(a / 2, b / 2),
        handicap=k,
        optimal_revenue=b - (b**2 / 3 + b + a * b) / (4 * a) + k**2 / a,
    )
