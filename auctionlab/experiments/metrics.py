"""Metrics computed while a run is played: sums by bin of rounds and by cell of signals, one value a replication.

`Metrics` consumes chunks of the ledger. Numbers are added one at a time in the order of play, each into the sum of its
bin or cell, so neither chunk boundaries nor a resume can change a bit of the result. What needs the single bids again
is computed at the end from rounds kept in bounded memory: best replies and the payoff at stake from rounds all over the
window, regret and how play developed from the whole course of some replications.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from auctionlab import kernels
from auctionlab.arrays import NO_BID, Array
from auctionlab.core import Environment, Mechanism
from auctionlab.experiments.cells import Cells
from auctionlab.experiments.config import Config
from auctionlab.experiments.kept import Kept, courses, spread
from auctionlab.experiments.names import CELLS, STOPPED, MetricName, window_of
from auctionlab.experiments.parties import Party, parties_of, seat_of_role
from auctionlab.kernels import compiled
from auctionlab.platform.ledger import Chunk
from auctionlab.theory.equilibria import bid_functions

_BINS: Final = 120  # of rounds, for series
_SAMPLE_BIDS: Final = 1_000_000  # kept for best replies, over all replications: 16 bytes each
_SAMPLE_ROUNDS: Final = 8  # at least, unless one alone has more bids than that
_SAMPLE_AUCTIONS: Final = 20_000  # of one replication


class Metrics:
    """A consumer of chunks; `rows` gives the metric table.

    parties : who is compared (see `parties`); groups, matching : as the market's; window : share of the rounds judged.
    disclose : what learners are told, as the market's, for the feedback counts.
    bids : equilibrium bid functions by seat, for the distance to them, or None.
    first, total : number of the first replication here, and replications of the whole run, where workers share it.
    """

    def __init__(
        self,
        environment: Environment,
        mechanism: Mechanism,
        parties: Sequence[Party],
        *,
        rounds: int,
        replications: int,
        groups: int = 1,
        matching: str = "fixed",
        disclose: str = "own",
        window: float = 0.2,
        bids: Sequence[Any] | None = None,
        first: int = 0,
        total: int | None = None,
    ) -> None:
        self.environment, self.mechanism, self.parties = environment, mechanism, tuple(parties)
        self.replications, self.groups, self.n = replications, groups, environment.n
        self.first, self.total, self.round = first, total or replications, 0
        self.matching, self.disclose, self.theory = matching, disclose, bids
        self.party_of = np.zeros(groups * self.n, np.intp)  # by member
        for number, party in enumerate(self.parties):
            self.party_of[list(party.members)] = number
        self.start, self.middle, self.rounds = window_of(rounds, window)
        self._lay_bins(window)
        box = mechanism.messages(environment)
        self.scalar = box.shape == () and environment.signal.shape == ()
        self.dominant = self.scalar and "dsic" in mechanism.claims(environment)
        self.low = np.broadcast_to(np.asarray(box.low, float), (self.n, *box.shape))
        self._default_best = type(environment).best_welfare is Environment.best_welfare
        self._default_cost = type(environment).cost is Environment.cost
        seats = [seat_of_role(environment, mechanism, role) for role in mechanism.roles(environment)]
        if self.scalar:
            self._cells = [Cells(seat.edges(CELLS)) for seat in seats]
            self._tolerances = [_Tolerance(*party.tolerance(seats[party.seat])) for party in self.parties]
        self._allocate()

    def _lay_bins(self, window: float) -> None:
        half = max(1, round(_BINS * window / 2))
        ends = [
            np.linspace(0, self.start, max(1, _BINS - 2 * half) + 1),
            np.linspace(self.start, self.middle, half + 1),
            np.linspace(self.middle, self.rounds, half + 1),
        ]
        self.edges = np.unique(np.rint(np.concatenate(ends)).astype(int))
        self.window_bins = tuple(np.searchsorted(self.edges, [self.start, self.middle]))

    def _allocate(self) -> None:
        bins, parties = len(self.edges) - 1, len(self.parties)
        whole, by_party = (bins, self.replications), (bins, self.replications, parties)
        shapes = {"revenue": whole, "welfare": whole, "best": whole, "sold": whole, "utility": by_party}
        if not self._default_cost:
            shapes["cost"] = whole
        if self.dominant:
            shapes |= {"truthful": by_party, "deviation": by_party}
        self.sums = {name: np.zeros(shape) for name, shape in shapes.items()}
        cells = (self.replications, parties, CELLS) if self.scalar else (0, 0, 0)
        kinds = {"drawn": np.int64, "count": np.int64, "bid": np.float64, "square": np.float64}
        self.tables = {name: np.zeros(cells, kind) for name, kind in kinds.items()}  # (R, parties, cells) in the window
        self._lay_samples()

    def _lay_samples(self) -> None:
        length, population, fixed = self.rounds - self.start, self.groups * self.n, self.matching == "fixed"
        kept = max(_SAMPLE_ROUNDS, min(_SAMPLE_AUCTIONS // self.groups, _SAMPLE_BIDS // (self.total * population)))
        kept = min(length, kept) if self.scalar and self.total * population <= _SAMPLE_BIDS else 0
        self.sample = Kept(self.start + spread(kept, length), self.replications, fixed)
        learned = self.scalar and any(party.learns for party in self.parties)
        followed, paths = courses(self.rounds, self.total, population) if learned else (np.empty(0, int), 0)
        self.paths = Kept(followed, max(0, min(paths - self.first, self.replications)), fixed)

    @classmethod
    def of(cls, config: Config, first: int = 0, replications: int | None = None) -> Metrics:
        """The metrics of an experiment, or of some of its replications."""
        return cls(
            config.environment,
            config.mechanism,
            parties_of(config),
            rounds=config.rounds,
            replications=replications or config.replications,
            groups=config.market.groups,
            matching=config.market.matching,
            disclose=config.market.disclose,
            window=config.analysis.window,
            bids=bid_functions(config.mechanism, config.environment),
            first=first,
            total=config.replications,
        )

    # ---- consuming ----

    def consume(self, chunk: Chunk) -> None:
        """Add a chunk; chunks come in the order of play, of any size."""
        rounds = np.arange(chunk.first, chunk.first + chunk.rounds)
        bins = np.searchsorted(self.edges, rounds, side="right") - 1
        parties = self.party_of[chunk.members] if len(self.parties) > 1 else None
        self._add_outcomes(chunk, bins)
        self._add("utility", bins, chunk.utility, parties)
        if self.dominant:
            self._add_deviations(chunk, bins, parties)
        inside = slice(max(0, self.start - chunk.first), None)
        if self.scalar and len(rounds[inside]):
            self._add_bids(chunk, inside, parties)
        self.sample.add(chunk)
        self.paths.add(chunk)
        self.round = chunk.first + chunk.rounds

    def _add(self, name: str, bins: Array, numbers: Array, parties: Array | None = None) -> None:
        """Add numbers (T, R, ...), one after the other, to the sums of their bins (T,), replications and parties."""
        sums = self.sums[name].reshape(len(self.edges) - 1, self.replications, -1)
        fast = compiled(kernels.add_up)
        if parties is None and fast is not None:
            fast(sums, bins, np.ascontiguousarray(numbers).reshape(*numbers.shape[:2], -1))
            return
        index = np.empty(numbers.shape, np.intp)
        index[...] = (bins[:, None] * self.replications + np.arange(self.replications))[..., None, None]
        np.add.at(
            sums.reshape(-1),
            (index if parties is None else index * len(self.parties) + parties).reshape(-1),
            numbers.reshape(-1),
        )

    def _add_outcomes(self, chunk: Chunk, bins: Array) -> None:
        shape = chunk.payments.shape  # (T, R, G, n)
        batch, auctions = math.prod(shape[:3]), (*shape[:3], 1)
        allocation = chunk.allocation.reshape(batch, *chunk.allocation.shape[3:])
        values = chunk.values.reshape(batch, *chunk.values.shape[3:])
        self._add("revenue", bins, chunk.payments)
        self._add("welfare", bins, self.environment.value(allocation, values).reshape(shape))
        if not self._default_cost:
            self._add("cost", bins, self.environment.cost(allocation).reshape(auctions))
        if self._default_best and values.ndim == 2:
            values = np.asfortranarray(values)  # a maximum over seats is ten times as fast with seats first
        self._add("best", bins, self.environment.best_welfare(values).reshape(auctions))
        taken = allocation.reshape(batch, self.n, -1) != 0
        sold = taken[:, 0, 0].copy()
        for seat in range(self.n):
            for part in range(taken.shape[2]):
                sold |= taken[:, seat, part]
        self._add("sold", bins, sold.astype(float).reshape(auctions))

    def _add_deviations(self, chunk: Chunk, bins: Array, parties: Array | None) -> None:
        """|bid − truth|, both at least the lowest legal bid: below that all messages mean the same, no part."""
        deviation = np.abs(np.maximum(chunk.messages, self.low) - np.maximum(chunk.signals, self.low))
        if parties is None:
            allowed = self._tolerances[0](chunk.signals)
        else:
            choices = [np.broadcast_to(tolerance(chunk.signals), deviation.shape) for tolerance in self._tolerances]
            allowed = np.select([parties == number for number in range(len(choices))], choices)
        self._add("deviation", bins, deviation, parties)
        self._add("truthful", bins, (deviation <= allowed).astype(float), parties)

    def _add_bids(self, chunk: Chunk, inside: slice, parties: Array | None) -> None:
        messages, signals = chunk.messages[inside], chunk.signals[inside]
        if not any(self.mechanism.roles(self.environment)):
            cells = self._cells[0](signals)
        else:
            cells = np.stack([self._cells[i](signals[..., i]) for i in range(self.n)], axis=-1)
        index: Array = np.empty(messages.shape, np.intp)  # flat index into (R, parties, cells)
        index[...] = (np.arange(self.replications) * len(self.parties))[:, None, None]
        if parties is not None:
            index += parties if len(parties) == 1 else parties[inside]
        index *= CELLS
        index += cells
        index, messages = index.ravel(), messages.ravel()
        self._count("drawn", index)
        taking = messages > NO_BID
        if not taking.all():
            index, messages = index[taking], messages[taking]
        self._count("count", index)
        np.add.at(self.tables["bid"].reshape(-1), index, messages)
        np.add.at(self.tables["square"].reshape(-1), index, messages * messages)

    def _count(self, name: str, index: Array) -> None:
        table = self.tables[name]
        table += np.bincount(index, minlength=table.size).reshape(table.shape)

    # ---- checkpoints ----

    def state(self) -> dict[str, Array]:
        """All that was accumulated."""
        parts: dict[str, dict[str, Array]]
        parts = {"sum": self.sums, "table": self.tables, "sample": self.sample.arrays, "path": self.paths.arrays}
        arrays = {f"{part}_{name}": array.copy() for part, held in parts.items() for name, array in held.items()}
        return arrays | {"round": np.asarray(self.round)}

    def restore(self, state: dict[str, Array]) -> None:
        """Go on from what `state` gave."""
        self.round = int(state["round"])
        self.sums = {name: state[f"sum_{name}"].copy() for name in self.sums}
        self.tables = {name: state[f"table_{name}"].copy() for name in self.tables}
        for part, kept in (("sample_", self.sample), ("path_", self.paths)):
            kept.restore({key.removeprefix(part): state[key] for key in state if key.startswith(part)})

    def rows(self, stopped: Array | None = None) -> list[dict[str, Any]]:
        """The metric table so far: replication, agent (None), round (middle of a bin; None: window), name, value.

        stopped : as the market's; of a stopped replication nothing is told but "stopped", the round, by the party.
        """
        from auctionlab.experiments.measures import measure

        rounds, members = np.full((2, self.replications), -1) if stopped is None else np.asarray(stopped)
        found = [*self._stopped(rounds, members), *measure(self)]
        return [
            {"replication": self.first + r, "agent": None, "round": round, "name": str(name), "value": value}
            for name, round, values in found
            for r, value in enumerate(np.asarray(values, float).tolist())
            if value == value and (rounds[r] < 0 or name.name == STOPPED)
        ]

    def _stopped(self, rounds: Array, members: Array) -> Iterator[tuple[MetricName, None, Array]]:
        for number, party in enumerate(self.parties):
            mine = (rounds >= 0) & (self.party_of[members] == number)
            if mine.any():
                yield MetricName(STOPPED, party.role, party.label), None, np.where(mine, rounds, np.nan)


class _Tolerance:
    """How far a bid may lie from the signal and still be truthful on its strategy's grid, by cell of signals."""

    def __init__(self, edges: Array, allowed: Array) -> None:
        slack = 1e-9 * (1.0 + float(np.abs(edges).max(initial=0.0)))  # rounding of grid points
        even = len(allowed) == 1 or np.ptp(allowed) <= slack
        self._cells = None if even else Cells(edges)
        self._allowed = allowed + slack

    def __call__(self, signals: Array) -> Array:
        return self._allowed[:1] if self._cells is None else self._allowed[self._cells(signals)]
