"""Playing a sweep: the same rows whoever plays it, failures that hold up nobody, going on after a stop or a kill."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import auctionlab
from auctionlab.errors import ConfigError, StoreError
from auctionlab.experiments.sweep_result import is_recorded_sweep
from auctionlab.experiments.sweeping import SweepInterrupted, run_sweep
from auctionlab.platform.runs import RunInfo
from auctionlab.platform.store import Store

CONFIG: dict[str, Any] = {
    "name": "mine",
    "seed": 3,
    "rounds": 40,
    "replications": 3,
    "environment": {"kind": "private-values", "bidders": 2, "prior": "uniform"},
    "mechanism": {"kind": "first-price"},
    "agents": [{"strategy": {"kind": "hedge", "bids": 5, "cells": 3}}],
    "market": {"disclose": "all"},
    "sweep": {"mechanism.kind": ["first-price", "second-price"], "mechanism.reserve": [0.0, 0.25]},
}
WORSE = '''
"""Strategies that fail, die, or ask for a stop."""
import os
import signal
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from auctionlab.core import Strategy


@dataclass
class Worse(Strategy):
    """Bids its value until round `until`, then does what `then` says."""

    then: str = "nothing"
    until: Annotated[int, Field(ge=0)] = 20

    def start(self, seat):
        super().start(seat)
        self.calls_ = np.zeros((), int)

    def act(self, signals, rng):
        self.calls_ = self.calls_ + 1
        if self.calls_ == self.until:
            if self.then == "fail":
                raise ZeroDivisionError("no such\\nnumber")
            if self.then == "die":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.then == "stop":
                os.kill(os.getpid(), signal.SIGINT)
        return signals
'''


@pytest.fixture
def database(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'lab.db'}"


@pytest.fixture
def worse(tmp_path: Path) -> Path:
    from auctionlab.registry import load_plugin

    file = tmp_path / "worse.py"
    file.write_text(WORSE)
    load_plugin(file)
    return file


def rows(database: str) -> list[pd.DataFrame]:
    """Everything that is recorded of every run, in order."""
    with Store(database, create=False) as store:
        ids = [info.id for info in store.runs()]
        frames = [
            table for run_id in ids for table in (store.bids(run_id), store.metrics(run_id), store.verdicts(run_id))
        ]
        return [*frames, pd.DataFrame([(info.id, info.status, str(info.point)) for info in store.runs()])]


def same(one: str, other: str, points: bool = True) -> None:
    left_rows, right_rows = (rows(database)[: None if points else -1] for database in (one, other))
    for left, right in zip(left_rows, right_rows, strict=True):
        pd.testing.assert_frame_equal(left, right, check_exact=True)


def test_points_are_runs_of_one_database_with_their_settings(database: str) -> None:
    told: list[str] = []
    result = run_sweep(CONFIG, database=database, tell=told.append)
    assert [info.name for info in result.points] == ["mine"] * 4
    assert [info.status for info in result.points] == ["finished"] * 4
    assert result.points[1].point == {
        "number": 2,
        "of": 4,
        "settings": {"mechanism.kind": "first-price", "mechanism.reserve": 0.25},
    }
    assert [run.run_id for run in result.runs] == [1, 2, 3, 4]
    assert result.failures == ()
    assert [line.split(":")[0] for line in told] == [
        f"point {i} of 4 (mechanism {kind}, reserve {reserve})"
        for i, (kind, reserve) in enumerate(
            [("first-price", 0), ("first-price", 0.25), ("second-price", 0), ("second-price", 0.25)], 1
        )
    ]


def test_a_point_is_the_run_that_its_config_alone_would_be(database: str, tmp_path: Path) -> None:
    result = run_sweep(CONFIG, database=database)
    alone = {key: value for key, value in CONFIG.items() if key != "sweep"}
    alone["mechanism"] = {"kind": "second-price", "reserve": 0.25}
    single = auctionlab.run(alone, database=f"sqlite:///{tmp_path / 'single.db'}")
    pd.testing.assert_frame_equal(
        result.runs[3].bids().drop(columns="run_id"), single.bids().drop(columns="run_id"), check_exact=True
    )


def test_two_workers_record_the_same_as_none(database: str, tmp_path: Path) -> None:
    other = f"sqlite:///{tmp_path / 'other.db'}"
    run_sweep(CONFIG, database=database)
    seen: list[list[int]] = []
    run_sweep(CONFIG, database=other, workers=2, watch=lambda reached: seen.append(list(reached)))
    same(database, other)
    assert seen[-1] == [40] * 4  # progress within points, up to their ends
    assert all(-1 <= now <= 40 for reached in seen for now in reached)


def test_an_executor_of_ones_own_is_used_and_left_open(database: str, tmp_path: Path) -> None:
    other = f"sqlite:///{tmp_path / 'other.db'}"
    run_sweep(CONFIG, database=database)
    with ThreadPoolExecutor(2) as executor:
        run_sweep(CONFIG, database=other, executor=executor)
        assert executor.submit(int, "3").result() == 3
    same(database, other)


def test_what_an_executor_itself_raises_is_a_failure_of_that_point(database: str) -> None:
    class Broken(Executor):
        def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            future: Future[Any] = Future()
            if args[0].position == 1:
                future.set_exception(TimeoutError("the scheduler is gone"))
            else:
                future.set_result(function(*args))
            return future

    result = run_sweep(CONFIG, database=database, executor=Broken())
    assert [info.status for info in result.points] == ["finished", "failed", "finished", "finished"]
    assert [(failure.number, failure.reason) for failure in result.failures] == [
        (2, "TimeoutError: the scheduler is gone")
    ]


def test_finished_points_are_skipped_and_again_plays_all_once_more(database: str) -> None:
    told: list[str] = []
    first = run_sweep(CONFIG, database=database)
    assert run_sweep(CONFIG, database=database, tell=told.append) == first
    assert told == ["mine: all 4 points are already finished; --again plays them once more"]
    run_sweep({**CONFIG, "description": "other words"}, database=database, tell=told.append)
    assert "already finished, with the description that they were played with; --again" in told[-1]
    again = run_sweep(CONFIG, database=database, again=True)
    assert again.run_ids == (5, 6, 7, 8)
    assert auctionlab.SweepResult.load("mine", database).run_ids == again.run_ids


def test_a_sweep_that_grows_plays_what_is_new_and_one_that_shrinks_forgets_the_rest(database: str) -> None:
    run_sweep(CONFIG, database=database)
    grown = run_sweep(CONFIG, ["sweep.mechanism.reserve=[0.5, 0.25, 0.0]"], database=database)
    assert grown.run_ids == (5, 2, 1, 6, 4, 3)
    assert [info.point["number"] for info in grown.points if info.point] == [1, 2, 3, 4, 5, 6]
    shrunk = run_sweep(CONFIG, ["sweep.mechanism.reserve=[0.25]"], database=database)
    assert shrunk.run_ids == (2, 4)
    assert auctionlab.SweepResult.load("last", database).run_ids == (2, 4)
    with Store(database) as store:
        assert store.run(1).point == {"settings": {"mechanism.kind": "first-price", "mechanism.reserve": 0.0}}


def test_single_runs_and_points_do_not_mix(database: str) -> None:
    alone = {key: value for key, value in CONFIG.items() if key != "sweep"}
    auctionlab.run(alone, database=database)
    assert run_sweep(CONFIG, database=database).run_ids == (2, 3, 4, 5)
    assert auctionlab.run(alone, database=database).run_id == 1
    assert not is_recorded_sweep("1", database)
    assert is_recorded_sweep("mine", database)
    assert is_recorded_sweep("last", database)
    with pytest.raises(StoreError, match="nobody"):
        auctionlab.SweepResult.load("nobody", database)
    auctionlab.run(alone, database=database, name="other", seed=9)
    with pytest.raises(StoreError, match=r"run 6 \(other\) is no point of a sweep"):
        auctionlab.SweepResult.load("other", database)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_point_that_fails_says_why_and_the_others_go_on(database: str, worse: Path, workers: int) -> None:
    config = {
        **CONFIG,
        "agents": [{"strategy": "worse"}],
        "sweep": {"agents.0.strategy.then": ["nothing", "fail", "x"]},
    }
    told: list[str] = []
    result = run_sweep(config, database=database, workers=workers, tell=told.append)
    assert [info.status for info in result.points] == ["finished", "failed", "finished"]
    (failure,) = result.failures
    assert (failure.number, failure.point) == (2, "then fail")
    assert re.fullmatch(r".*worse\.py, line \d+, in act: ZeroDivisionError: no such number", failure.reason)
    assert f"point 2 of 3 (then fail) failed: {failure.reason}" in told
    assert result.table()["status"].tolist() == ["finished", "failed", "finished"]
    assert result.table()["revenue"].isna().tolist() == [False, True, False]


def test_a_worker_that_dies_costs_its_own_point_alone(database: str, worse: Path) -> None:
    config = {**CONFIG, "agents": [{"strategy": "worse"}], "sweep": {"agents.0.strategy.then": ["die", "a", "b", "c"]}}
    result = run_sweep(config, database=database, workers=2)
    assert [info.status for info in result.points] == ["failed", "finished", "finished", "finished"]
    assert [failure.reason for failure in result.failures] == ["its worker process died; perhaps memory ran out"]
    again = run_sweep(config, ["agents.0.strategy.until=999"], database=database, workers=2)
    assert [info.status for info in again.points] == ["finished"] * 4


def test_an_interrupted_sweep_goes_on_to_the_same_rows(database: str, tmp_path: Path, worse: Path) -> None:
    config = {**CONFIG, "agents": [{"strategy": "worse"}], "sweep": {"agents.0.strategy.then": ["a", "stop", "b"]}}
    with pytest.raises(SweepInterrupted, match="mine: stopped after 1 of 3 points; nothing is lost"):
        run_sweep(config, database=database)
    with Store(database) as store:
        assert [(info.status, info.round) for info in store.runs()] == [
            ("finished", 40),
            ("interrupted", 20),
            ("waiting", 0),
        ]
    told: list[str] = []
    run_sweep(config, database=database, tell=told.append)
    assert told[0] == "mine: 1 of 3 points are already finished; the others go on"
    unbroken = f"sqlite:///{tmp_path / 'unbroken.db'}"
    run_sweep({**config, "sweep": {"agents.0.strategy.then": ["a", "go", "b"]}}, database=unbroken)
    same(database, unbroken, points=False)


SCRIPT = """
import sys
import auctionlab
from auctionlab.registry import load_plugin

