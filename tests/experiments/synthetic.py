"""Chunks of play made from bid rules, without a market."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from auctionlab.core import Environment, Mechanism
from auctionlab.experiments.metrics import Metrics
from auctionlab.platform.ledger import Chunk

Rule = Callable[[Any, Any], Any]


def play(
    environment: Environment,
    mechanism: Mechanism,
    rule: Rule,
    *,
    rounds: int,
    replications: int = 1,
    groups: int = 1,
    seed: int = 0,
    strangers: bool = False,
) -> Chunk:
    """All rounds as one chunk; rule(signals (B, n), members (B, n)) gives the messages, below `low` is no part."""
    rng = np.random.default_rng(seed)
    n, shape = environment.n, (rounds, replications, groups, environment.n)
    draw = environment.sample(rng, rounds * replications * groups)  # type: ignore[arg-type]
    members = np.arange(groups * n).reshape(1, 1, groups, n)
    if strangers:
        members = rng.permuted(np.tile(members.ravel(), (rounds * replications, 1)), axis=1).reshape(shape)
    seated = np.broadcast_to(members, shape).reshape(-1, n)
    messages = np.asarray(rule(draw.signals, seated), float)
    low = np.asarray(mechanism.messages(environment).low)
    messages = np.where(messages >= low, messages, -np.inf)
    outcome = mechanism.run(messages, rng)  # type: ignore[arg-type]
    utility = environment.utility(outcome, draw.values)
    signals, sent, allocation, payments, gained = (
        np.ascontiguousarray(array).reshape(shape)
        for array in (draw.signals, messages, outcome.allocation, outcome.payments, utility)
    )
    return Chunk(0, signals, signals, sent, allocation, payments, gained, members)


def cut(chunk: Chunk, *rounds: int) -> list[Chunk]:
    """The chunk cut before each of these rounds."""
    ends = [0, *rounds, chunk.rounds]
    return [part(chunk, low, high) for low, high in itertools.pairwise(ends)]


def part(chunk: Chunk, low: int, high: int, replications: slice = slice(None)) -> Chunk:
    """Some rounds, of some replications."""
    names = ("signals", "messages", "allocation", "payments", "utility")
    arrays = {name: getattr(chunk, name)[low:high, replications].copy() for name in names}
    members = chunk.members[low:high, replications] if len(chunk.members) > 1 else chunk.members
    return Chunk(first=chunk.first + low, values=arrays["signals"], members=members, **arrays)


def measured(metrics: Metrics, *chunks: Chunk) -> dict[tuple[str, int | None, int], float]:
    """Values by name, round and replication after these chunks."""
    for chunk in chunks:
        metrics.consume(chunk)
    return {(row["name"], row["round"], row["replication"]): row["value"] for row in metrics.rows()}


def over_replications(found: dict[tuple[str, int | None, int], float], name: str) -> Any:
    """The values of a metric of the window, by replication."""
    return np.array([value for (key, round, _), value in found.items() if key == name and round is None])
