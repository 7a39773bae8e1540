"""The command line as a user types it: what is printed, which exit code, and one sentence for every mistake."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.cli.calling import call, refused

ROOT = Path(__file__).parents[2]
HEAVY = ("numpy", "pandas", "scipy", "mesa", "pydantic", "sqlalchemy", "matplotlib", "rich")
COMMANDS = ("run", "report", "list", "show", "solve", "fit", "export")


def test_help_answers_without_the_heavy_packages() -> None:
    code = (
        "import sys; from auctionlab.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "Usage:" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(command: str) -> None:
    for flag in ("-h", "--help"):
        assert f"auctionlab {command}" in call(command, flag).stdout


def test_version() -> None:
    assert call("--version").stdout == "auctionlab 0.1.0\n"


def test_a_mistyped_command_is_answered_with_the_nearest() -> None:
    assert "no such command 'rnu'. Did you mean 'run'?" in call("rnu", code=2).stderr


@pytest.mark.parametrize("what", ["mechanisms", "agents", "environments", "priors", "risks", "gallery"])
def test_lists_say_what_there_is(what: str) -> None:
    rows = json.loads(call("list", what, "--json").stdout)
    text = call("list", what).stdout
    assert rows
    assert all(row["name" if what == "gallery" else "kind"] in text for row in rows)


def test_show_prints_rule_parameters_source_and_snippet() -> None:
    text = call("show", "exp3").stdout
    assert "bids" in text
    assert "[2, 10000]" in text
    assert "Source: Auer" in text
    assert 'strategy = { kind = "exp3"' in text
    shown = json.loads(call("show", "exp3", "--json").stdout)
    assert {"kind", "group", "rule", "source", "parameters", "snippet", "needs"} <= shown.keys()


def test_show_knows_the_gallery() -> None:
    assert 'kind = "first-price"' in call("show", "first-price.toml").stdout
    assert "auctionlab show first-price.toml" in call("show", "first-price").stdout


def test_show_of_an_unknown_name() -> None:
    assert refused("show", "unifrom") == "unknown name 'unifrom'. Did you mean 'uniform'?"


# ---- solve ----

UNIFORM = 'environment={kind="private-values", bidders=2, prior={kind="uniform"}}'


def test_solve_gives_the_closed_form() -> None:
    solved = json.loads(call("solve", "first-price", "--set", UNIFORM, "--json", "--at", "0.25,0.5,1").stdout)
    assert solved["revenue"] == pytest.approx(1 / 3, rel=1e-8)  # Krishna (2010), section 2.3: (n − 1)/(n + 1)
    assert solved["surplus"] == pytest.approx([1 / 6, 1 / 6], rel=1e-8)
    assert solved["efficiency"] == pytest.approx(1, rel=1e-12)
    assert solved["sale_probability"] == pytest.approx(1, rel=1e-12)
    assert isinstance(solved["method"], str)
    assert [table["seat"] for table in solved["bids"]] == [0, 1]
    assert solved["bids"][0]["signals"] == [0.25, 0.5, 1.0]
    assert solved["bids"][0]["bids"] == pytest.approx([0.125, 0.25, 0.5], rel=1e-8)


def test_solve_gives_101_quantiles_and_null_for_no_part() -> None:
    solved = json.loads(
        call("solve", "first-price", "--set", UNIFORM, "--set", "mechanism.reserve=0.5", "--json").stdout
    )
    table = solved["bids"][0]
    assert len(table["signals"]) == len(table["bids"]) == 101
    assert [bid is None for bid in table["bids"]] == [signal < 0.5 for signal in table["signals"]]
    assert solved["revenue"] == pytest.approx(5 / 12, rel=1e-8)  # Krishna (2010), section 2.5: reserve 1/2, two uniform
    assert solved["sale_probability"] == pytest.approx(3 / 4, rel=1e-8)


def test_solve_prints_a_table_and_writes_csv_and_picture(tmp_path: Path) -> None:
    picture, table = tmp_path / "bids.png", tmp_path / "bids.csv"
    text = call("solve", "first-price", "--plot", str(picture), "--csv", str(table)).stdout
    assert "revenue" in text
    assert "Krishna" in text
    assert picture.read_bytes().startswith(b"\x89PNG")
    bids = pd.read_csv(table)
    assert list(bids.columns) == ["seat", "signal", "bid"]
    assert len(bids) == 202


def test_solve_says_that_other_starts_found_nothing_else() -> None:
    text = call("solve", "first-price", "--at", "0.5", "--starts", "2").stdout
    assert text.rstrip().endswith("no other equilibrium found from 2 starts")  # Lebrun (1999): it is the only one


def test_solve_plot_without_a_file_draws_into_one_named_after_the_config(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "wrote first-price-bids.png" in call("solve", "first-price", "--at", "0.5", "--plot").stderr
    assert (tmp_path / "first-price-bids.png").read_bytes().startswith(b"\x89PNG")


def test_solve_needs_no_agents(tmp_path: Path) -> None:
    file = tmp_path / "game.toml"
    file.write_text(
        '[mechanism]\nkind = "all-pay"\n[environment]\nkind = "private-values"\nbidders = 2\nprior = "uniform"\n'
    )
    assert json.loads(call("solve", str(file), "--json").stdout)["revenue"] == pytest.approx(1 / 3, rel=1e-8)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--at", "2"), "--at: no bidder can have the signal 2; signals lie in [0, 1]"),
        (
            ("--set", "mechanism.resreve=1"),
            "first-price.toml: mechanism: unknown key 'resreve'. Did you mean 'reserve'?",
        ),
        (("--plot", "/nowhere/at/all.png"), "cannot write '/nowhere/at/all.png': No such file or directory"),
        (("--csv", "/nowhere/at/all.csv"), "cannot write '/nowhere/at/all.csv': No such file or directory"),
        (
            (
                "--set",
                "environment={kind='private-values', priors=[{kind='uniform'}, {kind='discrete', values=[0, 1]}]}",
            ),
            "the prior of seat 1 puts weight on single values",
        ),
        (
            ("--set", "environment.prior={kind='discrete', values=[0.0, 1.0], weights=[1.0, 1.0]}"),
            "weight on single values",
        ),
    ],
)
def test_solve_refuses_in_one_sentence(arguments: tuple[str, ...], told: str) -> None:
    assert told in refused("solve", "first-price", *arguments)


def test_signals_that_are_no_numbers_are_a_usage_error() -> None:
    assert "write numbers with commas between them" in call("solve", "first-price", "--at", "a,b", code=2).stderr


# ---- fit ----


@pytest.fixture(scope="module")
def bids(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bids of four subjects at half of what they value, now and then a little more."""
    file = tmp_path_factory.mktemp("bids") / "class.csv"
    rows = (f"{k % 4},{k % 11},{(k % 11) / 2 + (k % 3) / 10}" for k in range(48))
    file.write_text("name,value,bid\n" + "\n".join(rows) + "\n")
    return file


