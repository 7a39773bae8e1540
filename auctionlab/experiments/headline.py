"""The verdict in words that a student understands, and what a reader has to know besides."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from auctionlab.experiments.analysis import Analysis, Estimate
from auctionlab.experiments.convergence import CONVERGED, NOT_CONVERGED
from auctionlab.experiments.frames import CYCLES
from auctionlab.experiments.wording import amount, plus_minus

_NAMED: Final = 10  # replications, before the rest are counted
_LITTLE: Final = 0.05  # of equilibrium utility: at most next to nothing


def headline(found: Analysis) -> str:
    """The verdict in words, first thing to show."""
    revenue = found.estimate("revenue")
    if (revenue is None or math.isnan(revenue.mean)) and found.details.get("stopped"):
        return "Nothing to judge: every replication was stopped."
    if revenue is None or math.isnan(revenue.mean):
        return f"Nothing to judge yet: the judged rounds begin at round {found.window[0]:,}."
    return " ".join([_revenue_words(found, revenue), *_grid_words(found), *_truth_words(found), *_reply_words(found)])


def notes(found: Analysis) -> Iterable[str]:
    """What to know besides the verdict: unfinished, no interval, drift, a numerical equilibrium, a coarse bid grid."""
    run, start = found.run, found.window[0]
    if run.status != "finished":
        share = f"{run.round:,} of {run.rounds:,} rounds are played"
        judged = (
            f"the judged window, from round {start:,} on, has not begun"
            if run.round <= start
            else f"only {run.round - start:,} rounds of the judged window are in"
        )
        yield f"The run is unfinished: {share}; {judged}."
    yield from _stopped_words(found)
    revenue, drift = found.estimate("revenue"), found.estimate("drift")
    if revenue is not None and revenue.n == 1:
        yield "With one replication there is no interval and no verdict; use at least two, better twenty."
    if drift is not None and drift.verdict == NOT_CONVERGED:
        way = "rose" if drift.mean > 0 else "fell"
        by = _plus_minus(drift).removeprefix("−")
        yield (
            f"Play has not settled: revenue still {way} by {by} from the first to the second half of the judged rounds."
        )
    if found.equilibrium is not None and found.equilibrium.certificate:
        yield f"The equilibrium was solved for numerically: {found.equilibrium.certificate}."
    for moving in found.estimates:
        if moving.name == "bid_drift" and moving.verdict == NOT_CONVERGED:
            way = "rose" if moving.mean > 0 else "fell"
            yield (
                f"Learning is not over: the mean bid of {moving.strategy} still {way} by "
                f"{_plus_minus(moving).removeprefix('−')} from the first to the second half of the judged rounds."
            )
        elif moving.name == "cycling" and moving.low > CYCLES:
            yield (
                f"The mean bid of {moving.strategy} goes in cycles{moving.note.partition(',')[2]} in "
                f"{amount(moving.mean, 'share')} of the replications; by chance it would seem to in 5 %."
            )
    step, grid = found.details["bid_step"], found.estimate("grid_revenue")
    if grid is not None and grid.theory is not None:
        yield (
            f"The learners bid on a grid of steps of {amount(step)} by cells of values. Revenue in an equilibrium of "
            f"that game is {amount(grid.theory)}; there may be others."
        )
    elif step and revenue is not None and revenue.margin is not None and step / 2 > revenue.margin:
        yield (
            f"The learners' bids are {amount(step)} apart, half of which is more than the margin of "
            f"{amount(revenue.margin)} on revenue: a difference may be the grid's, not the learners'."
        )


def _stopped_words(found: Analysis) -> Iterable[str]:
    """Which replications do not count, and why; one sentence a strategy."""
    stopped = found.details.get("stopped", [])
    for strategy in sorted({one["strategy"] for one in stopped}):
        mine = [one for one in stopped if one["strategy"] == strategy]
        named = [str(one["replication"]) for one in mine[:_NAMED]]
        if len(mine) > _NAMED:
            named.append(f"{len(mine) - _NAMED} more")
        which = " and ".join([", ".join(named[:-1]), named[-1]] if named[1:] else named)
        if len(mine) == 1:
            subject, when, it = f"Replication {which} was", "from", "it does"
        else:
            subject, when, it = f"Replications {which} were", "the first from", "they do"
        yield (
            f"{subject} stopped, {when} round {min(one['round'] for one in mine):,} on: the numbers of {strategy} "
            f"overflowed, as too high a learning rate makes them; {it} not count."
        )


def _revenue_words(found: Analysis, revenue: Estimate) -> str:
    measured = _plus_minus(revenue)
    if revenue.theory is None or revenue.margin is None:
        if found.equilibrium is not None and math.isinf(found.equilibrium.revenue):
            return f"Revenue was {measured} an auction. In equilibrium its expectation is infinite."
        reason = found.no_equilibrium.rstrip(".")
        return f"Revenue was {measured} an auction. There is no equilibrium to compare it with: {reason}."
    theory, margin = amount(revenue.theory), f"{100 * float(found.details['margin']):g} %"
    if revenue.theory == 0:
        margin += " of the mean value"
    if revenue.verdict == CONVERGED:
        return f"Revenue reached the equilibrium: {measured} against {theory} (within {margin})."
    if revenue.verdict == NOT_CONVERGED:
        gap, half = revenue.mean - revenue.theory, (revenue.high - revenue.low) / 2
        size = f"{amount(abs(gap), spread=half)} "
        if revenue.theory:
            size = f"{amount(abs(gap / revenue.theory), 'share', half / abs(revenue.theory))} "
        way = "above" if gap > 0 else "below"
        return f"Revenue did not reach the equilibrium: {measured} against {theory}, {size}{way} (margin {margin})."
    need = f"about {_rounded(revenue.needed):,} replications would be needed" if revenue.needed else ""
    if revenue.n == 1:
        need = "one replication cannot show how much chance there is in it"
    return (
        f"Whether revenue reached the equilibrium cannot be decided yet: {measured} against {theory} "
        f"(margin {margin}){'; ' + need if need else ''}."
    )


def _grid_words(found: Analysis) -> Iterable[str]:
    """Where revenue is the grid's equilibrium's but not the continuous one's, the learners are not to blame."""
    revenue, grid = found.estimate("revenue"), found.estimate("grid_revenue")
    if revenue is None or grid is None or grid.theory is None or revenue.theory is None:
        return
    if revenue.verdict != CONVERGED and grid.verdict == CONVERGED:
        yield f"It did reach the equilibrium of the learners' own grid of bids and values: {amount(grid.theory)}."


