"""Metrics of how learned play developed: regret, replies to average and last play, bids over time, convergence, cycles.

Everything here is computed from the kept courses of some replications (see `kept`), and only where somebody learns.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from auctionlab.arrays import NO_BID, Array
from auctionlab.core import Mechanism
from auctionlab.experiments import dynamics
from auctionlab.experiments.cells import Cells
from auctionlab.experiments.kept import courses, spread
from auctionlab.experiments.measures import Found, by_party, sample_of
from auctionlab.experiments.metrics import Metrics
from auctionlab.experiments.names import STAGE_CELLS, MetricName, stages_of
from auctionlab.experiments.parties import seat_of_role
from auctionlab.experiments.regret import checkpoints, regret_of
from auctionlab.experiments.replies import best_reply_gains
from auctionlab.experiments.reply_rules import Sample
from auctionlab.platform.market import disclosed
from auctionlab.rng import Source

_REPLIED: Final = 12  # replications in which best replies to last and average play are sought: they take long
_REPLIED_ROUNDS: Final = 2_000  # of average play, that they are sought in
_CURVE: Final = 5  # points of the curve of exploitability: stretches of the run, each some four times the last
_CURVE_REPLIED: Final = 8  # replications that they are computed in
_CURVE_ROUNDS: Final = 400  # that they are computed from, at each point
_CURVE_WORK: Final = 100  # share of the work at each point: one in so many
_LAST: Final = 5  # the last play is the last fifth of the window
_FEW_MEMBERS: Final = 20  # of a population, up to which regret is told agent by agent


def develop(metrics: Metrics) -> Iterator[Found]:
    """Every metric of how play developed, of the rounds played so far; NaN where a replication was not followed."""
    if not any(party.learns for party in metrics.parties):
        return
    yield from _feedback(metrics)
    yield from _last_gains(metrics)
    if not metrics.paths.replications or not len(metrics.paths.rounds):
        return
    course = _Course(metrics)
    yield from course.regrets()
    yield from course.average_gains()
    yield from course.current_gains()
    yield from course.bids()
    yield from course.stages()
    yield from course.gaps()
    yield from course.movements()


def _feedback(metrics: Metrics) -> Iterator[Found]:
    """In how many rounds an agent was told its own result, the price to win, and all messages."""
    told = {"own"} | (disclosed(metrics.disclose, metrics.mechanism) & {"price", "others"})
    if type(metrics.mechanism).price is Mechanism.price:
        told -= {"price"}
    for party in metrics.parties:
        for kind in ("own", "price", "others"):
            rounds = metrics.round if party.learns and kind in told else 0
            values = np.full(metrics.replications, float(rounds))
            yield MetricName(f"feedback_{kind}", party.role, party.label), None, values


def _last_gains(metrics: Metrics) -> Iterator[Found]:
    """Exploitability of the last play: the last fifth of the window."""
    rounds = metrics.sample.rounds
    last = rounds >= metrics.rounds - max(1, (metrics.rounds - metrics.start) // _LAST)
    few = _few(metrics, _REPLIED, metrics.replications)
    if last.any() and few:
        sample = sample_of(metrics, {name: array[last, :few] for name, array in metrics.sample.arrays.items()})
        yield from by_party(metrics, "exploitability_last", None, _gains(metrics, sample, min(_REPLIED, metrics.total)))


def _few(metrics: Metrics, wanted: int, held: int) -> int:
    """How many of the first `wanted` replications of the run are among the first `held` here."""
    return max(0, min(held, wanted - metrics.first))


def _gains(metrics: Metrics, sample: Sample, share: int) -> Array:
    """Exploitability, (R, parties), NaN where not sought; the work is shared by so many replications."""
    sample = replace(sample, total=share)
    gains = best_reply_gains(metrics.environment, metrics.mechanism, sample, len(metrics.parties))
    return _wide(metrics, gains)


def _wide(metrics: Metrics, values: Array) -> Array:
    """Values (P, ...) of the first replications as (R, ...), NaN for the others."""
    wide = np.full((metrics.replications, *values.shape[1:]), np.nan)
    wide[: len(values)] = values
    return wide


def _learners(metrics: Metrics) -> list[bool]:
    return [party.learns for party in metrics.parties]


class _Course:
    """The followed replications: arrays (S, P, G, n), and what they say about the rounds so far."""

    def __init__(self, metrics: Metrics) -> None:
        self.metrics, self.rounds, self.played = metrics, metrics.paths.rounds, metrics.round
        self.kept = metrics.paths.arrays
        self.sample = sample_of(metrics, self.kept)
        shape = self.kept["messages"].shape
        self.followed = shape[1]
        places = np.arange(metrics.groups * metrics.n).reshape(1, 1, metrics.groups, metrics.n)
        self.members: Array = np.broadcast_to(self.kept.get("members", places), shape)  # (S, P, G, n)
        self.total = courses(metrics.rounds, metrics.total, metrics.groups * metrics.n)[1]
        floor = np.where(np.isfinite(metrics.low), metrics.low, 0.0)  # no bid counts as the lowest legal one
        self.bid = np.where(self.kept["messages"] > NO_BID, self.kept["messages"], floor)

    # ---- what one could have earned ----

    def regrets(self) -> Iterator[Found]:
        """Regret after so many rounds and in the end, by party, and agent by agent where they are few."""
        metrics, ends = self.metrics, checkpoints(self.played)
        parties = len(metrics.parties)
        external = np.full((len(ends), self.followed, parties), np.nan)
        swap = np.full((self.followed, parties), np.nan)
        agents: dict[int, Array] = {}
        for r in range(self.followed):
            play = self.sample.of(r)
            members = self.members[:, r].reshape(play.messages.shape)
            for number, party in enumerate(metrics.parties):
                if not party.learns:
                    continue
                found = regret_of(
                    metrics.environment, metrics.mechanism, play, self.rounds, members, party, ends, self.total
                )
                if found is None:
                    continue
                external[:, r, number] = found.external.mean(axis=1)
                if found.swap is not None:
                    swap[r, number] = found.swap.mean()
                for member, value in zip(party.members, found.external[-1], strict=True):
                    agents.setdefault(member, np.full(self.followed, np.nan))[r] = value
        for end, values in zip(ends, external, strict=True):
            yield from by_party(metrics, "regret", int(end), _wide(self.metrics, values), _learners(metrics))
        yield from by_party(metrics, "regret", None, _wide(self.metrics, external[-1]), _learners(metrics))
        yield from by_party(metrics, "swap_regret", None, _wide(self.metrics, swap), _learners(metrics))
        if len(metrics.party_of) <= _FEW_MEMBERS:
            for member, values in sorted(agents.items()):
                party = metrics.parties[metrics.party_of[member]]
                yield MetricName("agent_regret", party.role, party.label, member), None, _wide(self.metrics, values)

    def average_gains(self) -> Iterator[Found]:
        """Exploitability of the time-averaged play of all rounds.

        In time-averaged play everybody draws a round of its own, so signals have to be independent across seats.
        """
        metrics, few = self.metrics, _few(self.metrics, _REPLIED, self.followed)
        if few and "values" not in self.kept and metrics.environment.independent:
            gains = _gains(metrics, self._shuffled(few), min(_REPLIED, metrics.total))
            yield from by_party(metrics, "exploitability_average", None, gains)

    def current_gains(self) -> Iterator[Found]:
        """Exploitability of the play in ever longer stretches of rounds."""
        metrics, few = self.metrics, _few(self.metrics, _CURVE_REPLIED, self.followed)
        ends = np.unique(np.rint(np.geomspace(max(1, self.played / 300), self.played, _CURVE)).astype(int))
        for low, high in itertools.pairwise([0, *ends]):
            first, last = np.searchsorted(self.rounds, [low, high])
            rows = first + spread(_CURVE_ROUNDS, int(last - first))
            if few and len(rows):
                gains = _gains(metrics, self._part(rows, few), _CURVE_WORK)
                yield from by_party(metrics, "exploitability", int(low + high) // 2, gains)

    def _part(self, rows: Array, followed: int) -> Sample:
        """Some of the kept rounds of the first followed replications."""
        return sample_of(self.metrics, {name: array[rows, :followed] for name, array in self.kept.items()})

    def _shuffled(self, followed: int) -> Sample:
        """Rounds of the first replications, those of every place in every group in a random order of their own."""
        play = self._part(spread(_REPLIED_ROUNDS, len(self.rounds)), followed)
        length, _, groups, n = play.messages.shape
        draws = Source(0, followed, self.metrics.first).stream(0, "evaluate").random((followed, length, groups * n))
        order = np.argsort(draws, axis=1).transpose(1, 0, 2).reshape(length, followed, groups, n)

        def shuffle(array: Array) -> Array:
            return np.take_along_axis(array, order, axis=0) if len(array) > 1 else array

        signals, messages, parties = (shuffle(array) for array in (play.signals, play.messages, play.parties))
        return replace(play, signals=signals, values=signals, messages=messages, parties=parties)

    # ---- bids and revenue over rounds ----

    def bids(self) -> Iterator[Found]:
        """Mean bid by bin of rounds: of each party, and of the first two agents where the same ones always meet."""
        metrics = self.metrics
        middles = (metrics.edges[:-1] + metrics.edges[1:]) // 2
        for party in metrics.parties:
            means = self._means(np.isin(self.members, party.members), metrics.edges)
            yield from self._series(MetricName("bid", party.role, party.label), middles, means)
            if metrics.matching == "fixed":
                for member in party.members:
                    if member < 2:
                        name = MetricName("agent_bid", party.role, party.label, member)
                        yield from self._series(name, middles, self._means(self.members == member, metrics.edges))

    def stages(self) -> Iterator[Found]:
        """The bid function in each stage of the run, by cell of values."""
        metrics = self.metrics
        edges = stages_of(metrics.rounds, metrics.start)
        for party in metrics.parties:
            seat = seat_of_role(metrics.environment, metrics.mechanism, party.role)
            cells = Cells(np.asarray(seat.edges(STAGE_CELLS), float))
            mine = np.isin(self.members, party.members)
            rows, replications = np.nonzero(mine)[:2]
            place = np.searchsorted(edges, self.rounds[rows], side="right") - 1
            key = (place * STAGE_CELLS + cells(self.kept["signals"][mine])) * self.followed + replications
            shape = len(edges) - 1, STAGE_CELLS, self.followed
            size = int(np.prod(shape))
            with np.errstate(invalid="ignore", divide="ignore"):
                count = np.bincount(key, minlength=size)
                means = (np.bincount(key, weights=self.bid[mine], minlength=size) / count).reshape(shape)
            for stage, middle in enumerate((edges[:-1] + edges[1:]) // 2):
                for cell in range(STAGE_CELLS):
                    name = MetricName("stage_bid", party.role, party.label, cell)
                    yield name, int(middle), _wide(self.metrics, means[stage, cell])

    def gaps(self) -> Iterator[Found]:
        """Revenue less equilibrium revenue at the same values, averaged over a tenth of the run from each block on."""
        metrics = self.metrics
        if metrics.theory is None or self.played < metrics.rounds:
            return
        gaps = dynamics.revenue_gaps(
            metrics.mechanism, metrics.theory, self.kept["signals"], self.kept["messages"]
        ).mean(axis=2)
        blocks = self.rounds * dynamics.BLOCKS // metrics.rounds
        running = dynamics.running_gaps(gaps, blocks)
        starts = np.arange(len(running)) * metrics.rounds // dynamics.BLOCKS
        yield from self._series(MetricName("revenue_gap"), starts, running.T)

    def movements(self) -> Iterator[Found]:
        """Does the mean bid of learners drift, wander or cycle within the window?"""
        metrics = self.metrics
        edges = dynamics.bins_of_window(self.rounds, metrics.start, metrics.rounds)
        if edges is None or self.played < metrics.rounds:
            return
        for party in metrics.parties:
            if not party.learns:
                continue
            series = self._means(np.isin(self.members, party.members), edges)
            half = series.shape[1] // 2
            found = {"bid_drift": series[:, -half:].mean(axis=1) - series[:, :half].mean(axis=1)}
            found["persistence"] = dynamics.persistence(series)
            found["cycle_p"], period = dynamics.cycle(series)
            found["cycle_period"] = period * (metrics.rounds - metrics.start) / series.shape[1]
            for name, values in found.items():
                yield MetricName(name, party.role, party.label), None, _wide(self.metrics, values)

    def _means(self, mine: Array, edges: Array) -> Array:
        """Mean bid, adjusted for values, by stretch of rounds, (P, stretches), of the places (S, P, G, n) in `mine`."""
        row, replication = np.nonzero(mine)[:2]
        place = np.searchsorted(edges, self.rounds[row], side="right") - 1
        inside = (place >= 0) & (place < len(edges) - 1)
        bids, values = self.bid[mine][inside], self.kept["signals"][mine][inside]
        shape = self.followed, len(edges) - 1
        return dynamics.adjusted_means(bids, values, replication[inside], place[inside], shape)

    def _series(self, name: MetricName, rounds: Array, values: Array) -> Iterator[Found]:
        """Values (P, K) at K rounds; what nobody has is left out."""
        for place, round in enumerate(rounds):
            if not np.isnan(values[:, place]).all():
                yield name, int(round), _wide(self.metrics, values[:, place])
