"""What a seat would have got from other messages: every rule's own way agrees with running every such auction."""

import numpy as np
import pytest

from auctionlab.arrays import NO_BID
from auctionlab.core import Mechanism, counterfactual, expected_utility, unilateral
from auctionlab.environments.priors import Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.environments.risk import Crra
from auctionlab.mechanisms.single_item import AllPay, FirstPrice, KthPrice, SecondPrice, WarOfAttrition
from auctionlab.registry import kinds
from auctionlab.rng import stream

GRID = np.array([NO_BID, 0.0, 0.1, 0.25, 0.5, 0.75, 1.0])
RULES = [
    FirstPrice(),
    FirstPrice(reserve=0.25, entry_fee=0.1),
    SecondPrice(reserve=0.1),
    KthPrice(k=1),
    KthPrice(k=2),
    KthPrice(k=3),
    KthPrice(k=4, reserve=0.1),
    AllPay(entry_fee=0.05),
    WarOfAttrition(reserve=0.25),
]
EXAMPLES = [
    pytest.param(mechanism, environment, id=f"{kind}-{number}")
    for kind, cls in kinds("mechanisms").items()
    for number, (mechanism, environment) in enumerate(cls.examples())
    if mechanism.messages(environment).shape == ()
]


def profiles(n, batch=80):
    """Messages from a coarse grid, so that ties of two, three and all are there; seats; trials on the same grid."""
    draws = stream(3).random((batch, n + 1))
    messages = GRID[(draws[:, :n] * GRID.size).astype(int)]
    messages[0], messages[1] = NO_BID, 0.5
    return messages, (draws[:, n] * n).astype(int)


@pytest.mark.parametrize("n", [1, 2, 3, 6, 20])
@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_single_item_rules_need_only_the_highest_rivals(rule, n):
    messages, seats = profiles(n)
    for trials in (GRID, np.tile(GRID, (len(seats), 1))):
        short, full = rule.deviations(messages, seats, trials), Mechanism.deviations(rule, messages, seats, trials)
        np.testing.assert_array_equal(short.allocation, full.allocation)
        np.testing.assert_array_equal(short.payments, full.payments)


@pytest.mark.parametrize(("mechanism", "environment"), EXAMPLES)
def test_every_rule_knows_what_other_messages_would_have_brought(mechanism, environment):
    draw = environment.sample(stream(4), 40)
    messages = np.array(draw.signals, float)
    seats = np.arange(40) % environment.n
    trials = np.append(np.quantile(messages, [0.1, 0.5, 0.9]), NO_BID)
    own = mechanism.deviations(messages, seats, trials)
    for b in range(40):
        for k, trial in enumerate(trials):
            changed = messages[b : b + 1].copy()
            changed[0, seats[b]] = trial
            outcome = mechanism.run(changed)
            assert own.payments[b, k] == pytest.approx(outcome.payments[0, seats[b]], rel=1e-12, abs=1e-12)
            assert own.allocation[b, k] == pytest.approx(outcome.allocation[0, seats[b]], rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("risk", [None, Crra(rho=0.5)])
def test_counterfactual_utility_averages_over_ties_after_the_risk_attitude(risk):
    environment = PrivateValues(3, Uniform(), risk=risk)
    messages, seats = profiles(3)
    values = stream(5).random((80, 3))
    found = counterfactual(FirstPrice(), environment, messages, values, seats, GRID)
    for k, trial in enumerate(GRID):
        changed = messages.copy()
        changed[np.arange(80), seats] = trial
        expected = expected_utility(FirstPrice(), environment, changed, values)[np.arange(80), seats]
        np.testing.assert_allclose(found[:, k], expected, rtol=1e-12, atol=1e-15)  # rounding


def test_unilateral_changes_one_message_at_a_time():
    messages = np.arange(12.0).reshape(2, 3, 2)  # two auctions, three seats, messages of two numbers
    trials = -np.ones((2, 4, 2)) * np.arange(1, 5)[None, :, None]
    tried = unilateral(messages, np.array([2, 0]), trials)
    assert tried.shape == (8, 3, 2)
    assert tried[1].tolist() == [[0, 1], [2, 3], [-2, -2]]
    assert tried[7].tolist() == [[-4, -4], [8, 9], [10, 11]]
