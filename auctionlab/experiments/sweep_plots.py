"""The figures of a sweep: a heat map over two keys, curves over one, or a row a point.

plot_sweep(result.table(), ["mechanism.reserve"], "revenue").savefig("revenue.pdf")
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize, TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from auctionlab.errors import ConfigError, suggest
from auctionlab.experiments.drawing import (
    COLOURS,
    DASHES,
    INK,
    chart,
    colour,
    draw_interval,
    draw_margin,
    label_ends,
    name_rows,
    share_axis,
    two_lines,
)
from auctionlab.experiments.sweep import key_labels, point_label, value_label
from auctionlab.experiments.sweep_result import QUANTITIES, records
from auctionlab.experiments.wording import amount

LINES: Final = 6  # curves in a figure
CELLS: Final = 12  # rows or columns of a heat map whose cells hold numbers
ROWS: Final = 40  # points shown as a row each
_WIDE: Final = 30.0  # largest over smallest value from which an axis is logarithmic
_SHARES: Final = (
    "efficiency",
    "sale_probability",
    "relative_exploitability",
    "truthful",
    "revenue_gap",
    "converged_share",
)
LABELS: Final = {
    "revenue": "revenue an auction (money)",
    "revenue_gap": "revenue against BNE (%)",
    "efficiency": "efficiency (% of best welfare)",
    "sale_probability": "probability of sale (%)",
    "welfare": "welfare an auction (money)",
    "exploitability": "best-reply gain (money)",
    "relative_exploitability": "best-reply gain (%)",
    "grid_exploitability": "best-reply gain on the own grid (money)",
    "truthful": "truthful bids (%)",
    "deviation": "distance from value (money)",
    "regret": "regret (money)",
    "collusion": "collusion index",
    "converged_share": "converged replications (%)",
}
MARKS: Final = {"converged": "✓", "not converged": "✗", "undecided": "?"}


@dataclass(frozen=True)
class Layout:
    """How the points of a sweep lie: "heat" over keys (x, y), "curves" over x with a line for each rest, or "rows".

    keys : the keys that vary, x first.
    """

    kind: str
    keys: tuple[str, ...]

    @property
    def x(self) -> str:
        return self.keys[0]


def layout(table: pd.DataFrame, keys: Sequence[str]) -> Layout:
    """How to show points with these keys."""
    varied = [key for key in keys if len(distinct(table[key])) > 1]
    numeric = [key for key in varied if _is_numeric(table[key])]
    if len(varied) == 2 and len(numeric) in (0, 2):
        sizes = [len(distinct(table[key])) for key in varied]
        if 2 * len(table) > sizes[0] * sizes[1] and min(sizes) > 1 and max(sizes) > 2:
            x, y = sorted(varied, key=lambda key: -len(distinct(table[key])))
            return Layout("heat", (x, y))
    if numeric:
        x = max(numeric, key=lambda key: len(distinct(table[key])))
        rest = [key for key in varied if key != x]
        if len(distinct(table[x])) > 2 and len(_groups(table, rest)) <= LINES:
            return Layout("curves", (x, *rest))
    return Layout("rows", tuple(varied))


def plot_sweep(table: pd.DataFrame, keys: Sequence[str], name: str, optimum: float | None = None) -> Figure:
    """A column of `SweepResult.table` over the sweep, with its intervals and the equilibrium's where there are.

    optimum : a level to mark as the highest possible.   Heat maps of revenue show it relative to equilibrium.
    """
    if name not in QUANTITIES:
        raise ConfigError(f"plot: unknown quantity {name!r}. {suggest(name, QUANTITIES)}")
    how = layout(table, keys)
    if how.kind == "heat":
        known = table["revenue_gap"].notna().any() if name == "revenue" else False
        return _heat(table, how, "revenue_gap" if known else name)
    if how.kind == "curves":
        return _curves(table, how, name, optimum)
    return _rows(table, keys, name)


def distinct(column: Any) -> list[Any]:
    """Its values, each once: numbers in increasing order, others as they come."""
    found = list({_code(value): value for value in column}.values())
    return sorted(found) if all(_number(value) for value in found) else found


def _code(value: Any) -> str:
    return json.dumps(float(value) if _number(value) else value, sort_keys=True, default=str)


def _number(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool | np.bool_)


def _is_numeric(column: pd.Series) -> bool:
    return all(_number(value) for value in column)


def _groups(table: pd.DataFrame, keys: Sequence[str]) -> list[tuple[str, pd.DataFrame]]:
    """The points by their values of some keys, with a name each; one group without a name where there are none."""
    codes = [tuple(_code(row[key]) for key in keys) for row in records(table)]
    parts = [table[[other == code for other in codes]] for code in dict.fromkeys(codes)]
    if len(keys) == 1:  # its values say enough
        return [(value_label(part.iloc[0][keys[0]]), part) for part in parts]
    return [(point_label({key: part.iloc[0][key] for key in keys}), part) for part in parts]


# curves


def _curves(table: pd.DataFrame, how: Layout, name: str, optimum: float | None) -> Figure:
    groups = _groups(table, how.keys[1:])
    theories = [_theory(part, how.x, name) for _, part in groups]
    same = all(other.equals(theories[0]) for other in theories)
    with chart() as (figure, axes):
        ends: list[tuple[float, float, str, str]] = []
        for index, (label, part) in enumerate(groups):
            part = part.sort_values(how.x).dropna(subset=[name])
            if len(part):
                _draw_points(axes, part, how.x, name, index)
                ends.append((0.0, part[name].iloc[-1], _short(label) or "played", colour(index)))
        for index, theory in enumerate(theories[:1] if same else theories):
            ink = INK if same else colour(index)
            if len(theory):
                axes.plot(theory.index, theory, color=ink, linestyle=(0, (5, 3)), linewidth=1.2, zorder=3)
                if same:
                    ends.append((0.0, theory.iloc[-1], "BNE", INK))
        if optimum is not None and name == "revenue":
            axes.axhline(optimum, color=INK, linestyle=(0, (1, 2)), linewidth=1.2, zorder=1)
            ends.append((0.0, optimum, "optimum", INK))
        axes.set_xlabel(key_labels(how.keys)[how.x])
        axes.set_ylabel(LABELS[name])
        _x_axis(axes, distinct(table[how.x]))
        if name in _SHARES:
            share_axis(axes.yaxis)
        axes.margins(x=0.03)
        label_ends(axes, ends)
    return figure


def _draw_points(axes: Axes, part: pd.DataFrame, x: str, name: str, index: int) -> None:
    """A line through the points, each with its interval; full where revenue converged, hollow where it did not.

    Dots of later lines are smaller, so that those below them show.
    """
    ink, places, size = colour(index), part[x].astype(float), max(3.5, 7.5 - 2.5 * index)
    axes.plot(places, part[name], color=ink, linestyle=DASHES[index % len(DASHES)], linewidth=1.2, alpha=0.7)
    low, high = part[f"{name}_low"], part[f"{name}_high"]
    known = np.isfinite(low) & np.isfinite(high)
    axes.vlines(places[known], low[known], high[known], color=ink, linewidth=3, alpha=0.4)
    verdicts = part["revenue_verdict"]
    open_ = (verdicts != "converged") & (verdicts != "")
    for chosen, fill in ((~open_, ink), (open_, "white")):
        style: dict[str, Any] = {
            "markerfacecolor": fill,
            "markeredgecolor": ink,
            "markeredgewidth": 1.2,
            "markersize": size,
        }
        axes.plot(places[chosen], part[name][chosen], "o", **style)


def _theory(part: pd.DataFrame, x: str, name: str) -> pd.Series:
    """The equilibrium's value by x, in order."""
    return part.set_index(part[x].astype(float))[f"{name}_theory"].dropna().sort_index()


