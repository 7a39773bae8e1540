"""First-price auctions between bidders with different priors, against closed forms and against backward shooting."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from auctionlab.core import Prior
from auctionlab.environments.priors import (
    Beta,
    Discrete,
    Empirical,
    Exponential,
    Lognormal,
    Power,
    Scipy,
    TruncatedNormal,
    Uniform,
)
from auctionlab.environments.private import PrivateValues
from auctionlab.environments.risk import Cara, Crra
from auctionlab.errors import NoEquilibrium
from auctionlab.mechanisms.single_item import FirstPrice
from auctionlab.theory import bidding
from auctionlab.theory.benchmarks import benchmark
from auctionlab.theory.certificate import certify


def solve(*priors, reserve=0.0, risk=None):
    return bidding.first_price(PrivateValues(priors=priors, risk=risk), reserve)


# ---- closed forms ----


@pytest.mark.parametrize(
    ("low", "tops"), [(0.0, (1.0, 2.0)), (0.0, (1.0, 1.05)), (2.0, (3.0, 7.0)), (1.0, (2.0, 50.0))]
)
def test_two_uniforms_with_different_tops_bid_the_closed_form(low, tops):
    # Griesmer, Levitan and Shubik (1967); Krishna (2010), section 4.3: b = a + x / (1 + √(1 ± c x²)), x = v − a
    seats = solve(Uniform(low, tops[0]), Uniform(low, tops[1]))
    c = 1 / (tops[0] - low) ** 2 - 1 / (tops[1] - low) ** 2
    for seat, top, sign in zip(seats, tops, (-1, 1), strict=True):
        x = (top - low) * np.linspace(1e-3, 1, 500)
        expected = low + x / (1 + np.sqrt(1 + sign * c * x**2))
        assert np.max(np.abs((seat(low + x) - low) / (expected - low) - 1)) < 1e-9  # rounding


def types_of_uniforms(weak, strong, bids):
    """Types of the bidder with the higher bottom, then of the other, who bid `bids`.

    For two uniforms (φ1 − b)(φ2 − b) = (b − m)² where m = (a1 + a2)/2 is the lowest bid, by the conditions
    φ1′ = (φ1 − a1)/(φ2 − b) and its mirror image. So 1/(φ1 − a1) solves a linear equation: with s = b − m and
    δ = (a1 − a2)/2 it is K s exp(δ/s) − 1/δ − s/δ², where φ1(top) = d1 fixes K.  Kaplan and Zamir (2012)
    """
    middle, delta = (strong.low + weak.low) / 2, (strong.low - weak.low) / 2
    top = (strong.high * weak.high - middle**2) / (strong.high + weak.high - 2 * middle)

    def inverse(s, constant):
        return constant * s / (top - middle) * np.exp(delta / s - delta / (top - middle)) - 1 / delta - s / delta**2

    span = top - middle
    constant = 1 / (strong.high - strong.low) + 1 / delta + span / delta**2
    s = bids - middle
    upper = strong.low + 1 / inverse(s, constant)
    return top, upper, bids + s**2 / (upper - bids)


@pytest.mark.parametrize(
    ("weak", "strong"),
    [
        (Uniform(0.0, 1.0), Uniform(0.5, 1.5)),
        (Uniform(0.0, 1.0), Uniform(0.1, 1.0)),
        (Uniform(1.0, 3.0), Uniform(2.0, 3.5)),
        (Uniform(0.0, 1.0), Uniform(0.05, 0.9)),
    ],
)
def test_two_uniforms_with_different_bottoms_bid_the_closed_form(weak, strong):
    bottom = (strong.low + weak.low) / 2
    top = types_of_uniforms(weak, strong, np.array([bottom + 0.1]))[0]
    bids = bottom + (top - bottom) * np.linspace(0.1, 1, 200)
    _, upper, lower = types_of_uniforms(weak, strong, bids)
    low, high = solve(weak, strong)
    assert np.max(np.abs(low(np.minimum(lower, weak.high)) / bids - 1)) < 1e-9
    inside = upper > strong.low * (1 + 1e-7)  # below, the type is a rounding error away from the lowest
    assert np.max(np.abs(high(np.minimum(upper, strong.high))[inside] / bids[inside] - 1)) < 1e-7
    assert float(high(np.array(strong.low))) == pytest.approx(bottom, rel=1e-12)
    losers = np.linspace(weak.low, bottom, 5)
    assert np.allclose(low(losers), losers)  # they can never win, and bid their value
    assert np.all(low.win(losers) == 0)


@pytest.mark.parametrize(
    ("weak", "strong", "reserve"),
    [
        (Uniform(0.0, 1.0), Uniform(0.0, 2.0), 0.2),
        (Uniform(0.0, 1.0), Uniform(0.5, 1.5), 0.6),
        (Uniform(0.0, 1.0), Uniform(0.5, 1.5), 0.5),  # the reserve is just the lowest value of one
        (Uniform(0.0, 1.0), Uniform(0.5, 1.5), 0.4),  # it is the lowest bid that one picks
        (Uniform(-1.0, 1.0), Uniform(0.0, 3.0), 0.0),
    ],
)
def test_top_bid_of_two_uniforms_with_a_reserve(weak, strong, reserve):
    # d/db (φ1 − b)(φ2 − b) = 2b − a1 − a2, and the product is 0 at the reserve: a quadratic equation for the top bid
    sums, products = weak.low + strong.low, weak.high * strong.high
    expected = (products + reserve**2 - sums * reserve) / (weak.high + strong.high - sums)
    for prior, seat in zip((weak, strong), solve(weak, strong, reserve=reserve), strict=True):
        assert float(seat(np.array(prior.high))) == pytest.approx(expected, rel=1e-8)
        assert np.all(seat(np.array([reserve - 1e-9])) == -np.inf) or prior.low > reserve


@pytest.mark.parametrize(
    ("ranges", "reserve"),
    [
        (((0.0, 1.0), (0.3, 1.0), (0.5, 1.5)), 0.0),
        (((0.0, 1.0), (0.1, 1.3), (0.2, 1.2), (0.4, 1.5)), 0.2),
        (((0.08, 1.0), (0.37, 1.59), (0.54, 1.77), (0.12, 1.07)), 0.0),
    ],
)
def test_nobody_gains_by_another_bid_where_all_ends_of_the_priors_differ(ranges, reserve):
    # the certificate runs the auction against the bid functions and knows nothing of the equations solved
    environment = PrivateValues(priors=tuple(Uniform(*ends) for ends in ranges))
    rule = FirstPrice(reserve=reserve)
    found = certify(rule, environment, rule.equilibrium(environment))
    assert found.exact
    assert found.bound < 1e-5


def test_a_bidder_who_is_sure_to_be_stronger_bids_the_top_of_the_other():
    weak, strong = solve(
        Uniform(0.0, 1.0), Uniform(2.0, 4.0)
    )  # argmax (2 − b) b on [0, 1] is 1: Kaplan and Zamir (2012)
    assert np.all(strong(np.linspace(2, 4, 9)) == 1)
    assert np.all(strong.win(np.linspace(2, 4, 9)) == 1)
    assert np.all(weak.win(np.linspace(0, 1, 9)) == 0)


@pytest.mark.parametrize("risk", [None, Crra(0.5), Cara(2.0)])
def test_bidders_who_hardly_differ_bid_as_the_symmetric_formula_says(risk):
    same = bidding.first_price(PrivateValues(3, Beta(2.0, 5.0), risk=risk), 0.1)[0]
    seats = solve(Beta(2.0, 5.0), Beta(2.0, 5.0), Beta(2.0 + 1e-9, 5.0), reserve=0.1, risk=risk)
    values = np.linspace(0.11, 0.99, 50)
    for seat in seats:
        assert np.max(np.abs(seat(values) / same(values) - 1)) < 1e-7
        assert np.max(np.abs(seat.win(values) - same.win(values))) < 1e-7
        assert np.max(np.abs(seat.utility(values) - same.utility(values))) < 1e-7


# ---- a second method: backward shooting ----


def shoot(priors, counts, low, top, rho=0.0):
    """Inverse bids down from a top bid, by an initial value problem in φ, and whether some type meets its bid."""
    counts = np.array(counts, float)

    def slope(bid, types):
        press = (1 - rho) / (types - bid)
        rates = (counts * press).sum() / (counts.sum() - 1) - press
        return rates * np.array([float(p.cdf(v) / p.pdf(v)) for p, v in zip(priors, types, strict=True)])

    def meets(bid, types):
        return np.min(types - bid) - 1e-3 * (bid - low)

    meets.terminal = True
    start = np.array([prior.high for prior in priors])
    path = solve_ivp(slope, (top, low + 1e-5), start, "DOP853", rtol=1e-11, atol=1e-13, events=meets, dense_output=True)
    return path.status == 1, path.sol


@pytest.mark.parametrize(
    ("priors", "counts", "reserve", "rho"),
    [
        ((Uniform(), TruncatedNormal(0.5, 0.3)), (1, 1), 0.0, 0.0),
        ((Uniform(), Power(2.0)), (2, 1), 0.3, 0.0),
        ((Uniform(), Power(3.0), TruncatedNormal(0.4, 0.3)), (1, 1, 1), 0.1, 0.5),
    ],
)
def test_bids_agree_with_backward_shooting(priors, counts, reserve, rho):
    risk = Crra(rho) if rho else None
    everyone = [prior for prior, count in zip(priors, counts, strict=True) for _ in range(count)]
    seats = solve(*everyone, reserve=reserve, risk=risk)
    top = float(seats[0](np.array(priors[0].high)))
    assert shoot(priors, counts, reserve, top * (1 + 1e-6), rho)[0]  # too high: a type meets its bid too early
    assert not shoot(priors, counts, reserve, top * (1 - 1e-6), rho)[0]
    bids = top - (top - reserve) * np.linspace(0.01, 0.6, 40)  # further down, errors of shooting grow
    types = shoot(priors, counts, reserve, top, rho)[1](bids)
    for role, prior in enumerate(priors):
        assert np.max(np.abs(seats[everyone.index(prior)](types[role]) / bids - 1)) < 1e-6


# ---- what every equilibrium must be ----

GAMES = {
    "beta": ((Uniform(), Beta(2.0, 5.0)), 0.0, None),
    "three kinds": ((Uniform(),) * 3 + (Beta(2.0, 5.0),) * 2 + (Beta(5.0, 2.0),) * 2, 0.0, None),
    "low tops": ((Uniform(0.0, 1.0), Uniform(0.0, 2.0), Uniform(0.0, 3.0), Uniform(0.0, 2.5)), 0.0, None),
    "different supports": ((Uniform(0.0, 1.0), Uniform(0.5, 1.5), Uniform(0.25, 1.25)), 0.0, None),
    "unbounded": ((Exponential(1.0), Exponential(3.0)), 0.5, Crra(0.3)),
    "flat bottoms": ((Lognormal(0.0, 1.0), Lognormal(0.5, 0.5)), 0.0, None),
    "normal": ((Scipy("norm", {"loc": 1.0, "scale": 1.0}), Uniform()), 0.2, Cara(1.5)),
    "data": ((Empirical(tuple(np.sqrt(np.arange(1.0, 30.0)))), Uniform(0.0, 5.0)), 0.0, None),
    "one kept out": ((Uniform(0.0, 0.5), Uniform(0.0, 1.0), Uniform(0.0, 1.5)), 0.6, None),
}


def chance_below(seat, prior, bids):
    """P(a seat bids at most b), by bisection over the quantiles of its prior."""
    low, high = np.zeros(bids.shape), np.ones(bids.shape)
    for _ in range(50):
        middle = (low + high) / 2
        below = seat(prior.quantile(np.minimum(middle, 1 - 1e-15))) <= bids
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return low


@pytest.mark.parametrize("name", GAMES)
def test_no_bid_is_better_against_the_others_bids(name):
    priors, reserve, risk = GAMES[name]
    environment = PrivateValues(priors=priors, risk=risk)
    seats = solve(*priors, reserve=reserve, risk=risk)
    levels = (np.arange(60) + 0.5) / 60
    own = [seat(prior.quantile(levels)) for seat, prior in zip(seats, priors, strict=True)]
    top = max(bids.max() for bids in own)
    tried = np.linspace(reserve, 1.05 * top, 801)
    for i, (seat, prior) in enumerate(zip(seats, priors, strict=True)):
        values = prior.quantile(levels)
        assert np.all(np.diff(own[i][np.isfinite(own[i])]) >= 0)
        if not np.isfinite(seat.threshold):
            continue
        values = values[np.isfinite(own[i])]
        beaten = [chance_below(seats[j], priors[j], tried) for j in range(len(priors)) if j != i]
        utility = environment.risk.u if risk is not None else (lambda money: money)
        best = (utility(values[:, None] - tried) * np.prod(beaten, axis=0)).max(axis=1)
        mine = seat.utility(values)
        assert np.all(best - mine < 1e-6 * mine.mean())
        won = np.prod([chance_below(seats[j], priors[j], seat(values)) for j in range(len(priors)) if j != i], axis=0)
        assert np.max(np.abs(won - seat.win(values))) < 1e-8  # inverse bids and chances to win are of one piece


@pytest.mark.parametrize("name", ["beta", "low tops", "different supports", "normal"])
def test_benchmark_agrees_with_simulated_play(name):
    priors, reserve, risk = GAMES[name]
    environment, mechanism = PrivateValues(priors=priors, risk=risk), FirstPrice(reserve=reserve)
    theory = benchmark(mechanism, environment)
    uniform = np.random.default_rng(5).random((200_000, len(priors)))
    values = np.stack([prior.quantile(uniform[:, i]) for i, prior in enumerate(priors)], axis=1)
    bids = np.stack([bid(values[:, i]) for i, bid in enumerate(theory.bids)], axis=1)
    outcome = mechanism.run(bids)
    paid = outcome.payments.sum(axis=1)
    assert abs(paid.mean() - theory.revenue) < 4 * paid.std() / len(paid) ** 0.5  # sampling error
    gained = (outcome.allocation * values - outcome.payments).mean(axis=0)
    spread = (outcome.allocation * values - outcome.payments).std(axis=0) / len(paid) ** 0.5
    assert np.all(np.abs(gained - theory.surplus) < 4 * spread + 1e-12)
    assert abs(outcome.allocation.sum(axis=1).mean() - theory.sale_probability) < 4e-3


def test_first_price_revenue_of_two_uniforms_exceeds_second_price_revenue():
    # Maskin and Riley (2000): stretching the support of one favours the first-price auction
    strong = benchmark(FirstPrice(), PrivateValues(priors=(Uniform(0.0, 1.0), Uniform(0.0, 2.0))))
    assert strong.revenue > 5 / 12  # E[min] = ∫_0^1 (1 − v)(1 − v/2) dv, the second-price revenue
    assert strong.efficiency < 1


# ---- bad input ----


@dataclass(frozen=True)
class Gapped(Prior):
    """Uniform on [0, 0.4] and [0.6, 1]."""

    low: float = 0.0
    high: float = 1.0

    @property
    def expectation(self):
        return 0.5

    def cdf(self, values):
        return np.interp(values, [0, 0.4, 0.6, 1], [0, 0.5, 0.5, 1])

    def sf(self, values):
        return 1 - self.cdf(values)

    def pdf(self, values):
        v = np.asarray(values)
        return np.where((v >= 0) & (v <= 1) & ~((v > 0.4) & (v < 0.6)), 1.25, 0.0)

    def quantile(self, probabilities):
        p = np.asarray(probabilities)
        return np.where(p <= 0.5, 0.8 * p, 0.2 + 0.8 * p)


def test_atoms_gaps_and_fees_are_said_in_one_sentence():
    with pytest.raises(NoEquilibrium, match=r"prior of seat 1 puts weight on single values"):
        solve(Uniform(), Discrete((0.0, 1.0)))
    with pytest.raises(NoEquilibrium, match=r"prior of seat 1 has a gap, no values between about 0\.4 and 0\.6"):
        solve(Uniform(), Gapped())
    with pytest.raises(NoEquilibrium, match="different priors"):
        bidding.first_price(PrivateValues(priors=(Uniform(), Power(2.0))), 0.0, 0.1)


def test_equal_bidders_share_their_bid_function():
    seats = solve(Uniform(), Power(2.0), Uniform())
    assert seats[0] is seats[2]
    assert seats[0].numerical
