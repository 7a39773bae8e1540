"""Several processes and sudden death: runs share a file, and a killed one leaves a prefix that can be continued."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from auctionlab.platform.ledger import Chunk
from auctionlab.platform.recorder import Recorder
from auctionlab.platform.store import Store

SHAPE = {"rounds": 400, "replications": 4, "groups": 5, "seats": 2}
STEP = 20

SCRIPT = textwrap.dedent(
    """
    import importlib.util, sys
    spec = importlib.util.spec_from_file_location("processes", sys.argv[1])
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.main(sys.argv[2], int(sys.argv[3]))
    """
)


def played(seed: int, first: int) -> Chunk:
    """The rounds first .. first + STEP - 1 of a run: addressed, so the same whenever they are played."""
    rng = np.random.default_rng((seed, first))
    values, messages = rng.random((2, STEP, SHAPE["replications"], SHAPE["groups"], SHAPE["seats"]))
    allocation = (messages == messages.max(axis=-1, keepdims=True)).astype(float)
    payments = allocation * messages
    members = np.arange(10).reshape(1, 1, 5, 2)
    return Chunk(first, values, values, messages, allocation, payments, values * allocation - payments, members)


def start(store: Store, seed: int) -> int:
    return store.begin_run(name="run", config={}, fingerprint=str(seed), seed=seed, versions={}, **SHAPE)


def go_on(store: Store, run_id: int, seed: int) -> None:
    """Play from the last checkpoint to the end, with a checkpoint after every third chunk."""
    found = store.load_checkpoint(run_id)
    begin = found[0] if found is not None else 0
    store.delete_after(run_id, begin)
    recorder = Recorder(store, run_id, policy="all", agent_ids=np.arange(10), **SHAPE)
    for number, first in enumerate(range(begin, SHAPE["rounds"], STEP), 1):
        recorder.consume(played(seed, first))
        if number % 3 == 0:
            store.save_checkpoint(run_id, first + STEP, {"first": np.array(first)})
            print(first, flush=True)
    store.save_checkpoint(run_id, SHAPE["rounds"], {})
    store.set_status(run_id, "finished", SHAPE["rounds"])


def main(url: str, seed: int) -> None:
    with Store(url) as store:
        go_on(store, start(store, seed), seed)


def launch(url: str, seed: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SCRIPT, __file__, url, str(seed)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def unbroken(folder: Path, seed: int) -> pd.DataFrame:
    with Store(f"sqlite:///{folder}/unbroken.db") as store:
        run_id = start(store, seed)
        go_on(store, run_id, seed)
        return store.bids(run_id).drop(columns="run_id")


def test_two_runs_at_once_make_one_new_file_and_both_finish(tmp_path):
    url = f"sqlite:///{tmp_path}/lab.db"
    processes = [launch(url, seed) for seed in (1, 2)]
    for process in processes:
        _, errors = process.communicate()
        assert (process.returncode, errors) == (0, "")
    with Store(url, create=False) as store:
        runs = store.runs()
        assert [info.status for info in runs] == ["finished", "finished"]
        for info in runs:
            found = store.bids(info.id).drop(columns="run_id")
            pd.testing.assert_frame_equal(found, unbroken(tmp_path, info.seed), check_exact=True)


@pytest.mark.parametrize("lines", [0, 1, 4])
def test_a_killed_run_is_continued_to_the_same_rows(tmp_path, lines):
    url = f"sqlite:///{tmp_path}/lab.db"
    with launch(url, 3) as process:
        assert process.stdout is not None
        for _ in range(lines + 1):  # after so many checkpoints, rows run ahead
            process.stdout.readline()
        process.kill()
    with Store(url, create=False) as store:
        info = store.find_run("3")
        assert info is not None
        assert not info.alive
        store.claim(info.id)
        rounds = store.bids(info.id, columns=["round"])["round"]
        assert len(rounds) == 40 * (rounds.max() + 1)  # a prefix of whole rounds
        found = store.load_checkpoint(info.id)
        assert found is not None
        assert found[0] <= rounds.max() + 1  # never ahead of the rows
        go_on(store, info.id, 3)
        again = store.bids(info.id).drop(columns="run_id")
    pd.testing.assert_frame_equal(again, unbroken(tmp_path, 3), check_exact=True)


def test_a_crash_between_rows_and_checkpoint_leaves_rows_to_delete(tmp_path):
    with Store(f"sqlite:///{tmp_path}/lab.db") as store:
        run_id = start(store, 5)
        recorder = Recorder(store, run_id, policy="all", agent_ids=np.arange(10), **SHAPE)
        recorder.consume(played(5, 0))
        store.save_checkpoint(run_id, STEP, {})
        recorder.consume(played(5, STEP))  # and here the process dies
        recorder.flush()
        assert store.bids(run_id)["round"].max() == 2 * STEP - 1
        store.delete_after(run_id, STEP)
        assert store.bids(run_id)["round"].max() == STEP - 1
        go_on(store, run_id, 5)
        pd.testing.assert_frame_equal(
            store.bids(run_id).drop(columns="run_id"), unbroken(tmp_path, 5), check_exact=True
        )


def test_deleting_touches_no_other_run(tmp_path):
    with Store(f"sqlite:///{tmp_path}/lab.db") as store:
        runs = [start(store, seed) for seed in (1, 2, 3)]
        for run_id in runs:
            recorder = Recorder(store, run_id, policy="all", agent_ids=np.arange(10), **SHAPE)
            recorder.consume(played(run_id, 0))
        store.delete_after(runs[1], 0)
        assert [len(store.bids(run_id)) for run_id in runs] == [STEP * 40, 0, STEP * 40]
