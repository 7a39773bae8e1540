"""The figures of how learned play developed, in words."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from auctionlab.experiments import learned_plots
from auctionlab.experiments.analysis import Analysis
from auctionlab.experiments.pictures import Picture
from auctionlab.experiments.wording import amount


def learned_pictures(analysis: Analysis) -> Iterator[Picture]:
    """Those that this run has numbers for; none where nobody learns."""
    if len(analysis.stages):
        yield _stages(analysis)
    if len(analysis.convergence):
        yield _convergence(analysis)
    if (
        len(learned_plots.rate_line(analysis, "regret")) > 1
        or len(learned_plots.rate_line(analysis, "exploitability")) > 1
    ):
        yield _regret(analysis)
    if len(analysis.agents) and analysis.run.seats * analysis.run.groups == 2:
        yield _agents(analysis)


def _stages(analysis: Analysis) -> Picture:
    table = analysis.stages
    caption = (
        "How the bid function was learned: a panel for each stage of the run, each about three times as long as the "
        "one before; the last are the judged rounds. Band: 95 % interval over replications."
    )
    if table["theory"].notna().any():
        caption += " Dashed: the Bayes-Nash equilibrium (BNE)."
    alt = "Learned bid functions by stage: " + "; ".join(
        f"up to round {last:,}: mean bid {amount(float(part['mean'].mean()))}"
        for last, part in table.groupby("last", sort=True)
    )
    return Picture(
        "stages", "Bids as they were learned", alt + ".", caption, learned_plots.plot_stages(analysis), table
    )


def _convergence(analysis: Analysis) -> Picture:
    data = learned_plots.converged_by(analysis.convergence, analysis.run.rounds)
    share = float(data["share"].iloc[-1])
    caption = (
        "The share of replications whose revenue has come within the margin around equilibrium and stays there to the "
        "end. Revenue is averaged over a tenth of the run and compared with equilibrium revenue at the same values, so "
        "luck of the draw is left out. A line that ends below 100 %: some never got there. Band: 95 % interval."
    )
    alt = f"Share of replications converged by round: {amount(share, 'share')} in the end."
    return Picture(
        "convergence", "When revenue converged", alt, caption, learned_plots.plot_convergence(analysis), data
    )


def _regret(analysis: Analysis) -> Picture:
    lines = [learned_plots.rate_line(analysis, name) for name in ("regret", "exploitability")]
    data = pd.concat([line for line in lines if len(line)], ignore_index=True)
    caption = (
        "Regret: what the best fixed bid function would have earned more, an auction, in all rounds so far. Gain from "
        "a best reply: against the bids of that time alone. Both axes are logarithmic. The dotted line falls as 1/√t, "
        "about the fastest that theory can promise for regret against any rivals."
    )
    alt = "Regret and gain from a best reply by round: " + "; ".join(
        f"{line['name'].iloc[0]} from {amount(float(line['mean'].iloc[0]))} to {amount(float(line['mean'].iloc[-1]))}"
        for line in lines
        if len(line)
    )
    return Picture("regret", "Regret", alt + ".", caption, learned_plots.plot_regret(analysis), data)


def _agents(analysis: Analysis) -> Picture:
    table, names = analysis.agents, learned_plots.agent_names(analysis)
    caption = (
        f"Mean bids of {names[0]} and {names[1]} against each other as play goes on, from the dot to the square: the "
        "average over replications, and thin lines for some single ones. A path that runs into the cross has learned "
        "the equilibrium's mean bid; one that keeps turning is a cycle."
    )
    mean = table[table["replication"].isna()]
    last = mean[mean["round"] == mean["round"].max()].sort_values("agent")["mean"]
    ends = " and ".join(amount(float(value)) for value in np.asarray(last))
    figure = learned_plots.plot_agents(analysis)
    return Picture("agents", "Two agents", f"Mean bids of two agents, ending at {ends}.", caption, figure, table)
