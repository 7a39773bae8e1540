"""Posted prices and sequential offers as mechanisms."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from auctionlab import rng
from auctionlab.environments.priors import Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.errors import ConfigError
from auctionlab.mechanisms.posted import PostedPrice, SequentialOffers


def test_posted_price_goes_to_a_random_taker_or_to_the_first():
    values = np.array([[0.6, 0.4, 0.9], [0.1, 0.2, 0.3]])
    shared = PostedPrice(amount=0.5).run(values)
    np.testing.assert_allclose(shared.allocation, [[0.5, 0, 0.5], [0, 0, 0]])
    np.testing.assert_allclose(shared.payments, [[0.25, 0, 0.25], [0, 0, 0]])
    first = PostedPrice(amount=0.5, order="seats").run(values[:, ::-1])
    np.testing.assert_allclose(first.allocation, [[1, 0, 0], [0, 0, 0]])


def test_price_in_order_is_out_of_reach_behind_a_taker():
    prices = PostedPrice(amount=0.5, order="seats").price(np.array([[0.1, 0.6, 0.7]]))
    np.testing.assert_array_equal(prices, [[0.5, 0.5, np.inf]])


@pytest.mark.parametrize("prices", [(0.6, 0.5, 0.2, 0.1), (0.1, 0.9, 0.3, 0.5), (0.4, 0.4, 0.4, 0.4)])
def test_expected_offers_average_over_every_order(prices):
    offers = SequentialOffers(prices=prices)
    values = rng.stream(2).random((40, 4))
    shares, payments = np.zeros((40, 4)), np.zeros((40, 4))
    for turns in permutations(range(4)):
        for row in range(40):
            for k, seat in enumerate(turns):
                if values[row, seat] >= prices[k]:
                    shares[row, seat] += 1 / 24
                    payments[row, seat] += prices[k] / 24
                    break
    outcome = offers.run(values)
    np.testing.assert_allclose(outcome.allocation, shares, atol=1e-14)
    np.testing.assert_allclose(outcome.payments, payments, atol=1e-14)


def test_offers_in_the_order_of_seats():
    outcome = SequentialOffers(prices=(0.625, 0.5), order="seats").run(np.array([[0.6, 0.9], [0.7, 0.9], [0.6, 0.4]]))
    np.testing.assert_array_equal(outcome.allocation, [[0, 1], [1, 0], [0, 0]])
    np.testing.assert_array_equal(outcome.payments, [[0, 0.5], [0.625, 0], [0, 0]])


def test_what_offers_refuse():
    with pytest.raises(ConfigError, match="prices: should be 3, one offer a buyer, got 2"):
        SequentialOffers(prices=(0.5, 0.4)).run(np.ones((1, 3)))
    with pytest.raises(ConfigError, match="should be given for a random order of buyers with different priors"):
        SequentialOffers(environment=PrivateValues(priors=(Uniform(), Uniform(high=2.0))))
    with pytest.raises(ConfigError, match="missing key 'amount'"):
        PostedPrice().run(np.ones((1, 2)))
