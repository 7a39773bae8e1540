"""Outcomes worked out by hand, and laws that hold for all messages."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from auctionlab.core import expected_utility
from auctionlab.environments.priors import Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.errors import ConfigError
from auctionlab.mechanisms.single_item import AllPay, FirstPrice, KthPrice, SecondPrice, WarOfAttrition
from auctionlab.registry import build
from auctionlab.rng import stream

OUT = -np.inf
EVERY = [FirstPrice, SecondPrice, KthPrice, AllPay, WarOfAttrition]

BIDS = [0.5, 0.8, 0.3]
CASES = [  # mechanism, bids, allocation, payments: by hand from each rule
    (FirstPrice(), BIDS, [0, 1, 0], [0, 0.8, 0]),
    (SecondPrice(), BIDS, [0, 1, 0], [0, 0.5, 0]),
    (KthPrice(k=1), BIDS, [0, 1, 0], [0, 0.8, 0]),
    (KthPrice(k=2), BIDS, [0, 1, 0], [0, 0.5, 0]),
    (KthPrice(k=3), BIDS, [0, 1, 0], [0, 0.3, 0]),
    (KthPrice(k=4, reserve=0.1), BIDS, [0, 1, 0], [0, 0.1, 0]),  # fewer than k bids: the reserve
    (AllPay(), BIDS, [0, 1, 0], [0.5, 0.8, 0.3]),
    (WarOfAttrition(), BIDS, [0, 1, 0], [0.5, 0.5, 0.3]),
    # a reserve above the second bid is the price; bids below it take no part
    (SecondPrice(reserve=0.6), BIDS, [0, 1, 0], [0, 0.6, 0]),
    (KthPrice(k=3, reserve=0.4), BIDS, [0, 1, 0], [0, 0.4, 0]),
    (AllPay(reserve=0.4), BIDS, [0, 1, 0], [0.5, 0.8, 0]),
    (WarOfAttrition(reserve=0.6), BIDS, [0, 1, 0], [0, 0.6, 0]),
    (FirstPrice(reserve=0.9), BIDS, [0, 0, 0], [0, 0, 0]),
    # the reserve itself is a legal bid
    (FirstPrice(reserve=0.8), BIDS, [0, 1, 0], [0, 0.8, 0]),
    # a fee is paid by bidders only
    (FirstPrice(reserve=0.4, entry_fee=0.1), BIDS, [0, 1, 0], [0.1, 0.9, 0]),
    (AllPay(entry_fee=0.1), [0.5, OUT, 0.3], [1, 0, 0], [0.6, 0, 0.4]),
    # ties share, in expectation
    (FirstPrice(), [0.6, 0.6, 0.1], [0.5, 0.5, 0], [0.3, 0.3, 0]),
    (SecondPrice(), [0.6, 0.6, 0.6], [1 / 3] * 3, [0.2] * 3),
    (KthPrice(k=3), [0.6, 0.6, 0.1], [0.5, 0.5, 0], [0.05, 0.05, 0]),
    (AllPay(), [0.6, 0.6, 0.1], [0.5, 0.5, 0], [0.6, 0.6, 0.1]),
    (WarOfAttrition(), [0.6, 0.6, 0.1], [0.5, 0.5, 0], [0.6, 0.6, 0.1]),
    # or are lost by all of the tied
    (FirstPrice(ties="nobody", entry_fee=0.1), [0.6, 0.6, 0.1], [0, 0, 0], [0.1, 0.1, 0.1]),
    (SecondPrice(ties="nobody"), [0.6, 0.6, 0.6], [0, 0, 0], [0, 0, 0]),
    (SecondPrice(ties="nobody"), [0.6, 0.6, 0.7], [0, 0, 1], [0, 0, 0.6]),
    (AllPay(ties="nobody"), [0.6, 0.6, 0.1], [0, 0, 0], [0.6, 0.6, 0.1]),
    (WarOfAttrition(ties="nobody"), [0.6, 0.6, 0.1], [0, 0, 0], [0.6, 0.6, 0.1]),
    # a bid of nothing wins where nobody bids more: the winner is not who pays something
    (SecondPrice(), [0.0, 0.0, OUT], [0.5, 0.5, 0], [0, 0, 0]),
    (SecondPrice(), [OUT, 0.7, OUT], [0, 1, 0], [0, 0, 0]),
    # what is not a finite number takes no part
    (SecondPrice(entry_fee=0.1), [np.nan, 0.7, np.inf], [0, 1, 0], [0, 0.1, 0]),
    (WarOfAttrition(entry_fee=0.1), [OUT, OUT, np.nan], [0, 0, 0], [0, 0, 0]),
]


@pytest.mark.parametrize(("mechanism", "bids", "allocation", "payments"), CASES)
def test_outcome_by_hand(mechanism, bids, allocation, payments):
    outcome = mechanism.run(np.array([bids]))
    np.testing.assert_allclose(outcome.allocation, [allocation], rtol=0, atol=1e-15)
    np.testing.assert_allclose(outcome.payments, [payments], rtol=0, atol=1e-15)


@pytest.mark.parametrize(("mechanism", "bids", "allocation", "payments"), CASES)
def test_one_batch_settles_as_many_auctions_do(mechanism, bids, allocation, payments):
    every = np.array([case[1] for case in CASES])
    outcome = mechanism.run(every)
    row = [case[1] for case in CASES].index(bids)
    np.testing.assert_allclose(outcome.payments[row], payments, rtol=0, atol=1e-15)
    assert outcome.allocation.shape == outcome.payments.shape == every.shape


bid = st.one_of(st.just(OUT), st.integers(0, 4).map(lambda k: k / 4), st.floats(0, 2))
profiles = st.integers(2, 5).flatmap(lambda n: arrays(float, (3, n), elements=bid))
rules = st.builds(
    lambda cls, reserve, fee, ties: cls(reserve=reserve, entry_fee=fee, ties=ties),
    st.sampled_from([*EVERY, lambda **keys: KthPrice(k=2, **keys), lambda **keys: KthPrice(k=4, **keys)]),
    st.sampled_from([0.0, 0.25, 0.7]),
    st.sampled_from([0.0, 0.1]),
    st.sampled_from(["drawn", "nobody"]),
)


@settings(max_examples=200, deadline=None)
@given(rules, profiles)
def test_the_item_is_sold_once_to_a_highest_legal_bid_unless_ties_are_lost(mechanism, messages):
    outcome = mechanism.run(messages)
    legal = messages >= mechanism.reserve
    best = np.where(legal, messages, OUT).max(axis=1, keepdims=True)
    highest = (legal & (messages == best)).sum(axis=1)
    sold = highest >= 1 if mechanism.ties == "drawn" else highest == 1
    np.testing.assert_allclose(outcome.allocation.sum(axis=1), sold)
    assert not outcome.allocation[messages < best].any()
    assert not outcome.allocation[~legal].any()
    assert not outcome.payments[~legal].any()


@settings(max_examples=200, deadline=None)
@given(rules, profiles, st.integers(0, 99))
def test_a_realised_outcome_is_one_of_the_lottery(mechanism, messages, seed):
    drawn = mechanism.run(messages, stream(seed))
    chances, outcomes = mechanism.lottery(messages)
    np.testing.assert_allclose(chances.sum(axis=0), 1)
    for row in range(len(messages)):
        found = [
            k
            for k in range(len(chances))
            if chances[k, row] > 0
            and np.array_equal(outcomes.allocation[k, row], drawn.allocation[row])
            and np.allclose(outcomes.payments[k, row], drawn.payments[row], rtol=0, atol=1e-12)
        ]
        assert len(found) == 1


@settings(max_examples=200, deadline=None)
@given(rules, profiles)
def test_lottery_averages_to_the_expected_outcome(mechanism, messages):
    expected = mechanism.run(messages)
    chances, outcomes = mechanism.lottery(messages)
    weights = chances[:, :, None]
    np.testing.assert_allclose((weights * outcomes.allocation).sum(axis=0), expected.allocation, atol=1e-12)
    np.testing.assert_allclose((weights * outcomes.payments).sum(axis=0), expected.payments, atol=1e-12)


@settings(max_examples=200, deadline=None)
@given(rules, profiles)
def test_price_is_the_highest_rival_bid_or_the_reserve(mechanism, messages):
    price = mechanism.price(messages)
    for row, bids in enumerate(messages):
        for seat in range(len(bids)):
            rivals = [rival for rival in np.delete(bids, seat) if rival >= mechanism.reserve]
            assert price[row, seat] == max([mechanism.reserve, *rivals])


@settings(max_examples=200, deadline=None)
@given(rules, profiles, st.floats(0, 2), st.floats(0, 2))
def test_where_the_price_suffices_one_rival_at_that_price_stands_for_all(mechanism, messages, value, sent):
    """Ties with the price aside: how many are tied there, or nobody at the reserve, the price alone does not say."""
    environment = PrivateValues(bidders=messages.shape[1], prior=Uniform())
    duel = PrivateValues(bidders=2, prior=Uniform())
    price = mechanism.price(messages)[:, 0]
    messages[:, 0] = sent
    values = np.full(messages.shape, value)
    full = expected_utility(mechanism, environment, messages, values)[:, 0]
    short = expected_utility(mechanism, duel, np.stack([messages[:, 0], price], axis=1), values[:, :2])[:, 0]
    apart = np.abs(price - sent) > 1e-9
    if mechanism.sufficient_price:
        np.testing.assert_allclose(full[apart], short[apart], atol=1e-12)


def test_from_the_third_price_on_the_price_to_win_does_not_suffice():
    third, duel = KthPrice(k=3), np.array([[0.9, 0.5]])
    paid = third.run(np.array([[0.9, 0.5, 0.2]])).payments[0, 0]
    assert paid == 0.2
    assert third.run(duel).payments[0, 0] != paid
    assert not third.sufficient_price
    assert KthPrice(k=2).sufficient_price


@settings(max_examples=100, deadline=None)
@given(profiles, st.sampled_from([0.0, 0.3]))
def test_first_and_second_of_the_kth_price_family(messages, reserve):
    for k, plain in ((1, FirstPrice(reserve)), (2, SecondPrice(reserve))):
        one, two = KthPrice(reserve, k=k).run(messages), plain.run(messages)
        np.testing.assert_array_equal(one.payments, two.payments)
        np.testing.assert_array_equal(one.allocation, two.allocation)


@pytest.mark.parametrize("n", [2, 3, 17, 40])
def test_second_highest_of_many_seats_is_that_of_a_sort(n):
    bids = np.round(stream(1).random((50, n)), 2)
    paid = SecondPrice().run(bids).payments.sum(axis=1)
    np.testing.assert_allclose(paid, np.sort(bids, axis=1)[:, -2], atol=1e-15)


def test_ties_are_drawn_evenly():
    count = 30_000
    messages = np.tile([0.4, 0.7, 0.7, 0.7], (count, 1))
    won = FirstPrice().run(messages, stream(5)).allocation
    assert np.array_equal(won.sum(axis=1), np.ones(count))
    error = np.sqrt(2 / 9 / count)  # standard error of a share of one third
    np.testing.assert_allclose(won.mean(axis=0), [0, 1 / 3, 1 / 3, 1 / 3], atol=5 * error)


def test_a_draw_depends_on_its_own_auction_alone():
    messages = np.tile([0.7, 0.7], (8, 1))
    alone = SecondPrice().run(messages[:3], stream(5)).allocation
    changed = messages.copy()
    changed[5:] = [0.1, 0.9]
    np.testing.assert_array_equal(SecondPrice().run(messages, stream(5)).allocation[:3], alone)
    np.testing.assert_array_equal(SecondPrice().run(changed, stream(5)).allocation[:3], alone)


@pytest.mark.parametrize("cls", EVERY)
def test_single_precision_stays_single_and_sells_every_time(cls):
    messages = np.tile(np.float32([0.25, 0.25, 0.5, 0.5]), (2000, 1))
    for random in (None, stream(3)):
        outcome = cls(reserve=0.1, entry_fee=0.1).run(messages, random)
        assert outcome.allocation.dtype == outcome.payments.dtype == np.float32
        np.testing.assert_allclose(outcome.allocation.sum(axis=1), 1)
    assert cls().price(messages).dtype == np.float32


class _AlmostOne:
    """A stream whose uniforms round up to 1 in single precision."""

    def random(self, size: int) -> np.ndarray:
        return np.full(size, np.nextafter(1.0, 0.0))


def test_a_draw_that_rounds_up_to_one_still_sells():
    won = FirstPrice().run(np.float32([[0.5, 0.5, 0.2]]), _AlmostOne()).allocation
    np.testing.assert_array_equal(won, [[0, 1, 0]])


@pytest.mark.parametrize("library", ["array_api_strict", "torch"])
@pytest.mark.parametrize("cls", EVERY)
def test_runs_on_other_array_libraries(cls, library):
    xp = pytest.importorskip(library)
    numpy = np.array([[0.5, 0.8, 0.3, 0.8], [0.1, OUT, 0.6, 0.2]])
    mechanism = cls(reserve=0.15, entry_fee=0.05)
    messages = xp.asarray(numpy)
    for random in (None, 3):
        got = mechanism.run(messages, random and stream(random))
        expected = mechanism.run(numpy, random and stream(random))
        assert type(got.payments) is type(messages)
        np.testing.assert_allclose(np.asarray(got.payments), expected.payments)
        np.testing.assert_allclose(np.asarray(got.allocation), expected.allocation)
    np.testing.assert_allclose(np.asarray(mechanism.price(messages)), mechanism.price(numpy))
    np.testing.assert_allclose(
        np.asarray(mechanism.lottery(messages)[1].payments), mechanism.lottery(numpy)[1].payments
    )


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"kind": "first-price", "reserve": -0.1}, "reserve: should be greater than or equal to 0, got -0.1"),
        ({"kind": "all-pay", "entry_fee": float("nan")}, "entry_fee"),
        ({"kind": "kth-price", "k": 0}, "k: should be greater than or equal to 1, got 0"),
        ({"kind": "kth-price", "k": 2.0}, "k: should be a valid integer, got 2.0"),
        ({"kind": "second-price", "resreve": 0.1}, "unknown key 'resreve'. Did you mean 'reserve'?"),
    ],
)
def test_bad_parameters_are_answered_in_one_sentence(config, complaint):
    with pytest.raises(ConfigError, match=complaint.replace(".", r"\.").replace("?", r"\?")):
        build("mechanisms", config)
