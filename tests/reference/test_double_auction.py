"""Double auctions for any priors: against the linear equilibrium, a closed form, and by certificates."""

from __future__ import annotations

import numpy as np
import pytest

from auctionlab.environments.priors import Exponential, Uniform
from auctionlab.environments.special_priors import Beta
from auctionlab.environments.trade import BilateralTrade
from auctionlab.errors import NoEquilibrium
from auctionlab.mechanisms.bilateral import DoubleAuction
from auctionlab.theory.certificate import certify
from auctionlab.theory.double_auction import _smooth
from auctionlab.theory.equilibria import equilibrium
from auctionlab.theory.trade import linear_double_auction

U, HILL = Uniform(), Beta(2.0, 2.0)


@pytest.mark.parametrize("k", [0.0, 0.3, 0.5, 0.8, 1.0])
def test_for_uniform_priors_the_smooth_equilibrium_is_the_linear_one(k) -> None:
    """Chatterjee and Samuelson (1983)"""
    types = np.linspace(0, 1, 301)
    lines, (bid, ask) = linear_double_auction(U, U, k), _smooth(U, U, k)
    assert np.abs(bid(types) - lines.bid(types)).max() < 1e-8
    assert np.abs(ask(types) - lines.ask(types)).max() < 1e-8


@pytest.mark.parametrize(
    ("buyer", "seller", "k"),
    [
        (HILL, HILL, 0.5),
        (Beta(2.0, 1.0), U, 0.5),
        (Beta(2.0, 1.0), U, 0.2),
        (Beta(2.0, 5.0), HILL, 0.5),
        (HILL, U, 1.0),
    ],
)
def test_neither_trader_gains_by_another_price(buyer, seller, k) -> None:
    found = equilibrium(DoubleAuction(k=k), BilateralTrade(buyer, seller))
    assert found.numerical
    assert found.certificate is not None
    assert found.certificate.exact
    assert found.certificate.bound < 1e-5


def test_mirrored_priors_have_mirrored_bids() -> None:
    """Value v and cost 1 − v face the same problem where prior and k = 1/2 are symmetric."""
    bid, ask = _smooth(HILL, HILL, 0.5)
    types = np.linspace(0, 1, 201)
    assert np.abs(bid(types) - (1 - ask(1 - types))).max() < 1e-7


def test_a_buyer_who_names_the_price_shades_by_the_inverse_hazard_of_costs() -> None:
    """k = 1: sellers ask their costs and type p + G/g bids p; G/g = p (3 − 2 p)/(6 (1 − p)) for density 6 p (1 − p)."""
    bid, ask = _smooth(U, HILL, 1.0)
    p = np.linspace(0.05, 0.5, 50)
    value = p + p * (3 - 2 * p) / (6 * (1 - p))
    assert np.abs(bid(value) - p)[value < 1].max() < 1e-7
    assert np.array_equal(ask(p), p)


def test_a_certificate_of_truth_says_what_a_buyer_gains() -> None:
    """Against truthful asks, price (v + c)/2: bid b earns ∫_0^b (v − (b + c)/2) dc = v b − 3 b²/4, most at 2 v/3.

    Truth earns v²/4 and the best v²/3, at v = 1 a gain of 1/12 over the mean utility 1/12.
    """
    found = certify(DoubleAuction(), BilateralTrade(U, U), (lambda v: v, lambda c: c))
    assert found.gain == pytest.approx(1.0, rel=2e-3)  # the grid of types


def test_refusals_are_one_sentence() -> None:
    with pytest.raises(NoEquilibrium, match="without a highest value"):
        equilibrium(DoubleAuction(), BilateralTrade(Exponential(1.0), U))
    with pytest.raises(NoEquilibrium, match="finite slopes at both ends"):
        equilibrium(DoubleAuction(), BilateralTrade(Uniform(0.5, 1.5), HILL))
