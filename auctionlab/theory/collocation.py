"""First-order systems L′ = D(b, L) on [low, top] with an unknown top, by collocation at Gauss points.

L are the logarithms of distribution functions of bids, one a role, so they rise to 0 at the top. On each panel of
t = (b − low) / (top − low) in (0, 1] they are polynomials that satisfy the equations at 16 Gauss points; Newton's
method solves for all of them and the top at once. Within a panel the unknowns are eliminated, so that what remains to
be solved are the values at the edges.  Ascher, Mattheij and Russell (1995), Numerical Solution of BVPs, chapter 5
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy.linalg import solve_banded

from auctionlab.arrays import Array
from auctionlab.theory.quadrature import NODES, ORDER, TO_INTEGRAL, TO_SERIES, WEIGHTS, Piecewise

_INSIDE, _WHOLE = TO_INTEGRAL[:-1] / 2, WEIGHTS / 2  # integrals over a panel of width 1
_SHRINK = 0.25  # the most by which a step may bring log F nearer to 0, so that it never gets there
_ITERATIONS, _TOLERANCE = 80, 1e-11
_EFFORT = 80_000  # polynomials: panels times roles, a step; solutions took up to 58,000


class Rates(NamedTuple):
    """D (..., k), its derivatives to L (..., k, k) and to b (..., k), and a slack (..., k) that must stay positive."""

    values: Array
    to_logs: Array
    to_bid: Array
    slack: Array


class Closure(NamedTuple):
    """The condition at the lowest bid: a residual, its derivatives to L there (k,) and to the top."""

    residual: float
    to_logs: Array
    to_top: float


@dataclass
class Effort:
    """How many unknown polynomials may still be solved for, over all steps, before a search is given up."""

    left: int = _EFFORT


@dataclass(frozen=True)
class System:
    """The equations. rates(bids (...), logs (..., k), active (..., k)); close(bid, its slope in the top, logs (k,))."""

    low: float
    rates: Callable[[Array, Array, Array], Rates]
    close: Callable[[float, float, Array], Closure]
    effort: Effort


@dataclass(frozen=True)
class Mesh:
    """Panels: edges (K + 1,) in t, the last 1, and which roles bid on each, (K, k)."""

    edges: Array
    active: Array

    @property
    def widths(self) -> Array:
        return np.diff(self.edges)

    @property
    def nodes(self) -> Array:
        """(K, q)"""
        return self.edges[:-1, None] + self.widths[:, None] * (1 + NODES) / 2


@dataclass(frozen=True)
class Curves:
    """A solution, or a guess: L at the edges (K + 1, k) and at the nodes (K, q, k), and the top bid."""

    mesh: Mesh
    at_edges: Array
    at_nodes: Array
    top: float

    def __call__(self, t: Array) -> Array:
        """L at any t, (..., k); constant below the first edge."""
        columns = [Piecewise(self.mesh.edges, self.at_nodes[..., i])(t) for i in range(self.at_nodes.shape[-1])]
        return np.stack(columns, axis=-1)

    def moved(self, mesh: Mesh) -> Curves:
        """The same curves on another mesh; the values at the top stay exactly as they are."""
        at_edges = self(mesh.edges)
        at_edges[-1] = self.at_edges[-1]
        return Curves(mesh, at_edges, self(mesh.nodes), self.top)


def newton(system: System, curves: Curves, tolerance: float = _TOLERANCE) -> Curves | None:
    """The solution near a guess, by Newton's method with steps that keep the slack positive; None if there is none."""
    before = np.inf
    for _ in range(_ITERATIONS):
        system.effort.left -= curves.mesh.active.size
        found = _step(system, curves) if system.effort.left > 0 else None
        if found is None:
            return None
        curves, size, whole = found
        if whole and (size < tolerance or (size < 1e-8 and size > 0.3 * before)):
            return curves
        before = size
    return None


def _step(system: System, curves: Curves) -> tuple[Curves, float, bool] | None:
    """One step, its relative size, and whether it was taken in full."""
    direction = _direction(system, curves)
    if direction is None:
        return None
    edges, nodes, top = direction
    size = float((np.abs(nodes) / (1 + np.abs(curves.at_nodes))).max())
    slack = _slack(system, curves)
    damping = 1.0
    while damping > 1e-6:
        moved = replace(
            curves,
            at_edges=_shift(curves, curves.at_edges, damping * edges),
            at_nodes=_shift(curves, curves.at_nodes, damping * nodes),
            top=curves.top + damping * top,
        )
        if moved.top > system.low and np.all(_slack(system, moved) > 0.2 * slack):
            return moved, size, damping == 1
        damping /= 2
    return None


def _shift(curves: Curves, logs: Array, change: Array) -> Array:
    """Logarithms moved, but not past 0; where a role begins to bid below the top they may, until that is found."""
    moved = logs + change
    return np.where(curves.mesh.active[-1], np.minimum(moved, _SHRINK * logs), moved)


def _bids(system: System, curves: Curves) -> Array:
    return system.low + (curves.top - system.low) * curves.mesh.nodes


def _rates(system: System, curves: Curves) -> Rates:
    return system.rates(_bids(system, curves), curves.at_nodes, curves.mesh.active[:, None, :])