def test_fit_prints_a_verdict_and_tables_and_draws(bids: Path, tmp_path: Path) -> None:
    picture = tmp_path / "fit.png"
    arguments = ["--bidders", "2", "--high", "10", "--subject", "name", "--steps", "41", "--plot", str(picture)]
    result = call("fit", str(bids), *arguments)
    assert result.stderr == ""
    assert "48 bids, 4 subjects" in result.stdout
    assert "Held-out bids are best foretold by" in result.stdout
    assert all(word in result.stdout for word in ("risk-averse by subject", "precision", "BIC", "rho of 4 subjects"))
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_fit_of_the_shipped_data_as_json_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = json.loads(call("fit", "cox-smith-walker", "--steps", "51", "--json").stdout)
    assert found.keys() == {"data", "auction", "described", "models", "subjects", "best", "notes"}
    assert found["data"]["source"] == "cox-smith-walker-synthetic.csv"
    assert (found["data"]["bids"], found["data"]["subjects"], found["best"]) == (640, 32, "risk-averse-by-subject")
    (averse,) = (model for model in found["models"] if model["kind"] == "risk-averse")
    rho = averse["estimates"][0]
    assert (rho["name"], rho["at_end"]) == ("rho", False)
    assert rho["low"] < 0.50625 < rho["high"]  # the mean of the rhos in the gallery config
    assert list(tmp_path.iterdir()) == []


