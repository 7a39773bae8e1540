"""How play moves: tests of drift and cycles hold their level and see what is there; convergence is timed right."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from auctionlab.environments.priors import Uniform
from auctionlab.environments.private import PrivateValues
from auctionlab.experiments import dynamics
from auctionlab.experiments.convergence import interval, median_interval, share_interval
from auctionlab.experiments.kept import Kept, courses, spread
from auctionlab.experiments.learned import cartel_revenue
from auctionlab.experiments.metrics import Metrics
from auctionlab.experiments.names import MetricName, stages_of, win_by_cell
from auctionlab.experiments.parties import Party
from auctionlab.mechanisms.clock import Ascending
from auctionlab.mechanisms.groves import VickreyClarkeGroves
from auctionlab.mechanisms.single_item import AllPay, FirstPrice, SecondPrice
from tests.experiments.synthetic import cut, measured, over_replications, part, play

PAIR = PrivateValues(bidders=2, prior=Uniform())
TRIALS = 2000
LEARNERS = (Party(0, "all", 0, (0, 1), 0.05, 4, 21, learns=True),)


def noise(shape: tuple[int, ...], seed: int = 1) -> Any:
    return np.random.default_rng(seed).normal(size=shape)


def wandering(trials: int, length: int, rho: float, seed: int = 2) -> Any:
    steps = noise((trials, length + 200), seed)
    series = np.zeros_like(steps)
    for t in range(1, steps.shape[1]):
        series[:, t] = rho * series[:, t - 1] + steps[:, t]
    return series[:, 200:]


def error(share: float, trials: int = TRIALS) -> float:
    return 3 * math.sqrt(share * (1 - share) / trials)  # three standard errors


@pytest.mark.parametrize("length", [16, 64])
def test_cycles_are_seen_by_chance_in_at_most_five_per_cent(length: int) -> None:
    for series in (
        noise((TRIALS, length)),
        wandering(TRIALS, length, 0.9),
        noise((TRIALS, length)) + np.arange(length),
    ):
        assert np.mean(dynamics.cycle(series)[0] < 0.05) <= 0.05 + error(0.05)


def test_a_cycle_is_seen_with_its_period() -> None:
    phases = np.random.default_rng(3).uniform(0, 2 * np.pi, (200, 1))
    series = noise((200, 64)) + 1.5 * np.sin(2 * np.pi * np.arange(64) / 8 + phases)
    p, period = dynamics.cycle(series)
    assert np.mean(p < 0.05) > 0.95
    assert np.median(period) == pytest.approx(8, rel=0.05)  # 63 steps are not a multiple of 8


def test_fishers_exact_p_value_is_that_of_simulated_noise() -> None:
    # 5 % point of the largest of m = 10 ordinates: 0.4450 (Fisher 1929, table; Percival and Walden 1993, sec. 10.9)
    assert dynamics._fisher(0.44495, 10) == pytest.approx(0.05, abs=2e-4)
    shares = np.random.default_rng(4).exponential(size=(20_000, 10))
    largest = shares.max(axis=1) / shares.sum(axis=1)
    for level in (0.3, 0.4):
        chance = dynamics._fisher(level, 10)
        assert abs(np.mean(largest >= level) - chance) <= error(chance, 20_000)


def test_persistence_is_zero_on_average_for_noise_and_the_correlation_for_wandering() -> None:
    for length in (32, 64):
        found = interval(dynamics.persistence(noise((TRIALS, length))))
        assert abs(found.mean) <= 3 * found.sd / math.sqrt(TRIALS) + 1 / length**2
    long = interval(dynamics.persistence(wandering(300, 2000, 0.5)))
    assert long.mean == pytest.approx(0.5, abs=3 * long.sd / math.sqrt(300) + 0.002)  # 0.002: bias of order 1/length


def test_what_does_not_move_has_no_persistence_and_no_cycle() -> None:
    still = np.tile([[0.25], [0.1]], (1, 32)) * (1 + 1e-15 * noise((2, 32)))
    assert np.isnan(dynamics.persistence(still)).all()
    assert np.isnan(dynamics.cycle(still)).all()


def test_mean_bids_are_adjusted_for_the_values_drawn() -> None:
    rng = np.random.default_rng(5)
    values, owners, places = rng.uniform(size=4000), rng.integers(0, 2, 4000), rng.integers(0, 20, 4000)
    bids = np.where(owners == 0, 0.5 * values, 0.1 + 0.8 * values)
    found = dynamics.adjusted_means(bids, values, owners, places, (2, 21))
    means = [np.mean(values[owners == k]) for k in (0, 1)]
    assert found[0, :20] == pytest.approx(0.5 * means[0])  # rounding: bids are linear in values, so nothing is left
    assert found[1, :20] == pytest.approx(0.1 + 0.8 * means[1])
    assert np.isnan(found[:, 20]).all()  # nobody bid there


def test_convergence_counts_from_the_first_stretch_after_which_none_lies_outside() -> None:
    running = np.array([[9.0, 0, 0, 9], [0, 0, 9, 9], [9, 0, 0, 9], [0, 0, 0, 9]])
    found = dynamics.settled_from(running, 1.0)
    assert found[:3].tolist() == [3, 0, 2]
    assert np.isnan(found[3])
    assert np.isnan(dynamics.settled_from(np.full((3, 1), np.nan), 1.0)).all()


def test_revenue_is_compared_at_the_same_values() -> None:
    theory = FirstPrice().equilibrium(PAIR)
    chunk = play(PAIR, FirstPrice(), lambda v, m: v / 2 + 0.1, rounds=50)
    gaps = dynamics.revenue_gaps(FirstPrice(), theory, chunk.signals, chunk.messages)
    assert gaps == pytest.approx(0.1)  # rounding: all luck of the draw is gone


def test_play_that_settles_is_timed_in_every_replication() -> None:
    # bids are 0.2 too high until round 600 of 1000, then equilibrium: a tenth of the run on end is free of it from 600
    late = np.repeat(np.arange(1000) < 600, 5)[:, None]
    chunk = play(PAIR, FirstPrice(), lambda v, m: v / 2 + 0.2 * late, rounds=1000, replications=5)
    theory = FirstPrice().equilibrium(PAIR)
    metrics = Metrics(PAIR, FirstPrice(), LEARNERS, rounds=1000, replications=5, bids=theory)
    found = measured(metrics, chunk)
    gaps = np.array([[found["revenue_gap", k * 10, r] for r in range(5)] for k in range(91)])
    assert gaps[:51] == pytest.approx(0.2)
    assert gaps[60:] == pytest.approx(0.0, abs=1e-12)
    assert dynamics.settled_from(gaps, 1e-9).tolist() == [60.0] * 5


def test_average_play_forgets_who_met_whom_when() -> None:
    # Values are 1. Both bid 0.6 in even rounds and 0.2 in odd ones, so average play mixes the two independently and
    # earns (0.4/2 + 0.4 + 0 + 0.8/2)/4 = 0.25. Just above 0.6 one always wins 0.4, just above 0.2 half the time 0.8.
    rounds = 1200
    high = (np.arange(rounds) % 2 == 0)[:, None]
    chunk = play(PAIR, FirstPrice(), lambda v, m: np.where(high, 0.6, 0.2) + 0 * v, rounds=rounds)
    sure = PrivateValues(bidders=2, prior=Uniform(low=0.999999, high=1.0))
    signals = 0.999999 + 1e-6 * chunk.signals
    chunk = type(chunk)(
        0, signals, signals, chunk.messages, chunk.allocation, chunk.payments, chunk.utility, chunk.members
    )
    found = measured(Metrics(sure, FirstPrice(), LEARNERS, rounds=rounds, replications=1, window=1.0), chunk)
    spread = 3 * 0.3 / math.sqrt(rounds)  # who met whom after shuffling is random; payoffs have a deviation of 0.3
    assert found["exploitability_average", None, 0] == pytest.approx(0.4 - 0.25, abs=spread)
    # as played, both always share: (0.4/2 + 0.8/2)/2 = 0.3, and a reply earns 0.4
    assert found["exploitability", None, 0] == pytest.approx(0.4 - 0.3, abs=1e-5)


def test_last_play_is_the_end_of_the_window_only() -> None:
    # truth until the last fifth of the window, then equilibrium: truth loses 1/12 (see test_metrics_replies)
    late = np.repeat(np.arange(2000) >= 1920, 6)[:, None]
    chunk = play(PAIR, FirstPrice(), lambda v, m: np.where(late, v / 2, v), rounds=2000, replications=6)
    metrics = Metrics(PAIR, FirstPrice(), LEARNERS, rounds=2000, replications=6)
    found = measured(metrics, chunk)
    last = interval(over_replications(found, "exploitability_last"))
    assert abs(last.mean) <= 3 * last.sd / math.sqrt(6) + 0.05 / 6  # from 80 rounds: a reply is poorly chosen
    average = interval(over_replications(found, "exploitability_average"))
    assert average.mean == pytest.approx(0.96 / 12, abs=3 * average.sd / math.sqrt(6) + 0.003)


def test_feedback_is_counted_as_disclosed() -> None:
    chunk = play(PAIR, FirstPrice(), lambda v, m: v / 2, rounds=60)
    for disclose, told in (("own", (60, 0, 0)), ("price", (60, 60, 0)), ("all", (60, 60, 60))):
        metrics = Metrics(PAIR, FirstPrice(), LEARNERS, rounds=60, replications=1, disclose=disclose)
        found = measured(metrics, chunk)
        assert tuple(found[f"feedback_{kind}[0]:all", None, 0] for kind in ("own", "price", "others")) == told


def test_bid_functions_are_told_stage_by_stage() -> None:
    edges = stages_of(10_000, 8_000)
    assert edges.tolist() == [0, 80, 253, 800, 2530, 8000, 10_000]
    early = np.repeat(np.arange(2000) < 506, 3)[:, None]
    chunk = play(PAIR, FirstPrice(), lambda v, m: np.where(early, 0.1, 0.3) + 0 * v, rounds=2000, replications=3)
    found = measured(Metrics(PAIR, FirstPrice(), LEARNERS, rounds=2000, replications=3), chunk)
    bids = {round: value for (name, round, _), value in found.items() if name == "stage_bid[0,7]:all"}
    assert list(bids) == [8, 33, 105, 333, 1053, 1800]
    assert list(bids.values()) == pytest.approx([0.1, 0.1, 0.1, 0.1, 0.3, 0.3])  # stage four ends at 506


def test_bids_that_cycle_and_bids_that_drift_are_told_apart() -> None:
    def found(shift: Any) -> dict[str, Any]:
        chunk = play(PAIR, FirstPrice(), lambda v, m: v / 2 + shift.repeat(8)[:, None], rounds=2000, replications=8)
        metrics = Metrics(PAIR, FirstPrice(), LEARNERS, rounds=2000, replications=8, window=0.8)
        told = measured(metrics, chunk)
        names = ("bid_drift", "persistence", "cycle_p", "cycle_period")
        return {name: over_replications(told, f"{name}[0]:all") for name in names}

    rounds = np.arange(2000)
    cycling = found(0.02 * np.sin(2 * np.pi * rounds / 200))  # eight of them in the window
    assert (cycling["cycle_p"] < 0.05).all()
    assert cycling["cycle_period"] == pytest.approx(200, rel=0.05)
    assert cycling["bid_drift"] == pytest.approx(0, abs=1e-3)
    drifting = found(0.05 * rounds / 2000 + 0.005 * noise((2000,)))
    # halves of the window lie 800 rounds apart; means of 800 rounds have a standard error of 0.005 √(2/800)
    assert drifting["bid_drift"] == pytest.approx(0.05 * 0.4, abs=3 * 0.005 * math.sqrt(2 / 800))
    assert np.mean(drifting["cycle_p"] < 0.05) < 0.5


def test_nothing_of_this_is_measured_where_nobody_learns() -> None:
    chunk = play(PAIR, FirstPrice(), lambda v, m: v / 2, rounds=300)
    party = Party(0, "all", 0, (0, 1))
    metrics = Metrics(PAIR, FirstPrice(), [party], rounds=300, replications=1)
    names = {MetricName.parse(name).name for name, _, _ in measured(metrics, chunk)}
    assert not names & {"regret", "exploitability_average", "revenue_gap", "stage_bid", "feedback_own", "cycle_p"}
    assert "path_messages" not in metrics.state()


def learned_play(**options: Any) -> tuple[Metrics, Any]:
    environment = PrivateValues(bidders=3, prior=Uniform())
    rng = np.random.default_rng(6)

    def rule(signals: Any, members: Any) -> Any:
        return np.rint(20 * signals * rng.uniform(0.3, 0.9, signals.shape)) / 20

    parties = (Party(0, "one", 0, (0, 1, 2), 0.05, 4, 21, True), Party(0, "two", 0, (3, 4, 5), 0.05, 4, 21, True))
    settings = {"rounds": 330, "replications": 4, "groups": 2, "matching": "strangers", "window": 0.4} | options
    theory = FirstPrice().equilibrium(environment)
    chunk = play(environment, FirstPrice(), rule, rounds=330, replications=4, groups=2, strangers=True)
    return Metrics(environment, FirstPrice(), parties, bids=theory, **settings), chunk  # type: ignore[arg-type]


def test_learned_play_is_the_same_to_the_bit_however_it_is_cut_resumed_or_shared() -> None:
    metrics, chunk = learned_play()
    whole = measured(metrics, chunk)
    names = {MetricName.parse(name).name for name, _, _ in whole}
    assert names >= {"regret", "swap_regret", "exploitability_average", "exploitability_last", "revenue_gap"}
    assert names >= {"bid_drift", "persistence", "cycle_p", "stage_bid", "bid"}
    assert measured(learned_play()[0], *cut(chunk, 1, 100, 101, 250)) == whole
    first, second = learned_play()[0], learned_play()[0]
    first.consume(part(chunk, 0, 140))
    second.restore({name: array.copy() for name, array in first.state().items()})
    assert measured(second, part(chunk, 140, 330)) == whole
    shared: dict[tuple[str, int | None, int], float] = {}
    for begin, count in ((0, 1), (1, 3)):
        some = learned_play(replications=count, first=begin, total=4)[0]
        shared |= measured(some, part(chunk, 0, 330, slice(begin, begin + count)))
    assert shared == whole


def test_courses_are_whole_where_they_are_not_too_many() -> None:
    assert courses(1000, 30, 2)[1] == 30
    rounds, kept = courses(20_000, 1000, 2)
    assert (len(rounds), kept) == (20_000, 10)
    rounds, kept = courses(1_000_000, 1000, 2)
    assert (len(rounds), kept) == (20_000, 10)
    rounds, kept = courses(1000, 1000, 100)
    assert (len(rounds), kept) == (400, 10)
    assert courses(10, 3, 10**9)[0].size == 0


def test_kept_rounds_lie_all_over_the_run_and_favour_no_parity() -> None:
    found = spread(500, 3000)
    assert (np.diff(found) > 0).all()
    assert (found // 6 == np.arange(500)).all()  # one of each stretch of six
    for period in (2, 3, 6):
        shares = np.bincount(found % period, minlength=period) / 500
        assert shares == pytest.approx(np.full(period, 1 / period), abs=0.02)
    assert spread(10, 4).tolist() == [0, 1, 2, 3]


def test_after_a_gap_nothing_more_is_kept() -> None:
    chunk = play(PAIR, FirstPrice(), lambda v, m: v / 2, rounds=30)
    kept = Kept(np.arange(30), 1)
    kept.add(part(chunk, 0, 10))
    kept.add(part(chunk, 20, 30))  # a checkpoint of an older version knew nothing of the rounds between
    assert len(kept.rounds) == 10


def test_the_chance_of_winning_is_the_rivals_distribution() -> None:
    trio = PrivateValues(bidders=3, prior=Uniform())
    found = win_by_cell(trio, FirstPrice(), 0, FirstPrice().equilibrium(trio))
    middles = (np.arange(50) + 0.5) / 50
    # F(v)²; 200 draws a cell: a standard error of at most 0.035
    assert found == pytest.approx(middles**2, abs=4 * 0.035)
    reserve = FirstPrice(reserve=0.5)
    below = win_by_cell(PAIR, reserve, 0, reserve.equilibrium(PAIR))
    assert below is not None
    assert (below[:25] == 0).all()


def test_distance_weighed_by_winning_forgives_low_types() -> None:
    # off by 0.1 below 1/2 only. Weighed by the prior: √(0.01/2); by F(v) = v: the half below has weight 1/4
    chunk = play(PAIR, FirstPrice(), lambda v, m: v / 2 + 0.1 * (v < 0.5), rounds=6000)
    theory = FirstPrice().equilibrium(PAIR)
    party = Party(0, "all", 0, (0, 1))
    found = measured(Metrics(PAIR, FirstPrice(), [party], rounds=6000, replications=1, window=1.0, bids=theory), chunk)
    assert found["distance[0]:all", None, 0] == pytest.approx(math.sqrt(0.01 / 2), rel=0.03)  # sampling of cells
    assert found["winning_distance[0]:all", None, 0] == pytest.approx(math.sqrt(0.01 / 4), rel=0.05)


def test_what_a_cartel_pays() -> None:
    assert cartel_revenue(FirstPrice(), PAIR) == 0.0
    assert cartel_revenue(AllPay(), PAIR) == 0.0
    assert cartel_revenue(SecondPrice(reserve=0.5), PAIR) == pytest.approx(0.5 * 0.75)  # sold unless both are below
    assert cartel_revenue(Ascending(SecondPrice(reserve=0.5)), PAIR) == pytest.approx(0.375)
    assert cartel_revenue(FirstPrice(reserve=0.2, entry_fee=0.1), PAIR) == pytest.approx(0.3 * (1 - 0.09))
    assert cartel_revenue(VickreyClarkeGroves(), PAIR) is None


def test_a_share_has_the_interval_of_clopper_and_pearson() -> None:
    found = share_interval([1] * 5 + [0] * 5)
    assert (found.low, found.high) == (pytest.approx(0.187086, abs=1e-6), pytest.approx(0.812914, abs=1e-6))  # tables
    assert share_interval([0] * 10).low == 0.0
    assert share_interval([0] * 10).high == pytest.approx(0.308498, abs=1e-6)  # 1 − 0.025^(1/10)
    draws = np.random.default_rng(7).uniform(size=(TRIALS, 20)) < 0.3
    covered = np.mean([share_interval(row).low <= 0.3 <= share_interval(row).high for row in draws])
    assert covered >= 0.95 - error(0.95)


def test_a_median_has_the_interval_of_order_statistics() -> None:
    # ranks of the 95 % interval: 6 and 15 of 20, 10 and 21 of 30 (Conover 1999, table A3)
    assert (median_interval(np.arange(1, 21)).low, median_interval(np.arange(1, 21)).high) == (6, 15)
    assert (median_interval(np.arange(1, 31)).low, median_interval(np.arange(1, 31)).high) == (10, 21)
    assert math.isinf(median_interval([1.0, 2, 3]).high)
    censored = median_interval([1.0, 2, 3, 4, 5, 6, math.inf, math.inf, math.inf, math.inf, math.inf])
    assert (censored.mean, censored.low, censored.high) == (6, 2, math.inf)
    draws = np.random.default_rng(8).exponential(size=(TRIALS, 15))
    covered = np.mean([median_interval(row).low <= math.log(2) <= median_interval(row).high for row in draws])
    assert covered >= 0.95 - error(0.95)
