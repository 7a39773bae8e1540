"""Q-learning against a scalar reference."""

from itertools import pairwise

import numpy as np
import pytest

from auctionlab.agents.bandits import EpsilonGreedy
from auctionlab.agents.qlearning import QLearning
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
