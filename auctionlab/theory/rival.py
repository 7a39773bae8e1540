"""Expectations over the type of a single rival, by quadrature that finds the jumps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from auctionlab.arrays import Array
from auctionlab.core import Environment
from auctionlab.theory.quadrature import NODES, TO_SERIES, WEIGHTS, nodes, tail

_ROWS = 400_000  # auctions evaluated at once
_INSIDE = 1e-9  # how far inside a panel its ends are looked at, relative to its width
_TO_ENDS = np.stack([(-1.0) ** np.arange(len(NODES)), np.ones(len(NODES))]) @ TO_SERIES  # values at nodes -> at ends

Play = Callable[[Array, Array], Array]  # which case (P,), signals of both seats (P, 2) -> (J, P)


def one_rival(environment: Environment) -> bool:
    """True where two seats have scalar types with densities."""
    return environment.n == 2 and all(prior is not None and not prior.atoms for prior in environment.priors)


def over_rival(play: Play, environment: Environment, seat: int, marks: Array, resolved: float = 1e-13) -> Array:
    """Means (J, K) of K cases over the rival's type: panels of its quantiles, halved around every jump.

    play : its signals have 0 for the seat itself.   marks : (K,), a type of the rival in each case where a jump is
    likely.   resolved : what a panel may be wrong by, relative to the largest value. A jump between the last node and
    the end of a panel shows by the value at the end, which is not what the nodes foretell.
    """
    rival = 1 - seat
    prior: Any = environment.priors[rival]
    starts = np.concatenate([np.linspace(0, 1, 5), prior.cdf(prior.breaks)])
    edges = np.concatenate([np.tile(starts, (len(marks), 1)), np.asarray(prior.cdf(marks))[:, None]], axis=1)
    edges.sort(axis=1)
    which = np.repeat(np.arange(len(marks)), edges.shape[1] - 1)
    left, right = edges[:, :-1].ravel(), edges[:, 1:].ravel()
    least, size, total = resolved / 10, len(NODES) + 2, np.zeros((1, len(marks)))
    while len(which):
        again = []
        for rows in np.array_split(np.arange(len(which)), len(which) * size // _ROWS + 1):
            a, b, k = left[rows], right[rows], which[rows]
            inside = _INSIDE * (b - a)
            chances = np.column_stack([nodes(a, b), a + inside, b - inside])  # (T, q + 2)
            signals = np.zeros((chances.size, 2))
            signals[:, rival] = prior.quantile(np.clip(chances.ravel(), 0.0, 1 - 2**-53))
            found = play(np.repeat(k, size), signals)
            found, ends = np.split(found.reshape(len(found), *chances.shape), [len(NODES)], axis=2)
            largest = np.maximum(np.abs(found).max(axis=(1, 2)), 1e-300)[:, None]
            missed = np.abs(ends - found @ _TO_ENDS.T).max(axis=2)
            error = np.maximum(np.stack([tail(part) for part in found]), missed) * (b - a) / largest
            split = (error > resolved).any(axis=0) & (b - a > least)
            parts = (found[:, ~split] @ WEIGHTS) * (b - a)[~split] / 2  # (J, kept)
            total = total + np.stack([np.bincount(k[~split], part, len(marks)) for part in parts])
            again.append(rows[split])
        rest = np.concatenate(again)
        middle = (left[rest] + right[rest]) / 2
        left, right = np.concatenate([left[rest], middle]), np.concatenate([middle, right[rest]])
        which = np.tile(which[rest], 2)
    return total
