"""What the papers of the gallery are compared with, computed anew: their algorithms, written down a second time.

The papers' own learners step along exact expected payoffs, or break ties otherwise than ours do; where a run differs
from its paper or depends on its set-up, these tests show why.
"""

from __future__ import annotations

import numpy as np
import pytest

import auctionlab
from auctionlab.experiments.sweep import load_sweep

POINTS = 64  # values and bids, as in the configurations that Bichler, Fichtl and Oberlechner published


def winning(shares, n, ties):
    """Chance of each bid of the grid to win against n - 1 bidders whose bids have these shares, (m,)."""
    to, below = np.cumsum(shares), np.cumsum(shares) - shares
    if ties == "lost":
        return below ** (n - 1)
    with np.errstate(invalid="ignore", divide="ignore"):  # one of k who tie: the mean of to^(n-1) between the two
        return np.where(shares > 1e-15, (to**n - below**n) / (n * shares), to ** (n - 1))


def dual_averaging(n, rule, ties, rounds=1_000, step=50.0, power=0.05):
    """Entropic dual averaging along exact expected payoffs: root mean square distance to the equilibrium, and loss."""
    values = bids = np.linspace(0, 1, POINTS)
    scores = np.log(np.random.default_rng(0).random((POINTS, POINTS)))  # their start: random mixtures
    for t in range(1, rounds + 2):
        mixed = np.exp(scores - scores.max(axis=1, keepdims=True))
        mixed /= mixed.sum(axis=1, keepdims=True)  # (values, bids)
        chance = winning(mixed.mean(axis=0), n, ties)
        paid = bids if rule == "all-pay" else bids * chance
        payoffs = values[:, None] * chance - paid
        scores += step * t**-power * payoffs
    equilibrium = (n - 1) / n * (values**n if rule == "all-pay" else values)
    distance = np.sqrt((mixed * (bids - equilibrium[:, None]) ** 2).sum(axis=1).mean())
    loss = (payoffs.max(axis=1) - (mixed * payoffs).sum(axis=1)).mean()
    return distance, loss


def test_exact_dual_averaging_is_further_from_equilibrium_with_more_bidders_and_loses_nothing():
    found = np.array([dual_averaging(n, "first-price", "lost") for n in (2, 5, 10)])
    # The numbers of docs/papers.md. The start is random: over starts they move by less than a twentieth.
    np.testing.assert_allclose(found[:, 0], [0.006, 0.024, 0.090], rtol=0.1)
    assert (found[:, 1] < 0.0005).all()


def test_two_all_pay_bidders_learn_the_equilibrium_where_ties_are_lost_and_not_where_they_are_split():
    lost, split = (dual_averaging(2, "all-pay", ties, step=25.0)[1] for ties in ("lost", "split"))
    assert lost < 0.0005
    assert 0.015 < split < 0.03


def test_bidders_told_the_price_end_at_the_lower_equilibrium_where_ties_between_estimates_go_to_low_bids():
    """Q-learning that corrects every bid by what it would have earned, as in Banchio and Skrzypacz (2022)."""
    rng, bids, table = np.random.default_rng(1), np.arange(1, 20) / 20, np.full((20, 2, 19), 100.0)
    for t in range(20_000):
        choice, best = table.argmax(axis=2), table.max(axis=2, keepdims=True)
        tried = rng.random(choice.shape) < 0.025 * np.exp(-2e-4 * t)
        choice = np.where(tried, rng.integers(0, 19, choice.shape), choice)
        rival = bids[choice[:, ::-1]][..., None]
        earned = (1 - bids) * ((bids > rival) + 0.5 * (bids == rival))
        table += 0.05 * (earned + 0.99 * best - table)
    ends = bids[table.argmax(axis=2)].mean(axis=1)
    assert (np.isclose(ends, 0.90) | np.isclose(ends, 0.95)).all()  # the two static equilibria
    assert np.isclose(ends, 0.90).mean() > 0.5  # the paper: all; `q-learning` breaks ties evenly and ends at 0.95


def test_a_finding_turns_where_learners_are_made_unable_to_learn(tmp_path):
    point = {"points": [{"label": "three at 4", "environment.bidders": 3}]}
    verdicts = []
    for rate in (8.0, 0.01):
        settings = {"agents.0.strategy.rate": rate, "sweep": point}
        sweep = load_sweep("deng-2022", settings, rounds=600, replications=5)
        result = auctionlab.run_sweep(sweep, database=f"sqlite:///{tmp_path / 'lab.db'}")
        verdicts.append(result.findings().findings[0].verdict)
    assert verdicts == ["agrees", "differs"]


@pytest.mark.parametrize(
    "name", ["banchio-skrzypacz-2022", "feng-2021", "kolumbus-nisan-2022", "deng-2022", "bichler-2023"]
)
def test_every_finding_of_a_paper_is_about_a_point_that_is_played(name):
    sweep = load_sweep(name)
    paper = sweep.points[0].config.paper
    assert len(paper.findings) >= 5
    for finding in paper.findings:
        for quantity in finding.quantities:
            assert sum(quantity.fits(point.config.document) for point in sweep.points) == 1
