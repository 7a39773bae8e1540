"""What an environment promises: shapes, addressed draws, supports, utilities and the best welfare."""

from __future__ import annotations

import numpy as np

from auctionlab import rng
from auctionlab.arrays import Array
from auctionlab.checks._require import require, require_finite
from auctionlab.core import Draw, Environment, Outcome
from auctionlab.registry import kind_of

_BATCH = 64
_ROUNDING = 1e-9  # relative to the best welfare


def check_environment(environment: Environment) -> None:
    """Hold an environment to its contract: shapes, streams, supports, utilities, roles and best welfare."""
    name, n = kind_of(environment), environment.n
    box = environment.signal
    draw = _sample(environment, 8)
    for what, array, shape in (
        ("signals", draw.signals, (_BATCH, n, *box.shape)),
        ("values", draw.values, (_BATCH, n)),
    ):
        got = array.shape[: len(shape)] if what == "values" else array.shape
        require(got == shape, f"{name}: {what} have shape {array.shape}, expected {shape}")
        require_finite(f"{name}: {what}", array)
    require(
        np.array_equal(draw.signals, _sample(environment, 8).signals), f"{name}: two samples from one stream differ"
    )
    fewer, why = _sample(environment, 4), "call rng.random with the batch as first axis"
    same = np.array_equal(fewer.signals, draw.signals[: len(fewer.signals)])
    require(same, f"{name}: a replication's signals change with the number of replications; {why}")
    low, high = (np.broadcast_to(np.asarray(end, float), (n, *box.shape)) for end in (box.low, box.high))
    inside = np.all((draw.signals >= low) & (draw.signals <= high))
    require(inside, f"{name}: signals fall outside the box from {box.low} to {box.high}")
    for what, entries in (("priors", environment.priors), ("roles", environment.roles())):
        require(len(entries) == n, f"{name}: {len(entries)} {what} for {n} seats")
    _check_outcomes(name, environment, draw.values)


def _sample(environment: Environment, replications: int) -> Draw:
    source = rng.Source(1, replications)
    return environment.sample(source.stream(0, "deal"), _BATCH * replications // 8)


def _check_outcomes(name: str, environment: Environment, values: Array) -> None:
    """Each feasible allocation has a utility for every seat, and none beats the best welfare."""
    n, outcomes = environment.n, environment.outcomes()
    require(outcomes.shape[1] == n, f"{name}: outcomes have shape {outcomes.shape}, expected (K, {n}, ...)")
    best = environment.best_welfare(values)
    for k in range(outcomes.shape[0]):
        allocation = np.broadcast_to(outcomes[k], (len(values), *outcomes.shape[1:]))
        utility = environment.utility(Outcome(allocation, np.zeros((len(values), n))), values)
        shape = (len(values), n)
        require(utility.shape == shape, f"{name}: utility has shape {utility.shape}, expected {shape}")
        welfare = environment.value(allocation, values).sum(axis=1) - environment.cost(allocation)
        excess = float((welfare - best).max())
        beaten = excess > _ROUNDING * max(1.0, float(np.abs(best).max()))
        require(not beaten, f"{name}: best_welfare is beaten by {excess:.6g} by outcome {outcomes[k].tolist()}")
