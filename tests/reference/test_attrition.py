"""The war of attrition among different bidders and under CRRA: closed forms, a second method, certified equilibria."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from auctionlab.environments.priors import Beta, Discrete, Exponential, Lognormal, Power, Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.environments.risk import Cara, Crra
from auctionlab.errors import NoEquilibrium
from auctionlab.mechanisms.single_item import WarOfAttrition
from auctionlab.theory import bidding
from auctionlab.theory.benchmarks import benchmark
from auctionlab.theory.certificate import certify
from auctionlab.theory.equilibria import bid_functions, equilibrium
from auctionlab.theory.several import several

U, WIDE, B = Uniform(), Uniform(0.0, 2.0), Beta(2.0, 5.0)
SURE, MORE = Uniform(1.0, 2.0), Uniform(1.0, 3.0)


def test_median_types_of_two_uniforms_bid_the_closed_form() -> None:
    """T₁ = log o₁ and T₂ = log(o₂)/2 in the odds o = p/(1 − p), so o₂ = o₁² where medians bid the same, and

    b = ∫ 2 p₂ dΛ₁ = ∫ 2 o²/((1 + o²)(1 + o)) do = log(1 + o²)/2 − arctan o + log(1 + o).
    """
    short, long = equilibrium(WarOfAttrition(), PrivateValues(priors=(U, WIDE))).bids
    p = np.linspace(0.01, 0.99, 99)
    odds = p / (1 - p)
    bids = np.log1p(odds**2) / 2 - np.arctan(odds) + np.log1p(odds)
    assert np.abs(short(p) - bids).max() < 1e-7
    assert np.abs(long(2 * odds**2 / (1 + odds**2)) - bids).max() < 1e-7


def test_of_two_bidders_sure_to_gain_only_the_lowest_types_bid_nothing() -> None:
    """U[1, 2] and U[1, 3]: with s = 2 − v and t = 3 − w, ∫ dv/(v s) = log(v/s)/2 and ∫ dw/(w t) = log(2 w/t)/3."""
    one, two = equilibrium(WarOfAttrition(), PrivateValues(priors=(SURE, MORE))).bids
    v = np.linspace(1.001, 1.99, 50)
    ratio = (v / (2 - v)) ** 1.5  # 2 w / (3 − w)
    assert np.abs(one(v) - two(3 * ratio / (2 + ratio))).max() < 1e-7
    assert one(np.array(1.001)) > 0


@pytest.mark.parametrize(("reserve", "fee"), [(0.1, 0.0), (0.05, 0.1)])
def test_with_a_stake_the_weaker_of_two_uniforms_expects_nothing_and_the_stronger_bunches(reserve, fee) -> None:
    """At the stake c one gains nothing at the level √c of both, so types at q = (1 + √c)/2 bid the same: o₂ = o₁²/o_q.

    The lowest type p₁ that takes part wins against those below p₂: p₁ p₂ = c. The other's lower types bid the reserve,
    from c/p₁ up, as they win it against p₁.
    """
    seats = bidding.war_of_attrition(PrivateValues(priors=(U, WIDE)), reserve, fee)
    stake = reserve + fee
    middle = (1 + stake**0.5) / (1 - stake**0.5)

    def other(p: float) -> float:
        odds = (p / (1 - p)) ** 2 / middle
        return odds / (1 + odds)

    first = float(brentq(lambda p: p * other(p) - stake, stake, 1 - 1e-9, xtol=1e-15))
    assert seats[0].threshold == pytest.approx(first, abs=1e-8)
    assert seats[1].threshold == pytest.approx(stake / first, abs=1e-8)
    ends = np.array([stake / first + 1e-6, 2 * other(first) - 1e-6, 2 * other(first) + 1e-3])
    low, high, above = seats[1](ends)
    assert low == high == reserve < above


@pytest.mark.parametrize(
    ("prior", "n", "rho", "reserve", "fee"),
    [(U, 2, 0.5, 0.0, 0.0), (B, 3, 0.5, 0.0, 0.0), (U, 4, 0.2, 0.1, 0.05), (Exponential(1.0), 3, 0.7, 0.1, 0.0)],
)
def test_crra_bids_solve_the_first_order_condition_by_another_method(prior, n, rho, reserve, fee) -> None:
    """(1 − G) u′(−x) x′ = g (u(v − x) − u(−x)) in x = b + e over values, with y = x^(1 − rho)."""
    seat = bidding.war_of_attrition(PrivateValues(n, prior, risk=Crra(rho=rho)), reserve, fee)[0]
    power = 1 - rho
    lowest = max(float(prior.quantile(np.array(1e-5))), prior.low)
    start = seat.threshold if reserve + fee else lowest
    level = float(prior.cdf(np.array(start)))
    if reserve + fee:  # the lowest type wins only if alone
        gain, loss = (start - reserve - fee) ** power, (reserve + fee) ** power
        assert level ** (n - 1) * gain == pytest.approx((1 - level ** (n - 1)) * loss, rel=1e-9)

    def slope(v: float, y: np.ndarray) -> np.ndarray:
        x = max(float(y[0]), 0.0) ** (1 / power)
        f, p = float(prior.pdf(np.array(v))), float(prior.cdf(np.array(v)))
        prize = np.sign(v - x) * abs(v - x) ** power + x**power
        return np.array([(n - 1) * p ** (n - 2) * f / (1 - p ** (n - 1)) * prize])

    values = np.asarray(prior.quantile(np.linspace(level + 0.05 * (1 - level), 0.99, 15)))
    found = solve_ivp(slope, (start, values[-1]), [(reserve + fee) ** power], "LSODA", values, rtol=1e-9, atol=1e-13)
    other = found.y[0] ** (1 / power) - fee
    assert np.abs(seat(values) - other).max() < 1e-6 * other.max()


def test_hardly_risk_averse_bidders_bid_the_closed_form() -> None:
    v = np.linspace(0.01, 0.99, 40)
    for n in (2, 3):
        neutral = bidding.war_of_attrition(PrivateValues(n, U), 0.1)[0]
        averse = bidding.war_of_attrition(PrivateValues(n, U, risk=Crra(rho=1e-7)), 0.1)[0]
        assert averse.threshold == pytest.approx(neutral.threshold, rel=1e-6)
        assert np.abs(averse.bids(v[v > 0.5]) - neutral.bids(v[v > 0.5])).max() < 1e-5
    plain = bidding.war_of_attrition(PrivateValues(priors=(U, WIDE)), 0.1)
    cara = bidding.war_of_attrition(PrivateValues(priors=(U, WIDE), risk=Cara(1e-8)), 0.1)
    for one, other in zip(plain, cara, strict=True):
        assert np.abs(one.bids(v[v > 0.6]) - other.bids(v[v > 0.6])).max() < 1e-6


def test_the_weakest_of_three_uniforms_bids_nothing() -> None:
    """U[0, 1] against two U[0, 2]: they bid 2 (−p − log(1 − p)), the closed form of two, at which h₁(1) > S always."""
    weak, strong, _ = equilibrium(WarOfAttrition(), PrivateValues(priors=(U, WIDE, WIDE))).bids
    p = np.linspace(0.01, 0.99, 50)
    assert np.abs(weak(p)).max() == 0
    assert np.abs(strong(2 * p) + 2 * (p + np.log1p(-p))).max() < 1e-7


def test_of_two_equals_against_a_stronger_one_stops_where_the_stronger_has_its_highest_value() -> None:
    """A type 1 of U[0, 1] is content at p₁, p₃ of the others where 1 − p₁ p₃ = (1 − p₃) + (1 − p₁)/2: at p₃ = 1/2."""
    environment = PrivateValues(priors=(U, U, WIDE))
    found = equilibrium(WarOfAttrition(), environment)
    ends = [float(found.bids[1](np.array(1.0))), float(found.bids[2](np.array(1.0)))]
    assert ends[0] == pytest.approx(ends[1], abs=1e-6)
    assert "seats 0, 2 bid without bound" in found.bids[0].method  # type: ignore[attr-defined]
    assert bid_functions(WarOfAttrition(), environment) is None  # equals bid differently, which one strategy cannot
    with pytest.raises(NoEquilibrium, match="seats 0 and 1 bid differently though they are alike"):
        found.of_role(WarOfAttrition(), environment, 0)


DIFFERENT = [
    ((U, WIDE), 0.1, 0.05, None),
    ((SURE, MORE), 0.1, 0.0, None),
    ((U, WIDE), 0.1, 0.0, Cara(1.0)),
    ((U, WIDE), 0.0, 0.0, Crra(0.5)),
    ((SURE, B), 0.1, 0.05, None),
    ((Uniform(-1.0, 1.0), U), 0.0, 0.0, None),
    ((Exponential(1.0), Lognormal(0.0, 1.5)), 0.0, 0.0, None),
    ((U, B, Power(2.0)), 0.0, 0.0, None),
    ((U, B, Power(2.0)), 0.05, 0.05, None),
    ((SURE, SURE, MORE), 0.0, 0.0, None),
    ((U, U, WIDE), 0.1, 0.0, Cara(0.5)),
    ((U, Uniform(0.0, 1.1), Uniform(0.0, 1.2)), 0.1, 0.0, None),
    ((U, U, WIDE, WIDE), 0.1, 0.0, None),
    ((U, U, Power(2.0)), 0.0, 0.0, None),
    ((U, WIDE, Uniform(0.0, 3.0)), 0.05, 0.0, Crra(0.5)),
]


@pytest.mark.parametrize(("priors", "reserve", "fee", "risk"), DIFFERENT)
def test_no_type_of_different_bidders_gains_by_another_bid(priors, reserve, fee, risk) -> None:
    rule, environment = WarOfAttrition(reserve=reserve, entry_fee=fee), PrivateValues(priors=priors, risk=risk)
    found = equilibrium(rule, environment)
    assert found.certificate is not None
    assert found.certificate.bound < 3e-4  # the last cell of bids has no upper end
    assert found.certificate.loss < 1e-6


def test_certificates_see_through_utility_that_bends_at_nothing() -> None:
    """Near u(0) the utility of x is 10 x^0.1: cells of prices around a value would make gains of 4 % out of nothing."""
    environment = PrivateValues(2, U, risk=Crra(0.9))
    found = certify(WarOfAttrition(), environment, bidding.war_of_attrition(environment))
    assert found.bound < 1e-5


def test_expected_payments_and_utility_are_those_of_simulated_auctions() -> None:
    """Three seats of which one stops, and two under CRRA: within 4 standard errors of 200,000 auctions."""
    for priors, risk in (((U, U, WIDE), None), ((U, WIDE), Crra(0.5))):
        rule, environment = WarOfAttrition(reserve=0.1, entry_fee=0.05), PrivateValues(priors=priors, risk=risk)
        theory = benchmark(rule, environment)
        uniform = np.random.default_rng(5).random((200_000, len(priors)))
        values = np.stack([prior.quantile(uniform[:, k]) for k, prior in enumerate(priors)], axis=1)
        messages = np.stack([bid(values[:, k]) for k, bid in enumerate(theory.bids)], axis=1)
        outcome = rule.run(messages)
        samples = [outcome.payments.sum(axis=1), *environment.utility(outcome, values).T]
        for sample, expected in zip(samples, (theory.revenue, *theory.utility), strict=True):
            assert abs(sample.mean() - expected) < 4 * sample.std() / len(sample) ** 0.5


@pytest.mark.parametrize(("priors", "reserve"), [((U, WIDE), 0.0), ((SURE, MORE), 0.0), ((Exponential(1.0), U), 0.1)])
def test_equilibria_are_a_continuum_of_which_some_are_shown(priors, reserve) -> None:
    found = several(WarOfAttrition(reserve=reserve), PrivateValues(priors=priors), starts=3)
    assert len(found) == 3
    for one in found:
        assert "of a continuum of equilibria" in one.bids[0].method  # type: ignore[attr-defined]
        assert one.certificate is not None
        assert one.certificate.bound < 1e-3


def test_who_alone_has_something_to_gain_bids_the_reserve() -> None:
    seats = bidding.war_of_attrition(PrivateValues(priors=(U, Uniform(0.0, 0.3))), 0.2, 0.1)
    assert seats[0](np.array([0.29, 0.31])).tolist() == [-np.inf, 0.2]
    assert seats[1].threshold == np.inf
    assert seats[0].utility(np.array(0.5)) == pytest.approx(0.2)


def test_priors_with_atoms_are_refused() -> None:
    with pytest.raises(NoEquilibrium, match="single values"):
        bidding.war_of_attrition(PrivateValues(priors=(U, Discrete((0.0, 1.0)))))
