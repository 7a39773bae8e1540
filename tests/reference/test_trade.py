"""Bilateral trade: the Myerson-Satterthwaite theorem, double auctions, posted prices and the second best."""

import numpy as np
import pytest
from scipy import integrate

from auctionlab import rng
from auctionlab.environments.priors import Beta, Discrete, Exponential, Power, Uniform
from auctionlab.environments.trade import BilateralTrade
from auctionlab.errors import ConfigError, NoEquilibrium
from auctionlab.mechanisms.bilateral import DoubleAuction, PostedTrade, SecondBestTrade
from auctionlab.theory.benchmarks import benchmark
from auctionlab.theory.second_best import second_best
from auctionlab.theory.trade import (
    best_posted_price,
    double_auction_gains,
    linear_double_auction,
    myerson_satterthwaite,
    posted_price_gains,
)

U = Uniform()
UNIFORM = BilateralTrade(U, U)


def test_the_vcg_deficit_of_uniform_trade_is_the_gain_from_trade():  # Krishna (2010), prop. 5.7
    found = myerson_satterthwaite(U, U)
    assert (found.gains, found.buyer_pays, found.seller_receives) == pytest.approx((1 / 6, 1 / 6, 1 / 3))
    assert found.deficit == pytest.approx(1 / 6)


@pytest.mark.parametrize("buyer", [U, Power(exponent=3.0), Beta(a=2.0, b=2.0)])
def test_the_deficit_is_the_whole_gain_where_supports_coincide(buyer):
    found = myerson_satterthwaite(buyer, Power(exponent=2.0))
    assert found.deficit == pytest.approx(found.gains, rel=1e-7)


@pytest.mark.parametrize("shift", [0.25, 0.5, 0.75])
def test_with_shifted_supports_the_deficit_is_less_than_the_gain(shift):  # where Krishna's text says it is equal
    found = myerson_satterthwaite(Uniform(low=shift, high=1 + shift), U)

    def short(cost, value):
        return (min(value, 1.0) - max(cost, shift)) * (value > cost)

    lines = [integrate.quad(lambda c, v=v: short(c, v), 0, 1, points=[shift, min(v, 1.0)])[0] for v in NODES + shift]
    assert found.deficit == pytest.approx(WEIGHTS @ lines, abs=1e-4)  # midpoint rule
    assert 0 < found.deficit < found.gains


NODES = (np.arange(400) + 0.5) / 400
WEIGHTS = np.full(400, 1 / 400)


def test_trade_that_is_always_efficient_needs_no_subsidy():
    with pytest.raises(ConfigError, match="any price between them"):
        myerson_satterthwaite(Uniform(low=1.0, high=2.0), U)


@pytest.mark.parametrize(
    ("k", "gains"), [(0.0, 1 / 8), (0.25, 35 / 256), (0.5, 9 / 64), (0.75, 35 / 256), (1.0, 1 / 8)]
)
def test_gains_of_the_double_auction(k, gains):  # 9/64 of 1/6: Myerson and Satterthwaite (1983), section 3
    assert double_auction_gains(U, U, k) == pytest.approx(gains)


def test_the_split_the_difference_equilibrium():  # Chatterjee and Samuelson (1983), example 1
    bid, ask = DoubleAuction().equilibrium(UNIFORM)
    x = np.linspace(0.25, 0.75, 5)
    np.testing.assert_allclose(bid(x + 0.25), 2 * (x + 0.25) / 3 + 1 / 12)
    np.testing.assert_allclose(ask(x), 2 * x / 3 + 1 / 4)
    np.testing.assert_allclose(bid(np.array([0.1, 0.25])), [0.1, 0.25])  # never trade
    np.testing.assert_allclose(ask(np.array([0.75, 0.9])), [0.75, 0.9])


def test_with_one_offer_the_other_side_is_truthful():
    v = np.linspace(0, 1, 11)
    bid, ask = DoubleAuction(k=0.0).equilibrium(UNIFORM)
    np.testing.assert_allclose(bid(v), v)
    np.testing.assert_allclose(ask(v), (v + 1) / 2)  # the monopoly price of a seller with cost c
    bid, ask = DoubleAuction(k=1.0).equilibrium(UNIFORM)
    np.testing.assert_allclose(bid(v), v / 2)
    np.testing.assert_allclose(ask(v), v)


@pytest.mark.parametrize("k", [0.0, 0.3, 0.5, 1.0])
@pytest.mark.parametrize(("buyer", "seller"), [(U, U), (Uniform(low=-1.0, high=2.0), Uniform(low=-1.5, high=3.0))])
def test_no_deviation_from_the_linear_equilibrium_pays(buyer, seller, k):
    mechanism, trade = DoubleAuction(k=k), BilateralTrade(buyer, seller)
    bid, ask = mechanism.equilibrium(trade)
    quantiles = (np.arange(4000) + 0.5) / 4000
    for own in np.linspace(0.05, 0.95, 7):
        value, cost = buyer.quantile(own), seller.quantile(own)
        asks, bids = ask(seller.quantile(quantiles)), bid(buyer.quantile(quantiles))
        tries = np.linspace(seller.low, buyer.high, 121)

        def buyer_gets(sent, value=value, asks=asks):
            return ((value - k * sent - (1 - k) * asks) * (sent >= asks)).mean()

        def seller_gets(sent, cost=cost, bids=bids):
            return ((k * bids + (1 - k) * sent - cost) * (bids >= sent)).mean()

        assert max(map(buyer_gets, tries)) <= buyer_gets(bid(value)) + 1e-3  # rivals on a grid of 4000
        assert max(map(seller_gets, tries)) <= seller_gets(ask(cost)) + 1e-3


