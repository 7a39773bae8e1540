"""Replies to the past against their definitions."""

import math
from itertools import pairwise

import numpy as np
import pytest

from auctionlab.agents.fictitious import FictitiousPlay, FollowThePerturbedLeader, SmoothedBestResponse
from auctionlab.agents.regret import RegretMatching, RegretMatchingPlus
from auctionlab.rng import Source


def earned(past, lane, bids):
    value, rival = past["signals"][lane], past["rivals"][lane] / 2
    return np.array([(value - k / (bids - 1)) * (k / (bids - 1) > rival) for k in range(bids)])


def test_fictitious_play_bids_what_would_have_earned_most(sit, play, against_half):
    lanes, bids = 5, 6
    learner = FictitiousPlay(bids=bids, cells=2)
    learner.start(sit(lanes))
    history = play(learner, Source(1, lanes), range(100), **against_half)
    for lane in range(lanes):
        totals = np.zeros((2, bids))
        for past in history:
            cell = int(past["signals"][lane] >= 0.5)
            chosen = round(past["messages"][lane] * (bids - 1))
            assert totals[cell, chosen] == pytest.approx(totals[cell].max(), abs=1e-12)
            totals[cell] += earned(past, lane, bids)


def test_forgetting_all_replies_to_the_last_round_alone(sit, play, against_half):
    lanes, bids = 5, 6
    learner = FictitiousPlay(bids=bids, cells=1, forget=1.0)
    learner.start(sit(lanes))
    history = play(learner, Source(2, lanes), range(60), **against_half)
    for lane in range(lanes):
        for before, now in pairwise(history):
            paid = earned(before, lane, bids)
            assert paid[round(now["messages"][lane] * (bids - 1))] == paid.max()


@pytest.mark.parametrize("forget", [0.0, 0.2])
def test_smoothed_best_response_is_a_softmax_of_mean_payoffs(sit, forget):
    lanes, bids = 60_000, 3
    learner = SmoothedBestResponse(bids=bids, cells=1, temperature=0.1, forget=forget)
    learner.start(sit(lanes))
    values, source = np.full(lanes, 0.5), Source(3, lanes)
    paid = [np.array([0.0, 0.3, 0.1]), np.array([0.2, 0.0, 0.1])]
    for number, row in enumerate(paid):
        learner.act(values, source.stream(number, "act"))
        learner.learn(_told(values, np.tile(row, (lanes, 1))))
    learner.act(values, source.stream(2, "act"))
    mean = ((1 - forget) * paid[0] + paid[1]) / (2 - forget) / 2  # the range of utility is 2
    expected = np.exp(mean / 0.1) / np.exp(mean / 0.1).sum()
    shares = np.bincount(learner.choice, minlength=bids) / lanes
    assert np.abs(shares - expected).max() < 5 * 0.5 / math.sqrt(lanes)  # 5 standard errors


def test_the_perturbed_leader_leads_with_the_chance_that_noise_allows(sit):
    """Two bids, exponential noise of mean m: the one ahead by d leads with probability 1 − exp(−d/m) / 2."""
    lanes = 60_000
    learner = FollowThePerturbedLeader(bids=2, cells=1, noise=0.5)
    learner.start(sit(lanes))
    learner.totals_[:, :, 1] = 0.4
    learner.act(np.full(lanes, 0.5), Source(4, lanes).stream(0, "act"))
    expected = 1 - math.exp(-0.8) / 2
    assert learner.choice.mean() == pytest.approx(expected, abs=5 * 0.5 / math.sqrt(lanes))  # 5 standard errors


@pytest.mark.parametrize("cls", [RegretMatching, RegretMatchingPlus])
def test_regret_matching_draws_in_proportion_to_regret(sit, play, against_half, cls):
    lanes, bids = 4, 5
    learner = cls(bids=bids, cells=1)
    learner.start(sit(lanes))
    history = play(learner, Source(5, lanes), range(80), **against_half)
    for lane in range(lanes):
        regrets = np.zeros(bids)
        for past in history:
            positive = np.maximum(regrets, 0)
            mixed = positive / positive.sum() if positive.sum() > 0 else np.full(bids, 1 / bids)
            paid = earned(past, lane, bids) / 2
            regrets += paid - mixed @ paid
            if cls is RegretMatchingPlus:
                regrets = np.maximum(regrets, 0)
        np.testing.assert_allclose(learner.regrets_[lane, 0], regrets, atol=1e-12)


def _told(values, payoffs):
    from auctionlab.core import Feedback

    return Feedback(values, values, values, values, values, payoff=lambda trials: payoffs)