def test_fit_refuses_in_one_sentence(bids: Path, tmp_path: Path) -> None:
    game = ("--bidders", "2", "--high", "10")
    assert "no column 'nam' (--subject). Did you mean 'name'?" in refused("fit", str(bids), *game, "--subject", "nam")
    assert "Did you mean 'cox-smith-walker'?" in refused("fit", "cox-smith-walkers")
    assert "line 7: the value should lie in [0, 4]" in refused("fit", str(bids), "--bidders", "2", "--high", "4")
    assert "no such file" in refused("fit", str(tmp_path / "none.csv"), *game)
    assert "first-price auctions, got 'all-pay'" in refused("fit", str(bids), "--config", "all-pay")
    assert "give a file of bids, or --run RUN" in call("fit", code=2).stderr


# ---- a plugin ----

PLUGIN = '''
from dataclasses import dataclass
from auctionlab.core import Strategy

@dataclass
class Half(Strategy):
    """Bids half of its value."""

    def act(self, signals, rng):
        return signals / 2
'''


def test_a_strategy_of_ones_own_is_one_file(tmp_path: Path) -> None:
    file = tmp_path / "half.py"
    file.write_text(PLUGIN)
    database = f"sqlite:///{tmp_path}/lab.db"
    arguments = ["--plugin", str(file), "--set", "agents.0.strategy=half", "--rounds", "50", "--replications", "3"]
    assert "half" in call("run", "first-price", *arguments, "--database", database).stdout
    assert call("show", "half", "--plugin", str(file)).stdout.startswith("half (agent)\n\nBids half of its value.")
    assert "no such file" in refused("show", "half", "--plugin", str(tmp_path / "none.py"))


def test_an_error_in_a_plugin_is_one_sentence_that_says_where(tmp_path: Path) -> None:
    file = tmp_path / "half.py"
    file.write_text(PLUGIN.replace("signals / 2", "signals / two"))
    url = f"sqlite:///{tmp_path}/lab.db"
    arguments = ["--plugin", str(file), "--set", "agents.0.strategy=half", "--rounds", "50", "--database", url]
    said = refused("run", "first-price", *arguments)
    assert said == f"{file}, line 10, in act: NameError: name 'two' is not defined"
    (run,) = json.loads(call("list", "runs", "--database", url, "--json").stdout)
    assert (run["status"], run["round"]) == ("interrupted", 0)


@pytest.mark.parametrize(
    ("line", "got"),
    [
        ("signals[:, None] / 2", "an array of shape (90, 1) and type float64"),
        ("signals / 2 > 0.1 if len(signals) < 90 else np.full(90, 'much')", "an array of shape (90,) and type <U4"),
        ("0.5", "float"),
        ("None", "NoneType"),
    ],
)
def test_messages_of_a_wrong_form_are_refused(tmp_path: Path, line: str, got: str) -> None:
    file = tmp_path / "half.py"
    file.write_text("import numpy as np\n" + PLUGIN.replace("signals / 2", line))
    arguments = ["--plugin", str(file), "--set", "agents.0.strategy=half", "--rounds", "50", "--replications", "45"]
    said = refused("run", "first-price", *arguments, "--database", f"sqlite:///{tmp_path}/lab.db")
    assert said == f"agents.0: half: act returned {got}, expected numbers of shape (90,), one message a lane"


MECHANISM = '''
from dataclasses import dataclass
from auctionlab import Mechanism, Outcome

@dataclass(frozen=True)
class Flat(Mechanism):
    """The highest bid wins and pays a flat price."""

    def run(self, messages, rng=None):
        win = (messages == messages.max(axis=1, keepdims=True)).astype(float)
        return Outcome(win, 0.3 * win.sum(axis=1))
'''


@pytest.mark.parametrize("command", ["run", "solve"])
def test_outcomes_of_a_wrong_form_are_refused(tmp_path: Path, command: str) -> None:
    file = tmp_path / "flat.py"
    file.write_text(MECHANISM)
    arguments = ["first-price", "--plugin", str(file), "--set", "mechanism=flat", "--set", "market.disclose=all"]
    said = refused(command, *arguments, *(["--database", f"sqlite:///{tmp_path}/lab.db"] if command == "run" else []))
    assert said == "flat: payments have shape (429,), expected (429, 2)"


