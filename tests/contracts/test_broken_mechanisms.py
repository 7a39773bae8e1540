"""Broken mechanisms are caught, with the culprit or a counterexample in the sentence."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from auctionlab.checks.audit import audit
from auctionlab.checks.contracts import check_mechanism
from auctionlab.checks.incentives import dominant_gain, ex_post_gain
from auctionlab.checks.interim import equilibrium_gain, interim_gain
from auctionlab.core import Mechanism, Outcome
from auctionlab.environments.priors import Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.errors import ContractError
from auctionlab.mechanisms.single_item import FirstPrice, KthPrice, SecondPrice

TWO = PrivateValues(bidders=2, prior=Uniform())
THREE = PrivateValues(bidders=3, prior=Uniform())


@dataclass(frozen=True)
class _Claims(SecondPrice):
    """A second-price auction that is broken somewhere, and still claims all that the whole one does."""

    def claims(self, environment):
        return SecondPrice(self.reserve, self.entry_fee).claims(environment)

    lottery = Mechanism.lottery


class ChargesTheThirdBid(_Claims):
    def charge(self, bids, allocation):
        return KthPrice(self.reserve, k=3).charge(bids, allocation)

    lottery = SecondPrice.lottery


class ReturnsNaN(_Claims):
    def run(self, messages, rng=None):
        outcome = super().run(messages, rng)
        return replace(outcome, payments=np.where(messages > 0.9, np.nan, outcome.payments))


class ReturnsOneColumn(_Claims):
    def run(self, messages, rng=None):
        outcome = super().run(messages, rng)
        return replace(outcome, payments=outcome.payments.sum(axis=1))


class ReturnsIntegers(_Claims):
    def run(self, messages, rng=None):
        outcome = super().run(messages, rng)
        return replace(outcome, allocation=(outcome.allocation > 0).astype(int))


class ChangesItsMessages(_Claims):
    def run(self, messages, rng=None):
        outcome = super().run(messages, rng)
        messages[~np.isfinite(messages)] = 0
        return outcome


class Forgets(_Claims):
    def run(self, messages, rng=None):
        outcome = super().run(messages, rng)
        return replace(outcome, payments=outcome.payments * np.random.default_rng().random())


class SellsToAllTied(_Claims):
    def run(self, messages, rng=None):
        outcome = super().run(messages, rng)
        return replace(outcome, allocation=(outcome.allocation > 0).astype(messages.dtype))


class SharesARealisedItem(_Claims):
    def run(self, messages, rng=None):
        return super().run(messages)

    lottery = SecondPrice.lottery


class DrawsTheFirstOfTheTied(_Claims):
    def run(self, messages, rng=None):
        outcome = super().run(messages)
        if rng is None:
            return outcome
        first = np.arange(messages.shape[1]) == np.argmax(outcome.allocation > 0, axis=1)[:, None]
        allocation = first * (outcome.allocation > 0).astype(float)
        return Outcome(allocation, allocation * outcome.payments.sum(axis=1, keepdims=True))

    lottery = SecondPrice.lottery


class ChargesTheAbsent(_Claims):
    def run(self, messages, rng=None):
        outcome = super().run(messages, rng)
        return replace(outcome, payments=outcome.payments + 0.01)


class LooksAtOtherAuctions(_Claims):
    def run(self, messages, rng=None):
        outcome = super().run(messages, rng)
        best = messages[np.isfinite(messages)].max()
        return replace(outcome, payments=outcome.payments + (messages == best) * 0.1)


class PricesTooLow(_Claims):
    lottery = SecondPrice.lottery

    def price(self, messages):
        return super().price(messages) * 0.5


class OverstatesItsLottery(_Claims):
    def lottery(self, messages):
        chances, outcomes = SecondPrice.lottery(self, messages)
        return chances, replace(outcomes, payments=outcomes.payments * 1.1)


class FailsInACorner(_Claims):
    """Incentive compatible but for this: who bids above 0.97 against rivals below 0.05 gets 0.01 back."""

    def charge(self, bids, allocation):
        weak = np.sort(bids, axis=0)[-2] < 0.05
        return super().charge(bids, allocation) - 0.01 * allocation * weak * (bids > 0.97)

    lottery = SecondPrice.lottery


class PaysTheBidder(_Claims):
    def charge(self, bids, allocation):
        return super().charge(bids, allocation) - 0.2 * allocation

    lottery = SecondPrice.lottery


class ClaimsToBeEfficient(_Claims):
    def claims(self, environment):
        return frozenset({"efficient"})

    lottery = SecondPrice.lottery


class ClaimsToBeOptimal(_Claims):
    def claims(self, environment):
        return frozenset({"revenue-optimal"})

    lottery = SecondPrice.lottery


class ClaimsNonsense(_Claims):
    def claims(self, environment):
        return frozenset({"strategy-proof"})

    lottery = SecondPrice.lottery


class BidsTooLittle(FirstPrice):
    def equilibrium(self, environment):
        return tuple(_Scaled(bid) for bid in super().equilibrium(environment))


class _Scaled:
    def __init__(self, bid):
        self.bid, self.threshold = bid, bid.threshold

    def __call__(self, signals):
        return 0.7 * self.bid(signals)


@pytest.mark.parametrize(
    ("mechanism", "culprit"),
    [
        (ReturnsNaN(), "payments contain nan at messages"),
        (ReturnsOneColumn(), r"payments have shape \(\d+,\), expected \(\d+, 3\)"),
        (ReturnsIntegers(), "allocations are of type int64, expected float64"),
        (ChangesItsMessages(), "run changed the messages that it was given"),
        (Forgets(), "two runs of the same messages give different outcomes"),
        (SellsToAllTied(), "hands out [23], at most 1 is there"),
        (SharesARealisedItem(), "realised allocation .* is none of the 4 that the environment allows"),
        (DrawsTheFirstOfTheTied(), "realised allocation average 1 for seat 0 at messages"),
        (ChargesTheAbsent(), "sends no part .* and pays 0.01"),
        (LooksAtOtherAuctions(), "depends on the other auctions in the batch"),
        (PricesTooLow(), "price to win is"),
        (OverstatesItsLottery(), "outcomes of lottery do not average to that of run"),
        (ChargesTheThirdBid(), "claims dsic in .* violated by .* instead of"),
        (FailsInACorner(), "claims dsic in .* violated by 0.01"),
        (PaysTheBidder(), "claims .* violated by"),
        (ClaimsToBeEfficient(reserve=0.4), "claims efficient .* allocation .0, 0, 0., .* welfare 0 against best 0.39"),
        (ClaimsToBeOptimal(), "claims revenue-optimal .* revenue 0.5.* against bound 0.53"),  # 1/2 against 17/32
        (ClaimsNonsense(), "claims .'strategy-proof'., which are not among"),
        (BidsTooLittle(), "claims equilibrium in .* violated by"),
    ],
)  # fmt: skip
def test_a_broken_mechanism_is_named_with_its_fault(mechanism, culprit):
    with pytest.raises(ContractError, match=culprit):
        check_mechanism(mechanism, THREE)


def test_charging_the_third_bid_is_shown_by_an_auction_in_which_it_pays_to_lie():
    finding = dominant_gain(ChargesTheThirdBid(), THREE)
    case = finding.where
    assert finding.holds is False
    value = case.types[case.seat]
    honest = case.reports.copy()
    honest[case.seat] = case.truth
    lie, told = (
        ChargesTheThirdBid().run(sent[None]).allocation[0, case.seat] * value
        - ChargesTheThirdBid().run(sent[None]).payments[0, case.seat]
        for sent in (case.reports, honest)
    )
    assert case.truth == value
    assert lie - told == pytest.approx(finding.worst)
    assert finding.worst > 0.9  # a value near 0 outbids one near 1 and pays a third bid near 0: nearly 1 is at stake
    assert (case.utility, case.instead) == pytest.approx((lie, told))


def test_a_flaw_in_one_corner_is_found_to_its_full_size():
    assert dominant_gain(FailsInACorner(), TWO).worst == pytest.approx(0.01, abs=1e-6)
    assert ex_post_gain(FailsInACorner(), TWO).worst == pytest.approx(0.01, abs=1e-6)


def test_first_price_truth_is_no_best_reply_by_the_amount_that_algebra_gives():
    # against one truthful uniform rival, value v: bid b earns b (v − b), at most v²/4; the truth earns 0
    finding = interim_gain(FirstPrice(), TWO)
    assert finding.holds is False
    assert finding.standard_error == 0  # quadrature over the one rival
    assert finding.worst == pytest.approx(0.25, abs=1e-5)  # types are searched up to the quantile 1 − 1e-6
    assert finding.where.reports[finding.where.seat] == pytest.approx(0.5, abs=0.01)


def test_the_equilibrium_of_the_first_price_auction_is_one_and_a_wrong_bid_is_not():
    assert equilibrium_gain(FirstPrice(), TWO).holds
    # both bid 0.35 v: type v earns v · 0.65 v; a bid b earns (b / 0.35)(v − b), which is best at min(v / 2, 0.35)
    values = np.linspace(0, 1, 2001)
    best = np.minimum(values / 2, 0.35)
    gain = (best / 0.35 * (values - best) - values * 0.65 * values).max()
    finding = equilibrium_gain(BidsTooLittle(), TWO)
    assert finding.holds is False
    assert finding.worst == pytest.approx(gain, abs=1e-5)  # the search stops near the worst type


def test_an_entry_fee_breaks_the_dominance_of_the_truth_by_the_fee():
    finding = dominant_gain(SecondPrice(entry_fee=0.1), TWO)
    assert finding.worst == pytest.approx(0.1)
    assert "sends no part instead of" in finding.line()


def test_the_audit_says_what_cannot_be_judged_and_why():
    findings = {finding.property: finding for finding in audit(KthPrice(k=3), TWO)}
    assert findings["equilibrium"].holds is None
    assert "cannot be judged" in findings["equilibrium"].line()
    assert findings["dsic"].holds is False
    assert findings["no-deficit"].holds is True
