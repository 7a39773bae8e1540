"""Auctions in which lower bids matter: profiles of rivals against moments, equilibria against closed forms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from auctionlab.arrays import NO_BID, Array
from auctionlab.environments.priors import Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.environments.risk import Cara
from auctionlab.environments.special_priors import Beta, Lognormal
from auctionlab.errors import NoEquilibrium
from auctionlab.mechanisms.single_item import KthPrice, SingleItem
from auctionlab.theory.equilibria import equilibrium, solve
from auctionlab.theory.lower_bids import faced
from tests.reference.losers import MeanOfLosers

U, B = Uniform(), Beta(2.0, 5.0)


@dataclass(frozen=True)
class HalfThird(SingleItem):
    """The highest bid wins and pays half of itself and half of the third-highest."""

    def charge(self, bids: Array, allocation: Array) -> Array:
        ranked = np.sort(np.where(bids > NO_BID, bids, 0.0), axis=0)
        return allocation * (ranked[-1] + ranked[-3]) / 2


def inside(prior, count: int = 99) -> Array:
    return np.asarray(prior.quantile(np.linspace(0.02, 0.98, count)))


@pytest.mark.parametrize("depth", [2, 3, None])
def test_profiles_of_rivals_have_the_moments_of_order_statistics(depth) -> None:
    """Levels x, x², √x at bid x. E[max] = 1 − ∫ x^3.5 = 7/9; E[min] = ∫ (1 − x)(1 − x²)(1 − √x) = 0.2133…

    The middle one has 1/2 + 2/3 + 1/3 less the other two.
    """
    edges = np.linspace(0.0, 1.0, 161)
    chances = np.stack([edges, edges**2, np.sqrt(edges)])
    found = faced(edges, chances, chances, depth, points=4096)
    ranked = np.sort(found.messages, axis=1)
    mean = found.masses @ np.where(np.isfinite(ranked), ranked, 0.0)
    x = (np.arange(100_000) + 0.5) / 100_000
    least = float(np.mean((1 - x) * (1 - x**2) * (1 - np.sqrt(x))))
    assert found.masses.sum() == pytest.approx(1, abs=1e-12)
    assert mean[2] == pytest.approx(7 / 9, abs=2e-4)  # cells
    if depth != 3:
        assert mean[1] == pytest.approx(3 / 2 - 7 / 9 - least, abs=1e-3)
    if depth != 2:
        assert mean[0] == pytest.approx(least, abs=1e-3)


@pytest.mark.parametrize("n", [3, 4, 6])
def test_the_mean_of_losing_bids_as_price(n) -> None:
    """Type v is content where the mean price is v, given that the highest rival is its equal: for b = c v and uniform
    values c (v + (n − 2) v / 2) / (n − 1) = v, hence b = 2 (n − 1) v / n."""
    found = solve(MeanOfLosers(), PrivateValues(n, U))
    v = inside(U)
    assert np.abs(found.bids[0](v) - 2 * (n - 1) * v / n).max() < 1e-2
    assert found.certificate is not None
    assert found.certificate.exact == (n == 3)
    assert found.certificate.bound < 1e-3


@pytest.mark.parametrize("n", [3, 5])
def test_half_own_and_half_third_bid_as_price_makes_truth_an_equilibrium_of_uniform_values(n) -> None:
    """Bidding b(z) = c z earns z^(n−1) v − c zⁿ (1/2 + (n − 2)/(2 n)); content at z = v where c = 1."""
    found = equilibrium(HalfThird(), PrivateValues(n, U))
    v = inside(U)
    assert np.abs(found.bids[0](v) - v).max() < 1e-2
    assert found.certificate is not None
    assert found.certificate.exact
    assert found.certificate.bound < 1e-4


@pytest.mark.parametrize(("prior", "k", "reserve"), [(U, 3, 0.0), (U, 3, 0.3), (U, 4, 0.0), (B, 3, 0.0)])
def test_the_general_method_finds_the_kth_price_formula(prior, k, reserve) -> None:
    """Kagel and Levin (1993), Monderer and Tennenholtz (2000); utility as in the second-price auction."""
    rule, environment = KthPrice(k=k, reserve=reserve), PrivateValues(5, prior)
    found, formula, v = solve(rule, environment), rule.equilibrium(environment), inside(prior)
    v = v[v > reserve + 0.01]
    assert np.abs(found.bids[0].utility(v) - formula[0].utility(v)).max() < 5e-4  # type: ignore[attr-defined]
    assert np.mean(np.abs(found.bids[0](v) / formula[0](v) - 1)) < 0.03  # the k-th price smooths bids away
    assert found.certificate is not None
    assert found.certificate.exact
    assert found.certificate.bound < 1e-3


def test_a_third_price_auction_under_constant_risk_aversion() -> None:
    """E[exp(α b(y))] = exp(α v) at the margin is the risk-neutral condition in exp(α v):

    exp(α b) = exp(α v) (1 + α F / ((n − 2) f)), hence b = v + log(1 + α v / (n − 2)) / α for uniform values.
    """
    n, alpha, v = 4, 2.0, inside(U)
    environment = PrivateValues(n, U, risk=Cara(alpha))
    formula = equilibrium(KthPrice(k=3), environment).bids[0]
    assert np.abs(formula(v) - v - np.log(1 + alpha * v / (n - 2)) / alpha).max() < 1e-12
    found = solve(KthPrice(k=3), environment)
    assert np.abs(found.bids[0](v) - v - np.log(1 + alpha * v / (n - 2)) / alpha).max() < 2e-2
    assert found.certificate is not None
    assert found.certificate.exact
    assert found.certificate.bound < 1e-4


def test_a_search_that_runs_off_to_infinity_is_a_refusal() -> None:
    # third-price bids v + log(1 + α F / ((n − 2) f)) / α of lognormal values: exp(α b) at the far tail overflows
    bidders = PrivateValues(3, Lognormal(mu=0.0, sigma=1.0), risk=Cara(1.0))
    with pytest.raises(NoEquilibrium, match="the numerical search found no equilibrium"):
        solve(KthPrice(k=3), bidders, start=[lambda v: 0.75 * v])


def test_where_no_rising_equilibrium_exists_there_is_no_search() -> None:
    for rule in (KthPrice(k=3, entry_fee=0.1), KthPrice(k=4, reserve=0.3), KthPrice(k=6)):
        with pytest.raises(NoEquilibrium, match=r"outbid|no rising|never pay"):
            equilibrium(rule, PrivateValues(5, U))
