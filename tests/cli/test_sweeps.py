"""Sweeps on the command line: what is printed, which exit code, and one sentence for every mistake."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from tests.cli.calling import call, refused

SWEEP = """
rounds = 30
replications = 3
agents = [{ strategy = "equilibrium" }]
environment = { kind = "private-values", bidders = 2, prior = "uniform" }
mechanism = { kind = "first-price" }
analysis = { window = 1.0 }

[sweep]
mechanism.kind = ["first-price", "second-price"]
mechanism.reserve = [0.0, 0.25, 0.5]
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("sweep") / "lines.toml"
    file.write_text(SWEEP)
    return str(file)


@pytest.fixture(scope="module")
def database(config: str) -> str:
    """A database with the finished sweep."""
    url = f"sqlite:///{Path(config).with_name('lab.db')}"
    result = call("run", config, "--database", url, "--workers", "2")
    assert "point 4 of 6 (mechanism second-price, reserve 0): revenue 0." in result.stderr
    assert "Sweep lines: 6 points over mechanism and reserve; 30 rounds × 3 replications at each" in result.stdout
    return url


def test_a_sweep_prints_what_was_found_and_a_row_a_point(config: str, database: str) -> None:
    again = call("run", config, "--database", database)
    assert "lines: all 6 points are already finished; --again plays them once more" in again.stderr
    rows = [line.split() for line in again.stdout.splitlines() if re.match(r"\d ", line)]
    assert [row[1:3] for row in rows] == [
        [kind, reserve] for kind in ("first-price", "second-price") for reserve in ("0", "0.25", "0.5")
    ]
    assert re.search(r"Revenue reached the equilibrium at \d of 6 points, up to a margin of 2 %", again.stdout)


def test_json_is_all_that_stdout_gets(config: str, database: str) -> None:
    result = call("run", config, "--database", database, "--json", "--workers", "2")
    found = json.loads(result.stdout)
    assert result.stderr == ""
    assert [point["run"] for point in found["points"]] == [1, 2, 3, 4, 5, 6]
    assert found["points"][4]["settings"] == {"mechanism.kind": "second-price", "mechanism.reserve": 0.25}
    assert found["points"][4]["revenue_theory"] == pytest.approx(0.375, rel=1e-8)  # 1/3 + r² − 4r³/3 at r = 1/4
    assert found == json.loads(call("report", "lines", "--database", database, "--json").stdout)


def test_quiet_prints_nothing(config: str, database: str) -> None:
    result = call("run", config, "--database", database, "-q")
    assert (result.stdout, result.stderr) == ("", "")


def test_runs_are_listed_with_their_points(database: str) -> None:
    text = call("list", "runs", "--database", database).stdout
    assert "mechanism first-price, reserve 0.25" in text
    rows = json.loads(call("list", "runs", "--database", database, "--json").stdout)
    assert [row["point"] for row in rows][5] == "mechanism second-price, reserve 0.5"


@pytest.mark.parametrize("reference", ["lines", "last"])
def test_the_report_of_a_sweep_is_of_all_its_points(database: str, tmp_path: Path, reference: str) -> None:
    page = tmp_path / "page.html"
    result = call("report", reference, "--database", database, "-o", str(page), "--png", "--svg", "--csv")
    assert "Sweep lines: 6 points" in result.stdout
    assert page.read_text().count("<figure") == 3
    written = sorted(file.name for file in (tmp_path / "page-figures").iterdir())
    assert written == sorted(
        ["points.csv", *(f"{name}.{kind}" for name in ("revenue", "efficiency", "relative-exploitability")
                         for kind in ("csv", "png", "svg"))]
    )  # fmt: skip
    points = pd.read_csv(tmp_path / "page-figures" / "points.csv")
    assert points["mechanism.reserve"].tolist() == [0.0, 0.25, 0.5] * 2
    assert points["revenue_theory"].tolist() == pytest.approx([1 / 3, 0.375, 5 / 12] * 2, rel=1e-8)


