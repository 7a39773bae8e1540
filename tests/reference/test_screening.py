"""One agent: optimal quantities and tariffs against closed forms and a route without virtual values."""

from __future__ import annotations

import numpy as np
import pytest

from auctionlab.environments.priors import Beta, Discrete, Empirical, Exponential, Lognormal, Uniform
from auctionlab.environments.screening import Screening
from auctionlab.errors import ConfigError
from auctionlab.theory.screening import demand_profile, envelope, optimal_offer

BUMPY = Empirical(data=(1.0, 2.0, 5.0))
PROBLEMS = [
    Screening(prior=Uniform()),
    Screening(prior=BUMPY),
    Screening(prior=Beta(a=0.5, b=0.5), taste="power"),
    Screening(prior=Exponential(), taste="logarithmic", technology="linear"),
    Screening(prior=Lognormal(mu=0.0, sigma=0.5), taste="quadratic"),
    Screening(prior=Uniform(low=1.0, high=3.0), taste="power", exponent=0.25, technology="linear"),
    Screening(prior=Uniform(), quantities=(0.25, 0.5)),
    Screening(prior=Discrete(values=(1.0, 2.0, 4.0), weights=(1.0, 0.1, 1.0))),
]


def test_mussa_rosen_with_uniform_types():
    # v = θx, c = x²/2, θ ~ U[0, 1], MHR: x = ψ = 2θ − 1, U = ∫_{1/2}^θ (2s − 1) ds = (θ − 1/2)², t = θ² − 1/4,
    # profit E[ψ⁺²/2] = 1/12
    offer = optimal_offer(Screening(prior=Uniform()))
    types = np.linspace(0.5, 1.0, 11)
    np.testing.assert_allclose(offer.quantity(types), 2 * types - 1, atol=1e-15)
    np.testing.assert_allclose(offer.transfer(types), types**2 - 0.25, atol=1e-13)
    np.testing.assert_allclose(offer.rent(types), (types - 0.5) ** 2, atol=1e-13)
    assert offer.lowest_served == pytest.approx(0.5, rel=1e-15)
    assert offer.profit == pytest.approx(1 / 12, rel=1e-12)
    assert offer.bunches == ()


def test_bunching_where_the_prior_is_irregular():
    # ψ̄ = 2 − √3 between (5 − √3)/2 and one more (tests/reference/test_ironing.py), and x = ψ̄
    ((low, high, quantity),) = optimal_offer(Screening(prior=BUMPY)).bunches
    root = (5 - 3**0.5) / 2
    assert (low, high, quantity) == pytest.approx((root, root + 1, 2 - 3**0.5), rel=1e-12)


def test_one_unit_at_constant_cost_is_a_monopoly_price():
    # linear taste and cost: all or nothing, at ψ(θ) = rate; U[0, 1], rate 1/2: θ = 3/4, profit (3/4 − 1/2)/4
    offer = optimal_offer(Screening(prior=Uniform(), technology="linear", rate=0.5, capacity=1.0))
    np.testing.assert_array_equal(offer.quantity(np.array([0.7, 0.75, 0.8])), [0, 1, 1])
    assert float(offer.transfer(np.array(0.9))) == pytest.approx(0.75, rel=1e-12)
    assert offer.profit == pytest.approx(1 / 16, rel=1e-12)


def test_two_types():
    # Discrete θ = 1, 2 equally likely, v = θx, c = x²/2: ψ = 0, 2, so only the high type is served, at x = 2, t = 4 − 0
    offer = optimal_offer(Screening(prior=Discrete(values=(1.0, 2.0))))
    np.testing.assert_allclose(offer.quantity(np.array([1.0, 2.0])), [0, 2])
    assert float(offer.transfer(np.array(2.0))) == pytest.approx(4.0, rel=1e-12)
    # with three in four low: ψ(1) = 1 − 1/3 = 2/3; the high type keeps 2/3 · (2 − 1) of its value 4
    offer = optimal_offer(Screening(prior=Discrete(values=(1.0, 2.0), weights=(3.0, 1.0))))
    np.testing.assert_allclose(offer.transfer(np.array([1.0, 2.0])), [2 / 3, 4 - 2 / 3], rtol=1e-12)


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: f"{type(problem.prior).__name__}-{problem.taste}")
def test_profit_is_the_expected_virtual_surplus(problem):
    offer = optimal_offer(problem)
    assert offer.profit == pytest.approx(offer.virtual_surplus, rel=1e-10)


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: f"{type(problem.prior).__name__}-{problem.taste}")
def test_no_type_gains_from_another_report(problem):
    offer, prior = optimal_offer(problem), problem.prior
    types = np.unique(prior.quantile(np.linspace(0.01, 0.99, 60)))
    reports = np.unique(prior.quantile(np.linspace(0.005, 0.995, 200)))
    gain = problem.value(offer.quantity(reports), types[:, None]) - offer.transfer(reports)
    assert np.all(gain <= offer.rent(types)[:, None] + 1e-9)
    assert np.all(offer.rent(types) >= -1e-12)
    assert np.all(offer.transfer(types) >= problem.production_cost(offer.quantity(types)) - 1e-9)


