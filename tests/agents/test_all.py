"""What every strategy promises: independent lanes, state that can be put back, legal bids."""

import io

import numpy as np
import pytest

from auctionlab.agents._table import utility_range
from auctionlab.arrays import draw_index
from auctionlab.core import Box, Feedback
from auctionlab.errors import ConfigError
from auctionlab.registry import build, describe, kind_of
from auctionlab.rng import Source

LEARNERS = [
    {"kind": "epsilon-greedy", "bids": 7, "cells": 3},
    {"kind": "epsilon-greedy", "bids": 7, "cells": 3, "step": 0.2, "decay": 0.01, "initial": 1.0},
    {"kind": "exp3", "bids": 7, "cells": 3},
    {"kind": "exp3-p", "bids": 7, "cells": 3},
    {"kind": "ucb1", "bids": 7, "cells": 3},
    {"kind": "thompson-sampling", "bids": 7, "cells": 3},
    {"kind": "hedge", "bids": 7, "cells": 3},
    {"kind": "regret-matching", "bids": 7, "cells": 3},
    {"kind": "regret-matching-plus", "bids": 7, "cells": 3},
    {"kind": "dual-averaging", "bids": 7, "cells": 3},
    {"kind": "dual-averaging", "bids": 7, "cells": 3, "geometry": "euclidean"},
    {"kind": "mirror-ascent", "bids": 7, "cells": 3},
    {"kind": "mirror-ascent", "bids": 7, "cells": 3, "geometry": "euclidean", "power": 0.5},
    {"kind": "frank-wolfe", "bids": 7, "cells": 3},
    {"kind": "fictitious-play", "bids": 7, "cells": 3},
    {"kind": "smoothed-best-response", "bids": 7, "cells": 3, "forget": 0.1},
    {"kind": "follow-the-perturbed-leader", "bids": 7, "cells": 3},
    {"kind": "q-learning", "bids": 7, "cells": 3},
    {"kind": "q-learning", "bids": 7, "cells": 3, "discount": 0.9},
    {"kind": "q-learning", "bids": 7, "cells": 3, "discount": 0.5, "synchronous": True},
]
FUNCTIONS = [{"kind": "policy-gradient"}, {"kind": "evolution-strategies", "block": 3}]
FIXED = [
    {"kind": "truthful"},
    {"kind": "equilibrium"},
    {"kind": "shading"},
    {"kind": "random"},
    {"kind": "noisy-truthful"},
    {"kind": "quantal-response", "bids": 7, "cells": 3},
    {"kind": "level-k", "bids": 7, "cells": 3},
    {"kind": "joy-of-winning"},
    {"kind": "risk-averse", "rho": 0.4, "noise": 0.05},
    {"kind": "spiteful"},
    {"kind": "cursed"},
]
STATEFUL = LEARNERS + FUNCTIONS


def seated(table, seat):
    strategy = build("agents", table)
    strategy.start(seat)
    return strategy


def bids_of(history):
    return np.array([past["messages"] for past in history])


@pytest.mark.parametrize("table", STATEFUL + FIXED, ids=lambda table: "-".join(map(str, table.values())))
def test_lanes_do_not_depend_on_how_many_there_are(sit, play, against_half, table):
    """Two members a replication: replications 3 and 4 of seven are those of a source that begins with the third."""
    whole = bids_of(play(seated(table, sit(14)), Source(5, 7), range(60), **against_half))
    fewer = bids_of(play(seated(table, sit(6)), Source(5, 3), range(60), **against_half))
    later = bids_of(play(seated(table, sit(4)), Source(5, 2, first=3), range(60), **against_half))
    np.testing.assert_array_equal(fewer, whole[:, :6])
    np.testing.assert_array_equal(later, whole[:, 6:10])


@pytest.mark.parametrize("table", STATEFUL, ids=lambda table: "-".join(map(str, table.values())))
def test_state_put_back_continues_the_same_run(sit, play, against_half, table):
    source = Source(6, 4)
    unbroken = bids_of(play(seated(table, sit(8)), source, range(80), **against_half))
    first = seated(table, sit(8))
    play(first, source, range(40), **against_half)
    file = io.BytesIO()
    np.savez(file, **first.state())
    file.seek(0)
    again = seated(table, sit(8))
    again.restore(dict(np.load(file, allow_pickle=False)))
    np.testing.assert_array_equal(bids_of(play(again, source, range(40, 80), **against_half)), unbroken[40:])


@pytest.mark.parametrize("table", STATEFUL, ids=lambda table: "-".join(map(str, table.values())))
def test_two_learners_with_one_state_do_not_share_it(sit, play, against_half, table):
    first, second = seated(table, sit(2)), seated(table, sit(2))
    play(first, Source(7, 2), range(5), **against_half)
    second.restore(first.state())
    kept = {name: array.copy() for name, array in second.state().items()}
    play(first, Source(7, 2), range(5, 20), **against_half)
    for name, array in second.state().items():
        np.testing.assert_array_equal(array, kept[name])


