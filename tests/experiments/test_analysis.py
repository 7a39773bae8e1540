"""The judged result: what it says about play whose truth is known."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import auctionlab
from auctionlab.experiments.analysis import BID_FUNCTIONS, SAMPLES, SERIES, Analysis, analyse
from auctionlab.experiments.config import Config, load_config
from auctionlab.experiments.metrics import Metrics
from auctionlab.platform.recorder import Recorder
from auctionlab.platform.store import Store
from tests.experiments.synthetic import Rule, part, play

Judge = Callable[..., Analysis]


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with Store("sqlite://") as opened:
        yield opened


@pytest.fixture(scope="module")
def equilibrium(judge: Judge) -> Analysis:
    """Two bidders who bid half their uniform values, in 40 replications."""
    return judge(half)


@pytest.fixture(scope="module")
def judge(store: Store) -> Judge:
    """Records play by a rule as the run of a config, and analyses it."""

    def judged(rule: Rule, played: int | None = None, killed: bool = False, **changes: Any) -> Analysis:
        config = experiment(**changes)
        run_id = begin(store, config)
        market = config.market
        chunk = play(
            config.environment,
            config.mechanism,
            rule,
            rounds=config.rounds,
            replications=config.replications,
            groups=market.groups,
            strangers=market.matching == "strangers",
        )
        chunk = part(chunk, 0, config.rounds if played is None else played)
        recorder = Recorder(
            store,
            run_id,
            policy=config.record.bids,
            rounds=config.rounds,
            agent_ids=np.arange(market.groups * config.environment.n),
            replications=config.replications,
            groups=market.groups,
            seats=config.environment.n,
        )
        metrics = Metrics.of(config)
        recorder.consume(chunk)
        metrics.consume(chunk)
        recorder.flush()
        arrays = {f"metrics/{key}": array for key, array in metrics.state().items()}
        store.save_checkpoint(run_id, chunk.rounds, arrays)
        if not killed:
            store.write_results(run_id, metrics.rows(), [])
        if played is None:
            store.set_status(run_id, "finished", config.rounds)
        return analyse(store, run_id)

    return judged


def experiment(**changes: Any) -> Config:
    table: dict[str, Any] = {
        "name": "test",
        "rounds": 400,
        "replications": 40,
        "environment": {"kind": "private-values", "bidders": 2, "prior": {"kind": "uniform"}},
        "mechanism": {"kind": "first-price"},
        "agents": [{"strategy": {"kind": "truthful"}}],
        "analysis": {"window": 0.5, "margin": 0.02},
    }
    return load_config({**table, **changes})


def begin(store: Store, config: Config) -> int:
    run_id = store.begin_run(
        name=config.name,
        config=config.document,
        fingerprint=config.fingerprint,
        seed=config.seed,
        rounds=config.rounds,
        replications=config.replications,
        groups=config.market.groups,
        seats=config.environment.n,
        versions={},
    )
    population = config.market.groups * config.environment.n
    agents = [{"role": 0, "member": m, "strategy": "x", "parameters": {}} for m in range(population)]
    store.add_agents(run_id, agents)
    return run_id


def half(values: Any, members: Any) -> Any:
    return values / 2  # the equilibrium of two bidders with uniform values


def truth(values: Any, members: Any) -> Any:
    return values


def test_equilibrium_play_converges(equilibrium: Analysis) -> None:
    found = equilibrium
    revenue = found.estimate("revenue")
    assert revenue is not None
    assert (revenue.verdict, revenue.n) == ("converged", 40)
    assert revenue.theory == pytest.approx(1 / 3)  # Krishna (2010), ex. 2.1
    assert revenue.margin == pytest.approx(0.02 / 3)
    assert found.headline.startswith("Revenue reached the equilibrium: 0.33")
    assert "within 2 %" in found.headline
    assert "next to nothing" in found.headline
    assert found.notes == ()
    assert found.equilibrium is not None
    assert found.equilibrium.utility == pytest.approx((1 / 6, 1 / 6))
    assert found.truthfulness is None
    relative = found.estimate("relative_exploitability")
    assert relative is not None
    assert abs(relative.mean) < 0.02


def test_other_play_does_not_converge(judge: Judge) -> None:
    found = judge(lambda v, m: 0.8 * v)  # revenue 0.8 · 2/3
    revenue = found.estimate("revenue")
    assert revenue is not None
    assert revenue.verdict == "not converged"
    assert revenue.mean == pytest.approx(0.8 * 2 / 3, abs=0.01)  # sampling: three standard errors
    assert "did not reach the equilibrium" in found.headline
    assert "% above" in found.headline
    distance = found.estimate("distance", "truthful", 0)
    assert distance is not None
    assert distance.mean == pytest.approx(0.3 / np.sqrt(3), rel=0.02)  # bids are 0.3 v off


def test_too_few_replications_are_undecided_and_say_how_many(judge: Judge) -> None:
    found = judge(half, rounds=40, replications=5)
    revenue = found.estimate("revenue")
    assert revenue is not None
    assert revenue.verdict == "undecided"
    assert revenue.needed is not None
    assert revenue.needed > 5
    assert "cannot be decided yet" in found.headline
    assert "replications would be needed" in found.headline


def test_one_replication_has_no_verdict(judge: Judge) -> None:
    found = judge(half, replications=1)
    revenue = found.estimate("revenue")
    assert revenue is not None
    assert (revenue.verdict, revenue.needed) == ("undecided", None)
    assert "one replication cannot show" in found.headline
    assert any("at least two" in note for note in found.notes)
    json.dumps(found.to_json(), allow_nan=False)


def test_truth_is_judged_where_it_is_dominant(judge: Judge) -> None:
    found = judge(truth, mechanism={"kind": "second-price"})
    assert found.truthfulness is not None
    share, deviation, stake = found.truthfulness
    assert (share.mean, deviation.mean, stake.mean) == (1.0, 0.0, 0.0)
    assert deviation.verdict == "converged"
    assert "every bid is the value" in found.headline
    assert set(found.series["name"]) == {"revenue", "efficiency", "utility", "truthful"}


def test_shading_in_a_second_price_auction_is_not_truthful_and_costs(judge: Judge) -> None:
    found = judge(half, mechanism={"kind": "second-price"})
    assert found.truthfulness is not None
    share, deviation, stake = found.truthfulness
    assert deviation.verdict == "not converged"
    assert deviation.mean == pytest.approx(0.25, abs=0.01)  # E v/2; sampling
    assert share.mean < 0.01
    assert stake.mean == pytest.approx(1 / 24, abs=0.003)  # see test_metrics_replies; sampling
    assert "Bids are not truthful" in found.headline


def test_the_resolution_of_the_grid_is_the_margin_of_truthfulness(judge: Judge) -> None:
    grid = [{"strategy": {"kind": "epsilon-greedy", "bids": 11, "cells": 5}}]  # steps of 0.1, cells of 0.2
    found = judge(
        lambda v, m: np.round((np.floor(v * 5) + 0.5) / 5 * 10) / 10, mechanism={"kind": "second-price"}, agents=grid
    )
    assert found.details["resolution"] == pytest.approx(0.15)
    assert found.details["bid_step"] == pytest.approx(0.1)
    assert found.truthfulness is not None
    share, deviation, _ = found.truthfulness
    assert share.mean == 1.0
    assert (deviation.verdict, deviation.margin) == ("converged", pytest.approx(0.15))


def test_a_verdict_does_not_blame_the_learners_for_their_grid(judge: Judge) -> None:
    # Values known as 1/4 or 3/4, bids in quarters: truth brings (3 · 1/4 + 3/4) / 4 = 3/8, not 1/3.
    grid = [{"strategy": {"kind": "epsilon-greedy", "bids": 5, "cells": 2}}]

    def nearest(values: Any, members: Any) -> Any:
        return np.where(values < 0.5, 0.25, 0.75)

    found = judge(nearest, mechanism={"kind": "second-price"}, agents=grid, rounds=800)
    revenue, own = found.estimate("revenue"), found.estimate("grid_revenue")
    assert revenue is not None
    assert own is not None
    assert revenue.verdict == "not converged"
    assert own.mean == revenue.mean
    assert own.theory == pytest.approx(3 / 8)
    assert own.verdict == "converged"
    assert "did reach the equilibrium of the learners' own grid" in found.headline
    assert any("grid of steps of 0.25" in note for note in found.notes)


def test_the_gain_on_the_own_grid_stands_beside_everybodys_only_where_everybody_has_a_grid(judge: Judge) -> None:
    # Against bids of half the value the best reply is half the value: 1/4 and 3/4 of it lose, truth earns nothing.
    learner = {"kind": "epsilon-greedy", "bids": 5, "cells": 2}

    def honest(values: Any, members: Any) -> Any:
        return np.where(members == 0, values, np.round(values * 4) / 8)

    both = judge(honest, agents=[{"strategy": learner}], rounds=400, replications=6)
    assert "by bids of its own grid" in both.headline
    assert both.estimate("grid_exploitability").note  # type: ignore[union-attr]
    mixed = judge(
        honest,
        agents=[{"strategy": "truthful", "seats": [0]}, {"strategy": learner}],
        rounds=400,
        replications=6,
    )
    assert mixed.estimate("grid_exploitability") is not None
    assert "own grid" not in mixed.headline  # the gain is that of both, the truthful one has no grid


def test_without_an_equilibrium_the_reason_is_given(judge: Judge) -> None:
    atoms = {"kind": "discrete", "values": [0.0, 1.0], "weights": [1.0, 1.0]}
    few = {"kind": "private-values", "priors": [atoms, {"kind": "uniform", "high": 3.0}]}
    found = judge(half, environment=few, mechanism={"kind": "all-pay"}, replications=8)
    assert found.equilibrium is None
    assert found.no_equilibrium
    assert "There is no equilibrium to compare it with" in found.headline
    revenue = found.estimate("revenue")
    assert revenue is not None
    assert (revenue.verdict, revenue.theory) == ("", None)
    assert {e.role for e in found.estimates if e.name == "utility"} == {0, 1}
    assert set(found.bid_functions["role"]) == {0, 1}
    assert found.bid_functions["theory"].isna().all()


def test_where_theory_is_zero_the_margin_is_relative_to_the_mean_value(judge: Judge) -> None:
    alone = {"kind": "private-values", "bidders": 1, "prior": {"kind": "uniform"}}
    found = judge(truth, environment=alone, mechanism={"kind": "second-price"})  # wins for nothing
    revenue = found.estimate("revenue")
    assert revenue is not None
    assert (revenue.theory, revenue.margin) == (pytest.approx(0.0, abs=1e-12), pytest.approx(0.02 * 0.5))
    assert revenue.verdict == "converged"
    assert "2 % of the mean value" in found.headline


def test_a_drifting_window_is_noted(judge: Judge) -> None:
    def rising(values: Any, members: Any) -> Any:
        rounds = np.repeat(np.arange(400), len(values) // 400)[:, None]
        return np.where(rounds < 300, 0.3, 0.6) * values

    found = judge(rising)
    drift = found.estimate("drift")
    assert drift is not None
    assert drift.mean == pytest.approx(0.3 * 2 / 3, abs=0.01)  # sampling
    assert drift.verdict == "not converged"
    assert any("still rose" in note for note in found.notes)


def test_an_unfinished_run_is_analysed_as_far_as_it_is(judge: Judge) -> None:
    found = judge(half, played=300, replications=6)
    assert any("300 of 400 rounds" in note for note in found.notes)
    assert found.estimate("revenue") is not None
    early = judge(half, played=100, replications=6)
    assert "Nothing to judge yet" in early.headline
    assert len(early.series)
    assert early.bids.empty
    assert any("has not begun" in note for note in early.notes)
    json.dumps(early.to_json(), allow_nan=False)


def test_a_killed_run_is_analysed_from_its_checkpoint(judge: Judge) -> None:
    assert (
        judge(half, played=300, killed=True, replications=6).to_json()["estimates"]
        == judge(half, played=300, replications=6).to_json()["estimates"]
    )


def test_a_run_that_has_hardly_begun_has_nothing_to_judge(store: Store) -> None:
    found = analyse(store, begin(store, experiment()))
    assert "Nothing to judge yet" in found.headline
    assert (found.estimates, len(found.series), len(found.bid_functions)) == ((), 0, 0)


def test_tables_have_their_columns_and_the_right_numbers(equilibrium: Analysis) -> None:
    found = equilibrium
    assert list(found.series.columns) == list(SERIES)
    assert list(found.bid_functions.columns) == list(BID_FUNCTIONS)
    assert list(found.samples.columns) == list(SAMPLES)
    curve = found.bid_functions
    assert len(curve) == 50
    assert curve["theory"].to_numpy() == pytest.approx(curve["signal"].to_numpy() / 2, abs=1e-9)
    assert curve["mean"].to_numpy() == pytest.approx(
        curve["theory"].to_numpy(), abs=0.002
    )  # sampling within cells of 0.02
    assert curve["count"].sum() == 200 * 40 * 2
    assert (curve["signal_low"] < curve["signal"]).all()
    assert (curve["signal"] < curve["signal_high"]).all()
    assert curve["sd"].to_numpy() == pytest.approx(0.01 / np.sqrt(12), rel=0.3)  # uniform over 0.01, 320 bids a cell
    inside = (curve["low"] <= curve["theory"]) & (curve["theory"] <= curve["high"])
    assert inside.mean() > 0.8
    revenue = found.samples[found.samples["name"] == "revenue"]
    assert len(revenue) == 40
    assert revenue["strategy"].isna().all()
    estimate = found.estimate("revenue")
    assert estimate is not None
    assert revenue["value"].mean() == pytest.approx(estimate.mean)


def test_parties_stand_side_by_side(judge: Judge) -> None:
    agents = [
        {"strategy": {"kind": "truthful"}, "count": 2},
        {"strategy": {"kind": "shading", "fraction": 0.5}, "count": 2},
    ]
    market = {"groups": 2, "matching": "strangers"}
    found = judge(lambda v, m: np.where(m < 2, v, v / 2), agents=agents, market=market, replications=20)
    table = found.by_strategy.set_index("strategy")
    assert list(table.index) == ["truthful", "shading"]
    assert table.loc["truthful", "bid"] == pytest.approx(0.5, abs=0.02)  # sampling
    assert table.loc["shading", "bid"] == pytest.approx(0.25, abs=0.01)
    assert table.loc["truthful", "utility"] == pytest.approx(0.0, abs=1e-12)  # pays its value
    assert set(found.bids["strategy"]) == {"truthful", "shading"}
    bids = found.bids[found.bids["strategy"] == "shading"]
    assert bids["bid"].to_numpy() == pytest.approx(bids["signal"].to_numpy() / 2)


def test_shown_bids_come_from_all_over_the_window_and_are_not_too_many(judge: Judge) -> None:
    found = judge(half, replications=26, rounds=800)  # 20,800 bids in the window
    assert len(found.bids) == 20_000
    assert judge(half, replications=2, record={"bids": "none"}).bids.empty


def test_verdict_rows_go_into_the_store(store: Store, judge: Judge) -> None:
    found = judge(half, mechanism={"kind": "second-price"}, replications=8)
    store.write_results(found.run.id, [], found.verdicts())
    table = store.verdicts(found.run.id).set_index("name")
    assert table.loc["deviation", "verdict"] == "not converged"
    assert "utility[0]:truthful" in table.index
    assert table.index.is_unique


def test_json_is_complete_and_has_no_holes(equilibrium: Analysis) -> None:
    told = json.loads(json.dumps(equilibrium.to_json(), allow_nan=False))
    assert set(told) >= {"run", "config", "headline", "window", "equilibrium", "estimates", "series", "bid_functions"}
    revenue = next(estimate for estimate in told["estimates"] if estimate["name"] == "revenue")
    assert set(revenue) >= {"mean", "low", "high", "n", "theory", "margin", "verdict", "needed", "unit", "label"}
    assert len(repr(revenue["mean"])) > 10  # full precision


def test_a_gain_seen_in_one_replication_is_not_called_next_to_nothing(tmp_path: Any) -> None:
    changes = {"replications": 1, "rounds": 100, "agents": [{"strategy": {"kind": "shading", "fraction": 0.9}}]}
    headline = auctionlab.run("first-price", changes, database=f"sqlite:///{tmp_path}/one.db").analysis().headline
    assert "replied best to the others would gain" in headline
    assert "next to nothing" not in headline


def test_revenue_whose_expectation_is_infinite_is_compared_with_nothing(judge: Judge) -> None:
    """The lower of two Pareto(0.4) values is Pareto(0.8), whose mean is infinite."""
    prior = {"kind": "scipy", "name": "pareto", "parameters": {"b": 0.4}}
    found = judge(half, environment={"kind": "private-values", "bidders": 2, "prior": prior})
    assert "In equilibrium its expectation is infinite." in found.headline
    assert (found.estimate("revenue").theory, found.estimate("revenue").verdict) == (None, "")
    assert np.isfinite(found.estimate("drift").margin)
    assert found.estimate("collusion") is None