def _x_axis(axes: Axes, values: Sequence[float]) -> None:
    if min(values) > 0 and max(values) / min(values) >= _WIDE:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(_few(values)))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    elif len(values) <= 6:
        axes.xaxis.set_major_locator(FixedLocator(list(values)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    else:
        whole = all(float(x).is_integer() for x in values)
        axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10], integer=whole))


def _few(values: Sequence[float], most: int = 7) -> list[float]:
    return list(values)[:: -(-len(values) // most)]


# heat maps


def _heat(table: pd.DataFrame, how: Layout, name: str) -> Figure:
    across, up = (distinct(table[key]) for key in how.keys)
    cells, marks = np.full((len(up), len(across)), np.nan), np.full((len(up), len(across)), "", object)
    columns, rows = ([_code(value) for value in values] for values in (across, up))
    for point in records(table):
        place = rows.index(_code(point[how.keys[1]])), columns.index(_code(point[how.x]))
        cells[place], marks[place] = point[name], MARKS.get(point["revenue_verdict"], "")
    labels = key_labels(how.keys)
    with chart(height=min(6.5, max(2.4, 1.1 + 0.45 * len(up)))) as (figure, axes):
        paint, scale = _paint(cells, name)
        image = axes.pcolormesh(cells, cmap=paint, norm=scale, edgecolors="white", linewidth=1.5)
        for (row, column), value in np.ndenumerate(cells):
            if max(cells.shape) <= CELLS:
                _write_cell(axes, paint(scale(value)), value, (column, row), name, str(marks[row, column]))
        for axis, values, key in ((axes.xaxis, across, how.x), (axes.yaxis, up, how.keys[1])):
            chosen = range(0, len(values), -(-len(values) // CELLS))
            axis.set_ticks([i + 0.5 for i in chosen], [_wrap(value_label(values[i])) for i in chosen])
            axis.set_label_text(labels[key])
        axes.tick_params(length=0)
        for side in ("left", "bottom"):
            axes.spines[side].set_visible(False)
        bar = figure.colorbar(image, ax=axes, aspect=25, pad=0.02)
        bar.outline.set_visible(False)
        bar.ax.tick_params(length=2)
        bar.set_label(LABELS[name], fontsize=9)
        if name in _SHARES:
            bar.ax.yaxis.set_major_locator(MaxNLocator(5))
            share_axis(bar.ax.yaxis)
    return figure


def _paint(cells: np.ndarray, name: str) -> tuple[Colormap, Normalize]:
    """Colours around white at 0 for what is relative to equilibrium, else from light to dark."""
    known = cells[np.isfinite(cells)]
    if name == "revenue_gap":
        span = max(float(np.abs(known).max(initial=0.0)), 0.01)
        shades = LinearSegmentedColormap.from_list("around", [COLOURS[1], "#f4f4f4", COLOURS[0]])
        return shades, TwoSlopeNorm(0.0, -span, span)
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    ink = {"efficiency": COLOURS[2], "sale_probability": COLOURS[2]}.get(
        name, COLOURS[1] if "expl" in name else COLOURS[0]
    )
    return LinearSegmentedColormap.from_list("up", ["#f4f4f4", ink]), Normalize(low, high if high > low else low + 1.0)


def _write_cell(axes: Axes, paint: Sequence[float], value: float, at: tuple[int, int], name: str, mark: str) -> None:
    """The number in a cell, dark on light and light on dark, with the verdict on revenue."""
    light = 0.299 * paint[0] + 0.587 * paint[1] + 0.114 * paint[2] > 0.55
    if not np.isfinite(value):
        text, light = "–", True
    elif name in _SHARES:
        text = f"{100 * value:{'+' if name == 'revenue_gap' else ''}.{0 if abs(value) >= 1 else 1}f}".replace("-", "−")
    else:
        text = amount(value, "", abs(value) / 10)
    text = f"{text} {mark}".strip() if name == "revenue_gap" else text
    ink = "#111111" if light else "#ffffff"
    axes.text(at[0] + 0.5, at[1] + 0.5, text, ha="center", va="center", fontsize=8, color=ink)


# rows


def _rows(table: pd.DataFrame, keys: Sequence[str], name: str) -> Figure:
    varied = [key for key in keys if len(distinct(table[key])) > 1] or list(keys)
    points = records(table.head(ROWS))
    names = [two_lines(point_label({key: point[key] for key in varied}), 28) for point in points]
    with chart(height=max(1.8, 0.9 + sum(0.16 * (name.count("\n") + 2) for name in names))) as (figure, axes):
        told = False
        for index, point in enumerate(points):
            place, theory = len(points) - 1 - index, point[f"{name}_theory"]
            if not np.isfinite(point[name]):
                continue
            if np.isfinite(theory):
                told = True
                margin = point[f"{name}_margin"]
                draw_margin(axes, theory, margin if name == "revenue" and np.isfinite(margin) else None, place)
                axes.plot([theory] * 2, [place - 0.3, place + 0.3], color=INK, linewidth=2)
            draw_interval(axes, point[name], point[f"{name}_low"], point[f"{name}_high"], place, colour(0))
        name_rows(axes, names)
        axes.set_xlabel(LABELS[name] + ("; | = BNE" if told else ""))
        if name in _SHARES:
            share_axis(axes.xaxis)
    return figure


def _wrap(text: str, width: int = 14) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _short(label: str) -> str:
    """A name beside a line, broken after commas."""
    return "\n".join(_wrap(part, 20) for part in label.split(", ")[:2])
