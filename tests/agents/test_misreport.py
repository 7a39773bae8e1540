"""Users who misreport to their own agent: it plays and learns as if the report were the value, payoffs stay true."""

import numpy as np
import pytest

from auctionlab.agents.misreport import Misreport
from auctionlab.environments.data_priors import Discrete
from auctionlab.environments.private import PrivateValues
from auctionlab.environments.risk import Crra
from auctionlab.errors import ConfigError
from auctionlab.experiments.config import load_config
from auctionlab.experiments.parties import parties_of
from auctionlab.mechanisms.single_item import FirstPrice, SecondPrice
from auctionlab.platform.market import Market
from auctionlab.platform.matching import Block
from auctionlab.registry import build, describe


def learner(kind, rate):
    return build("agents", {"kind": kind, "bids": 11, "cells": 1, "highest": 1.0} | rate)


def courses(strategy, value, mechanism, risk=None):
    """Bids and utilities of seat 0, (rounds, R), against a learner whose value is 0.6."""
    environment = PrivateValues(priors=(Discrete((value,)), Discrete((0.6,))), risk=risk)
    rival = Block(learner("hedge", {"rate": 1.0}), seats=(1,))
    market = Market(
        environment, mechanism, [Block(strategy, seats=(0,)), rival], rounds=60, replications=8, disclose="price"
    )
    rounds = [market.play() for _ in range(60)]
    own = [np.stack([getattr(one, name)[:, 0, 0] for one in rounds]) for name in ("messages", "utility", "allocation")]
    market.close()
    return own


@pytest.mark.parametrize("mechanism", [FirstPrice(), SecondPrice()])
def test_its_learner_plays_as_one_whose_value_is_the_report(mechanism):
    # Hedge counts utility in units of its range, which is laid for the true value: half of it, so half the rate
    told, earned, won = courses(Misreport(learner("hedge", {"rate": 1.0}), factor=2.0), 1.0, mechanism)
    meant, other, _ = courses(learner("hedge", {"rate": 2.0}), 2.0, mechanism)
    np.testing.assert_array_equal(told, meant)
    np.testing.assert_allclose(other - earned, won, atol=1e-12)  # the user's own value is one less, where it wins


@pytest.mark.parametrize("kind", ["epsilon-greedy", "q-learning"])
def test_a_learner_from_own_results_is_told_what_the_report_would_have_earned(kind):
    told, earned, won = courses(Misreport(learner(kind, {}), factor=2.0), 1.0, FirstPrice())
    meant, other, _ = courses(learner(kind, {}), 2.0, FirstPrice())
    np.testing.assert_array_equal(told, meant)
    np.testing.assert_allclose(other - earned, won, atol=1e-12)


def test_the_risk_attitude_applies_to_the_reported_payoff():
    risk = Crra(0.5)
    told, earned, _ = courses(Misreport(learner("hedge", {"rate": 1.0}), factor=2.0), 1.0, FirstPrice(), risk=risk)
    unit = (2**0.5 + 2**0.5) / (1 + 1)  # ranges of √x on [-2, 2] and on [-1, 1]
    meant, other, _ = courses(learner("hedge", {"rate": unit}), 2.0, FirstPrice(), risk=risk)
    np.testing.assert_array_equal(told, meant)
    assert (other > earned).any()


def test_the_honest_report_changes_nothing():
    told, earned, _ = courses(Misreport(learner("hedge", {"rate": 1.0})), 1.0, FirstPrice())
    plain, other, _ = courses(learner("hedge", {"rate": 1.0}), 1.0, FirstPrice())
    np.testing.assert_array_equal(told, plain)
    np.testing.assert_array_equal(earned, other)


def test_a_truthful_agent_bids_the_report(sit):
    strategy = Misreport(factor=0.5)
    strategy.start(sit(3))
    np.testing.assert_array_equal(strategy.act(np.array([0.2, 0.4, 1.0]), None), [0.1, 0.2, 0.5])


def test_it_is_written_as_a_strategy_in_a_strategy():
    table = {"kind": "misreport", "factor": 1.5, "strategy": {"kind": "hedge", "bids": 6, "cells": 2, "highest": 0.5}}
    config = load_config(
        {
            "rounds": 5,
            "environment": {"kind": "private-values", "bidders": 2, "prior": "uniform"},
            "mechanism": "first-price",
            "market": {"disclose": "price"},
            "agents": [{"strategy": table}],
        }
    )
    assert describe(build("agents", table))["strategy"]["kind"] == "hedge"
    (party,) = parties_of(config)
    assert (party.step, party.cells) == (pytest.approx(0.1), 2)
    with pytest.raises(ConfigError, match="misreport learns from 'payoff'"):
        load_config({**config.document, "market": {"disclose": "own"}})
    with pytest.raises(ConfigError, match="strategy: unknown agent 'hegde'"):
        build("agents", {"kind": "misreport", "strategy": {"kind": "hegde"}})
