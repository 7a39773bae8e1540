"""Certificates: what any type could gain, against gains worked out by hand, and nearly nothing at closed forms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from auctionlab.arrays import NO_BID, Array
from auctionlab.environments.data_priors import Discrete
from auctionlab.environments.priors import Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.environments.risk import Crra
from auctionlab.environments.special_priors import Beta
from auctionlab.errors import NoEquilibrium
from auctionlab.mechanisms.single_item import AllPay, FirstPrice, KthPrice, SecondPrice, WarOfAttrition
from auctionlab.theory.certificate import certify
from auctionlab.theory.equilibria import equilibrium
from auctionlab.theory.symmetric import Bidding
from tests.reference.losers import MeanOfLosers

U, B = Uniform(), Beta(2.0, 5.0)


def scaled(factor: float) -> tuple:
    def bid(v: Array) -> Array:
        return factor * np.asarray(v, float)

    return (bid, bid)


def test_bids_a_tenth_too_low_gain_what_was_worked_out_by_hand() -> None:
    """Against 0.45 v, types above 0.9 reply 0.45: gain v − 0.45 − 0.55 v², most at 1/1.1; mean utility 0.55/3."""
    found = certify(FirstPrice(), PrivateValues(2, U), scaled(0.45))
    assert found.exact
    assert found.gain == pytest.approx((1 / 2.2 - 0.45) / (0.55 / 3), rel=2e-3)  # the grid of types
    assert found.value == pytest.approx(1 / 1.1, abs=0.01)
    # all types: those below 0.9 reply v / 2 and gain (1/1.8 − 0.55) v²
    mean = (1 / 1.8 - 0.55) * 0.9**3 / 3 + (1 - 0.81) / 2 - 0.045 - 0.55 * (1 - 0.729) / 3
    assert found.loss == pytest.approx(mean / (0.55 / 3), rel=0.01)


def test_a_second_price_bidder_who_bids_half_its_value_loses_what_was_worked_out_by_hand() -> None:
    """Against v / 2, truth beats values up to min(2 v, 1) and pays half of them; v / 2 earns 3 v²/4."""
    found = certify(SecondPrice(), PrivateValues(2, U), scaled(0.5))
    # type v ≥ 1/2 wins always: v − 1/4 − 3 v²/4, largest at v = 2/3; mean utility 1/4
    assert found.gain == pytest.approx((2 / 3 - 1 / 4 - 1 / 3) / 0.25, rel=2e-3)


@pytest.mark.parametrize(
    ("mechanism", "environment"),
    [
        (FirstPrice(), PrivateValues(2, U)),
        (FirstPrice(reserve=0.3), PrivateValues(5, B)),
        (FirstPrice(), PrivateValues(3, U, risk=Crra(rho=0.5))),
        (FirstPrice(), PrivateValues(priors=(U, B))),
        (FirstPrice(), PrivateValues(priors=(U, Uniform(0.5, 2.0)))),
        (SecondPrice(entry_fee=0.2), PrivateValues(3, U)),
        (AllPay(entry_fee=0.1), PrivateValues(10, U)),
        (WarOfAttrition(), PrivateValues(2, B)),
    ],
)
def test_nothing_is_left_to_gain_at_a_closed_form(mechanism, environment) -> None:
    found = certify(mechanism, environment, mechanism.equilibrium(environment))
    assert found.exact
    assert found.bound < 1e-6


@pytest.mark.parametrize(
    ("mechanism", "environment", "most"),
    [
        (KthPrice(k=3), PrivateValues(3, U), 1e-12),
        (KthPrice(k=3), PrivateValues(5, U), 1e-6),
        (KthPrice(k=4), PrivateValues(5, U), 1e-6),
        (KthPrice(k=3, reserve=0.3), PrivateValues(5, U), 1e-6),
        (KthPrice(k=3), PrivateValues(4, B), 1e-4),  # bids grow without bound: cells are wide near the top
    ],
)
def test_nothing_is_left_to_gain_where_a_lower_bid_is_the_price(mechanism, environment, most) -> None:
    """Kagel and Levin (1993), Monderer and Tennenholtz (2000); the bounds are what cells of bids leave."""
    found = certify(mechanism, environment, mechanism.equilibrium(environment))
    assert found.exact
    assert found.bound < most


def test_truth_in_a_third_price_auction_gains_what_was_worked_out_by_hand() -> None:
    """Three uniform values, truthful rivals: the top type wins when it bids 1, at a mean price of 1/3 of two draws.

    Type v who beats all pays E[min] = 1/3 and gains v − 1/3; its bid v earns v² (v − v/3). Most at v = 1/√2.
    """
    found = certify(KthPrice(k=3), PrivateValues(3, U), scaled(1.0)[:1] * 3)
    v = 1 / np.sqrt(2)
    utility = 2 / 3 / 4  # E[2 v³/3]
    assert found.exact
    assert found.gain == pytest.approx((v - 1 / 3 - 2 * v**3 / 3) / utility, rel=1e-3)  # the grid of types
    assert found.value == pytest.approx(v, abs=0.01)


def test_where_all_lower_bids_matter_the_gain_has_a_confidence_bound() -> None:
    """The winner pays the mean of the losing bids: b = 2 (n − 1) v / n for uniform values, as in `test_deep`."""
    found = certify(MeanOfLosers(), PrivateValues(4, U), scaled(1.5)[:1] * 4)
    assert not found.exact
    assert 0 <= found.gain <= found.bound < 2e-3  # 99 % of 45 types together, from 16 lattices
    assert "99 % confidence" in str(found)
    truth = certify(MeanOfLosers(), PrivateValues(4, U), scaled(1.0)[:1] * 4)
    assert truth.gain > 0.05  # truth underbids


def test_staying_out_is_a_bid_too() -> None:
    """All who bid 0.8 in an all-pay auction lose but one in two: who has value 0.5 gains by no bid."""
    found = certify(AllPay(), PrivateValues(2, U), (lambda v: np.full(np.shape(v), 0.8),) * 2)
    assert found.value < 0.01
    assert found.bid in (NO_BID, 0.0)


def test_games_without_scalar_private_bids_are_refused() -> None:
    with pytest.raises(NoEquilibrium, match="single values"):
        certify(FirstPrice(), PrivateValues(2, Discrete((0.0, 1.0))), scaled(0.5))


@dataclass(frozen=True)
class Overconfident(FirstPrice):
    """A first-price auction that takes 0.8 v for its numerical equilibrium; with two bidders and U[0, 1] it is v/2."""

    def equilibrium(self, environment):
        return (Bidding("guessed", 0.0, lambda v: 0.8 * v, lambda v: v, lambda v: 0.8 * v**2, numerical=True),) * 2


def test_bids_that_a_mechanism_solved_for_are_held_to_the_same_certificate() -> None:
    """Against 0.8 v a type 1 bids 1/2, wins with chance 5/8 and gains 5/16 − 1/5 = 0.1125, where seats expect 1/15."""
    with pytest.raises(NoEquilibrium, match="equations of an equilibrium were solved, but a type still gains 200 %"):
        equilibrium(Overconfident(), PrivateValues(2, Uniform()))


def test_gains_are_relative_to_typical_values_where_the_median_is_0() -> None:
    """U[−1, 1] twice never bid against three U[0, 2], who bid as if alone: b = ∫ x dF(x)² = v³/6."""
    weak, strong = Uniform(-1.0, 1.0), Uniform(0.0, 2.0)
    bids = equilibrium(AllPay(), PrivateValues(priors=(weak, weak, strong, strong, strong))).bids
    v = np.linspace(0.1, 2, 20)
    assert np.abs(bids[-1](v) - v**3 / 6).max() < 1e-4
    assert np.all(bids[0](np.linspace(0, 1, 9)) == 0)
