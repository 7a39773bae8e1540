"""Playing what a statement is about, and drawing it: what entries share.

Draws come from streams of their own, so that an entry gives the same numbers whenever it is run.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from auctionlab import rng
from auctionlab.arrays import Array
from auctionlab.core import Draw, Environment, Mechanism, Outcome, truth

AUCTIONS = 200_000


class Play(NamedTuple):
    """Auctions played in equilibrium: what was dealt, and what came of it."""

    draw: Draw
    outcome: Outcome
    environment: Environment

    @property
    def utility(self) -> Array:
        """(B, n)."""
        return self.environment.utility(self.outcome, self.draw.values)

    @property
    def collected(self) -> Array:
        """Payments less the designer's cost, (B,)."""
        return np.asarray(self.outcome.payments.sum(axis=1) - self.environment.cost(self.outcome.allocation))


def play(
    mechanism: Mechanism, environment: Environment, seed: int = 1, auctions: int = AUCTIONS, truthful: bool = False
) -> Play:
    """Realised outcomes of the mechanism's own equilibrium; `truthful`: of the truth, whoever would stay out."""
    draw = environment.sample(rng.stream(seed), auctions)
    bids = (truth,) * environment.n if truthful else mechanism.equilibrium(environment)
    messages = np.stack([np.asarray(bid(draw.signals[:, seat])) for seat, bid in enumerate(bids)], axis=1)
    return Play(draw, mechanism.run(messages, rng.stream(seed, "settle")), environment)


def least(goal: Array, rows: Any, limits: Array, bounds: list[tuple[float | None, float | None]]) -> float:
    """The optimum of a linear program: the least goal · x with rows x ≤ limits and x within bounds.

    Raises RuntimeError where there is none.
    """
    from scipy.optimize import linprog

    found: Any = linprog(goal, A_ub=rows, b_ub=limits, bounds=bounds)
    if found.status != 0:
        raise RuntimeError(f"linear program: {found.message}")
    return float(found.fun)


def mean(samples: Array) -> dict[str, Any]:
    """`simulated` and `standard_error` of an expectation, for Reproduction(..., **mean(samples))."""
    return {"simulated": float(samples.mean()), "standard_error": float(samples.std(ddof=1) / np.sqrt(len(samples)))}


def label(axes: Any, x: str, y: str) -> None:
    """Name the axes, and the lines if they have names."""
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    if axes.get_legend_handles_labels()[0]:
        axes.legend()
