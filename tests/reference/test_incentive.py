"""Single crossing, increasing differences, the envelope theorem and IC of one agent.  Okumura (2018), section 1"""

from __future__ import annotations

import numpy as np
import pytest

from auctionlab.errors import ConfigError
from auctionlab.theory.incentive import (
    best_misreport,
    envelope,
    envelope_payments,
    increasing_differences,
    rises_in_strong_order,
    single_crossing,
)

GRID = np.linspace(0, 1, 41)


def linear(x, theta):
    return x * theta


def test_linear_taste_has_strictly_increasing_differences():
    found = increasing_differences(linear, GRID, GRID, strict=True)
    assert found.holds
    assert found.amount == pytest.approx(-((1 / 40) ** 2))  # (x'' − x')(θ'' − θ')
    assert single_crossing(linear, GRID, GRID).holds  # remark 1.1


def test_separable_taste_has_increasing_differences_but_not_strictly():
    def separable(x, theta):
        return np.sqrt(x) + theta**2

    assert increasing_differences(separable, GRID, GRID).holds
    assert not increasing_differences(separable, GRID, GRID, strict=True).holds


def test_single_crossing_without_increasing_differences():
    def tiring(x, theta):  # more is always better, but ever less so
        return x * (2 - theta)

    assert single_crossing(tiring, GRID, GRID).holds
    found = increasing_differences(tiring, GRID, GRID)
    assert not found.holds
    assert found.amount == pytest.approx((1 / 40) ** 2)


def test_crossing_twice_is_found_with_the_allocations_and_types():
    def turns(x, theta):
        return x * (theta - 0.2) * (0.7 - theta)

    found = single_crossing(turns, GRID, GRID)
    assert not found.holds
    (less, more), (low, high) = found.allocations, found.types
    assert turns(more, low) >= turns(less, low)
    assert turns(more, high) < turns(less, high)
    assert low < 0.7 < high


def test_strict_preference_may_not_turn_into_indifference():
    # def. 1.2, second line: preferring more strictly and then being indifferent breaks single crossing
    def fades(x, theta):
        return x * np.maximum(0.5 - theta, 0.0)

    assert not single_crossing(fades, np.array([0.0, 1.0]), np.array([0.0, 1.0])).holds


def test_increasing_differences_are_the_same_in_types_and_allocations():
    # remark 1.2
    def skewed(x, theta):
        return x * theta - 0.3 * x * theta**2

    def transposed(theta, x):
        return skewed(x, theta)

    ours, theirs = increasing_differences(skewed, GRID, GRID), increasing_differences(transposed, GRID, GRID)
    assert ours.holds == theirs.holds
    assert ours.amount == pytest.approx(theirs.amount)


def test_choices_rise_in_the_strong_set_order_exactly_under_single_crossing():
    # theorem 1.3, both directions, on random functions of five allocations with many ties
    random, x, seen = np.random.default_rng(5), np.arange(5.0), set()
    for _ in range(400):
        pair = random.integers(0, 3, (5, 2)).astype(float)
        if random.random() < 0.5:
            pair = np.cumsum(pair, axis=1) * x[:, None] - 2 * x[:, None] ** 1.5
        crossing = single_crossing(lambda a, t, pair=pair: pair[a.astype(int), t.astype(int)], x, np.array([0.0, 1.0]))
        subset = rises_in_strong_order(pair[:, 0], pair[:, 1])
        assert (subset is None) == crossing.holds
        seen.add(crossing.holds)
    assert seen == {True, False}


def test_too_many_subsets_are_refused():
    with pytest.raises(ConfigError, match="at most 16 entries"):
        rises_in_strong_order(np.zeros(17), np.zeros(17))


def test_envelope_of_a_quadratic():
    # max over x of xθ − x²/2 is θ²/2 at x = θ, and ∫ s ds is the same
    found = envelope(lambda x, theta: x * theta - x**2 / 2, np.linspace(0, 1, 4001), GRID)
    assert found.gap < 1e-7  # grid of allocations, 1/4000
    assert found.value == pytest.approx(GRID**2 / 2, abs=1e-7)
    assert found.selection == pytest.approx(GRID, abs=1e-3)


def test_envelope_with_kinks_in_the_value():
    # max(θ, 1 − θ): any selection will do at the tie
    found = envelope(lambda x, theta: np.where(x > 0.5, theta, 1 - theta), np.array([0.0, 1.0]), np.linspace(0, 1, 41))
    assert found.gap < 1e-9


