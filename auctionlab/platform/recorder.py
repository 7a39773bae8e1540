"""Every bid and outcome, or the part of them that the experiment asks for, from chunks into the record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from auctionlab.arrays import Array
from auctionlab.errors import ConfigError, ContractError
from auctionlab.platform.ledger import Chunk

if TYPE_CHECKING:
    from auctionlab.platform.rows import Block
    from auctionlab.platform.store import Store

ROW_BYTES: Final = 39.0  # measured: signal and message, an allocation of 0 or 1, half the payments 0
NUMBER_BYTES: Final = 8.0  # one more number that is neither 0 nor 1


@dataclass(frozen=True)
class Policy:
    """Which rounds are recorded: "all", "every:k" (rounds 0, k, 2k, ...), "last:k" or "none"."""

    kind: str
    number: int = 1

    def select(self, first: int, count: int, rounds: int) -> slice:
        """Of rounds first .. first + count - 1 of a run of `rounds`, those recorded."""
        if self.kind == "every":
            return slice(-first % self.number, count, self.number)
        if self.kind == "last":
            return slice(min(count, max(0, rounds - self.number - first)), count)
        return slice(0, count if self.kind == "all" else 0)

    def count(self, rounds: int) -> int:
        """How many rounds of a run are recorded."""
        return len(range(*self.select(0, rounds, rounds).indices(rounds)))


def parse_policy(text: str) -> Policy:
    """The policy that a config names; raises ConfigError for anything else."""
    kind, colon, number = str(text).partition(":")
    if kind in ("all", "none") and not colon:
        return Policy(kind)
    if kind in ("every", "last") and number.isascii() and number.isdecimal() and int(number) > 0:
        return Policy(kind, int(number))
    raise ConfigError(f'bids: expected "all", "every:100", "last:1000" (any number from 1) or "none", got {text!r}')


def estimate_bytes(
    policy: str, *, rounds: int, replications: int, groups: int, seats: int, value: bool = False, utility: bool = False
) -> float:
    """Bytes that the bids of a run will take on disk.

    value, utility : whether these must be stored, because value ≠ signal or utility ≠ value * allocation - payment.
    """
    each = ROW_BYTES + NUMBER_BYTES * (value + utility)
    return parse_policy(policy).count(rounds) * replications * groups * seats * each


class Recorder:
    """A consumer of chunks that writes the rounds its policy selects; the arrays of a chunk must not change afterwards.

    agent_ids : (P,) by member, from `Store.add_agents`.
    replications, groups, seats : of the whole run; a chunk may hold a shard of the replications from
    `first_replication` on.
    """

    def __init__(
        self,
        store: Store,
        run_id: int,
        *,
        policy: str,
        rounds: int,
        agent_ids: Array,
        replications: int,
        groups: int,
        seats: int,
        first_replication: int = 0,
    ) -> None:
        self._store = store
        self._run_id = run_id
        self._policy = parse_policy(policy)
        self._rounds = rounds
        self._agent_ids = np.asarray(agent_ids)
        self._shape = (replications, groups, seats)
        self._first = first_replication

    @property
    def records(self) -> bool:
        """True where its policy selects any round."""
        return self._policy.kind != "none"

    def consume(self, chunk: Chunk) -> None:
        """Send the selected rounds to the database, in one transaction, in the background."""
        keep = self._policy.select(chunk.first, chunk.rounds, self._rounds)
        if keep.start < keep.stop:
            self._store.write_rows(lambda: self._block(chunk, keep))

    def flush(self) -> None:
        """Until every row is in the database; raises what the writing met with."""
        self._store.flush()

    def state(self) -> dict[str, Array]:
        """Nothing: what is recorded is in the database."""
        return {}

    def restore(self, state: dict[str, Array]) -> None:
        """Nothing to put back; `Store.delete_after` removes rows that ran ahead."""

    def _block(self, chunk: Chunk, keep: slice) -> Block:
        from auctionlab.platform.rows import Block, numbers

        signals, messages, allocation, payments = (
            array[keep] for array in (chunk.signals, chunk.messages, chunk.allocation, chunk.payments)
        )
        values = signals if chunk.values is chunk.signals else chunk.values[keep]
        utility = chunk.utility[keep]
        lead = payments.shape  # (T, R, G, n)
        columns: dict[str, Any] = {
            "signal": signals,
            "message": messages,
            "allocation": allocation,
            "payment": payments,
        }
        if values is not signals and not np.array_equal(values, signals):
            columns["value"] = values
        if not _follows(values, allocation, payments, utility):
            columns["utility"] = utility
        numbered = chunk.first + np.arange(chunk.rounds)[keep]
        for name, column in columns.items():
            if name != "message":
                _check(name, column, numbered)
        agents = self._agents(chunk.members[keep] if len(chunk.members) > 1 else chunk.members)
        flat: dict[str, Any] = {} if agents is None else {"agent_id": np.broadcast_to(agents, lead).ravel()}
        for name, column in columns.items():
            flat[name] = numbers(column.ravel()) if column.shape == lead else _vectors(column, lead)
        return Block(self._keys(numbered, lead), flat)

    def _agents(self, members: Array) -> Array | None:
        """Agent ids that broadcast to (T, R, G, n); None where they are the positions, which the view knows."""
        agents = self._agent_ids[members]
        _, groups, seats = self._shape
        return None if np.all(agents == np.arange(groups * seats).reshape(groups, seats)) else agents

    def _keys(self, rounds: Array, lead: tuple[int, ...]) -> Array:
        from auctionlab.platform.schema import key

        replications, groups, seats = self._shape
        starts = (rounds * replications + self._first) * groups * seats + key(self._run_id)
        return (starts[:, None] + np.arange(lead[1] * groups * seats)).ravel()


def _follows(values: Array, allocation: Array, payments: Array, utility: Array) -> bool:
    """True where the database computes the same utilities from the other columns, to the last bit."""
    if not values.shape == allocation.shape == payments.shape:
        return False
    doubles = (np.asarray(array, dtype=np.float64) for array in (values, allocation, payments))
    value, share, payment = doubles
    return bool(np.array_equal(value * share - payment, utility))


def _check(name: str, column: Array, rounds: Array) -> None:
    if column.ndim == 4 and np.isnan(np.min(column)):
        round = rounds[np.isnan(column).any(axis=(1, 2, 3)).argmax()]
        raise ContractError(
            f"round {round}: {name}: a number expected, got NaN; check the mechanism and the environment"
        )


def _vectors(column: Array, lead: tuple[int, ...]) -> list[str | None]:
    from auctionlab.platform.rows import texts

    return texts(column.reshape(-1, *column.shape[len(lead) :]))
