"""The record: what is written is what was played, views and fast reads agree, and errors are one sentence."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import event

from auctionlab.errors import StoreError
from auctionlab.platform import owner, schema
from auctionlab.platform.ledger import Chunk
from auctionlab.platform.recorder import Recorder
from auctionlab.platform.store import Store

ROUNDS, REPLICATIONS, GROUPS, SEATS = 6, 3, 2, 3
SHAPE = {"rounds": ROUNDS, "replications": REPLICATIONS, "groups": GROUPS, "seats": SEATS}


def url(folder: Path) -> str:
    return f"sqlite:///{folder / 'lab.db'}"


def begin(store: Store, name: str = "first", **changes) -> int:
    given = {"name": name, "config": {"name": name}, "fingerprint": name, "seed": 7, "versions": {"auctionlab": "0"}}
    return store.begin_run(**{**given, **SHAPE, **changes})


def play(first: int = 0, rounds: int = ROUNDS, strangers: bool = False, rng_seed: int = 0) -> Chunk:
    """A first-price auction in arrays; some bidders stay out, ties go to the lower seat."""
    rng = np.random.default_rng((rng_seed, first))
    values = rng.random((rounds, REPLICATIONS, GROUPS, SEATS))
    messages = np.where(values < 0.2, -np.inf, np.round(values * 10) / 20)
    best = messages.max(axis=-1, keepdims=True)
    allocation = ((messages == best) & (messages > 0)).cumsum(axis=-1) == 1
    allocation = (allocation & (messages == best) & (messages > 0)).astype(float)
    payments = allocation * np.where(messages > 0, messages, 0.0)
    members = np.arange(GROUPS * SEATS).reshape(1, 1, GROUPS, SEATS)
    if strangers:
        order = np.argsort(rng.random((rounds, REPLICATIONS, GROUPS * SEATS)), axis=-1)
        members = order.reshape(rounds, REPLICATIONS, GROUPS, SEATS)
    utility = values * allocation - payments
    return Chunk(first, values, values, messages, allocation, payments, utility, members)


def record(store: Store, run_id: int, *chunks: Chunk) -> None:
    recorder = Recorder(store, run_id, policy="all", agent_ids=np.arange(GROUPS * SEATS), **SHAPE)
    for chunk in chunks:
        recorder.consume(chunk)
    recorder.flush()


def expected(run_id: int, chunk: Chunk) -> pd.DataFrame:
    """The rows of the view `bid` by plain loops over the chunk."""
    rows = []
    members = np.broadcast_to(chunk.members, chunk.payments.shape)
    for place in np.ndindex(chunk.payments.shape):
        message = chunk.messages[place]
        rows.append(
            {
                "run_id": run_id,
                **dict(zip(("round", "replication", "group_index", "seat"), place, strict=True)),
                "agent_id": members[place],
                "signal": chunk.signals[place],
                "value": chunk.values[place],
                "message": np.nan if message == -np.inf else message,
                "allocation": chunk.allocation[place],
                "payment": chunk.payments[place],
                "utility": chunk.utility[place],
            }
        )
    frame = pd.DataFrame(rows)
    frame["round"] += chunk.first
    return frame


def same(left: pd.DataFrame, right: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(left, right, check_exact=True)


@pytest.fixture
def store(tmp_path):
    with Store(url(tmp_path)) as opened:
        yield opened


def view(folder: Path, query: str) -> pd.DataFrame:
    connection = sqlite3.connect(folder / "lab.db")
    try:
        return pd.read_sql(query, connection)
    finally:
        connection.close()


# bids


@pytest.mark.parametrize("strangers", [False, True])
def test_the_view_holds_what_was_played(store, tmp_path, strangers):
    begin(store, "other")
    run_id, chunk = begin(store), play(strangers=strangers)
    record(store, run_id, chunk)
    same(store.bids(run_id), expected(run_id, chunk))
    same(view(tmp_path, f"SELECT * FROM bid WHERE run_id = {run_id}"), expected(run_id, chunk))


def test_only_what_cannot_be_derived_is_stored(store, tmp_path):
    run_id = begin(store)
    record(store, run_id, play())
    stored = view(tmp_path, "SELECT * FROM bid_row")
    assert stored[["agent_id", "value", "utility"]].isna().all(axis=None)
    assert len(stored.columns) <= 8


def test_values_and_utilities_that_follow_from_nothing_are_stored(store, tmp_path):
    run_id, chunk = begin(store), play(strangers=True)
    odd = Chunk(
        0,
        chunk.signals,
        chunk.values + 1,
        chunk.messages,
        chunk.allocation,
        chunk.payments,
        chunk.utility**3,
        chunk.members,
    )
    record(store, run_id, odd)
    same(store.bids(run_id), expected(run_id, odd))
    same(view(tmp_path, "SELECT * FROM bid"), expected(run_id, odd))


def test_one_last_bit_of_utility_is_kept(store):
    run_id, chunk = begin(store), play()
    utility = chunk.utility.copy()
    utility[2, 1, 0, 1] = np.nextafter(utility[2, 1, 0, 1], 1)
    record(
        store,
        run_id,
        Chunk(0, chunk.signals, chunk.values, chunk.messages, chunk.allocation, chunk.payments, utility, chunk.members),
    )
    assert np.array_equal(store.bids(run_id).utility, utility.ravel())


def test_a_message_that_takes_no_part_is_null(store, tmp_path):
    run_id, chunk = begin(store), play()
    record(store, run_id, chunk)
    silent = int((chunk.messages == -np.inf).sum())
    assert silent > 0
    assert view(tmp_path, "SELECT COUNT(*) AS k FROM bid WHERE message IS NULL").k[0] == silent


def test_rounds_replications_columns_and_limit_select(store):
    run_id = begin(store)
    record(store, run_id, play(0, 4), play(4, 2))
    whole = store.bids(run_id)
    some = store.bids(run_id, rounds=(2, 5), replications=[0, 2], columns=["seat", "message"])
    wanted = whole[whole["round"].between(2, 4) & whole.replication.isin([0, 2])]
    same(some, wanted[["seat", "message"]].reset_index(drop=True))
    same(store.bids(run_id, limit=7), whole.head(7))
    assert store.bids(run_id, rounds=(3, 3)).empty
    assert store.bids(run_id, replications=[]).empty
    assert len(store.bids(run_id, rounds=(-5, 10**9))) == len(whole)


def test_an_unknown_column_is_answered_with_the_nearest(store):
    with pytest.raises(StoreError, match=r"unknown column 'mesage'\. Did you mean 'message'"):
        store.bids(begin(store), columns=["mesage"])


def test_parts_together_are_the_whole(store, monkeypatch):
    monkeypatch.setattr("auctionlab.platform.rows.FETCH_ROWS", 7)
    monkeypatch.setattr("auctionlab.platform.rows.FETCH_PORTIONS", 2)
    run_id, chunk = begin(store), play()
    record(store, run_id, chunk)
    parts = list(store.bid_parts(run_id))
    assert len(parts) > 5
    same(pd.concat(parts, ignore_index=True), expected(run_id, chunk))


def test_a_run_is_read_by_its_range_of_keys(store, tmp_path):
    begin(store)
    plan = view(tmp_path, "EXPLAIN QUERY PLAN SELECT * FROM bid WHERE run_id = 1").detail.tolist()
    assert any("SEARCH b USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)" in step for step in plan)
    assert not any("SCAN" in step for step in plan)


def test_vectors_are_json_and_come_back_as_lists(store, tmp_path):
    run_id, chunk = begin(store), play()
    vector = np.stack([chunk.messages, chunk.messages], axis=-1)
    vector[0, 0, 0, 0] = [0.25, -np.inf]
    shares = np.stack([chunk.allocation, 0 * chunk.allocation], axis=-1)
    record(
        store,
        run_id,
        Chunk(0, chunk.signals, chunk.values, vector, shares, chunk.payments, chunk.utility, chunk.members),
    )
    bids = store.bids(run_id)
    assert bids.message[0] == [0.25, None]
    assert bids.allocation.tolist() == shares.reshape(-1, 2).tolist()
    silent = np.all(vector == -np.inf, axis=-1).ravel()
    assert silent.any()
    assert [message is None or message != message for message in bids.message] == silent.tolist()
    assert np.array_equal(bids.utility, chunk.utility.ravel())
    assert view(tmp_path, "SELECT message FROM bid LIMIT 1").message[0] == "[0.25, null]"
    assert store.auctions(run_id).winner_seat.isna().all()


# auctions


def auction(chunk: Chunk, place: tuple[int, ...]) -> dict[str, float]:
    values, allocation = chunk.values[place], chunk.allocation[place]
    winners = np.flatnonzero(allocation > 0)
    welfare = float(np.sum(values * allocation))
    one = len(winners) == 1
    return {
        "revenue": float(sum(chunk.payments[place])),
        "welfare": welfare,
        "winner_seat": winners[0] if one else np.nan,
        "winner_agent_id": np.broadcast_to(chunk.members, chunk.payments.shape)[place][winners[0]] if one else np.nan,
        "sold": float(len(winners) > 0),
        "efficient": float(welfare >= max(0.0, values.max())),
        "highest_value": values.max(),
    }


def test_auctions_say_who_won_and_whether_rightly(store, tmp_path):
    run_id, chunk = begin(store), play(strangers=True)
    record(store, run_id, chunk)
    wanted = pd.DataFrame([auction(chunk, place) for place in np.ndindex(chunk.payments.shape[:-1])])
    frame = store.auctions(run_id)
    same(frame[wanted.columns], wanted.astype(float))
    assert 0 < frame.efficient.mean() < 1
    viewed = view(tmp_path, f"SELECT * FROM auction WHERE run_id = {run_id} ORDER BY round, replication, group_index")
    same(viewed.astype(float), frame.astype(float))


def test_shared_and_unsold_items_have_no_winner(store, tmp_path):
    run_id, chunk = begin(store), play()
    allocation = chunk.allocation.copy()
    allocation[0, 0, 0] = [0.5, 0.5, 0.0]
    allocation[0, 0, 1] = 0.0
    utility = chunk.values * allocation - chunk.payments
    record(
        store,
        run_id,
        Chunk(0, chunk.signals, chunk.values, chunk.messages, allocation, chunk.payments, utility, chunk.members),
    )
    frame = store.auctions(run_id, rounds=(0, 1), replications=[0])
    assert frame.sold.tolist() == [1.0, 0.0]
    assert frame.winner_seat.isna().all()
    assert frame.efficient.tolist() == [0.0, 0.0]
    assert view(tmp_path, "SELECT winner_seat FROM auction LIMIT 2").winner_seat.isna().all()


def test_efficiency_is_judged_only_for_one_item(store, tmp_path):
    run_id = begin(store, single_item=False)
    record(store, run_id, play())
    assert store.auctions(run_id).efficient.isna().all()
    assert view(tmp_path, "SELECT efficient FROM auction").efficient.isna().all()


def test_auctions_of_an_empty_run(store):
    assert store.auctions(begin(store)).columns.tolist() == list(schema.AUCTION_COLUMNS)
    assert store.bids(1).columns.tolist() == list(schema.BID_COLUMNS)


# runs


def test_a_run_is_found_by_id_name_last_and_fingerprint(store):
    first, second, third = begin(store, "first"), begin(store, "second"), begin(store, "first")
    assert store.run(first).id == store.run(str(first)).id == first
    assert store.run("first").id == store.run("last").id == third
    assert store.run("second").id == second
    found = store.find_run("first")
    assert found is not None
    assert (found.id, found.status, found.round, found.config) == (third, "running", 0, {"name": "first"})
    assert (found.rounds, found.replications, found.groups, found.seats) == (ROUNDS, REPLICATIONS, GROUPS, SEATS)
    assert store.find_run("nothing") is None
    assert [info.id for info in store.runs()] == [first, second, third]


def test_runs_of_one_experiment_share_its_row(store, tmp_path):
    begin(store), begin(store), begin(store, config={"name": "changed"})
    assert view(tmp_path, "SELECT COUNT(*) AS k FROM experiment").k[0] == 2


@pytest.mark.parametrize("ref", ["firts", 99])
def test_an_unknown_run_is_answered_with_what_there_is(store, ref):
    with pytest.raises(StoreError, match="there are none yet"):
        store.run(ref)
    begin(store, "first")
    with pytest.raises(StoreError, match=r"no run .* The last runs: 1 \(first\)") as caught:
        store.run(ref)
    assert ("Did you mean 'first'?" in str(caught.value)) == (ref == "firts")


def test_a_run_too_large_to_number_is_refused_before_it_starts(store):
    with pytest.raises(StoreError, match=r"2\^44"):
        begin(store, rounds=2**40, replications=2**5)
    with pytest.raises(StoreError, match="seed"):
        begin(store, seed=2**63)
    assert store.runs() == []
    assert begin(store, rounds=2**44 // (REPLICATIONS * GROUPS * SEATS)) == 1


def test_the_last_key_of_a_run_lies_below_the_first_of_the_next(store):
    run_id = begin(store, rounds=2**44, replications=1, groups=1, seats=1)
    one = Chunk(
        2**44 - 1, *(np.full((1, 1, 1, 1), x) for x in (0.5, 0.5, 0.25, 1.0, 0.25, 0.25)), np.zeros((1, 1, 1, 1), int)
    )
    last = {"rounds": 2**44, "replications": 1, "groups": 1, "seats": 1, "agent_ids": np.arange(1)}
    recorder = Recorder(store, run_id, policy="all", **last)
    recorder.consume(one)
    recorder.flush()
    assert store.bids(run_id)["round"].tolist() == [2**44 - 1]
    assert store.bids(begin(store)).empty


def test_status_and_time_are_kept(store):
    run_id = begin(store)
    store.set_status(run_id, "interrupted", 4)
    assert (store.run(run_id).status, store.run(run_id).round, store.run(run_id).finished) == ("interrupted", 4, None)
    store.set_status(run_id, "finished", ROUNDS)
    assert store.run(run_id).finished >= store.run(run_id).started


def test_a_run_lives_as_long_as_its_process(store):
    run_id = begin(store)
    assert store.run(run_id).alive
    store.set_status(run_id, "interrupted")
    assert not store.run(run_id).alive
    store.claim(run_id)
    assert store.run(run_id).alive


def test_the_run_of_a_dead_process_can_be_claimed_and_of_a_living_one_not(store, tmp_path):
    code = (
        "import sys; from auctionlab.platform.store import Store; s = Store(sys.argv[1]);"
        "print(s.begin_run(name='x', config={}, fingerprint='x', seed=1, rounds=1, replications=1, groups=1, seats=1,"
        " versions={}), flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, url(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        run_id = int(process.stdout.readline())
        assert store.run(run_id).alive
        with pytest.raises(StoreError, match="another process plays it"):
            store.claim(run_id)
        process.kill()
        process.wait()
    assert not store.run(run_id).alive
    store.claim(run_id)
    assert store.run(run_id).owner == owner.me()


def test_agents_are_numbered_by_member_and_entered_once(store):
    run_id = begin(store)
    rows = [{"role": 0, "member": member, "strategy": "exp3", "parameters": {"bids": 21}} for member in (2, 0, 1)]
    assert store.add_agents(run_id, rows).tolist() == [0, 1, 2]
    assert store.add_agents(run_id, rows).tolist() == [0, 1, 2]
    agents = store.agents(run_id)
    assert agents.member.tolist() == [0, 1, 2]
    assert agents.parameters[0] == {"bids": 21}
    with pytest.raises(StoreError, match="numbered 0 to 1"):
        store.add_agents(run_id, [rows[0], rows[1]])


# results


def test_results_come_back_and_replace_the_last(store):
    run_id = begin(store)
    metrics = [
        {"replication": 0, "agent": None, "round": None, "name": "revenue", "value": 0.25},
        {"replication": 0, "agent": 2, "round": 5, "name": "utility", "value": float("nan")},
    ]
    verdicts = [{"name": "revenue", "verdict": "converged", "estimate": 0.3, "low": 0.2, "theory": 1 / 3, "needed": 40}]
    store.write_results(run_id, [metrics[0]] * 5, [])
    store.write_results(run_id, pd.DataFrame(metrics), verdicts)
    frame = store.metrics(run_id)
    assert frame.name.tolist() == ["revenue", "utility"]
    assert frame.value[0] == 0.25
    assert np.isnan(frame.value[1])
    assert frame.agent_id[0] is pd.NA
    assert (frame.agent_id[1], frame["round"][1]) == (2, 5)
    assert store.metrics(run_id, ["utility"]).name.tolist() == ["utility"]
    found = store.verdicts(run_id).iloc[0]
    assert (found.verdict, found.theory, found.details) == ("converged", 1 / 3, {"needed": 40})
    assert store.metrics(begin(store)).empty


# errors


def test_a_missing_database_is_not_made_by_reading(tmp_path):
    with pytest.raises(StoreError, match="no such database"):
        Store(url(tmp_path), create=False)
    assert list(tmp_path.iterdir()) == []


def test_a_database_is_opened_again(tmp_path):
    with Store(url(tmp_path)) as store:
        begin(store)
    with Store.open(url(tmp_path), create=False) as store:
        assert len(store.runs()) == 1


def test_a_foreign_database_is_left_alone(tmp_path):
    connection = sqlite3.connect(tmp_path / "lab.db")
    connection.execute("CREATE TABLE run (mine TEXT)")
    connection.close()
    before = (tmp_path / "lab.db").read_bytes()
    for create in (True, False):
        with pytest.raises(StoreError, match="another program; nothing was changed"):
            Store(url(tmp_path), create=create)
    assert (tmp_path / "lab.db").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["lab.db"]


@pytest.mark.parametrize("content", [b"value,bid\n1,2\n" * 50, b"x"])
def test_a_file_of_another_kind_is_left_alone(tmp_path, content):
    (tmp_path / "lab.db").write_bytes(content)
    with pytest.raises(StoreError, match="not a SQLite database"):
        Store(url(tmp_path))
    assert (tmp_path / "lab.db").read_bytes() == content


def test_a_damaged_database_is_one_sentence(tmp_path):
    with Store(url(tmp_path)) as store:
        begin(store)
    content = (tmp_path / "lab.db").read_bytes()
    (tmp_path / "lab.db").write_bytes(content[:100] + os.urandom(len(content) - 100))
    with pytest.raises(StoreError, match="damaged"):
        Store(url(tmp_path)).runs()


def test_a_newer_schema_is_refused(tmp_path):
    Store(url(tmp_path)).close()
    connection = sqlite3.connect(tmp_path / "lab.db")
    connection.execute("UPDATE meta SET value = '99'")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match="newer auctionlab \\(schema 99, this release knows 1\\)"):
        Store(url(tmp_path))


def test_a_locked_database_says_so_after_the_timeout(tmp_path):
    with Store(url(tmp_path), timeout=0.05) as store:
        run_id = begin(store)
        other = sqlite3.connect(tmp_path / "lab.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked"):
            begin(store)
        assert len(store.runs()) == 1  # reading does not wait
        other.execute("COMMIT")
        other.close()
        store.set_status(run_id, "finished", 1)
        assert store.run(run_id).status == "finished"


def test_a_folder_that_is_missing_is_named(tmp_path):
    with pytest.raises(StoreError, match=r"there is no folder '.*nowhere'"):
        Store(f"sqlite:///{tmp_path}/nowhere/lab.db")
    with pytest.raises(StoreError, match="cannot be read"):
        Store(f"sqlite:///{tmp_path}")


def test_a_file_that_may_not_be_written_says_so(tmp_path):
    with Store(url(tmp_path)) as store:
        begin(store)
    with (
        Store(f"sqlite:///file:{tmp_path / 'lab.db'}?mode=ro&uri=true") as store,
        pytest.raises(StoreError, match="not writable"),
    ):
        begin(store)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("lab.db", "not a database URL; for a file write sqlite:///lab.db"),
        ("", "not a database URL"),
        ("nosuch://host/lab", "unknown kind of database"),
        ("mysql://host/lab", "unknown kind of database; use sqlite or postgresql"),
    ],
)
def test_a_bad_url_is_one_sentence(bad, said):
    with pytest.raises(StoreError, match=said):
        Store(bad)


@pytest.mark.parametrize("driver", ["postgresql", "postgresql+psycopg"])
def test_a_missing_driver_is_named(monkeypatch, driver):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreError, match=r"'psycopg' is missing; pip install 'auctionlab\[postgres\]'") as caught:
        Store(f"{driver}://me:secret@localhost/lab")
    assert "secret" not in str(caught.value)


def full(store: Store, pages: int) -> None:
    """Let the disk of this store hold so many pages."""

    @event.listens_for(store._engine, "begin")
    def limit(connection):
        connection.connection.execute(f"PRAGMA max_page_count = {pages}")


def test_a_full_disk_loses_nothing_recorded(tmp_path):
    store = Store(url(tmp_path))
    run_id = begin(store, rounds=10_000)
    record(store, run_id, play(0), play(6))
    full(store, pages=40)
    recorder = Recorder(store, run_id, policy="all", agent_ids=np.arange(GROUPS * SEATS), **{**SHAPE, "rounds": 10_000})

    def play_on() -> None:
        for first in range(12, 6000, 600):
            recorder.consume(play(first, 600))
        recorder.flush()

    with pytest.raises(StoreError, match="the disk is full") as caught:
        play_on()
    assert "\n" not in str(caught.value)
    with pytest.raises(StoreError, match="the disk is full"):  # nothing goes past the gap
        recorder.consume(play(6012))
    with pytest.raises(StoreError, match="the disk is full"):
        store.save_checkpoint(run_id, 6000, {})
    with pytest.raises(StoreError, match="the disk is full"):
        store.close()
    with Store(url(tmp_path)) as again:
        rounds = again.bids(run_id, columns=["round"])["round"]
        assert len(rounds) % (REPLICATIONS * GROUPS * SEATS) == 0
        assert rounds.max() in {11, *range(611, 6012, 600)}
        assert np.array_equal(rounds.unique(), np.arange(rounds.max() + 1))
        assert again.load_checkpoint(run_id) is None


def test_in_memory_databases_work(recwarn):
    with Store("sqlite://") as store:
        run_id, chunk = begin(store), play()
        record(store, run_id, chunk)
        same(store.bids(run_id), expected(run_id, chunk))
