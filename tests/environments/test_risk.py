"""Risk attitudes."""

import math

import numpy as np
import pytest

from auctionlab import registry
from auctionlab.environments.risk import Cara, Crra, Risk
from auctionlab.errors import ConfigError

PAYOFFS = np.array([-2.0, -0.25, 0.0, 0.25, 1.0, 4.0])
RISKS = [Crra(0.0), Crra(0.5), Crra(0.9), Cara(0.1), Cara(3.0)]


def test_crra_is_an_odd_power_function():
    # u(x) = x^(1−rho)/(1−rho): at rho = 1/2, u(4) = 2·√4 = 4; and u(−x) = −u(x)
    assert Crra(0.5).u(PAYOFFS) == pytest.approx([-2 * math.sqrt(2), -1, 0, 1, 2, 4])


def test_cara_is_one_minus_an_exponential():
    assert Cara(2.0).u(PAYOFFS) == pytest.approx((1 - np.exp(-2 * PAYOFFS)) / 2)
    assert Cara(1e-9).u(PAYOFFS) == pytest.approx(PAYOFFS, rel=1e-8)  # nearly risk-neutral: no digits lost


@pytest.mark.parametrize("risk", RISKS)
def test_inverse_undoes_u_and_u_increases_through_zero(risk):
    assert risk.inverse(risk.u(PAYOFFS)) == pytest.approx(PAYOFFS, abs=1e-9)
    assert (np.diff(risk.u(PAYOFFS)) > 0).all()
    assert risk.u(np.zeros(1))[0] == 0


@pytest.mark.parametrize("risk", [Crra(0.5), Cara(1.5)])
def test_a_gamble_on_gains_is_worth_less_than_its_mean(risk):
    gains = np.array([0.0, 1.0])
    certain = risk.inverse(risk.u(gains).mean(keepdims=True))[0]
    assert certain < 0.5
    # Pratt (1964): certainty equivalents of a fair coin for 1: 1/4 at rho = 1/2, −log((1 + e^−α)/2)/α
    assert certain == pytest.approx(0.25 if isinstance(risk, Crra) else -math.log((1 + math.exp(-1.5)) / 2) / 1.5)


def test_only_a_linear_utility_is_neutral():
    assert [risk.neutral for risk in RISKS] == [True, False, False, False, False]
    assert Crra(0.0).u(PAYOFFS) == pytest.approx(PAYOFFS)


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ({"kind": "crra", "rho": 1.0}, "crra: rho: should be less than 1, got 1.0"),
        ({"kind": "crra", "rho": -0.1}, "crra: rho: should be greater than or equal to 0, got -0.1"),
        ({"kind": "crra"}, "crra: missing key 'rho'"),
        ({"kind": "cara", "alpha": 0.0}, "cara: alpha: should be greater than 0, got 0.0"),
        ({"kind": "cra", "alpha": 0.0}, "unknown risk 'cra'. Did you mean 'crra'?"),
    ],
)
def test_bad_attitudes_are_answered_in_one_sentence(table, complaint):
    with pytest.raises(ConfigError) as caught:
        registry.build("risks", table)
    assert str(caught.value) == complaint


def test_python_callers_are_checked_too():
    for make in (lambda: Crra(1.0), lambda: Cara(math.nan)):
        with pytest.raises(ConfigError, match="should be"):
            make()


def test_slopes_are_those_of_utility() -> None:
    """Against central differences, which stand for the slope of a risk attitude that states none."""
    money = np.array([-2.0, -0.3, 0.01, 0.5, 3.0])
    for risk in (Crra(rho=0.5), Cara(alpha=2.0)):
        assert np.allclose(risk.slope(money), Risk.slope(risk, money), rtol=1e-7)