def test_the_envelope_theorem_needs_a_bound_on_slopes():
    # the notes' assumptions hold for this family, but V jumps from 0 to 1 at 0: Milgrom and Segal (2002) ask for more
    def steep(x, theta):
        return np.sin(np.pi / 2 * np.minimum(theta / x, 1)) ** 2

    found = envelope(steep, np.geomspace(1e-9, 1, 2001), GRID)
    assert found.value == pytest.approx(np.append(0.0, np.ones(40)))
    assert found.gap > 0.9


def test_payments_of_the_efficient_sale_of_a_divisible_good():
    # x = θ: t = θ² − ∫ s ds = θ²/2
    payments = envelope_payments(linear, lambda theta: theta, GRID)
    assert payments == pytest.approx(GRID**2 / 2, abs=1e-10)
    assert best_misreport(linear, GRID, payments, GRID).gain <= 0


def test_payments_of_a_posted_price():
    # x = 1 from 0.6 up: t = 0.6 there, 0 below
    types = np.linspace(0, 1, 11)
    payments = envelope_payments(linear, (types >= 0.6).astype(float), types)
    assert payments == pytest.approx(np.where(types >= 0.6, 0.6, 0.0))
    assert payments - envelope_payments(linear, (types >= 0.6).astype(float), types, lowest=0.25) == pytest.approx(0.25)


def test_nonlinear_taste_with_its_slope_given_or_not():
    def taste(x, theta):
        return np.sqrt(x) * theta**2

    given = envelope_payments(taste, lambda s: s**2, GRID, slope=lambda x, s: 2 * s * np.sqrt(x))
    assert given == pytest.approx(GRID**3 - 2 * GRID**3 / 3, abs=1e-12)  # θ³ − ∫ 2 s² ds
    assert envelope_payments(taste, lambda s: s**2, GRID) == pytest.approx(given, abs=1e-8)


def test_monotone_rules_with_their_payments_are_incentive_compatible_and_no_others_are():
    # theorem 1.4 in both directions, on random rules
    random = np.random.default_rng(4)
    for _ in range(40):
        rule = np.sort(random.random(len(GRID)))
        payments = envelope_payments(linear, rule, GRID)
        assert best_misreport(linear, rule, payments, GRID).gain <= 1e-12
        tilted = payments + 0.2 * GRID  # not of the formula by more than the formula's freedom between two types
        assert best_misreport(linear, rule, tilted, GRID).gain > 0
        fallen = rule.copy()
        fallen[[10, 30]] = rule[[30, 10]]
        with pytest.raises(ConfigError, match="should never fall with the type"):
            envelope_payments(linear, fallen, GRID)
        for candidate in (payments, np.zeros(len(GRID)), random.random(len(GRID))):
            assert best_misreport(linear, fallen, candidate, GRID).gain > 0  # lemma 1.2


def test_a_rule_that_falls_is_refused_with_the_two_types():
    types = np.array([0.1, 0.2, 0.3, 0.4])
    with pytest.raises(ConfigError, match=r"got 0\.8 for type 0\.2 but 0\.5 for the higher type 0\.4: no payments"):
        envelope_payments(linear, np.array([0.1, 0.8, 0.7, 0.5]), types)
    with pytest.raises(ConfigError, match="should never fall"):
        envelope_payments(linear, lambda theta: (theta - 0.5) ** 2, GRID)
    with pytest.raises(ConfigError, match="one allocation a type, 41, got shape"):
        envelope_payments(linear, np.zeros(3), GRID)


def test_the_most_tempting_lie_is_named():
    # everybody pays the own value of x = θ: type θ gains z (θ − z), at most 1/4 for type 1 reporting 1/2
    found = best_misreport(linear, GRID, GRID**2, GRID)
    assert (found.gain, found.type, found.report) == pytest.approx((0.25, 1.0, 0.5))


def test_a_grid_that_does_not_ascend_is_refused_and_so_is_a_rule_without_a_number():
    with pytest.raises(ConfigError, match=r"theta: should be at least 1 finite numbers in ascending order, got \[1"):
        envelope_payments(linear, np.linspace(1, 0, 5), np.linspace(1, 0, 5))
    with pytest.raises(ConfigError, match="x: should be at least 2 finite numbers"):
        increasing_differences(linear, np.array([1.0]), GRID)
    with pytest.raises(ConfigError, match=r"rule: should be finite, got nan for type 0\.5"):
        envelope_payments(linear, np.array([0.0, np.nan, 1.0]), np.array([0.0, 0.5, 1.0]))
