"""Optimal auctions, offers and comparisons: closed forms from Krishna (2010) and Nath, and independent routes."""

from __future__ import annotations

import numpy as np
import pytest

from auctionlab import rng
from auctionlab.environments.priors import Beta, Discrete, Empirical, Exponential, Lognormal, Power, Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.errors import ConfigError
from auctionlab.mechanisms.optimal import OptimalAuction
from auctionlab.mechanisms.posted import PostedPrice, SequentialOffers
from auctionlab.theory.benchmarks import expectation
from auctionlab.theory.comparisons import bulow_klemperer, inefficiency_regions, two_uniform_buyers
from auctionlab.theory.ironing import iron
from auctionlab.theory.offers import best_order, posted_price, sequential_prices
from auctionlab.theory.optimal import best_common_reserve, optimal_revenue, second_price_revenue

BUMPY = Empirical(data=(1.0, 2.0, 5.0))
FIELDS = [
    (Uniform(),) * 3,
    (Uniform(high=12.0), Uniform(high=18.0)),
    (Uniform(low=-1.0, high=1.0), Beta(a=2.0, b=2.0), Exponential(mean=0.5)),
    (BUMPY,) * 3,
    (BUMPY, BUMPY, Uniform(high=4.0)),
    (Power(exponent=0.5), Lognormal(mu=0.0, sigma=2.0)),
    (Discrete(values=(1.0, 2.0, 3.0), weights=(3.0, 1.0, 4.0)),) * 3,
    (Discrete(values=(1.0, 3.0)), Discrete(values=(2.0, 4.0), weights=(3.0, 1.0)), Uniform(high=3.0)),
]


def paid(mechanism, priors):
    """Expected payments by quadrature of m_i over each seat's own type."""
    bids = mechanism.equilibrium(PrivateValues(priors=priors))
    return sum(expectation(p, bid.payment, bid.threshold, bid.bends) for p, bid in zip(priors, bids, strict=True))


def played(mechanism, priors, batch=200_000):
    """Mean revenue of realised play of the truth, and its standard error."""
    environment = PrivateValues(priors=priors)
    draw = environment.sample(rng.stream(5), batch)
    revenue = mechanism.run(draw.signals, rng.stream(6)).payments.sum(axis=1)
    return revenue.mean(), revenue.std() / batch**0.5


@pytest.mark.parametrize("priors", FIELDS, ids=lambda priors: "-".join(type(prior).__name__ for prior in priors))
def test_payments_add_up_to_the_highest_ironed_virtual_value(priors):
    # Krishna (2010), (5.16): E[Σ m_i] = E[max(ψ̄₁, …, ψ̄_n, 0)], by three routes: virtual values, payments, play
    mechanism = OptimalAuction(environment=PrivateValues(priors=priors))
    theory = optimal_revenue(priors)
    assert paid(mechanism, priors) == pytest.approx(theory, rel=1e-9)
    mean, error = played(mechanism, priors)
    assert abs(mean - theory) < 4.5 * error  # sampling error


@pytest.mark.parametrize("n", [1, 2, 5])
def test_uniform_bidders_earn_the_closed_form(n):
    # E[max(2 max X − 1, 0)] = ∫_{1/2}^1 (2x − 1) n x^(n−1) dx = (n − 1 + 2^(−n)) / (n + 1)
    assert optimal_revenue((Uniform(),) * n) == pytest.approx((n - 1 + 2.0**-n) / (n + 1), rel=1e-12)


def test_optimal_auction_among_equals_is_a_second_price_auction_with_reserve():
    # Krishna (2010), prop. 5.4
    for prior in (Uniform(), Beta(a=2.0, b=3.0), Exponential(mean=2.0)):
        reserve = float(iron(prior).lowest(np.asarray(0.0)))
        assert second_price_revenue((prior,) * 4, reserve) == pytest.approx(optimal_revenue((prior,) * 4), rel=1e-11)


def test_a_seller_who_values_the_item_gains_what_is_above_that():
    # one buyer, U[0, 1], s = 1/2: sells at 3/4 with probability 1/4, a gain of 1/4 each time
    assert optimal_revenue((Uniform(),), 0.5) == pytest.approx(1 / 16, rel=1e-12)


def test_no_ironing_would_promise_too_much():
    # E[max ψ⁺] without ironing is not attained by any rising rule: it exceeds the optimum, as hull ≥ R
    priors = (BUMPY, BUMPY)
    environment = PrivateValues(priors=priors)
    draw = environment.sample(rng.stream(1), 400_000).signals
    from auctionlab.theory.virtual import virtual_values

    naive = np.maximum(virtual_values(BUMPY, draw).max(axis=1), 0).mean()
    assert naive > optimal_revenue(priors) + 0.01  # the sampling error is about 0.003


