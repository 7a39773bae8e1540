"""Five deliberately broken mechanisms: each is found, and the counterexample is one that a student can follow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from auctionlab.arrays import enumerate_highest, share_highest
from auctionlab.checks.audit import audit
from auctionlab.checks.incentives import dominant_gain, ex_post_gain, ex_post_participation
from auctionlab.checks.interim import interim_gain
from auctionlab.checks.outcomes import balance, efficiency
from auctionlab.core import Box, Mechanism, Outcome, expected_utility
from auctionlab.environments.data_priors import Empirical
from auctionlab.environments.priors import Power, Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.mechanisms.single_item import KthPrice, SecondPrice
from auctionlab.theory.virtual import virtual_values

TWO = PrivateValues(2, Uniform())
THREE = PrivateValues(3, Uniform())


@dataclass(frozen=True)
class _Sale(Mechanism):
    """One item by the highest score; truth is what everybody is said to play."""

    def equilibrium(self, environment):
        return (lambda signals: signals,) * environment.n

    def scores(self, messages):
        return np.where(np.isfinite(messages), messages, -np.inf)

    def run(self, messages, rng=None):
        allocation = share_highest(self.scores(messages), None, rng)
        return Outcome(allocation, self.charge(messages, allocation))

    def lottery(self, messages):
        chances, winners = enumerate_highest(self.scores(messages).T)
        winners = np.transpose(winners, (0, 2, 1))
        return chances, Outcome(winners, np.stack([self.charge(messages, winner) for winner in winners]))


class ThirdBid(SecondPrice):
    """1. A second-price auction that charges the third bid."""

    def charge(self, bids, allocation):
        return KthPrice(k=3).charge(bids, allocation)


class PivotOfOwnReport(_Sale):
    """2. VCG whose pivot term is welfare with the own report in place of α: M_i = W(x) − W_-i(x) = the own value."""

    def charge(self, messages, allocation):
        return allocation * np.where(np.isfinite(messages), messages, 0)


@dataclass(frozen=True)
class PivotAtTheTop(_Sale):
    """2. VCG with ω in place of α: M_i = W(ω, x_-i) − W_-i(x). Still dominant, but everybody pays for being there."""

    top: float = 1.0

    def messages(self, environment):
        return Box(-np.inf, np.inf)  # any number is a report

    def charge(self, messages, allocation):
        bids = np.where(np.isfinite(messages), messages, 0.0)
        others = np.sum(allocation * bids, axis=1, keepdims=True) - allocation * bids
        return np.isfinite(messages) * (self.top - others)


class WrongPrior(_Sale):
    """3. AGV between two bidders whose values it believes to be uniform: E_i(m) = E[X; X > m] = (1 − m²)/2."""

    def charge(self, messages, allocation):
        bids = np.where(np.isfinite(messages), messages, 0.0)
        expected = np.where(np.isfinite(messages), (1 - np.clip(bids, 0, 1) ** 2) / 2, 0.0)
        return expected[:, ::-1] - expected


@dataclass(frozen=True)
class Unironed(_Sale):
    """4. The item to the highest virtual value, which falls somewhere; the winner pays the least report that wins."""

    prior: Empirical

    def scores(self, messages):
        inside = (messages >= self.prior.low) & (messages <= self.prior.high)
        virtual = virtual_values(self.prior, np.clip(messages, self.prior.low, self.prior.high))
        return np.where(inside & (virtual >= 0), virtual, -np.inf)

    def charge(self, messages, allocation):
        values = np.linspace(self.prior.low, self.prior.high, 4001)
        highest = np.maximum.accumulate(virtual_values(self.prior, values))  # of all values up to each
        scores = self.scores(messages)
        payments = np.zeros(messages.shape)
        for i in range(messages.shape[1]):
            best = np.maximum(np.delete(scores, i, axis=1).max(axis=1), 0.0)
            least = np.searchsorted(highest, best - 1e-12)
            payments[:, i] = values[np.minimum(least, len(values) - 1)]
        return allocation * payments


class CornerRebate(SecondPrice):
    """5. A second-price auction, but who bids above 0.97 against rivals below 0.05 gets 0.01 back."""

    def charge(self, bids, allocation):
        weak = np.sort(bids, axis=0)[-2] < 0.05
        return super().charge(bids, allocation) - 0.01 * allocation * weak * (bids > 0.97)


class CornerRefusal(SecondPrice):
    """5. A second-price auction that charges double where the two highest bids are above 0.95."""

    def charge(self, bids, allocation):
        both = np.sort(bids, axis=0)[-2] > 0.95
        return super().charge(bids, allocation) * np.where(both, 2.0, 1.0)


def replayed(mechanism, environment, finding):
    """The gain that the counterexample shows, from running the mechanism on what it says."""
    case = finding.where
    honest = case.reports.copy()
    honest[case.seat] = case.truth
    values = environment.values(case.types[None])
    lie, told = (
        expected_utility(mechanism, environment, sent[None], values)[0, case.seat] for sent in (case.reports, honest)
    )
    assert (case.utility, case.instead) == pytest.approx((lie, told))
    return lie - told


@pytest.mark.parametrize(
    ("mechanism", "environment", "gain"),
    [
        (ThirdBid(), THREE, 1.0),  # nearly nothing outbids nearly 1 and pays the third bid of 0
        (PivotOfOwnReport(), TWO, 1.0),  # value 1 reports just above a rival of 0
        (CornerRebate(), TWO, 0.01),
        (CornerRebate(), THREE, 0.01),
        (CornerRefusal(), THREE, 1.0),  # value 1 stays out instead of paying 2 for it
    ],
)
def test_a_gain_is_found_to_its_full_size_and_can_be_replayed(mechanism, environment, gain):
    for search in (dominant_gain, ex_post_gain):
        finding = search(mechanism, environment)
        assert finding.holds is False
        assert finding.worst == pytest.approx(gain, abs=2e-3)
        assert replayed(mechanism, environment, finding) == pytest.approx(finding.worst)
        line = finding.line()
        assert all(word in line for word in ("of type", "sends", "instead of", "against", "allocation", "payments"))


def test_the_healthy_versions_pass():
    assert dominant_gain(SecondPrice(), THREE).holds
    assert ex_post_participation(SecondPrice(), THREE).holds
    uniform = {finding.property: finding for finding in audit(WrongPrior(), TWO, ("bic", "efficient", "balanced"))}
    assert all(finding.holds for finding in uniform.values())  # with the prior that it believes in
    assert uniform["bic"].tolerance < 2e-6


def test_a_pivot_at_the_wrong_end_is_dominant_but_nobody_would_take_part():
    mechanism = PivotAtTheTop()
    assert dominant_gain(mechanism, TWO).holds
    assert interim_gain(mechanism, TWO).holds
    finding = ex_post_participation(mechanism, TWO)
    assert finding.holds is False
    assert finding.worst == pytest.approx(1.0)  # type 0 against 0 gets nothing and pays 1
    found = {finding.property: finding for finding in audit(mechanism, TWO, ("interim-ir", "ex-ante-ir"))}
    assert found["interim-ir"].holds is False
    assert "outside 0" in found["interim-ir"].line()
    assert found["interim-ir"].worst == pytest.approx(0.5, abs=1e-5)  # type 0 pays 1 − E[rival]
    # all types on average: U = x²/2 − 1/2, of mean 1/6 − 1/2
    assert found["ex-ante-ir"].worst == pytest.approx(1 / 3, abs=5 * found["ex-ante-ir"].standard_error)
    assert "before it knows its type" in found["ex-ante-ir"].line()


def test_where_messages_are_prices_staying_out_is_one_of_them():
    class Priced(PivotAtTheTop):
        def messages(self, environment):
            return Box(0.0, np.inf)

    finding = dominant_gain(Priced(), TWO)
    assert finding.worst == pytest.approx(1.0, abs=0.01)
    assert "sends no part instead of" in finding.line()


def test_an_expected_externality_for_another_prior_is_no_longer_incentive_compatible():
    # rival x with F = x³: reporting z is worth z³ x + (1 − z²)/2, convex in z beyond 1/(3x), so best at z = 0 or 1
    environment = PrivateValues(2, Power(exponent=3.0))
    x = np.linspace(0, 1, 10_001)
    gain = np.max(np.maximum(0.5, x) - (x**4 + (1 - x**2) / 2))
    finding = interim_gain(WrongPrior(), environment)
    assert finding.holds is False
    assert finding.standard_error == 0
    assert finding.worst == pytest.approx(gain, abs=1e-4)  # the search ends near the worst type
    own = finding.where.types[finding.where.seat]
    report = finding.where.reports[finding.where.seat]
    shown = report**3 * own + (1 - report**2) / 2 - own**4 - (1 - own**2) / 2
    assert shown == pytest.approx(finding.worst, abs=1e-9)
    assert efficiency(WrongPrior(), environment).holds
    assert "against the others on average" in finding.line()


def test_an_optimal_auction_without_ironing_is_found_on_an_irregular_prior():
    prior = Empirical(data=(1.0, 2.0, 5.0))
    environment, mechanism = PrivateValues(2, prior), Unironed(prior)
    assert virtual_values(prior, np.array([2.0 - 1e-9, 2.0])) == pytest.approx([1.0, -1.0], abs=1e-6)  # it falls at 2
    finding = ex_post_gain(mechanism, environment)
    assert finding.holds is False
    assert replayed(mechanism, environment, finding) == pytest.approx(finding.worst)
    assert finding.worst > 0.9  # types from 2 to 3 have the virtual values of lower ones, and lose or pay as those do
    assert interim_gain(mechanism, environment).holds is False


def test_balance_is_missed_by_a_sale_and_kept_by_an_expected_externality():
    assert balance(WrongPrior(), TWO).holds
    finding = balance(SecondPrice(), TWO)
    assert finding.holds is False
    assert "against cost 0" in finding.line()
