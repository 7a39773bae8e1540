"""Which figures a sweep has, with a title, what to look at, what they show in words, and their numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pandas as pd

from auctionlab.environments.private import PrivateValues
from auctionlab.errors import AuctionlabError
from auctionlab.experiments.config import load_config
from auctionlab.experiments.pictures import Picture
from auctionlab.experiments.sweep import key_labels, point_label
from auctionlab.experiments.sweep_plots import ROWS, Layout, layout, plot_sweep
from auctionlab.experiments.sweep_result import records, swept_keys
from auctionlab.experiments.wording import amount
from auctionlab.platform.runs import RunInfo
from auctionlab.theory.optimal import optimal_revenue

_TITLES: Final = {
    "revenue": "Revenue",
    "efficiency": "Efficiency",
    "relative_exploitability": "Gain from a best reply",
    "exploitability": "Gain from a best reply",
    "truthful": "Truthful bids",
}
_MEANINGS: Final = {
    "efficiency": "Value created as a share of the most that was possible.",
    "relative_exploitability": "What a bidder who replied best to the others would gain, as a share of utility in "
    "equilibrium. Small means that play is close to an equilibrium, whatever revenue says.",
    "exploitability": "What a bidder who replied best to the others would gain. Small means that play is close to an "
    "equilibrium.",
    "truthful": "Share of bids that are the value, up to the resolution of the bid grid; truth is dominant here.",
}


def sweep_pictures(points: Sequence[RunInfo], table: pd.DataFrame) -> list[Picture]:
    """The figures that the sweep has numbers for."""
    keys = swept_keys(points)
    gain = "relative_exploitability" if table["relative_exploitability"].notna().any() else "exploitability"
    several = 1 if len(table) > 1 else 0  # one number, or the same at all points, is nothing to see
    names = [name for name in ("efficiency", gain, "truthful") if table[name].dropna().round(9).nunique() > several]
    names = [*(["revenue"] if table["revenue"].notna().any() else []), *names]
    how, best = layout(table, keys), optimum(points)
    return [_picture(name, points, table, keys, how, best) for name in names]


def optimum(points: Sequence[RunInfo]) -> float | None:
    """The highest revenue that any auction can expect (Myerson 1981), where points differ in the mechanism alone."""
    configs = [info.config for info in points]
    varied = {key.split(".")[0] for key in swept_keys(points)}
    if "mechanism" not in varied or any(config["environment"] != configs[0]["environment"] for config in configs):
        return None
    environment = load_config(configs[0]).environment
    if not isinstance(environment, PrivateValues) or not environment.risk_neutral or not points[0].single_item:
        return None
    try:
        return optimal_revenue(environment.priors)
    except AuctionlabError:
        return None


def _picture(
    name: str, points: Sequence[RunInfo], table: pd.DataFrame, keys: list[str], how: Layout, best: float | None
) -> Picture:
    own = [column for column in map(str, table) if column == name or column.startswith(f"{name}_")]
    columns = ["number", "run", *keys, *own]
    figure = plot_sweep(table, keys, name, best)
    caption = _revenue_caption(table, how, best) if name == "revenue" else _other_caption(name, table, how)
    return Picture(name.replace("_", "-"), _TITLES[name], _alt(name, table, keys), caption, figure, table[columns])


def _revenue_caption(table: pd.DataFrame, how: Layout, best: float | None) -> str:
    told = table["revenue_theory"].notna().any()
    if how.kind == "heat":
        if not told:
            return "Average revenue an auction in the judged rounds."
        return (
            "Revenue in the judged rounds relative to the Bayes-Nash equilibrium (BNE) of each point: blue above, "
            "orange below, white where it is the equilibrium's. ✓ converged, ✗ not converged, ? undecided."
        )
    text = "Average revenue an auction in the judged rounds, with its 95 % interval over replications."
    if how.kind == "rows":
        mark = " Upright mark: the Bayes-Nash equilibrium (BNE); grey: the margin around it." if told else ""
        rest = f" The first {ROWS} of {len(table)} points." if len(table) > ROWS else ""
        return text + mark + rest
    if told:
        text += " Dashed: the Bayes-Nash equilibrium (BNE). Full dots converged to it, hollow ones did not, or not yet."
    if best is not None:
        text += " Dotted: the most that any auction can expect (Myerson 1981)."
    return text


def _other_caption(name: str, table: pd.DataFrame, how: Layout) -> str:
    text = _MEANINGS[name]
    if how.kind == "curves" and table[f"{name}_theory"].notna().any():
        text += " Dashed: in the Bayes-Nash equilibrium (BNE)."
    if how.kind == "rows" and table[f"{name}_theory"].notna().any():
        text += " Upright mark: in the Bayes-Nash equilibrium (BNE)."
    return text


def _alt(name: str, table: pd.DataFrame, keys: Sequence[str]) -> str:
    unit = "" if name in ("revenue", "exploitability") else "share"
    known = sorted(records(table.dropna(subset=[name])), key=lambda row: row[name])
    lowest, highest = known[0], known[-1]
    ends = [f"{amount(row[name], unit)} at {_at(row, keys)}" for row in (lowest, highest)]
    return f"{_TITLES[name]} over {', '.join(key_labels(keys).values())}: from {ends[0]} to {ends[1]}."


def _at(row: Any, keys: Sequence[str]) -> str:
    return point_label({key: row[key] for key in keys})
