"""Equilibria of games on bid grids, against games that can be solved by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from auctionlab.core import Environment, Mechanism
from auctionlab.environments.priors import Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.environments.risk import Crra
from auctionlab.errors import NoEquilibrium
from auctionlab.experiments.grid_equilibrium import GridEquilibrium, grid_equilibrium
from auctionlab.experiments.parties import seat_of_role
from auctionlab.mechanisms.single_item import AllPay, FirstPrice, SecondPrice
from auctionlab.theory.benchmarks import benchmark

PAIR = PrivateValues(bidders=2, prior=Uniform())


def solve(environment: Environment, mechanism: Mechanism, bids: int, cells: int, **options: Any) -> GridEquilibrium:
    return grid_equilibrium(environment, mechanism, seat_of_role(environment, mechanism, 0), bids, cells, **options)


def test_two_who_value_at_a_half_bid_a_quarter_on_quarters() -> None:
    # values all 1/2, bids 0, 1/4, ...: at (1/4, 1/4) each gets 1/8; 1/2 gets 0, 0 gets 0
    found = solve(PAIR, FirstPrice(), 5, 1)
    assert found.revenue == pytest.approx(0.25, abs=1e-3)  # fictitious play: what is left of the start
    assert found.chances[0, 1] > 0.99


def test_all_pay_bidders_of_known_value_dissipate_it() -> None:
    # Baye, Kovenock and de Vries (1996): expected payments sum to the value; on the grid up to a step each
    found = solve(PAIR, AllPay(), 201, 1, tolerance=1.0)
    assert found.revenue == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("mechanism", [FirstPrice(), SecondPrice(), AllPay()])
def test_fine_grids_come_near_the_continuous_equilibrium(mechanism: Mechanism) -> None:
    found = solve(PAIR, mechanism, 101, 60)
    assert found.revenue == pytest.approx(benchmark(mechanism, PAIR).revenue, rel=0.03)  # the grid's own effect


def test_risk_aversion_raises_revenue_on_the_grid_too() -> None:
    averse = PrivateValues(bidders=2, prior=Uniform(), risk=Crra(rho=0.5))
    assert solve(averse, FirstPrice(), 51, 20).revenue > 1.2 * solve(PAIR, FirstPrice(), 51, 20).revenue


def test_revenue_and_gain_agree_with_enumeration() -> None:
    trio = PrivateValues(bidders=3, prior=Uniform())
    mechanism, cells = FirstPrice(reserve=0.2), 3
    found = solve(trio, mechanism, 6, cells)
    values = np.array([1, 3, 5]) / 6
    chance = found.chances.mean(axis=0)
    profiles = np.array(np.meshgrid(*[range(6)] * 3, indexing="ij")).reshape(3, -1).T
    outcome = mechanism.run(found.bids[profiles])
    weight = chance[profiles].prod(axis=1)
    assert found.revenue == pytest.approx(weight @ outcome.payments.sum(axis=1))  # rounding
    rivals = chance[profiles[:, 1:]].prod(axis=1)
    best = own = 0.0
    for cell, value in enumerate(values):
        payoff = rivals * (value * outcome.allocation[:, 0] - outcome.payments[:, 0])
        by_bid = np.bincount(profiles[:, 0], weights=payoff)
        best += by_bid.max() / cells
        own += found.chances[cell] @ by_bid / cells
    assert found.gain == pytest.approx((best - own) / own, abs=1e-9)
    assert found.gain < 0.01


def test_what_cannot_be_vouched_for_is_not_given() -> None:
    with pytest.raises(NoEquilibrium, match="too many profiles"):
        solve(PrivateValues(bidders=6, prior=Uniform()), FirstPrice(), 101, 20)
    with pytest.raises(NoEquilibrium, match="symmetric"):
        solve(PrivateValues(priors=(Uniform(), Uniform(high=2.0))), FirstPrice(), 11, 5)
    with pytest.raises(NoEquilibrium, match="could still gain"):
        solve(PAIR, AllPay(), 21, 1, tolerance=1e-12)
