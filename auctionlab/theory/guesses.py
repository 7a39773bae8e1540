"""Where to begin the search for asymmetric first-price bids: meshes, and symmetric auctions that are near."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from auctionlab.arrays import Array
from auctionlab.theory.collocation import Curves, Mesh
from auctionlab.theory.contest import CUT, DEEPEST, Contest
from auctionlab.theory.means import mean_value_below


def geometric_mean(contest: Contest, share: float = 1.0) -> Curves:
    """All roles bid as in the symmetric auction whose prior is their geometric mean, stretched to the range of bids.

    share : the top bid is at this part of the range from the lowest bid to that auction's top bid.
    """
    n, low = contest.counts.sum(), contest.low
    averse = 1.0 - getattr(contest.risk, "rho", 0.0)
    start = max(low, *(prior.low for prior in contest.priors))
    rivals = tuple((p, float(c * (n - 1) / n / averse)) for p, c in zip(contest.priors, contest.counts, strict=True))
    high = float(contest.tops.max())
    levels = np.linspace(0, 1 - CUT, 401)
    parts = [np.linspace(start, high, 400), start + (high - start) * 0.5 ** np.arange(1, 40)]
    values = np.unique(np.concatenate([*parts, *(np.asarray(p.quantile(levels)) for p in contest.priors)]))
    values = values[(values >= start) & (values <= high)]
    bids = np.maximum.accumulate(np.maximum(mean_value_below(rivals, start)(values), start))
    top = low + share * min(float(bids[-1]) - start, 0.9 * (contest.rival_top - low))
    mesh = first_mesh(contest, top)

    def logs(t: Array) -> Array:
        types = np.interp(start + (bids[-1] - start) * t, bids, values)
        return contest.logs(np.maximum(types, low + (top - low + 1e-3 * (high - low)) * t)[..., None])

    if contest.bottom.choice:
        logs = partial(_steep, contest, top)
    at_edges = np.minimum(logs(mesh.edges), -1e-300)
    at_edges[-1] = contest.highest
    return Curves(mesh, at_edges, np.minimum(logs(mesh.nodes), -1e-300), top)


def _steep(contest: Contest, top: float, t: Array) -> Array:
    """A guess where a lowest type chose the lowest bid b0: the others' gains leave it slowly, which drives its L.

    With s = b − b0 and c how far that type is above it, they gain g s² / (s + c), so that L = (log s − c/s) / g.
    """
    bottom, reach = contest.bottom, top - contest.low
    slack = bottom.choice if bottom.power == 2 else 0.0
    s = reach * t
    gains = np.maximum(contest.tops - top, 0.05 * reach)
    typical = float(gains[bottom.touching].mean())
    shared = ((s + slack) / s**2 * reach**2 / (reach + slack) / typical)[..., None]  # 1 / gain, but for what differs:
    at_low = np.array([contest.low])
    rise = 1 / np.maximum(contest.slopes(contest.logs(at_low), np.broadcast_to(at_low, gains.shape)), 1e-9)
    ends = np.where(bottom.touching, rise[bottom.touching].mean() - rise, 0.0), 1 / gains - 1 / typical
    apart = (1 - t[..., None]) * ends[0] + t[..., None] * ends[1]
    types = contest.low + s[..., None] + 1 / np.maximum(shared + apart, 0.2 * shared)
    steep = (np.log(t) - slack / s + slack / reach) * reach / typical
    logs = contest.logs(types)
    return np.where(bottom.touching, logs, np.maximum(logs, steep[..., None]))


def first_mesh(contest: Contest, top: float) -> Mesh:
    """Panels that shrink by 4 towards both ends, down to where the lowest types are next to impossible."""
    low, reach = contest.low, top - contest.low
    deepest = [float(p.quantile(np.array(DEEPEST))) - low for p in contest.priors if p.low == low]
    bottom, least = contest.bottom, 1e-10
    if bottom.power == 2:
        share = 1e-3 if bottom.touching.sum() == 1 else 0.02  # of several, rounding errors are larger
        least = share * min(1.0, bottom.choice / reach)
    elif not np.all(bottom.touching):
        least = 1e-7  # bids leave the lowest more slowly than any power of the distance
    first = min(max([least, 1e-7 * abs(low) / reach, *(depth / reach for depth in deepest)]), 0.01)
    below = first * 4.0 ** np.arange(math.ceil(math.log(0.4 / first, 4)))
    above = 1 - 1e-10 * 4.0 ** np.arange(16)
    edges = np.concatenate([below, [0.5], above[::-1], [1.0]])
    return Mesh(edges, np.ones((len(edges) - 1, len(contest.priors)), dtype=bool))


def quantile_mean(contest: Contest) -> Curves:
    """The symmetric auction of the average quantile function Q: b = E[max(low, Q(p U^(1/κ)))] at level p, U uniform."""
    averse = 1.0 - getattr(contest.risk, "rho", 0.0)
    power = (contest.counts.sum() - 1) / averse
    tail = 1 - np.geomspace(1e-3, 1e-14, 100)
    levels = np.unique(
        np.concatenate([np.linspace(0, 1, 402)[1:-1], np.geomspace(0.5 * DEEPEST, 1e-2, 800), tail, [1.0]])
    )
    draws, weights = np.polynomial.legendre.leggauss(60)
    below = levels[:, None] * ((1 + draws) / 2) ** (1 / power)
    values = contest.average_type(below)
    bids = np.maximum.accumulate(np.maximum(values, contest.low) @ weights / 2)
    top = float(bids[-1])
    mesh = first_mesh(contest, top)

    def logs(t: Array) -> Array:
        return np.repeat(
            np.log(np.interp(contest.low + (top - contest.low) * t, bids, levels))[..., None],
            len(contest.counts),
            axis=-1,
        )

    return Curves(mesh, logs(mesh.edges), logs(mesh.nodes), top)
