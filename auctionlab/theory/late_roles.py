"""Roles whose highest values are low: of three or more bidders they bid only below some bid, where they are content to.

Above its entry a role has L = 0. The entry is where its highest type's condition holds with equality, and is found in
turn with the solution.  Lebrun (2006)
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from auctionlab.arrays import Array
from auctionlab.theory.collocation import Curves, Mesh
from auctionlab.theory.contest import Contest
from auctionlab.theory.guesses import first_mesh


def first_entries(contest: Contest, top: float) -> Array:
    """Where in (0, 1) each role begins to bid; inf for those that bid up to the top.  A guess, from a guessed top."""
    entries = np.full(len(contest.tops), np.inf)
    order = np.argsort(-contest.tops)
    for place in range(1, len(order)):
        role, above = order[place], order[:place]
        seats = contest.counts[above].sum()
        if seats < 2 or (contest.tops[role] == contest.tops[above[-1]] and not np.isfinite(entries[above[-1]])):
            continue
        gaps = contest.tops[above] - top
        push = (contest.counts[above] * contest.pressure(np.maximum(gaps, 1e-12))[0]).sum() / (seats - 1)
        own = contest.tops[role] - top
        if own <= 0 or contest.pressure(np.array(own))[0] >= push:
            entries[role] = min(0.95, 0.8 * (contest.tops[role] - contest.low) / (top - contest.low))
    return entries


def with_entries(contest: Contest, curves: Curves, entries: Array) -> Curves:
    """The curves on a mesh with an edge at each entry; above it the role does not bid."""
    late = np.isfinite(entries)
    if not late.any():
        return curves
    base = first_mesh(contest, curves.top).edges
    near = entries[late, None] + np.array([-1e-2, -1e-4, 0.0, 1e-4, 1e-2])
    base = base[np.all(np.abs(base[:, None] - entries[late]) > 1e-5, axis=1) | (base == 1)]
    edges = np.unique(np.concatenate([base, near[(near > base[0]) & (near < 1)].ravel()]))
    active = edges[1:, None] <= entries + 1e-15
    moved = curves.moved(Mesh(edges, active))

    def cap(logs: Array, t: Array) -> Array:
        slack = np.minimum(-1e-3 * (entries - t[..., None]), 0.0)
        return np.where(late, np.where(t[..., None] < entries, np.minimum(logs, slack), 0.0), logs)

    return replace(moved, at_edges=cap(moved.at_edges, edges), at_nodes=cap(moved.at_nodes, moved.mesh.nodes))


def entry(contest: Contest, curves: Curves, role: int) -> float:
    """Where the highest type of a role would be content to begin, given how the others bid above."""
    if contest.tops[role] >= contest.rival_top:
        return np.inf
    here = float(curves.mesh.edges[1:][curves.mesh.active[:, role]][-1])

    def excess(t: Array) -> Array:
        logs, bids = curves(t), contest.low + (curves.top - contest.low) * t
        panel = np.clip(np.searchsorted(curves.mesh.edges, t, side="right") - 1, 0, len(curves.mesh.active) - 1)
        active = curves.mesh.active[panel]
        active[:, role] = False
        rates = contest.rates(bids, logs, active).values
        own = contest.tops[role] - bids
        return np.where(own > 0, rates @ contest.counts - contest.pressure(np.maximum(own, 1e-12))[0], -np.inf)

    if here == 1:
        return np.inf if excess(np.array([1.0]))[0] >= 0 else 0.95
    t = np.sort(np.concatenate([np.linspace(here, 1.0, 400), here + (1 - here) * np.geomspace(1e-9, 1e-3, 40)]))
    content = excess(t) >= 0
    if content[-1]:
        return np.inf
    if content.any():  # it would rather begin higher up
        left = int(np.flatnonzero(content)[-1])
        a, b = float(t[left]), float(t[min(left + 1, len(t) - 1)])
        for _ in range(60):
            middle = (a + b) / 2
            a, b = (middle, b) if excess(np.array([middle]))[0] >= 0 else (a, middle)
        return a
    step = 1e-6
    now, then = excess(np.array([here, here + step]))
    slope = (then - now) / step
    down = -now / slope if slope < 0 else 0.05 * here
    return here - min(abs(down), 0.3 * here)
