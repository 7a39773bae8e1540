"""Smooth bids where lower bids matter: against closed forms, the conditions by other quadrature, and certificates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from auctionlab.arrays import NO_BID, Array
from auctionlab.environments.priors import Exponential, Power, Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.environments.risk import Cara, Crra
from auctionlab.environments.special_priors import Beta, Lognormal
from auctionlab.errors import NoEquilibrium, NoneExists
from auctionlab.mechanisms.single_item import KthPrice, SingleItem
from auctionlab.theory.equilibria import equilibrium
from auctionlab.theory.lower_ranks import all_of, one_of, two_of
from auctionlab.theory.path_means import path_mean
from auctionlab.theory.sealed import Roles
from auctionlab.theory.smooth import Smooth
from auctionlab.theory.spline_bids import Splines
from auctionlab.theory.symmetric import Bidding
from tests.reference.losers import MeanOfAll, MeanOfLosers

U, B, E = Uniform(), Beta(2.0, 5.0), Exponential(1.0)
HALF = Crra(rho=0.5)


@dataclass(frozen=True)
class OwnAndThird(SingleItem):
    """The highest bid wins and pays half of it and half of the third-highest."""

    def charge(self, bids: Array, allocation: Array) -> Array:
        paid = np.sort(np.where(bids > NO_BID, bids, 0.0), axis=0)
        return allocation * (paid[-1] + paid[-min(3, len(paid))]) / 2


@dataclass(frozen=True)
class LowestOfThree(SingleItem):
    """The third price as a plug-in, which no formula knows."""

    def charge(self, bids: Array, allocation: Array) -> Array:
        return allocation * np.maximum(np.sort(np.where(bids > NO_BID, bids, 0.0), axis=0)[-3], self.reserve)


def smooth(rule, environment) -> Bidding:
    """The bids alone, without certificate."""
    search = Smooth(Roles(rule, environment, environment.roles()))
    return search.bidding(search.solve([lambda v: 0.9 * v]), "smooth")


def inside(prior, count: int = 41) -> Array:
    return np.asarray(prior.quantile(np.linspace(0.02, 0.95, count)))


def test_ranks_have_the_moments_of_order_statistics() -> None:
    """Of four uniform levels the highest has the mean 4/5, the third-highest 2/5; of the square root 4/4.5."""
    share = np.linspace(0, 1, 2001)
    middle = (share[1:] + share[:-1]) / 2

    def means(ranks, power: float = 1.0) -> tuple[float, ...]:
        masses = ranks.weights[:, None] * np.diff(ranks.upto(share))
        first = ranks.ratios[:, :1] if ranks.ratios.shape[1] else np.zeros((1, 1))
        inner = float((masses * (first + (1 - first) * middle) ** power).sum())
        return (inner, *(float(ranks.weights @ column**power) for column in ranks.ratios.T))

    assert means(all_of(4, 5)) == pytest.approx((4 / 5, 3 / 5, 2 / 5, 1 / 5), abs=1e-6)
    assert means(all_of(4, 5), 0.5)[0] == pytest.approx(4 / 4.5, abs=1e-6)
    assert means(two_of(4, 3, 5)) == pytest.approx((4 / 5, 2 / 5), abs=1e-6)
    assert means(one_of(4, 3))[0] == pytest.approx(2 / 5, abs=1e-6)


def test_the_mean_of_utility_along_a_path_is_exact_where_it_bends() -> None:
    """∫ over [−1, 2] of 2 sign(x) √|x| over 3 is 4/9 (2^1.5 − 1), whether 0 is a node or not."""
    for nodes in (np.array([-1.0, 2.0]), np.array([-1.0, 0.0, 0.5, 2.0])):
        mean, slopes = path_mean(HALF.u, nodes, np.diff(nodes) / 3)
        assert mean == pytest.approx(4 / 9 * (2**1.5 - 1), abs=1e-9)
        ends = np.eye(len(nodes))[[0, -1]] * 1e-4
        for end, slope in zip(ends, slopes[[0, -1]], strict=True):
            change = path_mean(HALF.u, nodes + end, np.diff(nodes) / 3)[0]
            change -= path_mean(HALF.u, nodes - end, np.diff(nodes) / 3)[0]
            assert slope == pytest.approx(change / 2e-4, rel=1e-5)


def test_derivatives_of_spline_bids_are_those_of_differences() -> None:
    splines = Splines(B, 0.1, 8)
    chosen = np.append(0.2, np.linspace(-1.0, 2.0, 8))
    points, values = splines.points(inside(B)), inside(B)
    curve = splines.curve(chosen)
    assert np.abs(curve.at(points) - splines.function(chosen)(values))[values > splines.values[0]].max() < 1e-12
    for column, step in zip(curve.derivatives(points).T, 1e-5 * np.eye(9), strict=True):
        sides = [splines.curve(chosen + sign * step).at(points) for sign in (1, -1)]
        assert np.abs(column - (sides[0] - sides[1]) / 2e-5).max() < 1e-6


@pytest.mark.parametrize("n", [3, 4, 5])
def test_the_mean_of_losing_bids_as_price(n) -> None:
    """b = 2 (n − 1) v / n for uniform values, as in `test_deep`."""
    found, v = smooth(MeanOfLosers(), PrivateValues(n, U)), inside(U)
    assert np.abs(found(v) / v * n / (2 * (n - 1)) - 1).max() < 1e-5
    assert np.abs(found.gains(v) - v**n / n).max() < 1e-5  # as in second-price


@pytest.mark.parametrize(
    ("prior", "risk"), [(U, HALF), (Power(2.0), HALF), (B, None), (E, None), (E, Cara(2.0)), (B, Cara(2.0))]
)
def test_third_price_bids_as_a_plug_in_are_those_of_the_formulas(prior, risk) -> None:
    """Also where they soar: b = v + exp(v) / 2 − 1/2 for exponential values among four.  Kagel and Levin (1993)"""
    environment, v = PrivateValues(4, prior, risk=risk), inside(prior)
    formula = KthPrice(k=3).equilibrium(environment)[0]
    assert np.abs(smooth(LowestOfThree(), environment)(v) / formula(v) - 1).max() < 5e-3


@pytest.mark.parametrize(
    ("k", "n", "prior"), [(3, 3, B), (3, 4, Lognormal(0.0, 0.5)), (4, 5, Exponential(2.0))], ids=["beta", "log", "exp"]
)
def test_the_price_is_worth_the_value_on_average_under_crra(k, n, prior) -> None:
    """The mean of u(v − b(y)), y the (k − 2)-th highest of n − 2 lower rivals, over 400,000 draws of them."""
    bids = smooth(KthPrice(k=k), PrivateValues(n, prior, risk=HALF))
    draws = np.sort(np.random.default_rng(3).random((400_000, n - 2)), axis=1)[:, -(k - 2)]
    for level in (0.1, 0.5, 0.9):
        value = float(prior.quantile(np.array(level)))
        worth = np.asarray(HALF.u(value - bids(np.asarray(prior.quantile(level * draws)))))
        assert (
            abs(worth.mean()) < 4 * worth.std() / 400_000**0.5 + 1e-3 * np.abs(worth).mean()
        )  # sampling error, quadrature


def test_the_mean_of_all_bids_under_crra() -> None:
    """No bid κ z earns more than κ v among three uniform bidders: utility by sums over 1,000² lower rivals."""
    bids = smooth(MeanOfAll(), PrivateValues(3, U, risk=HALF))
    ratio = float(bids(np.array(0.5))) / 0.5
    assert np.abs(bids(inside(U)) / inside(U) / ratio - 1).max() < 1e-4
    rivals = (np.arange(1000) + 0.5) / 1000
    both = rivals[:, None] + rivals

    def earned(z: float) -> float:
        return z**2 * float(np.mean(HALF.u(1 - ratio / 3 * (z + z * both))))

    at = np.linspace(0.9, 1.1, 41)
    curve = np.polynomial.Polynomial.fit(at, [earned(z) for z in at], 4)
    assert abs(curve.deriv()(1.0)) < 0.01 * abs(curve.deriv(2)(1.0))  # the best z is 1 up to 1 %


@pytest.mark.parametrize(
    ("rule", "n", "prior", "risk"),
    [
        (KthPrice(k=3), 3, B, HALF),
        (MeanOfLosers(reserve=0.3), 3, B, HALF),
        (MeanOfAll(reserve=0.3, entry_fee=0.05), 3, E, Cara(2.0)),
    ],
)
def test_nobody_gains_and_expectations_are_those_of_play(rule, n, prior, risk) -> None:
    environment = PrivateValues(n, prior, risk=risk)
    found = equilibrium(rule, environment)
    assert found.certificate is not None
    assert found.certificate.bound < 1e-3
    values = np.asarray(prior.quantile(np.random.default_rng(7).random((100_000, n))))
    paid = rule.run(found.bids[0](values)).payments
    expected = found.bids[0].payment(values)  # type: ignore[attr-defined]
    assert abs(paid.mean() - expected.mean()) < 4 * (paid - expected).std() / 100_000**0.5  # sampling error
    utility = environment.utility(rule.run(found.bids[0](values)), values)
    hoped = found.bids[0].utility(values)  # type: ignore[attr-defined]
    assert abs(utility.mean() - hoped.mean()) < 4 * (utility - hoped).std() / 100_000**0.5  # sampling error


def test_utility_that_bends_is_what_play_brings() -> None:
    """Half the own and half the third bid as price among five, under CRRA: the second of four rivals below v has v y,
    with y from Beta(3, 2). At few such y utility was 0.5 % too high."""
    bid = smooth(OwnAndThird(), PrivateValues(5, U, risk=HALF))
    second = Beta(3.0, 2.0).quantile((np.arange(20_000) + 0.5) / 20_000)
    for value in (0.7, 0.95):
        won = HALF.u(value - float(bid(np.array(value))) / 2 - bid(value * second) / 2)
        assert float(bid.utility(np.array(value))) == pytest.approx(value**4 * won.mean(), rel=5e-4)


def test_where_none_exists_a_refusal_says_so() -> None:
    """A fee makes the lowest entrants of a third-price auction outbid each other; CRRA with a reserve likewise."""
    with pytest.raises(NoEquilibrium, match=r"found no equilibrium: at the best bids tried a type still gains \S+ %"):
        equilibrium(LowestOfThree(entry_fee=0.1), PrivateValues(3, U))
    with pytest.raises(NoneExists, match="types next to the reserve outbid any"):
        KthPrice(k=3, reserve=0.3).equilibrium(PrivateValues(3, U, risk=HALF))
    with pytest.raises(NoneExists, match="no rising bid function exists for k > 3"):
        KthPrice(k=4, reserve=0.3).equilibrium(PrivateValues(5, U, risk=HALF))


def test_third_price_bids_start_from_the_lowest_value() -> None:
    """Values from 1 to 2 are those from 0 to 1 and 1 more, and so are bids: three bid twice as far above 1."""
    v = np.linspace(1, 2, 11)
    found = equilibrium(KthPrice(k=3), PrivateValues(3, Uniform(1.0, 2.0), risk=HALF)).bids[0]
    assert np.abs(found(v) - (2 * v - 1)).max() < 1e-9
