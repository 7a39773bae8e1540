"""The report of a sweep: words, figures for each way the points lie, and a page that needs nothing else."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from auctionlab.errors import ConfigError
from auctionlab.experiments.sweep import load_sweep
from auctionlab.experiments.sweep_pictures import optimum
from auctionlab.experiments.sweep_plots import layout, plot_sweep
from auctionlab.experiments.sweep_report import document, headline, write_sweep_report
from auctionlab.experiments.sweep_result import QUANTITIES, SweepResult
from auctionlab.experiments.sweeping import run_sweep

CONFIG: dict[str, Any] = {
    "name": "mine",
    "description": "What it is about.\n\nAnd what to expect.",
    "rounds": 30,
    "replications": 3,
    "environment": {"kind": "private-values", "bidders": 2, "prior": "uniform"},
    "mechanism": {"kind": "first-price"},
    "agents": [{"strategy": "equilibrium"}],
    "analysis": {"window": 1.0},
}


def table(keys: dict[str, list[Any]], **columns: Any) -> pd.DataFrame:
    """A table of points as `SweepResult.table` makes it."""
    size = len(next(iter(keys.values())))
    found = {"number": range(1, size + 1), "run": range(1, size + 1), "status": "finished", **keys}
    for name in QUANTITIES:
        theory = 0.4 if name in ("revenue", "efficiency") else np.nan
        found |= {
            name: 0.5,
            f"{name}_low": 0.45,
            f"{name}_high": 0.55,
            f"{name}_theory": theory,
            f"{name}_margin": 0.01,
        }
        found |= {f"{name}_verdict": "not converged" if name == "revenue" else ""}
    return pd.DataFrame(found | {"revenue_gap": 0.25, "revenue_needed": np.nan, "grid_revenue_verdict": ""} | columns)


GRID = {"a.rate": [0.1, 1.0, 10.0] * 2, "environment.bidders": [2] * 3 + [5] * 3}
LINES = {"mechanism.kind": ["first-price"] * 3 + ["all-pay"] * 3, "mechanism.reserve": [0.0, 0.2, 0.5] * 2}
POWER = {"kind": "power", "exponent": 2.0}
NAMES = {"mechanism.kind": ["first-price", "all-pay", "third-price"]}


@pytest.mark.parametrize(
    ("keys", "kind", "order"),
    [
        (GRID, "heat", ("a.rate", "environment.bidders")),
        (LINES, "curves", ("mechanism.reserve", "mechanism.kind")),
        ({"mechanism.reserve": [0.0, 0.5, 0.2]}, "curves", ("mechanism.reserve",)),
        (NAMES, "rows", ("mechanism.kind",)),
        ({"mechanism.reserve": [0.0, 0.5]}, "rows", ("mechanism.reserve",)),
        ({"rounds": [5, 5], "seed": [1, 1]}, "rows", ()),
        ({"rounds": [5, 6, 7, 8], "seed": [1, 2, 3, 4]}, "curves", ("rounds", "seed")),  # a diagonal is no grid
    ],
)
def test_figures_follow_how_the_points_lie(keys: dict[str, list[Any]], kind: str, order: tuple[str, ...]) -> None:
    how = layout(table(keys), list(keys))
    assert (how.kind, how.keys) == (kind, order)


@pytest.mark.parametrize("keys", [GRID, LINES, NAMES, {"rounds": [5]}])
@pytest.mark.parametrize("name", QUANTITIES)
def test_every_quantity_has_a_figure_in_every_layout(keys: dict[str, list[Any]], name: str, tmp_path: Path) -> None:
    figure = plot_sweep(table(keys), list(keys), name)
    figure.savefig(tmp_path / "figure.png")
    assert all(axes.get_xlabel() or axes.get_ylabel() for axes in figure.axes)


def test_a_heat_map_shows_revenue_against_equilibrium_with_the_verdict_in_each_cell() -> None:
    gaps = [-0.1, 0.0, 0.05, 0.1, 0.2, np.nan]
    verdicts = ["not converged", "converged", "undecided", "not converged", "not converged", ""]
    figure = plot_sweep(table(GRID, revenue_gap=gaps, revenue_verdict=verdicts), list(GRID), "revenue")
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.texts] == ["−10.0 ✗", "+0.0 ✓", "+5.0 ?", "+10.0 ✗", "+20.0 ✗", "–"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0.1", "1", "10"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["2", "5"]
    image = axes.collections[0]
    colours = image.cmap(image.norm(np.array(gaps[:5])))[:, :3]
    assert colours[1] == pytest.approx(to_rgb("#f4f4f4"), abs=0.01)  # white where it is the equilibrium's
    assert colours[0][0] > colours[0][2]  # orange below
    assert colours[4][2] > colours[4][0]  # blue above


def test_curves_go_through_the_points_in_order_of_the_key() -> None:
    keys = {"mechanism.reserve": [0.5, 0.0, 0.2]}
    revenue = [0.3, 0.1, 0.2]
    axes = plot_sweep(table(keys, revenue=revenue), list(keys), "revenue", optimum=0.45).axes[0]
    line = axes.lines[0]
    assert np.array(line.get_xydata()).tolist() == [[0.0, 0.1], [0.2, 0.2], [0.5, 0.3]]
    assert {"played", "BNE", "optimum"} <= {text.get_text() for text in axes.texts}


def test_wide_ranges_have_a_logarithmic_axis_and_zero_has_not() -> None:
    wide = {"rate": [0.1, 1.0, 100.0]}
    assert plot_sweep(table(wide), ["rate"], "revenue").axes[0].get_xscale() == "log"
    zero = {"rate": [0.0, 1.0, 100.0]}
    assert plot_sweep(table(zero), ["rate"], "revenue").axes[0].get_xscale() == "linear"


def test_an_unknown_quantity_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"unknown quantity 'revenu'\. Did you mean 'revenue'"):
        plot_sweep(table(NAMES), ["mechanism.kind"], "revenu")


# from real runs


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> SweepResult:
    config = {
        **CONFIG,
        "sweep": {"mechanism.kind": ["first-price", "second-price"], "mechanism.reserve": [0.0, 0.2, 0.5]},
    }
    return run_sweep(config, database=f"sqlite:///{tmp_path_factory.mktemp('lab') / 'lab.db'}")


def test_the_page_needs_nothing_else_and_has_a_row_a_point(result: SweepResult, tmp_path: Path) -> None:
    page = write_sweep_report(result, tmp_path / "page.html").read_text("utf-8")
    assert not re.search(r"""(src|href)=["'](?!#)""", page)
    assert page.count("<figure ") == page.count("<figcaption>") == page.count('role="img"') == 3
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    for info in result.points:
        assert f"run {info.id}</span>" in page
    assert "<p>What it is about.</p>" in page
    assert "Myerson 1981" in page