def test_a_plugin_that_is_not_finished_is_told_what_it_lacks(tmp_path: Path) -> None:
    file = tmp_path / "half.py"
    file.write_text(PLUGIN.replace("def act", "def bid"))
    assert refused("show", "half", "--plugin", str(file)) == f"plugin '{file}': Half has no act"


STOPPER = '''
import os
import signal
from dataclasses import dataclass
import numpy as np
from auctionlab.core import Strategy

@dataclass
class Stopper(Strategy):
    """Bids its value, and presses Ctrl-C in its fortieth round."""

    def start(self, seat):
        super().start(seat)
        self.calls_ = np.zeros((), int)

    def act(self, signals, rng):
        self.calls_ = self.calls_ + 1
        if self.calls_ == 40:
            os.kill(os.getpid(), signal.SIGINT)
        return signals
'''


def test_ctrl_c_stops_cleanly_and_the_same_command_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "stopper.py"
    file.write_text(STOPPER)
    database = f"sqlite:///{tmp_path}/lab.db"
    arguments = ["run", "first-price", "--plugin", str(file), "--set", "agents.0.strategy=stopper"]
    arguments += ["--rounds", "100", "--replications", "3", "--database", database]
    stopped = call(*arguments, code=130)
    assert "stopped after 40 of 100 rounds" in stopped.stderr
    assert "The same command goes on" in stopped.stderr
    assert json.loads(call("list", "runs", "--database", database, "--json").stdout)[0]["status"] == "interrupted"
    assert "goes on from round 40" in call(*arguments).stderr
    runs = json.loads(call("list", "runs", "--database", database, "--json").stdout)
    assert [(run["status"], run["round"]) for run in runs] == [("finished", 100)]


def test_ctrl_c_anywhere_else_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("auctionlab.theory.benchmarks.benchmark", interrupt)
    assert call("solve", "first-price", code=130).stderr.startswith("Error: stopped")


def test_too_little_memory_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhaust(*arguments: object) -> None:
        raise MemoryError

    monkeypatch.setattr("auctionlab.theory.benchmarks.benchmark", exhaust)
    assert refused("solve", "first-price").startswith("out of memory; what is recorded is kept")


