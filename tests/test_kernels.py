"""Compiled loops do what the NumPy code beside them does, to the last bit; here they run as plain Python loops."""

import os
import subprocess
import sys

import numpy as np
import pytest

from auctionlab import arrays, kernels
from auctionlab.agents import _table, bandits
from auctionlab.arrays import share_highest
from auctionlab.core import Seat
from auctionlab.environments.priors import Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.mechanisms.single_item import FirstPrice
from auctionlab.platform import matching
from auctionlab.platform.market import Market
from auctionlab.platform.matching import Block, shuffled
from auctionlab.registry import build
from auctionlab.rng import Source, stream

USERS = (_table, bandits, matching, arrays.kernels)
LEARNERS = [
    {"kind": "epsilon-greedy", "bids": 5, "cells": 3, "epsilon": 0.3},
    {"kind": "epsilon-greedy", "bids": 5, "cells": 3, "step": 0.2},
    {"kind": "q-learning", "bids": 5, "cells": 3, "discount": 0.5},
    {"kind": "exp3", "bids": 5, "cells": 3, "exploration": 0.4},
]


@pytest.fixture
def loops(monkeypatch):
    """Switches between the NumPy code and the loops, not compiled."""

    def switch(on):
        for user in USERS:
            monkeypatch.setattr(user, "compiled", (lambda loop: loop) if on else (lambda loop: None))

    return switch


@pytest.mark.parametrize("matching", ["fixed", "strangers"])
@pytest.mark.parametrize("table", LEARNERS, ids=lambda table: "-".join(map(str, table.values())))
def test_a_market_plays_the_same_with_loops_as_with_arrays(loops, table, matching):
    three = PrivateValues(priors=(Uniform(), Uniform(), Uniform(high=2.0)))
    played = {}
    for on in (False, True):
        loops(on)
        blocks = [Block(build("agents", table))]
        market = Market(
            three, FirstPrice(reserve=0.1), blocks, rounds=150, seed=5, replications=3, groups=2, matching=matching
        )
        rounds = [market.play() for _ in range(150)]
        played[on] = {
            name: np.stack([getattr(round, name) for round in rounds])
            for name in ("messages", "allocation", "payments", "utility", "members")
        } | market.state()
    assert played[True].keys() == played[False].keys()
    for name, array in played[True].items():
        np.testing.assert_array_equal(array, played[False][name], err_msg=name)


def test_an_item_is_awarded_alike(loops):
    scores = np.floor(stream(1).random((4, 3000)) * 3) / 2  # many ties
    scores[scores == 0] = -np.inf
    scores[:, :50] = -np.inf
    found = []
    for on in (False, True):
        loops(on)
        found.append(share_highest(scores, None, stream(2), axis=0))
    np.testing.assert_array_equal(*found)
    assert (found[0].sum(axis=0) == (scores > -np.inf).any(axis=0)).all()


def test_members_are_shuffled_alike(loops):
    draws = stream(3).random((40, 25))
    found = []
    for on in (False, True):
        loops(on)
        found.append(shuffled(draws))
    for one, two in zip(*found, strict=True):
        np.testing.assert_array_equal(one, two)
    order, places = found[0]
    assert (np.diff(np.take_along_axis(draws, order, axis=1), axis=1) > 0).all()
    assert (np.take_along_axis(order, places, axis=1) == np.arange(25)).all()


def test_sums_are_added_alike():
    numbers = stream(4).random((5, 3, 7))
    sums, bins, expected = np.zeros((2, 3, 1)), np.array([0, 0, 1, 1, 1]), np.zeros((2, 3))
    kernels.add_up(sums, bins, numbers)
    index = np.broadcast_to((bins[:, None] * 3 + np.arange(3))[..., None], numbers.shape)
    np.add.at(expected.reshape(-1), index.reshape(-1), numbers.reshape(-1))
    np.testing.assert_array_equal(sums[..., 0], expected)


def test_cells_are_counted_and_searched_alike():
    for count in (0, 3, 64, 65, 300):
        edges = np.sort(stream(5).random(count))
        for signal in (-1.0, 0.0, 0.5, 1.0, *edges[:3]):
            assert kernels.cell_of(edges, signal) == np.searchsorted(edges, signal, side="right")


def test_the_last_place_is_drawn_at_the_end_of_the_unit_interval():
    rows, out, chance = np.ones((2, 3)), np.empty(2, np.intp), np.empty(2)
    uniforms = np.array([[0.9, 1 - 2**-53], [0.0, 1 - 2**-53]])
    kernels.greedy(rows, uniforms, 0.5, out)
    assert out.tolist() == [2, 2]
    kernels.weighted(rows, uniforms, 0.5, out, chance)
    assert out.tolist() == [2, 2]
    np.testing.assert_allclose(chance, 1 / 3)


@pytest.mark.skipif(not kernels.available(), reason="numba is not installed, or turned off")
def test_machine_code_plays_the_same_too():
    source = (
        "import numpy as np\n"
        "from auctionlab.environments.priors import Uniform\n"
        "from auctionlab.environments.private import PrivateValues\n"
        "from auctionlab.mechanisms.single_item import FirstPrice\n"
        "from auctionlab.platform.market import Market\n"
        "from auctionlab.platform.matching import Block\n"
        "from auctionlab.registry import build\n"
        "import hashlib\n"
        "for kind in ('epsilon-greedy', 'exp3', 'q-learning'):\n"
        "    market = Market(PrivateValues(2, Uniform()), FirstPrice(), [Block(build('agents', kind))], rounds=300,\n"
        "                    seed=5, replications=3, groups=4, matching='strangers')\n"
        "    digest = hashlib.sha256()\n"
        "    for _ in range(300):\n"
        "        digest.update(market.play().utility.tobytes())\n"
        "    print(digest.hexdigest())\n"
    )
    printed = [
        subprocess.run(
            [sys.executable, "-c", source],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"AUCTIONLAB_COMPILE": on},
        ).stdout
        for on in ("0", "1")
    ]
    assert printed[0] == printed[1]
    assert len(printed[0].split()) == 3


def test_learners_start_without_numba(monkeypatch):
    monkeypatch.setenv("AUCTIONLAB_COMPILE", "0")
    kernels.available.cache_clear()
    kernels.compiled.cache_clear()
    try:
        assert kernels.compiled(kernels.greedy) is None
        learner = build("agents", "epsilon-greedy")
        learner.start(Seat(0, 2, 10, PrivateValues(2, Uniform()), FirstPrice()))
        assert learner.act(np.array([0.2, 0.7]), Source(1, 2).stream(0, "act")).shape == (2,)
    finally:
        kernels.available.cache_clear()
        kernels.compiled.cache_clear()
