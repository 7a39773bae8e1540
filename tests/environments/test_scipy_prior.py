"""Any continuous distribution of scipy.stats as a prior; its quantiles by table against SciPy's own inverse."""

import math
import pickle

import numpy as np
import pytest
from scipy import stats

from auctionlab import registry
from auctionlab.environments.priors import Scipy
from auctionlab.errors import ConfigError
from auctionlab.rng import stream

CASES = {
    "half-line": ("gamma", {"a": 2.0}),
    "heavy tail": ("lomax", {"c": 1.5, "scale": 3.0}),
    "shifted": ("weibull_min", {"c": 1.7, "loc": 5.0, "scale": 2.0}),
    "whole line": ("norm", {"loc": 3.0, "scale": 2.0}),
    "whole line, heavy tails": ("t", {"df": 2.5}),
    "left half-line": ("weibull_max", {"c": 2.0, "loc": 4.0}),
    "interval": ("johnsonsb", {"a": 4.3, "b": 3.1}),
    "kink": ("triang", {"c": 0.3, "loc": 1.0}),
    "two kinks": ("trapezoid", {"c": 0.2, "d": 0.8}),
    "density with a hole": ("dweibull", {"c": 2.0}),
    "inverse by search": ("skewnorm", {"a": 4.0}),
}
PAIRS = [(Scipy(name, parameters), getattr(stats, name)(**parameters)) for name, parameters in CASES.values()]
cases = pytest.mark.parametrize(("prior", "reference"), PAIRS, ids=CASES.keys())


@cases
def test_quantiles_are_those_of_scipy_everywhere(prior, reference):
    p = np.concatenate([stream(8).random(300), [1e-9, 1e-4, 0.3, 0.5, 0.9999, 1 - 1e-9]])
    want = reference.ppf(p)
    spread = reference.ppf(0.75) - reference.ppf(0.25)
    # rounding: relative to the distance from a finite end, or to the spread
    low, high = reference.support()
    size = want - low if math.isfinite(low) else high - want if math.isfinite(high) else np.abs(want) + spread
    assert (np.abs(prior.quantile(p) - want) <= 2e-11 * size + 1e-15 * np.abs(want)).all()
    assert prior.quantile(np.array([0.0, 1.0])).tolist() == [low, high]


@cases
def test_quantiles_keep_their_order(prior, reference):
    v = prior.quantile(np.linspace(0.0005, 0.9995, 4000))
    assert (np.diff(v) > 0).all()


@cases
def test_functions_are_those_of_scipy(prior, reference):
    values = reference.ppf(np.linspace(0.01, 0.99, 21))
    for function in ("cdf", "sf", "pdf", "logcdf", "logsf"):
        assert np.array_equal(getattr(prior, function)(values), getattr(reference, function)(values))
    assert prior.expectation == pytest.approx(reference.mean())
    assert prior.atoms is False


def test_a_mean_that_does_not_exist_is_inf_or_nan_without_a_warning():
    assert Scipy("pareto", {"b": 0.5}).expectation == math.inf
    assert not math.isfinite(Scipy("cauchy").expectation)


def test_equal_by_name_and_parameters_and_rebuilt_from_its_table():
    prior = Scipy("gamma", {"a": 2.0})
    prior.quantile(np.array([0.5]))
    assert registry.describe(prior) == {"kind": "scipy", "name": "gamma", "parameters": {"a": 2.0}}
    assert prior == registry.build("priors", registry.describe(prior)) == pickle.loads(pickle.dumps(prior))
    assert hash(prior) == hash(Scipy("gamma", {"a": 2.0}))
    assert prior != Scipy("gamma", {"a": 3.0})


def test_later_changes_of_the_callers_table_do_not_reach_the_prior():
    parameters = {"a": 2.0}
    prior = Scipy("gamma", parameters)
    parameters["a"] = 5.0
    assert prior.expectation == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ({"name": "gama"}, "name: unknown distribution 'gama' of scipy.stats. Did you mean 'gamma'?"),
        (
            {"name": "poisson", "parameters": {"mu": 1}},
            "name: scipy.stats.poisson is discrete; the prior 'discrete' takes values and weights",
        ),
        ({"name": "gamma"}, "parameters: gamma needs 'a'"),
        ({"name": "gamma", "parameters": {"rate": 1}}, "parameters: gamma has no 'rate'. Allowed: a, loc, scale"),
        ({"name": "gamma", "parameters": {"a": -1}}, "parameters: scipy.stats.gamma does not allow {'a': -1.0}"),
        ({"name": "norm", "parameters": {"scale": 0}}, "parameters: scipy.stats.norm does not allow {'scale': 0.0}"),
        ({"name": "norm", "parameters": {"scale": "x"}}, "parameters.scale: should be a valid number, got 'x'"),
        ({"name": "logsumexp"}, "name: unknown distribution 'logsumexp' of scipy.stats. "),
    ],
)
def test_bad_names_and_parameters_are_answered_in_one_sentence(table, complaint):
    with pytest.raises(ConfigError) as caught:
        registry.build("priors", {"kind": "scipy", **table})
    assert str(caught.value).startswith(f"scipy: {complaint}")


def test_python_callers_are_checked_too():
    with pytest.raises(ConfigError, match=r"parameters\.a: should be a finite number, got nan"):
        Scipy("gamma", {"a": math.nan})
