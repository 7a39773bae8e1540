"""Rounds played in one loop are the rounds played one by one, to the last bit, however a run is cut."""

from __future__ import annotations

from decimal import Decimal, getcontext

import numpy as np
import pytest

import auctionlab
from auctionlab import kernels
from auctionlab.agents import _table, bandits
from auctionlab.environments.priors import Exponential, Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.environments.risk import Cara
from auctionlab.experiments import metrics
from auctionlab.experiments.config import load_config
from auctionlab.experiments.playing import enter, play
from auctionlab.mechanisms.single_item import KthPrice
from auctionlab.platform import matching, stretch
from auctionlab.platform.ledger import only_rounds
from auctionlab.platform.market import Market
from auctionlab.platform.matching import Block
from auctionlab.platform.store import Store
from auctionlab.registry import build
from auctionlab.rng import stream

LEARNERS = {
    "mean": {"kind": "epsilon-greedy", "epsilon": 0.3},
    "step": {"kind": "epsilon-greedy", "step": 0.2, "decay": 0.01, "initial": 1.0},
    "greedy": {"kind": "epsilon-greedy", "epsilon": 0.0, "schedule": "inverse"},
    "q": {"kind": "q-learning", "rate": 0.3},
    "discounted": {"kind": "q-learning", "rate": 0.3, "discount": 0.9, "initial": 2.0},
    "exp3": {"kind": "exp3", "exploration": 0.4, "rate": 0.9},
}
MECHANISMS = {
    "first": {"kind": "first-price"},
    "second": {"kind": "second-price", "reserve": 0.4},
    "all-pay": {"kind": "all-pay", "reserve": 0.2},
    "attrition": {"kind": "war-of-attrition", "entry_fee": 0.1},
    "1st": {"kind": "kth-price", "k": 1, "reserve": 0.3, "entry_fee": 0.05},
    "2nd": {"kind": "kth-price", "k": 2},
    "lost": {"kind": "first-price", "ties": "nobody"},
}
RULES = [rule for rule in MECHANISMS if rule != "second"]
PLACES = [  # bidders, groups, replications, matching
    (2, 1, 5, "fixed"),
    (3, 2, 2, "strangers"),
    (1, 2, 1, "strangers"),
    (2, 3, 2, "fixed"),
]


@pytest.fixture
def by_loops(monkeypatch):
    """Markets play stretches of about `bids` bids, by loops that are not compiled; or no loops at all."""

    def switch(bids: int | None) -> None:
        for user in (stretch, _table, bandits, matching, metrics, kernels):
            monkeypatch.setattr(user, "compiled", (lambda loop: None) if bids is None else (lambda loop: loop))
        monkeypatch.setattr(stretch, "BIDS", bids or 1)

    return switch


def market(learner, mechanism, bidders, groups, replications, how, **options):
    table = {"bids": 6, "cells": 3} | LEARNERS.get(learner, {"kind": learner})
    settings = {"rounds": 40, "seed": 5, "replications": replications, "groups": groups, "matching": how}
    environment = PrivateValues(bidders, Exponential(mean=0.5))
    blocks = [Block(build("agents", table))]
    return Market(environment, build("mechanisms", MECHANISMS[mechanism]), blocks, **settings | options)


def watched(one: Market) -> list[list[np.ndarray]]:
    """All that happens in the rounds of a market, played by its advancer."""
    seen: list[list[np.ndarray]] = []
    names = ("signals", "values", "messages", "allocation", "payments", "utility", "members")

    @only_rounds
    def look(round):
        assert round.number == len(seen)
        seen.append([getattr(round, name).copy() for name in names])

    one.observers = [look]
    advance = stretch.advancer(one)
    while one.round < one.rounds:
        advance()
    return seen


@pytest.mark.parametrize("place", PLACES, ids=lambda place: "-".join(map(str, place)))
@pytest.mark.parametrize(
    ("learner", "mechanism"),
    [
        *((learner, "second") for learner in LEARNERS),
        *((learner, rule) for learner in ("mean", "exp3") for rule in RULES),
    ],
)
def test_a_loop_over_rounds_plays_what_single_rounds_play(by_loops, learner, mechanism, place):
    by_loops(None)
    stepped = market(learner, mechanism, *place)
    assert not stretch.suits(stepped)
    expected = watched(stepped)
    by_loops(120)
    looped = market(learner, mechanism, *place)
    assert stretch.suits(looped)
    for t, (found, wanted) in enumerate(zip(watched(looped), expected, strict=True)):
        for array, other in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(array, other, err_msg=f"round {t}")
    assert looped.state().keys() == stepped.state().keys()
    for name, array in looped.state().items():
        np.testing.assert_array_equal(array, stepped.state()[name], err_msg=name)
    assert looped.last.number == 39
    np.testing.assert_array_equal(looped.of_member("utility", 0), stepped.of_member("utility", 0))


