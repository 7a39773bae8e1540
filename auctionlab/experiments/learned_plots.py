"""Figures of how learned play developed: bid functions by stage, regret and exploitability, two agents, convergence."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from auctionlab.errors import ConfigError
from auctionlab.experiments.analysis import Analysis
from auctionlab.experiments.drawing import HEIGHT, INK, chart, colour, draw_series, label_ends, rounds_axis, share_axis
from auctionlab.experiments.plots import strategy_names

_RATE: Final = ("regret", "exploitability")
_WORDS: Final = {"regret": "regret", "exploitability": "gain from a\nbest reply"}


def plot_stages(analysis: Analysis) -> Figure:
    """Learned bid functions, a panel for each stage of the run: lines with bands, the equilibrium's dashed."""
    table = _needed(analysis, analysis.stages, "bid functions by stage")
    names = strategy_names(analysis)
    spans = table[["first", "last"]].drop_duplicates().to_numpy(int)
    rows = -(-len(spans) // 2)
    with chart(rows, 2, 1.75 * rows + 0.4, sharex=True, sharey=True, squeeze=False) as (figure, axes):
        for spare in axes.flat[len(spans) :]:
            spare.set_visible(False)
        for panel, (first, last) in zip(axes.flat, spans, strict=False):
            stage = table[table["first"] == first]
            for (role, strategy), part in stage.groupby(["role", "strategy"], sort=False):
                index = list(names).index((role, strategy)) if (role, strategy) in names else 0
                known = part.dropna(subset=["theory"])
                panel.plot(known["signal"], known["theory"], color=INK, linestyle=(0, (5, 3)), linewidth=1.1)
                shown = part.dropna(subset=["mean"])
                draw_series(panel, shown["signal"], shown["mean"], shown["low"], shown["high"], index)
            panel.set_title(f"rounds {first + 1:,} to {last:,}", fontsize=9)
            panel.xaxis.set_major_locator(MaxNLocator(4))
        figure.supxlabel("value (money)", fontsize=10)
        figure.supylabel("mean bid (money)", fontsize=10)
        keys = list(dict.fromkeys(zip(table["role"], table["strategy"], strict=True)))
        if len(keys) > 1:
            handles = [axes.flat[0].plot([], [], color=colour(list(names).index(key)))[0] for key in keys]
            labels = [names[key].replace("\n", " ") for key in keys]
            figure.legend(handles, labels, loc="outside upper left", ncols=2, frameon=False, fontsize=9)
    return figure


def plot_regret(analysis: Analysis) -> Figure:
    """Regret so far and the gain from a best reply to current play, by round on log axes; the rate t^−1/2 dotted."""
    lines = {name: rate_line(analysis, name) for name in _RATE}
    if not any(len(line) > 1 for line in lines.values()):
        raise ConfigError(f"{analysis.run.name}: nobody learns, or too little was played to tell regret")
    with chart() as (figure, axes):
        axes.set_xscale("log")
        axes.set_yscale("log")
        ends = []
        for index, (name, line) in enumerate(lines.items()):
            if len(line) < 2:
                continue
            low = line["low"].clip(lower=line["mean"] / 10)  # a band down to 0 has no end on a log axis
            draw_series(axes, line["round"], line["mean"], low, line["high"], index)
            ends.append((name, line["mean"].iloc[-1], index))
        guide = next(line for line in lines.values() if len(line) > 1)
        _draw_rate(axes, guide)
        top = max(line["mean"].max() for line in lines.values() if len(line))
        bottom = min(line["mean"].min() for line in lines.values() if len(line))
        axes.set_ylim(bottom / 2, top * 2)
        axes.set_xlabel("round")
        axes.set_ylabel("money an auction")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if top < 30 * bottom else (1,)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        _label_log_ends(axes, [(value, _WORDS[name], colour(index)) for name, value, index in ends])
    return figure


def plot_agents(analysis: Analysis) -> Figure:
    """Mean bids of the first two agents against each other, darker as time goes on; thin: single replications."""
    table = _needed(analysis, analysis.agents, "mean bids of two agents", "nobody learns, rivals change (`strangers`)")
    table = table.sort_values(["round", "agent"])
    paths = {key: part.pivot(index="round", columns="agent", values="mean").dropna() for key, part in _runs(table)}
    whole = paths.pop("")
    first, second = whole.columns[:2]
    x, y = whole[first].to_numpy(), whole[second].to_numpy()
    with chart(height=HEIGHT + 0.6) as (figure, axes):
        for path in paths.values():
            axes.plot(path[first], path[second], color=colour(5), linewidth=0.6, alpha=0.6)
        points = np.stack([x, y], axis=1)
        segments: Any = np.stack([points[:-1], points[1:]], axis=1)
        fade = np.linspace(0.25, 1.0, max(len(segments), 1))
        axes.add_collection(LineCollection(segments, colors=colour(0), alpha=fade, linewidths=2.2, zorder=3))
        axes.plot(x[:1], y[:1], "o", color=colour(1), markersize=7, zorder=4, label="first rounds")
        axes.plot(x[-1:], y[-1:], "s", color=colour(0), markersize=7, zorder=4, label="last rounds")
        every = np.concatenate([x, y, *(path.to_numpy().ravel() for path in paths.values())])
        low, high = every.min(), every.max()
        pad = 0.06 * (high - low) or 0.01
        theory = _mean_theory(analysis, [first, second])
        if theory is not None:
            axes.plot([theory[0]], [theory[1]], "+", color=INK, markersize=12, markeredgewidth=2, zorder=5, label="BNE")
            low, high = min(low, *theory), max(high, *theory)
        axes.plot([low - pad, high + pad], [low - pad, high + pad], color=INK, linewidth=0.6, alpha=0.5)
        axes.set_xlim(low - pad, high + pad)
        axes.set_ylim(low - pad, high + pad)
        axes.set_aspect("equal")
        labels = agent_names(analysis)
        axes.set_xlabel(f"mean bid of {labels[0]} (money)")
        axes.set_ylabel(f"mean bid of {labels[1]} (money)")
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        figure.legend(loc="outside upper left", ncols=3, frameon=False, fontsize=9)
    return figure


def plot_convergence(analysis: Analysis) -> Figure:
    """The share of replications whose revenue has reached the margin around equilibrium and stays there, by round."""
    table = _needed(analysis, analysis.convergence, "times to convergence")
    steps = converged_by(table, analysis.run.rounds)
    with chart() as (figure, axes):
        axes.step(steps["round"], steps["share"], where="post", color=colour(0))
        axes.fill_between(steps["round"], steps["low"], steps["high"], step="post", color=colour(0), alpha=0.22, lw=0)
        axes.set_ylabel("converged replications (%)")
        rounds_axis(axes)
        share_axis(axes.yaxis)
        axes.set_ylim(-0.02, 1.02)
        axes.margins(x=0.02)
        share = steps["share"].iloc[-1]
        label_ends(axes, [(0.0, share, f"{100 * share:.0f} %", colour(0))])
    return figure


def converged_by(table: pd.DataFrame, rounds: int) -> pd.DataFrame:
    """The share converged by each round at which it changes, with its 95 % interval: round, share, low, high."""
    from auctionlab.experiments.convergence import share_interval

    times = table["round"].to_numpy(float)
    places = np.unique(np.concatenate([[0.0], times[np.isfinite(times)], [float(rounds)]]))
    found = [share_interval(times <= place) for place in places]
    return pd.DataFrame(
        {
            "round": places.astype(int),
            "share": [one.mean for one in found],
            "low": [one.low for one in found],
            "high": [one.high for one in found],
        }
    )


def rate_line(analysis: Analysis, name: str) -> pd.DataFrame:
    """A series of the whole market, where it is above 0: what a log axis can show."""
    rows = analysis.series[(analysis.series["name"] == name) & analysis.series["strategy"].isna()]
    return rows[rows["mean"] > 0].sort_values("round")


def agent_names(analysis: Analysis) -> list[str]:
    """What to call the two agents: their strategies, with a number where both follow one."""
    found = analysis.agents.drop_duplicates("agent").sort_values("agent")["strategy"].tolist()
    same = len(set(found)) == 1
    return [f"{name} {number}" if same else str(name) for number, name in enumerate(found, start=1)]


def _draw_rate(axes: Any, line: pd.DataFrame) -> None:
    """A dotted guide that falls as the inverse square root of the rounds, from a point of the line on."""
    start = line.iloc[len(line) // 3]
    x = np.geomspace(float(start["round"]), float(line["round"].iloc[-1]), 20)
    axes.plot(x, start["mean"] * np.sqrt(x[0] / x), color=INK, linestyle=":", linewidth=1.2, label="t$^{-1/2}$")
    legend = axes.legend(loc="upper right", frameon=False, fontsize=9)
    for text in legend.get_texts():
        text.set_parse_math(True)


def _label_log_ends(axes: Any, labels: list[tuple[float, str, str]]) -> None:
    """Names at the right ends of lines on a log axis, apart from each other."""
    edge = axes.get_yaxis_transform()
    low, high = np.log(axes.get_ylim())
    heights: list[float] = []
    for value, text, ink in sorted(labels):
        height = (np.log(value) - low) / (high - low)
        if heights:
            height = max(height, heights[-1] + 0.12)
        heights.append(height)
        axes.text(1.02, np.exp(low + height * (high - low)), text, transform=edge, color=INK, fontsize=9, va="center")
        axes.plot([1.0, 1.015], [value, np.exp(low + height * (high - low))], transform=edge, color=ink, clip_on=False)


def _mean_theory(analysis: Analysis, agents: list[Any]) -> tuple[float, float] | None:
    """Mean equilibrium bids of the agents' roles; None where unknown."""
    found = []
    for agent in agents:
        role = analysis.agents[analysis.agents["agent"] == agent]["role"].iloc[0]
        curve = analysis.stages[(analysis.stages["role"] == role)]["theory"]
        if curve.isna().any() or not len(curve):
            return None
        found.append(float(curve.mean()))
    return found[0], found[1]


def _runs(table: pd.DataFrame) -> list[tuple[Any, pd.DataFrame]]:
    """Parts of a table of agents: of each replication that it shows, and "" for the mean over all."""
    keys = [number if number == number and number is not None else "" for number in table["replication"]]
    return list(table.groupby(np.array(keys, object), sort=False))


def _needed(analysis: Analysis, table: pd.DataFrame, what: str, why: str = "nobody learns") -> pd.DataFrame:
    if not len(table):
        raise ConfigError(f"{analysis.run.name}: {what} are not measured: {why}, or the run is unfinished")
    return table
