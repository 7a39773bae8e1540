"""A judged run made by hand: two bidders with uniform values, bids near an equilibrium, the statistics computed."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from auctionlab.experiments import convergence
from auctionlab.experiments.analysis import Analysis, Equilibrium, Estimate

CELLS, ROUNDS = 12, 2_000


def document(name: str, strategies: tuple[str, ...], kind: str, description: str, seed: int) -> dict[str, Any]:
    return {
        "name": name,
        "description": description,
        "seed": seed,
        "rounds": ROUNDS,
        "replications": 40,
        "environment": {"kind": "private-values", "bidders": 2, "prior": {"kind": "uniform", "low": 0.0, "high": 1.0}},
        "mechanism": {"kind": kind, "reserve": 0.0, "entry_fee": 0.0},
        "market": {"groups": 1, "matching": "fixed", "disclose": "own"},
        "agents": [{"strategy": {"kind": "exp3", "bids": 21, "cells": 20}, "name": name} for name in strategies],
        "record": {"database": "postgresql://teacher:hunter2@db.example/lab", "bids": "all"},
        "analysis": {"window": 0.2, "margin": 0.02},
    }


def judged(
    *,
    name: str = "first-price",
    strategies: tuple[str, ...] = ("exp3",),
    kind: str = "first-price",
    description: str = "Two bidders learn to shade.\n\nExpect revenue 1/3.",
    off: float = 0.0,
    noise: float = 0.02,
    benchmark: bool = True,
    truthful: bool = False,
    status: str = "finished",
    bids: int = 4_000,
    replications: int = 40,
    seed: int = 7,
    run_id: int = 3,
) -> Analysis:
    """off : how far mean revenue lies from theory; noise : its standard deviation over replications."""
    rng = np.random.default_rng(run_id)
    slope = 1.0 if truthful else 0.5
    margin = 0.02 / 3
    revenue = 1 / 3 + off + noise * rng.standard_normal(replications)
    found = convergence.tost(revenue, 1 / 3, margin) if replications else None
    between = convergence.interval(revenue)
    theory = 1 / 3 if benchmark else None
    estimates = [
        Estimate(
            "revenue", "Revenue", "money", between.mean, between.low, between.high, between.n, theory,
            margin if benchmark else None, found.verdict if benchmark and found else "",
            found.needed if found else None,
        ),
        Estimate("efficiency", "Efficiency", "share", 0.982, 0.979, 0.985, replications, 1.0 if benchmark else None),
    ]  # fmt: skip
    checks = tuple(
        Estimate(key, label, unit, value, value - 0.01, value + 0.01, replications, note=note)
        for key, label, unit, value, note in (
            ("truthful", "Truthful bids", "share", 0.81, "within half a bid step"),
            ("deviation", "Distance to truth", "money", 0.031, ""),
            ("stake", "Payoff at stake", "money", 0.012, ""),
        )
    )
    details = {"database": "postgresql://teacher:hunter2@db.example/lab", "bid_step": 0.05}
    equilibrium = Equilibrium(
        1 / 3, (1 / 6, 1 / 6), (1 / 6, 1 / 6), 1.0, 1.0, 2 / 3, "quadrature of Krishna, prop. 2.2"
    )
    return Analysis(
        run=SimpleNamespace(
            id=run_id, name=name, fingerprint="f" * 64, seed=seed, rounds=ROUNDS, replications=replications, groups=1,
            seats=2, status=status, round=ROUNDS if status == "finished" else 900, started="2025-03-01T10:00:00",
            finished="2025-03-01T10:02:00" if status == "finished" else None,
            versions={"auctionlab": "0.1.0", "numpy": "2.4"}, config={},
        ),
        config=document(name, strategies, kind, description, seed),
        headline=f"Revenue in the judged rounds was {between.mean:.3f}.",
        notes=("A bid grid of 21 bids has its own equilibrium.",),
        equilibrium=equilibrium if benchmark else None,
        no_equilibrium="" if benchmark else "priors differ and the auction is first-price",
        estimates=tuple(estimates),
        series=_series(rng, strategies, truthful),
        bid_functions=_bid_functions(rng, strategies, slope, benchmark),
        by_strategy=_by_strategy(strategies, benchmark, truthful),
        samples=pd.DataFrame(
            {"name": "revenue", "strategy": None, "role": None, "replication": range(replications), "value": revenue}
        ),
        bids=_bids(rng, strategies, slope, bids),
        window=(1_600, ROUNDS) if status == "finished" else (720, 900),
        truthfulness=checks if truthful else None,
        exploitability=Estimate("exploitability", "Gain from a best reply", "money", 0.004, 0.003, 0.005, replications),
        details=details,
    )  # fmt: skip


def _series(rng: np.random.Generator, strategies: tuple[str, ...], truthful: bool) -> pd.DataFrame:
    rounds = np.arange(20, ROUNDS, 40)
    levels = {"revenue": (0.5, 1 / 3), "efficiency": (0.9, 0.98)} | ({"truthful": (0.1, 0.8)} if truthful else {})
    frames = []
    for name, (start, end) in levels.items():
        for strategy in (None, *strategies):
            mean = end + (start - end) * np.exp(-rounds / 400) + 0.004 * rng.standard_normal(len(rounds))
            table = {"name": name, "strategy": strategy, "role": None if strategy is None else 0, "round": rounds}
            frames.append(pd.DataFrame({**table, "mean": mean, "low": mean - 0.01, "high": mean + 0.01}))
    return pd.concat(frames, ignore_index=True)


def _bid_functions(
    rng: np.random.Generator, strategies: tuple[str, ...], slope: float, benchmark: bool
) -> pd.DataFrame:
    edges = np.linspace(0, 1, CELLS + 1)
    signal = (edges[1:] + edges[:-1]) / 2
    frames = []
    for i, strategy in enumerate(strategies):
        mean = slope * signal + 0.02 * i + 0.01 * rng.standard_normal(CELLS)
        frames.append(
            pd.DataFrame(
                {
                    "role": 0, "strategy": strategy, "cell": range(CELLS), "signal_low": edges[:-1],
                    "signal_high": edges[1:], "signal": signal, "mean": mean, "low": mean - 0.015,
                    "high": mean + 0.015, "sd": 0.05, "count": 500, "theory": slope * signal if benchmark else np.nan,
                }
            )
        )  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def _by_strategy(strategies: tuple[str, ...], benchmark: bool, truthful: bool) -> pd.DataFrame:
    rows = []
    for i, strategy in enumerate(strategies):
        utility = {"utility": 0.16 + 0.01 * i, "utility_low": 0.155 + 0.01 * i, "utility_high": 0.165 + 0.01 * i}
        row = {"role": 0, "strategy": strategy, "members": 2, **utility, "bid": 0.25, "participation": 1.0}
        row |= {"utility_theory": 1 / 6 if benchmark else np.nan, "distance": 0.012, "exploitability": 0.004}
        rows.append(row | ({"truthful": 0.81, "deviation": 0.031, "stake": 0.012} if truthful else {}))
    return pd.DataFrame(rows)


def _bids(rng: np.random.Generator, strategies: tuple[str, ...], slope: float, count: int) -> pd.DataFrame:
    signal = rng.random((len(strategies), count))
    bid = np.clip(np.round((slope * signal + 0.06 * rng.standard_normal(signal.shape)) * 20) / 20, 0, None)
    parts = [
        pd.DataFrame({"role": 0, "strategy": strategy, "signal": signal[i], "bid": bid[i]})
        for i, strategy in enumerate(strategies)
    ]
    return pd.concat(parts, ignore_index=True)


@pytest.fixture
def make() -> Callable[..., Analysis]:
    """Makes a judged run; see `judged` for what can be chosen."""
    return judged
