"""Independent private values."""

import pickle

import numpy as np
import pytest
import scipy.stats
from scipy.integrate import quad

from auctionlab import registry
from auctionlab.core import Outcome
from auctionlab.environments.priors import Beta, Discrete, Exponential, Power, Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.environments.risk import Cara, Crra
from auctionlab.errors import ConfigError
from auctionlab.mechanisms.single_item import FirstPrice, SecondPrice
from auctionlab.rng import Source, stream
from auctionlab.theory.benchmarks import benchmark

MIXED = PrivateValues(priors=(Uniform(), Power(2.0), Uniform(), Exponential(0.5)))


def test_one_prior_serves_every_seat():
    environment = PrivateValues(3, Uniform(1.0, 2.0))
    assert environment.n == 3
    assert environment.priors == (Uniform(1.0, 2.0),) * 3
    assert environment.symmetric
    assert (environment.signal.low, environment.signal.high) == (1.0, 2.0)
    assert environment.roles() == (0, 0, 0)


def test_equal_priors_share_a_role():
    assert MIXED.n == 4
    assert not MIXED.symmetric
    assert MIXED.roles() == (0, 1, 0, 2)
    assert MIXED.signal.low.tolist() == [0, 0, 0, 0]
    assert MIXED.signal.high.tolist() == [1, 1, 1, np.inf]


def test_values_are_quantiles_of_one_call_of_uniforms():
    uniforms = stream(11).random((500, 4))
    draw = MIXED.sample(stream(11), 500)
    assert draw.signals is draw.values
    assert draw.values.shape == (500, 4)
    for seat, prior in enumerate(MIXED.priors):
        assert np.array_equal(draw.values[:, seat], prior.quantile(uniforms[:, seat]))


def test_each_role_draws_from_its_own_prior_wherever_its_seats_are():
    environment = PrivateValues(priors=(Uniform(), Uniform(), Uniform(5.0, 6.0), Uniform(8.0, 9.0)))
    values = environment.sample(stream(0), 50).values
    assert np.floor(values).astype(int).tolist() == [[0, 0, 5, 8]] * 50


@pytest.mark.parametrize("environment", [PrivateValues(3, Beta(2.0, 3.0)), MIXED])
def test_a_replication_draws_the_same_whatever_the_number_of_replications(environment):
    every = environment.sample(Source(3, replications=6).stream(9, "deal"), 12).values
    some = environment.sample(Source(3, replications=2, first=4).stream(9, "deal"), 4).values
    assert np.array_equal(every[8:], some)


def test_seats_are_independent():
    size = 40_000
    values = PrivateValues(2, Exponential(1.0)).sample(stream(4), size).values
    assert abs(np.corrcoef(values.T)[0, 1]) < 4 / np.sqrt(size)  # sampling: standard error 1/√N


@pytest.mark.parametrize("risk", [None, Crra(0.5), Cara(2.0)])
def test_utility_is_value_minus_payment_through_the_risk_attitude(risk):
    environment = PrivateValues(2, Uniform(), risk=risk)
    outcome = Outcome(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[0.25, 0.1], [0.0, 0.75]]))
    values = np.array([[0.5, 0.9], [0.3, 0.5]])
    payoffs = np.array([[0.25, -0.1], [0.0, -0.25]])
    want = payoffs if risk is None else risk.u(payoffs)
    assert environment.utility(outcome, values) == pytest.approx(want)
    assert environment.risk_neutral is (risk is None)


def test_zero_risk_aversion_is_risk_neutral():
    assert PrivateValues(2, Uniform(), risk=Crra(0.0)).risk_neutral


def test_the_same_environment_written_in_two_ways_is_one():
    short = PrivateValues(2, Uniform())
    long = PrivateValues(priors=(Uniform(), Uniform()))
    assert short == long == PrivateValues(2, priors=(Uniform(), Uniform()))
    assert hash(short) == hash(long)
    assert registry.describe(long) == {
        "kind": "private-values",
        "bidders": 2,
        "prior": {"kind": "uniform", "low": 0.0, "high": 1.0},
    }


