"""Screening as a mechanism: the optimal direct one, and menus."""

from __future__ import annotations

import numpy as np
import pytest

from auctionlab.checks.contracts import check_claims
from auctionlab.environments.priors import Exponential, Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.environments.screening import Screening
from auctionlab.errors import ConfigError
from auctionlab.mechanisms.screening import Menu, OptimalScreening
from auctionlab.theory.benchmarks import benchmark
from auctionlab.theory.screening import optimal_offer


@pytest.mark.parametrize(
    "problem",
    [
        Screening(prior=Uniform()),
        Screening(prior=Uniform(low=1.0, high=2.0), taste="power"),
        Screening(prior=Exponential(), taste="logarithmic"),
    ],
    ids=lambda problem: problem.taste,
)
def test_optimal_screening_keeps_its_claims_with_any_quantity(problem):
    assert {finding.property for finding in check_claims(OptimalScreening(environment=problem), problem)} >= {"dsic"}


def test_reports_buy_what_theory_says():
    problem = Screening(prior=Uniform())
    outcome = OptimalScreening(environment=problem).run(np.array([[0.3], [0.75], [1.0], [-np.inf]]))
    np.testing.assert_allclose(outcome.allocation, [[0], [0.5], [1], [0]], atol=1e-15)
    np.testing.assert_allclose(outcome.payments, [[0], [0.75**2 - 0.25], [0.75], [0]], atol=1e-13)


def test_an_optimal_menu_earns_what_the_direct_mechanism_earns():
    # taxation principle: offering each listed quantity at the transfer of the types that get it changes nothing
    problem = Screening(prior=Uniform(), quantities=(0.25, 0.5))
    offer = optimal_offer(problem)
    prices = tuple(float(offer.transfer(np.asarray(theta))) for theta in (0.6, 0.9))
    menu = Menu(quantities=(0.25, 0.5), prices=prices)
    (choose,) = menu.equilibrium(problem)
    types = np.linspace(0, 1, 201)
    got = menu.run(choose(types)[:, None])
    np.testing.assert_allclose(got.allocation[:, 0], offer.quantity(types))
    np.testing.assert_allclose(got.payments[:, 0], offer.transfer(types), atol=1e-13)
    assert benchmark(menu, problem).revenue == pytest.approx(
        benchmark(OptimalScreening(environment=problem), problem).revenue, rel=1e-12
    )


def test_menus_and_environments_that_do_not_fit():
    with pytest.raises(ConfigError, match="quantities: should be above 0 and ascending"):
        Menu(quantities=(0.5, 0.25), prices=(0.1, 0.2))
    with pytest.raises(ConfigError, match="prices: should be 2, one a quantity, got 1"):
        Menu(quantities=(0.25, 0.5), prices=(0.1,))
    with pytest.raises(ConfigError, match="should be screening, got private-values"):
        OptimalScreening(environment=PrivateValues(1, Uniform())).messages(PrivateValues(1, Uniform()))
