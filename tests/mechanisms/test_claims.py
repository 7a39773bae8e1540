"""Claims are exactly what holds, parameter by parameter; each line carries its reason."""

from __future__ import annotations

import pytest

from auctionlab.environments.data_priors import Discrete
from auctionlab.environments.priors import Exponential, Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.environments.risk import Crra
from auctionlab.mechanisms.single_item import AllPay, FirstPrice, KthPrice, SecondPrice, WarOfAttrition

TRUTH = {"dsic", "ex-post-ic", "bic", "ex-post-ir"}
BASE = {"no-deficit", "interim-ir"}
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
