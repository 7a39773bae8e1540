"""Closed-form priors against scipy.stats (an independent implementation) and against quadrature."""

import math
import pickle
import subprocess
import sys

import numpy as np
import pytest
from scipy import integrate, stats

from auctionlab import registry
from auctionlab.environments.priors import Beta, Exponential, Lognormal, Power, TruncatedNormal, Uniform
from auctionlab.errors import ConfigError
from auctionlab.rng import stream

PAIRS = {
    "uniform": (Uniform(2.0, 5.0), stats.uniform(2.0, 3.0)),
    "negative uniform": (Uniform(-3.0, -1.0), stats.uniform(-3.0, 2.0)),
    "convex power": (Power(2.5), stats.powerlaw(2.5)),
    "concave power": (Power(0.4), stats.powerlaw(0.4)),
    "exponential": (Exponential(3.0), stats.expon(scale=3.0)),
    "beta": (Beta(2.0, 5.0), stats.beta(2.0, 5.0)),
    "arcsine beta": (Beta(0.5, 0.5), stats.beta(0.5, 0.5)),
    "skewed beta": (Beta(0.1, 3.0), stats.beta(0.1, 3.0)),
    "lognormal": (Lognormal(0.3, 0.8), stats.lognorm(0.8, scale=math.exp(0.3))),
    "truncated normal": (TruncatedNormal(0.5, 0.2), stats.truncnorm(-2.5, 2.5, 0.5, 0.2)),
    "right tail of a normal": (TruncatedNormal(0.0, 1.0, 3.0, 9.0), stats.truncnorm(3.0, 9.0)),
    "left tail of a normal": (TruncatedNormal(10.0, 2.0, 0.0, 4.0), stats.truncnorm(-5.0, -3.0, 10.0, 2.0)),
}
LEVELS = np.concatenate([10.0 ** -np.arange(2, 15), np.linspace(0.02, 0.98, 49)])
pairs = pytest.mark.parametrize(("prior", "reference"), PAIRS.values(), ids=PAIRS.keys())


def points(reference):
    """Values all over the support, far into both tails."""
    return np.unique(np.concatenate([reference.ppf(LEVELS), reference.isf(LEVELS)]))


@pairs
def test_distribution_functions_match_scipy_far_into_both_tails(prior, reference):
    values = points(reference)
    density = reference.pdf(values)
    np.testing.assert_allclose(prior.pdf(values), density, rtol=1e-11)
    # rounding of the functions, and of the value that they are given where the support ends off zero
    ends = [abs(end) for end in reference.support() if np.isfinite(end)]
    slack = 1e-15 * max(ends) * np.where(np.isfinite(density), density, 0)
    for got, want in ((prior.cdf, reference.cdf), (prior.sf, reference.sf)):
        assert (np.abs(got(values) - want(values)) <= 1e-11 * want(values) + slack).all()
    for got, want, plain in (
        (prior.logcdf, reference.logcdf, reference.cdf),
        (prior.logsf, reference.logsf, reference.sf),
    ):
        inside = plain(values) > 0
        v = values[inside]
        assert (np.abs(got(v) - want(v)) <= 1e-11 + 2 * slack[inside] / plain(v)).all()


@pairs
def test_quantiles_match_scipy_and_reach_the_ends_of_the_support(prior, reference):
    # SciPy's truncated normal counts from the mean and loses its digits near low; there the inversion is tested below
    slack = 1e-14 if isinstance(prior, TruncatedNormal) else 0
    np.testing.assert_allclose(prior.quantile(LEVELS), reference.ppf(LEVELS), rtol=2e-12, atol=slack)
    np.testing.assert_allclose(prior.quantile(1 - LEVELS), reference.ppf(1 - LEVELS), rtol=2e-12, atol=slack)
    assert prior.quantile(np.array([0.0, 1.0])).tolist() == [prior.low, prior.high]
    assert (prior.low, prior.high) == pytest.approx(reference.support())


@pairs
def test_far_quantiles_invert_the_tail(prior, reference):
    p = 10.0 ** -np.arange(5.0, 60.0, 5)
    v = prior.quantile(p)
    ok = v > prior.low + 1e-10 * abs(prior.low) + 1e-290  # where the value itself is not lost to rounding
    np.testing.assert_allclose(prior.cdf(v)[ok], p[ok], rtol=1e-4 if prior.low else 1e-10)


