"""The result of a sweep: its runs, and one table with a row a point.

result = auctionlab.run_sweep("sweep-reserve", workers=2)
result.table()               # settings, revenue with its interval and verdict, efficiency, exploitability, ...
result.plot("revenue")       # a matplotlib figure
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from auctionlab.errors import StoreError
from auctionlab.experiments import sources
from auctionlab.experiments.api import Result, database_of
from auctionlab.experiments.names import STOPPED
from auctionlab.experiments.tables import plain_data
from auctionlab.platform.runs import RunInfo
from auctionlab.platform.store import Store

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from auctionlab.experiments.findings import Comparison

QUANTITIES: Final = (
    *("revenue", "efficiency", "sale_probability", "welfare", "exploitability", "relative_exploitability"),
    *("grid_exploitability", "truthful", "deviation", "regret", "collusion", "converged_share"),
)


@dataclass(frozen=True)
class Failure:
    """A point that could not be played to its end, and why, in one sentence."""

    number: int
    point: str
    reason: str


@dataclass(frozen=True)
class SweepResult:
    """The runs of a sweep in a database, one a point, in order; everything is read when it is asked for."""

    database: str
    name: str
    run_ids: tuple[int, ...]
    failures: tuple[Failure, ...] = ()

    @classmethod
    def load(cls, ref: int | str = "last", database: str | None = None) -> SweepResult:
        """The recorded sweep of this name, or the last one; StoreError where there is none."""
        url = database_of(database)
        with Store(url, create=False) as store:
            info, runs = store.run(ref), store.runs()
        mine = sorted((run for run in runs if run.name == info.name and _numbered(run)), key=_number)
        if not mine:
            raise StoreError(f"run {info.id} ({info.name}) is no point of a sweep")
        return cls(url, info.name, tuple(run.id for run in mine))

    @property
    def runs(self) -> list[Result]:
        """The result of each point, as `auctionlab.run` gives it."""
        return [Result(self.database, run_id) for run_id in self.run_ids]

    @property
    def points(self) -> list[RunInfo]:
        """The run of each point: settings (in `point`), config, status, size."""
        with Store(self.database, create=False) as store:
            known = {info.id: info for info in store.runs()}
        return [known[run_id] for run_id in self.run_ids]

    def table(self) -> pd.DataFrame:
        """One row a point, in full precision.

        number, run, status; stopped, how many replications a learner's overflowing numbers stopped, which do not count;
        a column a swept key; for each of QUANTITIES the mean, and with `_low` and `_high` its 95 % interval over
        replications, with `_theory` the equilibrium, with `_margin` and `_verdict` the judgement;
        `revenue_gap`, revenue relative to the equilibrium's, less 1; `grid_revenue_verdict`, of revenue against the
        equilibrium of the learners' own grid of bids. NaN, or "", where there is nothing.
        """
        points = self.points
        with Store(self.database, create=False) as store:
            judged = [_judged(records(store.verdicts(info.id))) for info in points]
            stopped = [stopped_replications(store, info.id) for info in points]
        keys = swept_keys(points)
        rows = [
            {"number": _number(info), "run": info.id, "status": info.status, "stopped": gone}
            | {key: setting(info, key) for key in keys}
            | found
            for info, gone, found in zip(points, stopped, judged, strict=True)
        ]
        return pd.DataFrame(rows)

    def findings(self) -> Comparison | None:
        """What the paper that the sweep is about found beside what this sweep found; None where it names no paper."""
        from auctionlab.experiments.findings import of_runs
        from auctionlab.experiments.metric_table import MetricTable

        points = self.points
        with Store(self.database, create=False) as store:
            return of_runs([info.config for info in points], lambda k: MetricTable(store.metrics(points[k].id)).window)

    def plot(self, name: str = "revenue") -> Figure:
        """A quantity over the sweep: a heat map over two keys, curves over one, else a row a point."""
        from auctionlab.experiments.sweep_plots import plot_sweep

        points = self.points
        return plot_sweep(self.table(), swept_keys(points), name)

    def report(self, path: str | Path, **files: Any) -> Path:
        """Write the report of the sweep as one HTML file; `files` as in `write_report`."""
        from auctionlab.experiments.sweep_report import write_sweep_report

        return write_sweep_report(self, path, **files)

    def summary(self) -> str:
        """What was found, and the table of points, as text."""
        from auctionlab.experiments.sweep_report import sweep_summary

        return sweep_summary(self)

    def to_json(self) -> dict[str, Any]:
        """Plain data in full precision, with stable keys; null for what is unknown."""
        points, keys = self.points, swept_keys(self.points)
        rows = [
            {key: row[key] for key in row if key not in keys} | {"settings": (info.point or {})["settings"]}
            for info, row in zip(points, records(self.table()), strict=True)
        ]
        failures = [asdict(failure) for failure in self.failures]
        paper = self.findings()
        told = {"paper": None if paper is None else paper.to_json()}
        return plain_data({"name": self.name, "keys": keys, "points": rows, "failures": failures, **told})


def stopped_replications(store: Store, run_id: int) -> int:
    """How many replications of a finished run were stopped because a learner's numbers overflowed."""
    return int(store.metrics(run_id, prefix=f"{STOPPED}[")["replication"].nunique())


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table as plain dictionaries."""
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


def is_recorded_sweep(ref: int | str, database: str | None = None) -> bool:
    """True where a name, or "last", means a sweep: the newest run that it could mean is a point of one."""
    if str(ref).isdecimal():
        return False
    with Store(database_of(database), create=False) as store:
        named = [info for info in store.runs() if ref in ("last", info.name)]
    meant = [info for info in named if info.point is None or _numbered(info)]
    return bool(meant) and _numbered(meant[-1])


def swept_keys(points: Sequence[RunInfo]) -> list[str]:
    """Every key that some point sets, in the order of the sweep; `label` stands for all where every point has one."""
    settings = [(info.point or {})["settings"] for info in points]
    if all(each.get("label") for each in settings):
        return ["label"]
    return list(dict.fromkeys(key for each in settings for key in each))


def setting(info: RunInfo, key: str) -> Any:
    """The value of a key at a point, whether the point sets it or only others do."""
    settings = (info.point or {})["settings"]
    return settings[key] if key in settings else sources.at(info.config, key)


def _numbered(info: RunInfo) -> bool:
    return info.point is not None and "number" in info.point


def _number(info: RunInfo) -> int:
    return int((info.point or {})["number"])


def _judged(verdicts: list[dict[str, Any]]) -> dict[str, Any]:
    """The columns of a point that come from its verdicts."""
    rows = {row["name"]: row for row in verdicts}
    found: dict[str, Any] = {}
    for name in QUANTITIES:
        row = rows.get(name, {})
        found[name] = _number_of(row.get("estimate"))
        found |= {f"{name}_{part}": _number_of(row.get(part)) for part in ("low", "high", "theory", "margin")}
        found[f"{name}_verdict"] = row.get("verdict", "")
    theory = found["revenue_theory"]
    found["revenue_gap"] = found["revenue"] / theory - 1 if theory else math.nan
    found["grid_revenue_verdict"] = rows.get("grid_revenue", {}).get("verdict", "")
    found["revenue_needed"] = _number_of((rows.get("revenue", {}).get("details") or {}).get("needed"))
    return found


def _number_of(value: Any) -> float:
    return math.nan if value is None else float(value)
