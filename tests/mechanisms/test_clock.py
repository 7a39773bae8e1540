"""Clocks settle by their sealed rule, and only by rules that a clock can settle."""

from __future__ import annotations

import numpy as np
import pytest

from auctionlab.environments.priors import Exponential, Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.errors import ConfigError, NoEquilibrium
from auctionlab.mechanisms.clock import Ascending, Descending
from auctionlab.mechanisms.single_item import FirstPrice, KthPrice, SecondPrice, WarOfAttrition
from auctionlab.registry import build, describe
from auctionlab.rng import stream

DUEL = PrivateValues(bidders=2, prior=Uniform())
CLOCKS = [
    Ascending(),
    Ascending(SecondPrice(reserve=0.2, entry_fee=0.05)),
    Ascending(KthPrice(k=2)),
    Ascending(WarOfAttrition()),
    Descending(),
    Descending(FirstPrice(reserve=0.3)),
]


@pytest.mark.parametrize("clock", CLOCKS)
def test_a_clock_settles_prices_by_its_sealed_rule(clock):
    prices = np.array([[0.4, 0.6, -np.inf], [0.5, 0.5, 0.1], [0.1, 0.0, 0.9]])
    for random in (None, 4):
        one = clock.run(prices, random and stream(random))
        two = clock.sealed.run(prices, random and stream(random))
        np.testing.assert_array_equal(one.payments, two.payments)
        np.testing.assert_array_equal(one.allocation, two.allocation)
    np.testing.assert_array_equal(clock.price(prices), clock.sealed.price(prices))
    assert clock.messages(DUEL) == clock.sealed.messages(DUEL)
    assert (clock.reserve, clock.entry_fee) == (clock.sealed.reserve, clock.sealed.entry_fee)
    assert clock.sufficient_price == clock.sealed.sufficient_price
    assert clock.claims(DUEL) == clock.sealed.claims(DUEL)
    values = np.linspace(0, 0.95, 7)
    np.testing.assert_array_equal(clock.equilibrium(DUEL)[0](values), clock.sealed.equilibrium(DUEL)[0](values))


def test_clocks_run_up_and_down():
    assert (Ascending.clock, Descending.clock, FirstPrice.clock) == ("up", "down", "")


def test_a_war_of_attrition_among_three_has_no_sealed_equilibrium_on_a_clock():
    three = PrivateValues(bidders=3, prior=Exponential(mean=1.0))
    assert WarOfAttrition().equilibrium(three)  # sealed, it has one
    with pytest.raises(NoEquilibrium, match="exits reveal values"):
        Ascending(WarOfAttrition()).equilibrium(three)
    assert Ascending(WarOfAttrition()).claims(three) == {"no-deficit"}


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        (
            {"kind": "ascending", "sealed": {"kind": "first-price"}},
            "second-price, kth-price with k = 2 or war-of-attrit",
        ),
        ({"kind": "ascending", "sealed": {"kind": "all-pay"}}, "got 'all-pay'"),
        ({"kind": "ascending", "sealed": {"kind": "kth-price", "k": 3}}, "once two remain neither would leave"),
        ({"kind": "ascending", "sealed": {"kind": "kth-price", "k": 1}}, "own exit is never seen"),
        ({"kind": "ascending", "sealed": {"kind": "ascending"}}, "got 'ascending'"),
        ({"kind": "descending", "sealed": {"kind": "second-price"}}, "got 'second-price'"),
        ({"kind": "descending", "sealed": {"kind": "kth-price", "k": 2}}, "needs k = 1, got k = 2"),
        ({"kind": "descending", "sealed": {"kind": "first-price", "reserve": -1.0}}, "reserve: should be greater"),
    ],
)
def test_rules_that_a_clock_cannot_settle_are_refused(config, complaint):
    with pytest.raises(ConfigError, match=complaint):
        build("mechanisms", config)


@pytest.mark.parametrize("clock", CLOCKS)
def test_a_clock_comes_back_from_its_config(clock):
    assert build("mechanisms", describe(clock)) == clock