@pairs
def test_outside_the_support_nothing_happens(prior, reference):
    below = np.array([-np.inf, prior.low - 1])
    assert prior.cdf(below).tolist() == [0, 0]
    assert prior.sf(below).tolist() == [1, 1]
    assert prior.pdf(below).tolist() == [0, 0]
    above = np.array([prior.high + 1, np.inf])
    assert prior.cdf(above).tolist() == [1, 1]
    assert prior.sf(above).tolist() == [0, 0]
    assert prior.pdf(above).tolist() == [0, 0]
    assert prior.logcdf(below).tolist() == [-np.inf, -np.inf]


@pairs
def test_expectation_is_the_integral_of_the_survival_function(prior, reference):
    # E[X] = low + ∫ (1 − F); Billingsley (1995), eq. 21.9
    area, error = integrate.quad(prior.sf, prior.low, prior.high, epsabs=1e-12, limit=400)
    assert prior.expectation == pytest.approx(prior.low + area, abs=max(10 * error, 1e-10))
    assert prior.expectation == pytest.approx(reference.mean(), rel=1e-9)


@pairs
def test_density_integrates_to_the_cdf(prior, reference):
    left, right = prior.quantile(np.array([0.2, 0.7]))
    assert integrate.quad(prior.pdf, left, right)[0] == pytest.approx(0.5, abs=1e-9)


@pairs
def test_hazard_is_density_over_survival(prior, reference):
    values = reference.ppf(np.linspace(0.05, 0.95, 19))
    np.testing.assert_allclose(prior.hazard(values), reference.pdf(values) / reference.sf(values), rtol=1e-10)
    if prior.high < math.inf:
        assert prior.hazard(np.array([prior.high]))[0] == math.inf


@pairs
def test_samples_have_the_distribution(prior, reference):
    size = 20_000
    sample = prior.quantile(stream(5).random(size))
    assert abs(sample.mean() - reference.mean()) < 4 * reference.std() / math.sqrt(size)  # sampling: 4 standard errors
    # sampling: the Kolmogorov-Smirnov distance exceeds 1.95/√N with chance 0.001
    assert stats.kstest(sample, reference.cdf).statistic < 1.95 / math.sqrt(size)


@pairs
def test_shapes_are_kept(prior, reference):
    p = np.linspace(0.1, 0.9, 12).reshape(3, 2, 2)
    for function in (prior.quantile, prior.cdf, prior.sf, prior.pdf, prior.hazard, prior.logcdf, prior.logsf):
        assert np.shape(function(p)) == (3, 2, 2)
        assert float(function(np.array(0.3))) == pytest.approx(float(np.ravel(function(np.array([0.3])))[0]))


@pairs
def test_used_priors_can_be_pickled_rebuilt_and_compared(prior, reference):
    before = prior.quantile(LEVELS)
    again = pickle.loads(pickle.dumps(prior))
    rebuilt = registry.build("priors", registry.describe(prior))
    assert prior == again == rebuilt
    assert hash(prior) == hash(rebuilt)
    assert np.array_equal(again.quantile(LEVELS), before)
    assert np.array_equal(rebuilt.quantile(LEVELS), before)


@pytest.mark.parametrize(
    ("a", "b"), [(2, 5), (0.5, 0.5), (0.1, 0.3), (5, 0.05), (1, 1), (100, 200), (1e4, 3), (0.01, 1)]
)
def test_beta_quantiles_keep_a_relative_1e_12_and_their_order(a, b):
    p = np.sort(np.concatenate([stream(1).random(4000), 10.0 ** -np.arange(1.0, 17), 1 - 10.0 ** -np.arange(1.0, 17)]))
    got = Beta(a, b).quantile(p)
    # the order: against an exact rounding neighbour, hence 1e-12 of slack
    assert (np.diff(got) >= -1e-12 * got[1:]).all()
    normal = got > 1e-290
    np.testing.assert_allclose(got[normal], stats.beta.ppf(p, a, b)[normal], rtol=1e-12)


def test_a_very_wide_normal_is_uniform_between_its_ends():
    prior = TruncatedNormal(0.0, 1e5, 2.0, 3.0)
    values = np.array([2.0, 2.0 + 1e-9, 2.25, 3.0])
    np.testing.assert_allclose(prior.cdf(values), values - 2, rtol=1e-9)  # φ varies by (3/1e5)²/2 over the range
    assert prior.expectation == pytest.approx(2.5, abs=1e-9)
    assert prior.quantile(np.array([0.25]))[0] == pytest.approx(2.25, abs=1e-9)


