"""Integrals against powers of a distribution function, on panels that are bisected until they resolve the integrand.

A panel is an interval with 16 Gauss-Legendre nodes; functions on it are Legendre series. Every integral of theory has
the form ∫ ξ dK / K(v) with an increasing K = exp(κ), such as F^(n-1). It is carried from panel to panel as a ratio,
A(v) = A(u) K(u)/K(v) + a local part, so that all terms are positive and nothing under- or overflows, however large n is
and however far in a tail v lies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import legendre

from auctionlab.arrays import Array

ORDER = 16
NODES, WEIGHTS = legendre.leggauss(ORDER)
_DEGREES = np.arange(ORDER)
TO_SERIES = (_DEGREES[:, None] + 0.5) * legendre.legvander(NODES, ORDER - 1).T * WEIGHTS  # values -> coefficients
RISE = 4.0  # the most that κ may rise over a panel

Function = Callable[[Array], Array]


def _antiderivatives() -> Array:
    """(q + 1, q): integrals from -1 to each node, and to 1, of the interpolant of values at the nodes."""
    ends = np.append(NODES, 1.0)
    table = legendre.legvander(ends, ORDER)
    below = np.concatenate([-np.ones((ORDER + 1, 1)), table[:, : ORDER - 1]], axis=1)
    return ((table[:, 1:] - below) / (2 * _DEGREES + 1)) @ TO_SERIES


TO_INTEGRAL = _antiderivatives()
_SLOPES = legendre.legvander(NODES, ORDER - 2) @ legendre.legder(np.eye(ORDER))  # coefficients -> derivatives


@dataclass(frozen=True)
class Panels:
    """Adjoining intervals: edges (K + 1,), and κ at the edges and at the nodes (K, q)."""

    edges: Array
    at_edges: Array
    at_nodes: Array

    @property
    def half(self) -> Array:
        """Half the width of each panel, (K, 1)."""
        return np.diff(self.edges)[:, None] / 2

    @property
    def nodes(self) -> Array:
        """All nodes, (K, q)."""
        return nodes(self.edges[:-1], self.edges[1:])


def nodes(left: Array, right: Array) -> Array:
    """The Gauss-Legendre nodes of each interval, (K, q)."""
    return (left + right)[:, None] / 2 + (right - left)[:, None] / 2 * NODES


def bisect(
    edges: Array,
    evaluate: Function,
    judge: Callable[[Array, Array, Array], tuple[Array, Array]],
    limit: int = 12_000,
) -> tuple[Array, Array]:
    """Halve panels until they will do: edges (K + 1,) and the values at nodes (K, q).

    judge : (values, left, right) -> whether a panel must be halved, and its error in units of what is allowed. Where
    halving twice did not lessen the error it is rounding, and the panel will do.
    """
    left, right = edges[:-1], edges[1:]
    before = np.full(left.shape, np.inf)
    kept: list[tuple[Array, Array]] = []
    count = depth = 0
    while left.size:
        values = evaluate(nodes(left, right))
        middle = (left + right) / 2
        must, error = judge(values, left, right)
        split = must | (error > 1) & ((error < 0.95 * before) | (depth < 2))
        depth += 1
        split &= (left < middle) & (middle < right) & (right - left > 4e-16 * np.maximum(np.abs(left), np.abs(right)))
        if count + left.size > limit:
            split[:] = False
        kept.append((left[~split], values[~split]))
        count += int((~split).sum())
        left, right, middle, before = left[split], right[split], middle[split], np.tile(error[split], 2)
        left, right = np.concatenate([left, middle]), np.concatenate([middle, right])
    starts = np.concatenate([start for start, _ in kept])
    order = np.argsort(starts)
    return np.append(starts[order], edges[-1]), np.concatenate([values for _, values in kept])[order]


def tail(values: Array) -> Array:
    """The last two Legendre coefficients of each panel, (K,): how far it is from resolved."""
    return np.abs(values @ TO_SERIES[-2:].T).max(axis=1)


def far_from(low: float, left: Array, right: Array) -> Array:
    """Whether panels are not long beside their distance from `low`, where functions may be powers of that distance."""
    return right - low <= 4 * (left - low)


def resolve(
    kappa: Function,
    edges: Array,
    ends: tuple[float, float],
    rate: float = 0.0,
    weight: Callable[[Array, Array], Array] | None = None,
    noise: float = 0.0,
) -> Panels:
    """Panels on which exp(κ), and `weight(x, κ)` times it, are polynomials to 13 digits and κ rises by at most 4.

    ends : of the support.   rate : exp(rate x) may change as much as exp(κ).   noise : rounding error of κ.
    """

    def judge(values: Array, left: Array, right: Array) -> tuple[Array, Array]:
        rise = values[:, -1] - values[:, 0]
        width = right - left
        rounding = 1e-15 * np.maximum(np.abs(left), np.abs(right)) * rise / width  # of x itself, seen through κ
        rounding += 2e-16 * np.abs(values[:, 0]) + noise
        shape = np.exp(values - values[:, -1:])
        error = tail(shape)
        if weight is not None:
            weights = weight(nodes(left, right), values)
            error = np.maximum(error, tail(shape * weights) / (np.abs(weights).max(axis=1) + 1e-290))
        error = error / np.maximum(1e-13, rounding)
        smooth = (error <= 1) | (far_from(ends[0], left, right) & far_from(-ends[1], -right, -left))
        return (rate * width > RISE) | ~smooth, np.where(rise > RISE, 1e5 * rise, error)

    edges, values = bisect(edges, kappa, judge)
    return Panels(edges, kappa(edges), values)


def slope(values: Array, half: Array) -> Array:
    """Derivatives at the nodes of functions given there, (K, q); coefficients that are rounding errors are left out."""
    series = values @ TO_SERIES.T
    series[np.abs(series) < 1e-14 * np.abs(series).max(axis=1, keepdims=True)] = 0.0
    return (_SLOPES @ series.T).T / half


def _march(first: float, decay: Array, local: Array) -> Array:
    """A at the nodes (K, q) from A at the left end, given decay and local parts at nodes and right edge (K, q + 1)."""
    starts = np.empty(len(local))
    value = first
    for k, (shrink, gain) in enumerate(zip(decay[:, -1].tolist(), local[:, -1].tolist(), strict=True)):
        starts[k] = value
        value = value * shrink + gain
    return starts[:, None] * decay[:, :-1] + local[:, :-1]


def mean_below(panels: Panels, first: float, rate: float = 0.0) -> Array:
    """A(v) = (K(t) A(t) + ∫_t^v ξ(x) dK(x)) / K(v) at the nodes, (K, q): the mean of ξ below v, where K = exp(κ).

    With rate = 0, ξ(x) = x. Else ξ(x) = (exp(rate x) − 1)/rate and A is returned times exp(−rate v). By parts on each
    panel, so no density is needed and nothing cancels. `first` is A at the first edge, as returned.
    """
    x, left = panels.nodes, panels.edges[:-1, None]
    ends = np.append(x, panels.edges[1:, None], axis=1)  # (K, q + 1)
    kappa = np.append(panels.at_nodes, panels.at_edges[1:, None], axis=1)
    rise = panels.at_edges[:-1, None] - kappa
    lack = -np.expm1(panels.at_nodes[:, None, :] - kappa[:, :, None])  # (K, q + 1, q)
    base, decay = left, np.exp(rise)
    if rate > 0:
        lack = lack * np.exp(rate * (x[:, None, :] - ends[:, :, None]))
        base = np.exp(rate * (left - ends)) * -np.expm1(-rate * left) / rate
        decay = np.exp(rise - rate * (ends - left))
    local = panels.half * np.einsum("ij,kij->ki", TO_INTEGRAL, lack) - base * np.expm1(rise)
    return _march(first, decay, local)


def decayed_integral(panels: Panels, weights: Array, first: float) -> Array:
    """J(v) = (K(t) J(t) + ∫_t^v w K dx) / K(v) at the nodes, (K, q); weights (K, q) are w at the nodes."""
    kappa = np.append(panels.at_nodes, panels.at_edges[1:, None], axis=1)
    kernel = np.exp(panels.at_nodes[:, None, :] - kappa[:, :, None]) * weights[:, None, :]
    local = panels.half * np.einsum("ij,kij->ki", TO_INTEGRAL, kernel)
    return _march(first, np.exp(panels.at_edges[:-1, None] - kappa), local)


class Piecewise:
    """A function given by its values at the nodes of panels: a Legendre series on each, constant beyond the last edge.

    Below the first edge it is linear down to `base` at `bottom`, where those are given (there K is a power of the
    distance to the bottom of the support, and means below v are linear).
    """

    def __init__(self, edges: Array, values: Array, bottom: float | None = None, base: float = 0.0) -> None:
        self.edges = edges
        self.series = np.ascontiguousarray(TO_SERIES @ values.T)  # (q, K)
        self.middle = (edges[1:] + edges[:-1]) / 2
        self.scale = 2 / np.maximum(np.diff(edges), 1e-307)  # panels may be as short as numbers are
        self.bottom, self.base = bottom, base
        self.first = float(((-1.0) ** _DEGREES) @ self.series[:, 0])

    def __call__(self, x: Array) -> Array:
        x = np.asarray(x, dtype=float)
        panel = np.clip(np.searchsorted(self.edges, x, side="right") - 1, 0, len(self.middle) - 1)
        z = np.clip((np.clip(x, self.edges[0], self.edges[-1]) - self.middle[panel]) * self.scale[panel], -1.0, 1.0)
        last = before = np.zeros_like(z)
        for k in range(ORDER - 1, -1, -1):  # Clenshaw
            last, before = (
                self.series[k, panel] + (2 * k + 1) / (k + 1) * z * last - (k + 1) / (k + 2) * before,
                last,
            )
        if self.bottom is None or not np.any(x < self.edges[0]):
            return last
        line = self.base + (self.first - self.base) * (x - self.bottom) / (self.edges[0] - self.bottom)
        return np.where(x < self.edges[0], line, last)
