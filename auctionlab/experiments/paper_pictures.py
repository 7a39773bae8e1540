"""Figures of a paper's findings: for each metric, what this run found beside what the paper claims, a row a finding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from auctionlab.experiments.drawing import (
    COLOURS,
    INK,
    chart,
    draw_interval,
    draw_margin,
    name_rows,
    share_axis,
    two_lines,
)
from auctionlab.experiments.findings import AGREES, DIFFERS, Comparison, Judged
from auctionlab.experiments.pictures import Picture

SHARES: Final = ("efficiency", "sale probability", "participation", "truthful")
_PAINT: Final = {AGREES: COLOURS[2], DIFFERS: COLOURS[1]}  # with the icon of the verdict beside it


def paper_pictures(comparison: Comparison | None) -> list[Picture]:
    """A figure for each metric that two findings or more are about; none without a paper."""
    groups: dict[str, list[Judged]] = {}
    for found in () if comparison is None else comparison.findings:
        if math.isfinite(found.mean):
            groups.setdefault(found.metric, []).append(found)
    return [_picture(metric, group) for metric, group in groups.items() if len(group) > 1]


def _picture(metric: str, group: Sequence[Judged]) -> Picture:
    caption = (
        "Dot: this run, with its 95 % interval over replications. Grey: where the paper's finding holds; the upright "
        "mark is its number or bound. ✓ agrees, ✗ differs, ? undecided."
    )
    alt = "; ".join(f"{one.where or 'this run'}: {one.found}, paper {one.paper}" for one in group)
    columns = ("text", "where", "mean", "low", "high", "n", "holds_from", "holds_to", "verdict")
    table = pd.DataFrame([{name: getattr(one, name) for name in columns} for one in group])
    name = f"paper-{metric.replace(', ', '-').replace(' ', '-')}"
    return Picture(name, f"Paper and run: {metric}", f"{metric}: {alt}.", caption, plot_findings(metric, group), table)


def plot_findings(metric: str, group: Sequence[Judged]) -> Figure:
    """One row a finding: this run's mean and interval, and in grey where the paper's claim holds."""
    names = [two_lines(f"{one.badge.icon} {one.where or 'this run'}", 28) for one in group]
    with chart(height=max(1.8, 0.9 + sum(0.22 + 0.16 * (name.count("\n") + 1) for name in names))) as (figure, axes):
        places = range(len(group) - 1, -1, -1)
        for place, one in zip(places, group, strict=True):
            draw_interval(axes, one.mean, one.low, one.high, place, _PAINT.get(one.verdict, COLOURS[4]))
            draw_margin(axes, _number(one), _margin(one), place)
            axes.plot([_number(one)] * 2, [place - 0.3, place + 0.3], color=INK, linewidth=2)
        name_rows(axes, names)
        _fill(axes, group, places)
        axes.set_xlabel(f"{metric}; | = paper")
        if metric.partition(",")[0] in SHARES:
            share_axis(axes.xaxis)
    return figure


def _number(one: Judged) -> float:
    """The paper's number, or the bound of its claim."""
    low, high = one.holds_from, one.holds_to
    return (low + high) / 2 if math.isfinite(low + high) else low if math.isfinite(low) else high


def _margin(one: Judged) -> float | None:
    half = (one.holds_to - one.holds_from) / 2
    return half if math.isfinite(half) else None


def _fill(axes: Axes, group: Sequence[Judged], places: Sequence[int]) -> None:
    """Where a direction holds, in grey, from its bound to the end of the axis."""
    left, right = axes.get_xlim()
    for place, one in zip(places, group, strict=True):
        if _margin(one) is None:
            low, high = max(one.holds_from, left), min(one.holds_to, right)
            draw_margin(axes, (low + high) / 2, (high - low) / 2, place)
    axes.set_xlim(left, right)