@pytest.mark.parametrize("problem", [p for p in PROBLEMS if not p.quantities], ids=lambda p: f"{p.prior}-{p.taste}")
def test_pricing_unit_by_unit_gives_the_same_quantities(problem):
    # a route without virtual values: θ*(x) is where the optimal x(θ) passes x
    offer, quantities = optimal_offer(problem), np.linspace(0.01, 0.6, 15)
    cutoffs = demand_profile(problem.prior, problem.marginal_value, problem.marginal_cost, quantities).cutoffs
    bought = np.isfinite(cutoffs)
    assert bought.sum() > 5
    x, theta = quantities[bought], cutoffs[bought]
    slack = 1e-5 * np.abs(theta)  # a maximum is located to the square root of rounding
    assert np.all(offer.quantity(theta + slack) >= x - 1e-9)
    assert np.all(offer.quantity(np.maximum(theta - slack, problem.prior.low - 1.0)) <= x + 1e-9)
    assert float(offer.quantity(np.asarray(problem.prior.quantile(np.array(1 - 1e-9))))) <= 0.6 or bought.all()


def test_marginal_prices_add_up_to_the_tariff():
    # Mussa-Rosen, uniform: θ*(x) = (1 + x)/2 = p(x), T(x) = x/2 + x²/4 = θ² − 1/4 at x = 2θ − 1
    problem = Screening(prior=Uniform())
    x = np.linspace(0.0, 1.0, 2001)
    tariff = demand_profile(problem.prior, problem.marginal_value, problem.marginal_cost, x[1:-1])
    np.testing.assert_allclose(tariff.prices, (1 + x[1:-1]) / 2, atol=1e-7)


def test_taste_that_is_not_linear_in_the_type():
    # v = θ² x, c = x²/2, θ ~ U[0, 1]: the unit at x sells at p = θ² with P = 1 − θ: (θ² − x)(1 − θ) peaks where
    # 2θ (1 − θ) = θ² − x, 3θ² − 2θ − x = 0, θ = (1 + √(1 + 3x))/3
    x = np.linspace(0.05, 0.9, 8)
    tariff = demand_profile(Uniform(), lambda q, theta: theta**2 + 0 * q, lambda q: q, x)
    np.testing.assert_allclose(tariff.cutoffs, (1 + np.sqrt(1 + 3 * x)) / 3, atol=1e-7)


def test_units_that_cannot_be_priced_one_by_one():
    with pytest.raises(ConfigError, match="units cannot be priced one by one"):
        demand_profile(Uniform(), lambda q, theta: theta * (1 + q), lambda q: 0.5 + 0 * q, np.linspace(0, 1, 5))
    with pytest.raises(ConfigError, match="should rise with the type"):
        demand_profile(Uniform(), lambda q, theta: 1 - theta + 0 * q, lambda q: q, np.linspace(0, 1, 5))


def test_envelope_transfers():
    # Okumura, theorem 1.4: x = θ², v = θx: U = θ³/3, t = 2θ³/3
    transfer, rent = envelope(lambda s: s**2, lambda x, s: x * s, lambda x, s: x, np.array([0.0, 1.0]))
    types = np.linspace(0, 1, 11)
    np.testing.assert_allclose(rent(types), types**3 / 3, atol=1e-14)
    np.testing.assert_allclose(transfer(types), 2 * types**3 / 3, atol=1e-14)


def test_a_falling_rule_has_no_transfers():
    with pytest.raises(ConfigError, match=r"should rise with the type, but falls from .* at 0\.5"):
        envelope(lambda s: np.where(s <= 0.5, s, s - 0.3), lambda x, s: x * s, lambda x, s: x, np.array([0.0, 1.0]))


def test_an_unbounded_problem_is_refused():
    with pytest.raises(ConfigError, match="capacity"):
        Screening(prior=Uniform(), technology="linear")
