"""A fit in words, tables and a picture: what `auctionlab fit` prints."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from auctionlab.arrays import Array
from auctionlab.environments.risk import Crra
from auctionlab.experiments.bid_models import LogitRiskAverse, RiskAverse, RiskAverseBySubject, logit_chances
from auctionlab.experiments.convergence import Interval
from auctionlab.experiments.fitting import BEST, UNDECIDED, WORSE, Fit
from auctionlab.experiments.tables import toml_value
from auctionlab.registry import kind_of
from auctionlab.theory.equilibria import equilibrium

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WIDE = 100  # characters of a line
_ROUNDING = 1e-9  # what is less is shown as 0
Table = tuple[list[str], list[list[Any]]]


def headline(found: Fit) -> str:
    """What was fitted, and which model says most of bids that it was not fitted to."""
    data, game = found.observed, found.auction
    count = len(data.names)
    subjects = "subjects unknown" if data.alone else f"{count:,} subject{'s' if count > 1 else ''}"
    prior = toml_value({"kind": kind_of(game.prior), **game.prior.to_parameters()})
    what = (
        f"{len(data.bids):,} bids, {subjects}, from {data.source}; first-price auction, {game.environment.n} bidders, "
        f"values {prior}"
    )
    return "\n".join(textwrap.fill(line, _WIDE, break_on_hyphens=False) for line in (what, verdict(found)))


def verdict(found: Fit) -> str:
    """Which model says most of held-out bids, which are worse, and which the subjects do not tell from it."""
    names: dict[str, list[str]] = {BEST: [], WORSE: [], UNDECIDED: []}
    for model in found.models:
        names[model.verdict].append(model.name.replace(", ", " and "))
    said = f"Held-out bids are best foretold by the model “{names[BEST][0]}”."
    if names[WORSE]:
        said += f" Worse: {'; '.join(names[WORSE])}."
    if names[UNDECIDED]:
        said += f" Undecided, for want of subjects or because they are as good: {'; '.join(names[UNDECIDED])}."
    return said


def described_rows(found: Fit) -> Table:
    """The bids before any model."""
    of = found.described

    def row(name: str, at: Interval, neutral: Any, percent: bool = False) -> list[Any]:
        return [name, _number(at.mean, percent), _range(at.low, at.high, percent), neutral]

    rows = [
        row("bids above the risk-neutral equilibrium", of.above, "50 % with noise", True),
        row("bid less risk-neutral equilibrium bid", of.overbid, "0"),
        row("the same, of the equilibrium bid", of.relative, "0 %", True),
        row("subjects who bid above it on average", of.bidders_above, "50 % with noise", True),
        row("slope of bid on value, by subject", of.slope, _number(of.slope_neutral)),
        row("intercept, by subject", of.intercept, "0 where values begin at 0"),
        ["spread around these lines, lower values", _number(of.spread_low), "", ""],
        ["spread around these lines, higher values", _number(of.spread_high), "", ""],
    ]
    return ["bids", "mean", "95 % interval", "risk-neutral"], rows


def estimate_rows(found: Fit) -> Table:
    """Each parameter of each model."""
    rows = [
        [
            model.name,
            f"{at.name}, {at.unit}" if at.unit else at.name,
            _number(at.value) + (" (end of range)" if at.at_end else ""),
            _range(at.low, at.high),
        ]
        for model in found.models
        for at in model.estimates
    ]
    return ["model", "parameter", "estimate", "95 % interval"], rows


def model_rows(found: Fit) -> Table:
    """How well each model does, in sample and on held-out bids."""
    rows = [
        [
            model.name,
            model.parameters,
            f"{model.log_likelihood:,.1f}",
            f"{model.aic:,.1f}",
            f"{model.bic:,.1f}",
            f"{model.held_out.mean:.3f}",
            "" if model.verdict == BEST else f"{model.shortfall.mean:.3f}",
            "" if model.verdict == BEST else _range(model.shortfall.low, model.shortfall.high, digits=3),
            model.verdict,
        ]
        for model in found.models
    ]
    return [
        *("model", "par.", "log lik.", "AIC", "BIC"),
        *("held out", "short by", "interval", "verdict"),
    ], rows


def subjects_text(found: Fit) -> str:
    """How each subject's own risk aversion is spread; empty where it was not fitted."""
    own = _own(found)
    if not len(own):
        return ""
    low, middle, high = np.quantile(own, [0.25, 0.5, 0.75])
    text = f"rho of {len(own):,} subject{'s' if len(own) > 1 else ''}: median {middle:.2f}, "
    text += f"middle half {low:.2f} to {high:.2f}, all {own.min():.2f} to {own.max():.2f}"
    neutral = int((own <= 0).sum())
    text += f"; {neutral:,} at 0, who bid no more than the risk-neutral do" if neutral else ""
    return textwrap.fill(text, _WIDE)


