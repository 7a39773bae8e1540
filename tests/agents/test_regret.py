"""Hedge against its closed form and a known best reply."""

import numpy as np
import pytest

from auctionlab.agents.regret import Hedge
from auctionlab.core import Feedback
from auctionlab.errors import ContractError
from auctionlab.rng import Source


def test_hedge_weights_are_exponentials_of_total_payoffs(sit, play, against_half):
    lanes, bids, rate = 4, 6, 0.7
    learner = Hedge(bids=bids, cells=2, rate=rate)
    learner.start(sit(lanes))
    history = play(learner, Source(1, lanes), range(60), **against_half)
    for lane in range(lanes):
        for cell in range(2):
            totals = np.zeros(bids)
            for past in history:
                value, rival = past["signals"][lane], past["rivals"][lane] / 2
                if int(value >= 0.5) == cell:
                    totals += [(value - k / 5) * (k / 5 > rival) for k in range(bids)]
            weights = np.exp(rate * totals / 2)  # the range of utility is 2, from -1 to 1
            learned = np.exp(learner.growth * learner.totals_[lane, cell])
            np.testing.assert_allclose(learned / learned.sum(), weights / weights.sum(), rtol=1e-12)  # rounding


def test_hedge_draws_with_the_chances_of_its_weights(sit):
    lanes = 60_000
    learner = Hedge(bids=3, cells=1, rate=2.0)
    learner.start(sit(lanes))
    learner.totals_[:] = [1000.0, 1001.0, 998.0]
    learner.act(np.full(lanes, 0.5), Source(2, lanes).stream(0, "act"))
    expected = np.exp([0.0, 1.0, -2.0]) / np.exp([0.0, 1.0, -2.0]).sum()
    shares = np.bincount(learner.choice, minlength=3) / lanes
    assert np.abs(shares - expected).max() < 5 * 0.5 / np.sqrt(lanes)  # 5 standard errors


def test_hedge_learns_the_best_reply_to_a_fixed_rival(sit, play, against_half):
    lanes, rounds = 20, 6000
    learner = Hedge(bids=21, cells=4, rate=1.0)
    learner.start(sit(lanes, rounds))
    history = play(learner, Source(3, lanes), range(rounds), **against_half)[-1000:]
    values = np.array([past["signals"] for past in history])
    bids = np.array([past["messages"] for past in history])
    # the rival's bid is uniform on [0, 1/2], so (v − b) 2b is largest at v/2; the mean value of cell c is (c + ½)/4
    for cell in range(4):
        played = bids[(values >= cell / 4) & (values < (cell + 1) / 4)]
        assert played.mean() == pytest.approx((cell + 0.5) / 8, abs=0.04)  # a bid step is 0.05


def test_hedge_default_rate_comes_from_the_horizon(sit):
    learner = Hedge(bids=21, cells=20)
    learner.start(sit(rounds=20_000))
    # sqrt(8 ln K / T) with K = 21 and T = 1000 rounds a cell, over the range 2: Cesa-Bianchi and Lugosi (2006), th. 2.2
    assert learner.growth == pytest.approx(0.1560647 / 2, abs=1e-6)


def test_hedge_needs_what_every_bid_would_have_earned(sit):
    learner = Hedge()
    assert learner.needs == {"payoff"}
    learner.start(sit())
    one = np.zeros(1)
    learner.act(one, Source(4).stream(0, "act"))
    with pytest.raises(ContractError, match="payoff"):
        learner.learn(Feedback(one, one, one, one, one))
