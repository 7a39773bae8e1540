"""From what `Metrics` accumulated to the metrics themselves: name, round or None for the window, values (R,)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np

from auctionlab.arrays import Array
from auctionlab.experiments.metrics import Metrics
from auctionlab.experiments.names import MetricName, theory_by_cell, win_by_cell
from auctionlab.experiments.parties import Party
from auctionlab.experiments.replies import best_reply_gains, truth_gains
from auctionlab.experiments.reply_rules import Sample

Found: TypeAlias = tuple[MetricName, int | None, Array]

_OVER_ROUNDS = ("revenue", "efficiency", "utility", "truthful")


def measure(metrics: Metrics) -> Iterator[Found]:
    """Every metric of the rounds played so far; NaN where a replication has nothing to measure."""
    from auctionlab.experiments.development import develop

    yield from _series(metrics)
    yield from _window(metrics)
    if metrics.scalar:
        yield from _bid_functions(metrics)
        yield from _gains(metrics)
        yield from develop(metrics)


def _played(metrics: Metrics) -> Array:
    """Rounds played in each bin."""
    return np.diff(np.minimum(metrics.edges, metrics.round))


def _series(metrics: Metrics) -> Iterator[Found]:
    played = _played(metrics)
    shown = np.flatnonzero(played)
    middles = (metrics.edges[:-1] + metrics.edges[1:]) // 2
    for name, values in _rates(metrics, played[shown], {key: sums[shown] for key, sums in metrics.sums.items()}):
        if name.name in _OVER_ROUNDS:
            for place, row in zip(shown, values, strict=True):
                yield name, int(middles[place]), row


def _window(metrics: Metrics) -> Iterator[Found]:
    played = _played(metrics)
    begin, middle = metrics.window_bins
    parts = [slice(begin, None), slice(begin, middle), slice(middle, None)]
    counts = np.array([played[part].sum() for part in parts])
    sums = {key: np.stack([_total(array[part]) for part in parts]) for key, array in metrics.sums.items()}
    for name, (whole, early, late) in _rates(metrics, counts, sums):
        yield name, None, whole
        if name.name == "revenue":
            yield MetricName("drift"), None, late - early


def _total(array: Array) -> Array:
    """Sum over the first axis, one after the other, so that no other axis has a say in the rounding."""
    return np.cumsum(array, axis=0)[-1] if len(array) else np.zeros(array.shape[1:])


def _rates(metrics: Metrics, played: Array, sums: dict[str, Array]) -> Iterator[tuple[MetricName, Array]]:
    """Sums (K, R, ...) over K stretches of `played` rounds to metrics (K, R)."""
    rounds = np.asarray(played, float)[:, None]
    auctions = rounds * metrics.groups
    welfare = sums["welfare"] - sums.get("cost", 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        yield MetricName("revenue"), sums["revenue"] / auctions
        yield MetricName("welfare"), welfare / auctions
        yield MetricName("efficiency"), np.where(sums["best"] > 0, welfare / sums["best"], np.nan)
        yield MetricName("sale_probability"), sums["sold"] / auctions
        for name in ("utility", "truthful", "deviation"):
            if name not in sums:
                continue
            if name != "utility":
                yield MetricName(name), sums[name].sum(axis=2) / (auctions * metrics.n)
            for number, party in enumerate(metrics.parties):
                one = sums[name][:, :, number] / (rounds * len(party.members))
                yield MetricName(name, party.role, party.label), one


def _bid_functions(metrics: Metrics) -> Iterator[Found]:
    for number, party in enumerate(metrics.parties):
        drawn, count, bid, square = (table[:, number] for table in metrics.tables.values())  # (R, cells)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = bid / count
            sd = np.sqrt(np.maximum(square - count * mean * mean, 0.0) / np.maximum(count - 1, 1))
            yield MetricName("bid", party.role, party.label), None, bid.sum(axis=1) / count.sum(axis=1)
            taken = count.sum(axis=1) / drawn.sum(axis=1)
        yield MetricName("participation", party.role, party.label), None, taken
        if metrics.theory is not None:
            yield from _distances(metrics, party, drawn, count, bid)
        for cell in np.flatnonzero(drawn.sum(axis=0)):
            for key, table in (("bid_mean", mean), ("bid_sd", sd), ("bid_count", count)):
                yield MetricName(key, party.role, party.label, int(cell)), None, table[:, cell]


def _distances(metrics: Metrics, party: Party, drawn: Array, count: Array, bid: Array) -> Iterator[Found]:
    """Root mean square over cells of mean bid − mean equilibrium bid, (R,); no bid counts as the lowest legal one.

    "distance" weighs cells as the prior does, "winning_distance" by their probability of winning in equilibrium, too.
    """
    low = float(metrics.low[party.seat])
    floor = low if np.isfinite(low) else 0.0
    theory = theory_by_cell(metrics.environment, metrics.mechanism, party.role, metrics.theory, floor)
    winning = win_by_cell(metrics.environment, metrics.mechanism, party.role, metrics.theory)
    with np.errstate(invalid="ignore", divide="ignore"):
        learned = (bid + (drawn - count) * floor) / drawn
        known = np.isfinite(learned) & np.isfinite(theory)
        for name, chance in (("distance", 1.0), ("winning_distance", winning)):
            if chance is None:
                continue
            weight = known * drawn * chance  # as often as drawn: cells are equally likely, but atoms share few of them
            squares = weight * np.where(known, learned - theory, 0.0) ** 2
            yield MetricName(name, party.role, party.label), None, np.sqrt(squares.sum(axis=1) / weight.sum(axis=1))


def _gains(metrics: Metrics) -> Iterator[Found]:
    """What best replies, of all bids and of the own grid, and the truth, where dominant, would have earned more."""
    if not len(metrics.sample.rounds):
        return
    game = metrics.environment, metrics.mechanism, sample_of(metrics, metrics.sample.arrays), len(metrics.parties)
    yield from by_party(metrics, "exploitability", None, best_reply_gains(*game))
    grids = [party.grid for party in metrics.parties]
    if any(grids):
        own = np.full((metrics.replications, len(grids)), np.nan)
        for grid in {*grids} - {()}:
            same = [number for number, other in enumerate(grids) if other == grid]
            own[:, same] = best_reply_gains(*game, np.asarray(grid))[:, same]
        yield from by_party(metrics, "grid_exploitability", None, own, [bool(grid) for grid in grids])
    if metrics.dominant:
        yield from by_party(metrics, "stake", None, truth_gains(*game))


def by_party(
    metrics: Metrics, name: str, round: int | None, gains: Array, shown: Sequence[bool] | None = None
) -> Iterator[Found]:
    """Gains (R, parties) of the market, weighted by members, and of each party; or of those shown alone."""
    seen = np.ones(len(metrics.parties), bool) if shown is None else np.asarray(shown)
    size = np.array([len(party.members) for party in metrics.parties]) * seen
    yield MetricName(name), round, (np.where(seen, gains, 0.0) * size).sum(axis=1) / size.sum()
    for number in np.flatnonzero(seen):
        party = metrics.parties[number]
        yield MetricName(name, party.role, party.label), round, gains[:, number]


def sample_of(metrics: Metrics, kept: dict[str, Array]) -> Sample:
    """Kept rounds as a sample to reply to."""
    if "members" in kept:
        parties = metrics.party_of[kept["members"]]
    else:
        parties = metrics.party_of.reshape(1, 1, metrics.groups, metrics.n)
    return Sample(
        signals=kept["signals"],
        values=kept.get("values", kept["signals"]),
        messages=kept["messages"],
        parties=parties,
        fixed=metrics.matching == "fixed",
        total=metrics.total,
    )
