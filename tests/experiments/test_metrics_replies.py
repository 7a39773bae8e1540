"""Exploitability and payoff at stake against values known from theory, and not inflated by the search."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from auctionlab.core import Environment, Mechanism
from auctionlab.environments.priors import Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.environments.risk import Crra
from auctionlab.experiments.convergence import interval
from auctionlab.experiments.metrics import Metrics
from auctionlab.experiments.parties import Party
from auctionlab.mechanisms.single_item import AllPay, FirstPrice, SecondPrice
from tests.experiments.synthetic import Rule, measured, over_replications, play

PAIR = PrivateValues(bidders=2, prior=Uniform())
TRIO = PrivateValues(bidders=3, prior=Uniform())


def gains(
    environment: Environment,
    mechanism: Mechanism,
    rule: Rule,
    name: str = "exploitability",
    *,
    rounds: int = 1000,
    replications: int = 12,
    groups: int = 1,
    seed: int = 1,
    grid: tuple[float, ...] = (),
    **options: Any,
) -> Any:
    """Gains by replication when everybody bids by the rule."""
    strangers = options.get("matching") == "strangers"
    shape: Any = {"rounds": rounds, "replications": replications, "groups": groups}
    chunk = play(environment, mechanism, rule, **shape, seed=seed, strangers=strangers)
    party = Party(0, "all", 0, tuple(range(groups * environment.n)), grid=grid)
    metrics = Metrics(environment, mechanism, [party], **shape, window=1.0, **options)
    return over_replications(measured(metrics, chunk), name)


def near(values: Any, theory: float, short: float) -> bool:
    """Within three standard errors of theory, or `short` below it: a reply chosen on half the data is not the best."""
    found = interval(values)
    error = 3 * found.sd / np.sqrt(found.n)
    return theory - short - error <= found.mean <= theory + error


@pytest.mark.parametrize(("groups", "matching"), [(1, "fixed"), (4, "fixed"), (4, "strangers")])
def test_the_first_price_equilibrium_cannot_be_exploited(groups: int, matching: str) -> None:
    # v/2 is the equilibrium, Krishna (2010), ex. 2.1; utility 1/6
    found = gains(PAIR, FirstPrice(), lambda v, m: v / 2, groups=groups, matching=matching)
    assert near(found, 0.0, 0.01 / 6)


def test_other_equilibria_cannot_be_exploited_either() -> None:
    assert near(gains(TRIO, AllPay(), lambda v, m: 2 / 3 * v**3), 0.0, 0.01 / 12)  # utility 1/12
    assert near(gains(TRIO, SecondPrice(), lambda v, m: v), 0.0, 0.01 / 12)
    reserve = FirstPrice(reserve=0.5)
    bid = reserve.equilibrium(PAIR)[0]
    assert near(gains(PAIR, reserve, lambda v, m: bid(v)), 0.0, 0.01 / 6)


def test_few_rounds_do_not_inflate_the_gain() -> None:
    found = gains(PAIR, FirstPrice(), lambda v, m: v / 2, rounds=40, replications=60)
    assert near(found, 0.0, 0.05 / 6)


def test_the_best_reply_to_truthful_rivals_is_found() -> None:
    # truth earns nothing in a first-price auction; against a uniform bid the best reply v/2 earns v²/4, on average 1/12
    assert near(gains(PAIR, FirstPrice(), lambda v, m: v), 1 / 12, 0.001)


def test_a_point_just_above_the_rival_is_found() -> None:
    # both bid 1/2 and share, (v − 1/2)/2; just above 1/2 a high type earns v − 1/2; a low one stays out: 1/16 + 1/16
    assert near(gains(PAIR, FirstPrice(), lambda v, m: np.full_like(v, 0.5)), 1 / 8, 1e-6)


def test_a_reply_among_the_bids_of_the_own_grid_leaves_out_what_lies_between_them() -> None:
    half, own, grid = (lambda v, m: np.full_like(v, 0.5)), "grid_exploitability", (0.0, 0.5)
    # both bid 1/2 and share, (v − 1/2)/2: types below 1/2 lose that no more with the bid 0, 1/16 on average
    assert near(gains(PAIR, FirstPrice(), half, own, grid=grid), 1 / 16, 1e-6)
    # where who ties loses, neither of the two bids earns anything; just above 1/2 a type v earns v − 1/2 all the same
    lost = FirstPrice(ties="nobody")
    assert gains(PAIR, lost, half, own, grid=grid) == pytest.approx(0.0, abs=1e-12)
    assert near(gains(PAIR, lost, half, grid=grid), 1 / 8, 1e-6)
    assert len(gains(PAIR, lost, half, own)) == 0  # no grid


def test_a_second_price_bidder_who_shades_loses_what_theory_says() -> None:
    # both bid v/2; with truth one also wins against rivals of value up to 2v: 1/24 on average (integrate v − w/2)
    assert near(gains(PAIR, SecondPrice(), lambda v, m: v / 2), 1 / 24, 0.001)
    assert near(gains(PAIR, SecondPrice(), lambda v, m: v / 2, "stake"), 1 / 24, 0.0)


def test_a_deviation_that_costs_nothing_has_nothing_at_stake() -> None:
    # who has the highest value wins with it or above: bids differ from values, payoffs do not
    found = gains(PAIR, SecondPrice(), lambda v, m: np.where(v == v.max(axis=1, keepdims=True), v + 1, v), "stake")
    assert found == pytest.approx(0.0, abs=1e-12)  # rounding


def test_the_risk_averse_equilibrium_cannot_be_exploited() -> None:
    averse = PrivateValues(bidders=2, prior=Uniform(), risk=Crra(rho=0.5))
    # v (n−1)/(n−rho) = 2v/3; utility is E[2 √(v/3) v]: the mean over v in [0, 1] is 4 / (5 √3)
    found = gains(averse, FirstPrice(), lambda v, m: 2 * v / 3, rounds=600)
    assert near(found, 0.0, 0.02 * 4 / (5 * np.sqrt(3)))
    # the risk-neutral bid v/2 can be exploited by the risk-averse: against v/2, the best reply to U[0, 1/2] is 2v/3 up
    # to 1/2: utility 2b · 2√(v − b) against v · 2√(v/2)
    values = (np.arange(4000) + 0.5) / 4000
    reply = np.minimum(2 * values / 3, 0.5)
    gain = float(np.mean(2 * reply * 2 * np.sqrt(values - reply) - values * 2 * np.sqrt(values / 2)))
    found = gains(averse, FirstPrice(), lambda v, m: v / 2, rounds=600)
    assert near(found, gain, 0.02 * 4 / (5 * np.sqrt(3)))


def test_roles_reply_to_their_own_rivals() -> None:
    # the strong (U[0, 2]) bid 1.1, the weak (U[0, 1]) bid 0: the strong could win for next to nothing, 1.1 more; the
    # weak cannot gain
    uneven = PrivateValues(priors=(Uniform(), Uniform(high=2.0)))
    chunk = play(uneven, FirstPrice(), lambda v, m: np.tile([0.0, 1.1], (len(v), 1)), rounds=500, replications=6)
    both = [Party(0, "weak", 0, (0,)), Party(1, "strong", 1, (1,))]
    found = measured(Metrics(uneven, FirstPrice(), both, rounds=500, replications=6, window=1.0), chunk)
    assert over_replications(found, "exploitability[0]:weak") == pytest.approx(0.0, abs=1e-12)
    assert over_replications(found, "exploitability[1]:strong") == pytest.approx(1.1, abs=1e-6)  # just above 0
    assert over_replications(found, "exploitability") == pytest.approx(0.55, abs=1e-6)


def test_rivals_who_know_my_value_are_not_taken_for_strangers_to_it() -> None:
    # Both have the same value and bid it. A rival with an independent value could be exploited for v²/4; this one bids
    # exactly v, and every win costs more than v.
    chunk = play(PAIR, FirstPrice(), lambda v, m: v, rounds=800, replications=8)
    common = np.repeat(chunk.signals[..., :1], 2, axis=-1)
    chunk = replace(chunk, signals=common, values=common.copy(), messages=common.copy())
    metrics = Metrics(PAIR, FirstPrice(), [Party(0, "all", 0, (0, 1))], rounds=800, replications=8, window=1.0)
    assert near(over_replications(measured(metrics, chunk), "exploitability"), 0.0, 0.002)


def test_replies_by_cell_of_signals_find_what_replies_by_value_find() -> None:
    chunk = play(PAIR, FirstPrice(), lambda v, m: v, rounds=2000, replications=8)
    chunk = replace(chunk, values=chunk.signals.copy())  # values that are not known to be the signals
    metrics = Metrics(PAIR, FirstPrice(), [Party(0, "all", 0, (0, 1))], rounds=2000, replications=8, window=1.0)
    assert near(over_replications(measured(metrics, chunk), "exploitability"), 1 / 12, 0.004)


def test_too_few_rounds_measure_nothing() -> None:
    chunk = play(PAIR, FirstPrice(), lambda v, m: v / 2, rounds=7, replications=3)
    metrics = Metrics(PAIR, FirstPrice(), [Party(0, "all", 0, (0, 1))], rounds=7, replications=3, window=1.0)
    assert len(over_replications(measured(metrics, chunk), "exploitability")) == 0
