"""The tables of an Analysis: series over rounds, bid functions and their stages, strategies side by side, bids."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from auctionlab.arrays import Array
from auctionlab.experiments.analysis import AGENTS, BID_FUNCTIONS, SAMPLES, SERIES, STAGES, Estimate
from auctionlab.experiments.config import Config
from auctionlab.experiments.convergence import share_interval
from auctionlab.experiments.metric_table import MetricTable
from auctionlab.experiments.names import CELLS, STAGE_CELLS, cell_signals, stages_of, theory_by_cell, window_of
from auctionlab.experiments.parties import Party

CYCLES: Final = 0.05  # level of the test for cycles
_SHOWN_PATHS: Final = 4  # replications whose agents are shown one by one
_SHOWN_BIDS: Final = 20_000
_LEARNED: Final = ("regret", "swap_regret", "exploitability_average", "exploitability_last", "bid_drift", "persistence")
_PARTS: Final = 20  # of the window, from which the bids to show are taken evenly


def series(table: MetricTable) -> pd.DataFrame:
    """Metrics over rounds with their intervals over replications; columns SERIES."""
    if table.over_rounds.empty:
        return pd.DataFrame(columns=list(SERIES))
    keys = ["name", "strategy", "role", "round"]
    found = table.over_rounds.groupby(keys, dropna=False, sort=False)["value"].agg(["mean", "std", "count"])
    found = _banded(found.reset_index()).astype({"round": int, "name": str})
    return _with_none(found, "strategy", "role")[list(SERIES)]


def bid_functions(table: MetricTable, parties: Sequence[Party], config: Config, bids: Any) -> pd.DataFrame:
    """Learned bids by cell of signals, beside the equilibrium bids (one function a seat, or None)."""
    frames = [_bid_function(table, party, config, bids) for party in parties if len(table.by_cell)]
    frames = [frame for frame in frames if len(frame)]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(BID_FUNCTIONS))


def _bid_function(table: MetricTable, party: Party, config: Config, bids: Any) -> pd.DataFrame:
    rows = table.by_cell[table.by_cell["name"].isin(("bid_mean", "bid_sd", "bid_count"))]
    if rows.empty:
        return pd.DataFrame()
    rows = rows[(rows["strategy"] == party.label) & (rows["role"] == party.role)].astype(
        {"cell": int, "replication": int}
    )
    wide = rows.pivot(index=["cell", "replication"], columns="name", values="value")
    wide = wide.reindex(columns=["bid_mean", "bid_sd", "bid_count"])  # huge bids may have no finite spread at all
    wide = wide[wide["bid_count"] > 0]
    if wide.empty:
        return pd.DataFrame()
    found = _banded(wide["bid_mean"].groupby(level="cell").agg(["mean", "std", "count"]).reset_index())
    cells = found["cell"].to_numpy()
    total = wide["bid_count"].groupby(level="cell").sum()
    centre = (wide["bid_mean"] * wide["bid_count"]).groupby(level="cell").sum() / total
    within = (wide["bid_count"] - 1) * wide["bid_sd"] ** 2
    between = wide["bid_count"] * (wide["bid_mean"] - centre.reindex(wide.index, level="cell")) ** 2
    squares = (within + between).groupby(level="cell").sum()
    low, high, median = cell_signals(config.environment, config.mechanism, party.role)
    theory = np.full(CELLS, np.nan)
    if bids is not None:
        theory = theory_by_cell(config.environment, config.mechanism, party.role, bids)
    found = found.assign(
        role=party.role,
        strategy=party.label,
        signal_low=low[cells],
        signal_high=high[cells],
        signal=median[cells],
        sd=np.sqrt(squares / np.maximum(total - 1, 1)).to_numpy(),
        count=total.to_numpy().astype(int),
        theory=theory[cells],
    )
    return found[list(BID_FUNCTIONS)]


def stages(table: MetricTable, parties: Sequence[Party], config: Config, bids: Any) -> pd.DataFrame:
    """Learned bids in each stage of the run by cell of signals, beside the equilibrium's; columns STAGES."""
    rows = table.stages[table.stages["name"] == "stage_bid"]
    if rows.empty:
        return pd.DataFrame(columns=list(STAGES))
    keys = ["role", "strategy", "round", "cell"]
    found = _banded(rows.groupby(keys, sort=False)["value"].agg(["mean", "std", "count"]).reset_index())
    edges = stages_of(config.rounds, window_of(config.rounds, config.analysis.window)[0])
    stage = np.searchsorted(edges, found["round"].to_numpy(float), side="right") - 1
    cells = found["cell"].to_numpy(int)
    signal, theory = np.full(len(found), np.nan), np.full(len(found), np.nan)
    for party in parties:
        mine = ((found["strategy"] == party.label) & (found["role"] == party.role)).to_numpy()
        median = cell_signals(config.environment, config.mechanism, party.role, STAGE_CELLS)[2]
        signal[mine] = median[cells[mine]]
        if bids is not None:
            curve = theory_by_cell(config.environment, config.mechanism, party.role, bids, cells=STAGE_CELLS)
            theory[mine] = curve[cells[mine]]
    found = found.assign(first=edges[stage], last=edges[stage + 1], signal=signal, theory=theory, cell=cells)
    return found.sort_values(["role", "strategy", "first", "cell"], kind="stable")[list(STAGES)].reset_index(drop=True)


