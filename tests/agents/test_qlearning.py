"""Q-learning against a scalar reference."""

from itertools import pairwise

import numpy as np
import pytest

from auctionlab.agents.bandits import EpsilonGreedy
from auctionlab.agents.qlearning import QLearning
from auctionlab.core import Feedback
from auctionlab.errors import ContractError
from auctionlab.rng import Source


@pytest.mark.parametrize("discount", [0.0, 0.9])
def test_q_learning_follows_the_published_update(sit, play, against_half, discount):
    lanes, cells, rate = 3, 3, 0.2
    learner = QLearning(bids=4, cells=cells, rate=rate, discount=discount, epsilon=0.4, initial=0.05)
    learner.start(sit(lanes))
    history = play(learner, Source(1, lanes), range(200), against_half["world"])
    for lane in range(lanes):
        table = [[0.05] * 4 for _ in range(cells)]
        steps = [
            (int(past["signals"][lane] * cells), round(past["messages"][lane] * 3), past["utility"][lane])
            for past in history
        ]
        for (cell, arm, utility), (following, _, _) in pairwise(steps):
            target = utility + discount * max(table[following])
            table[cell][arm] += rate * (target - table[cell][arm])  # Watkins and Dayan (1992), eq. 1
        if discount == 0:  # nothing to wait for
            cell, arm, utility = steps[-1]
            table[cell][arm] += rate * (utility - table[cell][arm])
        np.testing.assert_allclose(learner.estimates_[lane], table, rtol=1e-12)  # rounding


def test_q_learning_without_discount_is_a_greedy_bandit_with_a_step(sit, play, against_half):
    lanes = 5
    patient, greedy = QLearning(bids=5, cells=2, rate=0.3), EpsilonGreedy(bids=5, cells=2, step=0.3)
    for learner in (patient, greedy):
        learner.start(sit(lanes))
        play(learner, Source(2, lanes), range(100), against_half["world"])
    np.testing.assert_array_equal(patient.estimates_, greedy.estimates_)


def test_high_initial_estimates_make_it_try_every_bid_first(sit, play, against_half):
    lanes = 4
    learner = QLearning(bids=9, cells=1, epsilon=0.0, initial=10.0)
    learner.start(sit(lanes))
    history = play(learner, Source(3, lanes), range(9), against_half["world"])
    tried = np.sort([past["messages"] for past in history], axis=0)
    np.testing.assert_array_equal(tried, np.broadcast_to(learner.grid[:, None], (9, lanes)))


@pytest.mark.parametrize("memory", ["bid", "price"])
def test_the_state_remembers_the_last_bid_or_price(sit, memory):
    lanes, cells, levels, rate, discount = 4, 2, 3, 0.5, 0.6
    learner = QLearning(
        bids=4, cells=cells, rate=rate, discount=discount, memory=memory, levels=levels, epsilon=0.5, initial=0.2
    )
    learner.start(sit(lanes))
    source = Source(4, lanes)
    tables = np.full((lanes, cells, levels, 4), 0.2)
    level = np.zeros(lanes, int)
    last = None
    for number in range(200):
        deal = source.stream(number, "deal").random((lanes, 2))
        values, prices = deal[:, 0].copy(), deal[:, 1] * 1.2
        bids = learner.act(values, source.stream(number, "act"))
        state = (values * cells).astype(int), level.copy()
        if last is not None:
            for lane, (cell, before, arm, won) in enumerate(last):
                ahead = tables[lane, state[0][lane], state[1][lane]].max()
                target = won + discount * ahead
                tables[lane, cell, before, arm] += rate * (target - tables[lane, cell, before, arm])
        utility = np.where(bids > prices, values - bids, 0.0)
        nothing = np.zeros(lanes)
        learner.learn(Feedback(values, bids, utility, nothing, nothing, price=prices if memory == "price" else None))
        last = [(state[0][lane], state[1][lane], round(bids[lane] * 3), utility[lane]) for lane in range(lanes)]
        known = prices if memory == "price" else bids
        level = np.minimum((np.clip(known, 0, 1) * levels).astype(int), levels - 1)
        np.testing.assert_allclose(learner.estimates_.reshape(tables.shape), tables, rtol=1e-12)  # rounding
    assert (tables != 0.2).any(axis=(0, 3)).all()  # every state was met


def test_a_synchronous_learner_corrects_every_bid(sit, play, against_half):
    lanes, bids, rate = 3, 5, 0.3
    learner = QLearning(bids=bids, cells=1, rate=rate, synchronous=True, epsilon=0.1, initial=0.4)
    learner.start(sit(lanes))
    history = play(learner, Source(5, lanes), range(50), **against_half)
    for lane in range(lanes):
        table = np.full(bids, 0.4)
        for past in history:
            value, rival = past["signals"][lane], past["rivals"][lane] / 2
            table += rate * (np.array([(value - k / 4) * (k / 4 > rival) for k in range(bids)]) - table)
        np.testing.assert_allclose(learner.estimates_[lane, 0], table, rtol=1e-12, atol=1e-15)


def test_what_is_not_disclosed_is_missed(sit):
    one = np.zeros(1)
    for setting, missing in (({"memory": "price"}, "memory of the price"), ({"synchronous": True}, "payoff")):
        learner = QLearning(**setting)
        learner.start(sit())
        learner.act(one, Source(6).stream(0, "act"))
        with pytest.raises(ContractError, match=missing):
            learner.learn(Feedback(one, one, one, one, one))