def draw(found: Fit) -> Figure:
    """Bids against values with fitted models over them; below, each subject's own risk aversion in order."""
    from auctionlab.experiments.drawing import DASHES, HEIGHT, INK, chart, colour

    own = np.sort(_own(found))
    rows = 2 if len(own) else 1
    heights = {"height_ratios": [2.0, 1.0][:rows]}
    with chart(rows, 1, HEIGHT * (1.2 if rows == 1 else 1.8), squeeze=False, **heights) as (figure, grid):
        axes = grid[0, 0]
        data = found.observed
        axes.plot(data.values, data.bids, ".", color=INK, alpha=0.35, markersize=4, markeredgewidth=0, rasterized=True)
        at = np.linspace(float(data.values.min()), float(data.values.max()), 101)
        for index, (name, bids) in enumerate(_curves(found, at)):
            axes.plot(at, bids, color=colour(index), linestyle=DASHES[index], label=name)
        axes.plot(at, at, color=INK, linestyle=":", linewidth=1, label="bid = value")
        axes.set(xlabel="value", ylabel="bid", ylim=(found.grid[0], max(float(data.bids.max()), float(at[-1]))))
        axes.legend(frameon=False, loc="lower right", fontsize=8)
        if len(own):
            below = grid[1, 0]
            below.plot(np.arange(1, len(own) + 1), own, "o", color=colour(1), markersize=4)
            below.set(xlabel="subject, in order of its rho", ylabel="rho", ylim=(-0.03, 1.03))
    return figure


def _curves(found: Fit, at: Array) -> list[tuple[str, Array]]:
    """Bids without noise, or mean bids, at values (B,): risk-neutral, risk-averse, logit and risk-averse."""
    game = found.auction

    def bid(rho: float) -> Array:
        environment = replace(game.environment, risk=Crra(rho=rho))
        return np.asarray(equilibrium(game.mechanism, environment).bids[0](at))

    lines = [("risk-neutral equilibrium", bid(0.0))]
    for model in found.models:
        if model.kind == RiskAverse.kind:
            rho = model.estimate("rho").value
            lines.append((f"risk-averse, rho {rho:.2f}", bid(rho)))
        if model.kind == LogitRiskAverse.kind:
            precision, rho = (model.estimate(name).value for name in ("precision", "rho"))
            mean = np.exp(logit_chances(game, found.grid, at, precision, rho)) @ found.grid
            lines.append((f"logit, precision {precision:.0f}, rho {rho:.2f}: mean", mean))
    return lines


def _own(found: Fit) -> Array:
    return np.array([rho for model in found.models if model.kind == RiskAverseBySubject.kind for rho in model.own])


def _number(value: float, percent: bool = False) -> str:
    if not math.isfinite(value):
        return "–"
    value = 0.0 if abs(value) < _ROUNDING else value
    return f"{100 * value:.1f} %" if percent else f"{value:.4g}"


def _range(low: float, high: float, percent: bool = False, digits: int | None = None) -> str:
    if not (math.isfinite(low) and math.isfinite(high)):
        return "–"
    if digits is not None:
        return f"{low:.{digits}f} to {high:.{digits}f}"
    return f"{_number(low, percent)} to {_number(high, percent)}"


def tables(found: Fit) -> Sequence[Table]:
    """All tables in the order in which they are printed."""
    return described_rows(found), estimate_rows(found), model_rows(found)
