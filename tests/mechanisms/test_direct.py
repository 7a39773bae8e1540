"""The revelation principle: direct forms of mechanisms, what they claim, and that both conclusions hold."""

from __future__ import annotations

import numpy as np
import pytest

from auctionlab.checks.revelation import revelation
from auctionlab.environments.priors import Exponential, Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.environments.risk import Crra
from auctionlab.errors import ConfigError, NoEquilibrium
from auctionlab.experiments.config import load_config
from auctionlab.mechanisms.direct import Direct
from auctionlab.mechanisms.optimal import OptimalAuction
from auctionlab.mechanisms.single_item import AllPay, FirstPrice, KthPrice, SecondPrice, WarOfAttrition
from auctionlab.theory.benchmarks import benchmark

TWO = PrivateValues(2, Uniform())
THREE = PrivateValues(3, Uniform())
UNEQUAL = PrivateValues(priors=(Uniform(), Uniform(high=2.0)))
BASE = {"bic", "interim-ir", "no-deficit"}
TRUTH = {"dsic", "ex-post-ic", "bic", "ex-post-ir", "interim-ir", "no-deficit"}


@pytest.mark.parametrize(
    ("mechanism", "environment"),
    [
        (FirstPrice(), TWO),
        (FirstPrice(reserve=0.4, entry_fee=0.05), THREE),
        (FirstPrice(), PrivateValues(2, Uniform(), risk=Crra(rho=0.5))),
        (AllPay(), THREE),
        (WarOfAttrition(), PrivateValues(2, Exponential(mean=1.0))),
        (KthPrice(k=3), THREE),
        (SecondPrice(), UNEQUAL),
        (OptimalAuction(environment=UNEQUAL), UNEQUAL),
    ],
)
def test_truth_is_an_equilibrium_and_outcomes_are_the_same(mechanism, environment):
    found = revelation(mechanism, environment)
    assert found.holds, found.truth.line()
    assert found.difference == 0
    assert found.profiles > 1000


def test_the_direct_first_price_auction_charges_the_equilibrium_bid():
    outcome = Direct(of=FirstPrice(), environment=TWO).run(np.array([[0.8, 0.6], [0.2, 0.4]]))
    assert outcome.payments == pytest.approx(np.array([[0.4, 0.0], [0.0, 0.2]]))  # half the value


def test_who_takes_no_part_and_reports_beyond_the_support():
    direct = Direct(of=FirstPrice(reserve=0.5), environment=TWO)
    out = float("-inf")
    sent = direct.play(np.array([[out, 0.4], [0.5, 1.0], [-0.1, 3.0], [np.nan, np.inf]]))
    top = 0.5 + 0.25 / 2  # b(1) = 1/2 + r²/2 with r = 1/2
    assert sent == pytest.approx(np.array([[out, out], [0.5, top], [out, top], [out, out]]))


@pytest.mark.parametrize(
    ("inside", "environment", "claims"),
    [
        (FirstPrice(), TWO, BASE | {"ex-post-ir", "efficient"}),  # bids below values
        (FirstPrice(reserve=0.5), TWO, BASE | {"ex-post-ir", "revenue-optimal"}),
        (FirstPrice(entry_fee=0.1), TWO, BASE),  # the fee may be lost
        (AllPay(), TWO, BASE | {"efficient"}),  # losers pay
        (KthPrice(k=3), THREE, BASE | {"efficient"}),  # bids are twice the values: the third may exceed the own value
        (SecondPrice(), TWO, TRUTH | {"efficient"}),
        (OptimalAuction(environment=UNEQUAL), UNEQUAL, TRUTH | {"revenue-optimal"}),
    ],
)
def test_claims(inside, environment, claims):
    assert Direct(of=inside, environment=environment).claims(environment) == claims


def test_claims_elsewhere_are_those_that_need_no_equilibrium():
    other = PrivateValues(2, Uniform(high=2.0))
    assert Direct(of=FirstPrice(), environment=TWO).claims(other) == {"no-deficit"}
    with pytest.raises(NoEquilibrium, match="that of another environment"):
        Direct(of=FirstPrice(), environment=TWO).equilibrium(other)
    assert Direct(of=SecondPrice(), environment=TWO).claims(UNEQUAL) == TRUTH
    below = PrivateValues(2, Uniform(low=-1.0, high=1.0))  # types below the known support would report no part
    assert Direct(of=SecondPrice(), environment=TWO).claims(below) == {"no-deficit"}


def test_benchmarks_are_those_of_the_mechanism_inside():
    inside = FirstPrice(reserve=0.3)
    ours, theirs = benchmark(Direct(of=inside, environment=TWO), TWO), benchmark(inside, TWO)
    assert (ours.revenue, ours.surplus) == (theirs.revenue, theirs.surplus)
    assert ours.method.startswith("revelation principle, Krishna (2010), prop. 5.1")
    assert ours.bids[0](np.array([0.1, 0.5])).tolist() == [float("-inf"), 0.5]  # below the reserve, and the truth


GAME = {
    "environment": {"kind": "private-values", "bidders": 2, "prior": {"kind": "uniform"}},
    "mechanism": {"kind": "direct", "of": {"kind": "first-price", "reserve": 0.2}},
}


def test_a_config_nests_the_other_mechanism_and_fills_the_environment():
    config = load_config(GAME, game_only=True)
    assert config.mechanism == Direct(of=FirstPrice(reserve=0.2), environment=TWO)
    assert load_config(config.document, game_only=True).mechanism == config.mechanism
    assert load_config(GAME, ["mechanism.of.reserve=0.4"], game_only=True).mechanism.of.reserve == 0.4


def test_a_mechanism_inside_that_is_made_for_an_environment_gets_it_too():
    nested = {**GAME, "mechanism": {"kind": "direct", "of": {"kind": "optimal-auction"}}}
    assert load_config(nested, game_only=True).mechanism.of == OptimalAuction(environment=TWO)


@pytest.mark.parametrize(
    ("mechanism", "sentence"),
    [
        ({"kind": "direct", "of": {"kind": "kth-price", "k": 2, "entry_fee": 0.1}}, None),
        ({"kind": "direct", "of": {"kind": "frist-price"}}, "Did you mean 'first-price'"),
        ({"kind": "direct"}, "missing key 'of'"),
    ],
)
def test_bad_configs_are_one_sentence(mechanism, sentence):
    if sentence is None:
        load_config({**GAME, "mechanism": mechanism}, game_only=True)
        return
    with pytest.raises(ConfigError, match=sentence):
        load_config({**GAME, "mechanism": mechanism}, game_only=True)


def test_without_an_equilibrium_there_is_no_direct_form():
    with pytest.raises(ConfigError, match=r"of: needs a known equilibrium .* different priors"):
        Direct(of=AllPay(), environment=UNEQUAL)
    with pytest.raises(ConfigError, match="missing key 'environment'"):
        Direct(of=FirstPrice()).run(np.zeros((1, 2)))
    with pytest.raises(ConfigError, match="should have 3 seats, as they play, got 2"):
        Direct(of=FirstPrice(), environment=TWO).messages(THREE)