@pytest.mark.parametrize("table", LEARNERS, ids=lambda table: "-".join(map(str, table.values())))
def test_learning_changes_only_the_cell_that_was_played(sit, table):
    strategy = seated(table | {"bids": 5, "cells": 4}, sit(3))
    names = ("estimates_", "weights_", "totals_", "regrets_", "points_", "mixed_", "means_")
    name = next(name for name in names if hasattr(strategy, name))
    before = getattr(strategy, name).copy()
    assert before.shape == (3, 4, 5)
    source, signals = Source(8, 3), np.array([0.1, 0.3, 0.9])  # cells 0, 1 and 3
    for number in range(2):  # a discounted learner corrects in the round after
        strategy.act(signals, source.stream(number, "act"))
        one = np.full(3, 0.7)
        strategy.learn(Feedback(signals, one, one, one, one, payoff=lambda bids: np.tile(0.5 - bids**2, (3, 1))))
    strategy.act(signals, source.stream(2, "act"))
    changed = (getattr(strategy, name) != before).any(axis=2)
    expected = np.zeros((3, 4), bool)
    expected[[0, 1, 2], [0, 1, 3]] = True
    np.testing.assert_array_equal(changed, expected)


@pytest.mark.parametrize("kind", sorted({table["kind"] for table in LEARNERS}))
def test_learners_can_stay_out_where_entry_costs_a_fee(sit, play, kind):
    """Whoever enters loses the fee, so they learn to stay out."""
    lanes, fee = 50, 0.5
    strategy = seated({"kind": kind, "bids": 3, "cells": 1}, sit(lanes, rounds=2000, entry_fee=fee))
    assert np.isneginf(strategy.grid).tolist() == [False, False, False, True]
    history = play(
        strategy,
        Source(9, lanes),
        range(2000),
        world=lambda values, bids, rivals: np.where(np.isneginf(bids), 0.0, -fee),
        payoff=lambda bids, values, rivals: np.tile(np.where(np.isneginf(bids), 0.0, -fee), (lanes, 1)),
    )
    assert np.isneginf(bids_of(history[:1])).mean() < 0.6  # an even draw: 0.25
    assert np.isneginf(bids_of(history[-200:])).mean() > (0.6 if kind == "exp3-p" else 0.8)  # it explores for longer


def test_learners_are_told_no_more_than_they_need():
    informed = {
        "hedge", "regret-matching", "regret-matching-plus", "dual-averaging", "mirror-ascent", "frank-wolfe",
        "fictitious-play", "smoothed-best-response", "follow-the-perturbed-leader",
    }  # fmt: skip
    for table in STATEFUL + FIXED:
        wanted = {"payoff"} if table["kind"] in informed or table.get("synchronous") else set()
        assert build("agents", table).needs == wanted
    assert build("agents", {"kind": "q-learning", "memory": "price"}).needs == {"price"}


def test_utility_range_covers_the_top_bid_lost_and_the_top_value_gained(sit):
    assert utility_range(sit()) == (-1.0, 1.0)
    assert utility_range(sit(entry_fee=0.25)) == (-1.25, 1.0)
    averse = sit(risk={"kind": "crra", "rho": 0.5}, entry_fee=0.21)
    assert utility_range(averse) == pytest.approx((-2 * 1.21**0.5, 2.0))  # u(x) = 2 √x, u(-x) = -u(x)


def test_tables_refuse_vector_signals(sit, monkeypatch):
    seat = sit()
    monkeypatch.setattr(type(seat.environment), "signal", Box(0.0, 1.0, (3,)))
    with pytest.raises(ConfigError, match=r"exp3: needs scalar signals, here they have the shape \(3,\)"):
        build("agents", "exp3").start(seat)


@pytest.mark.parametrize("table", STATEFUL + FIXED, ids=lambda table: "-".join(map(str, table.values())))
def test_a_config_describes_and_rebuilds_its_strategy(table):
    strategy = build("agents", table)
    assert kind_of(strategy) == table["kind"]
    assert build("agents", describe(strategy)) == strategy
    assert type(strategy).__doc__.rstrip().splitlines()[-1].strip().startswith("Source: ")


def test_an_index_is_drawn_where_the_running_weight_passes_the_uniform():
    weights = np.tile([0.0, 1.0, 0.0, 3.0, 0.0], (6, 1))
    uniforms = np.array([0.0, 0.2, 0.25, 0.5, 0.999, 1 - 2**-53])
    assert draw_index(weights, uniforms).tolist() == [1, 1, 3, 3, 3, 3]  # never an index of weight zero
    assert weights.tolist() == np.tile([0.0, 1.0, 0.0, 3.0, 0.0], (6, 1)).tolist()


def test_a_grid_ends_where_it_is_told_to(sit):
    learner = seated({"kind": "hedge", "bids": 19, "lowest": 0.05, "highest": 0.95}, sit(2))
    np.testing.assert_allclose(learner.grid, np.arange(1, 20) / 20, rtol=1e-14)
    thinker = seated({"kind": "level-k", "bids": 3, "cells": 2, "highest": 0.5}, sit(2))
    np.testing.assert_allclose(thinker.grid, [0.0, 0.25, 0.5])
    with pytest.raises(ConfigError, match="highest: should be above the lowest bid 2, got 1"):
        seated({"kind": "hedge", "lowest": 2.0}, sit(2))
