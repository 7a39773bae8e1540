"""Different bidders who pay by their own bids, and entry fees: against closed forms and prior chances alone."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from auctionlab.environments.priors import Exponential, Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.environments.risk import Cara, Crra
from auctionlab.environments.special_priors import Beta
from auctionlab.errors import NoEquilibrium
from auctionlab.mechanisms.single_item import AllPay, FirstPrice, SecondPrice
from auctionlab.theory import descent, falls
from auctionlab.theory.benchmarks import benchmark
from auctionlab.theory.certificate import certify
from auctionlab.theory.common_bids import CommonBids
from auctionlab.theory.equilibria import _bids, _common_start, _plays, equilibrium
from auctionlab.theory.own_bids import own_bid_decides
from auctionlab.theory.sealed import Roles


@dataclass(frozen=True)
class CappedAllPay(AllPay):
    """All pay their bids, but nobody more than the cap."""

    cap: float = 1.0

    def charge(self, bids, allocation):
        return np.minimum(super().charge(bids, allocation), self.cap)

    def equilibrium(self, environment):
        raise NoEquilibrium("no formula is known")


@dataclass(frozen=True)
class Barred(FirstPrice):
    """The winner pays its own bid, or beyond all bounds from 1 on."""

    def charge(self, bids, allocation):
        return np.where(allocation > 0, np.where(bids < 1, bids, np.inf), 0.0)

    def equilibrium(self, environment):
        raise NoEquilibrium("no formula is known")


U, B, HILL = Uniform(), Beta(2.0, 5.0), Beta(2.0, 2.0)
WIDE, WIDER = Uniform(0.0, 2.0), Uniform(0.0, 3.0)


def chance_below(bid, prior, price) -> float:
    """P(a bid is at most a price), by counting quantiles."""
    levels = (np.arange(200_000) + 0.5) / 200_000
    return float(np.mean(np.asarray(bid(prior.quantile(levels))) <= price))


def test_the_weakest_of_three_all_pay_bidders_bids_nothing() -> None:
    """U[0, 1], U[0, 2], U[0, 3]: against types x and y of the last two that bid alike, y = 3 (x/2)^(3/2), a bid of the
    first earns v F₂ F₃ with (F₂ F₃)′ = F₂/x + F₃/y = 1/2 + 1/3 < 1 everywhere. Type x pays ∫ x dF₃(y) = 0.3 x^2.5/√2.
    """
    weak, middle, strong = equilibrium(AllPay(), PrivateValues(priors=(U, WIDE, WIDER))).bids
    x = np.linspace(0.01, 1.99, 100)
    assert np.all(weak(np.linspace(0, 1, 20)) == 0)
    assert np.abs(middle(x) - 0.3 * x**2.5 / np.sqrt(2)).max() < 1e-4
    assert np.abs(strong(3 * (x / 2) ** 1.5) - 0.3 * x**2.5 / np.sqrt(2)).max() < 1e-4


def test_two_all_pay_bidders_under_cara_meet_the_exact_top_bid() -> None:
    """Under CARA, α (1 − exp(−α v))⁻¹ dK = α db/(1 − K s): with s = 1 − exp(−α v), s₁ p₂′ = α (1 − p₂ s₁) for the types
    that bid alike. Checked along the bids found, p from the priors alone."""
    risk = Cara(alpha=2.0)
    one, two = equilibrium(AllPay(), PrivateValues(priors=(U, WIDE), risk=risk)).bids
    prices = np.linspace(0.05, 0.85, 9)
    for bid, rival, prior, other in ((one, two, U, WIDE), (two, one, WIDE, U)):
        values = np.linspace(prior.low, prior.high, 200_001)
        v = np.interp(prices, bid(values), values)
        others = np.linspace(other.low, other.high, 200_001)
        step = 1e-3
        p, up, down = (np.asarray(other.cdf(np.interp(prices + d, rival(others), others))) for d in (0, step, -step))
        s = -np.expm1(-risk.alpha * v)
        assert np.abs(s * (up - down) / (2 * step) - risk.alpha * (1 - p * s)).max() < 2e-3  # differences of bids


def test_two_methods_agree_on_all_pay_bids_under_crra() -> None:
    """Common inverse bids by Gauss-Newton know nothing of the equations that lead down from the top bid."""
    environment = PrivateValues(priors=(U, WIDE), risk=Crra(rho=0.5))
    sides = Roles(AllPay(), environment, (0, 1))
    start = _common_start(sides)
    assert start is not None
    conditions = CommonBids(sides, 0)
    with np.errstate(all="ignore"):
        others = _bids(sides, _plays(conditions, conditions.solve(start)))
    for prior, one, other in zip((U, WIDE), equilibrium(AllPay(), environment).bids, others, strict=True):
        values = np.asarray(prior.quantile(np.linspace(0.05, 0.95, 50)))
        assert np.abs(one(values) - other(values)).max() < 2e-3  # of the second method, on 96 cells


@pytest.mark.parametrize(
    ("rule", "priors", "risk"),
    [
        (AllPay(), (Uniform(1.0, 2.0), Uniform(1.0, 3.0)), Crra(rho=0.5)),
        (AllPay(), (U, B, HILL), Crra(rho=0.5)),
        (AllPay(), (U, U, B), Cara(alpha=2.0)),
        (AllPay(reserve=0.1, entry_fee=0.05), (Exponential(1.0), Exponential(2.0)), None),
        (FirstPrice(entry_fee=0.1), (U, B, HILL), None),
        (FirstPrice(reserve=0.2, entry_fee=0.1), (U, B), Crra(rho=0.5)),
        (SecondPrice(entry_fee=0.1), (U, B, HILL), Cara(alpha=2.0)),
    ],
)
def test_nobody_gains_by_another_bid(rule, priors, risk) -> None:
    environment = PrivateValues(priors=priors, risk=risk)
    found = certify(rule, environment, equilibrium(rule, environment).bids)
    assert found.exact
    assert found.bound < 1e-3


def test_lowest_entrants_of_a_first_price_auction_expect_their_fee_back() -> None:
    priors, fee = (U, B, HILL), 0.1
    bids = equilibrium(FirstPrice(entry_fee=fee), PrivateValues(priors=priors)).bids
    for seat, bid in enumerate(bids):
        first = bid.threshold  # type: ignore[attr-defined]
        price = float(bid(np.array(first)))
        others = [j for j in range(3) if j != seat]
        win = np.prod([chance_below(bids[j], priors[j], price + 1e-9) for j in others])
        assert (first - price) * win == pytest.approx(fee, abs=1e-4)  # counting


def test_three_different_second_price_bidders_enter_where_they_expect_the_fee() -> None:
    """U(t) = ∫_0^t Π F_j(max(y, t_j)) dy = e for each threshold t, by parts."""
    priors, fee = (U, B, HILL), 0.1
    bids = equilibrium(SecondPrice(entry_fee=fee), PrivateValues(priors=priors)).bids
    at = [bid.threshold for bid in bids]  # type: ignore[attr-defined]
    for seat in range(3):
        y = (np.arange(20_000) + 0.5) / 20_000 * at[seat]
        won = np.prod([priors[j].cdf(np.maximum(y, at[j])) for j in range(3) if j != seat], axis=0)
        assert float(np.mean(won)) * at[seat] == pytest.approx(fee, abs=1e-6)  # sums


def test_a_fee_may_keep_all_but_one_bidder_out() -> None:
    """A fee of 1/2: the strongest enters from 1/2 on, alone; a weak type 1 would win with probability 1/4."""
    weak, strong = equilibrium(SecondPrice(entry_fee=0.5), PrivateValues(priors=(U, WIDE))).bids
    assert not np.isfinite(weak(np.linspace(0, 1, 9))).any()
    assert np.array_equal(np.isfinite(strong(np.array([0.49, 0.51]))), [False, True])


def test_a_descent_that_takes_too_many_steps_is_given_up(monkeypatch) -> None:
    sides = Roles(AllPay(), PrivateValues(priors=(U, WIDE)), (0, 1))
    monkeypatch.setattr(falls, "_PATIENCE", 20)
    with pytest.raises(NoEquilibrium, match="cannot be followed"):
        descent.Descent(sides).solve()


@pytest.mark.parametrize("rule", [FirstPrice(entry_fee=0.9), AllPay(reserve=0.8), AllPay(reserve=0.1)])
def test_the_risk_neutral_expect_what_they_win_less_what_they_pay(rule) -> None:
    """Where many types of the strong bidder send the lowest bid, too: the two are interpolated one by one."""
    found = benchmark(rule, PrivateValues(priors=(U, WIDE)))
    assert found.utility == pytest.approx(found.surplus, abs=1e-5)


@pytest.mark.parametrize("rule", [FirstPrice(reserve=0.5, entry_fee=0.9), AllPay(reserve=0.5, entry_fee=0.9)])
def test_the_only_bidder_who_can_afford_the_fee_bids_the_reserve(rule) -> None:
    """U[0, 2] enters from 1.4 on and expects ∫ (v − 1.4) dv/2 = 0.09; a fee of 5 keeps all out."""
    found = benchmark(rule, PrivateValues(priors=(U, WIDE)))
    weak, strong = found.bids
    assert np.array_equal(strong(np.array([1.39, 1.41, 2.0])), [-np.inf, 0.5, 0.5])
    assert not np.isfinite(weak(np.array([0.5, 0.99]))).any()
    assert found.utility == pytest.approx((0.0, 0.09), abs=1e-6)
    assert benchmark(replace(rule, entry_fee=5.0), PrivateValues(priors=(U, WIDE))).sale_probability == 0


def test_a_bidder_whose_density_vanishes_at_its_highest_value_is_followed_as_exactly_as_others() -> None:
    """Beta(2, 5) comes in below the top bid: levels would tell its highest types apart no more."""
    found = equilibrium(FirstPrice(entry_fee=0.1), PrivateValues(priors=(U, B, WIDE), risk=Cara(alpha=2.0)))
    assert found.certificate is not None
    assert found.certificate.bound < 1e-5  # 4e-4 where levels were followed


@pytest.mark.parametrize("priors", [(U, WIDE), (Uniform(1.0, 2.0), WIDER)])
def test_first_price_bids_down_from_the_top_are_those_of_collocation(priors) -> None:
    """Which knows nothing of shooting, and solves for all types at once."""
    environment = PrivateValues(priors=priors)
    sides = Roles(FirstPrice(), environment, tuple(environment.roles()))
    for prior, play, bid in zip(
        priors, descent.Descent(sides).solve(), FirstPrice().equilibrium(environment), strict=True
    ):
        kept = play.levels > 0.05
        assert np.abs(play.bids[kept] - bid(play.values[kept])).max() < 1e-4 * prior.high


def test_a_lowest_bid_that_is_best_just_at_the_reserve() -> None:
    """U[1, 2] against U[0, 3]: (1 − b) b is largest at the reserve of 1/2, which type 1 bids.

    With c and d constants, type 1 + v bids 1/2 + c / log(d / v), very steeply.
    """
    environment = PrivateValues(priors=(Uniform(1.0, 2.0), WIDER))
    found = equilibrium(FirstPrice(reserve=0.5), environment)
    assert float(found.bids[0](np.array(1.0))) == pytest.approx(0.5, abs=0.03)  # of v = 1e-16
    assert found.certificate is not None
    assert found.certificate.bound < 1e-4


def test_a_descent_that_begins_anew_meets_the_entrant_who_expects_nothing() -> None:
    """v u(v − r) = (1 − v) u(r) for the first of two; errors at the top bid grow by 1e5 on the way down to it."""
    risk, reserve = Crra(rho=0.9), 0.1
    sides = Roles(AllPay(reserve=reserve), PrivateValues(2, U, risk=risk), (0, 0))
    first = float(descent.Descent(sides).solve()[0].values[0])
    assert first * risk.u(np.array(first - reserve)) == pytest.approx((1 - first) * risk.u(np.array(reserve)), abs=1e-4)


def test_a_cap_on_payments_matters_where_it_is_below_the_top_bid() -> None:
    """U[0, 1] against U[0, 2] bid up to 2/3.  Amann and Leininger (1996), theorem 1"""
    environment, w = PrivateValues(priors=(U, WIDE)), np.linspace(0.05, 1, 20)
    bids = equilibrium(CappedAllPay(cap=0.9), environment).bids
    assert np.abs(bids[0](w) - 2 * w**3 / 3).max() < 1e-4
    with pytest.raises(NoEquilibrium, match="found no equilibrium"):
        equilibrium(CappedAllPay(cap=0.5), environment)


def test_a_payment_without_bound_is_no_table_of_payments() -> None:
    sides = Roles(Barred(), PrivateValues(2, Uniform(1.0, 2.0)), (0, 0))
    with np.errstate(invalid="ignore"):
        assert not own_bid_decides(sides)
