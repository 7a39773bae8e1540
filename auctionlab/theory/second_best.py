"""The second best of bilateral trade: the most gains that a balanced budget allows.

V is the buyer's value with distribution F and density f, C the seller's cost with G and g.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from auctionlab.arrays import Array
from auctionlab.core import Prior
from auctionlab.errors import ConfigError
from auctionlab.theory.adaptive import LEVELS, cumulate, integrate
from auctionlab.theory.averages import Series
from auctionlab.theory.lines import shortfall
from auctionlab.theory.quadrature import Piecewise, nodes
from auctionlab.theory.rivals import cached, top_value
from auctionlab.theory.virtual import information_rent, require_regular

Function = Callable[[Array], Array]
_HALVINGS = 60


@dataclass(frozen=True, eq=False)
class SecondBest:
    """The most gains from trade that incentive compatibility, individual rationality and a balanced budget allow.

    Trade takes place where v − λ (1 − F)/f ≥ c + λ G/g, with the least λ in [0, 1] that needs no subsidy.
    weight : λ;  gains : expected;  best : E[(V − C)⁺];  surplus : money left over, 0 unless λ = 0.
    Made by `second_best`.
    """

    buyer: Prior
    seller: Prior
    weight: float

    def buyer_score(self, values: Array) -> Array:
        """v − λ (1 − F(v)) / f(v)."""
        return np.asarray(values - (self.weight * information_rent(self.buyer, values) if self.weight else 0.0))

    def seller_score(self, costs: Array) -> Array:
        """c + λ G(c) / g(c)."""
        return np.asarray(costs + (self.weight * seller_rent(self.seller, costs) if self.weight else 0.0))

    @cached_property
    def _buyer_edges(self) -> Array:
        return _edges(self.buyer, self.buyer_score, self.seller_score(_ends(self.seller)))

    @cached_property
    def _seller_edges(self) -> Array:
        return _edges(self.seller, self.seller_score, self.buyer_score(_ends(self.buyer)))

    def cost_limit(self, values: Array) -> Array:
        """The highest cost that trades with each value; the lowest of all where none does."""
        return _highest(self.seller, self.seller_score, self.buyer_score(values))

    def value_limit(self, costs: Array) -> Array:
        """The lowest value that trades with each cost; the highest of all where none does."""
        return _lowest(self.buyer, self.buyer_score, self.seller_score(costs))

    def buyer_chance(self, values: Array) -> Array:
        """P(trade | v)."""
        return np.asarray(self.seller.cdf(self.cost_limit(values)))

    def seller_chance(self, costs: Array) -> Array:
        """P(trade | c)."""
        return np.asarray(self.buyer.sf(self.value_limit(costs)))

    @cached_property
    def _buyer_rent(self) -> Piecewise:
        return cumulate(self.buyer_chance, self._buyer_edges)

    @cached_property
    def _seller_rent(self) -> Piecewise:
        return cumulate(self.seller_chance, self._seller_edges)

    @cached_property
    def buyer_payment(self) -> Function:
        """Interim payment v q(v) − ∫ q below v, of values: the lowest value gains nothing."""
        edges = self._buyer_rent.edges
        values = nodes(edges[:-1], edges[1:])
        return Series(edges, values * self.buyer_chance(values) - self._buyer_rent(values))

    @cached_property
    def seller_receipt(self) -> Function:
        """Interim receipt c q(c) + ∫ q above c, of costs: the highest cost gains nothing."""
        edges = self._seller_rent.edges
        costs = nodes(edges[:-1], edges[1:])
        whole = self._seller_rent(edges[-1:])
        return Series(edges, costs * self.seller_chance(costs) + whole - self._seller_rent(costs))

    @cached_property
    def receipt(self) -> float:
        """What the seller expects to receive, less a surplus that is handed on to the seller."""
        return _mean(self.seller, self.seller_receipt, self._seller_edges)

    @cached_property
    def surplus(self) -> float:
        """E[buyer's payment − seller's receipt]."""
        return _mean(self.buyer, self.buyer_payment, self._buyer_edges) - self.receipt

    @cached_property
    def gains(self) -> float:
        """E[(V − C) trade]: for each value, v G(c*) − E[C; C ≤ c*] = (v − c*) G(c*) + E[(c* − C)⁺]."""
        below = shortfall(self.seller)

        def of(values: Array) -> Array:
            limit = self.cost_limit(values)
            return np.asarray((values - limit) * self.seller.cdf(limit) + below(limit))

        return _mean(self.buyer, of, self._buyer_edges)

    @property
    def best(self) -> float:
        """E[(V − C)⁺]."""
        return SecondBest(self.buyer, self.seller, 0.0).gains


@cached
def second_best(buyer: Prior, seller: Prior) -> SecondBest:
    """The second best for regular priors.  Myerson and Satterthwaite (1983), theorem 2

    With uniform priors on [0, 1], λ = 1/3 and trade takes place where v − c ≥ 1/4, as in the ½-double auction.
    Raises ConfigError where v − (1 − F)/f or c + G/g is not increasing: then the rule would need ironing.
    """
    require_regular(buyer, "second-best trade")
    _require_regular_seller(seller)
    if not np.isfinite([buyer.low, seller.high]).all():
        raise ConfigError("second-best trade: values should have a lowest and costs a highest, here they have not")

    def budget(weight: float) -> float:
        """E[(ψ(V) − ψ(C)) trade] = E[(ψ(V) − c*) G(c*)]: what is left when the worst types gain nothing."""
        trial = SecondBest(buyer, seller, weight)

        def of(values: Array) -> Array:
            limit = trial.cost_limit(values)
            return np.asarray((values - information_rent(buyer, values) - limit) * seller.cdf(limit))

        return _mean(buyer, of, trial._buyer_edges)

    if budget(0.0) >= 0:
        return SecondBest(buyer, seller, 0.0)
    from scipy.optimize import brentq

    return SecondBest(buyer, seller, float(brentq(budget, 0.0, 1.0, xtol=1e-14, rtol=1e-13)))


def seller_rent(seller: Prior, costs: Array) -> Array:
    """G(c) / g(c), what each lower cost gains when c trades; 0 below the support."""
    below = np.asarray(seller.cdf(costs))
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        return np.where(below > 0, below / seller.pdf(costs), 0.0)


def _require_regular_seller(seller: Prior) -> None:
    if seller.atoms:
        raise ConfigError(f"second-best trade: needs a prior with a density, got {seller}")
    costs = np.asarray(seller.quantile(np.linspace(0, 1, 2002)[1:-1]))
    scores = costs + seller_rent(seller, costs)
    if np.any(np.diff(scores) < -1e-9 * max(1.0, float(np.abs(costs).max()))):
        k = int(np.argmin(np.diff(scores)))
        raise ConfigError(
            f"second-best trade: needs a regular prior, but the virtual cost c + G(c)/g(c) of {seller} falls from "
            f"{scores[k]:.6g} at {costs[k]:.6g} to {scores[k + 1]:.6g} at {costs[k + 1]:.6g}"
        )


def _ends(prior: Prior) -> Array:
    low = prior.low if np.isfinite(prior.low) else float(prior.quantile(np.array(1e-12)))
    return np.array([low, top_value(prior)])


def _edges(prior: Prior, score: Function, others: Array) -> Array:
    """Panels on a support: its ends, breaks and quantiles, and where its score meets the ends of the others' scores."""
    low, top = _ends(prior)
    meets = _highest(prior, score, np.asarray(others))
    points = np.concatenate([[low, top], prior.breaks, np.asarray(prior.quantile(LEVELS)), meets])
    return np.unique(points[(points >= low) & (points <= top)])


def _highest(prior: Prior, score: Function, targets: Array) -> Array:
    """The highest type whose score is at most the target, by halving; the lower end where none is."""
    low, top = _ends(prior)
    left, right = np.full(np.shape(targets), low), np.full(np.shape(targets), top)
    for _ in range(_HALVINGS):
        middle = left + (right - left) / 2
        fits = score(middle) <= targets
        left, right = np.where(fits, middle, left), np.where(fits, right, middle)
    return np.where(score(right) <= targets, right, left)


def _lowest(prior: Prior, score: Function, targets: Array) -> Array:
    """The lowest type whose score is at least the target, by halving; the upper end where none is."""
    low, top = _ends(prior)
    left, right = np.full(np.shape(targets), low), np.full(np.shape(targets), top)
    for _ in range(_HALVINGS):
        middle = left + (right - left) / 2
        fits = score(middle) >= targets
        left, right = np.where(fits, left, middle), np.where(fits, middle, right)
    return np.where(score(left) >= targets, left, right)


def _mean(prior: Prior, function: Function, edges: Array) -> float:
    return integrate(lambda x: np.asarray(function(x) * prior.pdf(x)), edges)