def test_a_point_has_its_own_report_and_points_can_be_compared(database: str, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert "Run 2, lines" in call("report", "2", "--database", database, "-o", str(page)).stdout
    compared = call("report", "--compare", "2", "5", "--database", database, "-o", str(page)).stdout
    assert "first-price" in compared
    assert "second-price" in compared
    refused = call("report", "--compare", "2", "last", "--database", database, code=2).stderr
    assert "'last' is a sweep of" in refused


def test_a_sweep_is_exported_point_by_point(database: str, tmp_path: Path) -> None:
    told = refused("export", "lines", "--to", str(tmp_path / "bids.csv"), "--database", database)
    assert told == "'lines' is a sweep: export a point of it by its id, which `auctionlab list runs` shows"
    call("export", "3", "--to", str(tmp_path / "bids.csv"), "--database", database)
    assert len(pd.read_csv(tmp_path / "bids.csv")) == 30 * 3 * 2


def test_settings_for_all_points_and_other_values(config: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/lab.db"
    sets = ["--set", "sweep.mechanism.reserve=[0.1]", "--set", "environment.bidders=3", "--rounds", "7"]
    found = json.loads(call("run", config, *sets, "--database", url, "--json").stdout)
    assert [point["settings"]["mechanism.reserve"] for point in found["points"]] == [0.1, 0.1]
    runs = json.loads(call("list", "runs", "--database", url, "--json").stdout)
    assert {(run["seats"], run["rounds"]) for run in runs} == {(3, 7)}


def test_workers_are_harmless_for_a_single_run(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/lab.db"
    arguments = ["--rounds", "20", "--replications", "2", "--workers", "2", "--database", url]
    assert "Run 1, first-price" in call("run", "first-price", *arguments).stdout


@pytest.mark.parametrize(
    ("sets", "told"),
    [
        ("sweep.mechanism.resreve=[1]", 'point 1 (mechanism.kind = "first-price", mechanism.reserve = 0.0, '),
        (
            "sweep.mechanism.reserve=[]",
            "lines.toml: sweep: mechanism.reserve: the list is empty; it needs at least one",
        ),
        (
            "sweep.mechanism.reserve=[0.1, -1.0]",
            'point 2 (mechanism.kind = "first-price", mechanism.reserve = -1.0): mech',
        ),
        ("mechanism.reserve=0.3", "lines.toml: --set mechanism.reserve: the sweep sets it at its points"),
        ("sweep=3", "lines.toml: sweep: should be a table such as"),
    ],
)
def test_mistakes_are_one_sentence_before_anything_runs(config: str, tmp_path: Path, sets: str, told: str) -> None:
    database = tmp_path / "lab.db"
    assert told in refused("run", config, "--set", sets, "--database", f"sqlite:///{database}")
    assert not database.exists()


def test_an_unknown_key_is_answered_with_the_nearest(config: str) -> None:
    assert "unknown key 'resreve'. Did you mean 'reserve'?" in refused(
        "run", config, "--set", "sweep.mechanism.resreve=[1]"
    )


def test_solve_of_a_sweep_says_what_it_is(config: str) -> None:
    assert "lines.toml: [sweep] describes several experiments" in refused("solve", config)


FAILING = '''
from dataclasses import dataclass
from auctionlab.core import Strategy

@dataclass
class Failing(Strategy):
    """Fails at a level above one."""

    level: int = 0

    def act(self, signals, rng):
        if self.level > 1:
            raise ValueError("too much")
        return signals
'''


@pytest.mark.parametrize("workers", ["1", "2"])
def test_points_that_fail_are_summed_up_and_the_exit_code_is_2(config: str, tmp_path: Path, workers: str) -> None:
    file = tmp_path / "failing.py"
    file.write_text(FAILING)
    url = f"sqlite:///{tmp_path}/lab.db"
    arguments = ["--plugin", str(file), "--set", "agents.0.strategy=failing", "--workers", workers, "--database", url]
    arguments += ["--set", "sweep={'agents.0.strategy.level'=[0, 1, 2, 3]}"]
    result = call("run", config, *arguments, code=2)
    reason = f"{file}, line 13, in act: ValueError: too much"
    assert f"Point 3 (level 2) failed: {reason}" in " ".join(result.stdout.split())
    assert "! failed" in result.stdout
    assert result.stderr.splitlines()[-1] == (f"Error: 2 of 4 points failed: point 3 (level 2): {reason}, and 1 more")
    status = [run["status"] for run in json.loads(call("list", "runs", "--database", url, "--json").stdout)]
    assert status == ["finished", "finished", "failed", "failed"]
    page = tmp_path / "page.html"
    call("report", "last", "--database", url, "-o", str(page))
    assert "2 of 4 points failed; the same command tries again." in page.read_text()
    assert "not finished" not in page.read_text()


STOPPING = FAILING.replace("Failing", "Stopping").replace(
    'raise ValueError("too much")', "import os, signal; os.kill(os.getpid(), signal.SIGINT)"
)


def test_ctrl_c_stops_cleanly_and_the_same_command_goes_on(config: str, tmp_path: Path) -> None:
    file = tmp_path / "stopping.py"
    file.write_text(STOPPING)
    url = f"sqlite:///{tmp_path}/lab.db"
    arguments = ["run", config, "--plugin", str(file), "--set", "agents.0.strategy=stopping", "--database", url]
    arguments += ["--set", "sweep={'agents.0.strategy.level'=[0, 2, 1]}"]
    stopped = call(*arguments, code=130)
    assert "lines: stopped after 1 of 3 points; nothing is lost. The same command goes on from there" in stopped.stderr
    going = call(*arguments, code=130)
    assert "lines: 1 of 3 points are already finished; the others go on" in going.stderr
