"""Every statement of the textbooks agrees, all are there, and `auctionlab reproduce` shows them."""

from __future__ import annotations

import json
import math
import re
from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner

from auctionlab.cli import main
from auctionlab.experiments.textbook import running
from auctionlab.experiments.textbook.entries import SEEDS, Reproduction, entries

NUMBERED = [
    *(f"krishna-prop-5.{k}" for k in range(1, 8)),
    *(f"krishna-problem-5.{k}" for k in range(1, 6)),
    *(f"krishna-5.{k}" for k in (8, 11, 16, 17, 18, 22, 23)),
    "krishna-figure-5.5",
    *(f"okumura-thm-1.{k}" for k in range(1, 6)),
    *(f"okumura-rem-2.{k}" for k in (1, 2, 3, 4, 5, 6, 7, 8)),
    *(f"nath-example-1-{case}" for case in ("4-8", "2-12", "6-6", "9-9", "8-15")),
    *(f"nath-{name}" for name in ("fact-reserve", "lemma-revenue", "example-2", "example-3", "corollary-no-balance")),
    *(f"nath-thm-{name}" for name in ("single", "optimal", "groves-unique", "green-laffont", "dagva")),
    "nath-thm-myerson-satterthwaite",
]
ALL = list(entries())
KEYS = ["id", "seed", "section", "statement", "theory", "computed", "simulated", "standard_error", "verdict"]


@cache
def found(id: str) -> running.Reproduced:
    """Each entry once in the whole test run."""
    return running.run(id, figures=True)


@pytest.mark.parametrize("id", ALL)
def test_agrees(id):
    item = found(id)
    assert item.verdict == "agrees", item
    assert math.isfinite(item.theory)
    assert math.isfinite(item.computed)
    assert item.tolerance <= 0.05 * max(1.0, abs(item.theory))
    assert item.seed in SEEDS
    assert all((item.section, item.topic, item.formula))
    assert item.statement.endswith(".")


def test_ids_are_unique():
    sources = "".join(path.read_text("utf-8") for path in _modules())
    written = re.findall(r'^@entry\(\s*"([^"]+)"', sources, flags=re.MULTILINE)
    assert sorted(written) == sorted(set(written))
    assert set(written) <= set(ALL)


def _modules():
    folder = Path(running.__file__).parent
    return [path for path in folder.glob("*.py") if path.name != "entries.py"]


def test_all_are_there():
    assert set(NUMBERED) <= set(ALL)
    assert len(ALL) >= 45
    assert {entries()[id].seed for id in ALL} == set(SEEDS)


def test_some_have_figures_simulations_and_corrections():
    items = [found(id) for id in NUMBERED]
    assert sum(bool(item.svg) for item in items) >= 5
    assert sum(item.simulated is not None for item in items) >= 12
    assert {item.id for item in items if item.correction} >= {"krishna-5.11", "krishna-prop-5.3"}


@pytest.mark.parametrize(
    ("computed", "simulated", "error", "verdict"),
    [
        (1.0, None, None, "agrees"),
        (1.0 + 2e-6, None, None, "differs"),
        (math.nan, None, None, "differs"),
        (1.0, 1.02, 0.01, "agrees"),
        (1.0, 1.03, 0.01, "undecided"),
        (1.0, 1.05, 0.01, "differs"),
        (1.0, 1.0, 0.0, "agrees"),
        (1.0, 1.001, 0.0, "differs"),
    ],
)
def test_verdict(computed, simulated, error, verdict):
    made = Reproduction(1.0, "1", computed, simulated=simulated, standard_error=error)
    assert made.verdict == verdict


def call(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(main, ["reproduce", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.stdout if code == 0 else result.output


def test_list():
    lines = call().splitlines()
    assert len(lines) == len(ALL) + 2
    assert [line.split()[0] for line in lines[2:]] == ALL
    assert [row["id"] for row in json.loads(call("--json"))] == ALL


def test_one():
    text = call("krishna-problem-5.5")
    assert "0.390625" in text
    assert re.search(r"simulated +0\.39\d+ ± 0\.000\d", text)
    assert re.search(r"verdict +agrees", text)


def test_correction_is_shown():
    assert "correction" in call("krishna-5.11")


def test_json_and_page(tmp_path):
    page = tmp_path / "one.html"
    rows = json.loads(call("krishna-figure-5.5", "--json", "--html", str(page)))
    assert [list(row) for row in rows] == [KEYS]
    assert rows[0]["verdict"] == "agrees"
    assert rows[0]["simulated"] is None
    text = page.read_text("utf-8")
    assert text.count("<svg") == 1
    assert "http" not in text
    assert "marginal revenue" in text


def test_page_of_all(tmp_path):
    page = running.write_html(tmp_path / "all.html", [found(id) for id in ALL])
    text = page.read_text("utf-8")
    assert all(f'<article id="{id}"' in text for id in ALL)
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))


def test_processes_give_the_same_numbers():
    chosen = ["krishna-5.11", "krishna-5.17"]
    both = running.reproduce(chosen, workers=2)
    assert [item.to_json() for item in both] == [found(id).to_json() for id in chosen]


def test_exit_code_where_a_statement_differs(monkeypatch):
    wrong = running.Reproduced(
        "x", "001", "1", "t", "s.", 1.0, "1", 2.0, 1e-6, None, None, "differs", "", "", "", 0.0, ""
    )  # fmt: skip
    monkeypatch.setattr(running, "reproduce", lambda *arguments, **options: [wrong])
    assert "differs" in call("x", code=1)


def test_unknown_statement_and_contradiction():
    assert "krishna-prop-5.3" in call("krishna-prop-53", code=2)
    assert "--all takes no statement" in call("krishna-prop-5.3", "--all", code=2)
