"""Numerical equilibria against closed forms and other methods, each certified; refusals say what is missing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from auctionlab.arrays import Array, highest_two
from auctionlab.environments.data_priors import Discrete
from auctionlab.environments.priors import Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.environments.risk import Cara, Crra
from auctionlab.environments.special_priors import Beta
from auctionlab.errors import NoEquilibrium
from auctionlab.mechanisms.single_item import AllPay, FirstPrice, KthPrice, SecondPrice, SingleItem, WarOfAttrition
from auctionlab.theory.benchmarks import benchmark
from auctionlab.theory.certificate import share
from auctionlab.theory.equilibria import GOOD, equilibrium, solve
from auctionlab.theory.several import several

U, B = Uniform(), Beta(2.0, 5.0)


@dataclass(frozen=True)
class HalfPrice(SingleItem):
    """The highest bid wins and pays half of itself: bids are twice those of the first-price auction."""

    def charge(self, bids: Array, allocation: Array) -> Array:
        return allocation * bids.clip(0) / 2


@dataclass(frozen=True)
class MixedAllPay(SingleItem):
    """Losers pay their bids, the winner half of its own and half of the second."""

    def charge(self, bids: Array, allocation: Array) -> Array:
        paid = np.where(bids > -np.inf, bids, 0.0)
        second = np.maximum(highest_two(bids)[1], 0.0)
        return np.where(allocation > 0, (paid + np.minimum(second, paid)) / 2, paid)


def inside(prior, count: int = 200) -> Array:
    return np.asarray(prior.quantile(np.linspace(0.005, 0.995, count)))


@pytest.mark.parametrize("n", [2, 5, 10])
@pytest.mark.parametrize("prior", [U, B])
@pytest.mark.parametrize(
    "rule", [FirstPrice(), SecondPrice(), AllPay(), AllPay(entry_fee=0.1), FirstPrice(reserve=0.3)]
)
def test_the_general_method_finds_what_the_formula_says(rule, prior, n) -> None:
    environment, v = PrivateValues(n, prior), inside(prior)
    found, formula = solve(rule, environment), rule.equilibrium(environment)
    bids, known = found.bids[0](v), formula[0](v)
    taking = np.isfinite(known)
    assert np.array_equal(np.isfinite(bids), taking)
    assert np.abs(bids[taking] - known[taking]).max() < 1e-4
    assert found.certificate is not None
    assert found.certificate.exact
    assert found.certificate.bound < 1e-3
    assert found.certificate.loss < 1e-4


def test_risk_averse_bidders_too() -> None:
    v = inside(U)
    for rule, risk in ((FirstPrice(), Crra(rho=0.5)), (FirstPrice(), Cara(alpha=2.0)), (AllPay(), Cara(alpha=2.0))):
        environment = PrivateValues(3, U, risk=risk)
        found, formula = solve(rule, environment), rule.equilibrium(environment)
        assert np.abs(found.bids[0](v) - formula[0](v)).max() < 2e-3


def test_half_price_bids_are_twice_the_first_price_bids() -> None:
    for environment in (PrivateValues(5, B), PrivateValues(priors=(U, B)), PrivateValues(priors=(U, U, B))):
        found = benchmark(HalfPrice(), environment)
        formula = benchmark(FirstPrice(), environment)
        for prior, bid, half in zip(environment.priors, formula.bids, found.bids, strict=True):
            assert np.abs(2 * bid(inside(prior)) - half(inside(prior))).max() < 3e-3
        assert found.revenue == pytest.approx(formula.revenue, rel=1e-3)
        assert found.certificate is not None
        assert found.certificate.bound < GOOD


def test_an_all_pay_mix_of_own_and_second_bid() -> None:
    """Uniform, n = 2, winner pays (1 − a) own + a second: b = −v/a − ln(1 − a v)/a², from v = (1 − a v) b′."""
    v, a = inside(U), 0.5
    found = equilibrium(MixedAllPay(), PrivateValues(2, U))
    assert np.abs(found.bids[0](v) - (-v / a - np.log(1 - a * v) / a**2)).max() < 1e-4


def test_two_different_all_pay_bidders_are_those_of_amann_and_leininger() -> None:
    """Values w uniform on [0, 1], x on [0, 2]. Types that bid b: w φ₂′/2 = 1 and x φ₁′ = 1, hence dx/dw = 2 x / w.

    With a common top bid x = 2 w², and b′(w) = x gives b = 2 w³/3.  Amann and Leininger (1996), theorem 1
    """
    environment = PrivateValues(priors=(U, Uniform(0.0, 2.0)))
    weak, strong = equilibrium(AllPay(), environment).bids
    w = inside(U)
    assert np.abs(weak(w) - 2 * w**3 / 3).max() < 1e-4
    x = 2 * w**2
    assert np.abs(strong(x) - 2 * w**3 / 3).max() < 1e-4


def test_the_weaker_all_pay_bidder_bunches_at_nothing() -> None:
    """Values uniform on [1, 2] and [1, 3]: φ₁′ φ₂ = 1, φ₂′ φ₁ = 2 give φ₂ = 3 (φ₁/2)², which is 1 at 2/√3."""
    weak, strong = equilibrium(AllPay(), PrivateValues(priors=(Uniform(1.0, 2.0), Uniform(1.0, 3.0)))).bids
    lowest = 2 / np.sqrt(3)
    assert np.abs(weak(np.linspace(1, lowest - 0.002, 20))).max() < 1e-9
    w = np.linspace(lowest + 0.002, 2, 50)
    assert np.abs(weak(w) - (w**3 - lowest**3) / 4).max() < 1e-4  # b′(w) = φ₂ = 3 w²/4
    assert np.abs(strong(3 * w**2 / 4) - (w**3 - lowest**3) / 4).max() < 1e-4


def test_second_price_entry_of_different_bidders() -> None:
    """Each threshold type expects its fee back: v₁ F₂(v₂) = c, and F₁(v₁) v₂ + ∫(v₂ − x) dF₁ over [v₁, v₂] = c."""
    fee, environment = 0.1, PrivateValues(priors=(U, B))
    low, high = (bid.threshold for bid in equilibrium(SecondPrice(entry_fee=fee), environment).bids)  # type: ignore
    assert low * float(B.cdf(np.array(high))) == pytest.approx(fee, abs=1e-4)
    assert low * high + (high - low) ** 2 / 2 == pytest.approx(fee, abs=1e-4)


def test_equilibria_without_formula_pass_their_certificate() -> None:
    for rule, environment in (
        (AllPay(), PrivateValues(3, U, risk=Crra(rho=0.5))),
        (AllPay(reserve=0.1), PrivateValues(priors=(U, B))),
        (FirstPrice(entry_fee=0.1), PrivateValues(priors=(U, B))),
        (WarOfAttrition(), PrivateValues(2, B, risk=Crra(rho=0.5))),
        (AllPay(), PrivateValues(priors=(U, U, B))),
    ):
        found = benchmark(rule, environment)
        assert found.certificate is not None
        assert found.certificate.exact
        assert found.certificate.bound < GOOD


def test_collocation_of_different_first_price_bidders_is_certified_too() -> None:
    found = benchmark(FirstPrice(), PrivateValues(priors=(U, Uniform(0.0, 2.0))))
    assert found.certificate is not None
    assert found.certificate.bound < 1e-9


def test_refusals_are_one_sentence() -> None:
    gap = Discrete((0.0, 1.0))
    with pytest.raises(NoEquilibrium, match="more than 64 bidders"):
        solve(FirstPrice(), PrivateValues(100, U))
    with pytest.raises(NoEquilibrium, match="single values"):
        equilibrium(AllPay(), PrivateValues(2, gap))
    with pytest.raises(NoEquilibrium, match=r"no formula is known here, and the numerical search found no equilibrium"):
        solve(WarOfAttrition(reserve=0.1), PrivateValues(priors=(U, Uniform(0.0, 2.0))))
    with pytest.raises(NoEquilibrium, match="no formula is known under CRRA unless F is a power"):
        KthPrice(k=3).equilibrium(PrivateValues(4, B, risk=Crra(rho=0.5)))


@pytest.mark.parametrize(
    ("part", "words"), [(3e-9, "3e-07 %"), (0.0002, "0.02 %"), (0.92, "90 %"), (31.0, "3,000 %"), (1e301, "1e+303 %")]
)
def test_what_a_type_could_gain_is_told_in_plain_numbers(part, words) -> None:
    assert share(part) == words


def test_second_price_auctions_have_several_equilibria() -> None:
    """One bids more than every value and the other nothing, either way round.  Blume and Heidhues (2004)"""
    found = several(SecondPrice(), PrivateValues(2, U), starts=3)
    v = inside(U)
    assert len(found) == 3
    assert np.array_equal(found[0].bids[0](v), v)
    for k, one in enumerate(found[1:]):
        assert one.bids[k](v).min() >= 1
        assert one.bids[1 - k](v).max() < 1e-4
        assert one.certificate is not None
        assert one.certificate.bound < 1e-4


def test_first_price_auctions_of_equals_have_one_equilibrium_from_every_start() -> None:
    assert len(several(FirstPrice(), PrivateValues(2, U), starts=2)) == 1
