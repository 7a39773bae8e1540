"""The figures of a report, one function a figure: matplotlib figures made without pyplot.

plot_revenue(analysis).savefig("revenue.pdf")
save_figures(analysis, "figures", ("png", "svg"))     # all that apply, and their numbers as CSV
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from auctionlab.errors import ConfigError
from auctionlab.experiments.analysis import Analysis
from auctionlab.experiments.drawing import (
    HEIGHT,
    INK,
    chart,
    colour,
    draw_density,
    draw_interval,
    draw_margin,
    draw_series,
    draw_theory,
    label_ends,
    name_rows,
    rounds_axis,
    share_axis,
)

CROWD: Final = 1_500  # more dots than this are shown as a density
PANELS: Final = 6  # at most so many panels in a figure


def plot_bids(analysis: Analysis) -> Figure:
    """Recorded bids of the window against values, one panel a strategy, with the equilibrium bid as a dashed line."""
    names = strategy_names(analysis)
    groups = sorted(_groups(analysis.bids), key=lambda group: list(names).index(group[0]))[:PANELS]
    if not groups:
        raise ConfigError(
            f"{analysis.run.name}: no bids of the judged rounds are recorded, so there is nothing to plot"
        )
    columns = min(2, len(groups))
    rows = -(-len(groups) // columns)
    height = HEIGHT if rows == 1 else 2.3 * rows
    with chart(rows, columns, height, sharex=True, sharey=True, squeeze=False) as (figure, axes):
        for spare in axes.flat[len(groups) :]:
            spare.set_visible(False)
        for index, (key, bids) in enumerate(groups):
            panel, ink = axes.flat[index], list(names).index(key)
            if len(bids) > CROWD:
                draw_density(panel, bids["signal"], bids["bid"], ink)
            else:
                style = {"s": 7, "alpha": 0.4, "linewidths": 0, "rasterized": len(bids) > 300}
                panel.scatter(bids["signal"], bids["bid"], color=colour(ink), **style)
            curve = _rows(analysis.bid_functions, key).dropna(subset=["theory"])
            panel.plot(curve["signal"], curve["theory"], color=INK, linestyle=(0, (5, 3)), linewidth=1.4)
            if len(groups) > 1:
                panel.set_title(names[key])
        figure.supxlabel("value (money)", fontsize=10)
        figure.supylabel("bid (money)", fontsize=10)
        _limit_bids(axes.flat[0], analysis)
        if len(groups) == 1 and len(curve):
            label_ends(panel, [(0.0, curve["theory"].iloc[-1], "BNE", INK)])
    return figure


def plot_bid_function(analysis: Analysis) -> Figure:
    """The mean bid at each value with its 95 % band over replications, one line a strategy; equilibrium dashed."""
    names = strategy_names(analysis)
    with chart() as (figure, axes):
        ends = []
        groups = _groups(analysis.bid_functions)
        drawn = _draw_theory_curves(axes, groups)
        for key, table in groups:
            table, index = table.dropna(subset=["mean"]), list(names).index(key)
            if table.empty:
                continue
            draw_series(axes, table["signal"], table["mean"], table["low"], table["high"], index)
            ends.append((table["signal"].iloc[-1], table["mean"].iloc[-1], names[key], colour(index)))
        axes.set_xlabel("value (money)")
        axes.set_ylabel("mean bid (money)")
        axes.margins(x=0.02)
        label_ends(axes, ends + drawn)
    return figure


def plot_revenue(analysis: Analysis) -> Figure:
    """Revenue an auction by round with its 95 % band; equilibrium revenue dashed, the margin around it grey."""
    theory, margin = _theory(analysis, "revenue")
    return _plot_series(analysis, "revenue", "revenue an auction (money)", theory, margin)


def plot_efficiency(analysis: Analysis) -> Figure:
    """Efficiency by round: realised welfare as a share of the best possible; the equilibrium's dashed."""
    theory, _ = _theory(analysis, "efficiency")
    return _plot_series(analysis, "efficiency", "efficiency (% of best welfare)", theory, share=True)


def plot_truthfulness(analysis: Analysis) -> Figure:
    """Share of truthful bids by round, of the whole market or one line a strategy."""
    return _plot_series(analysis, "truthful", "truthful bids (%)", None, share=True, by_strategy=True)


