"""Regret against values known in closed form, and against trying every bid function one by one."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from auctionlab.core import Environment, Mechanism, counterfactual, expected_utility
from auctionlab.environments.priors import Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.environments.risk import Crra
from auctionlab.experiments.measures import sample_of
from auctionlab.experiments.metrics import Metrics
from auctionlab.experiments.parties import Party, seat_of_role
from auctionlab.experiments.regret import checkpoints, regret_of
from auctionlab.mechanisms.clock import Ascending
from auctionlab.mechanisms.optimal import OptimalAuction
from auctionlab.mechanisms.single_item import AllPay, FirstPrice, KthPrice, SecondPrice
from auctionlab.platform.ledger import Chunk
from tests.experiments.synthetic import Rule, measured, over_replications, play

PAIR = PrivateValues(bidders=2, prior=Uniform())
TRIO = PrivateValues(bidders=3, prior=Uniform())


def learners(members: tuple[int, ...], bids: int = 11, cells: int = 4, label: str = "all", role: int = 0) -> Party:
    return Party(role, label, members[0], members, 1 / (bids - 1), cells, bids, learns=True)


def on_grid(seed: int, bids: int = 11) -> Rule:
    """Bids drawn from the grid by a rule that depends on the value and on chance."""
    rng = np.random.default_rng(seed)

    def rule(values: Any, members: Any) -> Any:
        return np.rint(rng.uniform(0.2, 0.9, values.shape) * values * (bids - 1)) / (bids - 1)

    return rule


def brute(
    environment: Environment, mechanism: Mechanism, chunk: Chunk, party: Party, swap: bool = False
) -> dict[int, float]:
    """Regret by member of the only replication: the best message of every cell (and bid sent) tried in turn."""
    n = environment.n
    messages, values, signals = (getattr(chunk, name).reshape(-1, n) for name in ("messages", "values", "signals"))
    members = np.broadcast_to(chunk.members, chunk.payments.shape).reshape(-1, n)
    own = expected_utility(mechanism, environment, messages, values)
    seat = seat_of_role(environment, mechanism, party.role)
    grid = seat.grid(party.bids)
    found = {}
    for member in party.members:
        rows, at = np.nonzero(members == member)
        cell = seat.cell(signals[rows, at], party.cells)
        sent = np.abs(messages[rows, at][:, None] - grid).argmin(axis=1)
        best = 0.0
        for key in itertools.product(range(party.cells), range(party.bids) if swap else [None]):
            mine = (cell == key[0]) & ((sent == key[1]) if swap else True)
            tried = []
            for bid in grid:
                changed = messages[rows[mine]].copy()
                changed[np.arange(len(changed)), at[mine]] = bid
                payoffs = expected_utility(mechanism, environment, changed, values[rows[mine]])
                tried.append(payoffs[np.arange(len(changed)), at[mine]].sum())
            best += max(tried)
        found[member] = float((best - own[rows, at].sum()) / len(rows))
    return found


@pytest.mark.parametrize(
    "mechanism",
    [
        FirstPrice(reserve=0.25),  # between two points of the grid
        SecondPrice(),
        AllPay(),
        FirstPrice(entry_fee=0.05),
        KthPrice(k=3),
        Ascending(SecondPrice()),
        OptimalAuction(environment=TRIO),
    ],
    ids=["first", "second", "all-pay", "fee", "third", "clock", "optimal"],
)
def test_regret_is_what_trying_every_bid_function_finds(mechanism: Mechanism) -> None:
    chunk = play(TRIO, mechanism, on_grid(1), rounds=150)
    party = learners((0, 1, 2))
    metrics = Metrics(TRIO, mechanism, [party], rounds=150, replications=1)
    found = measured(metrics, chunk)
    external = brute(TRIO, mechanism, chunk, party)
    for member, value in external.items():
        assert found[f"agent_regret[0,{member}]:all", None, 0] == pytest.approx(value, abs=1e-12)  # rounding
    assert found["regret", None, 0] == pytest.approx(np.mean(list(external.values())), abs=1e-12)
    swap = brute(TRIO, mechanism, chunk, party, swap=True)
    assert found["swap_regret[0]:all", None, 0] == pytest.approx(np.mean(list(swap.values())), abs=1e-12)
    assert all(swap[member] >= value - 1e-12 for member, value in external.items())


def test_regret_of_the_risk_averse_averages_utilities() -> None:
    averse = PrivateValues(bidders=2, prior=Uniform(), risk=Crra(rho=0.5))
    chunk = play(averse, FirstPrice(), on_grid(2), rounds=120)
    party = learners((0, 1))
    found = measured(Metrics(averse, FirstPrice(), [party], rounds=120, replications=1), chunk)
    external = brute(averse, FirstPrice(), chunk, party)
    assert found["regret", None, 0] == pytest.approx(np.mean(list(external.values())), abs=1e-12)


def test_regret_under_strangers_follows_the_members() -> None:
    chunk = play(PAIR, FirstPrice(), on_grid(3), rounds=150, groups=3, strangers=True)
    parties = [learners((0, 2, 5), label="one"), learners((1, 3, 4), bids=6, cells=2, label="two")]
    metrics = Metrics(PAIR, FirstPrice(), parties, rounds=150, replications=1, groups=3, matching="strangers")
    found = measured(metrics, chunk)
    for party in parties:
        external = brute(PAIR, FirstPrice(), chunk, party)
        for member, value in external.items():
            assert found[f"agent_regret[0,{member}]:{party.label}", None, 0] == pytest.approx(value, abs=1e-12)


def test_against_a_constant_bid_regret_is_the_closed_form() -> None:
    # The rival always bids 1/2. Bidding 0 earns nothing; just above on the grid, 0.6, earns v − 0.6 where that is
    # positive. One cell a bid step: cells are tenths, so the best function bids 0.6 from v = 0.6 on: regret
    # E[(v − 0.6)+] = 0.4²/2, the rival's 0.5 shared at a tie being worth (v − 0.5)/2 < v − 0.6 only above 0.7.
    def rule(values: Any, members: Any) -> Any:
        return np.where(members == 0, 0.0, 0.5)

    chunk = play(PAIR, FirstPrice(), rule, rounds=20_000, seed=4)
    parties = [learners((0,), cells=10, label="low"), Party(0, "half", 1, (1,))]
    found = measured(Metrics(PAIR, FirstPrice(), parties, rounds=20_000, replications=1), chunk)
    edges = np.arange(10) / 10
    nodes = edges[:, None] + (np.arange(1000) + 0.5) / 10_000
    best = np.maximum(np.maximum((nodes - 0.6).mean(axis=1), (nodes - 0.5).mean(axis=1) / 2), 0).mean()
    error = 0.15 / np.sqrt(20_000)  # standard deviation of (v − 0.6)+ is 0.12
    assert found["regret[0]:low", None, 0] == pytest.approx(best, abs=3 * error)
    assert ("regret[0]:half", None, 0) not in found  # does not learn


def test_who_cannot_do_better_has_no_regret_at_all() -> None:
    # values are points of the grid, each in a cell of its own: truth is optimal in every single auction
    def rule(values: Any, members: Any) -> Any:
        return np.clip(np.rint(values * 10), 0, 10) / 10

    chunk = play(PAIR, SecondPrice(), rule, rounds=600)
    signals = rule(chunk.signals, None)
    chunk = Chunk(0, signals, signals, signals.copy(), chunk.allocation, chunk.payments, chunk.utility, chunk.members)
    party = learners((0, 1), bids=11, cells=20)
    found = measured(Metrics(PAIR, SecondPrice(), [party], rounds=600, replications=1), chunk)
    assert found["regret", None, 0] == pytest.approx(0.0, abs=1e-12)
    assert found["swap_regret", None, 0] == pytest.approx(0.0, abs=1e-12)


def test_swap_regret_sees_what_external_regret_does_not() -> None:
    # The value is 1. In even rounds both bid 0.2 and share, in odd rounds 0. Of fixed bids 0.3 is best: it wins
    # 0.7 in every auction, against (1/2 + 0.4)/2 earned. The best swap, 0 -> 0.1 and 0.2 -> 0.3, earns (0.9 + 0.7)/2.
    rounds = 200
    odd = (np.arange(rounds) % 2 == 1)[:, None]
    chunk = play(PAIR, FirstPrice(), lambda v, m: np.where(odd, 0.0, 0.2) + 0 * v, rounds=rounds)
    ones = np.ones_like(chunk.signals)
    chunk = Chunk(0, ones, ones, chunk.messages, chunk.allocation, chunk.payments, chunk.utility, chunk.members)
    party = learners((0, 1), cells=1)
    found = measured(Metrics(PAIR, FirstPrice(), [party], rounds=rounds, replications=1), chunk)
    assert found["regret", None, 0] == pytest.approx(0.7 - 0.45)
    assert found["swap_regret", None, 0] == pytest.approx(0.8 - 0.45)


def test_regret_over_rounds_is_the_regret_of_the_rounds_so_far() -> None:
    rounds = 400
    chunk = play(PAIR, FirstPrice(), on_grid(5), rounds=rounds)
    party = learners((0, 1), cells=2)
    metrics = Metrics(PAIR, FirstPrice(), [party], rounds=rounds, replications=1)
    metrics.consume(chunk)
    sample = sample_of(metrics, metrics.paths.arrays).of(0)
    for end in checkpoints(rounds)[[8, 12]]:
        short = Metrics(PAIR, FirstPrice(), [party], rounds=int(end), replications=1)
        names = ("signals", "signals", "messages", "allocation", "payments", "utility")
        cut = Chunk(0, *(getattr(chunk, name)[:end] for name in names), chunk.members)
        expected = measured(short, cut)["regret", None, 0]
        found = regret_of(PAIR, FirstPrice(), sample, np.arange(rounds), np.tile([0, 1], (rounds, 1)), party,
                          np.array([end, rounds]), 1)  # fmt: skip
        assert found is not None
        assert found.external[0].mean() == pytest.approx(expected, abs=1e-12)


def test_too_few_sampled_rounds_a_cell_tell_no_regret() -> None:
    chunk = play(PAIR, FirstPrice(), on_grid(6), rounds=60, replications=1)
    party = learners((0, 1), cells=1)
    metrics = Metrics(PAIR, FirstPrice(), [party], rounds=60, replications=1)
    metrics.consume(chunk)
    sample, members = sample_of(metrics, metrics.paths.arrays).of(0), np.tile([0, 1], (60, 1))

    def told(kept: int, cells: int) -> bool:
        own = replace(sample, **{name: getattr(sample, name)[:kept] for name in ("messages", "signals", "parties")})
        own = replace(own, values=own.signals)
        one = learners((0, 1), cells=cells)
        ends = np.array([60])
        return regret_of(PAIR, FirstPrice(), own, np.arange(kept), members[:kept], one, ends, 1) is not None

    assert told(60, 7)  # every round is there
    assert told(50, 2)
    assert not told(49, 2)


def test_a_best_reply_in_hindsight_is_one_of_the_counterfactuals() -> None:
    # one cell: regret is the largest mean counterfactual payoff less the mean payoff
    chunk = play(PAIR, FirstPrice(), on_grid(7), rounds=100)
    party = learners((0, 1), cells=1)
    found = measured(Metrics(PAIR, FirstPrice(), [party], rounds=100, replications=1), chunk)
    messages, values = chunk.messages.reshape(-1, 2), chunk.values.reshape(-1, 2)
    grid = np.linspace(0, 1, 11)
    payoffs = counterfactual(FirstPrice(), PAIR, messages, values, np.zeros(100, int), grid).mean(axis=0)
    own = expected_utility(FirstPrice(), PAIR, messages, values)[:, 0].mean()
    assert over_replications(found, "agent_regret[0,0]:all")[0] == pytest.approx(payoffs.max() - own)