def test_discrete_revenue_is_the_best_of_all_rules():
    # brute force: two bidders, values 1 or 2, P(2) = 1/2: ψ = 1 − 1 = 0, 2. The highest ψ wins at threshold prices:
    # E[max ψ] = 2 · 3/4 = 3/2
    prior = Discrete(values=(1.0, 2.0))
    assert optimal_revenue((prior, prior)) == pytest.approx(1.5, rel=1e-14)


@pytest.mark.parametrize("k", [0.0, 0.2, 0.4, 0.413, 0.414, 0.5, 0.6, 0.9])
def test_two_uniform_buyers(k):
    # Krishna (2010), problem 5.2: closed forms against numerical maximisation and quadrature
    answer = two_uniform_buyers(k)
    priors = (Uniform(high=1 + k), Uniform(high=1 - k))
    reserve, earned = best_common_reserve(priors)
    assert (answer.common_reserve, answer.common_revenue) == pytest.approx((reserve, earned), rel=1e-9)
    assert answer.optimal_revenue == pytest.approx(optimal_revenue(priors), rel=1e-12)
    assert answer.optimal_revenue >= answer.common_revenue - 1e-15
    mechanism = OptimalAuction(environment=PrivateValues(priors=priors))
    assert mechanism.design.reserves == pytest.approx(answer.reserves, rel=1e-15)


def test_the_common_reserve_jumps_where_the_weak_buyer_is_given_up():
    # 11k³ − 9k² − 3k + 2 = 0 at k = 0.413161…
    assert two_uniform_buyers(0.41316).common_reserve == 0.5
    assert two_uniform_buyers(0.41317).common_reserve == pytest.approx(0.706585)
    for k in (0.41316, 0.41317):
        priors = (Uniform(high=1 + k), Uniform(high=1 - k))
        weak, strong = second_price_revenue(priors, 0.5), second_price_revenue(priors, (1 + k) / 2)
        assert (weak > strong) == (k < 0.413165)
    with pytest.raises(ConfigError, match="k: should be at least 0 and below 1"):
        two_uniform_buyers(1.0)


@pytest.mark.parametrize("prior", [Uniform(), Exponential(), Power(exponent=3.0), Beta(a=2.0, b=3.0)])
@pytest.mark.parametrize("n", [1, 2, 4])
def test_one_more_bidder_beats_the_optimal_mechanism(prior, n):
    # Bulow and Klemperer (1996); Krishna (2010), section 5.2.3, for n = 1
    compared = bulow_klemperer(prior, n)
    assert compared.regular
    assert compared.gain > 0
    # the auction's revenue is also E[max ψ] over n + 1 bidders, (5.18)
    virtual = expectation(prior, lambda v: iron(prior)(v) * (n + 1) * prior.cdf(v) ** n)
    assert compared.auction == pytest.approx(virtual, rel=1e-7)


def test_uniform_auction_and_negotiation():
    compared = bulow_klemperer(Uniform(), 1)
    assert (compared.auction, compared.negotiation) == pytest.approx((1 / 3, 1 / 4), rel=1e-12)


def test_negotiation_may_win_with_irregular_priors_or_values_below_zero():
    # nine in ten values are below 1, one is between 1 and 100
    rare = Empirical(data=(*np.linspace(0.0, 1.0, 10).tolist(), 100.0))
    assert not bulow_klemperer(rare).regular
    assert bulow_klemperer(rare).gain < 0
    # U[−1, 1/2] is regular, but an auction without reserve must sell: E[min] = −1/2 against R = 1/2 · … > 0
    assert bulow_klemperer(Uniform(low=-1.0, high=0.5)).auction == pytest.approx(-0.5, rel=1e-12)
    assert bulow_klemperer(Uniform(low=-1.0, high=0.5)).gain < 0
    with pytest.raises(ConfigError, match="bidders: should be at least 1"):
        bulow_klemperer(Uniform(), 0)


def test_regions_of_nath_example_3():
    # U[0, 10], U[0, 6]: ψ = 2x − 10, 2y − 6; unsold below (5, 3); frontier y = x − 2. Buyer 2 wins although x > y where
    # 3 ≤ y < x < y + 2: area 3 · 2 of 60, loss ∫∫ (x − y) = 3 · 2²/2 of 60; unsold loses E[max(x, y)] there:
    # ∫_0^5 ∫_0^3 max = 15 · 2.8 = 42 of 60  (E max of U[0,5], U[0,3] = 2.5 + 0.3)
    regions = inefficiency_regions((Uniform(high=10.0), Uniform(high=6.0)))
    assert regions.reserves == (5.0, 3.0)
    np.testing.assert_allclose(regions.frontier[1], np.clip(regions.frontier[0] - 2, 3, 6), atol=1e-12)
    assert regions.unsold == pytest.approx(1 / 4, rel=1e-12)
    assert regions.second_despite_first == pytest.approx(1 / 10, rel=1e-10)
    assert regions.first_despite_second == 0.0
    assert regions.loss_unsold == pytest.approx(0.7, rel=1e-10)
    assert regions.loss_misallocated == pytest.approx(0.1, rel=1e-10)
    first, second = np.array([4.0, 4.0, 6.0, 6.0, 9.0]), np.array([2.0, 3.5, 3.5, 4.5, 6.0])
    np.testing.assert_array_equal(regions.winner(first, second), [-1, 1, 0, 1, 0])