def plot_utility(analysis: Analysis) -> Figure:
    """Mean utility an auction of each strategy in the judged rounds: dot and 95 % interval, equilibrium as a tick."""
    table, names = analysis.by_strategy, strategy_names(analysis)
    with chart(height=max(1.6, 0.9 + 0.45 * len(table))) as (figure, axes):
        for index, row in enumerate(table.to_dict("records")):
            place = len(table) - 1 - index
            draw_interval(axes, row["utility"], row["utility_low"], row["utility_high"], place, colour(index))
            if np.isfinite(row["utility_theory"]):
                axes.plot([row["utility_theory"]] * 2, [place - 0.3, place + 0.3], color=INK, linewidth=2)
        name_rows(axes, [names[key] for key in zip(table["role"], table["strategy"], strict=True)])
        unit = next((estimate.unit for estimate in analysis.estimates if estimate.name == "utility"), "money")
        axes.set_xlabel(
            f"utility an auction{' (money)' if unit == 'money' else ''}"
            + ("; | = BNE" if _any(table["utility_theory"]) else "")
        )
    return figure


def plot_comparison(analyses: Sequence[Analysis], name: str = "revenue") -> Figure:
    """One estimate of several runs: dot and 95 % interval a run, its equilibrium as a tick and its margin in grey."""
    found = [analysis.estimate(name) for analysis in analyses]
    units = {estimate.unit for estimate in found if estimate is not None}
    with chart(height=max(1.8, 0.9 + 0.5 * len(found))) as (figure, axes):
        for index, estimate in enumerate(found):
            if estimate is None:
                continue
            place = len(found) - 1 - index
            if estimate.theory is not None:
                draw_margin(axes, estimate.theory, estimate.margin if estimate.unit == "money" else None, place)
                axes.plot([estimate.theory] * 2, [place - 0.3, place + 0.3], color=INK, linewidth=2)
            draw_interval(axes, estimate.mean, estimate.low, estimate.high, place, colour(index))
        name_rows(axes, [run_label(analysis) for analysis in analyses])
        told = any(estimate is not None and estimate.theory is not None for estimate in found)
        unit = " (%)" if units == {"share"} else " an auction (money)" if units == {"money"} else ""
        axes.set_xlabel(f"{name}{unit}{'; | = BNE' if told else ''}")
        if units == {"share"}:
            share_axis(axes.xaxis)
    return figure


def plot_differences(rows: Sequence[tuple[str, float, float, float, float]]) -> Figure:
    """Differences in revenue: dot and 95 % interval in a row each, the margin of equivalence around 0 in grey.

    rows : (name, difference, low, high, margin).
    """
    with chart(height=max(1.5, 0.9 + 0.5 * len(rows))) as (figure, axes):
        axes.axvline(0.0, color=INK, linewidth=0.8)
        for index, (_, mean, low, high, margin) in enumerate(rows):
            place = len(rows) - 1 - index
            draw_margin(axes, 0.0, margin, place)
            draw_interval(axes, mean, low, high, place, colour(index + 1))
        name_rows(axes, [_wrap(name) for name, *_ in rows])
        axes.set_xlabel("difference in revenue an auction (money)")
    return figure


def save_figures(analysis: Analysis, folder: str | Path, formats: Iterable[str] = ("png", "svg")) -> list[Path]:
    """Write every figure that applies in each format, and the numbers of each figure as CSV; the paths, in order.

    formats : of "png", "svg", "pdf"; none gives the CSV files alone.   Raises StoreError where it cannot write.
    """
    from auctionlab.experiments.pictures import pictures, write_pictures

    return write_pictures(pictures(analysis), {"estimates": estimates_table(analysis)}, folder, formats)


def estimates_table(analysis: Analysis) -> pd.DataFrame:
    """The estimates as a table, one row each, in full precision."""
    fields = ("name", "strategy", "role", "unit", "mean", "low", "high", "n", "theory", "margin", "verdict", "needed")
    return pd.DataFrame([{key: getattr(e, key) for key in fields} for e in analysis.estimates], columns=list(fields))


def strategy_names(analysis: Analysis) -> dict[tuple[Any, Any], str]:
    """What to call each (role, strategy), in the order of colours: its name, with the role if there are several."""
    frames = (analysis.by_strategy, analysis.bid_functions, analysis.bids)
    keys = [key for frame in frames if len(frame) for key in zip(frame["role"], frame["strategy"], strict=True)]
    several = len({role for role, _ in keys}) > 1
    return {(role, name): _wrap(f"{name}, role {role}" if several else str(name)) for role, name in keys}


def run_label(analysis: Analysis) -> str:
    """A run's number and name, for a row of a figure."""
    return _wrap(f"{analysis.run.id} {analysis.run.name}")