@pytest.mark.skipif(not kernels.available(), reason="numba is not installed, or turned off")
@pytest.mark.parametrize("learner", LEARNERS)
def test_machine_code_plays_what_single_rounds_play(learner):
    stepped, looped = (market(learner, "second", 3, 4, 5, "strangers", rounds=700, first=2) for _ in range(2))
    for _ in range(700):
        stepped.step()
    watched(looped)
    for name, array in looped.state().items():
        np.testing.assert_array_equal(array, stepped.state()[name], err_msg=name)


def test_what_is_not_the_common_case_is_played_round_by_round(by_loops):
    by_loops(300)
    place = (2, 1, 2, "fixed")
    assert stretch.suits(market("mean", "first", *place))
    assert not stretch.suits(market("hedge", "first", *place, disclose="all"))
    remembering = market("q", "first", *place)
    remembering.teams[0].strategy.memory = "bid"
    assert not stretch.suits(remembering)
    assert not stretch.suits(market("q", "first", *place, observers=[lambda round: None]))
    third = market("mean", "first", *place)
    third.mechanism = KthPrice(k=3)
    assert not stretch.suits(third)
    learner = build("agents", "epsilon-greedy")
    first = build("mechanisms", "first-price")
    for environment, blocks in (
        (PrivateValues(2, Uniform(), risk=Cara(alpha=1.0)), [Block(learner)]),
        (PrivateValues(2, Uniform()), [Block(learner, seats=(0,)), Block(learner)]),
        (PrivateValues(priors=(Uniform(), Uniform(high=2.0))), [Block(learner)]),
    ):
        other = Market(environment, first, blocks, rounds=5)
        assert not stretch.suits(other)
        assert stretch.advancer(other) == other.step


CONFIG = {
    "name": "cut",
    "seed": 3,
    "rounds": 300,
    "replications": 4,
    "environment": {"kind": "private-values", "bidders": 2, "prior": {"kind": "uniform"}},
    "mechanism": {"kind": "second-price"},
    "market": {"groups": 2, "matching": "strangers"},
    "agents": [{"strategy": {"kind": "exp3", "bids": 6, "cells": 3}}],
    "record": {"bids": "every:7"},
}


def test_a_run_stopped_between_stretches_goes_on_to_the_same_rows_and_metrics(by_loops, tmp_path):
    config, found = load_config(CONFIG), []
    for name, bids, stops in (("steps", None, 0), ("whole", 400, 0), ("cut", 400, 3)):
        by_loops(bids)
        with Store(f"sqlite:///{tmp_path}/{name}.db") as store:
            run_id = enter(config, store)
            for _ in range(stops):  # each plays two stretches of 25 rounds
                asked = iter([False, False, True])
                assert play(config, store, lambda run_id=run_id: run_id, stopping=lambda asked=asked: next(asked)) == (
                    run_id,
                    False,
                )
            if stops:
                assert store.run(run_id).round == 150
            assert play(config, store, lambda run_id=run_id: run_id) == (run_id, True)
        result = auctionlab.load(run_id, database=f"sqlite:///{tmp_path}/{name}.db")
        found.append((result.bids(), result.metrics()))
    for bids, numbers in found[1:]:
        assert bids.equals(found[0][0])
        assert numbers.equals(found[0][1])


def test_a_loop_does_not_change_when_a_market_is_restored(by_loops):
    """The best bids that the loop remembers between stretches are not state: they are found again."""
    by_loops(20)
    whole = market("mean", "first", 2, 1, 2, "fixed")
    expected = watched(whole)
    first, second = market("mean", "first", 2, 1, 2, "fixed"), market("mean", "first", 2, 1, 2, "fixed")
    advance = stretch.advancer(first)
    for _ in range(3):
        advance()
    second.restore(first.round, {name: array.copy() for name, array in first.state().items()})
    seen = []
    second.observers = [only_rounds(lambda round: seen.append(round.utility.copy()))]
    advance = stretch.advancer(second)
    while second.round < second.rounds:
        advance()
    np.testing.assert_array_equal(seen, [round[5] for round in expected[15:]])


def test_powers_are_the_exponential_function_to_rounding():
    """Against decimal arithmetic of 40 digits; rounding: within 2 units in the last of 53 bits."""
    getcontext().prec = 40
    x = np.concatenate([stream(4).random(300) * 200, [0.0, 1e-300, 1.0, 200.0, np.log(2) / 2]])
    fraction, exponent = kernels.powers(x)
    found = np.ldexp(fraction, exponent.astype(int))
    for one, value in zip(x.tolist(), found.tolist(), strict=True):
        assert abs(Decimal(value) / Decimal(one).exp() - 1) < Decimal(2) ** -51
        part, power = kernels.powers(one)  # a single number as an array of them, to the bit
        assert np.ldexp(part, int(power)) == value
