"""Interim expectations and what incentive compatibility implies, against closed forms and second methods."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from auctionlab.core import Outcome
from auctionlab.environments.data_priors import Discrete, Empirical
from auctionlab.environments.priors import Exponential, Power, Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.environments.risk import Crra
from auctionlab.errors import ConfigError, NoEquilibrium
from auctionlab.mechanisms.optimal import OptimalAuction
from auctionlab.mechanisms.single_item import AllPay, FirstPrice, KthPrice, SecondPrice, WarOfAttrition
from auctionlab.theory.benchmarks import benchmark
from auctionlab.theory.implications import (
    expected_rents,
    implications,
    revenue_equivalence,
    revenue_from_allocation,
)
from auctionlab.theory.interim import interim, truthful, type_grid
from auctionlab.theory.optimal import optimal_revenue

TWO = PrivateValues(2, Uniform())
THREE = PrivateValues(3, Uniform())
NATH = PrivateValues(priors=(Uniform(high=12.0), Uniform(high=18.0)))  # Nath, example 1
BUMPY = PrivateValues(3, Empirical(data=(1.0, 2.0, 5.0)))  # virtual values fall at 2
Z = np.linspace(0, 1, 21)


class Unformulated(FirstPrice):
    """The same auction with the same bids, which do not know what they expect: other methods must find it."""

    def equilibrium(self, environment):
        return tuple((lambda values, bid=bid: bid(values)) for bid in super().equilibrium(environment))


@dataclass(frozen=True)
class Costs(PrivateValues):
    """Types are costs of getting the item: values are minus the types."""

    def values(self, signals):
        return -signals


class PaysToCome(SecondPrice):
    """A second-price auction that gives everybody 0.1."""

    def run(self, messages, rng=None):
        outcome = super().run(messages, rng)
        return replace(outcome, payments=outcome.payments - 0.1)

    def equilibrium(self, environment):
        return (truthful(),) * environment.n


def test_uniform_first_price_by_formula_and_by_quadrature():
    # Krishna (2010), prop. 2.2: b = z/2, so q = z, m = z²/2, U = z²/2
    for mechanism, method, tolerance in ((FirstPrice(), "prop. 2.2", 1e-12), (Unformulated(), "quadrature", 1e-12)):
        found = interim(mechanism, TWO, 0, Z)
        assert method in found.method
        assert found.allocation == pytest.approx(Z, abs=tolerance)
        assert found.payment == pytest.approx(Z**2 / 2, abs=tolerance)
        assert found.utility == pytest.approx(Z**2 / 2, abs=tolerance)
        assert not found.errors.any()


def test_uniform_first_price_among_three_by_common_draws_within_their_errors():
    found = interim(Unformulated(), THREE, 1, Z)  # b = 2z/3, q = z²
    assert "common draws" in found.method
    exact = np.stack([Z**2, 2 / 3 * Z**3, Z**3 / 3])
    off = np.abs(np.stack([found.allocation, found.payment, found.utility]) - exact)
    assert (off <= 5 * found.errors + 1e-3).all()  # sampling error; 8,192 draws resolve 1e-3 where an error is 0
    assert 0 < found.errors.max() < 0.01


def test_quadrature_finds_jumps_and_unbounded_rivals():
    environment = PrivateValues(2, Exponential(mean=1.0))
    z = np.array([0.0, 0.5, 1.0, 3.0, 8.0])
    exact, found = (interim(rule, environment, 0, z) for rule in (FirstPrice(reserve=0.7), Unformulated(reserve=0.7)))
    for name in ("allocation", "payment", "utility"):
        assert getattr(found, name) == pytest.approx(getattr(exact, name), abs=1e-10)
    assert found.allocation[:2] == pytest.approx([0, 0])


def test_discrete_rivals_are_counted():
    # two rivals of value 0, 1 or 2 with probability 1/3: P(both below) plus shared ties
    found = interim(SecondPrice(), PrivateValues(3, Discrete(values=(0.0, 1.0, 2.0))), 0, None, [truthful()] * 3)
    assert found.method == "rivals' types counted"
    assert found.reports == pytest.approx([0, 1, 2])
    assert found.allocation == pytest.approx([1 / 27, 7 / 27, 19 / 27])  # Σ C(2,k) (1/3)^k (z/3)^(2−k) / (k + 1)


def test_truth_in_a_first_price_auction_is_worth_nothing():
    found = interim(FirstPrice(), THREE, 0, Z, [truthful()] * 3)
    assert np.abs(found.utility).max() < 1e-12
    assert found.payment == pytest.approx(found.allocation * Z, abs=1e-12)


def test_slopes_are_those_of_the_value_in_the_type_also_where_types_are_costs():
    found = interim(SecondPrice(), Costs(2, Uniform()), 0, Z, [truthful()] * 2)
    assert found.allocation == pytest.approx(-Z, abs=1e-12)  # wins with probability z, and loses z by it
    assert found.utility == pytest.approx(-(Z**2) - Z**2 / 2, abs=1e-12)


def test_utility_of_the_risk_averse_is_expected_utility():
    # CRRA 1/2, uniform, two bidders: b = 2v/3, so U = v · 2 sqrt(v/3)
    environment = PrivateValues(2, Uniform(), risk=Crra(rho=0.5))
    for rule in (FirstPrice(), Unformulated()):
        assert interim(rule, environment, 0, Z).utility == pytest.approx(2 * Z * np.sqrt(Z / 3), abs=1e-9)
    with pytest.raises(ConfigError, match="payment formula is that of the risk-neutral"):
        implications(FirstPrice(), environment)


def test_payoffs_are_affine_in_the_type_and_supported_at_each_report():
    found = interim(FirstPrice(), TWO, 0, Z)
    own = np.array([0.3, 0.8])
    assert found.payoff(own) == pytest.approx(Z * own[:, None] - Z**2 / 2, abs=1e-12)  # q x − m
    assert (found.line(10) <= found.utility + 1e-12).all()
    assert found.line(10)[10] == pytest.approx(found.utility[10])


@pytest.mark.parametrize(
    ("mechanism", "environment"),
    [
        (FirstPrice(), TWO),
        (FirstPrice(reserve=0.5), TWO),
        (Unformulated(reserve=0.5), TWO),
        (SecondPrice(entry_fee=0.1), THREE),
        (AllPay(), PrivateValues(4, Power(exponent=2.0))),
        (WarOfAttrition(), PrivateValues(2, Exponential(mean=1.0))),
        (KthPrice(k=3), PrivateValues(3, Uniform(low=1.0, high=3.0))),
        (OptimalAuction(environment=NATH), NATH),
        (OptimalAuction(environment=BUMPY), BUMPY),
        (PaysToCome(), TWO),
    ],
)
def test_equilibria_have_rising_chances_convex_payoffs_and_the_payments_of_the_formula(mechanism, environment):
    for seat in range(environment.n if environment is NATH else 1):
        found = implications(mechanism, environment, seat)
        assert found.hold, found
        assert found.tolerance <= 1e-8 * max(1, found.interim.reports[-1])  # quadrature throughout
        assert found.rent[0] == pytest.approx(0, abs=1e-15)
        assert found.payments == pytest.approx(found.interim.payment, abs=found.tolerance)


def test_implications_hold_within_the_errors_of_sampling():
    found = implications(Unformulated(), THREE, types=Z)
    assert found.interim.errors.any()
    assert found.hold
    assert max(found.slope, found.payment) < 0.01  # 8,192 draws


def test_truth_in_a_first_price_auction_breaks_the_implications_by_what_algebra_gives():
    # q = z but U = 0: type 1 would gain z (1 − z) ≤ 1/4, and ∫ q = 1/2 is missing
    found = implications(FirstPrice(), TWO, bids=[truthful()] * 2)
    assert not found.hold
    assert found.falls == 0
    assert found.below_line == pytest.approx(0.25, abs=1e-4)  # grid of types
    assert (found.slope, found.payment) == pytest.approx((0.5, 0.5))


def test_a_rising_chance_alone_is_not_enough():
    # Krishna (2010), p. 67, says "if and only if q is nondecreasing": payments must be those of (5.8) too
    found = implications(FirstPrice(), TWO, bids=[truthful()] * 2)
    assert found.falls == 0
    assert found.below_line > 0.2


def test_a_shifted_support_starts_from_its_lower_end():
    # uniform on [1, 3], three bidders: F = (z − 1)/2, q = F², U = ∫ q = (z − 1)³/12, m = z q − U, and m(1) = 0
    z = np.linspace(1, 3, 9)
    found = implications(SecondPrice(), PrivateValues(3, Uniform(low=1.0, high=3.0)), types=z)
    q = ((z - 1) / 2) ** 2
    assert found.rent == pytest.approx((z - 1) ** 3 / 12, abs=1e-10)
    assert found.payments == pytest.approx(z * q - (z - 1) ** 3 / 12, abs=1e-10)


def test_four_formats_are_revenue_equivalent():
    environment = PrivateValues(3, Power(exponent=2.0))
    found = revenue_equivalence([FirstPrice(), SecondPrice(), AllPay(), WarOfAttrition()], environment)
    assert found.same_allocation
    assert found.equivalent
    assert found.payment.shape == (4, 3, 41)
    assert found.constants == pytest.approx(np.zeros((4, 3)))
    v = found.types[0]  # q = v⁴, m = 4/5 v⁵
    assert found.payment[2, 1] == pytest.approx(0.8 * v**5, abs=1e-9)


def test_payments_with_one_allocation_differ_by_a_constant():
    found = revenue_equivalence([SecondPrice(), PaysToCome()], TWO)
    assert found.same_allocation
    assert found.equivalent
    assert found.constants[:, 0] == pytest.approx([0, 0.1])
    assert np.ptp(found.utility[1] - found.utility[0]) < 1e-9  # payoff equivalence, figure 5.3


def test_another_allocation_has_other_payments():
    found = revenue_equivalence([SecondPrice(), SecondPrice(reserve=0.5)], TWO)
    assert not found.same_allocation
    assert not found.equivalent


def test_a_fee_and_a_reserve_that_keep_out_the_same_types_are_equivalent():
    assert revenue_equivalence([SecondPrice(entry_fee=0.25), SecondPrice(reserve=0.5)], TWO).equivalent  # v F(v) = 1/4


def test_discrete_types_are_refused_because_payments_are_not_determined():
    with pytest.raises(ConfigError, match="needs a type with a density, got Discrete"):
        implications(SecondPrice(), PrivateValues(2, Discrete(values=(0.0, 1.0))))


def test_no_equilibrium_says_so():
    with pytest.raises(NoEquilibrium, match="different priors"):
        interim(AllPay(), NATH)


@pytest.mark.parametrize(
    ("mechanism", "environment", "revenue"),
    [
        (FirstPrice(), TWO, 1 / 3),  # (n − 1)/(n + 1)
        (SecondPrice(reserve=0.5), TWO, 5 / 12),  # Krishna (2010), section 2.5
        (AllPay(), THREE, 1 / 2),
        (SecondPrice(), PrivateValues(2, Uniform(low=1.0, high=2.0)), 4 / 3),  # E[ψ] = 1 here, not 0
        (OptimalAuction(environment=NATH), NATH, 19 / 3),
        (OptimalAuction(environment=BUMPY), BUMPY, optimal_revenue(BUMPY.priors)),
    ],
)
def test_revenue_follows_from_the_allocation_alone(mechanism, environment, revenue):
    assert revenue_from_allocation(mechanism, environment) == pytest.approx(revenue, rel=1e-9)  # (5.9)
    solved = benchmark(mechanism, environment)
    assert solved.revenue == pytest.approx(revenue, rel=1e-9)
    assert expected_rents(mechanism, environment) == pytest.approx(sum(solved.surplus), rel=1e-9)


def test_types_that_get_something_keep_rents():
    # Krishna (2010), problem 5.1: U(x) ≥ ∫ q > 0 above the lowest type that may win, whatever the payments
    for rule in (FirstPrice(), SecondPrice(reserve=0.5), OptimalAuction(environment=TWO)):
        assert expected_rents(rule, TWO) > 0.1
    assert expected_rents(SecondPrice(reserve=0.5), TWO) == pytest.approx(1 / 6)  # E[max] 2/3 − 1/12 unsold − 5/12


def test_grids_hold_thresholds_breaks_and_ends():
    grid = type_grid(PrivateValues(priors=(Uniform(), Uniform(low=0.3, high=0.6))), 0, 11)
    assert {0.0, 0.3, 0.6, 1.0} <= set(grid.tolist())
    bids = SecondPrice(reserve=0.123).equilibrium(TWO)
    assert 0.123 in type_grid(TWO, 0, 11, bids)
    assert np.isfinite(type_grid(PrivateValues(2, Exponential(mean=1.0)))).all()


def test_a_type_may_be_reported_that_nobody_has():
    outcome = FirstPrice().run(np.array([[2.0, 0.4]]))
    assert isinstance(outcome, Outcome)
    assert interim(FirstPrice(), TWO, 0, np.array([2.0])).allocation == pytest.approx([1.0])