@pytest.mark.parametrize("priors", [(Beta(a=2.0, b=3.0), Exponential(mean=0.6)), (Exponential(mean=0.6), Uniform())])
def test_losses_add_up_to_the_welfare_that_the_optimal_auction_misses(priors):
    regions = inefficiency_regions(priors)
    environment = PrivateValues(priors=priors)
    bids = OptimalAuction(environment=environment).equilibrium(environment)
    welfare = sum(
        expectation(p, lambda v, bid=bid: v * bid.win(v), bid.threshold, bid.bends)
        for p, bid in zip(priors, bids, strict=True)
    )
    best = second_price_revenue(priors) + sum(  # the efficient welfare is revenue and rents of a second-price auction
        expectation(p, lambda v, other=other: np.asarray(_area(other, v)))
        for p, other in zip(priors, reversed(priors), strict=True)
    )
    assert regions.loss_unsold + regions.loss_misallocated == pytest.approx(best - welfare, rel=1e-6)


def _area(prior, values):
    """∫_0^v F, by a fine trapezoid."""
    grid = np.linspace(0.0, max(float(np.max(values)), 1e-9), 200_001)
    below = np.asarray(prior.cdf(grid))
    return np.interp(values, grid, np.append(0.0, np.cumsum((below[1:] + below[:-1]) / 2)) * grid[1])


def test_regions_need_regular_priors():
    with pytest.raises(ConfigError, match="inefficiency regions: needs a regular prior"):
        inefficiency_regions((BUMPY, Uniform()))


def test_sequential_offers_to_two_uniform_buyers():
    # Krishna (2010), problem 5.5: p₂ = 1/2 is worth 1/4; p₁ maximises p(1 − p) + p/4, 5/8; in all 25/64
    prices, earned = sequential_prices((Uniform(), Uniform()))
    assert prices == (0.625, 0.5)
    assert earned == pytest.approx(25 / 64, rel=1e-14)
    # between the second-price auction without reserve, 1/3, and the optimal auction, 5/12
    assert second_price_revenue((Uniform(),) * 2) < earned < optimal_revenue((Uniform(),) * 2)
    mechanism = SequentialOffers(environment=PrivateValues(2, Uniform()))
    assert paid(mechanism, (Uniform(),) * 2) == pytest.approx(25 / 64, rel=1e-12)
    mean, error = played(mechanism, (Uniform(),) * 2)
    assert abs(mean - 25 / 64) < 4.5 * error


def test_offers_in_any_order_follow_backward_induction():
    priors = (Uniform(high=2.0), Uniform(), Exponential())
    order, worth = best_order(priors)
    assert worth == pytest.approx(sequential_prices([priors[i] for i in order])[1], rel=1e-14)
    assert worth >= sequential_prices(priors)[1]
    mechanism = SequentialOffers(environment=PrivateValues(priors=priors), order="seats")
    assert paid(mechanism, priors) == pytest.approx(sequential_prices(priors)[1], rel=1e-9)


def test_posted_price_closed_form():
    # p (1 − p²) peaks at 1/√3
    price, earned = posted_price((Uniform(), Uniform()))
    assert price == pytest.approx(3**-0.5, rel=1e-6)  # the maximum is flat
    assert earned == pytest.approx(2 / 3 / 3**0.5, rel=1e-12)
    for order in ("random", "seats"):
        mechanism = PostedPrice(amount=0.5, order=order)
        assert paid(mechanism, (Uniform(), Uniform(high=2.0))) == pytest.approx(0.5 * (1 - 0.5 * 0.25), rel=1e-12)


def test_random_order_averages_over_all_orders():
    from itertools import permutations

    priors = (Uniform(), Uniform(high=2.0), Exponential(), Uniform())
    prices = (0.5, 0.9, 0.3, 0.4)
    total = 0.0
    for turns in permutations(range(4)):
        left = 1.0
        for k, seat in enumerate(turns):
            sold = float(priors[seat].sf(np.asarray(prices[k])))
            total, left = total + left * sold * prices[k] / 24, left * (1 - sold)
    assert paid(SequentialOffers(prices=prices), priors) == pytest.approx(total, rel=1e-12)
