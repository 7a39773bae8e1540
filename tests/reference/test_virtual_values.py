"""Virtual values, hazard rates and marginal revenue: identities and closed forms, each derived beside its number."""

from __future__ import annotations

import numpy as np
import pytest

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
from auctionlab.errors import ConfigError
from auctionlab.theory.ironing import discrete_virtual_values, iron
from auctionlab.theory.marginal_revenue import demand, inverse_demand, marginal_revenue, market, revenue
from auctionlab.theory.virtual import (
    expected_virtual_value,
    information_rent,
    inverse_virtual_values,
    is_mhr,
    is_regular,
    optimal_reserve,
    virtual_values,
)

PRIORS = [
    Uniform(low=-1.0, high=3.0),
    Power(exponent=2.0),
    Power(exponent=0.5),
    Exponential(mean=2.0),
    Beta(a=2.0, b=3.0),
    TruncatedNormal(mean=0.0, sd=1.0, low=-1.0, high=3.0),
    Lognormal(mu=0.0, sigma=0.5),
    Empirical(data=(1.0, 2.0, 5.0)),
]


@pytest.mark.parametrize("prior", PRIORS, ids=lambda prior: type(prior).__name__)
def test_virtual_values_average_to_the_lower_end_of_the_support(prior):
    # Krishna (2010), (5.11), says 0: right where the support starts at 0; by parts it is its lower end
    assert expected_virtual_value(prior) == pytest.approx(prior.low, abs=1e-11)


@pytest.mark.parametrize("prior", PRIORS, ids=lambda prior: type(prior).__name__)
def test_virtual_values_are_value_less_inverse_hazard(prior):
    values = np.asarray(prior.quantile(np.linspace(0.05, 0.95, 19)))
    np.testing.assert_allclose(values - virtual_values(prior, values), 1 / prior.hazard(values), rtol=1e-12)


def test_expected_virtual_value_needs_a_lowest_value():
    with pytest.raises(ConfigError, match="finite lower end"):
        expected_virtual_value(Scipy(name="norm"))


def test_virtual_value_at_the_top_is_the_value():
    assert float(virtual_values(Beta(a=2.0, b=2.0), np.array(1.0))) == 1.0  # f(1) = 0 there, but so is 1 − F
    assert float(information_rent(Uniform(), np.array(2.0))) == 0.0


def test_monotone_hazard_rate_implies_regular_but_not_conversely():
    assert is_mhr(Uniform())
    assert is_mhr(Exponential())
    assert is_mhr(Beta(a=2.0, b=3.0))
    # lognormal: the hazard rate rises, then falls to 0 like log v / v; with sigma = 1/2 ψ rises all the same
    assert is_regular(Lognormal(mu=0.0, sigma=0.5))
    assert not is_mhr(Lognormal(mu=0.0, sigma=0.5))
    assert not is_regular(Power(exponent=0.5))  # ψ = 3v − 2√v falls below v = 1/9


@pytest.mark.parametrize("prior", [Uniform(high=12.0), Exponential(mean=3.0), Power(exponent=2.0), Beta(a=2.0, b=3.0)])
def test_inverse_virtual_values_undo_virtual_values(prior):
    values = np.asarray(prior.quantile(np.linspace(0.01, 0.99, 33)))
    np.testing.assert_allclose(inverse_virtual_values(prior, virtual_values(prior, values)), values, rtol=1e-12)


def test_irregular_prior_is_refused_where_regularity_is_needed():
    with pytest.raises(ConfigError, match=r"virtual value of Power.* falls from .* use ironing"):
        inverse_virtual_values(Power(exponent=0.5), np.array([0.1]))
    with pytest.raises(ConfigError, match="needs a prior with a density"):
        inverse_virtual_values(Discrete(values=(0.0, 1.0)), np.array([0.1]))


def test_reserves_with_a_seller_who_values_the_item():
    assert optimal_reserve(Uniform(), 0.5) == 0.75  # ψ = 2v − 1 = s
    assert optimal_reserve(Exponential(mean=2.0), 1.0) == 3.0  # ψ = v − 2 = s
    assert optimal_reserve(Uniform(low=2.0, high=3.0), 0.5) == 2.0  # ψ(2) = 1 > s
    assert optimal_reserve(Power(exponent=2.0)) == pytest.approx(3**-0.5, rel=1e-12)


def test_reserve_of_an_irregular_prior_is_the_best_of_all_prices():
    # density 1/2 on [0, 1], 1/4 on [1, 3]: R(p) = p (1 − p/2) peaks at 1 with 1/2, p (3 − p)/4 at 3/2 with 9/16
    prior = Empirical(data=(0.0, 1.0, 3.0))
    assert optimal_reserve(prior) == pytest.approx(1.5, rel=1e-12)
    # P(X ≥ v) v = 1, 2 · 5/8, 3 · 1/2
    assert optimal_reserve(Discrete(values=(1.0, 2.0, 3.0), weights=(3.0, 1.0, 4.0))) == 3.0


def test_marginal_revenue_is_the_derivative_of_revenue():
    for prior in (Beta(a=2.0, b=3.0), Power(exponent=0.5), Exponential()):
        q, step = np.linspace(0.1, 0.9, 9), 1e-5
        slope = (revenue(prior, q + step) - revenue(prior, q - step)) / (2 * step)
        np.testing.assert_allclose(marginal_revenue(prior, q), slope, rtol=1e-7, atol=1e-7)  # differencing error


def test_demand_and_its_inverse():
    prior = Discrete(values=(1.0, 2.0, 3.0), weights=(3.0, 1.0, 4.0))
    np.testing.assert_allclose(demand(prior, np.array([0.5, 1.0, 1.5, 2.0, 3.0, 3.5])), [1, 1, 0.625, 0.625, 0.5, 0])
    np.testing.assert_array_equal(inverse_demand(prior, np.array([1.0, 0.7, 0.625, 0.5, 0.1])), [1, 1, 2, 3, 3])
    assert float(inverse_demand(Uniform(), np.array(0.25))) == 0.75


def test_curves_of_a_market_have_the_monopoly_price_where_marginal_revenue_vanishes():
    curves = market(Uniform(), points=101)
    assert (curves.monopoly_price, curves.monopoly_quantity) == (0.5, 0.5)
    np.testing.assert_allclose(curves.marginal, 1 - 2 * curves.quantities, atol=1e-12)
    np.testing.assert_array_equal(curves.hull, curves.revenue)
    bent = market(Empirical(data=(1.0, 2.0, 5.0)), points=401)
    assert np.all(bent.hull >= bent.revenue - 1e-12)
    slopes = np.diff(bent.hull) / np.diff(bent.quantities)
    assert np.all(np.diff(slopes) <= 1e-9)  # concave
    assert np.all(np.diff(bent.ironed) <= 1e-12)


def test_discrete_virtual_values_average_to_the_lowest_value():
    prior = Discrete(values=(1.0, 2.0, 5.0, 7.0), weights=(1.0, 4.0, 2.0, 3.0))
    virtual = discrete_virtual_values(prior)
    assert virtual @ prior.masses == pytest.approx(1.0, rel=1e-14)
    # v − (next − v) P(X > v) / P(X = v): 1 − 1 · 9/1, 2 − 3 · 5/4, 5 − 2 · 3/2, 7
    np.testing.assert_allclose(virtual, [-8.0, -1.75, 2.0, 7.0], rtol=1e-14)
    np.testing.assert_allclose(iron(prior)(np.array([1.0, 2.5, 5.0, 9.0, 0.5])), [-8.0, -1.75, 2.0, 7.0, -np.inf])
