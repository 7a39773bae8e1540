"""Bid functions: their shape, their gradients, and what they learn."""

import math

import numpy as np
import pytest

from auctionlab.agents.bid_functions import EvolutionStrategies, PolicyGradient
from auctionlab.errors import ConfigError
from auctionlab.rng import Source

CLASSES = [PolicyGradient, EvolutionStrategies]


@pytest.mark.parametrize("cls", CLASSES)
def test_functions_start_in_proportion_to_the_value(sit, cls):
    learner = cls(knots=5, begin=0.5)
    learner.start(sit(3))
    values = np.array([0.1, 0.37, 1.0])
    np.testing.assert_allclose(learner.read(learner.heights_, *learner.hats(values)), values / 2, rtol=1e-14)


@pytest.mark.parametrize("cls", CLASSES)
def test_knots_are_equally_likely_values(sit, cls):
    learner = cls(knots=4)
    learner.start(sit(prior={"kind": "exponential", "mean": 1.0}))
    expected = [0.0, -math.log(2 / 3), -math.log(1 / 3), -math.log(0.001)]  # the end of an unbounded prior: 99.9 %
    np.testing.assert_allclose(learner.at, expected, rtol=1e-12)


def test_heights_rise_and_stay_in_range(sit):
    learner = PolicyGradient(knots=6)
    learner.start(sit(200, reserve=0.2))
    wild = Source(1, 200).stream(0, "act").random((200, 6)) * 3 - 1
    tame = learner.legal(wild)
    assert (np.diff(tame, axis=1) >= 0).all()
    assert tame.min() >= 0.2
    assert tame.max() <= 1.0
    np.testing.assert_allclose(learner.legal(tame), tame, rtol=1e-15)


@pytest.mark.parametrize("cls", CLASSES)
def test_steps_follow_the_gradient_of_expected_utility(sit, cls):
    """Utility −(bid − 0.3)² for every value: the mean first step is that of the slope −2 (bid − 0.3) at bid 1/2."""
    lanes, rate = 40_000, 0.001
    settings = {"rate": rate, "power": 0.0, "noise": 0.02, "knots": 2, "begin": 0.5}
    learner = cls(**settings, **({"block": 1} if cls is EvolutionStrategies else {}))
    learner.start(sit(lanes))
    learner.heights_[:] = [0.4999, 0.5001]  # far from the ends, rising
    if cls is PolicyGradient:
        learner.baseline_[:] = -0.04 / 2  # what bid 1/2 earns, in units of the range 2
    rounds, source = (1 if cls is PolicyGradient else 2), Source(2, lanes)
    before = learner.heights_.mean(axis=1)
    for number in range(rounds):
        bids = learner.act(np.full(lanes, 0.5), source.stream(number, "act"))
        learner.learn(_told(bids, -((bids - 0.3) ** 2)))
    moved = learner.heights_.mean(axis=1) - before
    slope = -2 * 0.2 / 2  # in units of the range
    share = 0.5  # of a step at the middle, each knot gets half
    error = 5 * moved.std() / math.sqrt(lanes)
    assert moved.mean() == pytest.approx(rate * slope * share, abs=error)  # 5 standard errors
    assert error < 0.1 * abs(rate * slope * share)


def _told(bids, utility):
    from auctionlab.core import Feedback

    return Feedback(bids, bids, utility, bids, bids)


@pytest.mark.parametrize(("cls", "within"), [(PolicyGradient, 0.05), (EvolutionStrategies, 0.12)])
def test_functions_learn_the_best_reply_to_a_fixed_rival(sit, play, against_half, cls, within):
    """Against a rival who bids half of a uniform value, half the own value is the best reply."""
    lanes, rounds = 60, 5000
    learner = cls(knots=6)
    learner.start(sit(lanes, rounds))
    play(learner, Source(3, lanes), range(rounds), against_half["world"])
    mean = learner.heights_.mean(axis=0)
    assert np.abs(mean - learner.at / 2)[2:].max() < within  # low values have little to learn from; they began at v


def test_bid_functions_refuse_vectors_and_empty_ranges(sit, monkeypatch):
    from auctionlab.core import Box

    seat = sit()
    monkeypatch.setattr(type(seat.environment), "signal", Box(0.0, 1.0, (3,)))
    with pytest.raises(ConfigError, match="policy-gradient: needs scalar signals and messages"):
        PolicyGradient().start(seat)
