"""What reports and figures say about learned play."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from auctionlab.errors import ConfigError
from auctionlab.experiments import api, learned_plots
from auctionlab.experiments.analysis import LEARNED, Analysis, analyse
from auctionlab.experiments.api import Result
from auctionlab.experiments.convergence import share_interval
from auctionlab.experiments.headline import notes
from auctionlab.experiments.learned import convergence_rounds
from auctionlab.experiments.learned_pictures import learned_pictures
from auctionlab.experiments.metric_table import MetricTable
from auctionlab.experiments.pictures import pictures
from auctionlab.experiments.report import developed, text_summary, write_report

SETTINGS: dict[str, Any] = {
    "name": "learned",
    "seed": 3,
    "rounds": 1500,
    "replications": 6,
    "environment": {"kind": "private-values", "bidders": 2, "prior": {"kind": "uniform"}},
    "mechanism": {"kind": "first-price"},
    "market": {"disclose": "price"},
    "agents": [{"strategy": {"kind": "hedge", "bids": 21, "cells": 10, "rate": 2.0}}],
    "analysis": {"window": 0.3, "margin": 0.1},
}


def run(folder: Path, **changes: Any) -> Result:
    return api.run({**SETTINGS, **changes}, database=f"sqlite:///{folder}/lab.db")


@pytest.fixture(scope="module")
def hedge(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return run(tmp_path_factory.mktemp("learned"))


@pytest.fixture(scope="module")
def analysis(hedge: Result) -> Analysis:
    return hedge.analysis()


def test_every_estimate_of_learned_play_is_told_with_its_interval(analysis: Analysis) -> None:
    found = {estimate.name: estimate for estimate in analysis.estimates if estimate.name in LEARNED}
    assert set(found) == set(LEARNED)
    for estimate in found.values():
        assert estimate.n == 6
        assert estimate.low <= estimate.mean <= estimate.high
        assert estimate.note
    assert 0 < found["regret"].mean < found["swap_regret"].mean
    assert found["bid_drift"].verdict in ("converged", "not converged", "undecided")
    verdicts = {row["name"] for row in analysis.verdicts()}
    assert {"regret", "collusion", "convergence_time", "bid_drift[0]:hedge"} <= verdicts


def test_text_json_and_page_tell_the_same(hedge: Result, analysis: Analysis, tmp_path: Path) -> None:
    text = text_summary(analysis)
    page = write_report(analysis, tmp_path / "learned.html", formats=("svg",)).read_text("utf-8")
    told = json.loads(json.dumps(analysis.to_json(), allow_nan=False))
    for label in ("Regret", "Converged replications", "Collusion index", "Cycling, hedge"):
        assert label in text
        assert label in page
    assert {"stages", "convergence", "agents"} <= set(told)
    assert {"regret", "collusion"} <= {row["name"] for row in told["estimates"]}
    assert {"regret", "exploitability", "bid", "revenue_gap"} <= {row["name"] for row in told["series"]}
    assert "regret" in hedge.convergence()["name"].tolist()
    for name in ("stages", "convergence", "regret", "agents"):
        assert f'id="figure-{name}"' in page
        for ending in ("svg", "csv"):
            assert (tmp_path / "learned-figures" / f"{name}.{ending}").exists()


def test_the_api_draws_every_figure(hedge: Result) -> None:
    for figure in (hedge.plot_stages(), hedge.plot_regret(), hedge.plot_agents(), hedge.plot_convergence()):
        assert figure.axes
    panels = [axes for axes in hedge.plot_stages().axes if axes.get_visible()]
    assert [axes.get_title(loc="left") for axes in panels][-1] == "rounds 1,051 to 1,500"
    assert hedge.plot_regret().axes[0].get_xscale() == hedge.plot_regret().axes[0].get_yscale() == "log"


def test_pictures_have_words_and_numbers(analysis: Analysis) -> None:
    for picture in learned_pictures(analysis):
        assert re.search(r"\d", picture.alt)
        assert picture.caption.endswith(".")
        assert len(picture.data)


def test_cycles_and_drift_of_bids_are_told_in_words(analysis: Analysis) -> None:
    estimate = analysis.estimate("cycling", "hedge")
    assert estimate is not None
    note = "replications in which one period stands out, of about 100 rounds"
    moving = (
        replace(estimate, mean=0.8, low=0.5, high=0.95, note=note),
        replace(estimate, name="bid_drift", unit="money", mean=-0.05, low=-0.06, high=-0.04, verdict="not converged"),
    )
    told = " ".join(notes(replace(analysis, estimates=moving)))
    assert "The mean bid of hedge goes in cycles of about 100 rounds in 80 % of the replications" in told
    assert "Learning is not over: the mean bid of hedge still fell by 0.050 ± 0.010" in told
    assert not any("cycles" in note for note in notes(analysis))


def test_play_that_does_not_learn_is_told_as_before(tmp_path: Path) -> None:
    fixed = run(tmp_path, agents=[{"strategy": {"kind": "equilibrium"}}], rounds=200)
    analysis = fixed.analysis()
    assert not {estimate.name for estimate in analysis.estimates} & set(LEARNED)
    assert {picture.name for picture in pictures(analysis)} == {
        "bid-function",
        "bids",
        "revenue",
        "efficiency",
        "utility",
    }
    assert "how play developed" not in text_summary(analysis)
    with pytest.raises(ConfigError, match="nobody learns"):
        fixed.plot_stages()
    with pytest.raises(ConfigError, match="nobody learns"):
        fixed.plot_regret()


def test_strategies_that_learn_side_by_side_have_a_column_each(tmp_path: Path) -> None:
    agents = [
        {"strategy": {"kind": "hedge", "bids": 21, "cells": 10, "rate": 2.0}, "seats": [0]},
        {"strategy": {"kind": "truthful"}, "seats": [1]},
    ]
    analysis = run(tmp_path, agents=agents).analysis()
    table = analysis.by_strategy.set_index("strategy")
    assert table["regret"].notna().tolist() == [True, False]
    whole, hedge = analysis.estimate("regret"), analysis.estimate("regret", "hedge")
    assert whole is not None
    assert hedge is not None
    assert whole.mean == pytest.approx(hedge.mean)  # the truthful do not count
    assert table.loc["hedge", "regret"] == pytest.approx(hedge.mean)
    assert "regret" in text_summary(analysis)


def test_an_unfinished_run_tells_regret_so_far(hedge: Result, tmp_path: Path) -> None:
    from auctionlab.experiments.config import load_config
    from auctionlab.experiments.metrics import Metrics
    from auctionlab.experiments.playing import enter, make_market
    from auctionlab.platform.ledger import Ledger
    from auctionlab.platform.store import Store

    config = load_config(SETTINGS)
    market, metrics = make_market(config), Metrics.of(config)
    ledger = Ledger([metrics])
    market.observers = [ledger]
    for _ in range(700):
        market.step()
    ledger.flush()
    market.close()
    with Store(f"sqlite:///{tmp_path}/half.db") as store:
        run_id = enter(config, store)
        found = analyse(store, run_id, metrics.rows())
    series = found.series
    whole = hedge.analysis().series
    for name in ("regret", "bid"):
        early = series[(series["name"] == name) & (series["round"] <= 700)]
        assert len(early)
    assert found.estimate("converged_share") is None
    first = whole[(whole["name"] == "bid")].iloc[0]
    assert series[series["name"] == "bid"].iloc[0]["mean"] == pytest.approx(first["mean"], rel=0.05)  # same bids,
    # adjusted for values by the regression over all rounds so far


def gaps(paths: dict[int, list[float]]) -> MetricTable:
    rows = [
        {"replication": r, "round": 10 * k, "name": "revenue_gap", "value": value}
        for r, values in paths.items()
        for k, value in enumerate(values)
    ]
    return MetricTable(pd.DataFrame(rows))


def test_replications_that_never_converge_are_censored() -> None:
    found = convergence_rounds(gaps({0: [5, 0, 0], 1: [0, 0, 0], 2: [0, 0, 5], 3: [5, 5, 0.5]}), 30, 1.0)
    assert found["round"].fillna(-1).tolist() == [10, 0, -1, 20]
    steps = learned_plots.converged_by(found, 30)
    assert steps["round"].tolist() == [0, 10, 20, 30]
    assert steps["share"].tolist() == [0.25, 0.5, 0.75, 0.75]
    assert steps["high"].iloc[0] == pytest.approx(share_interval([1, 0, 0, 0]).high)
    assert len(convergence_rounds(gaps({0: [0.5]}), 30, math.nan)) == 0
    assert len(convergence_rounds(gaps({0: [0.0, 0.0]}), 30, 1.0)) == 0  # a balanced mechanism's revenue is always 0


def test_collusion_is_measured_between_competition_and_cartel(tmp_path: Path) -> None:
    # learners that can bid at most 0.2 in a first-price auction: revenue is far below 1/3 towards 0
    low = run(tmp_path, agents=[{"strategy": {"kind": "hedge", "bids": 5, "cells": 5, "highest": 0.2}}], name="low")
    analysis = low.analysis()
    index, revenue = analysis.estimate("collusion"), analysis.estimate("revenue")
    assert index is not None
    assert revenue is not None
    assert index.mean == pytest.approx((1 / 3 - revenue.mean) / (1 / 3))
    assert (index.high - index.low) == pytest.approx(3 * (revenue.high - revenue.low))
    assert index.mean > 0.4
    grid = analysis.estimate("regret")
    assert grid is not None
    assert np.isfinite(grid.mean)  # against the learners' own bids, 0 to 0.2


def test_the_table_says_over_how_many_replications_each_part_of_it_goes(analysis: Analysis) -> None:
    assert developed(analysis) == "How play developed from the first round on"  # all six
    fewer = {"regret": 5, "exploitability_average": 4}
    part = [replace(one, n=fewer.get(one.name, one.n)) for one in analysis.estimates]
    assert developed(replace(analysis, estimates=tuple(part))) == (
        "How play developed from the first round on; regret, convergence and cycles over the first 5 replications; "
        "best replies over the first 4 replications"
    )
