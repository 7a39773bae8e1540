"""Virtual values against closed forms, each derived beside its number."""

from __future__ import annotations

import numpy as np
import pytest

from auctionlab.environments.data_priors import Discrete
from auctionlab.environments.priors import Exponential, Power, Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.environments.scipy_prior import Scipy
from auctionlab.environments.special_priors import Beta
from auctionlab.mechanisms.single_item import SecondPrice
from auctionlab.theory.virtual import is_regular, optimal_threshold, virtual_values


@pytest.mark.parametrize(
    ("prior", "threshold"),
    [
        (Uniform(), 0.5),  # ψ = 2v − 1
        (Uniform(low=1.0, high=3.0), 1.5),  # ψ = 2v − 3
        (Uniform(low=2.0, high=3.0), 2.0),  # ψ = 2v − 3 > 0 everywhere
        (Uniform(low=-1.0, high=1.0), 0.5),  # ψ = 2v − 1
        (Exponential(mean=3.0), 3.0),  # ψ = v − mean
        (Power(exponent=2.0), 3**-0.5),  # ψ = v − (1 − v²)/(2v) = 0 at v² = 1/3
        (Power(exponent=3.0), 4 ** (-1 / 3)),  # ψ = 0 at v^a = 1/(1 + a)
    ],
)
def test_optimal_threshold(prior, threshold):
    assert optimal_threshold(prior) == pytest.approx(threshold, rel=1e-12)


def test_virtual_values_of_the_power_prior():
    values = np.linspace(0.01, 1, 9)
    expected = values - (1 - values**3) / (3 * values**2)
    np.testing.assert_allclose(virtual_values(Power(exponent=3.0), values), expected, rtol=1e-12, atol=1e-12)


def test_irregular_priors_have_no_threshold():
    # Beta(1/2, 1/2): near 0, f ~ 1/(π√v), so ψ ~ v − π√v falls
    assert not is_regular(Beta(a=0.5, b=0.5))
    assert optimal_threshold(Beta(a=0.5, b=0.5)) is None
    assert optimal_threshold(Discrete(values=(0.0, 1.0))) is None


def test_without_a_finite_mean_there_is_no_threshold_but_auctions_go_on():
    # half-Cauchy: p (1 − F(p)) rises to 2/π and the mean is infinite, so no reserve is best
    prior = Scipy(name="halfcauchy")
    assert optimal_threshold(prior) is None
    claims = SecondPrice().claims(PrivateValues(bidders=2, prior=prior))
    assert "dsic" in claims
    assert "revenue-optimal" not in claims
    assert is_regular(Beta(a=2.0, b=3.0))  # log-concave densities are regular