if __name__ == "__main__":
    config = {config!r}
    auctionlab.run_sweep(config, workers=2, database=sys.argv[1], checkpoint_seconds=0.05)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_or_killed_sweep_with_workers_goes_on_to_the_same_rows(
    tmp_path: Path, database: str, number: int
) -> None:
    config = {**CONFIG, "rounds": 1_500, "replications": 2, "sweep": {"mechanism.reserve": [0.0, 0.25, 0.5]}}
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(config=config))
    process = subprocess.Popen([sys.executable, str(script), database], stderr=subprocess.PIPE, start_new_session=True)
    while not any(info.round for info in recorded(database)):
        assert process.poll() is None, process.communicate()[1].decode()
        time.sleep(0.05)
    os.kill(process.pid, number)  # only the process that was started: its workers have to notice
    _, said = process.communicate()
    if number == signal.SIGINT:
        assert b"stopped after" in said.splitlines()[-1]
    while any(info.alive for info in recorded(database)):
        time.sleep(0.05)
    assert not all(info.status == "finished" for info in recorded(database))
    run_sweep(config, database=database)
    unbroken = f"sqlite:///{tmp_path / 'unbroken.db'}"
    run_sweep(config, database=unbroken)
    same(database, unbroken)


def recorded(database: str) -> list[RunInfo]:
    """The runs so far; none where the database is not made yet."""
    try:
        with Store(database, create=False) as store:
            return store.runs()
    except StoreError:
        return []