def _truth_words(found: Analysis) -> Iterable[str]:
    truth = {estimate.name: estimate for estimate in found.truthfulness or ()}
    if "deviation" not in truth:
        return
    share, deviation = truth["truthful"], truth["deviation"]
    if deviation.mean == 0:
        yield "Bids are truthful: every bid is the value."
        return
    distance = f"on average {_plus_minus(deviation)} from the value"
    said = {CONVERGED: "Bids are truthful", NOT_CONVERGED: "Bids are not truthful"}.get(
        deviation.verdict, "Whether bids are truthful cannot be decided yet"
    )
    stake = truth.get("stake")
    cost = f"; truth would have earned {_plus_minus(stake)} more an auction" if stake is not None else ""
    yield f"{said}: {distance}, {_plus_minus(share)} of them within the resolution of the bid grid{cost}."


def _reply_words(found: Analysis) -> Iterable[str]:
    relative = found.estimate("relative_exploitability")
    if relative is not None and math.isfinite(relative.mean):
        what, little = relative.label.partition(", of ")[2], _little(relative.low, relative.high)
        own = "" if little else _own_grid(found)
        yield f"A bidder who replied best to the others would gain {little}{_plus_minus(relative)} of {what}{own}."


def _little(low: float, high: float) -> str:
    """What to say before a gain whose interval reaches down to 0: at 20 ± 26 % nobody knows."""
    if not -math.inf < low <= 0:
        return ""
    return "next to nothing, " if high < _LITTLE else "nothing that can be told from 0, "


def _own_grid(found: Analysis) -> str:
    """How much of a gain is to be had without leaving the learners' grid: the rest is the grid's doing."""
    own = found.estimate("grid_exploitability")
    if own is None or not math.isfinite(own.mean):
        return ""
    gaining, gridded = (
        {(one.strategy, one.role) for one in found.estimates if one.name == name}
        for name in ("exploitability", "grid_exploitability")
    )
    if gridded != gaining:  # the market's gain is everybody's, this one that of those with a grid
        return ""
    mean, low, high = (gain / found.details["gains_scale"] for gain in (own.mean, own.low, own.high))
    little = _little(low, high)
    told = f"{little}{plus_minus(mean, low, high, 'share')}"
    return f"; by bids of its own grid, {told}" if little else f", {told} by bids of its own grid"


def _plus_minus(estimate: Estimate) -> str:
    """0.331 ± 0.004, with half the interval; without it where there is none."""
    return plus_minus(estimate.mean, estimate.low, estimate.high, estimate.unit)


def _rounded(number: int) -> int:
    """Two significant digits."""
    scale = 10 ** max(0, len(str(number)) - 2)
    return int(math.ceil(number / scale) * scale)
