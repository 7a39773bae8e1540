"""What equilibria are worth: closed forms, revenue equivalence, and simulated play."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad

from auctionlab import rng
from auctionlab.core import BidFunction, Environment, Mechanism, Outcome, Prior, expected_utility
from auctionlab.environments.data_priors import Discrete, Empirical
from auctionlab.environments.priors import Exponential, Power, Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.environments.risk import Cara, Crra
from auctionlab.environments.scipy_prior import Scipy
from auctionlab.environments.special_priors import Beta, Lognormal, TruncatedNormal
from auctionlab.errors import NoEquilibrium
from auctionlab.mechanisms.clock import Ascending, Descending
from auctionlab.mechanisms.single_item import AllPay, FirstPrice, KthPrice, SecondPrice, WarOfAttrition
from auctionlab.registry import kind_of
from auctionlab.theory.benchmarks import Benchmark, benchmark
from auctionlab.theory.bidding import Bidding

FORMATS = [FirstPrice(), SecondPrice(), AllPay(), WarOfAttrition(), KthPrice(k=3), Ascending(), Descending()]


def alike(n: int, prior: Prior, risk: object = None) -> PrivateValues:
    return PrivateValues(bidders=n, prior=prior, risk=risk)


@pytest.mark.parametrize("n", [2, 5, 50])
def test_uniform_benchmark(n: int) -> None:
    # revenue E[X_(2)] = (n−1)/(n+1), welfare E[X_(1)] = n/(n+1). Krishna (2010), ex. 2.1
    found = benchmark(FirstPrice(), alike(n, Uniform()))
    assert found.revenue == pytest.approx((n - 1) / (n + 1), rel=1e-9)
    assert found.welfare == pytest.approx(n / (n + 1), rel=1e-9)
    assert found.surplus == pytest.approx((1 / (n * (n + 1)),) * n, rel=1e-9)
    assert found.utility == pytest.approx(found.surplus, rel=1e-12)
    assert (found.efficiency, found.sale_probability) == pytest.approx((1, 1), rel=1e-12)
    assert found.standard_error == 0
    assert "Krishna" in found.method
    assert len(found.bids) == n


def test_exponential_benchmark() -> None:
    # E[X_(2)] of 3 with mean 2: 2(1/3 + 1/2); E[X_(1)] adds 2. Krishna (2010), appendix C
    found = benchmark(AllPay(), alike(3, Exponential(2.0)))
    assert found.revenue == pytest.approx(5 / 3, rel=1e-9)
    assert found.welfare == pytest.approx(11 / 3, rel=1e-9)


def test_optimal_reserve_of_two_uniform_bidders() -> None:
    # r = 1/2 earns 5/12, sells with 3/4, welfare ∫ x dx² = 7/12 of 2/3. Riley and Samuelson (1981)
    found = benchmark(FirstPrice(reserve=0.5), alike(2, Uniform()))
    assert found.revenue == pytest.approx(5 / 12, rel=1e-9)
    assert found.sale_probability == pytest.approx(3 / 4, rel=1e-9)
    assert found.welfare == pytest.approx(7 / 12, rel=1e-9)
    assert found.efficiency == pytest.approx(7 / 8, rel=1e-9)
    # a fee of 1/4 keeps out the same types and earns the same. Riley and Samuelson (1981)
    for mechanism in (FirstPrice(entry_fee=0.25), SecondPrice(entry_fee=0.25), AllPay(reserve=0.25)):
        assert benchmark(mechanism, alike(2, Uniform())).revenue == pytest.approx(5 / 12, rel=1e-9)


SMOOTH = [Beta(2.0, 5.0), Beta(0.5, 0.5), Lognormal(0.0, 1.0), TruncatedNormal(0.5, 0.2)]


@pytest.mark.parametrize("prior", SMOOTH, ids=str)
@pytest.mark.parametrize("n", [2, 6])
def test_revenue_is_the_second_order_statistic(prior: Prior, n: int) -> None:
    # E[X_(2)] = low + ∫ 1 − F^n − n F^(n−1) (1 − F) dx, by adaptive quadrature. David and Nagaraja (2003)
    def beyond(x: float) -> float:
        above = float(prior.sf(np.array(x)))
        return 1 - (1 - above) ** n - n * (1 - above) ** (n - 1) * above

    points = np.asarray(prior.quantile(np.array([0.0, 0.01, 0.3, 0.9, 0.999, 1 - 1e-8]))).tolist()
    pieces = [quad(beyond, *pair, epsabs=1e-13, epsrel=1e-11, limit=200)[0] for pair in pairwise(points)]
    assert benchmark(FirstPrice(), alike(n, prior)).revenue == pytest.approx(prior.low + sum(pieces), rel=1e-9)


@pytest.mark.parametrize(
    "prior",
    [Power(0.2), Beta(2.0, 2.0), Lognormal(0.0, 0.5), Empirical((0.0, 1.0, 1.1, 5.0)), Scipy("gamma", {"a": 2.5})],
    ids=str,
)
def test_revenue_equivalence_across_formats(prior: Prior) -> None:
    """Krishna (2010), prop. 3.1: the same revenue wherever the same types win."""
    environment, found = alike(4, prior), []
    for mechanism in FORMATS:
        try:
            found.append(benchmark(mechanism, environment).revenue)
        except NoEquilibrium:  # third-price bids do not rise, or exits of four bidders teach
            assert isinstance(mechanism, KthPrice)
    assert len(found) >= 6
    assert found == pytest.approx([found[0]] * len(found), rel=1e-9)


def test_risk_aversion_raises_first_price_revenue_only() -> None:
    # uniform, CRRA: bids v(n−1)/(n−rho), so revenue n(n−1)/((n+1)(n−rho)). Krishna (2010), prop. 4.1
    n, rho = 3, 0.5
    found = benchmark(FirstPrice(), alike(n, Uniform(), Crra(rho)))
    assert found.revenue == pytest.approx(n * (n - 1) / ((n + 1) * (n - rho)), rel=1e-9)
    # utility: ∫ v^(n−1) u(v (1 − rho)/(n − rho)) dv
    expected = ((1 - rho) / (n - rho)) ** (1 - rho) / (1 - rho) / (n + 1 - rho)
    assert found.utility[0] == pytest.approx(expected, rel=1e-8)
    assert found.surplus[0] == pytest.approx(1 / (n + 1) - found.revenue / n, rel=1e-9)
    second = benchmark(SecondPrice(), alike(n, Uniform(), Crra(rho)))
    assert second.revenue == pytest.approx(0.5, rel=1e-9)
    # ∫_0^v u(v − y) 2y dy = 2 v^(3−rho)/((1−rho)(2−rho)(3−rho)), integrated over v
    assert second.utility[0] == pytest.approx(2 / ((1 - rho) * (2 - rho) * (3 - rho) * (4 - rho)), rel=1e-7)


def test_unequal_bidders_in_a_second_price_auction() -> None:
    # U[0,1] and U[0,2]: E[min] = ∫ (1 − x)(1 − x/2) dx = 5/12; E[max] = 1/2 + 1 − 5/12
    found = benchmark(SecondPrice(), PrivateValues(priors=(Uniform(), Uniform(0.0, 2.0))))
    assert found.revenue == pytest.approx(5 / 12, rel=1e-9)
    assert found.welfare == pytest.approx(13 / 12, rel=1e-9)
    assert found.efficiency == pytest.approx(1, rel=1e-12)
    # seat 1 wins iff above seat 2: ∫ x · x/2 dx = 1/6 of value, pays ∫∫ min = E[Y; Y < X] = ∫ x²/4 dx = 1/12
    assert found.surplus == pytest.approx((1 / 12, 13 / 12 - 1 / 6 - 1 / 3), rel=1e-9)


def test_disjoint_supports_and_a_lone_bidder() -> None:
    found = benchmark(SecondPrice(), PrivateValues(priors=(Uniform(), Uniform(2.0, 3.0))))
    assert found.revenue == pytest.approx(0.5, rel=1e-10)  # the low value sets the price
    assert found.surplus == pytest.approx((0.0, 2.0), abs=1e-10)
    alone = benchmark(SecondPrice(reserve=0.25), alike(1, Uniform()))
    assert alone.revenue == pytest.approx(0.25 * 0.75, rel=1e-10)


def test_values_below_zero_do_not_count_as_best_welfare() -> None:
    # U[−1, 1], one in four has no positive value: E[max(X_(1), 0)] = ∫_0^1 1 − ((1+x)/2)² dx = 5/12
    found = benchmark(SecondPrice(), alike(2, Uniform(-1.0, 1.0)))
    assert found.best_welfare == pytest.approx(5 / 12, rel=1e-9)
    assert found.efficiency == pytest.approx(1, rel=1e-9)
    assert found.sale_probability == pytest.approx(3 / 4, rel=1e-9)


def test_discrete_values_share_ties() -> None:
    # values 0 or 1, equally likely: the price is 1 iff both are 1; with a reserve of 1/2 one alone pays it
    environment = alike(2, Discrete((0.0, 1.0)))
    found = benchmark(SecondPrice(), environment)
    assert (found.revenue, found.welfare, found.surplus[0]) == pytest.approx((0.25, 0.75, 0.25), rel=1e-12)
    reserved = benchmark(SecondPrice(reserve=0.5), environment)
    assert (reserved.revenue, reserved.sale_probability) == pytest.approx((0.25 + 0.25, 0.75), rel=1e-12)
    for high in (1.0, 3.0):  # E[min(X, Y)] is half of E[min(1, Y)] = 1 − 1/(2 high), E[max] half of E[Y] + E[max(1, Y)]
        mixed = benchmark(SecondPrice(), PrivateValues(priors=(Discrete((0.0, 1.0)), Uniform(0.0, high))))
        assert mixed.revenue == pytest.approx((1 - 1 / (2 * high)) / 2, rel=1e-10)
        assert mixed.welfare == pytest.approx((high / 2 + high / 2 + 1 / (2 * high)) / 2, rel=1e-10)


@dataclass(frozen=True)
class Opaque(Mechanism):
    """A mechanism whose equilibrium says nothing but its bids."""

    inner: Mechanism

    def run(self, messages: np.ndarray, rng: rng.Stream | None = None) -> Outcome:
        return self.inner.run(messages, rng)

    def lottery(self, messages: np.ndarray) -> tuple[np.ndarray, Outcome]:
        return self.inner.lottery(messages)

    def equilibrium(self, environment: Environment) -> tuple[BidFunction, ...]:
        return tuple(lambda signals, bid=bid: bid(signals) for bid in self.inner.equilibrium(environment))


def compare(first: Benchmark, second: Benchmark, tolerance: float) -> None:
    for name in ("revenue", "surplus", "utility", "efficiency", "sale_probability", "welfare", "best_welfare"):
        assert getattr(first, name) == pytest.approx(getattr(second, name), abs=tolerance), name


def test_counting_profiles_agrees_with_quadrature() -> None:
    prior = Discrete((0.0, 0.4, 1.0), (1.0, 2.0, 3.0))
    environment = PrivateValues(priors=(prior, prior, Discrete((0.4, 0.7))))
    counted = benchmark(Opaque(SecondPrice(reserve=0.3)), environment)
    assert "18 profiles" in counted.method
    compare(counted, benchmark(SecondPrice(reserve=0.3), environment), 1e-12)
    averse = replace(environment, risk=Crra(0.5))
    assert benchmark(Opaque(SecondPrice()), averse).utility[0] > 0


def play() -> Iterator[tuple[Mechanism, PrivateValues]]:
    for risk in (None, Crra(0.5), Cara(2.0)):
        yield FirstPrice(reserve=0.2, entry_fee=0.05), alike(3, Beta(2.0, 3.0), risk)
        yield SecondPrice(reserve=0.2, entry_fee=0.05), alike(3, Beta(2.0, 3.0), risk)
    yield AllPay(reserve=0.1, entry_fee=0.05), alike(3, Beta(2.0, 3.0))
    yield AllPay(reserve=0.1), alike(2, Exponential(1.0), Cara(1.0))
    yield WarOfAttrition(reserve=0.1, entry_fee=0.05), alike(3, Beta(2.0, 3.0))
    yield KthPrice(k=3, reserve=0.4), alike(4, Beta(2.0, 3.0))
    yield KthPrice(k=4), alike(5, Uniform())
    yield Descending(FirstPrice(reserve=1.5)), alike(2, Uniform(1.0, 2.0))
    yield SecondPrice(reserve=0.3), PrivateValues(priors=(Uniform(), Uniform(0.5, 2.0), Exponential(1.0)))


@pytest.mark.parametrize(("mechanism", "environment"), list(play()))
def test_simulated_play_agrees(mechanism: Mechanism, environment: PrivateValues) -> None:
    """Sampling error: each mean over 100,000 auctions lies within 4 standard errors."""
    found = benchmark(mechanism, environment)
    assert all(isinstance(bid, Bidding) for bid in found.bids)
    assert found.standard_error == 0
    draw = environment.sample(rng.stream(5), 100_000)
    messages = np.stack([bid(draw.signals[:, i]) for i, bid in enumerate(found.bids)], axis=1)
    outcome = mechanism.run(messages)
    value = environment.value(outcome.allocation, draw.values)
    columns = {
        "revenue": outcome.payments.sum(axis=1),
        "welfare": value.sum(axis=1),
        "sale_probability": outcome.allocation.sum(axis=1),
        "best_welfare": environment.best_welfare(draw.values),
    }
    expected = {name: getattr(found, name) for name in columns}
    for i in range(environment.n):
        columns[f"surplus {i}"], expected[f"surplus {i}"] = value[:, i] - outcome.payments[:, i], found.surplus[i]
        utility = expected_utility(mechanism, environment, messages, draw.values)
        columns[f"utility {i}"], expected[f"utility {i}"] = utility[:, i], found.utility[i]
    for name, column in columns.items():
        error = column.std() / np.sqrt(len(column))
        assert abs(column.mean() - expected[name]) <= 4 * error + 1e-12, name


def test_monte_carlo_reports_its_error() -> None:
    environment = alike(2, Uniform())
    found = benchmark(Opaque(FirstPrice()), environment)
    assert "Monte Carlo" in found.method
    # the revenue is half the highest of two: its standard deviation is 1/(2 sqrt 18)
    draws = 16 * 2**15
    assert found.standard_error == pytest.approx(1 / (2 * np.sqrt(18 * draws)), rel=0.01)
    assert abs(found.revenue - 1 / 3) < 4 * found.standard_error


def test_unequal_risk_averse_bidders_get_a_sampled_utility() -> None:
    found = benchmark(SecondPrice(), PrivateValues(priors=(Uniform(), Uniform(0.0, 2.0)), risk=Cara(1.0)))
    assert found.revenue == pytest.approx(5 / 12, rel=1e-9)
    assert "utility by Monte Carlo" in found.method
    assert all(0 < u < s for u, s in zip(found.utility, found.surplus, strict=True))


def test_no_benchmark_without_equilibrium() -> None:
    with pytest.raises(NoEquilibrium, match="single values"):
        benchmark(AllPay(), PrivateValues(bidders=2, prior=Discrete(values=(0.0, 1.0), weights=(1.0, 1.0))))


def test_nobody_takes_part() -> None:
    found = benchmark(FirstPrice(reserve=2.0), alike(2, Uniform()))
    assert (found.revenue, found.welfare, found.efficiency, found.sale_probability) == (0, 0, 0, 0)
    assert found.best_welfare == pytest.approx(2 / 3)


def test_a_fee_above_all_likely_values_earns_nothing() -> None:
    found = benchmark(AllPay(entry_fee=60.0), alike(2, Exponential()))  # one value in exp(60) enters
    assert (found.revenue, found.sale_probability) == (0, 0)


@pytest.mark.parametrize("rule", [FirstPrice(), SecondPrice(), AllPay()], ids=kind_of)
@pytest.mark.parametrize("shape", [0.4, 0.5, 0.8, 1.0, 2.0])
def test_expectations_that_are_infinite_are_said_to_be(rule: Mechanism, shape: float) -> None:
    """Two Pareto values, P(X > v) = v^−a: the lower one is Pareto(2a), mean 2a/(2a − 1) for a > 1/2; the higher
    2 E[X] − that for a > 1; each is infinite elsewhere."""
    found = benchmark(rule, PrivateValues(2, Scipy(name="pareto", parameters={"b": shape})))
    revenue = 2 * shape / (2 * shape - 1) if shape > 0.5 else np.inf
    welfare = 2 * shape / (shape - 1) - revenue if shape > 1 else np.inf
    assert found.revenue == pytest.approx(revenue, rel=1e-6)  # of quadrature in so heavy a tail
    assert found.welfare == found.best_welfare == pytest.approx(welfare, rel=1e-6)
    assert found.surplus == pytest.approx((welfare / 2 - min(revenue, 1e300) / 2,) * 2, rel=1e-6)
    assert found.efficiency == pytest.approx(1.0 if shape > 1 else np.nan, nan_ok=True)