def _theory(analysis: Analysis, name: str) -> tuple[float | None, float | None]:
    """Theory and margin of an estimate of the whole market."""
    estimate = analysis.estimate(name)
    return (estimate.theory, estimate.margin) if estimate is not None else (None, None)


def _plot_series(
    analysis: Analysis,
    name: str,
    label: str,
    theory: float | None,
    margin: float | None = None,
    share: bool = False,
    by_strategy: bool = False,
) -> Figure:
    lines = series_lines(analysis, name, by_strategy)
    names = strategy_names(analysis)
    with chart() as (figure, axes):
        ends = []
        if theory is not None and np.isfinite(theory):
            draw_theory(axes, theory, margin)
            ends.append((0.0, theory, "BNE" + (f" ± {_short(margin)}" if margin else ""), INK))
        for key, table in lines:
            index = 0 if key is None else list(names).index(key)
            draw_series(axes, table["round"], table["mean"], table["low"], table["high"], index)
            text = "whole market" if key is None else names[key]
            ends.append((0.0, table["mean"].iloc[-1], "played" if len(lines) == 1 else text, colour(index)))
        axes.set_ylabel(label)
        rounds_axis(axes)
        if share:
            share_axis(axes.yaxis)
            top = axes.get_ylim()[1]
            axes.set_ylim(0 if by_strategy else None, min(top, 1.02))
        axes.margins(x=0.02)
        _mark_window(axes, analysis)
        label_ends(axes, ends)
    return figure


def series_lines(analysis: Analysis, name: str, by_strategy: bool = False) -> list[tuple[Any, pd.DataFrame]]:
    """The lines of a series: of the whole market where it has one, else (or if asked, and several) of each strategy."""
    rows = analysis.series[analysis.series["name"] == name]
    whole = rows[rows["strategy"].isna()]
    parts = _groups(rows[rows["strategy"].notna()])
    if len(whole) and not (by_strategy and len(parts) > 1):
        return [(None, whole.sort_values("round"))]
    return parts


def _groups(table: pd.DataFrame) -> list[tuple[tuple[Any, Any], pd.DataFrame]]:
    """Sub-tables by (role, strategy), in order of first appearance."""
    if not len(table):
        return []
    return [((role, name), part) for (role, name), part in table.groupby(["role", "strategy"], sort=False)]


def _rows(table: pd.DataFrame, key: tuple[Any, Any]) -> pd.DataFrame:
    return table[(table["role"] == key[0]) & (table["strategy"] == key[1])]


def _draw_theory_curves(axes: Any, groups: Sequence[Any]) -> list[tuple[float, float, str, str]]:
    """One dashed line for each different equilibrium bid function; returns its labels."""
    seen: dict[Any, tuple[float, float]] = {}
    for (role, _), table in groups:
        curve = table.dropna(subset=["theory"])
        if curve.empty or role in seen:
            continue
        axes.plot(curve["signal"], curve["theory"], color=INK, linestyle=(0, (5, 3)), linewidth=1.4, zorder=3)
        seen[role] = (curve["signal"].iloc[-1], curve["theory"].iloc[-1])
    return [(*at, "BNE" if len(seen) == 1 else f"BNE, role {role}", INK) for role, at in seen.items()]


def _limit_bids(axes: Any, analysis: Analysis) -> None:
    """Leave out of view the highest 0.2 % of bids, so that a few wild ones do not flatten all others."""
    theory = analysis.bid_functions["theory"].max() if len(analysis.bid_functions) else np.nan
    top = np.nanmax([analysis.bids["bid"].quantile(0.998), theory])
    low = min(0.0, analysis.bids["bid"].min())
    if top > low:
        axes.set_ylim(low - 0.02 * (top - low), top + 0.1 * (top - low))


def _mark_window(axes: Any, analysis: Analysis) -> None:
    """A thin line where the judged rounds begin."""
    first, last = analysis.window
    if 0 < first < last:
        axes.axvline(first, color=INK, linewidth=0.8, alpha=0.5)
        axes.text(first, 1.01, "judged", transform=axes.get_xaxis_transform(), fontsize=9, va="bottom", ha="left")


def _wrap(text: str) -> str:
    lines = textwrap.wrap(" ".join(text.split()), 17)
    return "\n".join(lines[:2]) + (" …" if len(lines) > 2 else "")


def _short(number: float | None) -> str:
    return f"{number:.2g}" if number is not None else ""


def _any(column: pd.Series) -> bool:
    return bool(np.isfinite(column.astype(float)).any())