def test_workers_have_to_be_at_least_one(database: str) -> None:
    with pytest.raises(ConfigError, match="workers: should be at least 1, got 0"):
        run_sweep(CONFIG, database=database, workers=0)


def test_a_script_without_a_guard_is_told_so(tmp_path: Path, database: str) -> None:
    script = tmp_path / "unguarded.py"
    script.write_text(f"import auctionlab\nauctionlab.run_sweep({CONFIG!r}, workers=2, database={database!r})\n")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False, timeout=100)
    assert "worker processes cannot start; a script that asks for them needs `if __name__" in done.stderr


def test_workers_use_one_thread_for_linear_algebra(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from auctionlab.registry import load_plugin

    file = tmp_path / "threads.py"
    file.write_text(
        "import os\nfrom dataclasses import dataclass\nfrom auctionlab.core import Strategy\n\n@dataclass\n"
        'class Threads(Strategy):\n    """Bids the number of threads."""\n\n    extra: int = 0\n\n'
        '    def act(self, signals, rng):\n        return 0 * signals + int(os.environ["OPENBLAS_NUM_THREADS"])\n'
    )
    load_plugin(file)
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    config = {**CONFIG, "agents": [{"strategy": "threads"}], "sweep": {"agents.0.strategy.extra": [1, 2]}}
    result = run_sweep(config, database=database, workers=2)
    assert result.failures == ()
    assert set(result.runs[0].bids()["message"]) == {1.0}
    assert "OPENBLAS_NUM_THREADS" not in os.environ


# the table


def test_the_table_has_a_row_a_point_with_settings_and_verdicts(database: str) -> None:
    result = run_sweep(CONFIG, database=database)
    table = result.table()
    assert table["number"].tolist() == [1, 2, 3, 4]
    assert table["mechanism.reserve"].tolist() == [0.0, 0.25, 0.0, 0.25]
    for row, run in zip(table.to_dict("records"), result.runs, strict=True):
        revenue = run.analysis().estimate("revenue")
        assert revenue is not None
        assert (row["revenue"], row["revenue_low"], row["revenue_theory"]) == (
            revenue.mean,
            revenue.low,
            revenue.theory,
        )
        assert row["revenue_verdict"] == revenue.verdict
        assert row["revenue_gap"] == pytest.approx(revenue.mean / revenue.theory - 1)
        assert 0 < row["efficiency"] <= 1
    assert table["truthful"].notna().tolist() == [
        False,
        False,
        True,
        True,
    ]  # truth is dominant in the second-price only


def test_points_that_do_not_set_a_key_show_the_value_they_have(database: str) -> None:
    points = [{"mechanism.reserve": 0.5}, {"rounds": 20}]
    table = run_sweep({**CONFIG, "sweep": {"points": points}}, database=database).table()
    assert table["mechanism.reserve"].tolist() == [0.5, 0.0]
    assert table["rounds"].tolist() == [40, 20]


def test_json_has_everything_in_plain_types(database: str) -> None:
    import json

    found = run_sweep(CONFIG, database=database).to_json()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["keys"] == ["mechanism.kind", "mechanism.reserve"]
    assert found["points"][2]["settings"] == {"mechanism.kind": "second-price", "mechanism.reserve": 0.0}
    assert found["points"][0]["truthful"] is None
    assert found["points"][2]["run"] == 3
