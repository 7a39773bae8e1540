"""A checkpoint gives back exactly the arrays it was given, or says that it cannot."""

from __future__ import annotations

import numpy as np
import pytest

from auctionlab.errors import ContractError, StoreError
from auctionlab.platform import checkpoint
from auctionlab.platform.store import Store

ARRAYS = {
    "market/values_": np.linspace(0, 1, 1000).reshape(10, 100),
    "block.0/weights_": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "round": np.array(7),
    "flags_": np.array([True, False, True]),
    "counts_": np.arange(5, dtype=np.int32),
    "state_": np.array([2**64 - 1], dtype=np.uint64),
    "empty_": np.empty((0, 3)),
    "odd_": np.array([np.nan, np.inf, -np.inf, -0.0]),
    "file": np.float32(1.5),
    "allow_pickle": np.array(1),
    "a.npy": np.array(2),
    "a": np.array(3),
    "größe ε/..": np.array(["text", "λ"]),
}


def same(left: dict, right: dict) -> None:
    assert list(left) == list(right)
    for name, array in right.items():
        array = np.asarray(array)
        assert left[name].dtype == array.dtype
        assert left[name].shape == array.shape
        assert left[name].tobytes() == array.tobytes()


def packed(arrays: dict) -> list[bytes]:
    parts: list[bytes] = []
    checkpoint.pack(arrays, parts.append)
    return parts


def begin(store: Store) -> int:
    shape = {"rounds": 10, "replications": 1, "groups": 1, "seats": 1}
    return store.begin_run(name="x", config={}, fingerprint="x", seed=1, versions={}, **shape)


@pytest.fixture
def store(tmp_path):
    with Store(f"sqlite:///{tmp_path / 'lab.db'}") as opened:
        yield opened


def test_arrays_come_back_to_the_last_bit():
    same(checkpoint.unpack(packed(ARRAYS)), ARRAYS)
    assert checkpoint.unpack(packed({})) == {}


def test_it_is_an_npz_file():
    parts = packed({"a_": np.arange(3), "b/c_": np.array(1.5)})
    import io

    with np.load(io.BytesIO(b"".join(parts)), allow_pickle=False) as archive:
        assert archive["a_"].tolist() == [0, 1, 2]
        assert archive["b/c_"] == 1.5


def test_large_states_are_split(store, monkeypatch):
    monkeypatch.setattr(checkpoint, "PART_BYTES", 1000)
    parts = packed(ARRAYS)
    assert len(parts) > 8
    assert max(map(len, parts)) == 1000
    run_id = begin(store)
    store.save_checkpoint(run_id, 4, ARRAYS)
    found = store.load_checkpoint(run_id)
    assert found is not None
    assert found[0] == 4
    same(found[1], ARRAYS)
    store.save_checkpoint(run_id, 5, {"a": np.array(1)})  # fewer parts than before
    found = store.load_checkpoint(run_id)
    assert found is not None
    same(found[1], {"a": np.array(1)})
    assert store.run(run_id).round == 5


def test_parts_stay_below_what_a_database_takes():
    assert checkpoint.PART_BYTES < 256 * 10**6


@pytest.mark.parametrize("objects", [np.array([None, 1]), np.array([{}]), {"a": 1}])
def test_objects_are_refused(objects):
    with pytest.raises(ContractError, match="state 'bad_': an array of Python objects"):
        packed({"good_": np.ones(2), "bad_": objects})


def test_every_changed_byte_is_noticed():
    whole = b"".join(packed({"weights_": np.arange(100.0)}))
    middle = len(whole) // 2
    for damaged in (whole[:-1], whole[middle:], b"", whole[:middle] + b"\xff" + whole[middle + 1 :], whole[:200]):
        with pytest.raises(StoreError, match="damaged"):
            checkpoint.unpack([damaged])


def test_a_damaged_checkpoint_names_its_run(store):
    run_id = begin(store)
    store.save_checkpoint(run_id, 3, ARRAYS)
    with store._write() as connection:
        connection.exec_driver_sql("UPDATE checkpoint SET arrays = substr(arrays, 1, 500)")
    with pytest.raises(StoreError, match=f"run {run_id}: the checkpoint is damaged"):
        store.load_checkpoint(run_id)


def test_a_run_without_a_checkpoint_has_none(store):
    assert store.load_checkpoint(begin(store)) is None


def test_a_refused_checkpoint_leaves_the_last_one(store):
    run_id = begin(store)
    store.save_checkpoint(run_id, 3, {"a_": np.array(1)})
    with pytest.raises(ContractError):
        store.save_checkpoint(run_id, 4, {"a_": np.array([None])})
    found = store.load_checkpoint(run_id)
    assert found is not None
    assert found[0] == 3