def test_the_headline_says_what_converged_and_where_revenue_is_highest(result: SweepResult) -> None:
    verdicts = ["converged", "not converged", "undecided", "not converged", "converged", "not converged"]
    gaps = [0.0, 0.1, 0.01, -0.3, 0.0, 0.05]
    edited = result.table().assign(
        revenue=[0.1, 0.2, 0.3, 0.4, 0.9, 0.5],
        revenue_low=[0.0, 0.0, 0.0, 0.3, 0.8, 0.4],
        revenue_high=[0.2, 0.4, 0.6, 0.7, 1.0, 0.85],
        revenue_theory=0.8,
        revenue_gap=gaps,
        revenue_verdict=verdicts,
        grid_revenue_verdict=["converged", "converged", "undecided", "", "not converged", "converged"],
        relative_exploitability=[0.0, 0.9, 0.0, 0.0, 0.3, 0.0],
        relative_exploitability_low=[0.0, 0.8, 0.0, 0.0, 0.2, 0.0],
        relative_exploitability_high=[0.0, 1.0, 0.0, 0.0, 0.4, 0.0],
    )
    assert headline(result.points, edited) == [
        "Revenue reached the equilibrium at 2 of 6 points, up to a margin of 2 %; at 3 it did not; 1 is undecided.",
        "At 2 of the others it did reach the equilibrium of the learners' own grid of bids and values.",
        "Furthest from it: 30.0 % below at mechanism second-price, reserve 0.",
        "The right revenue is not yet an equilibrium: at mechanism second-price, reserve 0.2 "
        "a best reply would still gain 30 %.",
        "Revenue was highest, 0.90 ± 0.10, at mechanism second-price, reserve 0.2 (equilibrium: 0.8); "
        "1 other interval overlaps with it.",
    ]
    alone = edited.assign(revenue_low=float("nan"), revenue_high=float("nan"))  # of one replication
    assert not any("overlap" in said for said in headline(result.points, alone))
    unfinished = edited.assign(status=["finished"] * 4 + ["failed", "waiting"])
    assert headline(result.points, unfinished)[-2:] == [
        "1 of 6 points failed; the same command tries again.",
        "1 of 6 points is not finished; the same command goes on.",
    ]
    assert headline(result.points, edited.assign(status="waiting")) == [
        "6 of 6 points are not finished; the same command goes on."
    ]


def test_the_optimum_is_shown_where_points_differ_in_the_mechanism_alone(result: SweepResult, tmp_path: Path) -> None:
    assert optimum(result.points) == pytest.approx(5 / 12, rel=1e-9)  # Myerson (1981): two uniform bidders
    other = run_sweep(
        {**CONFIG, "sweep": {"environment.bidders": [2, 3], "mechanism.reserve": [0.0, 0.5]}},
        database=f"sqlite:///{tmp_path / 'lab.db'}",
    )
    assert optimum(other.points) is None


@pytest.mark.parametrize(
    "sweep",
    [
        {"mechanism.kind": ["second-price", "first-price"], "mechanism.reserve": [0.0, 0.5]},
        {"points": [{"mechanism.reserve": 0.5}, {"environment.bidders": 3, "seed": 4}]},
        {"mechanism": [{"kind": "kth-price", "k": 2}, {"kind": "first-price", "reserve": 0.2}]},
        {"points": [{"mechanism": {"kind": "kth-price", "k": 2}}, {"mechanism.kind": "all-pay"}]},
        {"agents.0.strategy": ["truthful", {"kind": "shading"}], "environment.prior": ["uniform", POWER]},
    ],
)
def test_the_config_in_the_report_is_the_sweep_again(sweep: dict[str, Any], tmp_path: Path) -> None:
    result = run_sweep({**CONFIG, "rounds": 3, "sweep": sweep}, database=f"sqlite:///{tmp_path / 'lab.db'}")
    again = load_sweep(tomllib.loads(document(result.points)))
    assert [point.config.fingerprint for point in again.points] == [info.fingerprint for info in result.points]
    assert again.name == "mine"
