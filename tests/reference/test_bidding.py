"""Equilibrium bids against closed forms: 1e-8 relative, and where types enter."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from auctionlab.core import Prior
from auctionlab.environments.data_priors import Discrete, Empirical
from auctionlab.environments.priors import Exponential, Power, Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.environments.risk import Cara, Crra
from auctionlab.environments.special_priors import Beta, Lognormal
from auctionlab.errors import NoEquilibrium
from auctionlab.mechanisms.single_item import WarOfAttrition
from auctionlab.theory import bidding
from auctionlab.theory.certificate import certify

UNIT = np.linspace(0, 1, 1001)[1:]
QUANTILES = np.linspace(0, 1, 1002)[1:-1]


def agree(bids: np.ndarray, expected: np.ndarray, tolerance: float = 1e-8) -> None:
    """Rounding: relative to the closed form; both may underflow to 0."""
    np.testing.assert_allclose(bids, expected, rtol=tolerance, atol=1e-300)


def alike(n: int, prior: Prior, risk: object = None) -> PrivateValues:
    return PrivateValues(bidders=n, prior=prior, risk=risk)


@pytest.mark.parametrize("n", [2, 5, 50])
@pytest.mark.parametrize("exponent", [0.2, 1.0, 5.0])
def test_power_prior_shades_by_a_constant_share(n: int, exponent: float) -> None:
    # F = v^a, m = a (n − 1): v − ∫ x^m / v^m = v m / (m + 1). Krishna (2010), ex. 2.1 at a = 1
    power = exponent * (n - 1)
    agree(bidding.first_price(alike(n, Power(exponent)))[0](UNIT), UNIT * power / (power + 1))


@pytest.mark.parametrize("n", [2, 5, 50])
@pytest.mark.parametrize("exponent", [0.2, 1.0, 5.0])
def test_power_prior_all_pay(n: int, exponent: float) -> None:
    # v G − ∫ G = v^(m + 1) m / (m + 1); uniform: (n − 1)/n v^n. Krishna (2010), section 3.2
    power = exponent * (n - 1)
    agree(bidding.all_pay(alike(n, Power(exponent)))[0](UNIT), UNIT ** (power + 1) * power / (power + 1))


@pytest.mark.parametrize("n", [2, 3, 10])
def test_uniform_prior_on_any_interval(n: int) -> None:
    # low + (v − low)(n − 1)/n, from G = ((v − low)/(high − low))^(n−1); a reserve below low does not bind
    values = 3 + 4 * UNIT
    for reserve in (0.0, 2.0, 3.0):
        bids = bidding.first_price(alike(n, Uniform(3.0, 7.0)), reserve)[0]
        agree(bids(values), 3 + (values - 3) * (n - 1) / n)
        assert bids.threshold == 3


@pytest.mark.parametrize("mean", [0.5, 1.0, 20.0])
def test_two_exponential_bidders(mean: float) -> None:
    # E[Y | Y < v] = mean − v/(exp(v/mean) − 1). Krishna (2010), ex. 2.2
    values = np.append(Exponential(mean).quantile(QUANTILES), [30 * mean, 1000 * mean])
    with np.errstate(over="ignore"):
        expected = mean - values / np.expm1(values / mean)
    agree(bidding.first_price(alike(2, Exponential(mean)))[0](values), expected)


def test_three_exponential_bidders_all_pay() -> None:
    # G = (1 − e^−v)², b = ∫ x dG = 2 ∫ x (e^−x − e^−2x) dx = 2(1 − (1+v)e^−v) − (1 − (1+2v)e^−2v)/2
    v = Exponential(1.0).quantile(QUANTILES[100:])  # the closed form cancels below
    expected = 2 * (1 - (1 + v) * np.exp(-v)) - (1 - (1 + 2 * v) * np.exp(-2 * v)) / 2
    agree(bidding.all_pay(alike(3, Exponential(1.0)))[0](v), expected)


@pytest.mark.parametrize("n", [2, 4])
def test_uniform_reserve_bid(n: int) -> None:
    # (n−1)/n v + r^n/(n v^(n−1)) for v ≥ r. Riley and Samuelson (1981)
    values = np.linspace(0.3, 1, 300)
    expected = (n - 1) / n * values + 0.3**n / (n * values ** (n - 1))
    agree(bidding.first_price(alike(n, Uniform()), reserve=0.3)[0](values), expected)


def test_uniform_fee_moves_the_threshold_and_the_bids() -> None:
    # n = 2: (t − r) t = e and b = v − (v² − t²)/(2v) − e/v
    reserve, fee = 0.2, 0.1
    bids = bidding.first_price(alike(2, Uniform()), reserve, fee)[0]
    threshold = (reserve + np.sqrt(reserve**2 + 4 * fee)) / 2
    assert bids.threshold == pytest.approx(threshold, rel=1e-14)
    values = np.linspace(bids.threshold, 1, 200)
    agree(bids(values), values - (values**2 - threshold**2) / (2 * values) - fee / values)
    assert bids(np.array(bids.threshold)) >= reserve  # a legal bid, in spite of rounding


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("n", [2, 6])
def test_crra_uniform_bid(n: int, rho: float) -> None:
    # a + (v − a)(n − 1)/(n − rho). Cox, Smith and Walker (1988)
    values = 1 + UNIT
    bids = bidding.first_price(alike(n, Uniform(1.0, 2.0), Crra(rho)))[0]
    agree(bids(values), 1 + UNIT * (n - 1) / (n - rho))


@pytest.mark.parametrize("alpha", [1e-6, 0.5, 30.0])
def test_cara_uniform_bid_of_two(alpha: float) -> None:
    # exp(αb) v = ∫_0^v exp(αx) dx, so b = log((exp(αv) − 1)/(αv))/α
    expected = np.log1p(np.expm1(alpha * UNIT) / (alpha * UNIT) - 1) / alpha
    tolerance = 1e-8 if alpha > 1e-3 else 1e-4  # the closed form cancels
    agree(bidding.first_price(alike(2, Uniform(), Cara(alpha)))[0](UNIT), expected, tolerance)


def test_cara_exponential_bid_far_in_the_tail() -> None:
    # α = 2, mean 1, n = 2: exp(2b)(1 − e^−v) = ∫_0^v e^(2x − x) dx = e^v − 1, so b = v/2 for every v
    values = np.array([1e-8, 0.1, 1.0, 10.0, 30.0])
    agree(bidding.first_price(alike(2, Exponential(1.0), Cara(2.0)))[0](values), values / 2)


def test_all_pay_threshold() -> None:
    # v F(v)^(n−1) = r, here t³ = 1/8; above it r + ∫ x dx² = r + 2(v³ − t³)/3
    bids = bidding.all_pay(alike(3, Uniform()), reserve=0.125)[0]
    assert bids.threshold == pytest.approx(0.5, rel=1e-14)
    values = np.linspace(0.5, 1, 100)
    agree(bids(values), 0.125 + 2 * (values**3 - 0.125) / 3)
    assert bids(np.array(0.49)) == -np.inf


def test_all_pay_with_a_fee_only() -> None:
    # t² = e; b = (v² − t²)/2
    bids = bidding.all_pay(alike(2, Uniform()), entry_fee=0.09)[0]
    assert bids.threshold == pytest.approx(0.3, rel=1e-14)
    values = np.linspace(0.31, 1, 100)
    agree(bids(values), (values**2 - 0.09) / 2)


def test_war_of_attrition() -> None:
    # ∫ x g/(1 − G): two uniform −v − log(1 − v); three uniform log((1+v)/(1−v)) − 2v; two exponential v²/(2 mean)
    v = UNIT[50:-1]
    agree(bidding.war_of_attrition(alike(2, Uniform()))[0](v), -v - np.log1p(-v))
    agree(bidding.war_of_attrition(alike(3, Uniform()))[0](v), np.log((1 + v) / (1 - v)) - 2 * v)
    values = np.append(Exponential(2.0).quantile(QUANTILES), [1e-9, 60.0])
    agree(bidding.war_of_attrition(alike(2, Exponential(2.0)))[0](values), values**2 / 4)


def test_war_of_attrition_with_a_reserve() -> None:
    # t(1 − e^−t) = r + e and b = r + (v² − t²)/2 for two exponential bidders
    bids = bidding.war_of_attrition(alike(2, Exponential(1.0)), reserve=0.2, entry_fee=0.1)[0]
    threshold = bids.threshold
    assert threshold * -np.expm1(-threshold) == pytest.approx(0.3, rel=1e-13)
    values = np.linspace(threshold, 8, 100)
    agree(bids(values), 0.2 + (values**2 - threshold**2) / 2)


@pytest.mark.parametrize("n", [3, 8])
def test_third_price_bids_exceed_values(n: int) -> None:
    # v + F/((n−2) f): power v (1 + 1/(a(n−2))), uniform v(n−1)/(n−2); exponential v + (e^v − 1)/(n−2).
    # Kagel and Levin (1993)
    agree(bidding.kth_price(alike(n, Power(2.0)), 3)[0](UNIT), UNIT * (1 + 1 / (2 * (n - 2))))
    agree(bidding.kth_price(alike(n, Uniform()), 3)[0](UNIT), UNIT * (n - 1) / (n - 2))
    values = Exponential(1.0).quantile(QUANTILES)
    agree(bidding.kth_price(alike(n, Exponential(1.0)), 3)[0](values), values + np.expm1(values) / (n - 2))


@pytest.mark.parametrize("exponent", [0.5, 1.0, 3.0])
def test_fourth_and_fifth_price_under_a_power_prior(exponent: float) -> None:
    # Q = p^q, q = 1/a: p Q′ = q Q, p² Q″ = q(q−1) Q, p³ Q‴ = q(q−1)(q−2) Q in Σ C(k−2,i) (n−k)!/(n−k+i)! p^i Q^(i)
    q, n = 1 / exponent, 7
    fourth = 1 + 2 * q / 4 + q * (q - 1) / (4 * 5)
    agree(bidding.kth_price(alike(n, Power(exponent)), 4)[0](UNIT), UNIT * fourth)
    fifth = 1 + 3 * q / 3 + 3 * q * (q - 1) / (3 * 4) + q * (q - 1) * (q - 2) / (3 * 4 * 5)
    agree(bidding.kth_price(alike(n, Power(exponent)), 5)[0](UNIT), UNIT * fifth)


def test_kth_price_contains_first_and_second_price() -> None:
    values = np.linspace(0.35, 1, 9)
    agree(
        bidding.kth_price(alike(3, Uniform()), 1, 0.3)[0](values),
        bidding.first_price(alike(3, Uniform()), 0.3)[0](values),
    )
    agree(bidding.kth_price(alike(3, Uniform()), 2, 0.3)[0](values), values)


def test_truth_in_second_price_whatever_the_priors() -> None:
    priors = (Uniform(), Exponential(2.0), Discrete((0.0, 1.0)))
    for seat in bidding.second_price(PrivateValues(priors=priors, risk=Cara(1.0)), reserve=0.5):
        assert seat(np.array([0.4, 0.5, 0.9])).tolist() == [-np.inf, 0.5, 0.9]


def test_second_price_fee_keeps_low_types_out() -> None:
    # two uniform: (t − r) t = e, whatever rule is used; CARA: t(1 − exp(−α(t − r))) = 1 − exp(−αe)
    bids = bidding.second_price(alike(2, Uniform()), entry_fee=0.25)[0]
    assert bids.threshold == pytest.approx(0.5, rel=1e-14)
    assert bids(np.array([0.49, 0.51])).tolist() == [-np.inf, 0.51]
    averse = bidding.second_price(alike(2, Uniform(), Cara(2.0)), reserve=0.1, entry_fee=0.2)[0].threshold
    assert averse * -np.expm1(-2 * (averse - 0.1)) == pytest.approx(-np.expm1(-0.4), rel=1e-13)
    assert averse == bidding.first_price(alike(2, Uniform(), Cara(2.0)), 0.1, 0.2)[0].threshold
    assert averse > bidding.second_price(alike(2, Uniform()), 0.1, 0.2)[0].threshold


def test_nobody_takes_part_above_the_highest_value() -> None:
    rules = (bidding.first_price, bidding.all_pay, bidding.war_of_attrition, bidding.second_price)
    for rule in rules:
        seat = rule(alike(2, Uniform()), 0.5, 2.0)[0]
        assert seat.threshold == np.inf
        assert np.all(seat(UNIT) == -np.inf)
        assert np.all(seat.payment(UNIT) == 0)
        assert np.all(seat.win(UNIT) == 0)


def test_bids_keep_their_shape_and_rise() -> None:
    values = np.asarray(Beta(2.0, 5.0).quantile(np.linspace(0, 1, 24))).reshape(2, 3, 4)
    for rule in (bidding.first_price, bidding.all_pay, bidding.war_of_attrition):
        bids = rule(alike(4, Beta(2.0, 5.0)))[0](values)
        assert bids.shape == values.shape
        assert np.all(np.isfinite(bids))
        assert np.all(np.diff(bids.ravel()) > 0)


def test_unbounded_values_give_bounded_bids() -> None:
    bids = bidding.first_price(alike(3, Lognormal()))[0]
    assert bids(np.array(np.inf)) == pytest.approx(float(bids(np.array(1e9))), rel=1e-9)


CASES = [
    ("all_pay", (), PrivateValues(priors=(Uniform(), Uniform(0.0, 2.0))), "different priors"),
    ("first_price", (0.0, 0.1), PrivateValues(priors=(Uniform(), Uniform(0.0, 2.0))), "different priors"),
    ("first_price", (), alike(2, Discrete((0.0, 1.0))), "weight on single values"),
    ("first_price", (), alike(1, Uniform()), "at least 2 bidders"),
    ("all_pay", (), alike(2, Uniform(), Crra(0.5)), "CRRA"),
    ("all_pay", (), alike(2, Discrete((0.0, 1.0))), "weight on single values"),
    ("war_of_attrition", (), alike(1, Uniform(), Crra(0.5)), "at least 2 bidders"),
    ("kth_price", (3,), alike(2, Uniform()), "2 bidders never pay a bid"),
    ("kth_price", (4,), alike(5, Uniform(), Crra(0.5)), "risk-averse"),
    ("kth_price", (3, 0.0, 0.1), alike(4, Uniform()), "entry fee"),
    ("kth_price", (4, 0.3), alike(5, Uniform()), "reserve"),
    ("kth_price", (3,), alike(4, Beta(0.5, 0.5)), "do not rise"),
    ("kth_price", (3,), alike(4, Empirical((0.0, 1.0, 1.1, 5.0))), "do not rise"),
    ("second_price", (0.0, 0.1), PrivateValues(priors=(Uniform(), Discrete((0.0, 1.0)))), "weight on single values"),
    ("second_price", (0.0, 0.1), alike(2, Discrete((0.0, 1.0))), "weight on single values"),
]


@pytest.mark.parametrize(("rule", "arguments", "environment", "reason"), CASES)
def test_no_equilibrium_says_why(rule: str, arguments: tuple, environment: PrivateValues, reason: str) -> None:
    with pytest.raises(NoEquilibrium, match=reason):
        getattr(bidding, rule)(environment, *arguments)


def test_strong_risk_aversion_in_large_money() -> None:
    # uniform on [0, 1000], α = 1: exp(αb) v = exp(v) − 1, so b = v − log v far from 0; all-pay bids stay below value
    values = np.array([100.0, 500.0, 999.0, 1000.0])
    environment = alike(2, Uniform(0.0, 1000.0), Cara(1.0))
    agree(bidding.first_price(environment)[0](values), values - np.log(values))
    paid = bidding.all_pay(environment)[0](values)
    assert np.all(np.diff(paid) > 0)
    # b′ = s/(1000 (1 − v s/1000)) with s = 1 up to rounding, so b = −log(1 − v/1000) away from both ends
    assert paid[1] - paid[0] == pytest.approx(np.log(0.9 / 0.5), rel=1e-8)


@pytest.mark.parametrize(("alpha", "n", "reserve"), [(2.0, 2, 0.0), (1.0, 3, 0.1)])
def test_war_of_attrition_under_constant_risk_aversion(alpha, n, reserve) -> None:
    """(1 − G) b′ = g (1 − exp(−αx))/α, integrated by another rule; and no type gains by another bid."""
    environment = alike(n, Uniform(), Cara(alpha))
    seat = bidding.war_of_attrition(environment, reserve)[0]

    def slope(x):
        return (n - 1) * x ** (n - 2) / (1 - x ** (n - 1)) * -np.expm1(-alpha * x) / alpha

    values = np.linspace(max(seat.threshold, 0.0) + 0.01, 0.999, 20)
    agree(seat(values), np.array([reserve + quad(slope, seat.threshold, v, epsabs=1e-13)[0] for v in values]), 1e-9)
    found = certify(WarOfAttrition(reserve=reserve), environment, (seat,) * n)
    assert found.exact
    assert found.bound < 1e-3  # the last cell of bids has no upper end
    assert found.loss < 1e-6
    risk_neutral = bidding.war_of_attrition(alike(n, Uniform()), reserve)[0]
    nearly = bidding.war_of_attrition(alike(n, Uniform(), Cara(1e-9)), reserve)[0]
    agree(nearly(values), risk_neutral(values), 1e-7)
    agree(nearly.payment(values), risk_neutral.payment(values), 1e-7)