@pytest.mark.parametrize("environment", [MIXED, PrivateValues(5, Discrete((1.0, 2.0)), risk=Cara(1.0))])
def test_it_is_rebuilt_from_its_description(environment):
    environment.sample(stream(1), 2)
    assert registry.build("environments", registry.describe(environment)) == environment
    assert pickle.loads(pickle.dumps(environment)) == environment


def test_lists_of_priors_are_welcome():
    assert PrivateValues(priors=[Uniform(), Power(2.0)]).priors == (Uniform(), Power(2.0))
    assert hash(PrivateValues(priors=[Uniform(), Power(2.0)])) == hash(PrivateValues(priors=(Uniform(), Power(2.0))))


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ({"bidders": 2}, "missing key 'prior' (one for all seats) or 'priors' (one a seat)"),
        ({"prior": "uniform"}, "missing key 'bidders', the number of seats that share the prior"),
        ({"bidders": 3, "priors": ["uniform"]}, "priors: should be 3, one a bidder, got 1"),
        (
            {"bidders": 2, "prior": "uniform", "priors": ["uniform"]},
            "priors: should not be given together with 'prior'; give one of the two",
        ),
        ({"bidders": 0, "prior": "uniform"}, "bidders: should be greater than or equal to 1, got 0"),
        ({"bidders": 2.5, "prior": "uniform"}, "bidders: should be a valid integer, got 2.5"),
        ({"bidders": 2, "prior": {"kind": "power"}}, "prior: power: missing key 'exponent'"),
        ({"bidders": 2, "prior": 7}, "prior: expected a table with a 'kind', got 7"),
        ({"bidders": 2, "prior": "uniform", "risk": "averse"}, "risk: unknown risk 'averse'. Allowed: cara, crra"),
        ({"bider": 2, "prior": "uniform"}, "unknown key 'bider'. Did you mean 'bidders'?"),
    ],
)
def test_bad_tables_are_answered_in_one_sentence(table, complaint):
    with pytest.raises(ConfigError) as caught:
        registry.build("environments", {"kind": "private-values", **table})
    assert str(caught.value) == f"private-values: {complaint}"


def test_python_callers_are_checked_too():
    with pytest.raises(ConfigError, match="bidders: should be at least 1, got 0"):
        PrivateValues(0, Uniform())


@pytest.mark.parametrize(("a", "b"), [(0.01, 0.01), (1.0, 0.1)])
def test_values_that_numbers_cannot_tell_apart_are_refused(a, b):
    """P(X > 1 − 2⁻⁵³) of a beta is its mass on the number 1: integrals over values would miss it."""
    share = scipy.stats.beta(a, b).sf(1 - 2.0**-53)
    with pytest.raises(ConfigError, match=f"prior: beta: {share:.0%} of the values lie so close to 1 that numbers"):
        PrivateValues(2, Beta(a=a, b=b))


@pytest.mark.parametrize(("a", "b"), [(0.01, 1.0), (0.3, 0.3)])
def test_crowds_that_numbers_tell_apart_have_the_right_revenue(a, b):
    """E[lowest of two] = ∫ (1 − F)² dv, without a warning."""
    expected = quad(lambda v: scipy.stats.beta(a, b).sf(v) ** 2, 0, 1, points=[1e-6, 1e-3, 0.5, 0.999], limit=500)[0]
    found = benchmark(SecondPrice(), PrivateValues(2, Beta(a=a, b=b)))
    assert found.revenue == pytest.approx(expected, rel=1e-7)  # the second integral's


def test_extreme_risk_aversion_is_solved_without_a_warning():
    """First-price bids come close to values: Krishna (2010), section 4.1.

    With two uniform values exp(α b) = (exp(α v) − 1)/(α v), so b = v − ln(α v)/α up to exp(−α v).
    """
    found = benchmark(FirstPrice(), PrivateValues(2, Uniform(), risk=Cara(alpha=5000.0)))
    values = np.array([0.1, 0.5, 1.0])
    np.testing.assert_allclose(found.bids[0](values), values - np.log(5000 * values) / 5000, rtol=1e-9)
    expected = quad(lambda v: 2 * v * (v - np.log(5000 * v) / 5000), 0.01, 1, epsabs=1e-10)[0]
    assert found.revenue == pytest.approx(expected, abs=1e-6)  # values below 0.01 pay less than 2/3 × 1e-6
