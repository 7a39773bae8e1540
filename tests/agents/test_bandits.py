"""Bandit learners against scalar references and worlds whose best bid is known."""

import math

import numpy as np
import pytest

from auctionlab.agents.bandits import EpsilonGreedy, Exp3
from auctionlab.core import Feedback
from auctionlab.errors import ConfigError
from auctionlab.registry import build
from auctionlab.rng import Source


def feedback(signals, utility):
    nothing = np.zeros_like(signals)
    return Feedback(signals, nothing, np.asarray(utility, float), nothing, nothing)


def peaked(values, bids, uniforms):
    """Earns 1 with probability 0.8 − |bid − 0.3|: the best bid is 0.3 whatever the value."""
    return (uniforms < 0.8 - np.abs(bids - 0.3)).astype(float)


def test_epsilon_greedy_finds_the_best_bid_of_a_stationary_world(sit, play):
    lanes = 100
    learner = EpsilonGreedy(bids=11, cells=1, epsilon=0.2)
    learner.start(sit(lanes))
    history = play(learner, Source(1, lanes), range(4000), peaked)
    late = np.array([past["messages"] for past in history[-500:]])
    # 0.2 / 11 + 0.8 of the rounds at best; the neighbours earn 0.1 less, 8 standard errors after 500 tries each
    assert np.mean(np.isclose(late, 0.3)) > 0.7


def test_exp3_earns_nearly_as_much_as_the_best_bid(sit, play):
    lanes, rounds = 100, 4000
    learner = Exp3(bids=11, cells=1)
    learner.start(sit(lanes, rounds))
    earned = np.mean([past["utility"] for past in play(learner, Source(2, lanes), range(rounds), peaked)])
    regret_bound = 2.63 * math.sqrt(rounds * 11 * math.log(11)) / rounds  # Auer et al. (2002), cor. 3.2, scaled utility
    assert 0.8 - 2 * regret_bound < earned < 0.8  # utility's range [-1, 1] is twice the scaled one's
    assert earned > 0.6  # an even draw earns 0.488


def test_ties_are_broken_evenly(sit):
    lanes = 42_000
    learner = EpsilonGreedy(bids=21, cells=1, epsilon=0.0)
    learner.start(sit(lanes))
    learner.act(np.full(lanes, 0.5), Source(3, lanes).stream(0, "act"))
    counts = np.bincount(learner.choice, minlength=21)
    assert np.abs(counts - 2000).max() < 5 * math.sqrt(2000)  # 5 standard errors


def test_only_the_tied_best_are_drawn(sit):
    lanes = 2000
    learner = EpsilonGreedy(bids=5, cells=2, epsilon=0.0)
    learner.start(sit(lanes))
    learner.estimates_[:, 0] = [0.0, 0.3, 0.1, 0.3, -1.0]
    learner.estimates_[:, 1] = [0.0, 0.3, 0.1, 0.2, 0.4]
    learner.act(np.where(np.arange(lanes) % 2 == 0, 0.2, 0.7), Source(4, lanes).stream(0, "act"))
    assert set(learner.choice[::2]) == {1, 3}
    assert set(learner.choice[1::2]) == {4}


def test_epsilon_is_the_share_of_even_draws(sit):
    lanes = 50_000
    learner = EpsilonGreedy(bids=5, cells=1, epsilon=0.25)
    learner.start(sit(lanes))
    learner.estimates_[:, :, 2] = 1.0
    learner.act(np.full(lanes, 0.5), Source(5, lanes).stream(0, "act"))
    shares = np.bincount(learner.choice, minlength=5) / lanes
    expected = np.array([0.05, 0.05, 0.80, 0.05, 0.05])
    assert np.abs(shares - expected).max() < 5 * math.sqrt(0.16 / lanes)  # 5 standard errors


def test_epsilon_decays_with_the_rounds(sit):
    lanes = 50_000
    learner = EpsilonGreedy(bids=2, cells=1, epsilon=1.0, decay=0.1)
    learner.start(sit(lanes))
    learner.estimates_[:, :, 1] = 1.0
    learner.round_ += 10
    learner.act(np.full(lanes, 0.5), Source(6, lanes).stream(0, "act"))
    assert np.mean(learner.choice == 0) == pytest.approx(math.exp(-1) / 2, abs=5 * 0.5 / math.sqrt(lanes))


@pytest.mark.parametrize("step", [None, 0.3])
def test_estimates_are_means_of_what_each_bid_earned(sit, play, against_half, step):
    lanes = 3
    learner = EpsilonGreedy(bids=4, cells=2, epsilon=0.5, step=step, initial=0.125)
    learner.start(sit(lanes))
    history = play(learner, Source(7, lanes), range(80), against_half["world"])
    for lane in range(lanes):
        for cell in range(2):
            for k, bid in enumerate(learner.grid):
                estimate, tries = 0.125, 0
                for past in history:
                    if int(past["signals"][lane] >= 0.5) == cell and past["messages"][lane] == bid:
                        tries += 1
                        estimate += (1 / tries if step is None else step) * (past["utility"][lane] - estimate)
                assert learner.estimates_[lane, cell, k] == pytest.approx(estimate, rel=1e-12)  # rounding


