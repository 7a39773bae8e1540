"""Rochet's theorem: cyclical monotonicity, payments by longest paths, against linear programming."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.optimize import linprog

from auctionlab.environments.data_priors import Discrete
from auctionlab.environments.private import PrivateValues
from auctionlab.errors import ConfigError
from auctionlab.mechanisms.single_item import FirstPrice, SecondPrice
from auctionlab.theory.rochet import implement, rule_worth, weak_monotonicity, worth_of

ROTATING = np.array([[0.0, 1.0, -2.0], [-2.0, 0.0, 1.0], [1.0, -2.0, 0.0]])


def linear(x, theta):
    return x * theta


def gains(worth, payments):
    """What each type (columns) gains by each report (rows)."""
    utility = worth - payments[:, None]
    return utility - np.diagonal(utility)


def feasible(worth):
    """Whether linear programming finds payments: t(r) − t(k) ≥ worth[r, k] − worth[k, k] for all pairs."""
    count = len(worth)
    rows, bounds = [], []
    for r, k in itertools.permutations(range(count), 2):
        row = np.zeros(count)
        row[r], row[k] = -1.0, 1.0
        rows.append(row)
        bounds.append(worth[k, k] - worth[r, k])
    return linprog(np.zeros(count), rows, bounds, bounds=[(None, None)] * count).status == 0


def test_a_rising_rule_gets_the_payments_that_leave_types_indifferent_to_the_report_below():
    # x = 0, 1/2, 1 at θ = 1, 2, 3: longest paths climb one type at a time
    found = implement(worth_of(linear, [0.0, 0.5, 1.0], [1, 2, 3]))
    assert found.implementable
    assert found.utility == pytest.approx([0, 0, 0.5])
    assert found.payments == pytest.approx([0, 1, 2.5])
    assert found.slack == pytest.approx(1.0)  # t(3) − t(1) may lie between 0.5 · 2 + 0.5 · 1 and 0.5 · 3 + 0.5 · 2
    assert found.line([1, 2, 3]) == "incentive compatible with payments 1: 0, 2: 1, 3: 2.5"


def test_a_falling_rule_is_refused_with_its_cycle():
    worth = worth_of(linear, [0.0, 0.8, 0.5], [1, 2, 3])
    longest, pair = weak_monotonicity(worth)
    assert (longest, sorted(pair)) == (pytest.approx(0.3), [1, 2])  # (0.8 − 0.5)(3 − 2)
    found = implement(worth)
    assert not found.implementable
    assert sorted(set(found.cycle)) == [1, 2]
    assert found.cycle[0] == found.cycle[-1]
    assert found.excess == pytest.approx(0.3)
    assert "x(2) is worth 0.8 more to 3 than to 2" in found.line([1, 2, 3])
    assert "in sum 0.3 > 0" in found.line([1, 2, 3])


def test_weak_monotonicity_is_not_enough():
    # each of three types wants the next one's allocation: no two types complain, all three together do
    longest, _ = weak_monotonicity(ROTATING)
    assert longest == -1
    found = implement(ROTATING)
    assert set(found.cycle) == {0, 1, 2}
    assert found.excess == pytest.approx(3)


def test_payments_exist_exactly_where_linear_programming_finds_some():
    # theorem 1.5 in both directions, on random rules of vector types
    random, seen = np.random.default_rng(15), []
    for _ in range(120):
        types, menu = random.normal(size=(5, 3)), random.normal(size=(4, 3))
        best = np.argmax(types @ menu.T, axis=1)  # this one is implementable by no payments at all
        rule = np.where(random.random(5) < 0.25, random.integers(0, 4, 5), best)
        worth = worth_of(np.dot, list(menu[rule]), list(types))
        found = implement(worth)
        assert found.implementable == feasible(worth)
        if found.payments is not None:
            assert gains(worth, found.payments).max() <= 1e-9
        else:
            steps = [worth[a, b] - worth[a, a] for a, b in itertools.pairwise(found.cycle)]
            assert sum(steps) == pytest.approx(found.excess)
            assert found.excess > 0
        seen.append(found.implementable)
    assert 20 < sum(seen) < 100


def test_weak_and_cyclical_monotonicity_agree_for_scalar_types():
    # with increasing differences two-cycles suffice (Rochet 1987)
    random = np.random.default_rng(16)
    for _ in range(200):
        worth = worth_of(linear, random.integers(0, 4, 6), np.sort(random.random(6)))
        assert implement(worth).implementable == (weak_monotonicity(worth)[0] <= 1e-12)


def test_fine_types_leave_payments_no_freedom():
    # slack shrinks with the step: in the limit payments are unique up to a constant, as revenue equivalence says
    slack = []
    for count in (11, 41, 161):
        types = np.linspace(0, 1, count)
        slack.append(implement(np.outer(types, types)).slack)
    assert slack == pytest.approx([1 / 10, 1 / 40, 1 / 160])  # Σ (step)²


def test_second_price_is_implementable_against_any_rivals_and_its_payments_are_among_those():
    environment = PrivateValues(3, Discrete(values=(0.0, 1.0, 2.0, 3.0)))
    types = np.arange(4.0)
    for rivals in itertools.product(types, repeat=2):
        worth, payments = rule_worth(SecondPrice(), environment, 0, types, np.array([0.0, *rivals]))
        assert implement(worth).implementable
        assert gains(worth, payments).max() <= 1e-12
        worth, payments = rule_worth(FirstPrice(), environment, 0, types, np.array([0.0, *rivals]))
        assert implement(worth).implementable  # the rule is the same, the payments are wrong
        if max(rivals) <= 1:
            assert gains(worth, payments).max() > 0.5


def test_tables_that_make_no_sense_are_refused():
    for worth in (np.zeros((2, 3)), np.full((2, 2), np.nan)):
        with pytest.raises(ConfigError, match="square table of finite numbers"):
            implement(worth)
