"""Laws that every prior keeps, whatever its parameters."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auctionlab import registry
from auctionlab.environments.priors import (
    Beta,
    Discrete,
    Empirical,
    Exponential,
    Lognormal,
    Power,
    Scipy,
    TruncatedNormal,
    Uniform,
)

sizes = st.floats(0.05, 50.0)
places = st.floats(-100.0, 100.0)
ranges = st.builds(lambda low, width: (low, low + width), places, sizes)
truncated = st.builds(
    lambda ends, share, ratio: TruncatedNormal(
        ends[0] + share * (ends[1] - ends[0]), ratio * (ends[1] - ends[0]), *ends
    ),
    ranges,
    st.floats(-0.5, 1.5),
    st.floats(0.1, 50.0),
)
data = st.lists(st.integers(-1000, 1000), min_size=2, max_size=30).filter(lambda items: len(set(items)) > 1)
continuous = st.one_of(
    ranges.map(lambda ends: Uniform(*ends)),
    st.floats(0.1, 20.0).map(Power),
    sizes.map(Exponential),
    st.builds(Beta, st.floats(0.2, 30.0), st.floats(0.2, 30.0)),
    st.builds(Lognormal, st.floats(-3.0, 3.0), st.floats(0.05, 3.0)),
    truncated,
    data.map(lambda items: Empirical(tuple(float(item) for item in items))),
    st.builds(lambda a, scale: Scipy("gamma", {"a": a, "scale": scale}), st.floats(0.3, 20.0), sizes),
)
discrete = data.map(lambda items: Discrete(tuple(float(item) for item in items)))
probabilities = st.lists(st.floats(1e-6, 1 - 1e-6), min_size=1, max_size=20).map(np.array)
quick = settings(max_examples=60, deadline=None)


@quick
@given(continuous, probabilities)
def test_the_cdf_undoes_the_quantile(prior, p):
    v = prior.quantile(p)
    nudge = 2e-15 * np.abs(v)  # v itself is rounded
    assert (prior.cdf(v - nudge) <= p + 1e-11).all()
    assert (prior.cdf(v + nudge) >= p - 1e-11).all()


@quick
@given(continuous, probabilities)
def test_the_quantile_undoes_the_cdf(prior, p):
    v = prior.quantile(p)
    again = prior.quantile(prior.cdf(v))
    # F rounds to ε, which moves v by ε / f(v)
    assert (np.abs(again - v) <= 1e-11 * (1 + np.abs(v)) + 1e-11 / np.maximum(prior.pdf(v), 1e-12)).all()


@quick
@given(st.one_of(continuous, discrete), st.lists(st.floats(allow_nan=False), min_size=2, max_size=20))
def test_the_cdf_rises_from_zero_to_one_and_leaves_the_rest_to_the_survival_function(prior, values):
    v = np.sort(np.array(values))
    cdf, sf = prior.cdf(v), prior.sf(v)
    assert (np.diff(cdf) >= -1e-15).all()
    assert ((cdf >= 0) & (cdf <= 1)).all()
    np.testing.assert_allclose(cdf + sf, 1.0, atol=1e-12)
    assert (cdf[v < prior.low] == 0).all()
    assert (sf[v >= prior.high] == 0).all()


@quick
@given(st.one_of(continuous, discrete), probabilities)
def test_quantiles_rise_and_stay_in_the_support(prior, p):
    v = prior.quantile(np.sort(np.concatenate([p, [0.0, 1.0]])))
    assert v[0] == prior.low
    assert v[-1] == prior.high
    assert (np.diff(v[np.isfinite(v)]) >= -1e-11 * np.abs(v[np.isfinite(v)][1:])).all()
    assert ((v >= prior.low) & (v <= prior.high)).all()


@quick
@given(discrete, probabilities)
def test_a_discrete_quantile_is_the_least_value_that_reaches_p(prior, p):
    v = prior.quantile(p)
    assert (prior.cdf(v) >= p).all()
    above = v > prior.low
    assert (prior.cdf(v - 0.5)[above] < p[above]).all()  # values are whole numbers


@quick
@given(continuous)
def test_the_expectation_is_the_mean_quantile(prior):
    # midpoint rule between the 1e-5 quantiles: crude, but independent of every formula
    p = (np.arange(20_000) + 0.5) / 20_000
    v = prior.quantile(p)
    spread = float(v[-1] - v[0])
    assert prior.expectation == pytest.approx(float(v.mean()), abs=2e-3 * spread)


@quick
@given(st.one_of(continuous, discrete))
def test_priors_are_equal_to_what_their_description_builds(prior):
    again = registry.build("priors", registry.describe(prior))
    assert again == prior
    assert hash(again) == hash(prior)
