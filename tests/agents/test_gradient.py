"""Gradient methods against scalar references, closed forms and the regret that theory promises."""

import math

import numpy as np
import pytest

from auctionlab.agents._simplex import best_of, normalise, project, softmax
from auctionlab.agents.gradient import DualAveraging, FrankWolfe, MirrorAscent
from auctionlab.core import Feedback
from auctionlab.errors import ContractError
from auctionlab.registry import build
from auctionlab.rng import Source

INFORMED = [
    {"kind": "hedge"},
    {"kind": "regret-matching"},
    {"kind": "regret-matching-plus"},
    {"kind": "dual-averaging"},
    {"kind": "dual-averaging", "geometry": "euclidean"},
    {"kind": "mirror-ascent"},
    {"kind": "mirror-ascent", "geometry": "euclidean"},
    {"kind": "frank-wolfe"},
    {"kind": "follow-the-perturbed-leader"},
    {"kind": "smoothed-best-response", "temperature": 0.02},
]


def test_projection_is_the_nearest_mix():
    """Against the bisection of the condition Σ max(x − t, 0) = 1."""
    points = Source(1).stream(0, "act").random((7, 200)) * 6 - 3
    found = project(points)
    low, high = points.min(axis=0) - 1, points.max(axis=0)
    for _ in range(100):
        middle = (low + high) / 2
        above = np.maximum(points - middle, 0).sum(axis=0) > 1
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    np.testing.assert_allclose(found, np.maximum(points - high, 0), atol=1e-13)  # rounding
    np.testing.assert_allclose(found.sum(axis=0), 1, atol=1e-13)


def test_mixes_of_extreme_scores_are_finite():
    scores = np.array([[0.0, 1e300, -1e300], [1e-300, -1e300, -1e300]])
    np.testing.assert_allclose(softmax(scores.copy()), [[0.5, 1, 0.5], [0.5, 0, 0.5]])
    np.testing.assert_array_equal(normalise(np.array([[0.0, 3.0], [0.0, 1.0]])), [[0.5, 0.75], [0.5, 0.25]])
    np.testing.assert_array_equal(best_of(np.array([[1.0, 0.0], [1.0, 2.0]])), [[0.5, 0], [0.5, 1]])


def reference(kind, geometry, history, bids, cells, first, power):
    """Mixed bids of one lane by cell, in plain loops over what happened."""
    points = np.zeros((cells, bids))
    mixed = np.full((cells, bids), 1 / bids)
    visits = np.zeros(cells)
    for value, rival in history:
        cell = int(value * cells)
        earned = np.array([(value - k / (bids - 1)) * (k / (bids - 1) > rival) for k in range(bids)]) / 2
        visits[cell] += 1
        step = first * visits[cell] ** -power
        if kind == "dual-averaging":
            points[cell] += earned
            target = step * points[cell]
        elif geometry == "entropic":
            mixed[cell] *= np.exp(step * earned)
            mixed[cell] /= mixed[cell].sum()
            continue
        else:
            target = mixed[cell] + step * earned
        mixed[cell] = np.exp(target) / np.exp(target).sum() if geometry == "entropic" else bisect(target)
    return mixed


def bisect(target):
    low, high = target.min() - 1, target.max()
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if np.maximum(target - middle, 0).sum() > 1 else (low, middle)
    return np.maximum(target - low, 0)


@pytest.mark.parametrize("geometry", ["entropic", "euclidean"])
@pytest.mark.parametrize(("cls", "power"), [(DualAveraging, 0.5), (MirrorAscent, 0.0), (MirrorAscent, 0.5)])
def test_ascent_follows_the_published_updates(sit, play, against_half, cls, geometry, power):
    lanes, bids, cells = 3, 5, 2
    learner = cls(bids=bids, cells=cells, rate=0.9, geometry=geometry, power=power)
    learner.start(sit(lanes))
    history = play(learner, Source(2, lanes), range(80), **against_half)
    for lane in range(lanes):
        seen = [(past["signals"][lane], past["rivals"][lane] / 2) for past in history]
        kind = "dual-averaging" if cls is DualAveraging else "mirror-ascent"
        expected = reference(kind, geometry, seen, bids, cells, 0.9, power)
        for cell in range(cells):
            learner.row = learner.lanes * cells + cell
            np.testing.assert_allclose(
                learner.chances(learner.rows(learner.points_))[:, lane], expected[cell], atol=1e-12
            )


