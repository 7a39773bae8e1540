"""Which rounds are recorded, how many bytes they take, and what a chunk must not hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auctionlab.errors import ConfigError, ContractError, StoreError
from auctionlab.platform import rows
from auctionlab.platform.ledger import Chunk
from auctionlab.platform.recorder import Recorder, estimate_bytes, parse_policy
from auctionlab.platform.store import Store
from auctionlab.platform.writer import Writer

ARRAYS = ("signals", "values", "messages", "allocation", "payments", "utility")
SHAPE = {"replications": 2, "groups": 2, "seats": 2}
ROUNDS = 25


def begin(store: Store, rounds: int = ROUNDS, **shape) -> int:
    given = {"name": "x", "config": {}, "fingerprint": "x", "seed": 1, "versions": {}}
    return store.begin_run(**given, rounds=rounds, **{**SHAPE, **shape})


def chunk(first: int, rounds: int, replications: int = 2, groups: int = 2, seats: int = 2) -> Chunk:
    rng = np.random.default_rng(first)
    values = rng.random((rounds, replications, groups, seats))
    messages = np.round(values * 10) / 20
    allocation = np.zeros_like(values)
    np.put_along_axis(allocation, messages.argmax(axis=-1)[..., None], 1.0, axis=-1)
    payments = allocation * messages
    members = np.arange(groups * seats).reshape(1, 1, groups, seats)
    return Chunk(first, values, values, messages, allocation, payments, values * allocation - payments, members)


def recorder(store: Store, run_id: int, policy: str, **changes) -> Recorder:
    given = {"policy": policy, "rounds": ROUNDS, "agent_ids": np.arange(4), **SHAPE}
    return Recorder(store, run_id, **{**given, **changes})


@pytest.fixture
def store(tmp_path):
    with Store(f"sqlite:///{tmp_path / 'lab.db'}") as opened:
        yield opened


POLICIES = {
    "all": list(range(ROUNDS)),
    "none": [],
    "every:10": [0, 10, 20],
    "every:1": list(range(ROUNDS)),
    "every:100": [0],
    "last:7": list(range(18, 25)),
    "last:100": list(range(ROUNDS)),
}


@pytest.mark.parametrize("size", [1, 4, 10, 25])
@pytest.mark.parametrize("policy", POLICIES)
def test_the_policy_selects_rounds_whatever_the_chunks(store, policy, size):
    run_id = begin(store)
    writes = recorder(store, run_id, policy)
    for first in range(0, ROUNDS, size):
        writes.consume(chunk(first, min(size, ROUNDS - first)))
    writes.flush()
    assert store.bids(run_id)["round"].unique().tolist() == POLICIES[policy]
    assert parse_policy(policy).count(ROUNDS) == len(POLICIES[policy])


@given(st.sampled_from(["all", "none", "every", "last"]), st.integers(1, 40), st.integers(1, 60), st.integers(1, 17))
def test_chunks_together_select_what_the_whole_run_does(kind, number, rounds, size):
    policy = parse_policy(kind if kind in ("all", "none") else f"{kind}:{number}")
    parts = [
        first + offset
        for first in range(0, rounds, size)
        for offset in range(size)[policy.select(first, min(size, rounds - first), rounds)]
    ]
    assert parts == list(range(rounds)[policy.select(0, rounds, rounds)])
    assert len(parts) == policy.count(rounds)


@pytest.mark.parametrize(
    "text", ["", "ALL", "every", "every:", "every:0", "last:-1", "every:1.5", "all:3", "last:²", "x"]
)
def test_a_bad_policy_is_refused_with_what_is_allowed(text):
    with pytest.raises(ConfigError, match='expected "all", "every:100"'):
        parse_policy(text)


@pytest.mark.parametrize("odd", [False, True])
def test_the_estimate_of_bytes_is_within_a_quarter(tmp_path, odd):
    shape = {"replications": 10, "groups": 25, "seats": 2}
    path = tmp_path / "lab.db"
    with Store(f"sqlite:///{path}") as store:
        run_id = begin(store, 100, **shape)
        empty = path.stat().st_size
        writes = Recorder(store, run_id, policy="all", rounds=100, agent_ids=np.arange(50), **shape)
        played = chunk(0, 100, *shape.values())
        if odd:
            arrays = {
                name: getattr(played, name) for name in ("signals", "messages", "allocation", "payments", "members")
            }
            played = Chunk(first=0, values=played.values + 0.1, utility=np.sqrt(played.utility + 1), **arrays)
        writes.consume(played)
    size = path.stat().st_size - empty
    guess = estimate_bytes("all", rounds=100, value=odd, utility=odd, **shape)
    assert 0.75 < guess / size < 1.25


def test_the_estimate_follows_the_policy():
    def guess(policy: str) -> float:
        return estimate_bytes(policy, rounds=1000, replications=10, groups=5, seats=2)

    assert guess("none") == 0
    assert guess("every:10") == guess("last:100") == guess("all") / 10


def test_shards_of_replications_make_the_whole(store):
    whole = begin(store)
    recorder(store, whole, "all").consume(chunk(0, ROUNDS))
    sharded = begin(store)
    played = chunk(0, ROUNDS)
    for shard in (1, 0):
        part = {name: getattr(played, name)[:, shard : shard + 1] for name in ARRAYS}
        part_chunk = Chunk(first=0, members=played.members, **part)
        recorder(store, sharded, "all", first_replication=shard).consume(part_chunk)
    left, right = (store.bids(run_id).drop(columns="run_id") for run_id in (whole, sharded))
    assert left.equals(right)


@pytest.mark.parametrize("limit", [1, 3, 499, 500, 501])
def test_statements_of_any_length_write_the_same_rows(store, monkeypatch, limit):
    monkeypatch.setattr(rows, "STATEMENT_ROWS", limit)
    run_id, played = begin(store), chunk(0, ROUNDS)
    recorder(store, run_id, "all").consume(played)
    assert np.array_equal(store.bids(run_id).signal, played.signals.ravel())


def test_whole_numbers_come_back_as_played(store):
    run_id, played = begin(store), chunk(0, ROUNDS)
    whole = np.round(played.values * 4).astype(np.int64)
    played = Chunk(
        0, whole, whole, whole, played.allocation, played.payments * 0, whole * played.allocation, played.members
    )
    recorder(store, run_id, "all").consume(played)
    assert np.array_equal(store.bids(run_id).message, whole.ravel())


@pytest.mark.parametrize("name", ["signals", "values", "allocation", "payments", "utility"])
def test_a_nan_is_refused_with_its_round(store, name):
    run_id, played = begin(store), chunk(0, ROUNDS)
    arrays = {key: value.copy() for key, value in vars(played).items() if key != "first"}
    arrays[name][13, 1, 0, 1] = np.nan
    recorder(store, run_id, "all").consume(Chunk(first=0, **arrays))
    with pytest.raises(ContractError, match=r"round 13: \w+: a number expected, got NaN"):
        store.flush()
    with pytest.raises(ContractError):
        store.save_checkpoint(run_id, ROUNDS, {})
    store._writer._error = None
    assert store.bids(run_id).empty


def test_a_block_that_fails_stops_the_writer_and_is_told_at_the_next_call(store):
    writer = Writer(store._engine)
    done: list[int] = []

    def fail(connection, block):
        raise StoreError("the disk is full")

    writer.submit(lambda: 1, lambda connection, block: done.append(block))
    writer.submit(lambda: 2, fail)
    writer.wait()
    with pytest.raises(StoreError, match="full"):
        writer.submit(lambda: 3, lambda connection, block: done.append(block))
    with pytest.raises(StoreError, match="full"):
        writer.check()
    writer.close()
    assert done == [1]


def test_a_block_is_made_while_others_can_write(store):
    writer = Writer(store._engine)

    def make():
        with Store(store.url, timeout=0.1) as other:
            other.set_status(0, "interrupted")  # would meet a locked database inside a transaction of ours
        return "made"

    writer.submit(make, lambda connection, block: None)
    writer.wait()
    writer.check()
    writer.close()


def test_a_statement_of_all_columns_stays_below_the_limit_of_variables():
    assert 8 * rows.STATEMENT_ROWS <= 32_766  # SQLite since 3.32
