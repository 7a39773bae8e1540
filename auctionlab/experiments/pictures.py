"""Which figures a run has, with a title, what to look at, what they show in words, and their numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd
from matplotlib.figure import Figure

from auctionlab.errors import ConfigError, StoreError
from auctionlab.experiments import plots
from auctionlab.experiments.analysis import Analysis
from auctionlab.experiments.wording import amount

FORMATS: Final = ("png", "svg", "pdf")


@dataclass(frozen=True)
class Picture:
    """A figure with its words: the name of its files, what it shows (alt), what to look at (caption), its numbers."""

    name: str
    title: str
    alt: str
    caption: str
    figure: Figure
    data: pd.DataFrame


def pictures(analysis: Analysis) -> list[Picture]:
    """The figures that this run has numbers for, in the order of the report."""
    from auctionlab.experiments.learned_pictures import learned_pictures

    made = [_bid_function(analysis), _bids(analysis), _revenue(analysis), _truthfulness(analysis)]
    made += [_efficiency(analysis), _utility(analysis), *learned_pictures(analysis)]
    return [picture for picture in made if picture is not None]


def write_pictures(
    shown: Iterable[Picture], tables: dict[str, pd.DataFrame], folder: str | Path, formats: Iterable[str]
) -> list[Path]:
    """Write pictures with their numbers, and further tables, into a folder; see `plots.save_figures`."""
    formats, folder, written = tuple(formats), Path(folder), []
    for wanted in formats:
        if wanted not in FORMATS:
            raise ConfigError(f"figures: unknown format {wanted!r}. Allowed: {', '.join(FORMATS)}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for picture in shown:
            for wanted in formats:
                written.append(folder / f"{picture.name}.{wanted}")
                picture.figure.savefig(written[-1], format=wanted)
            tables = {**tables, picture.name: picture.data}
        for name, table in tables.items():
            written.append(folder / f"{name}.csv")
            table.to_csv(written[-1], index=False)
    except OSError as error:
        raise StoreError(f"cannot write figures to {str(folder)!r}: {error.strerror or error}") from None
    return written


def _bid_function(analysis: Analysis) -> Picture | None:
    table = analysis.bid_functions.dropna(subset=["mean"])
    if table.empty:
        return None
    caption = "Line: the average bid at each value in the judged rounds. Band: its 95 % interval over replications."
    if table["theory"].notna().any():
        caption += f" Dashed: {_curve(analysis)}. Where the band covers the dashed line, learned bids match theory."
    alt = "Mean bid against value. " + " ".join(
        f"{strategy}: {amount(part['mean'].iloc[0])} at value {amount(part['signal'].iloc[0])}, "
        f"{amount(part['mean'].iloc[-1])} at value {amount(part['signal'].iloc[-1])}{_theory_at_end(part)}."
        for (_, strategy), part in table.groupby(["role", "strategy"], sort=False)
    )
    figure = plots.plot_bid_function(analysis)
    return Picture("bid-function", "Learned bids", alt, caption, figure, analysis.bid_functions)


def _bids(analysis: Analysis) -> Picture | None:
    if analysis.bids.empty:
        return None
    groups = analysis.bids.groupby(["role", "strategy"], sort=False)
    crowded = groups.size().max() > plots.CROWD
    each = "The stronger the colour, the more often a bid is made at that value." if crowded else "Each dot is one bid."
    caption = f"Single bids from the judged rounds. {each}"
    if len(analysis.bid_functions) and analysis.bid_functions["theory"].notna().any():
        caption += f" Dashed: {_curve(analysis)}. Look at how widely bids scatter around it."
    if len(groups) > plots.PANELS:
        caption += f" The first {plots.PANELS} of {len(groups)} strategies."
    alt = f"{len(analysis.bids):,} recorded bids against values, " + "; ".join(
        f"{strategy}: middle half of bids from {amount(float(low))} to {amount(float(high))}"
        for (_, strategy), part in groups
        for low, high in [part["bid"].quantile([0.25, 0.75])]
    )
    return Picture("bids", "Every bid", alt + ".", caption, plots.plot_bids(analysis), analysis.bids)


def _revenue(analysis: Analysis) -> Picture | None:
    data = _series(analysis, "revenue")
    if data.empty:
        return None
    estimate = analysis.estimate("revenue")
    caption = "Average revenue an auction as play goes on, with its 95 % band over replications."
    if estimate is not None and estimate.theory is not None:
        caption += " Dashed: revenue in the Bayes-Nash equilibrium (BNE)."
        if estimate.margin:
            caption += " Grey: the margin. Revenue has converged when it is shown to lie in the grey band"
            caption += " in the judged rounds (right of the thin line)."
    alt = _series_alt("Revenue", data) + _equilibrium_alt(estimate)
    return Picture("revenue", "Revenue", alt, caption, plots.plot_revenue(analysis), data)


def _efficiency(analysis: Analysis) -> Picture | None:
    data = _series(analysis, "efficiency")
    if data.empty:
        return None
    estimate = analysis.estimate("efficiency")
    caption = (
        "Value created as a share of the most that was possible. 100 % means that the bidder who values the item most "
        "always gets it."
    )
    if estimate is not None and estimate.theory is not None:
        caption += " Dashed: in the Bayes-Nash equilibrium (BNE)."
    alt = _series_alt("Efficiency", data, "share") + _equilibrium_alt(estimate)
    return Picture("efficiency", "Efficiency", alt, caption, plots.plot_efficiency(analysis), data)


def _truthfulness(analysis: Analysis) -> Picture | None:
    lines = plots.series_lines(analysis, "truthful", by_strategy=True)
    if analysis.truthfulness is None or not lines:
        return None
    data = _series(analysis, "truthful")
    caption = (
        "Bidding one's value is a dominant strategy here: nothing else ever does better, whatever the others do. "
        "The line is the share of bids that are truthful. Some deviations cost nothing, "
        "so read it with the payoff at stake in the table."
    )
    alt = " ".join(
        _series_alt("Truthful bids" + (f" of {key[1]}" if key else ""), part, "share") for key, part in lines
    )
    return Picture("truthful", "Truthful bids", alt, caption, plots.plot_truthfulness(analysis), data)


def _utility(analysis: Analysis) -> Picture | None:
    table = analysis.by_strategy.dropna(subset=["utility"])
    if table.empty:
        return None
    caption = "What a bidder of each strategy earned on average in an auction. Bar: 95 % interval over replications."
    if table["utility_theory"].notna().any():
        caption += " Upright mark: utility in the Bayes-Nash equilibrium (BNE)."
    alt = "Utility an auction: " + "; ".join(
        f"{row['strategy']} {amount(row['utility'])} (equilibrium {amount(row['utility_theory'])})"
        for row in table.to_dict("records")
    )
    return Picture("utility", "Utility", alt + ".", caption, plots.plot_utility(analysis), analysis.by_strategy)


def _series(analysis: Analysis, name: str) -> pd.DataFrame:
    return analysis.series[analysis.series["name"] == name]


def _series_alt(what: str, data: pd.DataFrame, unit: str = "") -> str:
    whole = data[data["strategy"].isna()]
    line = (whole if len(whole) else data).sort_values("round")
    first, last = line.iloc[0], line.iloc[-1]
    ends = f"{amount(first['mean'], unit)} around round {first['round']:,.0f} to {amount(last['mean'], unit)}"
    return f"{what} by round: from {ends} around round {last['round']:,.0f}."


def _equilibrium_alt(estimate: Any) -> str:
    if estimate is None or estimate.theory is None:
        return ""
    return f" The equilibrium's is {amount(estimate.theory, estimate.unit)}."


def _theory_at_end(part: pd.DataFrame) -> str:
    theory = part["theory"].iloc[-1]
    return f", where the equilibrium bid is {amount(theory)}" if theory == theory else ""


def _curve(analysis: Analysis) -> str:
    truth = ", which is truth" if analysis.truthfulness is not None else ""
    return f"the Bayes-Nash equilibrium (BNE){truth}"
