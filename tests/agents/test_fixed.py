"""Rules that do not learn."""

import numpy as np
import pytest

from auctionlab.agents.fixed import Equilibrium, Random, Shading, Truthful
from auctionlab.core import Box
from auctionlab.errors import ConfigError, NoEquilibrium
from auctionlab.rng import Source, stream

VALUES = np.linspace(0.0, 1.0, 101)


def test_truthful_bids_the_value(sit):
    strategy = Truthful()
    strategy.start(sit(101))
    np.testing.assert_array_equal(strategy.act(VALUES, stream(1)), VALUES)


def test_shading_bids_a_fixed_fraction(sit):
    strategy = Shading(fraction=0.8)
    strategy.start(sit(101))
    np.testing.assert_allclose(strategy.act(VALUES, stream(1)), 0.8 * VALUES, rtol=1e-15)


@pytest.mark.parametrize("bidders", [2, 5])
def test_equilibrium_of_the_uniform_first_price_auction(sit, bidders):
    strategy = Equilibrium()
    strategy.start(sit(101, bidders=bidders))
    expected = (bidders - 1) / bidders * VALUES  # Krishna (2010), ex. 2.1
    np.testing.assert_allclose(strategy.act(VALUES, stream(1)), expected, rtol=1e-9, atol=1e-12)


def test_equilibrium_stays_out_below_the_reserve(sit):
    strategy = Equilibrium()
    strategy.start(sit(101, reserve=0.5))
    bids = strategy.act(VALUES, stream(1))
    assert np.isneginf(bids[VALUES < 0.5]).all()
    v = VALUES[VALUES > 0.5]
    np.testing.assert_allclose(bids[VALUES > 0.5], v / 2 + 0.125 / v, rtol=1e-9)  # Krishna (2010), ex. 2.4 for n = 2


def test_equilibrium_says_at_the_start_where_none_is_known(sit):
    with pytest.raises(NoEquilibrium, match="equilibrium: seat 0 has no bid function to play: "):
        Equilibrium().start(sit(prior={"kind": "discrete", "values": [0.0, 1.0], "weights": [1.0, 1.0]}))


def test_random_bids_evenly_between_the_reserve_and_its_ceiling(sit):
    lanes = 40_000
    for ceiling, top in (("value", 0.8), ("top", 1.0)):
        strategy = Random(ceiling=ceiling)
        strategy.start(sit(lanes, reserve=0.2))
        bids = strategy.act(np.full(lanes, 0.8), Source(2, lanes).stream(0, "act"))
        assert bids.min() >= 0.2
        assert bids.max() < top
        width = top - 0.2
        assert bids.mean() == pytest.approx((top + 0.2) / 2, abs=5 * width / np.sqrt(12 * lanes))  # 5 standard errors
        assert bids.std() == pytest.approx(width / np.sqrt(12), rel=0.02)


def test_random_stays_out_where_its_value_is_below_the_reserve(sit):
    strategy = Random()
    strategy.start(sit(101, reserve=0.5))
    assert np.isneginf(strategy.act(VALUES, stream(3))[VALUES < 0.5]).all()


def test_scalar_strategies_refuse_vector_messages(sit, monkeypatch):
    seat = sit()
    monkeypatch.setattr(type(seat.mechanism), "messages", lambda self, environment: Box(0.0, 1.0, (2,)))
    with pytest.raises(ConfigError, match="scalar"):
        Random().start(seat)
