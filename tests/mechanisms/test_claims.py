"""Claims are exactly what holds, parameter by parameter; each line carries its reason."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from auctionlab.checks.interim import interim_participation
from auctionlab.checks.mechanism_contract import check_mechanism
from auctionlab.environments.data_priors import Discrete
from auctionlab.environments.priors import Exponential, Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.environments.risk import Crra
from auctionlab.environments.screening import Screening
from auctionlab.mechanisms.groves import VickreyClarkeGroves
from auctionlab.mechanisms.screening import Menu, OptimalScreening
from auctionlab.mechanisms.single_item import AllPay, FirstPrice, KthPrice, SecondPrice, WarOfAttrition

TRUTH = {"dsic", "ex-post-ic", "bic", "ex-post-ir"}
BASE = {"no-deficit", "interim-ir"}
SAFE = {"ex-post-ir", "interim-ir"}
UNIFORM = PrivateValues(bidders=2, prior=Uniform())
HIGH = PrivateValues(bidders=2, prior=Uniform(low=1.0, high=2.0))
UNEQUAL = PrivateValues(priors=(Uniform(), Uniform(low=0.5, high=2.0)))
AVERSE = PrivateValues(bidders=2, prior=Uniform(), risk=Crra(rho=0.5))
DISCRETE = PrivateValues(bidders=2, prior=Discrete(values=(0.0, 1.0)))
NEGATIVE = PrivateValues(bidders=2, prior=Uniform(low=-1.0, high=1.0))


@pytest.mark.parametrize(
    ("mechanism", "environment", "claims"),
    [
        (SecondPrice(), UNIFORM, TRUTH | BASE | {"efficient"}),
        (SecondPrice(reserve=0.3), UNIFORM, TRUTH | BASE),  # the item may stay unsold
        (SecondPrice(reserve=0.5), UNIFORM, TRUTH | BASE | {"revenue-optimal"}),  # 2v − 1 = 0 at 1/2
        (SecondPrice(entry_fee=0.25), UNIFORM, BASE | {"revenue-optimal"}),  # v F(v) = 1/4 at 1/2 too
        (SecondPrice(entry_fee=0.1), UNIFORM, BASE),  # truth pays the fee for nothing
        (SecondPrice(), HIGH, TRUTH | BASE | {"efficient", "revenue-optimal"}),  # 2v − 2 ≥ 0 everywhere
        (SecondPrice(reserve=1.0), HIGH, TRUTH | BASE | {"efficient", "revenue-optimal"}),  # not binding
        (SecondPrice(reserve=0.5), UNEQUAL, TRUTH | BASE | {"efficient"}),  # the second is always at least 0.5
        (SecondPrice(reserve=0.6), UNEQUAL, TRUTH | BASE),
        (SecondPrice(), NEGATIVE, TRUTH | BASE | {"efficient"}),  # a reserve of 0 keeps out the unwanted only
        (SecondPrice(reserve=0.5), NEGATIVE, TRUTH | BASE | {"revenue-optimal"}),  # 2v − 1 = 0 at 1/2
        (SecondPrice(), DISCRETE, TRUTH | BASE | {"efficient"}),
        (SecondPrice(reserve=0.5), AVERSE, TRUTH | BASE),  # Myerson's bound is for the risk-neutral
        (KthPrice(k=2), UNIFORM, TRUTH | BASE | {"efficient"}),
        (KthPrice(k=3), UNIFORM, {"no-deficit", "ex-post-ir"}),  # two bidders: no equilibrium
        (KthPrice(k=3), PrivateValues(bidders=3, prior=Uniform()), BASE | {"ex-post-ir", "efficient"}),
        (FirstPrice(), UNIFORM, BASE | {"ex-post-ir", "efficient"}),
        (FirstPrice(reserve=0.5), UNIFORM, BASE | {"ex-post-ir", "revenue-optimal"}),
        (FirstPrice(), AVERSE, BASE | {"ex-post-ir", "efficient"}),
        (FirstPrice(), UNEQUAL, {"no-deficit", "ex-post-ir", "interim-ir"}),  # bids do not rank values
        (FirstPrice(), DISCRETE, {"no-deficit", "ex-post-ir"}),  # bidders mix
        (FirstPrice(entry_fee=0.1), UNIFORM, BASE),
        (AllPay(), UNIFORM, BASE | {"efficient"}),
        (AllPay(reserve=0.25), UNIFORM, BASE | {"revenue-optimal"}),  # v F(v) = 1/4 at 1/2
        (AllPay(reserve=0.5), UNIFORM, BASE),  # keeps out too many: v F(v) = 1/2 at 0.71
        (AllPay(), HIGH, BASE | {"efficient", "revenue-optimal"}),
        (WarOfAttrition(), UNIFORM, BASE | {"efficient"}),
        (WarOfAttrition(reserve=0.25), UNIFORM, BASE | {"revenue-optimal"}),
        (FirstPrice(reserve=1.0), PrivateValues(bidders=4, prior=Exponential(mean=1.0)),
         BASE | {"ex-post-ir", "revenue-optimal"}),
    ],
)  # fmt: skip
def test_claims(mechanism, environment, claims):
    assert mechanism.claims(environment) == claims


def test_a_reserve_next_to_the_optimal_one_is_not_optimal():
    assert "revenue-optimal" not in SecondPrice(reserve=0.5 + 1e-6).claims(UNIFORM)


@dataclass(frozen=True)
class RivalsUseIt(PrivateValues):
    """Who stays away sees a rival use the item, and loses a third of what it is worth to the rival."""

    def outside(self, values):
        rival = values[:, ::-1]
        return -rival / 3


@pytest.mark.parametrize(
    ("mechanism", "environment", "lost"),
    [
        (SecondPrice(), PrivateValues(2, Uniform(), outside_options=(0.05, 0.0)), SAFE),
        (
            SecondPrice(reserve=0.5),
            PrivateValues(2, Uniform(), outside_options=(0.05, 0.0)),
            SAFE | {"revenue-optimal"},
        ),
        (FirstPrice(), PrivateValues(2, Uniform(), outside_options=(0.0, 0.1)), SAFE),
        (SecondPrice(reserve=0.5), PrivateValues(2, Uniform(), outside_options=(-0.1, 0.0)), {"revenue-optimal"}),
        (SecondPrice(reserve=0.5), RivalsUseIt(2, Uniform()), {"revenue-optimal"}),  # the seller may threaten
    ],
)
def test_what_staying_out_is_worth_counts_against_participation_and_the_bound_on_revenue(mechanism, environment, lost):
    claims = mechanism.claims(environment)
    assert claims == mechanism.claims(UNIFORM) - lost
    check_mechanism(mechanism, environment)


def test_a_seat_with_another_outside_option_has_a_role_of_its_own():
    assert PrivateValues(2, Uniform(), outside_options=(0.05, 0.0)).roles() == (0, 1)
    assert PrivateValues(2, Uniform(), outside_options=(0.1, 0.1)).roles() == (0, 0)


def test_shortfalls_are_the_outside_option_of_a_type_that_never_wins():
    environment = PrivateValues(2, Uniform(), outside_options=(0.05, 0.0))
    assert interim_participation(SecondPrice(), environment).worst == pytest.approx(0.05, abs=1e-6)
    worst_off = VickreyClarkeGroves(environment=environment, pivot="worst-off")
    assert interim_participation(worst_off, environment).holds


def test_a_principal_pays_the_agent_what_staying_out_is_worth():
    plain, better = Screening(prior=Uniform()), Screening(prior=Uniform(), outside_option=0.1)
    types = np.linspace(0, 1, 11)[:, None]
    before, after = (OptimalScreening(environment=where).run(types) for where in (plain, better))
    np.testing.assert_allclose(after.allocation, before.allocation)
    np.testing.assert_allclose(after.payments, before.payments - 0.1)
    check_mechanism(OptimalScreening(environment=better), better)
    assert "no-deficit" not in OptimalScreening(environment=better).claims(better)
    menu = Menu(quantities=(0.5,), prices=(0.2,))
    assert "interim-ir" in menu.claims(plain)
    assert "interim-ir" not in menu.claims(better)