def agents(table: MetricTable) -> pd.DataFrame:
    """Mean bids of the first two agents over rounds, over all replications and of a few; columns AGENTS."""
    rows = table.stages[table.stages["name"] == "agent_bid"]
    if rows.empty:
        return pd.DataFrame(columns=list(AGENTS))
    rows = rows.assign(agent=rows["cell"].astype(int), round=rows["round"].astype(int))
    keys = ["agent", "role", "strategy", "round"]
    whole = _banded(rows.groupby(keys, sort=False)["value"].agg(["mean", "std", "count"]).reset_index())
    whole = whole.assign(replication=math.nan)
    few = rows[rows["replication"] < _SHOWN_PATHS].rename(columns={"value": "mean"})
    few = few.assign(low=math.nan, high=math.nan, replication=few["replication"].astype(float))
    found = pd.concat([whole[list(AGENTS)], few[list(AGENTS)]], ignore_index=True)
    return _with_none(found, "replication")


def by_strategy(table: MetricTable, parties: Sequence[Party], estimates: Sequence[Estimate]) -> pd.DataFrame:
    """One row a party: its utility with interval and theory, and means of what else was measured."""
    utilities = {(e.strategy, e.role): e for e in estimates if e.name == "utility"}
    names = ["bid", "participation", "distance", "winning_distance", "exploitability", "grid_exploitability", *_LEARNED]
    if table.values("truthful") is not None:
        names += ["truthful", "deviation", "stake"]
    rows = []
    for party in parties:
        utility = utilities.get((party.label, party.role))
        row: dict[str, Any] = {"role": party.role, "strategy": party.label, "members": len(party.members)}
        for key, field in (("utility", "mean"), ("utility_low", "low"), ("utility_high", "high")):
            row[key] = getattr(utility, field, math.nan)
        row["utility_theory"] = math.nan if utility is None or utility.theory is None else utility.theory
        for name in names:
            values = table.values(name, party)
            row[name] = math.nan if values is None else float(values.mean())
        row["cycling"] = share_interval(cycling(table, party)).mean
        rows.append(row)
    return pd.DataFrame(rows)


def cycling(table: MetricTable, party: Party) -> Array:
    """In which replications the mean bid cycles, at 5 %: (R,) of zeros and ones; empty where it was not measured."""
    p = table.values("cycle_p", party)
    return np.empty(0) if p is None else (p < CYCLES).astype(float)


def samples(table: MetricTable) -> pd.DataFrame:
    """Every metric of the window, one value a replication; columns SAMPLES."""
    frame = table.window[list(SAMPLES)].reset_index(drop=True)
    return _with_none(frame.astype({"replication": int, "name": str}), "strategy", "role")


def recorded_bids(
    store: Any,
    run: Any,
    config: Config,
    parties: Sequence[Party],
    window: tuple[int, int],
    stopped: Sequence[tuple[str, int, int]] = (),
) -> pd.DataFrame:
    """Up to 20,000 recorded bids from all over the window, not of stopped replications: role, strategy, signal, bid."""
    columns = ["role", "strategy", "signal", "bid"]
    scalar = config.environment.signal.shape == () and config.mechanism.messages(config.environment).shape == ()
    end = min(window[1], run.round)
    if not scalar or config.record.bids == "none" or end <= window[0]:
        return pd.DataFrame(columns=columns)
    edges = np.unique(np.linspace(window[0], end, _PARTS + 1).astype(int))
    limit = _SHOWN_BIDS // (len(edges) - 1)
    wanted = ["agent_id", "replication", "signal", "message"]
    parts = [
        store.bids(run.id, rounds=(int(low), int(high)), columns=wanted, limit=limit)
        for low, high in itertools.pairwise(edges)
    ]
    told = pd.concat(parts, ignore_index=True).dropna(subset=["message"]).reset_index(drop=True)
    told = told[~told["replication"].isin([replication for _, replication, _ in stopped])]
    owner = np.empty(sum(len(party.members) for party in parties), int)
    for number, party in enumerate(parties):
        owner[list(party.members)] = number
    member = store.agents(run.id).set_index("agent_id")["member"].reindex(told["agent_id"]).to_numpy(int)
    sender = owner[member]
    found = {
        "role": np.array([party.role for party in parties])[sender],
        "strategy": np.array([party.label for party in parties], object)[sender],
        "signal": told["signal"].to_numpy(float),
        "bid": told["message"].to_numpy(float),
    }
    return pd.DataFrame(found, columns=columns)


def _banded(table: pd.DataFrame) -> pd.DataFrame:
    """mean, std, count over replications -> mean, low, high (95 %); NaN where one replication tells nothing of it."""
    count = table["count"].to_numpy(float)
    half = stdtrit(np.maximum(count - 1, 1), 0.975) * table["std"].to_numpy(float) / np.sqrt(count)
    return table.assign(low=table["mean"] - half, high=table["mean"] + half)


def _with_none(table: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """The same with None for what is missing, in columns of objects."""
    filled: dict[str, Any] = {
        column: pd.Series([None if item != item else item for item in table[column]], table.index, object)
        for column in columns
    }
    return table.assign(**filled)
