"""The judged result of a run: estimates with intervals over replications, verdicts, and the tables that figures show.

analysis = analyse(store, 3)
analysis.headline                   # "Revenue reached the equilibrium: 0.331 ± 0.004 against 0.3333 (within 2 %)."
analysis.estimate("revenue").verdict    # "converged", "not converged" or "undecided"
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import pandas as pd

from auctionlab.experiments.names import MetricName

SERIES: tuple[str, ...] = ("name", "strategy", "role", "round", "mean", "low", "high")
BID_FUNCTIONS: tuple[str, ...] = (
    "role",
    "strategy",
    "cell",
    "signal_low",
    "signal_high",
    "signal",
    "mean",
    "low",
    "high",
    "sd",
    "count",
    "theory",
)
STAGES: tuple[str, ...] = ("role", "strategy", "first", "last", "cell", "signal", "mean", "low", "high", "theory")
CONVERGED: tuple[str, ...] = ("replication", "round")
AGENTS: tuple[str, ...] = ("replication", "agent", "role", "strategy", "round", "mean", "low", "high")
SAMPLES: tuple[str, ...] = ("name", "strategy", "role", "replication", "value")

LEARNED: tuple[str, ...] = (  # estimates of how learned play developed, which have a table of their own
    "regret",
    "swap_regret",
    "exploitability_average",
    "exploitability_last",
    "converged_share",
    "convergence_time",
    "collusion",
    "bid_drift",
    "persistence",
    "cycling",
)


@dataclass(frozen=True)
class Estimate:
    """A quantity in the window: its mean over replications with a 95 % interval, and the verdict against theory.

    name, strategy, role : which one ("revenue", None, None; or "utility", "exp3", 0). strategy None: the whole market.
    unit : "money", "share" or "" ; mean, low, high : NaN where nothing was measured; low, high infinite for n = 1.
    theory, margin : None where there is none; the margin is absolute, in the same unit.
    verdict : "converged", "not converged", "undecided" or "" where nothing is claimed.
    needed : replications that would decide it with 80 % power, where undecided and known.
    """

    name: str
    label: str
    unit: str
    mean: float
    low: float
    high: float
    n: int
    theory: float | None = None
    margin: float | None = None
    verdict: str = ""
    needed: int | None = None
    note: str = ""
    strategy: str | None = None
    role: int | None = None

    @property
    def key(self) -> str:
        """Its name in the metric and verdict tables: "revenue", "utility[0]:exp3"."""
        return str(MetricName(self.name, self.role, self.strategy))


@dataclass(frozen=True)
class Equilibrium:
    """What theory expects of the game: the Bayes-Nash equilibrium in money an auction; tuples are by seat."""

    revenue: float
    surplus: tuple[float, ...]
    utility: tuple[float, ...]
    efficiency: float
    sale_probability: float
    welfare: float
    method: str
    standard_error: float = 0.0
    certificate: str = ""  # in words, where bids were solved for numerically


@dataclass(frozen=True)
class Analysis:
    """Everything a report says about a run. Tables have the columns listed in this module.

    run : the store's RunInfo; config : the config document.
    equilibrium : theory, or None with the reason in `no_equilibrium`.
    headline : the verdict in one to three sentences, first thing to show; notes : what a reader has to know besides
        (unfinished run, no verdict from one replication, resolution of the learners' bid grid).
    estimates : in the order in which to show them. "grid_revenue" is revenue once more, against an equilibrium of the
        learners' own bid grid, where they share one and that equilibrium can be computed.
    series : SERIES. name is "revenue", "efficiency", "utility" or "truthful" (share of truthful bids; only where truth
        is dominant), and where somebody learns "bid", "exploitability", "regret" (of all rounds up to this one) and
        "revenue_gap" (revenue less the equilibrium's at the same values, over a tenth of the run from this round on);
        strategy and role are None for the whole market; round is the middle of a bin of rounds.
    bid_functions : BID_FUNCTIONS, one row a role, strategy and cell of equal prior probability, over the window: the
        interval of the mean is over replications, sd is of single bids, count is of bids; signal is the cell's
        median; theory the mean equilibrium bid in the cell (NaN where unknown or where theory takes no part).
    by_strategy : one row a role and strategy: role, strategy, members, utility, utility_low, utility_high,
        utility_theory, bid, participation, distance, exploitability and grid_exploitability (money; the second among
        the bids of the own grid), and where truth is dominant truthful, deviation, stake.
    samples : SAMPLES, one value a replication, for comparing runs.
    bids : up to 20,000 recorded bids of the window: role, strategy, signal, bid (bids that take part only); empty where
        none were recorded or they are not scalar.
    stages : STAGES, learned bid functions in each stage of the run, from round `first` to before `last`.
    convergence : CONVERGED, the round from which on revenue stays within the margin, by replication; NaN: never.
    agents : AGENTS, mean bids by round of the first two agents, where the same ones always meet: over all replications
        (replication None), and of the first four.
    The last three are empty where nobody learns.
    truthfulness : None unless truth is dominant; else the whole market's "truthful", "deviation" and "stake".
    exploitability : Estimate of the whole market's gain from best replies, in money, or None.
    """

    run: Any
    config: dict[str, Any]
    headline: str
    notes: tuple[str, ...]
    equilibrium: Equilibrium | None
    no_equilibrium: str
    estimates: tuple[Estimate, ...]
    series: pd.DataFrame
    bid_functions: pd.DataFrame
    by_strategy: pd.DataFrame
    samples: pd.DataFrame
    bids: pd.DataFrame
    window: tuple[int, int]  # first round judged, and the round after the last one
    truthfulness: tuple[Estimate, ...] | None = None
    exploitability: Estimate | None = None
    stages: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(STAGES)))
    convergence: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(CONVERGED)))
    agents: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(AGENTS)))
    details: dict[str, Any] = field(default_factory=dict)  # bid_step, resolution, grid_revenue and other numbers

    def estimate(self, name: str, strategy: str | None = None, role: int | None = None) -> Estimate | None:
        """The estimate of that name, of the whole market or of one strategy; None where it was not measured."""
        for found in self.estimates:
            if found.name == name and found.strategy == strategy and (role is None or found.role == role):
                return found
        return None

    def to_json(self) -> dict[str, Any]:
        """Plain data in full precision, with stable keys; null for what is unknown or infinite."""
        from auctionlab.experiments.findings import of_analysis

        paper = of_analysis(self)
        run = {key: getattr(self.run, key) for key in ("id", "name", "seed", "status", "round")}
        names = ("by_strategy", "series", "bid_functions", "stages", "convergence", "agents")
        return _plain(
            {
                "run": run | {key: getattr(self.run, key) for key in ("rounds", "replications", "groups", "seats")},
                "config": self.config,
                "headline": self.headline,
                "notes": self.notes,
                "window": self.window,
                "equilibrium": None if self.equilibrium is None else asdict(self.equilibrium),
                "no_equilibrium": self.no_equilibrium,
                "estimates": [asdict(estimate) for estimate in self.estimates],
                "details": self.details,
                "paper": None if paper is None else paper.to_json(),
                **{key: getattr(self, key).to_dict("records") for key in names},
            }
        )

    def verdicts(self) -> list[dict[str, Any]]:
        """Rows for the verdict table, one an estimate."""
        return [
            {
                "name": estimate.key,
                "verdict": estimate.verdict,
                "estimate": estimate.mean,
                **{key: getattr(estimate, key) for key in ("low", "high", "theory", "margin", "note")},
                **{key: getattr(estimate, key) for key in ("n", "needed", "unit", "label", "strategy", "role")},
            }
            for estimate in self.estimates
        ]


def analyse(store: Any, run: int | str, metrics: Any = None) -> Analysis:
    """The judged result of a run (its id, name, or "last"), finished or not.

    metrics : rows of `Metrics.rows` that are not in the store yet; default: the run's metric table, or what its last
    checkpoint had accumulated where the run was killed.
    """
    from auctionlab.experiments.judging import judge

    return judge(store, store.run(run), metrics)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
