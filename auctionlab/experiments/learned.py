"""Estimates of how learned play developed: regret, average and last play, time to convergence, collusion, cycles."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from auctionlab.arrays import NO_BID
from auctionlab.core import Environment, Mechanism
from auctionlab.experiments import dynamics, frames
from auctionlab.experiments.analysis import CONVERGED, Estimate
from auctionlab.experiments.convergence import Interval, interval, median_interval, share_interval
from auctionlab.experiments.metric_table import MetricTable
from auctionlab.experiments.parties import Party
from auctionlab.experiments.wording import amount
from auctionlab.mechanisms.single_item import SingleItem

if TYPE_CHECKING:
    from auctionlab.experiments.judging import Judge

_NOTHING: Final = 1e-12  # money
_NOTES: Final = {
    "regret": "what the best fixed bid function would have earned more than was earned, all rounds, in hindsight",
    "swap_regret": "the same, had every bid at every value been replaced by the best other one",
    "exploitability_average": "gain from a best reply to everybody's mix of bids over all rounds",
    "exploitability_last": "gain from a best reply to the play at the very end",
    "persistence": "correlation of the mean bid from one stretch of rounds to the next: 0 when play stands still",
}


def learned_estimates(judge: Judge) -> Iterator[Estimate]:
    """The estimates named in LEARNED, of the market and of each party; none where nobody learns."""
    learners = [party for party in judge.parties if party.learns]
    if not learners:
        return
    unit = judge.money
    several: tuple[Party | None, ...] = (None, *learners) if len(judge.parties) > 1 else (None,)
    for name in ("regret", "swap_regret", "exploitability_average", "exploitability_last"):
        for party in several:
            yield from _some(judge.simple(name, party, unit, _NOTES[name]))
    yield from _convergence(judge)
    yield from _collusion(judge)
    for party in learners:
        margin = judge.margin * judge.mean_value
        note = "mean bid in the second half of the judged rounds less the first"
        yield from _some(judge.tested("bid_drift", 0.0, margin, party, note=note))
        yield from _some(judge.simple("persistence", party, "", _NOTES["persistence"]))
        yield from _cycling(judge, party)


def convergence_rounds(table: MetricTable, rounds: int, margin: float) -> pd.DataFrame:
    """From which round on each replication's revenue stays within ± margin of the equilibrium's; columns CONVERGED.

    Revenue is compared with the equilibrium's at the same values, and averaged over a tenth of the run from that round
    on. NaN: the last tenth does not lie within the margin. Empty where revenue is the same whatever is bid.
    """
    gaps = table.over_rounds[table.over_rounds["name"] == "revenue_gap"]
    if gaps.empty or not margin > 0:
        return pd.DataFrame(columns=list(CONVERGED))
    wide = gaps.pivot(index="round", columns="replication", values="value").sort_index()
    if (wide.abs() < _NOTHING).all(axis=None):
        return pd.DataFrame(columns=list(CONVERGED))
    first = dynamics.settled_from(wide.to_numpy(float), margin)
    starts = wide.index.to_numpy(float)
    found = [math.nan if math.isnan(k) else starts[int(k)] for k in first]
    return pd.DataFrame({"replication": wide.columns.astype(int), "round": found})


def cartel_revenue(mechanism: Mechanism, environment: Environment) -> float | None:
    """What bidders who act as one would pay: the highest value takes the item at the lowest legal bid, if worth that.

    None where the item does not go to the highest bid, or the bidders' values are not private and independent.
    """
    sealed = getattr(mechanism, "sealed", mechanism)
    private = environment.independent and type(environment).values is Environment.values
    if not isinstance(sealed, SingleItem) or not private:
        return None
    messages = np.full((1, environment.n), NO_BID)
    messages[0, 0] = sealed.reserve
    price = float(sealed.run(messages).payments.sum())
    priors: tuple[Any, ...] = environment.priors
    below = math.prod(float(prior.cdf(np.asarray(price))) for prior in priors)
    return price * (1.0 - below)


def _some(estimate: Estimate | None) -> Iterator[Estimate]:
    if estimate is not None and not math.isnan(estimate.mean):
        yield estimate


def _convergence(judge: Judge) -> Iterator[Estimate]:
    """The share of replications that converged, and the median round of convergence, for which the others never do."""
    rounds = judge.convergence["round"].to_numpy(float)
    if not len(rounds):
        return
    done = np.isfinite(rounds)
    note = f"revenue stays within the margin to the end; {int(done.sum())} of {len(rounds)} replications"
    yield judge.estimate("converged_share", None, "share", share_interval(done), note=note)
    found = median_interval(np.where(done, rounds, math.inf))
    low, upper = np.quantile(np.where(done, rounds, np.inf), [0.25, 0.75], method="inverted_cdf")
    note = f"median over replications; a quarter by round {amount(low)}, three quarters by {amount(upper)}"
    if not math.isfinite(found.mean):
        note += " (∞: never)"
    yield judge.estimate("convergence_time", None, "", replace(found, low=max(found.low, 0.0)), note=note)


def _collusion(judge: Judge) -> Iterator[Estimate]:
    """(competitive revenue − revenue) / (competitive revenue − revenue under a cartel)."""
    revenue, theory = judge.table.values("revenue"), judge.theory
    cartel = cartel_revenue(judge.mechanism, judge.environment)
    if revenue is None or theory is None or cartel is None:
        return
    room = theory.revenue - cartel
    if math.inf > room > 1e-9 * judge.mean_value:
        note = f"0: equilibrium revenue; 1: that of bidders who act as one, {amount(cartel)}; below 0: they bid more"
        yield judge.estimate("collusion", None, "", interval((theory.revenue - revenue) / room), note=note)


def _cycling(judge: Judge, party: Party) -> Iterator[Estimate]:
    """The share of replications whose mean bid has one period stronger than chance would make it in 5 % of them."""
    hits = frames.cycling(judge.table, party)
    if not np.isfinite(hits).any():
        return
    found: Interval = share_interval(hits)
    note = "replications in which one period stands out; 5 % do by chance"
    if found.low > frames.CYCLES:
        periods = judge.table.values("cycle_period", party)
        if periods is not None:
            note = f"replications in which one period stands out, of about {amount(float(np.median(periods)))} rounds"
    yield judge.estimate("cycling", party, "share", found, note=note)