# ---- run, report, export ----


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database with a finished run of each of two mechanisms."""
    url = f"sqlite:///{tmp_path_factory.mktemp('lab')}/lab.db"
    for name in ("first-price", "second-price"):
        call("run", name, "--rounds", "200", "--replications", "4", "--database", url, "--quiet")
    return url


def test_a_run_prints_the_verdict_and_running_it_again_says_so(database: str) -> None:
    again = call("run", "first-price", "--rounds", "200", "--replications", "4", "--database", database)
    assert "already finished" in again.stderr
    assert "evenue" in again.stdout
    assert len(json.loads(call("list", "runs", "--database", database, "--json").stdout)) == 2


def test_a_run_found_again_under_other_words_says_which_it_keeps(database: str) -> None:
    same = ("run", "first-price", "--rounds", "200", "--replications", "4", "--database", database)
    told = call(*same, "--set", "name=mine", "--set", "description=x").stderr
    assert "run 1 of 'first-price' is already finished" in told
    assert "this is its result, with the name and description that it was played with (--again" in told
    assert "played with" not in call(*same).stderr


def test_quiet_prints_nothing(database: str) -> None:
    result = call("run", "first-price", "--rounds", "200", "--replications", "4", "--database", database, "-q")
    assert (result.stdout, result.stderr) == ("", "")


def test_json_is_all_that_stdout_gets(database: str) -> None:
    arguments = ["run", "first-price", "--rounds", "200", "--replications", "4", "--database", database, "--json"]
    result = call(*arguments)
    assert json.loads(result.stdout)["run"]["name"] == "first-price"
    assert result.stderr == ""
    assert json.loads(call("report", "first-price", "--database", database, "--json").stdout) == json.loads(
        result.stdout
    )


def test_the_environment_names_the_database(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUCTIONLAB_DATABASE", database)
    assert "second-price" in call("list", "runs").stdout


def test_report_writes_a_page_and_the_figures_asked_for(database: str, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    result = call("report", "1", "--database", database, "--output", str(page), "--png", "--csv")
    assert "Run 1, first-price" in result.stdout
    assert page.read_text().lstrip().startswith("<!")
    assert {".png", ".csv"} == {file.suffix for file in (tmp_path / "page-figures").iterdir()}


def test_report_compares_runs(database: str, tmp_path: Path) -> None:
    page = tmp_path / "compare.html"
    text = call("report", "--compare", "1", "2", "--database", database, "--output", str(page)).stdout
    assert "first-price" in text
    assert "second-price" in text
    assert page.exists()
    both = json.loads(call("report", "--compare", "1", "2", "--database", database, "--json").stdout)
    assert [one["run"]["id"] for one in both] == [1, 2]


@pytest.mark.parametrize("arguments", [("1", "2"), ("--compare", "1")])
def test_report_says_how_to_compare(database: str, arguments: tuple[str, ...]) -> None:
    assert "report --compare" in call("report", *arguments, "--database", database, code=2).stderr


def test_exports_agree_with_each_other_and_have_a_codebook(database: str, tmp_path: Path) -> None:
    for name in ("bids.parquet", "bids.csv"):
        call("export", "1", "--to", str(tmp_path / name), "--database", database)
    parquet = pd.read_parquet(tmp_path / "bids.parquet")
    assert len(parquet) == 200 * 4 * 2
    csv = pd.read_csv(tmp_path / "bids.csv", dtype=str)  # pandas before 3.1 reads 17 digits inexactly
    csv = csv.astype({column: float for column in csv.columns if column != "strategy"})
    pd.testing.assert_frame_equal(parquet, csv, check_dtype=False, check_exact=True)
    codebook = (tmp_path / "bids.codebook.md").read_text()
    assert all(f"| {column} |" in codebook for column in parquet.columns)
    assert "200 rounds × 4 replications × 1 auction × 2 seats" in codebook
    assert sorted(file.name for file in tmp_path.iterdir()) == ["bids.codebook.md", "bids.csv", "bids.parquet"]


def test_mistakes_with_databases_and_files_are_one_sentence(database: str, tmp_path: Path) -> None:
    assert "no such database" in refused("list", "runs", "--database", f"sqlite:///{tmp_path}/none.db")
    assert "should end in .parquet or .csv" in refused("export", "1", "--to", "bids.xls", "--database", database)
    assert "cannot write" in refused("export", "1", "--to", str(tmp_path / "no" / "b.csv"), "--database", database)
    (tmp_path / "file").touch()
    assert "cannot write" in refused("report", "1", "-o", str(tmp_path / "file" / "b.html"), "--database", database)
    assert "99" in refused("report", "99", "--database", database)
    assert "first-pric" in refused("export", "first-pric", "--to", "b.csv", "--database", database)
    (tmp_path / "foreign.db").write_bytes(b"not a database at all, but long enough to be looked at" * 10)
    assert "foreign.db" in refused("list", "runs", "--database", f"sqlite:///{tmp_path}/foreign.db")
    assert "foreign.db" in refused("run", "first-price", "--database", f"sqlite:///{tmp_path}/foreign.db")
    assert "Did you mean 'first-price'?" in refused("run", "first-pric", "--database", database)


def test_a_run_without_bids_has_nothing_to_export(database: str, tmp_path: Path) -> None:
    call(
        "run",
        "third-price",
        "--rounds",
        "20",
        "--replications",
        "2",
        "--set",
        "record.bids=none",
        "--database",
        database,
        "-q",
    )
    told = refused("export", "third-price", "--to", str(tmp_path / "bids.csv"), "--database", database)
    assert "no recorded bids (record.bids = 'none')" in told
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_stops_early_sees_no_traceback() -> None:
    command = f"{sys.executable} -m auctionlab list gallery | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.count("\n") == 1
    assert "Traceback" not in done.stderr