@pytest.mark.parametrize(
    ("buyer", "seller", "complaint"),
    [
        (Beta(a=2.0, b=1.0), U, "uniform priors only"),
        (U, Uniform(low=0.0, high=0.5), "costs up to 0.75"),
        (Uniform(low=0.5, high=1.0), U, "reach down to 0.25"),
    ],
)
def test_no_linear_equilibrium(buyer, seller, complaint):
    with pytest.raises(NoEquilibrium, match=complaint):
        linear_double_auction(buyer, seller, 0.5)


def test_the_second_best_of_uniform_trade():  # Myerson and Satterthwaite (1983), section 3: v − c ≥ 1/4
    found = second_best(U, U)
    assert found.weight == pytest.approx(1 / 3)
    assert (found.gains, found.best) == pytest.approx((9 / 64, 1 / 6))
    assert found.surplus == pytest.approx(0, abs=1e-12)
    mechanism = SecondBestTrade(environment=UNIFORM)
    signals = UNIFORM.sample(rng.stream(2), 5000).signals
    traded = mechanism.run(signals).allocation[:, 0] > 0
    apart = signals[:, 0] - signals[:, 1]
    clear = np.abs(apart - 0.25) > 1e-9
    np.testing.assert_array_equal(traded[clear], apart[clear] > 0.25)


@pytest.mark.parametrize(
    ("buyer", "seller"),
    [
        (U, U),
        (Uniform(low=0.5, high=1.5), U),
        (Power(exponent=2.0), U),
        (U, Power(exponent=0.5)),
        (Exponential(mean=1.0), U),
        (Beta(a=2.0, b=2.0), Beta(a=2.0, b=2.0)),
    ],
)
def test_the_second_best_lies_between_a_posted_price_and_the_first_best(buyer, seller):
    found = second_best(buyer, seller)
    assert 0 < found.weight < 1
    assert found.surplus == pytest.approx(0, abs=1e-9)
    assert best_posted_price(buyer, seller)[1] < found.gains < found.best
    assert found.best == pytest.approx(myerson_satterthwaite(buyer, seller).gains, rel=1e-9)


def test_no_other_weight_balances_with_more_gains():
    """Of the rules with any λ, those with smaller λ trade more and have a deficit."""
    from auctionlab.theory.second_best import SecondBest

    right = second_best(Power(exponent=2.0), U)
    less = SecondBest(right.buyer, right.seller, right.weight - 0.05)
    more = SecondBest(right.buyer, right.seller, right.weight + 0.05)
    assert less.gains > right.gains > more.gains
    assert less.surplus < -1e-3
    assert more.surplus > 1e-3


def test_disjoint_supports_trade_always():
    found = second_best(Uniform(low=1.0, high=2.0), U)
    assert found.weight == 0
    assert found.gains == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("buyer", "seller", "complaint"),
    [
        (Beta(a=0.5, b=0.5), U, "virtual value"),
        (U, Beta(a=0.5, b=0.5), "virtual cost"),
        (Discrete(values=(0.0, 1.0)), U, "density"),
        (U, Discrete(values=(0.0, 0.5)), "density"),
    ],
)
def test_the_second_best_needs_regular_priors(buyer, seller, complaint):
    with pytest.raises(ConfigError, match=complaint):
        second_best(buyer, seller)


def test_the_best_posted_price_of_uniform_trade():  # E[V − C | V ≥ 1/2 ≥ C] / 4 = 1/8
    price, gains = best_posted_price(U, U)
    assert (price, gains) == (pytest.approx(0.5, abs=1e-6), pytest.approx(1 / 8))


def test_posted_price_gains_of_discrete_costs():
    gains = posted_price_gains(U, Discrete(values=(0.25, 0.75)), np.array([0.25, 0.5]))
    np.testing.assert_allclose(gains, [0.5 * 0.75 * (0.625 - 0.25), 0.5 * 0.5 * (0.75 - 0.25)])


@pytest.mark.parametrize("mechanism", [DoubleAuction(), SecondBestTrade(environment=UNIFORM)])
def test_benchmark_of_balanced_trade(mechanism):
    found = benchmark(mechanism, UNIFORM)
    assert found.revenue == pytest.approx(0, abs=1e-12)
    assert found.efficiency == pytest.approx(27 / 32, abs=4e-3)  # Monte Carlo, s.e. about 0.001
    assert found.surplus == pytest.approx((9 / 128, 9 / 128), abs=1e-3)


def test_a_posted_price_is_paid_by_one_and_received_by_the_other():
    outcome = PostedTrade(trade_price=0.4).run(np.array([[0.5, 0.3], [0.4, 0.4], [0.3, 0.1], [0.5, -np.inf]]))
    np.testing.assert_allclose(outcome.payments, [[0.4, -0.4], [0.4, -0.4], [0, 0], [0, 0]])
