"""Where only a numerical equilibrium is known, efficiency and participation are judged in it, with its accuracy."""

import re

import numpy as np
import pytest

from auctionlab.checks.incentives import TOLERANCE
from auctionlab.checks.interim import ex_ante_participation, interim_participation
from auctionlab.checks.outcomes import efficiency
from auctionlab.environments.priors import Beta, Power, Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.environments.risk import Crra
from auctionlab.errors import NoEquilibrium
from auctionlab.mechanisms.single_item import AllPay, KthPrice

UNEQUAL = PrivateValues(priors=(Uniform(), Power(exponent=2.0)))
AVERSE = PrivateValues(2, Uniform(), risk=Crra(rho=0.5))


@pytest.mark.parametrize("environment", [UNEQUAL, AVERSE], ids=["unequal", "averse"])
def test_no_formula_is_known_but_participation_is_judged(environment):
    """Staying out is free in an all-pay auction, so no equilibrium leaves a type below it."""
    with pytest.raises(NoEquilibrium):
        AllPay().equilibrium(environment)
    for check in (interim_participation, ex_ante_participation):
        found = check(AllPay(), environment)
        assert found.holds
        assert found.tolerance > TOLERANCE
        assert re.search(r"in a numerical equilibrium, where no type gains more than [\d.e-]+ % of its", found.line())


def test_equal_bidders_are_efficient_and_unequal_ones_are_not():
    """Equal bidders bid by one rising function. Unequal ones do not: Amann and Leininger (1996)."""
    assert efficiency(AllPay(), AVERSE).holds
    found = efficiency(AllPay(), UNEQUAL)
    assert found.holds is False
    case = found.where
    assert int(np.argmax(case.allocation)) != int(np.argmax(case.types))
    assert found.worst == pytest.approx(np.ptp(case.types), rel=1e-12)
    assert "in a numerical equilibrium" in found.line()


def test_a_formula_is_taken_at_its_word():
    found = efficiency(AllPay(), PrivateValues(2, Uniform()))
    assert (found.holds, found.solved, found.tolerance) == (True, "", pytest.approx(TOLERANCE, rel=0.01))


def test_where_nothing_is_found_nothing_is_judged(monkeypatch):
    def refuse(*_: object) -> None:
        raise NoEquilibrium("none was found")

    monkeypatch.setattr("auctionlab.theory.equilibria.equilibrium", refuse)
    for check in (efficiency, interim_participation, ex_ante_participation):
        found = check(KthPrice(k=3), PrivateValues(3, Beta(a=2.0, b=5.0), risk=Crra(rho=0.5)))
        assert (found.holds, found.note) == (None, "none was found")