def test_exp3_follows_the_published_algorithm_step_by_step(sit, play, against_half):
    lanes, count, cells, exploration = 3, 5, 2, 0.3
    learner = Exp3(bids=count, cells=cells, exploration=exploration)
    learner.start(sit(lanes))
    weights = [[[1.0] * count for _ in range(cells)] for _ in range(lanes)]  # Auer et al. (2002), fig. 1
    source = Source(8, lanes)
    for number in range(300):
        history = play(learner, source, range(number, number + 1), against_half["world"])[0]
        for lane in range(lanes):
            row = weights[lane][int(history["signals"][lane] >= 0.5)]
            arm = round(history["messages"][lane] * (count - 1))
            chance = (1 - exploration) * row[arm] / sum(row) + exploration / count
            assert learner.chance[lane] == pytest.approx(chance, rel=1e-10)  # rounding
            gain = (history["utility"][lane] + 1) / 2  # utility lies in [-1, 1]
            row[arm] *= math.exp(exploration * gain / chance / count)
    shares = learner.weights_ / learner.weights_.sum(axis=2, keepdims=True)
    reference = np.array(weights) / np.sum(weights, axis=2, keepdims=True)
    np.testing.assert_allclose(shares, reference, rtol=1e-9)  # rounding over 300 rounds


def test_exp3_draws_with_the_chances_it_states(sit):
    lanes = 60_000
    learner = Exp3(bids=4, cells=1, exploration=0.2)
    learner.start(sit(lanes))
    learner.weights_[:] = [1.0, 2.0, 0.0, 5.0]
    learner.act(np.full(lanes, 0.5), Source(9, lanes).stream(0, "act"))
    expected = 0.8 * np.array([1, 2, 0, 5]) / 8 + 0.05
    shares = np.bincount(learner.choice, minlength=4) / lanes
    assert np.abs(shares - expected).max() < 5 * 0.5 / math.sqrt(lanes)  # 5 standard errors
    np.testing.assert_allclose(learner.chance, expected[learner.choice], rtol=1e-14)


def test_exp3_default_exploration_comes_from_the_horizon(sit):
    learner = Exp3(bids=21, cells=20)
    learner.start(sit(rounds=20_000))
    # sqrt(K ln K / ((e − 1) T)) with K = 21 and T = 1000 rounds a cell: Auer et al. (2002), cor. 3.1
    assert learner.mixture == pytest.approx(0.1928955, abs=1e-6)
    assert learner.growth == pytest.approx(learner.mixture / 21)


def test_exp3_survives_huge_utility_and_long_runs(sit):
    lanes = 2
    learner = Exp3(bids=3, cells=1, exploration=0.5, rate=30.0)  # one round multiplies a weight by up to exp(180)
    learner.start(sit(lanes))
    source, values = Source(10, lanes), np.full(lanes, 0.5)
    for number in range(2000):
        learner.act(values, source.stream(number, "act"))
        learner.learn(feedback(values, np.where(learner.choice == 1, 1e300, -1e300)))
    assert np.isfinite(learner.weights_).all()
    assert (learner.weights_ > 0).all()
    assert (learner.weights_.argmax(axis=2) == 1).all()
    for number in range(2000, 2200):  # the world turns: the lightest bid comes back
        learner.act(values, source.stream(number, "act"))
        learner.learn(feedback(values, np.where(learner.choice == 2, 1e300, -1e300)))
    assert (learner.weights_.argmax(axis=2) == 2).all()


def test_exp3_refuses_a_rate_that_overflows(sit):
    learner = Exp3(bids=21, cells=1, exploration=0.1, rate=5.0)
    with pytest.raises(ConfigError, match=r"exp3: rate: .*exp\(1050\), at most exp\(200\)"):
        learner.start(sit())


@pytest.mark.parametrize(
    "table",
    [
        {"kind": "epsilon-greedy", "epsilon": 1.5},
        {"kind": "epsilon-greedy", "bids": 1},
        {"kind": "epsilon-greedy", "step": 0.0},
        {"kind": "epsilon-greedy", "decay": -1.0},
        {"kind": "exp3", "cells": 0},
        {"kind": "exp3", "exploration": 0.0},
        {"kind": "exp3", "rate": -0.1},
        {"kind": "q-learning", "discount": 1.0},
        {"kind": "hedge", "rate": 0.0},
    ],
)
def test_parameters_out_of_range_are_refused_by_name(table):
    with pytest.raises(ConfigError, match=list(table)[1]):
        build("agents", table)