def test_power_one_and_beta_one_one_are_uniform():
    values = np.linspace(-0.5, 1.5, 101)
    for prior in (Power(1.0), Beta(1.0, 1.0)):
        np.testing.assert_allclose(prior.cdf(values), Uniform().cdf(values), atol=1e-15)
        np.testing.assert_allclose(prior.pdf(values), Uniform().pdf(values), atol=1e-15)


def test_exponential_hazard_is_constant_beyond_any_rounding():
    assert Exponential(2.0).hazard(np.array([0.0, 1.0, 5000.0])).tolist() == [0.5, 0.5, 0.5]
    assert Exponential(2.0).logsf(np.array([5000.0])).tolist() == [-2500.0]


def test_log_cdf_does_not_underflow():
    assert Power(40.0).logcdf(np.array([1e-10]))[0] == pytest.approx(-400 * math.log(10), rel=1e-14)
    # log Φ(−50) = −1254.83...: Abramowitz and Stegun 26.2.12
    assert Lognormal(0.0, 1.0).logcdf(np.array([math.exp(-50.0)]))[0] == pytest.approx(-1254.831361, rel=1e-9)


def test_simple_priors_do_not_wait_for_scipy():
    code = (
        "import sys, numpy as np\n"
        "from auctionlab.environments.priors import Discrete, Exponential, Power, Uniform\n"
        "for p in (Uniform(), Power(2.0), Exponential(1.0), Discrete((1.0, 2.0))):\n"
        "    p.quantile(np.array([0.5])), p.cdf(np.array([0.5])), p.sf(np.array([0.5]))\n"
        "sys.exit('scipy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ({"kind": "uniform", "low": 1.0, "high": 1.0}, "uniform: high: should be greater than low = 1.0, got 1.0"),
        ({"kind": "uniform", "low": 2}, "uniform: high: should be greater than low = 2.0, got 1.0"),
        ({"kind": "uniform", "low": "0"}, "uniform: low: should be a valid number, got '0'"),
        ({"kind": "uniform", "high": math.inf}, "uniform: high: should be a finite number, got inf"),
        ({"kind": "uniform", "hihg": 2.0}, "uniform: unknown key 'hihg'. Did you mean 'high'?"),
        ({"kind": "power", "exponent": -2.0}, "power: exponent: should be greater than 0, got -2.0"),
        ({"kind": "power"}, "power: missing key 'exponent'"),
        ({"kind": "exponential", "mean": 0.0}, "exponential: mean: should be greater than 0, got 0.0"),
        ({"kind": "beta", "a": 2.0, "b": math.nan}, "beta: b: should be a finite number, got nan"),
        ({"kind": "lognormal", "sigma": -1.0}, "lognormal: sigma: should be greater than 0, got -1.0"),
        ({"kind": "truncated-normal", "mean": 0.5, "sd": 0}, "truncated-normal: sd: should be greater than 0, got 0"),
        (
            {"kind": "truncated-normal", "mean": 0.5, "sd": 1.0, "low": 1.0, "high": 0.0},
            "truncated-normal: high: should be greater than low = 1.0, got 0.0",
        ),
        ({"kind": "unifrom"}, "unknown prior 'unifrom'. Did you mean 'uniform'?"),
    ],
)
def test_bad_parameters_are_answered_in_one_sentence(table, complaint):
    with pytest.raises(ConfigError) as caught:
        registry.build("priors", table)
    assert str(caught.value) == complaint


def test_a_truncation_that_keeps_nothing_is_refused():
    with pytest.raises(ConfigError, match=r"keep some of the normal with mean = 100\.0"):
        TruncatedNormal(100.0, 5.0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Uniform(1.0, 0.0),
        lambda: Uniform(math.nan, 1.0),
        lambda: Power(-1.0),
        lambda: Exponential(math.nan),
        lambda: Beta(0.0, 1.0),
        lambda: Lognormal(math.inf),
        lambda: TruncatedNormal(math.nan, 1.0),
    ],
)
def test_python_callers_are_checked_like_configs(make):
    with pytest.raises(ConfigError, match="should be"):
        make()
