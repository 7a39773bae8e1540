"""Metrics while a run is played: right, and to the bit the same however the play is cut."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auctionlab.environments.priors import Exponential, Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.experiments.cells import Cells
from auctionlab.experiments.metrics import Metrics
from auctionlab.experiments.names import MetricName, window_of
from auctionlab.experiments.parties import Party, label_strategies, parties
from auctionlab.mechanisms.single_item import FirstPrice, SecondPrice
from auctionlab.platform.matching import Block
from tests.experiments.synthetic import cut, measured, over_replications, part, play

PAIR = PrivateValues(bidders=2, prior=Uniform())
CROWD = PrivateValues(bidders=9, prior=Exponential(mean=2.0))  # nine: where sums over seats could be reordered
ROUNDS = 230


def everyone(population: int, **grid: float) -> tuple[Party, ...]:
    return (Party(0, "all", 0, tuple(range(population)), **grid),)  # type: ignore[arg-type]


def mixed(population: int) -> tuple[Party, ...]:
    half = population // 2
    return (
        Party(0, "shading", 0, tuple(range(half)), 0.05, 20),
        Party(0, "truthful", 0, tuple(range(half, population))),
    )


def crowd(**options: object) -> Metrics:
    settings = {"rounds": ROUNDS, "replications": 3, "groups": 2, "matching": "strangers", "window": 0.3}
    return Metrics(CROWD, SecondPrice(reserve=0.4), mixed(18), **{**settings, **options})  # type: ignore[arg-type]


def crowd_play() -> object:
    def rule(signals: np.ndarray, members: np.ndarray) -> np.ndarray:
        return np.where(members < 9, 0.7 * signals, signals)

    return play(CROWD, SecondPrice(reserve=0.4), rule, rounds=ROUNDS, replications=3, groups=2, strangers=True)


@pytest.mark.parametrize("edges", [(), (1,), (160, 161, 162), (7, 100, 195, 196, 229), tuple(range(1, ROUNDS))])
def test_chunk_boundaries_change_no_bit(edges: tuple[int, ...]) -> None:
    chunk = crowd_play()
    whole = measured(crowd(), chunk)
    assert measured(crowd(), *cut(chunk, *edges)) == whole
    assert {name.partition("[")[0] for name, _, _ in whole} >= {"revenue", "truthful", "stake", "exploitability"}


@pytest.mark.parametrize("stop", [50, 161, 190])
def test_a_resumed_run_has_the_same_metrics_to_the_bit(stop: int) -> None:
    chunk = crowd_play()
    before, after = cut(chunk, stop)
    first, second = crowd(), crowd()
    first.consume(before)
    state = {name: array.copy() for name, array in first.state().items()}
    first.consume(part(chunk, stop, ROUNDS))  # a checkpoint is not touched by what follows
    second.restore(state)
    assert measured(second, after) == measured(crowd(), chunk)


def test_replications_are_the_same_on_their_own() -> None:
    chunk = crowd_play()
    whole = measured(crowd(), chunk)
    shared: dict[tuple[str, int | None, int], float] = {}
    for first, count in ((0, 1), (1, 2)):
        some = crowd(replications=count, first=first, total=3)
        shared |= measured(some, part(chunk, 0, ROUNDS, slice(first, first + count)))
    assert shared == whole


def test_window_metrics_are_means_over_its_rounds() -> None:
    chunk = play(PAIR, FirstPrice(), lambda v, m: v / 2, rounds=100, replications=4, groups=3)
    metrics = Metrics(PAIR, FirstPrice(), everyone(6), rounds=100, replications=4, groups=3, window=0.25)
    found = measured(metrics, chunk)
    inside = slice(75, 100)
    prices = chunk.payments[inside].sum(axis=-1)  # (T, R, G)
    assert over_replications(found, "revenue") == pytest.approx(prices.mean(axis=(0, 2)))  # rounding
    drift = prices[12:].mean(axis=(0, 2)) - prices[:12].mean(axis=(0, 2))
    assert over_replications(found, "drift") == pytest.approx(drift)
    won = (chunk.allocation * chunk.values)[inside].sum(axis=(0, 2, 3))
    best = chunk.values[inside].max(axis=-1).sum(axis=(0, 2))
    assert over_replications(found, "efficiency") == pytest.approx(won / best)
    assert over_replications(found, "utility[0]:all") == pytest.approx(chunk.utility[inside].mean(axis=(0, 2, 3)))
    assert over_replications(found, "bid[0]:all") == pytest.approx(chunk.messages[inside].mean(axis=(0, 2, 3)))
    assert (over_replications(found, "participation[0]:all") == 1).all()


def test_series_cover_every_round_once() -> None:
    chunk = play(PAIR, FirstPrice(), lambda v, m: v / 2, rounds=1000, replications=2)
    metrics = Metrics(PAIR, FirstPrice(), everyone(2), rounds=1000, replications=2)
    found = measured(metrics, chunk)
    edges = metrics.edges
    assert edges[0] == 0
    assert edges[-1] == 1000
    assert 100 <= len(edges) - 1 <= 200
    assert 800 in edges
    for low, high in itertools.pairwise(edges):
        expected = chunk.payments[low:high, 1].sum() / (high - low)
        assert found["revenue", int(low + high) // 2, 1] == pytest.approx(expected)


def test_an_unfinished_run_has_the_metrics_of_its_rounds() -> None:
    chunk = play(PAIR, FirstPrice(), lambda v, m: v / 2, rounds=850, replications=2)
    found = measured(Metrics(PAIR, FirstPrice(), everyone(2), rounds=1000, replications=2), chunk)
    assert found["revenue", None, 0] == pytest.approx(chunk.payments[800:850, 0].sum() / 50)
    assert ("drift", None, 0) not in found  # the second half has not begun
    early = measured(Metrics(PAIR, FirstPrice(), everyone(2), rounds=1000, replications=2), part(chunk, 0, 500))
    assert ("revenue", None, 0) not in early
    assert len([key for key in early if key[0] == "revenue" and key[2] == 0]) > 40


def test_bid_functions_by_cell_of_values() -> None:
    mechanism = FirstPrice(reserve=0.3)
    chunk = play(PAIR, mechanism, lambda v, m: 0.9 * v, rounds=400, replications=2)
    metrics = Metrics(PAIR, mechanism, everyone(2), rounds=400, replications=2, window=0.5)
    found = measured(metrics, chunk)
    values, bids = chunk.values[200:, 1].ravel(), chunk.messages[200:, 1].ravel()
    for cell in (20, 33, 49):  # 50 cells of width 0.02
        own = bids[(values * 50).astype(int) == cell]
        assert found[f"bid_count[0,{cell}]:all", None, 1] == len(own)
        assert found[f"bid_mean[0,{cell}]:all", None, 1] == pytest.approx(own.mean())
        assert found[f"bid_sd[0,{cell}]:all", None, 1] == pytest.approx(own.std(ddof=1), rel=1e-6)  # cancellation
    assert found["bid_count[0,3]:all", None, 1] == 0
    assert ("bid_mean[0,3]:all", None, 1) not in found
    assert found["participation[0]:all", None, 1] == np.isfinite(bids).mean()


def test_distance_to_the_equilibrium_bid() -> None:
    chunk = play(PAIR, FirstPrice(), lambda v, m: v / 2 + 0.1, rounds=4000, replications=2)
    theory = FirstPrice().equilibrium(PAIR)
    metrics = Metrics(PAIR, FirstPrice(), everyone(2), rounds=4000, replications=2, window=1.0, bids=theory)
    found = over_replications(measured(metrics, chunk), "distance[0]:all")
    assert found == pytest.approx(0.1, abs=1e-3)  # sampling: values spread by 0.006 in a cell of about 160 draws


def test_no_part_counts_as_the_reserve_in_the_distance() -> None:
    mechanism = FirstPrice(reserve=0.5)
    theory = mechanism.equilibrium(PAIR)
    chunk = play(PAIR, mechanism, lambda v, m: theory[0](v), rounds=4000)
    metrics = Metrics(PAIR, mechanism, everyone(2), rounds=4000, replications=1, window=1.0, bids=theory)
    assert over_replications(measured(metrics, chunk), "distance[0]:all") == pytest.approx(0.0, abs=1e-3)


def test_sale_probability_counts_unsold_items() -> None:
    mechanism = SecondPrice(reserve=0.8)
    chunk = play(PAIR, mechanism, lambda v, m: v, rounds=300)
    metrics = Metrics(PAIR, mechanism, everyone(2), rounds=300, replications=1, window=1.0)
    found = measured(metrics, chunk)
    assert found["sale_probability", None, 0] == pytest.approx((chunk.values.max(axis=-1) >= 0.8).mean())


def test_truthful_means_within_half_a_step_and_half_a_cell() -> None:
    # step 0.1, 5 cells of width 0.2: within 0.15 of the value
    bids = {0.5: 0.6, 0.3: 0.46, 0.1: 0.24}  # off by 0.10, 0.16, 0.14
    values = np.array(list(bids) * 2).reshape(3, 2)
    chunk = play(PAIR, SecondPrice(), lambda v, m: v, rounds=3)
    sent = np.vectorize(bids.get)(values)
    chunk.signals.reshape(3, 2)[:], chunk.messages.reshape(3, 2)[:] = values, sent
    metrics = Metrics(PAIR, SecondPrice(), everyone(2, step=0.1, cells=5), rounds=3, replications=1, window=1.0)
    found = measured(metrics, chunk)
    assert found["truthful", None, 0] == pytest.approx(2 / 3)
    assert found["deviation", None, 0] == pytest.approx((0.10 + 0.16 + 0.14) / 3)


def test_staying_out_below_the_reserve_is_truthful() -> None:
    mechanism = SecondPrice(reserve=0.5)
    chunk = play(PAIR, mechanism, lambda v, m: np.where(v < 0.5, 0.0, v), rounds=200)
    metrics = Metrics(PAIR, mechanism, everyone(2), rounds=200, replications=1, window=1.0)
    found = measured(metrics, chunk)
    assert found["truthful", None, 0] == 1.0
    assert found["stake", None, 0] == 0.0


def test_a_window_has_at_least_one_round() -> None:
    assert window_of(3, 0.01) == (2, 2, 3)
    assert window_of(1000, 0.2) == (800, 900, 1000)
    chunk = play(PAIR, FirstPrice(), lambda v, m: v / 2, rounds=1)
    found = measured(Metrics(PAIR, FirstPrice(), everyone(2), rounds=1, replications=1), chunk)
    assert found["revenue", None, 0] == pytest.approx(chunk.payments.sum())


def test_parties_are_split_by_role_and_label() -> None:
    from auctionlab.agents.bandits import Exp3
    from auctionlab.agents.fixed import Shading, Truthful

    strong = PrivateValues(priors=(Uniform(), Uniform(high=2.0)))
    found = parties(strong, FirstPrice(), [Block(Exp3(bids=21, cells=20), role=0, count=2), Block(Truthful())], 2)
    assert [(party.role, party.label, party.members) for party in found] == [
        (0, "exp3", (0, 2)),
        (1, "truthful", (1, 3)),
    ]
    assert (found[0].step, found[0].cells, found[0].bids) == (pytest.approx(0.05), 20, 21)
    assert (found[1].step, found[1].cells, found[1].bids) == (0.0, 0, 0)
    assert label_strategies([Shading(0.5), Shading(0.8), Truthful()]) == ["shading (0.5)", "shading (0.8)", "truthful"]


@given(st.text(max_size=20), st.integers(0, 9), st.none() | st.integers(0, 99))
def test_metric_names_read_back(strategy: str, role: int, cell: int | None) -> None:
    name = MetricName("bid_mean", role, strategy, cell)
    assert MetricName.parse(str(name)) == name
    assert MetricName.parse("revenue") == MetricName("revenue")


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60), st.lists(st.floats(-1e7, 1e7), max_size=50))
def test_cells_are_those_of_binary_search(edges: list[float], numbers: list[float]) -> None:
    inner = np.sort(edges)
    tried = np.concatenate([numbers, inner, np.nextafter(inner, -np.inf), np.nextafter(inner, np.inf)])
    assert (Cells(inner)(tried) == np.searchsorted(inner, tried, side="right")).all()
