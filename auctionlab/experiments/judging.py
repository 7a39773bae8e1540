"""From the metric table to a judged result: estimates over replications, verdicts against theory."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

import numpy as np

from auctionlab.core import Environment
from auctionlab.errors import NoEquilibrium
from auctionlab.experiments import frames
from auctionlab.experiments.analysis import Analysis, Equilibrium, Estimate
from auctionlab.experiments.config import Config, load_config
from auctionlab.experiments.convergence import interval, tost
from auctionlab.experiments.grid_equilibrium import GridEquilibrium, grid_equilibrium
from auctionlab.experiments.headline import headline, notes
from auctionlab.experiments.learned import convergence_rounds, learned_estimates
from auctionlab.experiments.metric_table import MetricTable, stored_metrics
from auctionlab.experiments.names import window_of
from auctionlab.experiments.parties import Party, parties_of, seat_of_role
from auctionlab.experiments.wording import amount, hide_password
from auctionlab.theory.benchmarks import Benchmark, benchmark

_SHOWN: Final = tuple(name for name in Equilibrium.__dataclass_fields__ if name != "certificate")
_LABELS: Final = {
    "revenue": "Revenue",
    "efficiency": "Efficiency",
    "sale_probability": "Probability of sale",
    "welfare": "Welfare",
    "drift": "Drift of revenue within the window",
    "exploitability": "Gain from a best reply",
    "relative_exploitability": "Gain from a best reply",
    "grid_exploitability": "Gain from a best reply on the own grid",
    "truthful": "Truthful bids",
    "deviation": "Distance of bids from values",
    "stake": "Payoff at stake in deviations",
    "utility": "Utility",
    "distance": "Distance from the equilibrium bid",
    "winning_distance": "Distance weighed by chance of winning",
    "regret": "Regret",
    "swap_regret": "Swap regret",
    "exploitability_average": "Gain from a best reply to average play",
    "exploitability_last": "Gain from a best reply to the last play",
    "converged_share": "Converged replications",
    "convergence_time": "Rounds until convergence",
    "collusion": "Collusion index",
    "bid_drift": "Drift of the mean bid within the window",
    "persistence": "Persistence of the mean bid",
    "cycling": "Cycling",
}
_OWN_GRID: Final = "what learners with a grid would gain by the best of its bids; bids in between may gain more"
_SHARES: Final = (
    "efficiency",
    "sale_probability",
    "truthful",
    "relative_exploitability",
    "converged_share",
    "cycling",
)


def judge(store: Any, run: Any, metrics: Any = None) -> Analysis:
    """The Analysis of a run, from the metric table in the store, or from rows not yet stored."""
    config = load_config(run.config)
    rows = metrics if metrics is not None else stored_metrics(store, run, config)
    judged = Judge(config, MetricTable(rows))
    truthfulness, exploitability, estimates = judged.truthfulness(), judged.exploitability(), judged.estimates()
    start, _, end = window_of(config.rounds, config.analysis.window)
    theory, table, parties = judged.theory, judged.table, judged.parties
    shown = None if theory is None else _shown(theory)
    found = Analysis(
        run=run,
        config=config.document,
        headline="",
        notes=(),
        equilibrium=shown,
        no_equilibrium=judged.reason,
        estimates=tuple(estimates),
        series=frames.series(table),
        bid_functions=frames.bid_functions(table, parties, config, None if theory is None else theory.bids),
        stages=frames.stages(table, parties, config, None if theory is None else theory.bids),
        convergence=judged.convergence,
        agents=frames.agents(table),
        by_strategy=frames.by_strategy(table, parties, estimates),
        samples=frames.samples(table),
        bids=frames.recorded_bids(store, run, config, parties, (start, end), table.stopped),
        window=(start, end),
        truthfulness=truthfulness or None,
        exploitability=exploitability,
        details={**judged.details(), "database": hide_password(store.url)},
    )
    return replace(found, headline=headline(found), notes=tuple(notes(found)))


class Judge:
    """Compares what was measured with theory."""

    def __init__(self, config: Config, table: MetricTable) -> None:
        self.table = table
        self.environment, self.mechanism = config.environment, config.mechanism
        self.parties = parties_of(config)
        self.margin = config.analysis.margin
        self.money = "money" if self.environment.risk_neutral else "utility"
        self.theory, self.reason = _theory(config)
        self.mean_value = _mean_value(self.environment, table)
        self.grid = self._grid()
        margin = math.nan if self.theory is None or math.isinf(self.theory.revenue) else self.near(self.theory.revenue)
        self.convergence = convergence_rounds(table, config.rounds, margin)

    def estimates(self) -> list[Estimate]:
        """All of them, in the order in which to show them."""
        found = (
            self.exploitability(),
            self._relative_exploitability(),
            self.simple("grid_exploitability", unit=self.money, note=_OWN_GRID),
        )
        gains = [estimate for estimate in found if estimate]
        parties = [estimate for party in self.parties for estimate in self._party(party)]
        return [*self._market(), *self.truthfulness(), *gains, *parties, *learned_estimates(self)]

    def simple(self, name: str, party: Party | None = None, unit: str = "money", note: str = "") -> Estimate | None:
        """An estimate without a claim."""
        values = self.table.values(name, party)
        if values is None:
            return None
        found = interval(values)
        return self.estimate(name, party, unit, found, note=note)

    def tested(
        self,
        name: str,
        theory: float | None,
        margin: float,
        party: Party | None = None,
        unit: str = "money",
        error: float = 0.0,
        note: str = "",
    ) -> Estimate | None:
        """An estimate with a verdict, where there is something to compare with."""
        values = self.table.values(name, party)
        if values is None or theory is None or not math.isfinite(theory) or not margin > 0:
            return self.simple(name, party, unit, note)
        test = tost(values, theory, margin, theory_error=error)
        extra = {"theory": theory, "margin": margin, "verdict": test.verdict, "needed": test.needed}
        return self.estimate(name, party, unit, test.estimate, note=note, **extra)

    def estimate(self, name: str, party: Party | None, unit: str, found: Any, **extra: Any) -> Estimate:
        label = _LABELS[name] + ("" if party is None else f", {party.label}")
        if party is not None and len({p.role for p in self.parties}) > 1:
            label += f" (role {party.role})"
        return Estimate(
            name=name,
            label=label,
            unit="share" if name in _SHARES else unit,
            mean=found.mean,
            low=found.low,
            high=found.high,
            n=found.n,
            strategy=None if party is None else party.label,
            role=None if party is None else party.role,
            **extra,
        )

    def near(self, theory: float | None) -> float:
        """The margin around a theory value: relative to it, or to the mean value where it is 0 or infinite."""
        scale = abs(theory) if theory is not None and 1e-12 < abs(theory) < math.inf else self.mean_value
        return self.margin * scale

    def _grid(self) -> GridEquilibrium | None:
        """The equilibrium of the grid that all bidders share; None where they do not, or it cannot be computed."""
        grids = {(party.bids, party.cells) for party in self.parties}
        bids, cells = next(iter(grids))
        if len(grids) > 1 or not (bids and cells) or self.table.values("revenue") is None:
            return None
        seat = seat_of_role(self.environment, self.mechanism, self.parties[0].role)
        try:
            return grid_equilibrium(self.environment, self.mechanism, seat, bids, cells)
        except NoEquilibrium:
            return None

    def _market(self) -> list[Estimate]:
        theory = self.theory
        found: list[Estimate | None] = []
        for name in ("revenue", "efficiency", "sale_probability", "welfare"):
            value = None if theory is None else float(getattr(theory, name))
            error = theory.standard_error if theory is not None and name == "revenue" else 0.0
            found.append(self.tested(name, value, self.near(value), error=error))
            if name == "revenue" and self.grid is not None and found[-1] is not None:
                own = self.tested("revenue", self.grid.revenue, self.near(self.grid.revenue))
                found.append(
                    own and replace(own, name="grid_revenue", label="Revenue against the bid grid's equilibrium")
                )
        revenue = self.table.values("revenue")
        scale = theory.revenue if theory is not None else None if revenue is None else float(np.nanmean(revenue))
        found.append(self.tested("drift", 0.0, self.near(scale), note="mean of the second half less mean of the first"))
        return [estimate for estimate in found if estimate is not None]

    def _resolution(self, parties: Iterable[Party]) -> float:
        """Mean half bid step plus half a cell of the members' strategies, in money."""
        sizes, widths = [], []
        for party in parties:
            seat = seat_of_role(self.environment, self.mechanism, party.role)
            sizes.append(len(party.members))
            widths.append(float(np.mean(party.tolerance(seat)[1])))
        return float(np.average(widths, weights=sizes))

    def truthfulness(self, party: Party | None = None) -> tuple[Estimate, ...]:
        """Share of truthful bids, distance from the values, payoff at stake; empty where truth is not dominant."""
        if self.table.values("truthful", party) is None:
            return ()
        resolution = self._resolution(self.parties if party is None else [party])
        margin = max(resolution, self.margin * self.mean_value)
        grid = f"truthful: within half a bid step and half a value cell, {amount(resolution)} on average"
        found = (
            self.simple("truthful", party, note=grid if resolution else "truthful: the bid is the value"),
            self.tested("deviation", 0.0, margin, party, note="mean |bid − value|"),
            self.simple("stake", party, self.money, note="what truth would have earned more against the same rivals"),
        )
        return tuple(estimate for estimate in found if estimate is not None)

    def _reference(self) -> tuple[float, str]:
        """What gains are compared with: mean equilibrium utility, or the mean value where there is none."""
        if self.theory is not None:
            utility = np.asarray(self.theory.utility, float)
            if np.isfinite(utility).all() and utility.mean() > 1e-9 * abs(self.mean_value):
                return float(utility.mean()), "equilibrium utility"
        return self.mean_value, "the mean value"

    def exploitability(self) -> Estimate | None:
        """Gain from best replies of the whole market."""
        return self.simple("exploitability", unit=self.money)

    def _relative_exploitability(self) -> Estimate | None:
        values, (scale, what) = self.table.values("exploitability"), self._reference()
        if values is None or not scale > 0:
            return None
        found = self.estimate("relative_exploitability", None, "share", interval(values / scale))
        return replace(found, label=f"{found.label}, of {what}")

    def _party(self, party: Party) -> list[Estimate]:
        theory = None
        if self.theory is not None:
            mine = np.asarray(self.mechanism.roles(self.environment)) == party.role
            theory = float(np.asarray(self.theory.utility, float)[mine].mean())
        found = [
            self.tested("utility", theory, self.near(theory), party, self.money),
            self.simple("distance", party, note="root mean square over values"),
            self.simple("winning_distance", party, note="each value weighed by its chance of winning in equilibrium"),
        ]
        if len(self.parties) > 1:
            gains = (self.simple(name, party, self.money) for name in ("exploitability", "grid_exploitability"))
            found += [*self.truthfulness(party), *gains]
        return [estimate for estimate in found if estimate is not None]

    def details(self) -> dict[str, Any]:
        """Plain numbers that words and figures refer to."""
        scale, what = self._reference()
        found: dict[str, Any] = {
            "margin": self.margin,
            "mean_value": self.mean_value,
            "gains_relative_to": what,
            "gains_scale": scale,
            "bid_step": max((party.step for party in self.parties), default=0.0),
        }
        if stopped := self.table.stopped:
            found["stopped"] = [dict(zip(("strategy", "replication", "round"), one, strict=True)) for one in stopped]
        if self.grid is not None:
            found |= {"grid_revenue": self.grid.revenue, "grid_gain": self.grid.gain}
        if self.table.values("truthful") is not None:
            found["resolution"] = self._resolution(self.parties)
        return found


def _shown(theory: Benchmark) -> Equilibrium:
    certificate = "" if theory.certificate is None else str(theory.certificate)
    return Equilibrium(**{key: getattr(theory, key) for key in _SHOWN}, certificate=certificate)


def _theory(config: Config) -> tuple[Benchmark | None, str]:
    """What theory expects, or None and the reason."""
    try:
        return benchmark(config.mechanism, config.environment), ""
    except NoEquilibrium as error:
        return None, str(error)


def _mean_value(environment: Environment, table: MetricTable) -> float:
    """Mean value of a seat; where priors do not tell, the welfare of the window stands for it."""
    means = [prior.expectation for prior in environment.priors if prior is not None]
    if len(means) == environment.n and np.isfinite(means).all():
        return float(np.mean(np.abs(means)))
    welfare = table.values("welfare")
    return math.nan if welfare is None else float(abs(welfare.mean()))
