"""A learner whose numbers overflow stops its replication: the run says so, and the others go on."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import auctionlab
from auctionlab import registry
from auctionlab.core import Strategy
from auctionlab.environments.priors import Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.errors import ConfigError
from auctionlab.experiments.compare import compare_summary
from auctionlab.experiments.config import load_config
from auctionlab.experiments.playing import enter, play
from auctionlab.mechanisms.single_item import FirstPrice
from auctionlab.platform.market import Market
from auctionlab.platform.matching import Block
from auctionlab.platform.store import Store
from auctionlab.registry import build
from tests.cli.calling import call

RECORD = Path(__file__).parents[2] / "docs" / "record.md"


@dataclass
class Fragile(Strategy):
    """Bids half of its value, until a value above `limit` breaks it."""

    limit: float = 0.99

    def start(self, seat):
        super().start(seat)
        self.height_ = np.full(seat.lanes, 0.5)

    def act(self, signals, rng):
        return signals * self.height_

    def learn(self, feedback):
        self.height_ = np.where(feedback.signals > self.limit, self.height_ * 1e200 * 1e200, self.height_)
        self.height_ = np.where(np.isinf(self.height_), self.height_ - self.height_, self.height_)  # NaN


@pytest.fixture
def fragile(monkeypatch):
    monkeypatch.setitem(registry._plugins["agents"], "fragile", Fragile)


def market(limit: float, rounds: int, replications: int = 4) -> Market:
    blocks = [Block(Fragile(limit), seats=(0,)), Block(build("agents", "shading"))]
    environment = PrivateValues(2, Uniform())
    return Market(environment, FirstPrice(), blocks, rounds=rounds, seed=3, replications=replications, groups=2)


def test_only_the_replications_of_the_learner_that_failed_are_stopped():
    broken, sound = market(0.99, 40), market(2.0, 40)
    values, sent = [], []
    for _ in range(40):
        values.append(sound.play().signals)
        broken.play()
        sent.append((broken.last.messages, sound.last.messages))
    high = np.array(values)[:, :, :, 0] > 0.99  # (T, R, G) in the seat of the learner
    first = np.where(high.any(axis=(0, 2)), high.any(axis=2).argmax(axis=0), 99)
    fails = first < 39
    assert fails.any()
    assert not fails.all()
    np.testing.assert_array_equal(broken.stopped[0], np.where(fails, first + 1, -1))
    assert set(broken.stopped[1][fails]) <= {0, 2}  # members in seat 0 of either group
    for found, expected in sent:
        np.testing.assert_array_equal(found[~fails], expected[~fails])
    assert np.isneginf(sent[-1][0][fails]).any()  # the learner takes no part any more


ABSURD = [
    {"kind": "dual-averaging", "rate": 1e308, "geometry": "euclidean", "cells": 1},
    {"kind": "evolution-strategies", "rate": 1e308, "noise": 1e-300, "block": 1},
    {"kind": "exp3-p", "rate": 1e308, "cells": 1},
    {"kind": "follow-the-perturbed-leader", "noise": 1e308, "cells": 1},
    {"kind": "mirror-ascent", "rate": 1e308, "cells": 1},
    {"kind": "neural-pseudo-gradient", "rate": 1e308, "batch": 2, "device": "cpu"},
    {"kind": "policy-gradient", "rate": 1e308, "noise": 1e-300},
    {"kind": "thompson-sampling", "spread": 1e308, "cells": 1},
    {"kind": "ucb1", "width": 1e308, "cells": 1},
]
BOUNDED = {  # why no parameter makes their numbers overflow
    "epsilon-greedy": "estimates are means of utilities and the initial one",
    "q-learning": "estimates are mixtures of utilities and at most their discounted sum, or the initial one",
    "exp3": "a rate that could is refused, and weights are rescaled",
    "hedge": "chances are relative to the best total, and tend to the best reply",
    "smoothed-best-response": "chances are relative to the best mean, and tend to the best reply",
    "fictitious-play": "totals grow by at most 1 a round",
    "frank-wolfe": "moves are shares",
    "regret-matching": "regrets grow by at most 1 a round",
    "regret-matching-plus": "regrets grow by at most 1 a round",
}


@pytest.mark.parametrize("table", ABSURD, ids=lambda table: table["kind"])
def test_a_parameter_that_overflows_is_noticed(table):
    if table["kind"].startswith("neural"):
        pytest.importorskip("torch")
    playing = Market(
        PrivateValues(2, Uniform()), FirstPrice(), [Block(build("agents", table))], rounds=100, disclose="all"
    )
    for _ in range(100):
        playing.play()
    assert (playing.stopped[0] >= 0).all()


def test_every_learner_is_known_to_notice_or_not_to_overflow():
    learners = {kind for kind, cls in registry.kinds("agents").items() if cls.learn is not Strategy.learn}
    assert learners - {"misreport"} == {table["kind"] for table in ABSURD} | set(BOUNDED)


CONFIG = {
    "name": "fragile",
    "seed": 3,
    "rounds": 40,
    "replications": 4,
    "environment": {"kind": "private-values", "bidders": 2, "prior": {"kind": "uniform"}},
    "mechanism": {"kind": "first-price"},
    "market": {"groups": 2},
    "agents": [{"strategy": {"kind": "fragile"}, "seats": [0]}, {"strategy": {"kind": "shading"}}],
}


@dataclass
class Growing(Fragile):
    """Bids 10^100 times as much after every round, in all lanes but the first so many."""

    spared: int = 1

    def learn(self, feedback):
        self.height_[self.spared :] *= 1e100


def test_a_bid_without_bound_stops_its_replication_too():
    blocks = [Block(Growing(), seats=(0,)), Block(build("agents", "shading"))]
    market = Market(PrivateValues(2, Uniform()), FirstPrice(), blocks, rounds=8, seed=3, replications=3)
    for _ in range(8):
        market.step()
    assert market.stopped[0].tolist() == [-1, 4, 4]  # bids of 10^400 and more are ∞


def test_bids_too_large_to_square_are_judged_and_written_with_a_power_of_ten(monkeypatch, tmp_path):
    monkeypatch.setitem(registry._plugins["agents"], "growing", Growing)
    agents = [{"strategy": {"kind": "growing", "spared": 0}, "seats": [0]}, {"strategy": {"kind": "shading"}}]
    table = {**CONFIG, "rounds": 4, "replications": 3, "market": {}, "agents": agents, "analysis": {"window": 0.5}}
    with np.errstate(all="ignore"):
        text = auctionlab.run(table, database=f"sqlite:///{tmp_path}/huge.db").summary()
    assert "e299" in text
    assert max(len(line) for line in text.splitlines()) < 250


def test_stopped_replications_do_not_count_and_the_report_names_them(fragile, tmp_path):
    database = f"sqlite:///{tmp_path}/whole.db"
    result = auctionlab.run(CONFIG, database=database)
    gone = result.analysis().details["stopped"]
    assert 0 < len(gone) < 4
    assert {one["strategy"] for one in gone} == {"fragile"}
    revenue = result.analysis().estimate("revenue")
    assert revenue.n == 4 - len(gone)
    note = next(note for note in result.analysis().notes if "stopped" in note)
    assert f"Replication{'s' if len(gone) > 1 else ''} {gone[0]['replication']}" in note
    assert f"round {min(one['round'] for one in gone)} on: the numbers of fragile overflowed" in note
    kept = {int(row) for row in result.analysis().samples["replication"]}
    assert kept == set(range(4)) - {one["replication"] for one in gone}
    assert f"4 replications, {len(gone)} of them stopped" in result.summary().replace("\n", " ")
    again = replace(result.analysis(), run=replace(result.analysis().run, id=2))
    assert f"4 replications, {len(gone)} of them stopped" in compare_summary([result.analysis(), again])
    assert len(result.bids()) == 40 * 4 * 2 * 2  # the record is whole; a learner that failed takes no part


def test_stopped_replications_are_marked_where_bids_are_read(fragile, tmp_path):
    database = f"sqlite:///{tmp_path}/marked.db"
    result = auctionlab.run(CONFIG, database=database)
    gone = {one["replication"]: one["round"] for one in result.analysis().details["stopped"]}
    assert result.stopped() == gone
    call("export", "1", "--to", str(tmp_path / "bids.csv"), "--database", database)
    bids = pd.read_csv(tmp_path / "bids.csv")
    after = [
        round >= gone.get(replication, 40)
        for round, replication in zip(bids["round"], bids["replication"], strict=True)
    ]
    assert bids["stopped"].tolist() == [int(one) for one in after]
    assert bids.loc[bids["message"].isna(), "stopped"].all()
    assert "| stopped |" in (tmp_path / "bids.codebook.md").read_text("utf-8")
    query = next(part for part in RECORD.read_text("utf-8").split("```") if part.startswith("sql") and "NOT IN" in part)
    with closing(sqlite3.connect(tmp_path / "marked.db")) as connection:
        found = connection.execute(query.removeprefix("sql").replace("run_id = 3", "run_id = 1")).fetchone()[0]
    assert found == pytest.approx(bids.loc[~bids["replication"].isin(list(gone)), "payment"].mean(), rel=1e-12)


def test_a_run_that_is_cut_remembers_what_was_stopped(fragile, tmp_path):
    config, found = load_config(CONFIG), []
    for name, stops in (("whole", 0), ("cut", 4)):
        with Store(f"sqlite:///{tmp_path}/{name}.db") as store:
            run_id = enter(config, store)
            for _ in range(stops):
                asked = iter([False] * 9 + [True])
                play(config, store, lambda run_id=run_id: run_id, stopping=lambda asked=asked: next(asked))
            if stops:
                early = auctionlab.load(run_id, database=f"sqlite:///{tmp_path}/{name}.db")
                assert any("stopped" in note for note in early.analysis().notes)  # from the checkpoint alone
                assert early.stopped() == {
                    one["replication"]: one["round"] for one in early.analysis().details["stopped"]
                }
            play(config, store, lambda run_id=run_id: run_id)
        found.append(auctionlab.load(run_id, database=f"sqlite:///{tmp_path}/{name}.db").metrics())
    assert found[0].equals(found[1])


def test_with_every_replication_stopped_there_is_nothing_to_judge(tmp_path):
    strategy = {"kind": "exp3-p", "rate": 1e308}
    table = CONFIG | {"agents": [{"strategy": strategy}], "replications": 2}
    result = auctionlab.run(table, database=f"sqlite:///{tmp_path}/none.db")
    assert result.analysis().headline == "Nothing to judge: every replication was stopped."
    first = min(one["round"] for one in result.analysis().details["stopped"])
    assert f"Replications 0 and 1 were stopped, the first from round {first} on" in result.analysis().notes[0]
    text = result.summary()
    assert "every replication was stopped" in text
    assert "2 replications, all of them stopped" in result.summary().replace("\n", " ")
    assert "---" not in text, "a table without rows"
    assert "Key figures" not in result.report(tmp_path / "page.html").read_text("utf-8")


def test_a_grid_without_a_legal_bid_is_refused_before_the_first_round():
    strategy = {"kind": "hedge", "highest": 0.3}
    table = CONFIG | {"agents": [{"strategy": strategy}], "mechanism": {"kind": "first-price", "reserve": 0.5}}
    table["market"] = {"disclose": "all"}
    told = (
        r"agents\.0: hedge: no bid of its grid, 0 to 0\.3, is legal in first-price, where the lowest legal bid is 0\.5"
    )
    with pytest.raises(ConfigError, match=told):
        auctionlab.run(table)


def test_a_sweep_says_at_which_points_replications_were_stopped(tmp_path):
    table = CONFIG | {
        "agents": [{"strategy": {"kind": "exp3-p"}}],
        "replications": 2,
        "sweep": {"mechanism.kind": ["first-price"], "agents.0.strategy.rate": [1e308, 0.1]},
    }
    told: list[str] = []
    result = auctionlab.run_sweep(table, database=f"sqlite:///{tmp_path}/sweep.db", tell=told.append)
    assert list(result.table()["stopped"]) == [2, 0]
    assert [point["stopped"] for point in result.to_json()["points"]] == [2, 0]
    assert "finished; 2 of 2 replications stopped, as a learner's numbers overflowed" in told[0]
    assert "stopped" not in told[1]
    text = " ".join(result.summary().split())
    assert "rate 1e+308: 2 of 2 replications were stopped there" in text
    assert "no verdict: 2 of 2 replications were stopped" in text
    assert "Revenue was highest, nan" not in text
    assert "2 of 2 replications were stopped" in result.report(tmp_path / "page.html").read_text("utf-8")
