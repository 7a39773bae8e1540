"""Rules that treat bidders differently, against the same auctions in other words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from auctionlab.agents.fixed import Equilibrium
from auctionlab.arrays import NO_BID, Array, share_highest
from auctionlab.core import Environment, Outcome
from auctionlab.environments.priors import Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.environments.special_priors import Beta
from auctionlab.errors import NoEquilibrium
from auctionlab.mechanisms.single_item import FirstPrice, SingleItem
from auctionlab.platform.market import Market
from auctionlab.platform.matching import Block
from auctionlab.rng import Stream
from auctionlab.theory.certificate import certify
from auctionlab.theory.equilibria import equilibrium
from auctionlab.theory.favourites import exchangeable, scored

U, B = Uniform(), Beta(2.0, 5.0)
V = np.linspace(0.02, 0.98, 49)


@dataclass(frozen=True)
class Preference(SingleItem):
    """The winner pays its own bid, but one seat's bids count `factor` times and `bonus` more."""

    seat: int = 0
    factor: float = 1.0
    bonus: float = 0.0

    def roles(self, environment: Environment) -> tuple[int, ...]:
        return tuple(int(seat == self.seat) for seat in range(environment.n))

    def run(self, messages: Array, rng: Stream | None = None) -> Outcome:
        scores = np.where(messages >= 0, messages, NO_BID)
        scores[:, self.seat] = scores[:, self.seat] * self.factor + self.bonus
        won = share_highest(scores, None, rng, axis=1)
        return Outcome(won, won * np.where(messages >= 0, messages, 0.0))

    def charge(self, bids: Array, allocation: Array) -> Array:
        raise NotImplementedError


@dataclass(frozen=True)
class Surcharge(SingleItem):
    """A first-price auction in which the last seat pays a fifth more than it bids."""

    def charge(self, bids: Array, allocation: Array) -> Array:
        rates = np.ones((len(bids), 1))
        rates[-1] = 1.2
        return allocation * rates * np.maximum(bids, 0.0)


@pytest.mark.parametrize(("n", "seat"), [(2, 0), (2, 1), (3, 2)])
def test_a_favourites_bids_are_those_of_a_bidder_with_higher_values(n, seat) -> None:
    """Who pays b and counts as s = 1.25 b gets v − b = (1.25 v − s) / 1.25, as one with values 1.25 v who pays s."""
    found = equilibrium(Preference(seat=seat, factor=1.25), PrivateValues(n, U))
    priors = [U] * n
    priors[seat] = Uniform(0.0, 1.25)
    same = equilibrium(FirstPrice(), PrivateValues(priors=tuple(priors)))
    for j in range(n):
        factor = 1.25 if j == seat else 1.0
        assert np.abs(found.bids[j](V) - same.bids[j](factor * V) / factor).max() < 1e-3
    assert found.certificate is not None
    assert found.certificate.bound < 1e-3


def test_a_favourite_may_have_another_prior_than_the_rest() -> None:
    """U[0, 1] counting 1.25 times against U[0, 2]: the auction of U[0, 1.25] against U[0, 2], as above."""
    found = equilibrium(Preference(seat=0, factor=1.25), PrivateValues(priors=(U, Uniform(0.0, 2.0))))
    same = equilibrium(FirstPrice(), PrivateValues(priors=(Uniform(0.0, 1.25), Uniform(0.0, 2.0))))
    assert np.abs(found.bids[0](V) - same.bids[0](1.25 * V) / 1.25).max() < 1e-3
    assert np.abs(found.bids[1](2 * V) - same.bids[1](2 * V)).max() < 1e-3


def test_who_pays_more_than_its_bid_bids_as_if_its_values_were_lower() -> None:
    found = equilibrium(Surcharge(), PrivateValues(3, U))
    same = equilibrium(FirstPrice(), PrivateValues(priors=(U, U, Uniform(0.0, 1 / 1.2))))
    assert np.abs(found.bids[2](V) - same.bids[2](V / 1.2)).max() < 1e-3
    assert np.abs(found.bids[0](V) - same.bids[0](V)).max() < 1e-3


def test_favoured_bidders_play_their_own_bids_where_the_rule_gives_them_a_role() -> None:
    environment, rule = PrivateValues(3, U), Preference(seat=2, factor=1.25)
    market = Market(environment, rule, [Block(Equilibrium())], rounds=1, replications=500, seed=1)
    played = market.play()
    bids = equilibrium(rule, environment).bids
    assert [team.role for team in market.teams] == [0, 1]
    market.close()
    for seat in range(3):
        assert played.messages[..., seat] == pytest.approx(bids[seat](played.signals[..., seat]))


def test_a_rule_that_favours_a_seat_without_saying_so_is_told_how() -> None:
    environment = PrivateValues(3, U)
    with pytest.raises(NoEquilibrium, match=r"seats 0 and 2 bid differently as surcharge favours one: its `roles` has"):
        equilibrium(Surcharge(), environment).of_role(Surcharge(), environment, 0)


def test_a_bonus_is_a_constant_between_bids_that_tie() -> None:
    found = scored(Preference(bonus=0.1), PrivateValues(2, U))
    assert found is not None
    assert found.bids(1, np.array([0.0, 0.5, NO_BID])) == pytest.approx([0.1, 0.6, NO_BID])
    assert scored(FirstPrice(), PrivateValues(2, U)) is None


def test_seats_are_told_apart_by_priors_and_by_the_rule() -> None:
    assert exchangeable(FirstPrice(), PrivateValues(3, U)) == (0, 0, 0)
    assert exchangeable(FirstPrice(), PrivateValues(priors=(U, B, U))) == (0, 1, 0)
    assert exchangeable(Surcharge(), PrivateValues(3, U)) == (0, 0, 2)


def test_a_certificate_looks_at_every_seat_that_the_rule_treats_in_its_own_way() -> None:
    """The first two of three seats are not told apart by the rule, the third gains by bidding less than they do."""
    environment = PrivateValues(3, U)
    equal = equilibrium(FirstPrice(), environment).bids
    found = certify(Surcharge(), environment, equal)
    assert found.seat == 2
    assert found.bound > 0.05


@dataclass(frozen=True)
class Priceless(SingleItem):
    """The winner pays what is no number."""

    def charge(self, bids: Array, allocation: Array) -> Array:
        return allocation * np.nan


def test_payments_that_are_no_numbers_are_refused_with_the_bids() -> None:
    with pytest.raises(NoEquilibrium, match=r"a payment should be a number, got nan for the bids \d"):
        equilibrium(Priceless(), PrivateValues(2, U))
