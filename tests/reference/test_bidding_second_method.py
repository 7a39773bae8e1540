"""Equilibrium bids against methods that share nothing with theirs: adaptive quadrature, and best replies by search."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp

from auctionlab.core import Prior
from auctionlab.environments.data_priors import Empirical
from auctionlab.environments.priors import Exponential, Power, Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.environments.risk import Cara, Crra
from auctionlab.environments.scipy_prior import Scipy
from auctionlab.environments.special_priors import Beta, Lognormal, TruncatedNormal
from auctionlab.theory import bidding

PRIORS = [
    Beta(2.0, 5.0),
    Beta(0.5, 0.5),
    Lognormal(0.0, 1.0),
    TruncatedNormal(0.3, 0.1),
    Empirical(tuple(np.sqrt(np.arange(1.0, 40.0)))),
    Scipy("gamma", {"a": 0.4}),
    Scipy("pareto", {"b": 2.5}),
    Scipy("norm", {"loc": 3.0, "scale": 0.5}),
]
LEVELS = [0.01, 0.3, 0.9, 0.999]


def integral(function: Callable[[float], float], low: float, high: float, points: np.ndarray | None = None) -> float:
    inside = None if points is None else [p for p in points if low < p < high] or None
    return quad(function, low, high, points=inside, epsabs=0, epsrel=1e-11, limit=400)[0]


def below(prior: Prior, n: int, value: float, reserve: float = 0.0) -> float:
    """∫_max(r, low)^v (F(x)/F(v))^(n−1) dx by scipy.integrate.quad."""
    start, top = max(prior.low, reserve), float(prior.cdf(np.array(value)))
    points = np.append(prior.breaks, prior.quantile(np.array([1e-6, 1e-3, 0.1, 0.5, 0.9])))
    return integral(lambda x: float((prior.cdf(np.array(x)) / top) ** (n - 1)), start, value, points)


@pytest.mark.parametrize("prior", PRIORS, ids=str)
@pytest.mark.parametrize("n", [2, 7, 50])
def test_first_price_against_adaptive_quadrature(prior: Prior, n: int) -> None:
    values = np.asarray(prior.quantile(np.array(LEVELS)))
    expected = [value - below(prior, n, value) for value in values]
    np.testing.assert_allclose(
        bidding.first_price(PrivateValues(bidders=n, prior=prior))[0](values), expected, rtol=1e-8
    )


@pytest.mark.parametrize("prior", PRIORS, ids=str)
def test_first_price_reserve_and_crra_against_adaptive_quadrature(prior: Prior) -> None:
    reserve = float(prior.quantile(np.array(0.2)))
    values = np.asarray(prior.quantile(np.array(LEVELS[1:])))
    expected = [value - below(prior, 9, value, reserve) for value in values]  # (3 − 1)/(1 − 3/4) = 8 = 9 − 1
    environment = PrivateValues(bidders=3, prior=prior, risk=Crra(0.75))
    np.testing.assert_allclose(bidding.first_price(environment, reserve)[0](values), expected, rtol=1e-8)


@pytest.mark.parametrize("prior", PRIORS[:4], ids=str)
def test_war_of_attrition_against_adaptive_quadrature(prior: Prior) -> None:
    def rate(x: float) -> float:  # x g/(1 − G) for n = 3
        point = np.array(x)
        cdf, sf = float(prior.cdf(point)), float(prior.sf(point))
        return x * 2 * cdf * float(prior.pdf(point)) / (sf * (1 + cdf))

    seat = bidding.war_of_attrition(PrivateValues(bidders=3, prior=prior))[0]
    for value in np.asarray(prior.quantile(np.array([0.3, 0.9, 0.999]))):
        expected = integral(rate, prior.low, float(value), np.asarray(prior.quantile(np.array([1e-4, 0.05, 0.2]))))
        assert seat(value) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("alpha", [0.5, 20.0])
@pytest.mark.parametrize("prior", [Beta(2.0, 5.0), Lognormal(0.0, 0.5), Uniform(1.0, 2.0)], ids=str)
def test_cara_bids_solve_their_differential_equations(prior: Prior, alpha: float) -> None:
    environment = PrivateValues(bidders=4, prior=prior, risk=Cara(alpha))
    start, *values = (float(v) for v in prior.quantile(np.array([0.2, 0.5, 0.9, 0.99])))

    def ratio(x: float) -> tuple[float, float]:
        cdf, pdf = float(prior.cdf(np.array(x))), float(prior.pdf(np.array(x)))
        return cdf**3, 3 * cdf**2 * pdf

    def first(x: float, bid: np.ndarray) -> np.ndarray:  # b′ = (g/G)(exp(α(v − b)) − 1)/α
        win, density = ratio(x)
        return density / win * np.expm1(alpha * (x - bid)) / alpha

    def all_pay(x: float, bid: np.ndarray) -> np.ndarray:  # b′ = g s/(α(1 − G s))
        win, density = ratio(x)
        gain = -np.expm1(-alpha * x)
        return np.array([density * gain / (alpha * (1 - win * gain))])

    for rule, slope in ((bidding.first_price, first), (bidding.all_pay, all_pay)):
        seat = rule(environment)[0]
        begin = [float(seat(np.array(start)))]
        method = "LSODA" if alpha > 1 else "DOP853"
        solved = solve_ivp(slope, (start, values[-1]), begin, method, values, rtol=1e-10, atol=1e-14).y[0]
        np.testing.assert_allclose(seat(np.array(values)), solved, rtol=1e-6)


NODES, WEIGHTS = np.polynomial.legendre.leggauss(40)


def expect(function: Callable[[np.ndarray], np.ndarray], low: float, high: float) -> float:
    """∫_low^high of a function of a probability, graded towards both ends."""
    edges = low + (high - low) * np.array([0, 1e-8, 1e-4, 0.01, 0.2, 0.5, 0.8, 0.99, 1 - 1e-4, 1 - 1e-8, 1])
    half = np.diff(edges)[:, None] / 2
    return float(np.sum(half * WEIGHTS * function(edges[:-1, None] + half * (1 + NODES)))) if high > low else 0.0


def payoff(rule: str, game: tuple, seat: bidding.Bidding, value: float, target: float, u: Callable) -> float:
    """Expected utility of type `value` that bids like type `target`, from the rules of the auction alone."""
    prior, n, reserve, fee, _ = game
    start, bid = seat.threshold, float(seat(np.array(target)))
    alone, win = (float(prior.cdf(np.array(x))) ** (n - 1) for x in (start, target))
    if rule == "first_price":
        return win * u(value - bid - fee) + (1 - win) * u(-fee)
    if rule == "all_pay":
        return win * u(value - bid - fee) + (1 - win) * u(-bid - fee)

    def rival(chance: np.ndarray) -> np.ndarray:  # the highest rival's bid at the quantile of its distribution
        return seat(np.maximum(prior.quantile(chance ** (1 / (n - 1))), start))

    kink = np.clip(float(prior.cdf(np.array(value - fee))) ** (n - 1), alone, win)  # of CRRA, where nothing is left
    ends = [alone, kink, win] if rule == "second_price" else [alone, win]
    prices = [expect(lambda c: u(value - rival(c) - fee), *pair) for pair in pairwise(ends)]
    paid = sum(prices) + alone * u(value - reserve - fee)
    if rule == "second_price":
        return paid + (1 - win) * u(-fee)
    if rule == "war_of_attrition":
        return paid + (1 - win) * u(-bid - fee)
    low, top = float(prior.cdf(np.array(start))), float(prior.cdf(np.array(target)))

    def third(p: np.ndarray) -> np.ndarray:  # density of the (k−1)-th highest of n − 1 rivals, all below the target
        other = seat(np.maximum(prior.quantile(p), start))
        return (n - 1) * (n - 2) * p ** (n - 3) * (top - p) * (value - other)

    none = top ** (n - 1) - (expect(lambda p: (n - 1) * (n - 2) * p ** (n - 3) * (top - p), low, top))
    return expect(third, low, top) + none * (value - reserve)


GAMES = [
    ("first_price", (Beta(2.0, 5.0), 3, 0.2, 0.03, None)),
    ("first_price", (Beta(2.0, 5.0), 3, 0.2, 0.03, Crra(0.6))),
    ("first_price", (Power(2.0), 2, 0.0, 0.1, Crra(0.3))),
    ("first_price", (Exponential(1.0), 3, 0.3, 0.1, Cara(1.5))),
    ("first_price", (Lognormal(0.0, 0.5), 4, 0.0, 0.0, Cara(3.0))),
    ("all_pay", (Beta(2.0, 3.0), 3, 0.1, 0.05, None)),
    ("all_pay", (Beta(2.0, 3.0), 3, 0.1, 0.05, Cara(2.0))),
    ("all_pay", (Uniform(1.0, 3.0), 2, 0.0, 0.0, Cara(5.0))),
    ("war_of_attrition", (Beta(2.0, 3.0), 3, 0.0, 0.0, None)),
    ("war_of_attrition", (Exponential(1.0), 2, 0.2, 0.1, None)),
    ("second_price", (Beta(2.0, 3.0), 3, 0.2, 0.1, Cara(2.0))),
    ("second_price", (Uniform(), 3, 0.2, 0.1, Crra(0.5))),
    ("kth_price", (Beta(2.0, 3.0), 4, 0.0, 0.0, None)),
    ("kth_price", (Uniform(), 3, 0.4, 0.0, None)),
]


@pytest.mark.parametrize(("rule", "game"), GAMES)
def test_no_type_gains_by_bidding_like_another(rule: str, game: tuple) -> None:
    """Best replies by search over 60 targets, payoffs from the rules: no gain above 1e-8, and the threshold earns 0."""
    prior, n, reserve, fee, risk = game
    environment = PrivateValues(bidders=n, prior=prior, risk=risk)
    find = getattr(bidding, rule)
    seat = (find(environment, 3, reserve, fee) if rule == "kth_price" else find(environment, reserve, fee))[0]
    u = np.asarray if risk is None else lambda money: risk.u(np.asarray(money, dtype=float))
    low, top = float(prior.cdf(np.array(seat.threshold))), 1 - 1e-3
    targets = np.asarray(prior.quantile(np.append(low + (top - low) * np.linspace(1e-6, 1, 59), [low]))).tolist()
    targets[-1] = max(targets[-1], seat.threshold)
    if seat.threshold > prior.low:
        assert payoff(rule, game, seat, seat.threshold, seat.threshold, u) == pytest.approx(0, abs=1e-9)
    for value in np.asarray(prior.quantile(low + (top - low) * np.array([0.02, 0.3, 0.7, 0.97]))).tolist():
        own = payoff(rule, game, seat, value, value, u)
        assert own == pytest.approx(float(seat.gains(np.array(value))), rel=1e-6, abs=1e-9)
        assert own >= -1e-9
        assert max(payoff(rule, game, seat, value, target, u) for target in targets) <= own + 1e-8


def test_third_price_payment_matches_the_envelope() -> None:
    """E[third bid; win] by quadrature over the second rival equals v G − ∫ G; fourth price the same over the third."""
    prior, n = Beta(2.0, 3.0), 6
    environment = PrivateValues(bidders=n, prior=prior)
    for k, weight in ((3, lambda p, q: 20 * q**3 * (p - q)), (4, lambda p, q: 30 * q**2 * (p - q) ** 2)):
        seat = bidding.kth_price(environment, k)[0]
        for level in (0.1, 0.5, 0.95):
            value = float(prior.quantile(np.array(level)))
            paid = expect(lambda q, p=level, w=weight, s=seat: w(p, q) * s(prior.quantile(q)), 0.0, level)
            assert paid == pytest.approx(float(seat.payment(np.array(value))), rel=1e-6)
