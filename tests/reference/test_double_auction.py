"""Double auctions for any priors: against the linear equilibrium, a closed form, and by certificates."""

from __future__ import annotations

import numpy as np
import pytest

from auctionlab.environments.priors import Exponential, Scipy, Uniform
from auctionlab.environments.special_priors import Beta
from auctionlab.environments.trade import BilateralTrade
from auctionlab.errors import NoEquilibrium
from auctionlab.mechanisms.bilateral import DoubleAuction
from auctionlab.theory import trade_paths
from auctionlab.theory.certificate import certify
from auctionlab.theory.double_auction import _smooth
from auctionlab.theory.equilibria import equilibrium
from auctionlab.theory.several import several
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


@pytest.mark.parametrize("k", [0.3, 0.5])
def test_through_the_middle_uniform_traders_are_linear(k) -> None:
    """The path is followed in another parameter, from a point in the middle to both ends."""
    prices, values, costs = trade_paths.through(U, U, k, trade_paths.middle(U, U, k, (1.0, 1.0)))
    lines = linear_double_auction(U, U, k)
    assert np.abs(lines.bid(values) - prices).max() < 1e-8
    assert np.abs(lines.ask(costs) - prices).max() < 1e-8


@pytest.mark.parametrize(
    ("buyer", "seller"),
    [
        (Exponential(1.0), Exponential(1.0)),
        (Exponential(1.0), U),
        (Uniform(0.5, 1.5), HILL),
        (Uniform(0.5, 1.5), U),
        (Uniform(1.0, 2.0), Uniform(0.0, 3.0)),
        (Scipy("weibull_min", {"c": 2.4, "scale": 1.0}), Beta(0.7, 5.8)),
        (Scipy("norm", {"loc": 1.0, "scale": 1.0}), Scipy("norm", {"loc": 0.0, "scale": 1.0})),
    ],
)
def test_unbounded_traders_and_supports_that_do_not_reach(buyer, seller) -> None:
    found = equilibrium(DoubleAuction(), BilateralTrade(buyer, seller))
    assert found.certificate is not None
    assert found.certificate.exact
    assert found.certificate.bound < 2e-5


def test_a_buyer_above_half_of_all_costs_has_no_better_bid_among_many() -> None:
    """Values uniform on [1, 2], costs on [0, 3]; sums over 20,000 costs."""
    bid, ask = equilibrium(DoubleAuction(), BilateralTrade(Uniform(1.0, 2.0), Uniform(0.0, 3.0))).bids
    asks = ask((np.arange(20_000) + 0.5) / 20_000 * 3)
    tried = np.linspace(0.4, 1.9, 151)[:, None]

    def worth(value: float, bids):
        return np.mean(np.where(bids >= asks, value - (bids + asks) / 2, 0.0), axis=-1)

    for value in (1.1, 1.4, 1.7, 1.95):
        assert worth(value, tried).max() < worth(value, bid(np.array([[value]])))[0] + 1e-4  # sums


@pytest.mark.parametrize(("buyer", "seller"), [(U, U), (HILL, HILL), (Exponential(1.0), U)])
def test_equilibria_are_a_continuum_of_which_some_are_shown(buyer, seller) -> None:
    """Satterthwaite and Williams (1989): one passes through every price with a value above and a cost below."""
    found = several(DoubleAuction(), BilateralTrade(buyer, seller), starts=4)
    assert len(found) >= 3
    for one in found:
        assert one.certificate is not None
        assert one.certificate.bound < 1e-5


def test_traders_who_always_agree_are_refused_in_one_sentence() -> None:
    with pytest.raises(NoEquilibrium, match="all values lie on one side of all costs"):
        equilibrium(DoubleAuction(), BilateralTrade(Uniform(2.0, 3.0), U))
