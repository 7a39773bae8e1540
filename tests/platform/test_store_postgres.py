"""The same record on PostgreSQL; runs where AUCTIONLAB_TEST_POSTGRES names an empty database that may be written to."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import text

from auctionlab.errors import StoreError
from auctionlab.platform.ledger import Chunk
from auctionlab.platform.recorder import Recorder
from auctionlab.platform.store import Store

URL = os.environ.get("AUCTIONLAB_TEST_POSTGRES", "")
pytestmark = pytest.mark.skipif(not URL, reason="AUCTIONLAB_TEST_POSTGRES is not set")

SHAPE = {"rounds": 6, "replications": 3, "groups": 2, "seats": 3}


@pytest.fixture
def store():
    with Store(URL) as opened:
        yield opened


def begin(store: Store) -> int:
    return store.begin_run(name="x", config={"a": 1}, fingerprint="x", seed=1, versions={}, **SHAPE)


def play(strangers: bool, **changes) -> Chunk:
    rng = np.random.default_rng(4)
    values = rng.random((6, 3, 2, 3))
    messages = np.where(values < 0.3, -np.inf, values / 2)
    allocation = ((messages == messages.max(axis=-1, keepdims=True)) & (values >= 0.3)).astype(float)
    payments = np.where(allocation > 0, messages, 0.0)
    members = np.arange(6).reshape(1, 1, 2, 3)
    if strangers:
        members = np.argsort(rng.random((6, 3, 6)), axis=-1).reshape(6, 3, 2, 3)
    arrays = {"signals": values, "values": values, "messages": messages, "allocation": allocation}
    arrays |= {"payments": payments, "utility": values * allocation - payments, "members": members}
    return Chunk(first=0, **{**arrays, **changes})


def record(store: Store, chunk: Chunk) -> int:
    run_id = begin(store)
    recorder = Recorder(store, run_id, policy="all", agent_ids=np.arange(6), **SHAPE)
    recorder.consume(chunk)
    recorder.flush()
    return run_id


def view(store: Store, query: str) -> pd.DataFrame:
    with store._read() as connection:
        result = connection.execute(text(query))
        return pd.DataFrame([tuple(row) for row in result], columns=list(result.keys()))


@pytest.mark.parametrize("strangers", [False, True])
def test_rows_and_views_hold_what_was_played(store, strangers):
    chunk = play(strangers)
    run_id = record(store, chunk)
    bids = store.bids(run_id)
    assert np.array_equal(bids.utility, chunk.utility.ravel())
    assert np.array_equal(bids.agent_id, np.broadcast_to(chunk.members, chunk.payments.shape).ravel())
    assert np.array_equal(bids.message.isna(), (chunk.messages == -np.inf).ravel())
    order = "ORDER BY round, replication, group_index"
    viewed = view(store, f"SELECT * FROM bid WHERE run_id = {run_id} {order}, seat").drop(columns="vectors")
    pd.testing.assert_frame_equal(viewed.astype({"message": float}), bids, check_exact=True)
    auctions = view(store, f"SELECT * FROM auction WHERE run_id = {run_id} {order}").astype(float)
    pd.testing.assert_frame_equal(auctions, store.auctions(run_id).astype(float), check_exact=True)


def test_vectors_are_json(store):
    scalar = play(False)
    messages = np.stack([scalar.messages, scalar.messages], axis=-1)
    run_id = record(store, play(False, messages=messages))
    silent = (scalar.messages == -np.inf).ravel()
    for message, none, bid in zip(store.bids(run_id).message, silent, scalar.messages.ravel(), strict=True):
        assert message is None if none else message == [bid, bid]


def test_checkpoints_results_and_deletion(store):
    run_id = record(store, play(False))
    store.save_checkpoint(run_id, 4, {"a/b_": np.arange(3)})
    found = store.load_checkpoint(run_id)
    assert found is not None
    assert (found[0], found[1]["a/b_"].tolist()) == (4, [0, 1, 2])
    store.delete_after(run_id, 4)
    assert store.bids(run_id)["round"].max() == 3
    store.write_results(run_id, [{"replication": 0, "name": "revenue", "value": np.nan}], [])
    assert store.metrics(run_id).value.isna().all()


def test_a_server_that_does_not_answer_is_one_sentence():
    with pytest.raises(StoreError, match="the database refused") as caught:
        Store("postgresql://nobody@127.0.0.1:1/none")
    assert "\n" not in str(caught.value)
