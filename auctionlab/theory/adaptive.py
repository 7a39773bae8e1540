"""Integrals of a function of values, on panels that are halved until they resolve it; jumps belong at given edges."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from auctionlab.arrays import Array
from auctionlab.theory.quadrature import TO_INTEGRAL, WEIGHTS, Piecewise, nodes, tail

_RESOLVED = 1e-15  # of the integral of the absolute value: what a panel may be wrong by
_HALVINGS, _PANELS = 60, 20_000
_LEVELS = np.array([1e-12, 1e-9, 1e-6, 1e-4, 1e-3, 0.01, 0.05, 0.1, 0.25, 0.5])
LEVELS = np.concatenate([_LEVELS, 1 - _LEVELS[-2::-1], [1 - 1e-14, 1 - 2.0**-52]])  # quantiles where panels begin

Function = Callable[[Array], Array]


def integrate(function: Function, edges: Array) -> float:
    """∫ function from the first to the last of `edges`, which are ascending and hold every point where it jumps."""
    panels, values = _panels(function, edges)
    return float((np.diff(panels) / 2) @ (values @ WEIGHTS))


def cumulate(function: Function, edges: Array) -> Piecewise:
    """v ↦ ∫ function from edges[0] to v, as a function on [edges[0], edges[-1]], constant beyond."""
    panels, values = _panels(function, edges)
    cumulated = np.diff(panels)[:, None] / 2 * (values @ TO_INTEGRAL.T)
    starts = np.append(0.0, np.cumsum(cumulated[:, -1])[:-1])
    return Piecewise(panels, starts[:, None] + cumulated[:, :-1])


def _panels(function: Function, edges: Array) -> tuple[Array, Array]:
    """Edges (K + 1,) and the function at the nodes (K, q), halved while a panel's error matters and is not rounding."""
    edges = np.unique(edges)
    if len(edges) < 2:
        edges = np.append(edges, np.nextafter(edges[-1], np.inf))
    left, right = edges[:-1], edges[1:]
    kept: list[tuple[Array, Array]] = []
    size, count = 0.0, 0
    for _ in range(_HALVINGS):
        values = np.asarray(function(nodes(left, right)))
        size = size or float((right - left) @ (np.abs(values) @ WEIGHTS)) / 2
        error, middle = tail(values), left + (right - left) / 2
        split = (error * (right - left) > _RESOLVED * size) & (error > 1e-14 * np.abs(values).max(axis=1))
        split &= (left < middle) & (middle < right) & (count + len(left) < _PANELS)
        kept.append((left[~split], values[~split]))
        count += len(kept[-1][0])
        left, middle, right = left[split], middle[split], right[split]
        if not len(left):
            break
        left, right = np.concatenate([left, middle]), np.concatenate([middle, right])
    else:
        kept.append((left, np.asarray(function(nodes(left, right)))))
    starts = np.concatenate([start for start, _ in kept])
    order = np.argsort(starts)
    return np.append(starts[order], edges[-1]), np.concatenate([values for _, values in kept])[order]
