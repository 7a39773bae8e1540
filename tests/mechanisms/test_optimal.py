"""The optimal auction as a mechanism: worked tables, ties on flat parts, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from auctionlab import rng
from auctionlab.checks.incentives import dominant_gain
from auctionlab.environments.priors import Discrete, Empirical, Scipy, Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.environments.screening import Screening
from auctionlab.errors import ConfigError
from auctionlab.mechanisms.optimal import OptimalAuction
from auctionlab.registry import build, describe

NATH = PrivateValues(priors=(Uniform(high=12.0), Uniform(high=18.0)))
BUMPY = PrivateValues(3, Empirical(data=(1.0, 2.0, 5.0)))


def test_nath_example_1():
    # week 12, example 1: T₁ = [0, 12], T₂ = [0, 18], uniform; ψ = 2x − 12, 2y − 18
    values = np.array([[4.0, 8.0], [2.0, 12.0], [6.0, 6.0], [9.0, 9.0], [8.0, 15.0]])
    outcome = OptimalAuction(environment=NATH).run(values)
    np.testing.assert_array_equal(outcome.allocation, [[0, 0], [0, 1], [1, 0], [1, 0], [0, 1]])
    np.testing.assert_array_equal(outcome.payments, [[0, 0], [0, 9], [6, 0], [6, 0], [0, 11]])


def test_the_disadvantaged_buyer_is_favoured():
    # Krishna (2010), section 5.2.3: at equal values the buyer with the higher hazard rate wins
    outcome = OptimalAuction(environment=NATH).run(np.array([[11.0, 11.0], [11.0, 13.9], [11.0, 14.1]]))
    np.testing.assert_array_equal(outcome.allocation, [[1, 0], [1, 0], [0, 1]])


def test_ties_on_a_flat_part_share_and_pay_where_it_begins():
    auction = OptimalAuction(environment=BUMPY)
    low = (5 - 3**0.5) / 2  # derived in tests/reference/test_ironing.py
    outcome = auction.run(np.array([[1.7, 2.0, 2.5], [1.7, 2.0, 1.2], [2.2, 1.6, 1.2]]))
    np.testing.assert_allclose(outcome.allocation, [[1 / 3] * 3, [1 / 2, 1 / 2, 0], [1, 0, 0]])
    np.testing.assert_allclose(outcome.payments[:2], [[low / 3] * 3, [low / 2, low / 2, 0]], rtol=1e-13)
    np.testing.assert_array_equal(outcome.payments[2], [1.6, 0, 0])  # below the flat, ψ̄ rises: the rival's report


def test_a_winner_above_a_tie_pays_the_envelope():
    # two rivals tied on the flat [a, b]: (a + 2b)/3; drawn, a in one of three orders and b in the others
    auction = OptimalAuction(environment=BUMPY)
    low = (5 - 3**0.5) / 2
    outcome = auction.run(np.array([[4.0, 2.0, 2.4]]))
    assert outcome.payments[0, 0] == pytest.approx((low + 2 * (low + 1)) / 3, rel=1e-13)
    drawn = auction.run(np.tile([4.0, 2.0, 2.4], (30_000, 1)), rng.stream(3)).payments[:, 0]
    assert set(np.round(drawn, 12)) == {round(low, 12), round(low + 1, 12)}
    share = np.mean(drawn < low + 0.5)
    assert abs(share - 1 / 3) < 5 * (2 / 9 / 30_000) ** 0.5  # sampling error


def test_discrete_ties_pay_the_value_below_which_they_lose():
    # values 1, 3 against 1, 3: ψ = −1, 3; both at 3 tie, each pays 3 when drawn; alone it pays 3 too, as ψ(1) < 0
    two = PrivateValues(2, Discrete(values=(1.0, 3.0)))
    outcome = OptimalAuction(environment=two).run(np.array([[3.0, 3.0], [3.0, 1.0], [1.0, 1.0]]))
    np.testing.assert_allclose(outcome.allocation, [[0.5, 0.5], [1, 0], [0, 0]])
    np.testing.assert_allclose(outcome.payments, [[1.5, 1.5], [3, 0], [0, 0]])
    # with P(3) = 1/4, ψ(1) = 1 − 2 · 1/3 = 1/3 > 0: alone at 3 against a 1 it pays (1 + 3)/2
    rare = PrivateValues(2, Discrete(values=(1.0, 3.0), weights=(3.0, 1.0)))
    outcome = OptimalAuction(environment=rare).run(np.array([[3.0, 1.0], [1.0, 1.0]]))
    np.testing.assert_allclose(outcome.payments, [[2, 0], [0.5, 0.5]])


def test_truth_is_dominant_on_flat_parts_and_without_ironing_it_is_not():
    assert dominant_gain(OptimalAuction(environment=BUMPY), BUMPY).holds

    class Unironed(OptimalAuction):
        """The highest virtual value wins, ironed or not, and pays the least report that wins."""

        def run(self, messages, rng=None):
            from auctionlab.core import Outcome
            from auctionlab.theory.virtual import virtual_values

            prior = Empirical(data=(1.0, 2.0, 5.0))
            psi = np.where((messages >= 1) & (messages <= 5), virtual_values(prior, messages), -np.inf)
            best = psi.max(axis=1, keepdims=True)
            won = (psi == best) & (best >= 0)
            rivals = np.where(psi == best, np.sort(psi, axis=1)[:, -2:-1], best)
            grid = np.linspace(1, 5, 4001)
            at = virtual_values(prior, grid)
            price = grid[np.argmax(at >= np.maximum(rivals, 0)[..., None], axis=2)]
            return Outcome(
                won / won.sum(axis=1, keepdims=True).clip(1), won * price / won.sum(axis=1, keepdims=True).clip(1)
            )

    found = dominant_gain(Unironed(environment=BUMPY), BUMPY)
    assert not found.holds
    assert found.worst > 0.1


def test_seller_value_raises_every_reserve():
    auction = OptimalAuction(environment=NATH, seller_value=4.0)
    assert auction.design.reserves == (8.0, 11.0)  # 2x − 12 = 4, 2y − 18 = 4


def test_a_wrong_prior_keeps_truth_dominant_but_costs_revenue():
    wrong = OptimalAuction(environment=PrivateValues(2, Uniform(high=2.0)))
    actual = PrivateValues(2, Uniform())
    assert "dsic" in wrong.claims(actual)
    assert "revenue-optimal" not in wrong.claims(actual)
    assert dominant_gain(wrong, actual).holds


def test_price_is_the_least_report_that_wins():
    auction = OptimalAuction(environment=NATH)
    np.testing.assert_allclose(auction.price(np.array([[8.0, 15.0], [2.0, 3.0]])), [[12.0, 11.0], [6.0, 9.0]])
    assert OptimalAuction(environment=BUMPY).price(np.ones((2, 3))) is None


def test_config_round_trip():
    auction = OptimalAuction(environment=NATH, seller_value=1.5)
    assert build("mechanisms", describe(auction)) == auction


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        (Screening(prior=Uniform()), "environment: should have independent private values of one item"),
        (PrivateValues(2, Scipy(name="pareto", parameters={"b": 0.5})), "expected value should be finite"),
    ],
)
def test_what_it_refuses(environment, message):
    with pytest.raises(ConfigError, match=message):
        OptimalAuction(environment=environment)


def test_without_an_environment_it_says_so():
    with pytest.raises(ConfigError, match="missing key 'environment'"):
        OptimalAuction().run(np.ones((1, 2)))
