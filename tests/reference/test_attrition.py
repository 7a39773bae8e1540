"""The war of attrition between two different bidders: a closed form, and a continuum of certified equilibria."""

from __future__ import annotations

import numpy as np
import pytest

from auctionlab.environments.priors import Exponential, Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.environments.risk import Crra
from auctionlab.errors import NoEquilibrium
from auctionlab.mechanisms.single_item import WarOfAttrition
from auctionlab.theory.attrition import war_of_attrition
from auctionlab.theory.equilibria import equilibrium
from auctionlab.theory.several import several

U, WIDE = Uniform(), Uniform(0.0, 2.0)


def test_median_types_of_two_uniforms_bid_the_closed_form() -> None:
    """T₁ = log o₁ and T₂ = log(o₂)/2 in the odds o = p/(1 − p), so o₂ = o₁² where medians bid the same, and

    b = ∫ 2 p₂ dΛ₁ = ∫ 2 o²/((1 + o²)(1 + o)) do = log(1 + o²)/2 − arctan o + log(1 + o).
    """
    short, long = equilibrium(WarOfAttrition(), PrivateValues(priors=(U, WIDE))).bids
    p = np.linspace(0.01, 0.99, 99)
    odds = p / (1 - p)
    bids = np.log1p(odds**2) / 2 - np.arctan(odds) + np.log1p(odds)
    assert np.abs(short(p) - bids).max() < 1e-5  # steps of 0.003 in log odds
    assert np.abs(long(2 * odds**2 / (1 + odds**2)) - bids).max() < 1e-5


def test_of_two_bidders_sure_to_gain_only_the_lowest_types_bid_nothing() -> None:
    """U[1, 2] and U[1, 3]: with s = 2 − v and t = 3 − w, ∫ dv/(v s) = log(v/s)/2 and ∫ dw/(w t) = log(2 w/t)/3."""
    one, two = equilibrium(WarOfAttrition(), PrivateValues(priors=(Uniform(1.0, 2.0), Uniform(1.0, 3.0)))).bids
    v = np.linspace(1.001, 1.99, 50)
    ratio = (v / (2 - v)) ** 1.5  # 2 w / (3 − w)
    assert np.abs(one(v) - two(3 * ratio / (2 + ratio))).max() < 1e-5
    assert one(np.array(1.001)) > 0


@pytest.mark.parametrize("priors", [(U, WIDE), (Uniform(1.0, 2.0), Uniform(1.0, 3.0)), (Exponential(1.0), U)])
def test_equilibria_are_a_continuum_of_which_some_are_shown(priors) -> None:
    found = several(WarOfAttrition(), PrivateValues(priors=priors), starts=3)
    assert len(found) == 3
    for one in found:
        assert "of a continuum of equilibria" in one.bids[0].method  # type: ignore[attr-defined]
        assert one.certificate is not None
        assert one.certificate.bound < 1e-3


def test_refusals_are_one_sentence() -> None:
    for environment, words in (
        (PrivateValues(priors=(U, WIDE), risk=Crra(rho=0.5)), "with risk aversion"),
        (PrivateValues(priors=(U, U, WIDE)), "with more than two bidders"),
        (PrivateValues(priors=(Uniform(-1.0, 1.0), U)), "with values below 0"),
    ):
        with pytest.raises(NoEquilibrium, match=words):
            war_of_attrition(environment, 0.0, 0.0)