def _slack(system: System, curves: Curves) -> Array:
    """What must stay positive: at all nodes and at the first edge."""
    first = system.low + (curves.top - system.low) * curves.mesh.edges[:1]
    below = system.rates(first, curves.at_edges[:1], curves.mesh.active[:1])
    return np.concatenate([_rates(system, curves).slack.ravel(), below.slack.ravel()])


def _direction(system: System, curves: Curves) -> tuple[Array, Array, float] | None:
    """Newton's change of L at the edges, at the nodes, and of the top."""
    mesh, reach = curves.mesh, curves.top - system.low
    panels, roles = mesh.active.shape
    unknowns = ORDER * roles
    width = mesh.widths[:, None, None]
    rates = _rates(system, curves)
    to_top = width * (rates.values + reach * rates.to_bid * mesh.nodes[..., None])  # of width · reach · D
    inner = curves.at_nodes - curves.at_edges[:-1, None, :] - reach * width * (_INSIDE @ rates.values)
    outer = np.diff(curves.at_edges, axis=0) - reach * width[:, 0] * (_WHOLE @ rates.values)
    matrix = -reach * width[..., None, None] * _INSIDE[:, None, :, None] * rates.to_logs.transpose(0, 2, 1, 3)[:, None]
    matrix = matrix.reshape(panels, unknowns, unknowns) + np.eye(unknowns)
    left = np.broadcast_to(np.tile(np.eye(roles), (ORDER, 1)), (panels, unknowns, roles))
    columns = [left, (_INSIDE @ to_top).reshape(panels, unknowns, 1), -inner.reshape(panels, unknowns, 1)]
    try:
        local = np.linalg.solve(matrix, np.concatenate(columns, axis=-1)).reshape(panels, ORDER, roles, roles + 2)
        across = reach * width * np.einsum("b,kbij,kbjc->kic", _WHOLE, rates.to_logs, local)  # (K, k, k + 2)
        edges, top = _edge_system(system, curves, across, _WHOLE @ to_top, outer)
    except np.linalg.LinAlgError:
        return None
    if not (np.all(np.isfinite(edges)) and np.isfinite(top)):
        return None
    nodes = np.einsum("kaij,kj->kai", local[..., :roles], edges[:-1]) + local[..., roles] * top + local[..., -1]
    return edges, nodes, top


def _edge_system(system: System, curves: Curves, across: Array, to_top: Array, outer: Array) -> tuple[Array, float]:
    """Changes at the edges (K + 1, k) and of the top: the closure below, continuity, and L fixed at the top.

    The top is carried along as one more unknown at every edge, so that the matrix is banded.
    """
    panels, roles = curves.mesh.active.shape
    block = roles + 1
    first = float(curves.mesh.edges[0])
    closure = system.close(system.low + (curves.top - system.low) * first, first, curves.at_edges[0])
    rows = np.zeros((panels, block, 2, block))  # what each panel asks of the unknowns at its left and its right edge
    rows[:, :, 0, :], rows[:, :, 1, :] = -np.eye(block), np.eye(block)
    rows[:, :roles, 0, :roles] -= across[..., :roles]
    rows[:, :roles, 0, roles] = -across[..., roles] - to_top
    right = np.zeros((panels + 1, block))
    right[:-1, :roles] = across[..., -1] - outer
    lower, upper = block, 2 * block - 2
    banded = np.zeros((lower + upper + 1, (panels + 1) * block))
    down = 1 + np.arange(panels * block)[:, None]
    along = np.repeat(np.arange(panels) * block, block)[:, None] + np.arange(2 * block)
    banded[upper + down - along, along] = rows.reshape(panels * block, 2 * block)
    banded[upper - np.arange(block), np.arange(block)] = np.append(closure.to_logs, closure.to_top)
    last = panels * block + np.arange(roles)
    banded[upper + 1, last] = 1.0  # row = column + 1
    answer = solve_banded((lower, upper), banded, np.append(-closure.residual, right.ravel()[:-1]), check_finite=False)
    change = answer.reshape(panels + 1, block)
    return change[:, :roles], float(change[-1, roles])


def unresolved(system: System, curves: Curves) -> Array:
    """How far each panel's share of L is from a polynomial, relative to 1 + |L| and above rounding errors, (K,)."""
    rates, bids = _rates(system, curves), _bids(system, curves)
    tails = np.abs(np.einsum("sb,kbi->ksi", TO_SERIES[-2:], rates.values)).max(axis=(1, 2))
    noise = 2e-15 * (np.abs(bids) / rates.slack.min(axis=-1) * np.abs(rates.values).max(axis=-1)).max(axis=1)
    share = (curves.top - system.low) * curves.mesh.widths * np.maximum(tails - noise, 0.0)
    return np.asarray(share / (1 + np.abs(curves.at_edges[1:]).min(axis=-1)))


def refined(mesh: Mesh, split: Array) -> Mesh:
    """The mesh with the chosen panels (K,) halved."""
    edges = np.sort(np.append(mesh.edges, (mesh.edges[:-1] + mesh.edges[1:])[split] / 2))
    return Mesh(edges, np.repeat(mesh.active, 1 + split.astype(int), axis=0))
