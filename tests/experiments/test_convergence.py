"""Statistics over replications, validated by simulation where they promise error rates."""

from __future__ import annotations

import math

import numpy as np
import pytest

from auctionlab.experiments.convergence import (
    CONVERGED,
    NOT_CONVERGED,
    UNDECIDED,
    drift,
    equivalence,
    interval,
    replications_needed,
    tost,
)

TRIALS = 2000


def rate(verdicts: list[str], wanted: str) -> float:
    return sum(verdict == wanted for verdict in verdicts) / len(verdicts)


def trials(mean: float, n: int, theory: float, margin: float, seed: int = 1) -> list[str]:
    draws = np.random.default_rng(seed).normal(mean, 1.0, (TRIALS, n))
    return [tost(row, theory, margin).verdict for row in draws]


def error(share: float) -> float:
    return 3 * math.sqrt(share * (1 - share) / TRIALS)  # three standard errors


def test_interval_is_students_t() -> None:
    # n = 4, mean 2.5, sd 1.2909944; t(3, 0.975) = 3.182446 (tables)
    found = interval([1.0, 2.0, 3.0, 4.0])
    assert found.mean == 2.5
    assert found.high - found.mean == pytest.approx(3.182446 * 1.2909944 / 2, rel=1e-6)  # rounding of the table
    assert found.mean - found.low == pytest.approx(found.high - found.mean)


def test_interval_covers_as_often_as_it_says() -> None:
    draws = np.random.default_rng(3).normal(0, 1, (TRIALS, 6))
    covered = np.mean([interval(row).low <= 0 <= interval(row).high for row in draws])
    assert abs(covered - 0.95) <= error(0.95)


def test_one_replication_has_an_infinite_interval_and_no_verdict() -> None:
    found = tost([0.5], 0.5, 0.1)
    assert (found.estimate.low, found.estimate.high) == (-math.inf, math.inf)
    assert (found.verdict, found.needed) == (UNDECIDED, None)


def test_no_replication_is_not_a_number() -> None:
    found = interval([math.nan])
    assert found.n == 0
    assert math.isnan(found.mean)
    assert tost([], 0.5, 0.1).verdict == UNDECIDED


def test_values_not_measured_are_left_out() -> None:
    assert interval([1.0, math.nan, 3.0]).n == 2
    assert interval([1.0, math.nan, 3.0]).mean == 2.0


@pytest.mark.parametrize(
    ("value", "verdict"), [(0.1, CONVERGED), (0.109, CONVERGED), (0.12, NOT_CONVERGED), (0.08, NOT_CONVERGED)]
)
def test_without_variance_the_mean_decides(value: float, verdict: str) -> None:
    found = tost([value] * 7, 0.1, 0.01)
    assert found.verdict == verdict
    assert found.estimate.low == found.estimate.mean == found.estimate.high == value


def test_size_at_the_edge_of_the_margin_is_at_most_five_per_cent() -> None:
    for n in (5, 30):
        assert rate(trials(0.5, n, 0.0, 0.5), CONVERGED) <= 0.05 + error(0.05)


def test_a_converged_mean_is_called_not_converged_at_most_five_per_cent_of_the_time() -> None:
    assert rate(trials(0.5, 10, 0.0, 0.5), NOT_CONVERGED) <= 0.05 + error(0.05)


def test_converged_means_the_ninety_per_cent_interval_lies_within_the_margin() -> None:
    rng = np.random.default_rng(5)
    for _ in range(300):
        sample = rng.normal(rng.uniform(-1, 1), 1, 12)
        narrow, wide, found = interval(sample, 0.9), interval(sample, 0.95), tost(sample, 0.0, 0.7)
        assert (found.verdict == CONVERGED) == (narrow.low >= -0.7 and narrow.high <= 0.7)
        assert (found.verdict == NOT_CONVERGED) == (wide.low > 0.7 or wide.high < -0.7)


@pytest.mark.parametrize("distance", [0.0, 0.2, 0.35])
def test_replications_needed_decide_four_times_in_five_inside(distance: float) -> None:
    needed = replications_needed(distance, 1.0, 0.6)
    assert needed is not None
    found = rate(trials(distance, needed, 0.0, 0.6), CONVERGED)
    assert abs(found - 0.8) <= error(0.8) + 0.03  # 0.03: the normal approximation


def test_replications_needed_decide_four_times_in_five_outside() -> None:
    needed = replications_needed(1.0, 1.0, 0.5)
    assert needed is not None
    found = rate(trials(1.0, needed, 0.0, 0.5), NOT_CONVERGED)
    assert abs(found - 0.8) <= error(0.8) + 0.03


def test_undecided_asks_for_more_replications_than_there_are() -> None:
    rng = np.random.default_rng(2)
    seen = 0
    for _ in range(200):
        found = tost(rng.normal(0.1, 1, 20), 0.0, 0.3)
        if found.verdict == UNDECIDED and found.needed is not None:
            assert found.needed > 20
            seen += 1
    assert seen > 100


def test_a_mean_on_the_edge_needs_no_known_number() -> None:
    assert replications_needed(0.3, 1.0, 0.3) is None


def test_a_simulated_theory_widens_the_interval() -> None:
    sample = np.random.default_rng(4).normal(0, 1, 50)
    exact, rough = tost(sample, 0.0, 0.4), tost(sample, 0.0, 0.4, theory_error=0.5)
    assert exact.verdict == CONVERGED
    assert rough.verdict == UNDECIDED
    assert rough.needed is None  # more replications do not help a rough theory
    assert rough.estimate.high - rough.estimate.low > exact.estimate.high - exact.estimate.low


def test_welch_has_its_size_with_unequal_variances() -> None:
    rng = np.random.default_rng(6)
    one, two = rng.normal(0.5, 1.0, (TRIALS, 8)), rng.normal(0.0, 2.0, (TRIALS, 30))
    verdicts = [equivalence(a, b, 0.5).verdict for a, b in zip(one, two, strict=True)]
    assert rate(verdicts, CONVERGED) <= 0.05 + error(0.05)


def test_welch_agrees_with_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(7)
    one, two = rng.normal(0.5, 1.0, 8), rng.normal(0.0, 2.0, 30)
    expected = stats.ttest_ind(one, two, equal_var=False).confidence_interval(0.95)
    found = equivalence(one, two, 0.1).estimate
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))  # rounding


def test_pairs_under_one_seed_are_sharper() -> None:
    rng = np.random.default_rng(8)
    common = rng.normal(0, 1, 40)
    one, two = common + rng.normal(0, 0.05, 40), common + rng.normal(0, 0.05, 40)
    assert equivalence(one, two, 0.1, paired=True).verdict == CONVERGED
    assert equivalence(one, two, 0.1).verdict == UNDECIDED


def test_drift_is_the_second_half_less_the_first() -> None:
    rng = np.random.default_rng(9)
    first = rng.normal(0, 0.01, 30)
    assert drift(first, first + 0.5, 0.1).verdict == NOT_CONVERGED
    assert drift(first, first + 0.5, 0.1).estimate.mean == pytest.approx(0.5)
    assert drift(first, first + 0.001, 0.1).verdict == CONVERGED