def test_dual_averaging_and_mirror_ascent_agree_while_steps_are_constant(sit, play, against_half):
    learners = [cls(bids=6, cells=2, power=0.0, rate=0.5) for cls in (DualAveraging, MirrorAscent)]
    played = []
    for learner in learners:
        learner.start(sit(5))
        played.append([past["messages"] for past in play(learner, Source(3, 5), range(60), **against_half)])
    np.testing.assert_array_equal(*played)  # and both are Hedge


def test_default_steps_come_from_the_horizon(sit):
    seat = sit(rounds=20_000)  # 1000 rounds in each of 20 cells
    for geometry, bound in (("entropic", 8 * math.log(21)), ("euclidean", (1 - 1 / 21) / 21)):
        for cls in (DualAveraging, MirrorAscent):
            learner = cls(bids=21, cells=20, geometry=geometry)
            learner.start(seat)
            assert learner.steps(np.array([1000.0]))[0] == pytest.approx(math.sqrt(bound / 1000), rel=1e-12)


def test_frank_wolfe_follows_its_definition(sit, play, against_half):
    lanes, bids = 3, 5
    learner = FrankWolfe(bids=bids, cells=1)
    learner.start(sit(lanes))
    history = play(learner, Source(4, lanes), range(60), **against_half)
    for lane in range(lanes):
        mean, mixed = np.zeros(bids), np.full(bids, 1 / bids)
        for number, past in enumerate(history, start=1):
            value, rival = past["signals"][lane], past["rivals"][lane] / 2
            earned = np.array([(value - k / 4) * (k / 4 > rival) for k in range(bids)]) / 2
            mean += (1 if number == 1 else 4 / (number + 8) ** (2 / 3)) * (earned - mean)
            best = (mean == mean.max()) / (mean == mean.max()).sum()
            mixed += 2 / (number + 2) * (best - mixed)
        np.testing.assert_allclose(learner.mixed_[lane, 0], mixed, atol=1e-13)


@pytest.mark.parametrize("table", INFORMED, ids=lambda table: "-".join(map(str, table.values())))
def test_regret_against_a_hostile_rival_stays_within_the_rate(sit, table):
    """The rival makes the bid that earns most change ever so often: regret must stay of order √(T K)."""
    lanes, rounds, bids = 20, 2000, 5
    learner = build("agents", {**table, "bids": bids, "cells": 1})
    learner.start(sit(lanes, rounds))
    source, values = Source(5, lanes), np.full(lanes, 0.5)
    rewards = np.zeros((rounds, bids))
    rewards[:, 1] = np.where(np.arange(rounds) // 100 % 2 == 0, 1.0, -1.0)
    rewards[:, 3] = -rewards[:, 1]
    rewards[:, 4] = 0.1
    earned = np.zeros(lanes)
    for number in range(rounds):
        learner.act(values, source.stream(number, "act"))
        got = rewards[number, learner.choice]
        told = np.tile(rewards[number], (lanes, 1))
        learner.learn(Feedback(values, values, got, values, values, payoff=lambda trials, told=told: told))
        earned += got
    regret = rewards.sum(axis=0).max() - earned.mean()
    # range 2: √(T K) × 2 = 200; 20 lanes of ±1 have a standard error of √(2000/20) = 10 at most. Two promise less:
    limit = 400 if table["kind"] in ("smoothed-best-response", "frank-wolfe") else 200
    assert regret < limit + 50


@pytest.mark.parametrize("table", INFORMED, ids=lambda table: "-".join(map(str, table.values())))
def test_informed_learners_find_the_best_reply_to_a_fixed_rival(sit, play, against_half, table):
    lanes, rounds = 20, 2500
    learner = build("agents", {**table, "bids": 11, "cells": 4})
    learner.start(sit(lanes, rounds))
    history = play(learner, Source(6, lanes), range(rounds), **against_half)[-500:]
    values = np.array([past["signals"] for past in history])
    bids = np.array([past["messages"] for past in history])
    utility = np.where(bids > 0, (values - bids) * np.minimum(2 * bids, 1), 0).mean()
    best = (values**2 / 2).mean()  # bidding v/2 wins with probability v
    assert utility > 0.8 * best  # even bids over the grid earn less than nothing


def test_informed_learners_say_what_they_need(sit):
    for table in INFORMED:
        learner = build("agents", table)
        learner.start(sit())
        one = np.zeros(1)
        learner.act(one, Source(7).stream(0, "act"))
        with pytest.raises(ContractError, match=f"{table['kind']}: learns from payoff"):
            learner.learn(Feedback(one, one, one, one, one))
