"""Logit equilibria of the first-price auction against enumeration, by-hand cases and the equilibrium that bots play."""

import itertools

import numpy as np
import pytest
from scipy.optimize import root
from scipy.special import softmax

from auctionlab.agents.behavioural import _logit_equilibrium
from auctionlab.environments.priors import Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.environments.risk import Crra
from auctionlab.errors import NoEquilibrium
from auctionlab.mechanisms.single_item import FirstPrice
from auctionlab.theory.logit import first_price_logit, logit_log_chances, winning


@pytest.mark.parametrize("n", [2, 3, 4])
def test_chances_of_winning_are_those_of_counting_all_rivals(n):
    shares = np.array([0.4, 0.0, 0.35, 0.25])
    for bid, chance in enumerate(winning(shares, n)):
        counted = 0.0
        for rivals in itertools.product(range(4), repeat=n - 1):
            if max(rivals) <= bid:
                counted += np.prod(shares[list(rivals)]) / (1 + rivals.count(bid))
        assert chance == pytest.approx(counted, abs=1e-14)


def test_without_weight_everybody_bids_evenly():
    win = first_price_logit(Uniform(), 2, np.linspace(0, 1, 5), 0.0, lambda x: x)
    np.testing.assert_allclose(win, (np.arange(5) + 0.5) / 5, atol=1e-12)  # half of the even ties


@pytest.mark.parametrize("rho", [0.0, 0.4])
def test_the_equilibrium_is_the_root_that_a_general_solver_finds(rho):
    """Three bids, three bidders, 100 values: response and chances written out anew, without the closed form."""
    u, grid, weight = Crra(rho=rho).u, np.array([0.0, 0.3, 0.6]), 8.0
    values = (np.arange(100) + 0.5) / 100

    def chances(h):
        return np.array(
            [
                h[0] ** 2 / 3,
                (h[0] ** 2 + h[0] * h[1] + h[1] ** 2 / 3),
                (h[0] + h[1]) ** 2 + (h[0] + h[1]) * h[2] + h[2] ** 2 / 3,
            ]
        )

    def off(h):
        return softmax(weight * chances(h) * u(values[:, None] - grid), axis=1).mean(axis=0) - h

    found = root(off, np.full(3, 1 / 3), tol=1e-12)
    assert found.success
    np.testing.assert_allclose(first_price_logit(Uniform(), 3, grid, weight, u), chances(found.x), atol=1e-9)


@pytest.mark.parametrize("n", [2, 4])
def test_it_is_the_equilibrium_that_quantal_response_plays(n):
    """Bots average over 2,000 sampled rivals, so mean bids agree up to 1 % of the top value, sampling error."""
    grid = np.linspace(0, 1, 21)
    mixes = _logit_equilibrium(PrivateValues(n, Uniform()), FirstPrice(), 21, 10, 40.0)[0]
    values = (np.arange(1000) + 0.5) / 1000
    weight = 40.0 / 2  # precision counts in ranges of utility, from losing the top value to gaining it
    win = first_price_logit(Uniform(), n, grid, weight, lambda x: x)
    ours = np.exp(logit_log_chances(win, values, grid, weight, lambda x: x)).reshape(10, 100, 21).mean(axis=1)
    np.testing.assert_allclose(ours @ grid, mixes @ grid, atol=0.01)
    assert np.abs(ours - mixes).max() < 0.03


def test_a_weight_at_which_bids_go_round_is_refused():
    with pytest.raises(NoEquilibrium, match="do not settle"):
        first_price_logit(Uniform(), 2, np.linspace(0, 1, 21), 1e8, lambda x: x)
