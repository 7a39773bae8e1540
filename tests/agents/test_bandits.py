"""Bandit learners against scalar references and worlds whose best bid is known."""

import math
from statistics import NormalDist

import numpy as np
import pytest

from auctionlab.agents.bandits import EpsilonGreedy, Exp3, Exp3P, ThompsonSampling, Ucb1
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


def test_exp3p_adds_its_bonus_to_every_bid(sit, play, against_half):
    lanes, count, cells = 3, 4, 2
    learner = Exp3P(bids=count, cells=cells, exploration=0.3, rate=0.05, bonus=0.1)
    learner.start(sit(lanes))
    history = play(learner, Source(11, lanes), range(150), against_half["world"])
    for lane in range(lanes):
        totals = np.zeros((cells, count))
        for past in history:
            cell, arm = int(past["signals"][lane] >= 0.5), round(past["messages"][lane] * (count - 1))
            weights = np.exp(0.05 * totals[cell])
            chances = 0.7 * weights / weights.sum() + 0.3 / count
            gains = (np.arange(count) == arm) * (past["utility"][lane] + 1) / 2  # utility lies in [-1, 1]
            totals[cell] += (gains + 0.1) / chances  # Bubeck and Cesa-Bianchi (2012), fig. 3.2
        np.testing.assert_allclose(learner.totals_[lane], totals, rtol=1e-10)


def test_exp3p_earns_nearly_as_much_as_the_best_bid_in_nearly_every_lane(sit, play):
    lanes, rounds = 60, 4000
    learner = Exp3P(bids=5, cells=1, risk=0.1)
    learner.start(sit(lanes, rounds))
    history = play(learner, Source(12, lanes), range(rounds), peaked)
    earned = np.sum([past["utility"] for past in history], axis=0)
    chance = 0.8 - np.abs(learner.grid - 0.3).min()
    bound = 2 * 5.15 * math.sqrt(rounds * 5 * math.log(5 / 0.1))  # theorem 3.3, range 2; holds with probability 0.9
    assert np.mean(chance * rounds - earned < bound) > 0.9
    assert earned.mean() / rounds > np.mean(0.8 - np.abs(learner.grid - 0.3)) + 0.1  # an even draw's


def test_ucb1_tries_every_bid_once_and_then_the_highest_bound(sit, play):
    lanes, count = 4, 5
    learner = Ucb1(bids=count, cells=1)
    learner.start(sit(lanes))
    history = play(learner, Source(13, lanes), range(300), peaked)
    for lane in range(lanes):
        arms = [round(past["messages"][lane] * (count - 1)) for past in history]
        gains = [(past["utility"][lane] + 1) / 2 for past in history]
        assert sorted(arms[:count]) == list(range(count))
        tries, sums = np.zeros(count), np.zeros(count)
        for number, (arm, gain) in enumerate(zip(arms, gains, strict=True)):
            if number >= count:
                index = sums / tries + np.sqrt(2 * math.log(number) / tries)
                assert index[arm] == pytest.approx(index.max(), rel=1e-12)
            tries[arm] += 1
            sums[arm] += gain


def test_ucb1_regret_grows_with_the_logarithm_of_the_rounds(sit, play):
    lanes, rounds = 100, 4000
    learner = Ucb1(bids=3, cells=1)
    learner.start(sit(lanes, rounds))
    history = play(learner, Source(14, lanes), range(rounds), lambda v, b, u: np.where(u < 0.9 - b * 0.8, 1.0, -1.0))
    gaps = np.array([0.0, 0.4, 0.8])  # on [0, 1]: chances 0.9, 0.5, 0.1
    regret = np.mean([gaps[np.rint(past["messages"] * 2).astype(int)] for past in history], axis=1)
    bound = sum(8 * math.log(rounds) / gap for gap in gaps[1:]) + (1 + math.pi**2 / 3) * gaps.sum()  # theorem 1
    assert regret.sum() < bound
    assert regret[rounds // 2 :].sum() < 0.25 * regret.sum()


def test_thompson_sampling_draws_from_its_normal_posterior(sit):
    """Two bids: the second wins with probability Φ(difference of means / root of the sum of variances)."""
    lanes = 60_000
    learner = ThompsonSampling(bids=2, cells=1, spread=0.5)
    learner.start(sit(lanes))
    learner.totals_[:, :, 0], learner.counts_[:, :, 0] = 3.0, 9
    learner.totals_[:, :, 1], learner.counts_[:, :, 1] = 2.0, 3
    learner.act(np.full(lanes, 0.5), Source(15, lanes).stream(0, "act"))
    expected = NormalDist().cdf((2 / 4 - 3 / 10) / (0.5 * math.sqrt(1 / 10 + 1 / 4)))
    assert learner.choice.mean() == pytest.approx(expected, abs=5 * 0.5 / math.sqrt(lanes))  # 5 standard errors


def test_thompson_sampling_settles_on_the_best_bid(sit, play):
    lanes = 50
    learner = ThompsonSampling(bids=11, cells=1)
    learner.start(sit(lanes))
    history = play(learner, Source(16, lanes), range(3000), peaked)
    late = np.array([past["messages"] for past in history[-500:]])
    assert np.mean(np.abs(late - 0.3) < 0.15) > 0.8
    assert learner.counts_.sum() == lanes * 3000


def test_epsilon_can_fall_with_the_inverse_of_the_rounds(sit):
    learner = EpsilonGreedy(epsilon=0.8, decay=0.5, schedule="inverse")
    learner.start(sit())
    assert learner.epsilon_in(0) == 0.8
    assert learner.epsilon_in(6) == pytest.approx(0.2)
